"""Streams cut anywhere, and what makes one useless."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.sip.support import ANSWER_SDP, create_request

from clicktodial.sip.error import MalformedMessage
from clicktodial.sip.framing import StreamFramer
from clicktodial.sip.message import HEAD_BYTES_MAX, MESSAGE_BYTES_MAX

INVITE = create_request("INVITE", sdp=ANSWER_SDP)
BYE = create_request("BYE", to_tag="x")
PING = b"\r\n\r\n"


def message(content_length: bytes, body: bytes = b"") -> bytes:
    return b"BYE sip:a SIP/2.0\r\n" + content_length + b"\r\nX: y\r\n\r\n" + body


@given(st.lists(st.sampled_from([INVITE, BYE, PING, b"\r\n"]), max_size=6), st.data())
def test_stream_cut_anywhere_gives_the_same_messages(
    parts: list[bytes], data: st.DataObject
) -> None:
    stream = b"".join([*parts, BYE])
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=12)))
    framer = StreamFramer()
    messages: list[bytes] = []
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        messages += framer.feed(stream[start:end])
    assert messages == [part for part in [*parts, BYE] if part not in (PING, b"\r\n")]
    assert not framer.is_within_message


@pytest.mark.parametrize("chunk", [1, 2, 3, 1000])
def test_ping_between_messages_is_counted(chunk: int) -> None:
    framer = StreamFramer()
    stream = PING + BYE + PING + PING + INVITE + PING
    messages = []
    for start in range(0, len(stream), chunk):
        messages += framer.feed(stream[start : start + chunk])
    assert messages == [BYE, INVITE]
    assert framer.pings == 4


def test_answer_to_a_ping_is_no_ping() -> None:
    framer = StreamFramer()
    assert framer.feed(b"\r\n" + BYE) == [BYE]
    assert framer.pings == 0


@pytest.mark.parametrize(
    "header",
    [
        b"Content-Length: 4",
        b"CONTENT-LENGTH:4",
        b"l: 4",
        b"L : 4",
        b"Content-Length:\r\n 4",
        b"Content-Length: 4 ",
        b"Content-Length: 004",
    ],
)
def test_content_length_in_any_spelling_is_read(header: bytes) -> None:
    assert StreamFramer().feed(message(header, b"abcd") + b"BYE") == [message(header, b"abcd")]


@pytest.mark.parametrize(
    "header",
    [
        b"X: y",
        b"Content-Length: ",
        b"Content-Length: -1",
        b"Content-Length: 1x",
        b"Content-Length: 1\r\nContent-Length: 2",
        b"Content-Length: 1\r\nl: 1",
        b"Content-Length: 4\r\nContent-Length: x",
        b"Content-Length: 9999999999",
        b"Content-Length: %d" % MESSAGE_BYTES_MAX,
        b"Not-Content-Length: 4",
    ],
)
def test_message_whose_end_is_not_told_ends_the_stream(header: bytes) -> None:
    with pytest.raises(MalformedMessage):
        StreamFramer().feed(message(header))


def test_headers_without_end_are_not_kept_for_ever() -> None:
    framer = StreamFramer()
    with pytest.raises(MalformedMessage):
        for _ in range(HEAD_BYTES_MAX // 1000 + 2):
            framer.feed(b"x" * 1000)


@pytest.mark.parametrize("start", [b"\rx", b"\r\n\rx", b"\r\r", b"\r\n\r\r"])
def test_bare_line_end_before_a_message_ends_the_stream(start: bytes) -> None:
    with pytest.raises(MalformedMessage):
        StreamFramer().feed(start)


@given(st.binary(max_size=2000))
def test_any_bytes_are_messages_or_malformed(data: bytes) -> None:
    framer = StreamFramer()
    try:
        messages = framer.feed(data)
    except MalformedMessage:
        return
    assert sum(len(each) for each in messages) <= len(data)
