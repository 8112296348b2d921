"""What is kept of a SIP message: enough to see why, and nobody's number."""

from clicktodial.domain.number import mask_number
from clicktodial.sip.trace import find_call_id, trace_message

INVITE = (
    b"INVITE sip:+8613912345673@198.51.100.7:5060;user=phone SIP/2.0\r\n"
    b"Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK13912345673\r\n"
    b'From: "01052680000" <sip:+861052680000@192.0.2.1>;tag=8613912345673\r\n'
    b"To: <sip:+8613912345673@198.51.100.7:5060;user=phone>\r\n"
    b"Call-ID: a8b7@192.0.2.1\r\n"
    b"CSeq: 1 INVITE\r\n"
    b"User-Agent: clicktodial\r\n"
    b"\r\n"
    b"v=0\r\nc=IN IP4 192.0.2.1\r\nm=audio 20000 RTP/AVP 8 101\r\n"
    b"a=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\n"
)
BUSY = (
    b"SIP/2.0 486 +8613912345673 is busy\r\n"
    b"i: a8b7@192.0.2.1\r\n"
    b"t: <sip:+8613912345673@198.51.100.7>;tag=2\r\n"
    b"CSeq: 1 INVITE\r\n"
    b'Reason: Q.850;cause=17;text="User busy"\r\n'
    b"\r\n"
)


def test_message_is_kept_without_numbers_and_hosts() -> None:
    traced = trace_message(7, INVITE, is_sent=True)
    assert traced.line == "INVITE sip:+8613*******73@…;user=phone SIP/2.0"
    assert traced.headers == (
        f'From: "{mask_number("01052680000")}" <sip:{mask_number("+861052680000")}@…>',
        f"To: <sip:{mask_number('+8613912345673')}@…;user=phone>",
        "CSeq: 1 INVITE",
        "User-Agent: clicktodial",
    )
    assert traced.codecs == ("PCMA", "telephone-event")
    assert (traced.at_ms, traced.is_sent, traced.size) == (7, True, len(INVITE))
    kept = f"{traced}"
    assert "13912345673" not in kept and "1052680000" not in kept
    assert "192.0.2" not in kept and "198.51" not in kept


def test_refusal_keeps_what_the_network_said() -> None:
    traced = trace_message(7, BUSY, is_sent=False)
    assert traced.line == "SIP/2.0 486 +8613*******73 is busy"
    assert 'Reason: Q.850;cause=17;text="User busy"' in traced.headers
    assert "To: <sip:+8613*******73@…>" in traced.headers


def test_what_is_no_message_is_kept_bounded() -> None:
    traced = trace_message(7, b"\xff\x00\x1b[31m" + b"x" * 100_000, is_sent=False)
    assert len(traced.line) <= 200
    assert traced.line.isprintable()
    many = b"SIP/2.0 200 OK\r\n" + b"Reason: x\r\n" * 10_000 + b"\r\n" + b"a=rtpmap:8 A/8\r\n" * 99
    traced = trace_message(7, many, is_sent=False)
    assert traced.headers == ("Reason: x",)
    assert traced.codecs == ("A",)


def test_call_id_is_found_however_it_is_written() -> None:
    assert find_call_id(INVITE) == b"a8b7@192.0.2.1"
    assert find_call_id(BUSY) == b"a8b7@192.0.2.1"
    assert find_call_id(b"X\r\ncall-ID \t: q\r\n\r\n") == b"q"
    assert find_call_id(b"\r\n\r\n") is None
