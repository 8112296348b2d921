"""An intention to subscribe: from the reservation of the opportunity to the engagement.

    reserved --assign--> assigned --engage--> engaged
        |                 | (assign again)        |
        +---- withdraw ---+------ decline --------+--> withdrawn, declined

It is assigned to an account manager of the customer's region with the reservation; it stays
`reserved` only where the region has none.
"""

from enum import StrEnum

from clicktodial.domain.wording import worded


class IntentionState(StrEnum):
    """How far it is."""

    RESERVED = "reserved"
    ASSIGNED = "assigned"
    ENGAGED = "engaged"
    WITHDRAWN = "withdrawn"
    DECLINED = "declined"


class IntentionMove(StrEnum):
    """What moves it."""

    ASSIGN = "assign"
    ENGAGE = "engage"
    WITHDRAW = "withdraw"
    DECLINE = "decline"


class IntentionChannel(StrEnum):
    """How it came: click-to-dial-v1 2, 1 (1) and (2)."""

    PORTAL = "portal"
    HOTLINE = "hotline"


_S, _M = IntentionState, IntentionMove
LIVE_INTENTIONS = frozenset({_S.RESERVED, _S.ASSIGNED, _S.ENGAGED})

TRANSITIONS: dict[tuple[IntentionState, IntentionMove], IntentionState] = {
    (_S.RESERVED, _M.ASSIGN): _S.ASSIGNED,
    (_S.ASSIGNED, _M.ASSIGN): _S.ASSIGNED,
    (_S.ENGAGED, _M.ASSIGN): _S.ENGAGED,
    (_S.ASSIGNED, _M.ENGAGE): _S.ENGAGED,
    **{(state, _M.WITHDRAW): _S.WITHDRAWN for state in LIVE_INTENTIONS},
    **{(state, _M.DECLINE): _S.DECLINED for state in LIVE_INTENTIONS},
}


class IntentionStateError(Exception):
    """The intention is in a state in which that cannot be done."""

    def __init__(self, state: IntentionState, move: IntentionMove) -> None:
        super().__init__(
            worded(
                "an intention that is %(state)s cannot be asked to %(move)s", state=state, move=move
            )
        )


def move_intention(state: IntentionState, move: IntentionMove) -> IntentionState:
    """The state after that. Raises IntentionStateError."""
    try:
        return TRANSITIONS[state, move]
    except KeyError:
        raise IntentionStateError(state, move) from None
