"""Reports of SIP messages as the phones saw them, enough to draw a ladder of."""

from clicktodial.sandbox.report import Report, Reporter, ReportKind
from clicktodial.sip.aio.endpoint import MessageDirection
from clicktodial.sip.crypto import hide_keys
from clicktodial.sip.error import MalformedMessage
from clicktodial.sip.message import SipMessage, parse_message
from clicktodial.sip.user_agent import Address


def report_message(
    report: Reporter, direction: MessageDirection, data: bytes, peer: Address
) -> None:
    """Report one message that passed the endpoint; what is no SIP is reported as such."""
    details: dict[str, object] = {
        "direction": direction.value,
        "peer": f"{peer[0]}:{peer[1]}",
        "bytes": len(data),
    }
    try:
        message = parse_message(data)
    except MalformedMessage:
        report(Report(ReportKind.SIP, {**details, "label": "malformed"}))
        return
    details |= {
        "label": _label_of(message),
        "method": message.method,
        "status": message.status or None,
        "call": message.call_id,
        "sdp": message.get("Content-Type").lower().startswith("application/sdp"),
        "message": hide_keys(data).decode("utf-8", "replace"),
    }
    report(Report(ReportKind.SIP, details))


def _label_of(message: SipMessage) -> str:
    if not message.status:
        return message.method
    phrase = f"{message.status} {message.phrase}".strip()
    # What a 200 answers is its CSeq's method; an INVITE's answers are the ones to expect.
    return phrase if message.method == "INVITE" else f"{phrase} ({message.method})"
