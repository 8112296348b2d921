"""A call as a person reads it: what happened when, why it ended, what was told to whom."""

from typing import assert_never

from clicktodial.cli.output import format_fields, format_table
from clicktodial.domain.call import EndedBy, EndStage
from clicktodial.domain.cause import EndReason
from clicktodial.domain.event import CallStatus
from clicktodial.storage.history import CallRecord, EventRecord
from clicktodial.storage.outbox import DeliveryState

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
    return f"{format_fields(fields)}\n\n{describe_events(call, events)}"


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


def explain_end(call: CallRecord) -> str | None:
    """Why the call ended, in words, then in the network's; None while it lives."""
    if call.reason is None:
        return None
    words = _explain_reason(call.reason, call.ended_by)
    if call.stage is EndStage.CONNECTED:
        words += f" after {call.duration_s} s"
    return f"{call.reason}: {words}{_network_words(call)}"


def _explain_reason(reason: EndReason, by: EndedBy | None) -> str:
    match reason:
        case EndReason.HANG_UP if by is EndedBy.APPLICATION:
            return "the application released the call"
        case EndReason.HANG_UP:
            return f"the {by or 'network'} hung up"
        case EndReason.CALLER_BUSY:
            return "the caller was busy or declined"
        case EndReason.CALLER_NO_ANSWER:
            return "the caller did not answer"
        case EndReason.CALLER_FAILURE:
            return "the caller could not be reached"
        case EndReason.CALLER_ABANDON:
            return "the caller hung up before the callee answered"
        case EndReason.CALLEE_BUSY:
            return "the callee was busy or declined"
        case EndReason.CALLEE_NO_ANSWER:
            return "the callee did not answer"
        case EndReason.CALLEE_FAILURE:
            return "the callee could not be reached"
        case EndReason.OTHER if by is EndedBy.APPLICATION:
            return "the application released the call before it was answered"
        case EndReason.OTHER:
            return "the platform ended the call"
        case _:
            assert_never(reason)


def _network_words(call: CallRecord) -> str:
    sip = f"SIP {call.sip_status} {call.sip_text or ''}".rstrip()
    parts = [sip if call.sip_status else call.sip_text or ""]
    if call.q850:
        parts.append(f"Q.850 {call.q850}")
    if call.reason_header:
        parts.append(f"Reason: {call.reason_header}")
    told = ", ".join(part for part in parts if part)
    return f" ({told})" if told else ""


def explain_delivery(event: EventRecord) -> str:
    """What became of the notification of an event."""
    tries = f"{event.attempts} {'try' if event.attempts == 1 else 'tries'}"
    error = f": {event.last_error}" if event.last_error else ""
    match event.delivery_state:
        case DeliveryState.DELIVERED:
            return f"delivered ({tries})"
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
