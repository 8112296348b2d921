"""Reading messages within bounds."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clicktodial.sip.error import MalformedMessage
from clicktodial.sip.message import (
    CSEQ_MAX,
    HEAD_BYTES_MAX,
    HEADER_LINE_BYTES_MAX,
    HEADERS_MAX,
    MESSAGE_BYTES_MAX,
    parse_message,
    printable_phrase,
    tag_of,
)

RESPONSE = (
    b"SIP/2.0 200 OK\r\n"
    b"Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK1;rport\r\n"
    b"From: <sip:a@192.0.2.1>;tag=ours\r\n"
    b"To: <sip:b@192.0.2.9>;tag=theirs\r\n"
    b"Call-ID: 42\r\n"
    b"CSeq: 1 INVITE\r\n"
    b"Content-Length: 0\r\n"
    b"\r\n"
)
REQUEST = RESPONSE.replace(b"SIP/2.0 200 OK", b"INVITE sip:b@192.0.2.9 SIP/2.0")


def changed(old: bytes, new: bytes, message: bytes = RESPONSE) -> bytes:
    assert old in message
    return message.replace(old, new, 1)


def test_response_is_taken_apart() -> None:
    message = parse_message(RESPONSE)
    assert (message.status, message.phrase, message.method) == (200, "OK", "INVITE")
    assert (message.branch, message.call_id, message.cseq) == ("z9hG4bK1", "42", 1)
    assert (message.from_tag, message.to_tag) == ("ours", "theirs")
    assert message.uri is None
    assert message.body == b""


def test_request_is_taken_apart() -> None:
    message = parse_message(REQUEST)
    assert (message.status, message.method, message.defect) == (0, "INVITE", None)
    assert message.uri is not None
    assert message.uri.user == "b"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"Call-ID: 42", b"i: 42"),
        (b"Call-ID: 42", b"CALL-ID  \t: 42  "),
        (b"Call-ID: 42", b"Call-ID:\r\n\t 42"),
        (b"SIP/2.0 200 OK", b"\r\n\r\nSIP/2.0 200 OK"),
        (b"SIP/2.0 200 OK", b"SIP/2.0 200"),
        (b"CSeq: 1 INVITE", b"CSeq:   0001 \t INVITE"),
        (b";branch=z9hG4bK1", b" ; Branch = z9hG4bK1"),
        (b";tag=ours", b"; TAG = ours ;x=y"),
        (b"<sip:a@192.0.2.1>;tag=ours", b'"x;tag=no" <sip:a@192.0.2.1;tag=no>;tag=ours'),
        (b"<sip:a@192.0.2.1>;tag=ours", b"sip:a@192.0.2.1;tag=ours"),
        (b"200 OK", b"200 Gr\xfc\xdfe"),
        (b"Content-Length: 0\r\n", b""),
        (b"Content-Length: 0\r\n", b"l: 0\r\nX-Unknown:\r\n"),
    ],
)
def test_message_in_another_spelling_is_the_same(old: bytes, new: bytes) -> None:
    message = parse_message(changed(old, new))
    assert (message.status, message.method, message.cseq) == (200, "INVITE", 1)
    assert (message.branch, message.call_id) == ("z9hG4bK1", "42")
    assert (message.from_tag, message.to_tag) == ("ours", "theirs")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"Via:", b"X-Via:"),
        (b"From:", b"X-From:"),
        (b"To:", b"X-To:"),
        (b"Call-ID:", b"X-Call-ID:"),
        (b"CSeq:", b"X-CSeq:"),
        (b"Call-ID: 42", b"Call-ID:"),
        (b"Call-ID: 42", b"Call-ID: 42\r\ni: 43"),
        (b"From: <sip:a", b"f: <sip:x@y>\r\nFrom: <sip:a"),
        (b"CSeq: 1 INVITE", b"CSeq: INVITE"),
        (b"CSeq: 1 INVITE", b"CSeq: -1 INVITE"),
        (b"CSeq: 1 INVITE", b"CSeq: %d INVITE" % (CSEQ_MAX + 1)),
        (b"CSeq: 1 INVITE", b"CSeq: 1"),
        (b"CSeq: 1 INVITE", "CSeq: \N{ARABIC-INDIC DIGIT ONE} INVITE".encode()),
        (b"SIP/2.0 200 OK", b"SIP/2.0 99 OK"),
        (b"SIP/2.0 200 OK", b"SIP/2.0 700 OK"),
        (b"SIP/2.0 200 OK", b"SIP/2.0 abc OK"),
        (b"SIP/2.0 200 OK", b"SIP/3.0 200 OK"),
        (b"SIP/2.0 200 OK", b""),
        (b"Content-Length: 0", b"Content-Length: -1"),
        (b"Content-Length: 0", b"Content-Length: 0\r\nl: 0"),
        (b"Content-Length: 0", b"Content-Length: 5"),
        (b"Content-Length: 0", b"Content-Length: 99999999999999999999"),
        (b"Call-ID: 42", b"Call-ID 42"),
        (b"Call-ID: 42", b"Call-ID: 42\nX: y"),
        (b"Call-ID: 42", b"Call-ID: 42\rX: y"),
        (b"\r\n\r\n", b"\r\n"),
        (b"Call-ID: 42", b"Call-ID: " + b"x" * HEADER_LINE_BYTES_MAX),
        (b"Call-ID: 42", b"Call-ID: 42\r\n" + b"X: y\r\n" * HEADERS_MAX + b"Y: z"),
        (b"Call-ID: 42", b"Call-ID: 42" + (b"\r\nX: " + b"y" * 8000) * 5),
    ],
)  # fmt: skip
def test_message_that_cannot_be_used_is_malformed(old: bytes, new: bytes) -> None:
    with pytest.raises(MalformedMessage):
        parse_message(changed(old, new))


def test_message_beyond_the_size_limit_is_malformed() -> None:
    body = b"x" * (MESSAGE_BYTES_MAX - len(REQUEST) + 1)
    with pytest.raises(MalformedMessage):
        parse_message(changed(b"Content-Length: 0\r\n", b"", REQUEST) + body + b"x" * 20)


def test_head_of_many_long_lines_is_malformed() -> None:
    line = b"X: " + b"y" * (HEADER_LINE_BYTES_MAX - 10) + b"\r\n"
    lines = line * (HEAD_BYTES_MAX // len(line) + 1)
    with pytest.raises(MalformedMessage):
        parse_message(changed(b"Call-ID", lines + b"Call-ID"))


def test_body_longer_than_its_length_is_cut() -> None:
    message = parse_message(changed(b"Content-Length: 0", b"Content-Length: 3") + b"abcdef")
    assert message.body == b"abc"


def test_body_without_length_ends_with_the_datagram() -> None:
    assert parse_message(changed(b"Content-Length: 0\r\n", b"") + b"abc").body == b"abc"


def test_tag_of_a_header_with_none_is_empty() -> None:
    assert tag_of("<sip:a@b;tag=x>") == ""


def test_phrase_is_printable() -> None:
    assert printable_phrase(" a\x00\x1b[31mb\u202e ") == "a[31mb"


@given(st.binary(max_size=2000))
def test_any_bytes_are_a_message_or_malformed(data: bytes) -> None:
    _parse(data)


@given(st.binary(max_size=60), st.integers(0, len(REQUEST)), st.integers(0, 40))
def test_request_with_a_part_replaced_is_a_message_or_malformed(
    patch: bytes, at: int, removed: int
) -> None:
    _parse(REQUEST[:at] + patch + REQUEST[at + removed :])


@given(st.text(st.sampled_from(" :;,<>\"'\\@[]%=.-aA1sip\t"), max_size=200))
def test_any_punctuation_in_a_header_is_a_message_or_malformed(text: str) -> None:
    for name in (b"Via", b"From", b"Contact", b"Record-Route"):
        _parse(changed(b"Content-Length: 0", name + b": " + text.encode(), REQUEST))
    _parse(changed(b"sip:b@192.0.2.9", text.encode(), REQUEST))


def _parse(data: bytes) -> None:
    try:
        message = parse_message(data)
    except MalformedMessage:
        return
    assert message.call_id
    message.get_values("Contact")
    message.get_count("Max-Forwards")


@pytest.mark.parametrize(
    "hostile",
    [
        pytest.param("sip:" + "a" * 8000, id="user"),
        pytest.param("sip:" + "a-" * 4000 + "!", id="labels"),
        pytest.param("sip:" + "a." * 4000 + "!", id="dots"),
        pytest.param("sip:a@b" + ";a=b" * 2000 + ";=", id="parameters"),
        pytest.param("sip:[" + "1:" * 3000 + "]x", id="ipv6"),
        pytest.param("sip:" + "%41" * 2600 + "%", id="escapes"),
        pytest.param('"' + '\\"' * 4000, id="quotes"),
        pytest.param("<" * 8000, id="brackets"),
        pytest.param("; " * 4000 + "tag", id="semicolons"),
        pytest.param(", " * 4000, id="commas"),
        pytest.param("Q.850;" * 1300, id="reasons"),
    ],
)
def test_hostile_value_costs_no_more_than_its_length(hostile: str) -> None:
    """A pattern that backtracks would take seconds or for ever over these."""
    value = hostile.encode()
    messages = [changed(b"sip:b@192.0.2.9", value, REQUEST)]
    messages += [
        changed(b"Content-Length: 0", name + b": " + value, REQUEST)
        for name in (b"Contact", b"Record-Route", b"Reason", b"X")
    ]
    messages.append(changed(b"<sip:a@192.0.2.1>;tag=ours", value, REQUEST))
    messages.append(changed(b"SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK1;rport", value, REQUEST))
    started = time.process_time()
    for message in messages:
        _parse(message)
    assert time.process_time() - started < 0.5
