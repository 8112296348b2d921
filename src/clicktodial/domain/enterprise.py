"""The life of an enterprise, from its intention to its end (click-to-dial-v1 2).

    prospect --submit--> in-review --approve--> approved --activate--> active
        ^-----reject, withdraw---|

    active     --suspend--> suspended             --resume--> active
       | announce               | announce
       v                        v
    cancelling --suspend--> cancelling-suspended  --resume--> cancelling
       (revoke leads back)      (revoke leads back)

    all but in-review --cancel--> cancelled

A cancellation that is for a later day is announced first: until then the service goes on as it
was. Calls know three of these states only, which `status_of` tells. An enterprise that the
operator makes by hand begins as active: there is no customer whose papers could be reviewed.
"""

from enum import StrEnum
from typing import TypeAlias

from clicktodial.domain.application import EnterpriseStatus
from clicktodial.domain.wording import worded


class EnterpriseState(StrEnum):
    """Where an enterprise is in its life."""

    PROSPECT = "prospect"
    IN_REVIEW = "in-review"
    APPROVED = "approved"
    ACTIVE = "active"
    SUSPENDED = "suspended"
    CANCELLING = "cancelling"
    CANCELLING_SUSPENDED = "cancelling-suspended"
    CANCELLED = "cancelled"


class EnterpriseMove(StrEnum):
    """What moves it."""

    SUBMIT = "submit"
    WITHDRAW = "withdraw"
    REJECT = "reject"
    APPROVE = "approve"
    ACTIVATE = "activate"
    SUSPEND = "suspend"
    RESUME = "resume"
    ANNOUNCE = "announce"
    REVOKE = "revoke"
    CANCEL = "cancel"


_Moves: TypeAlias = dict[tuple[EnterpriseState, EnterpriseMove], EnterpriseState]
_S, _M = EnterpriseState, EnterpriseMove

TRANSITIONS: _Moves = {
    (_S.PROSPECT, _M.SUBMIT): _S.IN_REVIEW,
    (_S.PROSPECT, _M.CANCEL): _S.CANCELLED,
    (_S.IN_REVIEW, _M.WITHDRAW): _S.PROSPECT,
    (_S.IN_REVIEW, _M.REJECT): _S.PROSPECT,
    (_S.IN_REVIEW, _M.APPROVE): _S.APPROVED,
    (_S.APPROVED, _M.ACTIVATE): _S.ACTIVE,
    (_S.APPROVED, _M.CANCEL): _S.CANCELLED,
    (_S.ACTIVE, _M.SUSPEND): _S.SUSPENDED,
    (_S.ACTIVE, _M.ANNOUNCE): _S.CANCELLING,
    (_S.ACTIVE, _M.CANCEL): _S.CANCELLED,
    (_S.SUSPENDED, _M.RESUME): _S.ACTIVE,
    (_S.SUSPENDED, _M.ANNOUNCE): _S.CANCELLING_SUSPENDED,
    (_S.SUSPENDED, _M.CANCEL): _S.CANCELLED,
    (_S.CANCELLING, _M.SUSPEND): _S.CANCELLING_SUSPENDED,
    (_S.CANCELLING, _M.REVOKE): _S.ACTIVE,
    (_S.CANCELLING, _M.CANCEL): _S.CANCELLED,
    (_S.CANCELLING_SUSPENDED, _M.RESUME): _S.CANCELLING,
    (_S.CANCELLING_SUSPENDED, _M.REVOKE): _S.SUSPENDED,
    (_S.CANCELLING_SUSPENDED, _M.CANCEL): _S.CANCELLED,
}

# Those whose data and documents are still being put together.
GATHERING = frozenset({_S.PROSPECT, _S.APPROVED})
# Those of a customer: the service was activated, and has not come to its end.
IN_SERVICE = frozenset({_S.ACTIVE, _S.SUSPENDED, _S.CANCELLING, _S.CANCELLING_SUSPENDED})
_USABLE = frozenset({_S.ACTIVE, _S.CANCELLING})


class EnterpriseStateError(Exception):
    """The enterprise is in a state in which that cannot be done."""

    def __init__(self, state: EnterpriseState, move: EnterpriseMove) -> None:
        super().__init__(
            worded("an enterprise that is %(state)s cannot %(move)s", state=state, move=move)
        )
        self.state = state
        self.move = move


def move_state(state: EnterpriseState, move: EnterpriseMove) -> EnterpriseState:
    """The state after that. Raises EnterpriseStateError."""
    try:
        return TRANSITIONS[state, move]
    except KeyError:
        raise EnterpriseStateError(state, move) from None


def status_of(state: EnterpriseState) -> EnterpriseStatus:
    """What of the state concerns calls: whoever is not a customer yet may place none."""
    if state in _USABLE:
        return EnterpriseStatus.ACTIVE
    if state is EnterpriseState.CANCELLED:
        return EnterpriseStatus.CANCELLED
    return EnterpriseStatus.SUSPENDED


class CallPolicy(StrEnum):
    """What becomes of running calls when their enterprise is suspended or cancelled."""

    AT_ONCE = "at-once"
    WHEN_ENDED = "when-ended"
