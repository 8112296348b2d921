"""Following: what breaks is made anew behind what came last; without a network."""

import itertools

import pytest
from tests.client.support import Script, answer, create_connection

from clicktodial.client.error import InvalidAnswer, NotAnswered, NotAuthenticated
from clicktodial.client.history import (
    SILENCE_S_MAX,
    follow,
    read_alerts,
    read_call_events,
    watch_call,
)

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


def test_answer_of_the_server_comes_with_the_event() -> None:
    given = b'"attempts":2,"answer":{"status":503,"at":"2026-03-04T05:06:08Z","text":"busy"}'
    page = b'{"events":[%b],"next":"1"}' % event(1).replace(b'"attempts":0', given)
    script = Script(answer(200, page), answer(200, b'{"events":[],"next":"1"}'))
    script.run(read_call_events(create_connection(), "c", 0))
    [told_event] = script.emitted
    assert (told_event.delivery.answer.status, told_event.delivery.answer.text) == (503, "busy")


def alert(seq: int) -> bytes:
    return (
        f'{{"id":"pool-a-{seq}","seq":{seq},"occurred_at":"2026-03-04T05:06:07Z",'
        f'"enterprise_id":"acme","threshold_percent":80,"used_percent":81,"granted_s":100,'
        f'"used_s":81,"left_s":19,"delivery":{{"state":"pending","attempts":0}}}}'
    ).encode()


def alerts(*seqs: int) -> bytes:
    return b'{"alerts":[%b],"next":"0"}' % b",".join(alert(seq) for seq in seqs)


def test_alerts_are_read_page_by_page() -> None:
    script = Script(*(answer(200, page) for page in (alerts(3, 5), alerts(9), alerts())))
    script.run(read_alerts(create_connection(), 2))
    assert [one.seq for one in script.emitted] == [3, 5, 9]
    assert [request.url.rpartition("=")[2] for request in script.requests] == ["2", "5", "9"]


def test_alerts_that_do_not_end_are_an_invalid_answer() -> None:
    with pytest.raises(InvalidAnswer):
        Script(answer(200, alerts(3)), answer(200, alerts(3))).run(
            read_alerts(create_connection(), 0)
        )
