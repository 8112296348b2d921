"""What the pages of numbers share: who may what, and words."""

from collections.abc import Mapping

from clicktodial.accounts.number_order import OrderState
from clicktodial.domain.principal import CUSTOMER_ROLES, Role
from clicktodial.domain.sponsor_number import NumberKind, NumberState
from clicktodial.domain.work_order import WorkOrderAction
from clicktodial.portal.page import Visit
from clicktodial.portal.text import mark

ORDERING = frozenset({Role.OWNER, Role.DEVELOPER, Role.ACCOUNT_MANAGER, Role.OPERATOR})
READING = ORDERING | {Role.READER, Role.REVIEWER, Role.SUPPORT}
# Those who have numbers of their own. The operator's people order for a customer on its own pages.
OWN_ORDERING = ORDERING & CUSTOMER_ROLES
OWN_READING = READING & CUSTOMER_ROLES
RELEASING = frozenset({Role.OWNER})
OPERATOR = frozenset({Role.OPERATOR})
INVENTORY_READING = frozenset({Role.OPERATOR, Role.REVIEWER, Role.SUPPORT})

KIND_WORDS: Mapping[NumberKind, str] = {
    NumberKind.FIXED: mark("Fixed line"),
    NumberKind.MOBILE: mark("Mobile"),
    NumberKind.SERVICE: mark("Service number"),
}
STATE_WORDS: Mapping[NumberState, tuple[str, str]] = {
    NumberState.FREE: (mark("Free"), "good"),
    NumberState.RESERVED: (mark("Reserved"), "busy"),
    NumberState.ASSIGNED: (mark("Assigned"), "calm"),
    NumberState.COOLING_OFF: (mark("Cooling off"), "warn"),
    NumberState.RETIRED: (mark("Retired"), "bad"),
}
ORDER_WORDS: Mapping[OrderState, tuple[str, str]] = {
    OrderState.OPEN: (mark("Under review"), "busy"),
    OrderState.APPROVED: (mark("Approved"), "good"),
    OrderState.REJECTED: (mark("Rejected"), "bad"),
    OrderState.WITHDRAWN: (mark("Withdrawn"), "calm"),
}
STEP_WORDS: Mapping[WorkOrderAction, tuple[str, str]] = {
    WorkOrderAction.OPEN: (mark("Ordered"), "calm"),
    WorkOrderAction.ASSIGN: (mark("A reviewer looks at it"), "busy"),
    WorkOrderAction.APPROVE: (mark("Approved"), "good"),
    WorkOrderAction.REJECT: (mark("Rejected"), "bad"),
    WorkOrderAction.WITHDRAW: (mark("Withdrawn"), "calm"),
    WorkOrderAction.ARCHIVE: (mark("Closed"), "calm"),
}


def kind_words(visit: Visit) -> dict[NumberKind, str]:
    """What sorts of numbers are called."""
    return {kind: visit.words.look_up(words) for kind, words in KIND_WORDS.items()}


def state_words(visit: Visit) -> dict[NumberState, tuple[str, str]]:
    """What their states are called, and how they look."""
    return {
        state: (visit.words.look_up(words), tone) for state, (words, tone) in STATE_WORDS.items()
    }


def order_words(visit: Visit) -> dict[OrderState, tuple[str, str]]:
    """The same of orders."""
    return {
        state: (visit.words.look_up(words), tone) for state, (words, tone) in ORDER_WORDS.items()
    }
