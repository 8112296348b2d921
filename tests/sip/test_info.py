"""Keys told by INFO within a conversation."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.sip.call import Call
from tests.sip.support import create_harness, create_request, header_lines, read, summaries, summary

from clicktodial.sip.event import SessionDigit
from clicktodial.sip.info import ACCEPTED_TYPES, DURATION_MS_MAX, INFO_BYTES_MAX
from clicktodial.sip.session import SessionState

RELAY = "application/dtmf-relay"
DIGIT = "application/dtmf"


def tell(call: Call, body: bytes, kind: str, cseq: int = 2, *lines: str) -> list[bytes]:
    """An INFO of the peer with that body; returns what we answer."""
    return call.ask(
        "INFO", cseq, body=body, lines=(*((f"Content-Type: {kind}",) if kind else ()), *lines)
    )


@pytest.mark.parametrize(
    ("kind", "body", "digit"),
    [
        (RELAY, b"Signal=5\r\nDuration=160\r\n", "5"),
        (RELAY, b"Signal= 0 \nDuration = 250", "0"),
        (RELAY, b"signal=*\r\n", "*"),
        (RELAY, b"Duration=100\r\nSignal=#\r\n", "#"),
        (RELAY, b"Signal=a\r\nDuration=0\r\n", "A"),
        (RELAY, b"Signal=10\r\n", "*"),
        (RELAY, b"Signal=11\r\n", "#"),
        ("Application/DTMF-Relay; charset=utf-8", b"Signal=15\r\n", "D"),
        (DIGIT, b"7", "7"),
        (DIGIT, b" 9\r\n", "9"),
        (DIGIT, b"#", "#"),
    ],
)
def test_key_is_told_once_however_it_is_spelled(kind: str, body: bytes, digit: str) -> None:
    call = Call()
    answer = tell(call, body, kind)
    assert summaries(answer) == ["200 INFO"]
    assert call.events() == [SessionDigit(digit)]
    # The same INFO again is answered again, and is no second key.
    assert tell(call, body, kind) == answer
    assert call.events() == []


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (RELAY, b"x"),
        (RELAY, b"Signal=\r\n"),
        (RELAY, b"Signal=16\r\n"),
        (RELAY, b"Signal=55\r\n"),
        (RELAY, b"Signal=E\r\n"),
        (RELAY, b"Signal=1\r\nSignal=2\r\n"),
        (RELAY, b"Signal=1\r\nDuration=long\r\n"),
        (RELAY, b"Signal=1\r\nDuration=-5\r\n"),
        (RELAY, b"Signal=1\r\nDuration=%d\r\n" % (DURATION_MS_MAX + 1)),
        (RELAY, b"Signal=1\r\n" + b"x" * INFO_BYTES_MAX),
        (DIGIT, b"12345"),
        (DIGIT, b"\xff"),
        (DIGIT, b"\xd9\xa5"),  # an Arabic five
    ],
)
def test_body_that_tells_of_no_key_is_400(kind: str, body: bytes) -> None:
    call = Call()
    assert summaries(tell(call, body, kind)) == ["400 INFO"]
    assert (call.events(), call.state) == ([], SessionState.CONFIRMED)


@pytest.mark.parametrize(
    ("kind", "lines"),
    [("text/plain", ()), ("", ()), (RELAY, ("Content-Encoding: gzip",))],
)
def test_other_body_is_415_with_what_we_take(kind: str, lines: tuple[str, ...]) -> None:
    call = Call()
    [answer] = tell(call, b"Signal=5", kind, 2, *lines)
    assert summary(answer) == "415 INFO"
    assert header_lines(answer, "Accept") == [ACCEPTED_TYPES]
    assert call.events() == []


def test_info_without_a_body_asks_whether_we_live() -> None:
    call = Call()
    assert summaries(call.ask("INFO", 2)) == ["200 INFO"]
    assert call.events() == []


def test_info_package_is_469_and_none_is_wanted() -> None:
    call = Call()
    [answer] = tell(call, b"Signal=5", RELAY, 2, "Info-Package: dtmf")
    assert summary(answer) == "469 INFO"
    assert header_lines(answer, "Recv-Info") == [""]
    assert call.events() == []


def test_key_of_an_unknown_dialog_is_481() -> None:
    call = Call()
    request = create_request("INFO", cseq=2, to_tag="nobody", sdp=b"")
    assert summaries(call.harness.receive(request)) == ["481 INFO"]


def test_key_before_the_answer_is_heard_by_nobody() -> None:
    harness = create_harness()
    _, invite = harness.invite()
    request = read(invite)
    info = create_request(
        "INFO", to_tag=request.from_tag, from_tag="peer", call_id=request.call_id,
        lines=(f"Content-Type: {DIGIT}",), body=b"5",
    )  # fmt: skip
    assert summaries(harness.receive(info)) == ["200 INFO"]
    assert harness.events() == []


def test_allow_names_info() -> None:
    assert "INFO" in header_lines(Call().invite, "Allow")[0].split(", ")


@given(st.binary(max_size=300), st.sampled_from([RELAY, DIGIT]))
def test_any_body_is_a_key_or_refused(body: bytes, kind: str) -> None:
    call = Call()
    [answer] = tell(call, body, kind)
    events = call.events()
    assert summary(answer) == ("200 INFO" if events or not body else "400 INFO")
