"""Why a call ended, in words: what is kept of it, for whoever reads it anywhere."""

from typing import assert_never

from clicktodial.domain.call import EndedBy, EndStage
from clicktodial.domain.cause import EndReason
from clicktodial.storage.history import CallRecord


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
