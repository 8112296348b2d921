"""Why a call ended, in words: for the customer whose call it was, and for support."""

from dataclasses import dataclass

from clicktodial.domain.call import CallState
from clicktodial.domain.call_plan import EndedBy
from clicktodial.domain.cause import EndReason, LegOutcome, Side
from clicktodial.portal.label import label_of
from clicktodial.portal.local import Local
from clicktodial.portal.text import Words, mark
from clicktodial.storage.history import CallRecord

# ITU-T Q.850 2.2.7, those that networks send.
Q850_NAMES = {
    1: mark("unallocated number"),
    2: mark("no route to the network"),
    3: mark("no route to the destination"),
    16: mark("normal clearing"),
    17: mark("user busy"),
    18: mark("no user responding"),
    19: mark("no answer from the user"),
    20: mark("subscriber absent"),
    21: mark("call rejected"),
    22: mark("number changed"),
    27: mark("destination out of order"),
    28: mark("number incomplete"),
    29: mark("facility rejected"),
    31: mark("normal, unspecified"),
    34: mark("no circuit available"),
    38: mark("network out of order"),
    41: mark("temporary failure"),
    42: mark("congestion of the switch"),
    44: mark("channel not available"),
    47: mark("resource unavailable"),
    50: mark("facility not subscribed"),
    55: mark("incoming calls barred"),
    57: mark("not authorized"),
    58: mark("not available at present"),
    63: mark("service not available"),
    65: mark("bearer not implemented"),
    79: mark("service not implemented"),
    88: mark("incompatible destination"),
    102: mark("recovery on timer expiry"),
    111: mark("protocol error"),
    127: mark("interworking"),
}
_NO_SUCH_NUMBER = frozenset({404, 410, 484, 604})
_OUT_OF_REACH = frozenset({408, 480})
_BARRED = frozenset({401, 403, 407})
_NO_CODEC = frozenset({415, 488, 606})
_NO_LINE = frozenset({500, 502, 503, 504})
_SIDES = {Side.CALLER: mark("caller"), Side.CALLEE: mark("callee")}
# What the platform itself says of a leg that was never dialled, or that it ended.
_OWN_WORDS = {
    "No trunk": mark("no trunk carries calls to this number"),
    "Trunk limit reached": mark("all lines of the trunks are taken"),
    "Trunk not resolved": mark("the name of the trunk leads nowhere"),
    "Too many sessions": mark("the platform has no room for more calls"),
    "No response": mark("the trunk did not respond at all"),
    "No answer within the ring timeout": mark("nobody answered in time"),
    "Session expired": mark("the phone was not there any more"),
    "Maximum duration reached": mark("the longest duration was reached"),
    "No codec in common": mark("the two have no codec in common"),
    "No usable answer": mark("the phone's answer had no audio that can be used"),
    "Released by the application": mark("the application released it"),
    "The minutes of the enterprise are used up": mark("the minutes of the pool are used up"),
    "The platform is stopping": mark("the platform was stopped"),
    "The enterprise is not active": mark("the enterprise is not active any more"),
    "The browser did not connect": mark("no audio came from the browser"),
    "The browser went away": mark("the browser was closed, or lost its network"),
    "The browser waits no longer": mark("the browser did not wait any more"),
    "No codec of the browser": mark("the browser has none of the codecs"),
}
_UNREACHED_BROWSER = "The browser did not connect"
_MEANINGS = {
    LegOutcome.BUSY: mark("busy"),
    LegOutcome.DECLINED: mark("declined"),
    LegOutcome.NO_ANSWER: mark("no answer"),
    LegOutcome.FAILED: mark("not reached"),
    LegOutcome.HUNG_UP: mark("hung up"),
}


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """`headline` says what happened, `advice` what to do about it; `facts` are pairs."""

    headline: str
    advice: str
    tone: str
    facts: list[tuple[str, str]]


def diagnose(call: CallRecord, words: Words, local: Local) -> Diagnosis | None:
    """None while the call lives."""
    if call.reason is None or call.state is not CallState.ENDED:
        return None
    return Diagnosis(
        headline=_headline(call, call.reason, words, local),
        advice=words.look_up(_advice(call, call.reason)),
        tone=_tone(call.reason),
        facts=_facts(call, call.reason, words),
    )


def network_words(call: CallRecord, words: Words) -> str:
    """What the network, or the platform itself, said of the end; a mere BYE says nothing."""
    own = _OWN_WORDS.get(call.sip_text or "")
    if own is not None:
        return words.look_up(own)
    if call.sip_status is None:
        return "" if call.sip_text == "BYE" else call.sip_text or ""
    return f"{call.sip_status} {call.sip_text or ''}".rstrip()


def side_of(reason: EndReason, by: EndedBy | None) -> Side | None:
    """Whose leg ended the call; None where it was neither's."""
    match reason:
        case (
            EndReason.CALLER_BUSY
            | EndReason.CALLER_NO_ANSWER
            | EndReason.CALLER_FAILURE
            | EndReason.CALLER_ABANDON
        ):
            return Side.CALLER
        case EndReason.CALLEE_BUSY | EndReason.CALLEE_NO_ANSWER | EndReason.CALLEE_FAILURE:
            return Side.CALLEE
        case EndReason.HANG_UP if by in (EndedBy.CALLER, EndedBy.CALLEE):
            return Side(by.value)
        case _:
            return None


def _headline(call: CallRecord, reason: EndReason, words: Words, local: Local) -> str:
    side = side_of(reason, call.ended_by)
    values = {
        "side": words.look_up(_SIDES[side]) if side else "",
        "talked": local.length(call.duration_s),
        "status": str(call.sip_status or ""),
        "meaning": _meaning(call, words),
    }
    match reason:
        case EndReason.HANG_UP if side is not None:
            message = mark("The %(side)s hung up after %(talked)s.")
        case EndReason.HANG_UP:
            message = mark("The application released the call after %(talked)s.")
        case EndReason.CALLER_ABANDON:
            message = mark("The caller hung up before the callee answered.")
        case EndReason.OTHER if call.ended_by is EndedBy.APPLICATION:
            message = mark("The application released the call before the two were joined.")
        case EndReason.OTHER if call.connected_at is not None:
            message = mark("The platform ended the call after %(talked)s: %(meaning)s.")
        case EndReason.OTHER:
            message = mark("The platform ended the call: %(meaning)s.")
        case _ if call.sip_status is None or call.sip_text in _OWN_WORDS:
            message = mark("The %(side)s was not reached: %(meaning)s.")
        case _:
            message = mark("The %(side)s's network answered %(status)s: %(meaning)s.")
    return words.gettext(message, **values)


def _meaning(call: CallRecord, words: Words) -> str:
    own = _OWN_WORDS.get(call.sip_text or "")
    if own is not None:
        return words.look_up(own)
    if call.sip_status in _NO_SUCH_NUMBER:
        return words.look_up(mark("there is no such number"))
    if call.sip_status in _OUT_OF_REACH:
        return words.look_up(mark("out of reach, or nobody answered"))
    if call.sip_status in _BARRED:
        return words.look_up(mark("the network does not let this call through"))
    if call.sip_status in _NO_LINE:
        return words.look_up(mark("the network is out of order or has no line"))
    outcome = call.leg_outcome
    if outcome in (None, LegOutcome.FAILED) and call.sip_text:
        return call.sip_text
    return words.look_up(_MEANINGS[outcome or LegOutcome.FAILED])


def _advice(call: CallRecord, reason: EndReason) -> str:
    status = call.sip_status
    match reason:
        case EndReason.HANG_UP:
            return mark("This is how a call ends that went well.")
        case EndReason.CALLER_ABANDON:
            return mark("Nothing failed: whoever was called first did not wait.")
        case EndReason.CALLER_BUSY | EndReason.CALLEE_BUSY:
            return mark("Nothing failed: call again later.")
        case EndReason.CALLER_NO_ANSWER | EndReason.CALLEE_NO_ANSWER:
            return mark("The phone may be off, or nobody was there: call again later.")
        case EndReason.OTHER if call.ended_by is EndedBy.APPLICATION:
            return ""
        case EndReason.OTHER:
            return mark("Ask support where this comes again; the identifier below says which call.")
        case _ if call.sip_text == _UNREACHED_BROWSER:
            return mark(
                "A firewall may keep the browser's audio from the platform: try another network."
            )
        case _ if status in _NO_SUCH_NUMBER:
            return mark("Look whether the number is whole and still in service.")
        case _ if status in _BARRED:
            return mark(
                "The carrier may not take the number shown, or the phone no calls: ask support."
            )
        case _ if status in _NO_CODEC:
            return mark("The phone takes none of the codecs that we offered: ask support.")
        case _:
            return mark("A carrier failed, not the person: call again, then ask support.")


def _tone(reason: EndReason) -> str:
    match reason:
        case EndReason.HANG_UP:
            return "good"
        case EndReason.CALLER_FAILURE | EndReason.CALLEE_FAILURE | EndReason.OTHER:
            return "bad"
        case _:
            return "warn"


def _facts(call: CallRecord, reason: EndReason, words: Words) -> list[tuple[str, str]]:
    """What is known of the end, for whoever wants it exactly."""
    gettext, side = words.look_up, side_of(reason, call.ended_by)
    sip = network_words(call, words)
    q850 = str(call.q850 or "")
    if call.q850 in Q850_NAMES:
        q850 = f"{q850} {gettext(Q850_NAMES[call.q850])}"
    pairs = [
        (gettext(mark("Side")), gettext(label_of(side)) if side else ""),
        (gettext(mark("Ended by")), gettext(label_of(call.ended_by)) if call.ended_by else ""),
        (gettext(mark("Stage")), gettext(label_of(call.stage)) if call.stage else ""),
        (gettext(mark("Reason told (v1)")), str(reason)),
        (gettext(mark("Network")), sip),
        (gettext(mark("Q.850 cause")), q850),
        (gettext(mark("Reason header")), call.reason_header or ""),
    ]
    return [(name, value) for name, value in pairs if value]
