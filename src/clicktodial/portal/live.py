"""Pages that follow what they show.

A page says what to ask (`Watch`): a cheap question to the database, whose answer changes with what
the page shows. It is asked once a second for all who look at the same, on this node; where the
answer is another, their browsers are told so, and no more than that, over server-sent events: they
fetch the part of the page again, through the gate like anything else.

    browser --- GET /console/live/calls ---> stream ---.
    browser --- GET /console/live/calls ---> stream ---+--- Watch(key) --- one question a second
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable
from contextlib import suppress
from dataclasses import dataclass, field

import structlog

from clicktodial.control.error import ControlError, Overloaded
from clicktodial.storage.error import StorageError
from clicktodial.web.worker import Worker

log = structlog.get_logger()

ASK_EVERY_S = 1.0
# Proxies cut what says nothing for a minute; and so often it is looked whether the session holds.
HEARTBEAT_S = 20.0
# Each is a connection and a task, some 20 kB.
STREAMS_MAX = 500
# A browser opens six connections to a server in all.
STREAMS_PER_PERSON_MAX = 4
# Each is a question a second on the console's two threads.
WATCHES_MAX = 100
# A browser whose stream was cut asks again after so long.
_RETRY = b"retry: 5000\n\n"
_CHANGED = b"event: changed\ndata: 1\n\n"
_ENDED = b"event: ended\ndata: 1\n\n"
_HEARTBEAT = b": still here\n\n"


@dataclass(frozen=True, slots=True)
class Watch:
    """A question: `ask` blocks, and its answer is compared with the one before. Whoever has the
    same `key` has the same question, so all that it depends on must be in the key."""

    key: Hashable
    ask: Callable[[], object]


@dataclass(slots=True)
class _Watched:
    """A question that is asked, and who waits for another answer."""

    watch: Watch
    answer: object = None
    was_asked: bool = False
    waiting: set[asyncio.Event] = field(default_factory=set)


class Broadcaster:
    """Asks for all who look, of one node."""

    def __init__(self, worker: Worker, *, ask_every_s: float = ASK_EVERY_S) -> None:
        self._worker = worker
        self._ask_every_s = ask_every_s
        self._watched: dict[Hashable, _Watched] = {}
        self._streams_by_person: dict[str, int] = {}
        self._task: asyncio.Task[None] | None = None
        self._is_closed = False

    @property
    def stream_count(self) -> int:
        """How many streams there are."""
        return sum(self._streams_by_person.values())

    def stream(
        self, person: str, watch: Watch, holds: Callable[[], Awaitable[bool]]
    ) -> AsyncIterator[bytes]:
        """The events of a page that somebody looks at, for as long as their session `holds`.
        Raises Overloaded where there are too many."""
        own = self._streams_by_person.get(person, 0)
        is_new = watch.key not in self._watched
        if (
            self._is_closed
            or own >= STREAMS_PER_PERSON_MAX
            or self.stream_count >= STREAMS_MAX
            or (is_new and len(self._watched) >= WATCHES_MAX)
        ):
            raise Overloaded(retry_after_s=5)
        return self._run_stream(person, watch, holds)

    async def close(self) -> None:
        """End all streams."""
        self._is_closed = True
        for watched in self._watched.values():
            for event in watched.waiting:
                event.set()
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def _run_stream(
        self, person: str, watch: Watch, holds: Callable[[], Awaitable[bool]]
    ) -> AsyncIterator[bytes]:
        event = asyncio.Event()
        self._join(person, watch, event)
        try:
            yield _RETRY
            while not self._is_closed:
                try:
                    await asyncio.wait_for(event.wait(), HEARTBEAT_S)
                except TimeoutError:
                    if not await holds():
                        yield _ENDED
                        return
                    yield _HEARTBEAT
                    continue
                event.clear()
                if not self._is_closed:
                    yield _CHANGED
        finally:
            self._leave(person, watch, event)

    def _join(self, person: str, watch: Watch, event: asyncio.Event) -> None:
        watched = self._watched.setdefault(watch.key, _Watched(watch))
        watched.waiting.add(event)
        # What changed since the page was made, or while the stream was cut, nobody was told. What
        # nobody asked yet is told when it was, or a change between both would be told by neither.
        if watched.was_asked:
            event.set()
        self._streams_by_person[person] = self._streams_by_person.get(person, 0) + 1
        if self._task is None:
            self._task = asyncio.create_task(self._ask_all(), name="console_live")

    def _leave(self, person: str, watch: Watch, event: asyncio.Event) -> None:
        watched = self._watched[watch.key]
        watched.waiting.discard(event)
        if not watched.waiting:
            del self._watched[watch.key]
        self._streams_by_person[person] -= 1
        if not self._streams_by_person[person]:
            del self._streams_by_person[person]

    async def _ask_all(self) -> None:
        """Until nobody looks any more."""
        while self._watched:
            for watched in list(self._watched.values()):
                await self._ask(watched)
            await asyncio.sleep(self._ask_every_s)
        self._task = None

    async def _ask(self, watched: _Watched) -> None:
        try:
            answer = await self._worker.run(watched.watch.ask)
        except (StorageError, ControlError) as error:
            # The next second asks again.
            log.warning("console.live_failed", key=str(watched.watch.key), error=str(error))
            return
        if not watched.was_asked or answer != watched.answer:
            for event in watched.waiting:
                event.set()
        watched.answer, watched.was_asked = answer, True
