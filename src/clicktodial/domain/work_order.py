"""Work orders: what somebody asks for, and somebody else decides.

    open --approve--> approved --archive--> archived
      |  --reject---> rejected --archive--> archived
      |  --withdraw-> withdrawn --archive-> archived     (approved, too, until it is carried out)

A decision that is carried out at once is archived with it; one that waits for its day stays
approved until then. Nothing leaves `archived`: what was rejected is asked for anew, by an order
that names the one before.
"""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from clicktodial.domain.principal import Role
from clicktodial.domain.wording import worded


class WorkOrderKind(StrEnum):
    """What is asked for."""

    QUALIFICATION = "qualification"
    ACTIVATION = "activation"
    NUMBER_ORDER = "number-order"
    MODIFICATION = "modification"
    SUSPENSION = "suspension"
    RESUMPTION = "resumption"
    CANCELLATION = "cancellation"
    TEMPLATE_REVIEW = "template-review"


class WorkOrderState(StrEnum):
    """How far it is."""

    OPEN = "open"
    APPROVED = "approved"
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"
    ARCHIVED = "archived"


class WorkOrderAction(StrEnum):
    """What is done with it; each is a line of its history."""

    OPEN = "open"
    ASSIGN = "assign"
    APPROVE = "approve"
    REJECT = "reject"
    WITHDRAW = "withdraw"
    ARCHIVE = "archive"


TRANSITIONS: dict[tuple[WorkOrderState, WorkOrderAction], WorkOrderState] = {
    (WorkOrderState.OPEN, WorkOrderAction.ASSIGN): WorkOrderState.OPEN,
    (WorkOrderState.OPEN, WorkOrderAction.APPROVE): WorkOrderState.APPROVED,
    (WorkOrderState.OPEN, WorkOrderAction.REJECT): WorkOrderState.REJECTED,
    (WorkOrderState.OPEN, WorkOrderAction.WITHDRAW): WorkOrderState.WITHDRAWN,
    (WorkOrderState.APPROVED, WorkOrderAction.WITHDRAW): WorkOrderState.WITHDRAWN,
    (WorkOrderState.APPROVED, WorkOrderAction.ARCHIVE): WorkOrderState.ARCHIVED,
    (WorkOrderState.REJECTED, WorkOrderAction.ARCHIVE): WorkOrderState.ARCHIVED,
    (WorkOrderState.WITHDRAWN, WorkOrderAction.ARCHIVE): WorkOrderState.ARCHIVED,
}
OUTCOMES = frozenset({WorkOrderState.APPROVED, WorkOrderState.REJECTED, WorkOrderState.WITHDRAWN})

_MANAGERS = frozenset({Role.ACCOUNT_MANAGER, Role.OPERATOR})
_REVIEWERS = frozenset({Role.REVIEWER, Role.OPERATOR})
# click-to-dial-v1 2: the account manager reviews and activates; the platform reviews numbers.
DECIDERS: dict[WorkOrderKind, frozenset[Role]] = {
    WorkOrderKind.QUALIFICATION: _MANAGERS | _REVIEWERS,
    WorkOrderKind.ACTIVATION: _MANAGERS,
    WorkOrderKind.NUMBER_ORDER: _REVIEWERS,
    WorkOrderKind.MODIFICATION: _MANAGERS | _REVIEWERS,
    WorkOrderKind.SUSPENSION: _MANAGERS,
    WorkOrderKind.RESUMPTION: _MANAGERS,
    WorkOrderKind.CANCELLATION: _MANAGERS,
    WorkOrderKind.TEMPLATE_REVIEW: _REVIEWERS,
}
# Reviews: whoever asked for one does not answer it, the operator excepted.
REVIEWED_BY_ANOTHER = frozenset(
    {WorkOrderKind.QUALIFICATION, WorkOrderKind.NUMBER_ORDER, WorkOrderKind.TEMPLATE_REVIEW}
)


class WorkOrderStateError(Exception):
    """The order is in a state in which that cannot be done."""

    def __init__(self, state: WorkOrderState, action: WorkOrderAction) -> None:
        super().__init__(
            worded(
                "a work order that is %(state)s cannot be asked to %(action)s",
                state=state,
                action=action,
            )
        )
        self.state = state
        self.action = action


def move(state: WorkOrderState, action: WorkOrderAction) -> WorkOrderState:
    """The state after that. Raises WorkOrderStateError."""
    try:
        return TRANSITIONS[state, action]
    except KeyError:
        raise WorkOrderStateError(state, action) from None


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkOrder:
    """One order. `subject_id` is what it is about, known to the part that opened it.

    `outcome` stays when it is archived; `reason` is the decision's. `previous_id` names the
    rejected order of which this is the resubmission.
    """

    work_order_id: str
    kind: WorkOrderKind
    enterprise_id: str
    region: str | None
    subject_id: str
    state: WorkOrderState
    outcome: WorkOrderState | None
    assignee: str | None
    opened_by: str
    opened_at: datetime
    decided_by: str | None
    decided_at: datetime | None
    reason: str | None
    archived_at: datetime | None
    previous_id: str | None
    details: dict[str, str] = field(hash=False)


@dataclass(frozen=True, slots=True)
class WorkOrderStep:
    """A line of an order's history, never changed."""

    seq: int
    action: WorkOrderAction
    at: datetime
    by: str
    why: str


def may_decide(order: WorkOrder, *, by: str, roles: frozenset[Role]) -> bool:
    """Whether somebody of these roles may approve or reject it."""
    if Role.OPERATOR in roles:
        return True
    if order.kind in REVIEWED_BY_ANOTHER and order.opened_by == by:
        return False
    return not roles.isdisjoint(DECIDERS[order.kind])
