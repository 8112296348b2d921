"""Following: what breaks is made anew behind what came last; without a network."""

import itertools

import pytest
from tests.client.support import Script, answer, create_connection

from clicktodial.client.error import InvalidAnswer, NotAnswered, NotAuthenticated
from clicktodial.client.history import SILENCE_S_MAX, follow, watch_call

OPEN = answer(200, b"")


def event(seq: int, status: str = "Connected") -> bytes:
    return (
        f'{{"id":"c-{seq}","cursor":"k{seq}","call_id":"c","seq":{seq},"status":"{status}",'
        f'"occurred_at":"2026-03-04T05:06:07Z","sponsor":"1","caller":"2","callee":"3",'
        f'"delivery":{{"state":"none","attempts":0}}}}'
    ).encode()


def told(seq: int) -> bytes:
    return b"id: k%d\nevent: status\ndata: %b\n\n" % (seq, event(seq))


def run(script: Script, count: int, after: str | None = None) -> list[int]:
    script.run(
        follow(create_connection(), after, draw=lambda: 0.0),
        until=lambda script: len(script.emitted) == count,
    )
    return [one.seq for one in script.emitted]


def test_stream_that_breaks_is_opened_again_behind_what_came_last() -> None:
    script = Script(
        OPEN, b"retry: 1000\nid: k0\n\n", told(1), told(2)[:-1], NotAnswered(),
        OPEN, b"id: k1\n\n", told(2) + told(3), b"",
        NotAnswered(), answer(503, headers={"retry-after": "9"}),
        OPEN, told(4),
    )  # fmt: skip
    assert run(script, 4) == [1, 2, 3, 4]
    places = [request.headers.get("Last-Event-ID") for request in script.requests]
    assert places == [None, "k1", "k3", "k3", "k3"]
    assert script.requests[0].timeout_s == SILENCE_S_MAX
    assert script.requests[0].total_s is None
    # As the stream asked; ever more where there is none; as the platform asked.
    assert script.pauses == [0.25, 1.0, 0.5, 9.0]


def test_stream_begins_behind_the_cursor_that_is_given() -> None:
    script = Script(OPEN, told(5))
    assert run(script, 1, after="k4") == [5]
    assert script.requests[0].headers["Last-Event-ID"] == "k4"


def test_stream_that_is_refused_is_not_asked_for_again() -> None:
    script = Script(answer(401))
    with pytest.raises(NotAuthenticated):
        run(script, 1)


@pytest.mark.parametrize("piece", [b"data: {}\n\n", b"data: [\n\n", b"x" * 300_000])
def test_stream_of_nonsense_is_an_invalid_answer(piece: bytes) -> None:
    with pytest.raises(InvalidAnswer):
        run(Script(OPEN, piece), 1)


def test_platform_that_stays_away_is_asked_ever_more_seldom() -> None:
    script = Script(*itertools.repeat(NotAnswered(), 12), OPEN, told(1))
    run(script, 1)
    assert script.pauses[:3] == [0.25, 0.5, 1.0]
    assert script.pauses[-1] == 15.0


def test_call_is_watched_until_it_has_ended() -> None:
    pages = [[event(1)], [], [event(2), event(3, "Disconnected")]]
    script = Script(
        *(answer(200, b'{"events":[%b],"next":"0"}' % b",".join(page)) for page in pages)
    )
    script.run(watch_call(create_connection(), "c"))
    assert [one.seq for one in script.emitted] == [1, 2, 3]
    assert [request.url.rpartition("=")[2] for request in script.requests] == ["0", "1", "1"]
