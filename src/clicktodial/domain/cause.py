"""Why a leg or a call ended: one taxonomy, from the network's words to the specification's.

A leg ends with a LegCause, which keeps what the network said (SIP status and text, Q.850 cause)
beside what we make of it (LegOutcome). A call ends with an EndReason, the `reason` of
click-to-dial-v1 4.2, which follows from the outcome, the side and the stage.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import assert_never


class Side(StrEnum):
    """One of the two parties of a call."""

    CALLER = "caller"
    CALLEE = "callee"

    @property
    def other(self) -> "Side":
        return Side.CALLEE if self is Side.CALLER else Side.CALLER


class EndReason(StrEnum):
    """The reasons of click-to-dial-v1 4.2, spelled as there."""

    HANG_UP = "HangUp"
    CALLER_BUSY = "CallerBusy"
    CALLER_NO_ANSWER = "CallerNoAnswer"
    CALLER_FAILURE = "CallerFailure"
    CALLER_ABANDON = "CallerAbandon"
    CALLEE_BUSY = "CalleeBusy"
    CALLEE_NO_ANSWER = "CalleeNoAnswer"
    CALLEE_FAILURE = "CalleeFailure"
    OTHER = "Other"


class LegOutcome(StrEnum):
    """What became of a leg, in our words."""

    HUNG_UP = "hung-up"  # answered, then the party or its network sent BYE
    BUSY = "busy"
    DECLINED = "declined"
    NO_ANSWER = "no-answer"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class LegCause:
    """The end of one leg. `sip_status` is None where no SIP response or request told it.

    `reason_header` is the peer's Reason header (RFC 3326) as it came, printable and bounded.
    """

    outcome: LegOutcome
    sip_status: int | None = None
    sip_text: str = ""
    q850: int | None = None
    reason_header: str = ""


# RFC 3398 7.2.4.1 and 8.2.6.1 for the statuses that a called network sends most.
_Q850_BY_STATUS = {
    403: 21,
    404: 1,
    408: 102,
    410: 22,
    480: 18,
    484: 28,
    486: 17,
    487: 16,
    488: 65,
    500: 41,
    501: 79,
    502: 38,
    503: 41,
    504: 102,
    600: 17,
    603: 21,
    604: 1,
}
_Q850_INTERWORKING = 127
_Q850_NORMAL_CLEARING = 16
_NO_ANSWER_STATUSES = frozenset({408, 480, 487})
_BUSY_STATUSES = frozenset({486, 600})
_DECLINED_STATUS = 603

HANG_UP_CAUSE = LegCause(LegOutcome.HUNG_UP, None, "BYE", _Q850_NORMAL_CLEARING)
RELEASE_CAUSE = LegCause(
    LegOutcome.HUNG_UP, None, "Released by the application", _Q850_NORMAL_CLEARING
)
RING_TIMEOUT_CAUSE = LegCause(LegOutcome.NO_ANSWER, None, "No answer within the ring timeout", 19)


def cause_of_status(
    status: int, text: str = "", q850: int | None = None, *, reason_header: str = ""
) -> LegCause:
    """The cause for a final SIP response of 300-699; `q850` is that of its Reason header."""
    if status in _BUSY_STATUSES:
        outcome = LegOutcome.BUSY
    elif status == _DECLINED_STATUS:
        outcome = LegOutcome.DECLINED
    elif status in _NO_ANSWER_STATUSES:
        outcome = LegOutcome.NO_ANSWER
    else:
        outcome = LegOutcome.FAILED
    if q850 is None:
        q850 = _Q850_BY_STATUS.get(status, _Q850_INTERWORKING)
    return LegCause(outcome, status, text, q850, reason_header)


def reason_of_unanswered(side: Side, outcome: LegOutcome) -> EndReason:
    """The call's reason when a leg ended before it was answered.

    The specification has no word for a declined call: the party's "no" is told as busy, since
    trying again later may help, where a failure says that it may not.
    """
    caller = side is Side.CALLER
    match outcome:
        case LegOutcome.BUSY | LegOutcome.DECLINED:
            return EndReason.CALLER_BUSY if caller else EndReason.CALLEE_BUSY
        case LegOutcome.NO_ANSWER:
            return EndReason.CALLER_NO_ANSWER if caller else EndReason.CALLEE_NO_ANSWER
        case LegOutcome.FAILED | LegOutcome.HUNG_UP:
            return EndReason.CALLER_FAILURE if caller else EndReason.CALLEE_FAILURE
        case _:
            assert_never(outcome)
