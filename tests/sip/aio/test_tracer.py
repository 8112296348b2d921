"""The messages of a call that is over, of those calls that are wanted, within bounds."""

import asyncio

import pytest

from clicktodial.control.port import LegOwner
from clicktodial.domain.cause import EndReason, Side
from clicktodial.domain.identifier import CallId
from clicktodial.domain.leg import TracedMessage
from clicktodial.sip.aio import tracer as module
from clicktodial.sip.aio.endpoint import MessageDirection
from clicktodial.sip.aio.tracer import SipTracer, TraceOf

CALL = CallId("call")
CALLER: LegOwner = (CALL, Side.CALLER)
PEER = ("127.0.0.1", 5060)
SENT, RECEIVED = MessageDirection.SENT, MessageDirection.RECEIVED


class Told:
    """What a call was told."""

    def __init__(self) -> None:
        self.lines: dict[Side, list[str]] = {}
        self.came = asyncio.Event()

    def take(self, messages: dict[Side, tuple[TracedMessage, ...]]) -> None:
        self.lines = {side: [each.line for each in told] for side, told in messages.items()}
        self.came.set()


def pass_by(tracer: SipTracer, direction: MessageDirection, line: str, call_id: str) -> None:
    tracer.tap(direction, f"{line}\r\nCall-ID: {call_id}\r\n\r\n".encode(), PEER)


def trace_busy(tracer: SipTracer) -> None:
    """A leg that was tried on two trunks."""
    pass_by(tracer, SENT, "INVITE one SIP/2.0", "first")
    tracer.bind(CALLER, "first")
    pass_by(tracer, RECEIVED, "SIP/2.0 503 Out", "first")
    pass_by(tracer, SENT, "INVITE two SIP/2.0", "second")
    tracer.bind(CALLER, "second")
    pass_by(tracer, RECEIVED, "SIP/2.0 486 Busy Here", "second")


async def test_call_that_failed_is_told_all_its_messages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TAIL_S", 0.01)
    times = iter(range(100))
    tracer, told = SipTracer(TraceOf.FAILED, unix_s=lambda: next(times)), Told()
    trace_busy(tracer)
    tracer.finish(CALL, EndReason.CALLER_BUSY, told.take)  # type: ignore[arg-type]
    # The answer that comes last belongs to it.
    pass_by(tracer, SENT, "ACK two SIP/2.0", "second")
    await asyncio.wait_for(told.came.wait(), 10)
    assert told.lines == {
        Side.CALLER: [
            "INVITE one SIP/2.0",
            "SIP/2.0 503 Out",
            "INVITE two SIP/2.0",
            "SIP/2.0 486 Busy Here",
            "ACK two SIP/2.0",
        ]
    }
    assert tracer.session_count == 0


async def test_call_that_went_well_is_forgotten_unless_all_are_wanted() -> None:
    for which, is_told in ((TraceOf.FAILED, False), (TraceOf.ALL, True)):
        tracer, told = SipTracer(which), Told()
        trace_busy(tracer)
        tracer.finish(CALL, EndReason.HANG_UP, told.take)  # type: ignore[arg-type]
        tracer.close()
        assert bool(told.lines) is is_told
        assert tracer.session_count == 0


async def test_messages_of_no_leg_are_not_kept() -> None:
    tracer = SipTracer(TraceOf.ALL)
    pass_by(tracer, SENT, "OPTIONS sip:x SIP/2.0", "probe")
    pass_by(tracer, RECEIVED, "INVITE sip:x SIP/2.0", "somebody's")
    tracer.tap(RECEIVED, b"\r\n\r\n", PEER)
    assert tracer.session_count == 0


async def test_what_is_kept_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SESSIONS_MAX", 3)
    monkeypatch.setattr(module, "MESSAGES_PER_SESSION_MAX", 5)
    tracer, told = SipTracer(TraceOf.ALL), Told()
    for number in range(5):
        pass_by(tracer, SENT, "INVITE sip:x SIP/2.0", f"leg-{number}")
        tracer.bind((CallId(f"call-{number}"), Side.CALLEE), f"leg-{number}")
    assert tracer.session_count == 3
    for _ in range(20):
        pass_by(tracer, RECEIVED, "SIP/2.0 180 Ringing", "leg-4")
    tracer.finish(CallId("call-4"), EndReason.OTHER, told.take)  # type: ignore[arg-type]
    # The messages of the oldest were dropped.
    dropped = Told()
    tracer.finish(CallId("call-0"), EndReason.OTHER, dropped.take)  # type: ignore[arg-type]
    tracer.close()
    assert len(told.lines[Side.CALLEE]) == 5
    assert dropped.came.is_set() and not dropped.lines
    assert tracer.session_count == 2
