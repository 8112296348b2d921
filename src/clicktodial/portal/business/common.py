"""What the pages of this area share: who may, how states look, and what happened when."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from clicktodial.accounts.activation import Activation
from clicktodial.accounts.enterprise import Enterprise
from clicktodial.accounts.enterprise_change import Change, ChangeState
from clicktodial.accounts.intention import Intention
from clicktodial.domain.enterprise import EnterpriseState
from clicktodial.domain.intention import IntentionState
from clicktodial.domain.principal import Role
from clicktodial.domain.work_order import WorkOrder, WorkOrderKind, WorkOrderState
from clicktodial.portal.label import label_of
from clicktodial.portal.page import Visit
from clicktodial.portal.text import mark

OWNER = frozenset({Role.OWNER})
MANAGERS = frozenset({Role.ACCOUNT_MANAGER, Role.OPERATOR})
# Those of the operator's people who look after customers, and who decide.
DESK = MANAGERS | {Role.REVIEWER}
# What the audit log says that data and documents were read for.
PURPOSE = "customer file"
REASON_CHARACTERS_MAX = 500
# Of an enterprise's life, what one page tells.
HISTORY_MAX = 30

_TONES: dict[str, str] = {
    EnterpriseState.PROSPECT: "calm",
    EnterpriseState.IN_REVIEW: "busy",
    EnterpriseState.APPROVED: "busy",
    EnterpriseState.ACTIVE: "good",
    EnterpriseState.SUSPENDED: "warn",
    EnterpriseState.CANCELLING: "warn",
    EnterpriseState.CANCELLING_SUSPENDED: "warn",
    EnterpriseState.CANCELLED: "bad",
    IntentionState.RESERVED: "warn",
    IntentionState.ASSIGNED: "busy",
    IntentionState.ENGAGED: "good",
    IntentionState.DECLINED: "bad",
    WorkOrderState.OPEN: "busy",
    WorkOrderState.REJECTED: "bad",
    WorkOrderState.ARCHIVED: "calm",
    ChangeState.REQUESTED: "busy",
    ChangeState.SCHEDULED: "warn",
    ChangeState.DONE: "good",
    ChangeState.VOID: "bad",
}


def tone_of(state: str) -> str:
    """How a state looks; values of several enumerations that are spelled alike look alike."""
    return "good" if state == WorkOrderState.APPROVED else _TONES.get(state, "calm")


def state_of(order: WorkOrder) -> WorkOrderState:
    """How an order stands in front of people, who care little that it is archived."""
    return order.outcome or order.state


@dataclass(frozen=True, slots=True)
class Moment:
    """A line of a history. `by` is a user's identifier, or "" where it is of no matter."""

    at: datetime
    title: str
    tone: str = "calm"
    text: str = ""
    by: str = ""


def moments_of(
    visit: Visit,
    intentions: Sequence[Intention],
    orders: Sequence[WorkOrder],
    activation: Activation | None,
    changes: Sequence[Change] = (),
) -> list[Moment]:
    """What happened with an enterprise, the newest first."""
    moments = [moment for each in intentions for moment in _of_intention(visit, each)]
    moments += [moment for each in orders for moment in _of_order(visit, each)]
    for step in activation.steps if activation else ():
        if step.done_at is not None:
            words = visit.words.look_up(label_of(step.step))
            moments.append(Moment(step.done_at, words, "good", by=step.done_by or ""))
    for change in changes:
        if change.carried_out_at is not None:
            words = visit.gettext(
                mark("%(kind)s in force"), kind=visit.words.look_up(label_of(change.kind))
            )
            moments.append(Moment(change.carried_out_at, words, "good", change.reason))
    # Of those at one time the later stands behind, as it does here: so all are turned round.
    return sorted(moments, key=lambda moment: moment.at)[::-1][:HISTORY_MAX]


def _of_intention(visit: Visit, intention: Intention) -> list[Moment]:
    channel = visit.words.look_up(label_of(intention.channel))
    begun = Moment(
        intention.submitted_at,
        visit.gettext(mark("Intention submitted: %(channel)s"), channel=channel),
        text=intention.note,
        by=intention.submitted_by,
    )
    if intention.state is IntentionState.RESERVED:
        return [begun]
    state = visit.words.look_up(label_of(intention.state))
    changed = Moment(
        intention.changed_at,
        visit.gettext(mark("Intention: %(state)s"), state=state),
        tone_of(intention.state),
        intention.reason or "",
        intention.changed_by,
    )
    return [begun, changed]


def _of_order(visit: Visit, order: WorkOrder) -> list[Moment]:
    kind = visit.words.look_up(label_of(order.kind))
    if order.kind is WorkOrderKind.QUALIFICATION and order.previous_id:
        opened = mark("%(kind)s: submitted again")
    else:
        opened = mark("%(kind)s: submitted")
    moments = [Moment(order.opened_at, visit.gettext(opened, kind=kind), by=order.opened_by)]
    if order.outcome is not None and order.decided_at is not None:
        words = visit.gettext(
            mark("%(kind)s: %(outcome)s"),
            kind=kind,
            outcome=visit.words.look_up(label_of(order.outcome)),
        )
        moments.append(
            Moment(
                order.decided_at,
                words,
                tone_of(order.outcome),
                order.reason or "",
                order.decided_by or "",
            )
        )
    return moments


class Stage:
    """How far somebody is on the way to the service: a line of steps."""

    LABELS = (
        mark("Intention"),
        mark("Data and documents"),
        mark("Review"),
        mark("Activation"),
        mark("In service"),
    )

    @staticmethod
    def of(enterprise: Enterprise, intentions: Sequence[Intention], *, is_complete: bool) -> int:
        """Which of LABELS is being worked on; their number where all is done."""
        match enterprise.state:
            case EnterpriseState.PROSPECT if not intentions:
                return 0
            case EnterpriseState.PROSPECT:
                return 2 if is_complete else 1
            case EnterpriseState.IN_REVIEW:
                return 2
            case EnterpriseState.APPROVED:
                return 3
            case _:
                return len(Stage.LABELS)


@dataclass(frozen=True, slots=True)
class Crumb:
    """A page above, as layout/app.html asks for it."""

    name: str
    path: str
    title: str


def place_of(visit: Visit, enterprise: Enterprise) -> dict[str, object]:
    """Where a page stands that customers and the operator's people share."""
    if visit.principal.enterprise_id is not None:
        return {
            "parents": [Crumb("centre", "/centre", mark("Authentication centre"))],
            "current": "centre",
            "is_own": True,
        }
    return {
        "parents": [
            Crumb("customers", "/customers", mark("Customers")),
            Crumb("customer", "/customers/{enterprise_id}", enterprise.name),
        ],
        "current": "customers",
        "is_own": False,
    }
