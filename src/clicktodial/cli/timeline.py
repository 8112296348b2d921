"""A call as a person reads it: what happened when, why it ended, what was told to whom."""

from typing import assert_never

from clicktodial.cli.output import format_fields, format_table
from clicktodial.domain.cause import Side
from clicktodial.domain.event import CallStatus
from clicktodial.domain.leg import LegRecord
from clicktodial.storage.explanation import explain_end
from clicktodial.storage.history import CallRecord, EventRecord
from clicktodial.storage.outbox import DeliveryState

_LEG_HEADINGS = (
    "LEG", "TRUNK", "CODEC", "PACKETS", "LOSS", "JITTER (MS)", "RTT (MS)", "MOS", "SILENT (S)",
)  # fmt: skip
CALL_HEADINGS = ("CALL", "APPID", "BEGUN (UTC)", "STATE", "CALLER", "CALLEE", "SECONDS", "REASON")


def list_row(call: CallRecord) -> tuple[object, ...]:
    """The call under CALL_HEADINGS."""
    return (
        call.call_id, call.app_id, call.begun_at, call.state, call.caller, call.callee,
        call.duration_s, call.reason,
    )  # fmt: skip


def describe_call(call: CallRecord, events: list[EventRecord]) -> str:
    """Everything about one call, on one screen."""
    fields = [
        ("Call", call.call_id),
        ("Application", call.app_id),
        ("State", call.state),
        ("Caller", call.caller),
        ("Callee", call.callee),
        ("Shown to both", call.sponsor),
        ("Begun (UTC)", call.begun_at),
        ("Talked (s)", call.duration_s),
        ("End", explain_end(call)),
        ("Recording", _describe_recording(call)),
    ]
    parts = [format_fields(fields), describe_events(call, events)]
    if call.legs:
        parts.append(describe_legs(call))
    return "\n\n".join(parts)


def describe_legs(call: CallRecord) -> str:
    """How each leg went, and what came from its side."""
    rows = [_leg_row(side, call.legs[side]) for side in Side if side in call.legs]
    return format_table(_LEG_HEADINGS, rows, empty="")


def _leg_row(side: Side, leg: LegRecord) -> tuple[object, ...]:
    codec = f"{leg.codec} (SRTP)" if leg.codec and leg.is_encrypted else leg.codec
    quality = leg.quality
    if quality is None:
        heard: tuple[object, ...] = (None,) * 5
    else:
        heard = (
            quality.packets,
            f"{100 * quality.loss:.1f} %",
            f"{quality.jitter_ms:.1f}",
            None if quality.round_trip_ms is None else f"{quality.round_trip_ms:.0f}",
            None if quality.mos is None else f"{quality.mos:.1f}",
        )
    return (side, leg.trunk, codec, *heard, leg.silence_s)


def describe_events(call: CallRecord, events: list[EventRecord]) -> str:
    """The timeline, with what became of each notification."""
    rows = [(elapsed(call, each), each.status, explain_delivery(each)) for each in events]
    return format_table(("AT", "STATUS", "NOTIFICATION"), rows, empty="Nothing has happened yet.")


def describe_step(call: CallRecord, event: EventRecord) -> str:
    """One line for an event that has just come."""
    return f"{elapsed(call, event).rjust(9)}  {event.status:<14} {_explain_status(call, event)}"


def elapsed(call: CallRecord, event: EventRecord) -> str:
    """The time since begin."""
    return f"+{(event.occurred_at - call.begun_at).total_seconds():.2f} s"


def _explain_status(call: CallRecord, event: EventRecord) -> str:
    match event.status:
        case CallStatus.CALLING_CALLER:
            return f"dialling {call.caller}"
        case CallStatus.CALLING_CALLEE:
            return f"{call.caller} answered, dialling {call.callee}"
        case CallStatus.CONNECTED:
            return "joined"
        case CallStatus.DISCONNECTED:
            return explain_end(call) or ""
        case _:
            assert_never(event.status)


def explain_delivery(event: EventRecord) -> str:
    """What became of the notification of an event."""
    tries = f"{event.attempts} {'try' if event.attempts == 1 else 'tries'}"
    error = f": {event.last_error}" if event.last_error else ""
    answer = event.answer
    if error and answer is not None and answer.text:
        error = f"{error}; it said: {answer.text}"
    match event.delivery_state:
        case DeliveryState.DELIVERED:
            status = "" if answer is None else f", HTTP {answer.status}"
            return f"delivered ({tries}{status})"
        case DeliveryState.PENDING:
            return f"waiting ({tries}){error}"
        case DeliveryState.GIVEN_UP:
            return f"given up ({tries}){error}"
        case DeliveryState.NONE:
            return "none wanted"
        case _:
            assert_never(event.delivery_state)


def _describe_recording(call: CallRecord) -> str | None:
    if call.recording_id is None:
        return None
    return f"{call.recording_id} ({call.recording_result or 'not known yet'})"
