"""The parser of event streams: any division into pieces gives the same events."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clicktodial.client.server_sent_event import (
    DATA_CHARACTERS_MAX,
    LINE_CHARACTERS_MAX,
    EventStreamParser,
    LineTooLong,
    StreamEvent,
)

STREAM = (
    "\ufeffretry: 2500\nid: c1\n\n:\n\nid: c2\r\nevent: status\r\ndata: {\r\ndata: \u00e9}\r\n\r\n"
    "data:a\rdata\r\rid: nul\0\nother: x\ndata: b\n\nid\ndata: c\n\nevent: lost\n\ndata: no end"
).encode()
EVENTS = [
    StreamEvent("c1", "message", ""),
    StreamEvent("c2", "status", "{\n\u00e9}"),
    StreamEvent("c2", "message", "a\n"),
    StreamEvent("c2", "message", "b"),
    StreamEvent("", "message", "c"),
]


@given(st.sets(st.integers(1, len(STREAM) - 1)))
def test_stream_in_any_pieces_gives_the_same_events(cuts: set[int]) -> None:
    parser, ends = EventStreamParser(), [*sorted(cuts), len(STREAM)]
    starts = [0, *ends]
    events = [
        event
        for start, end in zip(starts, ends, strict=False)
        for event in parser.feed(STREAM[start:end])
    ]
    assert events == EVENTS
    assert parser.retry_s == 2.5


def test_line_without_an_end_is_refused() -> None:
    parser = EventStreamParser()
    parser.feed(b"x" * LINE_CHARACTERS_MAX)
    with pytest.raises(LineTooLong):
        parser.feed(b"x")


def test_event_without_an_end_is_refused() -> None:
    parser, line = EventStreamParser(), b"data: %b\n" % (b"x" * 1_000)
    with pytest.raises(LineTooLong):
        for _ in range(DATA_CHARACTERS_MAX // 1_000 + 1):
            parser.feed(line)
