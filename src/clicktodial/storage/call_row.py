"""Calls as rows: what a new row says, and what each change of a call writes."""

from clicktodial.domain.call import Call
from clicktodial.storage.instant import to_millis, to_millis_or_none
from clicktodial.storage.leg_codec import encode_legs
from clicktodial.storage.statement import Parameters
from clicktodial.storage.table import DETAIL_CHARACTERS_MAX

# What is known at begin and never changes.
PLAN_COLUMNS = (
    "id",
    "node_id",
    "app_id",
    "sponsor_e164",
    "sponsor_written",
    "caller_e164",
    "caller_written",
    "callee_e164",
    "callee_written",
    "recording_id",
    "send_direction",
    "begun_at",
    "api",
    "sink_origin",
)
# What changes as the call goes on, in the table's order.
PROGRESS_COLUMNS = (
    "state",
    "connected_at",
    "ended_at",
    "duration_s",
    "reason",
    "ended_by",
    "stage",
    "leg_outcome",
    "sip_status",
    "sip_text",
    "q850",
    "recording_result",
    "event_count",
    "reason_header",
    "legs",
)


def plan_parameters(call: Call, node_id: str) -> Parameters:
    """In the order of PLAN_COLUMNS."""
    plan = call.plan
    return (
        plan.call_id,
        node_id,
        plan.app_id,
        plan.sponsor.e164,
        plan.sponsor.written,
        plan.caller.e164,
        plan.caller.written,
        plan.callee.e164,
        plan.callee.written,
        plan.recording_id,
        None if plan.send_direction is None else plan.send_direction.value,
        to_millis(call.begun_at),
        plan.api.value,
        None if plan.sink is None else plan.sink.origin,
    )


def progress_parameters(call: Call) -> Parameters:
    """In the order of PROGRESS_COLUMNS."""
    connected_at = to_millis_or_none(call.connected_at)
    # str(): of a StrEnum that is its value, which `value` would ask Python code for.
    result = None if call.recording_result is None else str(call.recording_result)
    reason_header = None
    end = call.end
    if end is None:
        ending: Parameters = (None, None, None, None, None, None, None)
        ended_at = None
    else:
        ended_at = to_millis(end.at)
        cause = end.cause
        words = (str(end.reason), str(end.by), str(end.stage))
        if cause is None:
            ending = (*words, None, None, None, None)
        else:
            text = clean_detail(cause.sip_text)
            ending = (*words, str(cause.outcome), cause.sip_status, text, cause.q850)
            reason_header = clean_detail(cause.reason_header) or None
    return (
        str(call.state),
        connected_at,
        ended_at,
        call.duration_s,
        *ending,
        result,
        call.event_count,
        reason_header,
        encode_legs(call.legs) if call.legs else None,
    )


def clean_detail(text: str) -> str:
    """What a network or a server said, made fit for any database: bounded, without characters
    that UTF-8 or PostgreSQL refuse (lone surrogates, NUL)."""
    if text.isascii() and text.isprintable():
        return text[:DETAIL_CHARACTERS_MAX]
    clean = text.encode("utf-8", "replace").decode("utf-8").replace("\0", " ")
    return clean[:DETAIL_CHARACTERS_MAX]
