"""One question a second for all who look at the same, and what their browsers are told."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from clicktodial.control.error import Overloaded
from clicktodial.portal import live
from clicktodial.portal.live import Broadcaster, Watch
from clicktodial.web.worker import Worker


class Question:
    """Answers what it is told to, and counts."""

    def __init__(self) -> None:
        self.answer, self.asked = 0, 0
        self.was_asked = asyncio.Event()
        self._loop = asyncio.get_running_loop()

    def ask(self) -> object:
        """On a thread."""
        self.asked += 1
        self._loop.call_soon_threadsafe(self.was_asked.set)
        return self.answer

    async def wait(self) -> None:
        """Until it is asked once more."""
        self.was_asked.clear()
        await asyncio.wait_for(self.was_asked.wait(), 10)


@pytest.fixture
async def broadcaster() -> AsyncIterator[Broadcaster]:
    worker = Worker()
    broadcaster = Broadcaster(worker, ask_every_s=0.01)
    yield broadcaster
    await broadcaster.close()
    await worker.close()


async def holds() -> bool:
    return True


async def begin(stream: AsyncIterator[bytes]) -> asyncio.Task[bytes]:
    """A stream that has begun; the task is its next event."""
    assert await anext(stream) == b"retry: 5000\n\n"
    assert await anext(stream) == b"event: changed\ndata: 1\n\n"
    return asyncio.create_task(anext(stream))  # type: ignore[arg-type] # it is a coroutine


async def test_another_answer_is_told_to_all_who_look(broadcaster: Broadcaster) -> None:
    question = Question()
    watch = Watch("calls", question.ask)
    streams = [broadcaster.stream(f"person-{number}", watch, holds) for number in range(3)]
    events = [await begin(stream) for stream in streams]
    await question.wait()
    await question.wait()
    assert not any(event.done() for event in events)
    question.answer = 1
    told = await asyncio.wait_for(asyncio.gather(*events), 10)
    assert told == [b"event: changed\ndata: 1\n\n"] * 3


async def test_change_before_the_first_answer_is_told(broadcaster: Broadcaster) -> None:
    """A page is made, what it shows changes, and only then the question is asked first."""
    first = Question()
    await begin(broadcaster.stream("one", Watch("other", first.ask), holds))
    question = Question()
    stream = broadcaster.stream("two", Watch("calls", question.ask), holds)
    assert await anext(stream) == b"retry: 5000\n\n"
    assert question.asked == 0
    question.answer = 1
    assert await anext(stream) == b"event: changed\ndata: 1\n\n"
    assert question.asked == 1


async def test_same_question_is_asked_once_for_all(broadcaster: Broadcaster) -> None:
    question, other = Question(), Question()
    for number in range(4):
        await begin(broadcaster.stream(f"p{number}", Watch("same", question.ask), holds))
    await begin(broadcaster.stream("p", Watch("other", other.ask), holds))
    before, other_before = question.asked, other.asked
    for _ in range(5):
        await other.wait()
    # Both are asked in turn.
    assert abs((question.asked - before) - (other.asked - other_before)) <= 1


async def test_streams_are_bounded(
    broadcaster: Broadcaster, monkeypatch: pytest.MonkeyPatch
) -> None:
    question = Question()
    for _ in range(live.STREAMS_PER_PERSON_MAX):
        await begin(broadcaster.stream("one", Watch("calls", question.ask), holds))
    with pytest.raises(Overloaded):
        broadcaster.stream("one", Watch("calls", question.ask), holds)
    monkeypatch.setattr(live, "WATCHES_MAX", 1)
    with pytest.raises(Overloaded):
        broadcaster.stream("two", Watch("other", question.ask), holds)
    monkeypatch.setattr(live, "STREAMS_MAX", broadcaster.stream_count)
    with pytest.raises(Overloaded):
        broadcaster.stream("two", Watch("calls", question.ask), holds)


async def test_stream_ends_with_the_session(
    broadcaster: Broadcaster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "HEARTBEAT_S", 0.01)
    question, answers = Question(), [True, False]

    async def holds_for_a_while() -> bool:
        return answers.pop(0)

    stream = broadcaster.stream("one", Watch("calls", question.ask), holds_for_a_while)
    told = [event async for event in stream]
    # The first answer comes when it comes.
    assert [event for event in told if event != b"event: changed\ndata: 1\n\n"] == [
        b"retry: 5000\n\n",
        b": still here\n\n",
        b"event: ended\ndata: 1\n\n",
    ]
    assert broadcaster.stream_count == 0


async def test_all_streams_end_when_the_node_stops(broadcaster: Broadcaster) -> None:
    stream = broadcaster.stream("one", Watch("calls", Question().ask), holds)
    event = await begin(stream)
    await broadcaster.close()
    with pytest.raises(StopAsyncIteration):
        await asyncio.wait_for(event, 10)
    with pytest.raises(Overloaded):
        broadcaster.stream("one", Watch("calls", Question().ask), holds)
