"""The SIP messages of a call of the past, as its network would have sent them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from clicktodial.domain.call import CallPlan
from clicktodial.domain.call_input import CallInput, LegAnswered, LegEnded, LegRinging, LegRouted
from clicktodial.domain.cause import HANG_UP_CAUSE, LegCause, Side
from clicktodial.domain.leg import TracedMessage
from clicktodial.sip.trace import trace_message
from clicktodial.storage.instant import to_millis

# How long the network and we take to answer, in seconds.
_TRYING_S, _OWN_S, _THEIR_S = 0.012, 0.001, 0.018
_OFFER = "a=rtpmap:8 PCMA/8000\r\na=rtpmap:0 PCMU/8000\r\n"
_ANSWER = "a=rtpmap:8 PCMA/8000\r\n"


@dataclass(slots=True)
class _Dialog:
    """One leg, while its messages are written."""

    side: Side
    shown: str
    number: str
    sip_call_id: str = ""
    is_invited: bool = False
    is_answered: bool = False


def trace_call(
    plan: CallPlan, begun_at: datetime, script: Sequence[tuple[float, CallInput]]
) -> dict[Side, tuple[TracedMessage, ...]]:
    """What passed on both legs while that happened, so many seconds after the beginning."""
    dialogs = {
        side: _Dialog(side, plan.shown(side), number.e164)
        for side, number in ((Side.CALLER, plan.caller), (Side.CALLEE, plan.callee))
    }
    traces: dict[Side, list[TracedMessage]] = {side: [] for side in Side}
    for after_s, given in script:
        for side, later_s, is_sent, text in _messages(dialogs, given):
            at = begun_at + timedelta(seconds=after_s + later_s)
            message = trace_message(to_millis(at), text.encode(), is_sent=is_sent)
            traces[side].append(message)
    return {side: tuple(trace) for side, trace in traces.items() if trace}


def _messages(
    dialogs: dict[Side, _Dialog], given: CallInput
) -> Iterator[tuple[Side, float, bool, str]]:
    """Of which leg, how long after, whether it is ours, and what it says."""
    match given:
        case LegRouted(side=side, sip_call_id=sip_call_id):
            dialog = dialogs[side]
            dialog.sip_call_id, dialog.is_invited = str(sip_call_id), True
            yield side, 0, True, _request(dialog, "INVITE", 1, body=_OFFER)
            yield side, _TRYING_S, False, _response(dialog, "100 Trying", "1 INVITE")
        case LegRinging(side=side):
            yield side, 0, False, _response(dialogs[side], "180 Ringing", "1 INVITE")
        case LegAnswered(side=side):
            dialog = dialogs[side]
            dialog.is_answered = True
            yield side, 0, False, _response(dialog, "200 OK", "1 INVITE", body=_ANSWER)
            yield side, _OWN_S, True, _request(dialog, "ACK", 1)
        case LegEnded(side=side, cause=cause):
            yield from _end(dialogs[side], cause)
            for other in dialogs.values():
                if other.side is not side and other.is_invited:
                    yield from _release(other)
        case _:
            return


def _end(dialog: _Dialog, cause: LegCause) -> Iterator[tuple[Side, float, bool, str]]:
    """The leg ends by itself: its phone hangs up, its network refuses, or nobody answers."""
    side = dialog.side
    dialog.is_invited = False
    if cause is HANG_UP_CAUSE:
        yield side, 0, False, _request(dialog, "BYE", 1, is_theirs=True)
        yield side, _OWN_S, True, _response(dialog, "200 OK", "1 BYE")
    elif cause.sip_status is None:
        yield from _cancel(dialog)
    else:
        line = f"{cause.sip_status} {cause.sip_text}"
        reason = f"Reason: Q.850;cause={cause.q850}\r\n"
        yield side, 0, False, _response(dialog, line, "1 INVITE", more=reason)
        yield side, _OWN_S, True, _request(dialog, "ACK", 1)


def _release(dialog: _Dialog) -> Iterator[tuple[Side, float, bool, str]]:
    """We end the leg, since the other one did."""
    dialog.is_invited = False
    if not dialog.is_answered:
        yield from _cancel(dialog)
        return
    yield dialog.side, 2 * _OWN_S, True, _request(dialog, "BYE", 2)
    yield dialog.side, _THEIR_S, False, _response(dialog, "200 OK", "2 BYE")


def _cancel(dialog: _Dialog) -> Iterator[tuple[Side, float, bool, str]]:
    side = dialog.side
    yield side, _OWN_S, True, _request(dialog, "CANCEL", 1)
    yield side, _THEIR_S, False, _response(dialog, "200 OK", "1 CANCEL")
    yield side, 2 * _THEIR_S, False, _response(dialog, "487 Request Terminated", "1 INVITE")
    yield side, 2 * _THEIR_S + _OWN_S, True, _request(dialog, "ACK", 1)


def _request(
    dialog: _Dialog, method: str, cseq: int, *, is_theirs: bool = False, body: str = ""
) -> str:
    to = dialog.shown if is_theirs else dialog.number
    line = f"{method} sip:{to}@carrier.example SIP/2.0"
    return _message(dialog, line, f"{cseq} {method}", is_theirs=is_theirs, body=body)


def _response(dialog: _Dialog, line: str, cseq: str, *, more: str = "", body: str = "") -> str:
    return _message(dialog, f"SIP/2.0 {line}", cseq, more=more, body=body)


def _message(
    dialog: _Dialog,
    line: str,
    cseq: str,
    *,
    is_theirs: bool = False,
    more: str = "",
    body: str = "",
) -> str:
    ours = f"<sip:{dialog.shown}@platform.example>"
    theirs = f"<sip:{dialog.number}@carrier.example>"
    sender, receiver = (theirs, ours) if is_theirs else (ours, theirs)
    head = f"{line}\r\nFrom: {sender};tag=1\r\nTo: {receiver}\r\nCall-ID: {dialog.sip_call_id}\r\n"
    return f"{head}CSeq: {cseq}\r\n{more}\r\n{body}"
