"""`/work-orders`: what is asked for, and who decides it."""

from typing import Annotated, Any

from msgspec import Meta

from clicktodial.accounts.customer_data import READING_ROLES
from clicktodial.accounts.review import Snapshot
from clicktodial.accounts.work_order import WorkOrderFilter
from clicktodial.api.management.business import (
    LIST_PARAMETERS,
    PURPOSE,
    REGION,
    BusinessNeeds,
    ReasonText,
    cut_page,
    parse_place,
    parse_words,
    word_parameter,
)
from clicktodial.api.management.paging import parse_limit
from clicktodial.api.management.paper import CustomerDataView, render_data
from clicktodial.api.management.problem import CONFLICT, INVALID_VALUE, NOT_FOUND, NOT_PERMITTED
from clicktodial.api.management.route import Ask, Parameter, Route
from clicktodial.api.management.schema import Identifier, Instant, Strict
from clicktodial.domain.principal import STAFF_ROLES, Role
from clicktodial.domain.work_order import (
    WorkOrder,
    WorkOrderAction,
    WorkOrderKind,
    WorkOrderState,
    WorkOrderStep,
)

_SEEING = STAFF_ROLES | {Role.OWNER, Role.READER}
_PARAMETERS = (Parameter("work_order_id", "The work order.", {"type": "string"}, example="0" * 32),)


class WorkOrderView(Strict, frozen=True):
    """A work order. `outcome` is how it was decided and stays when it is archived; `details` are
    what whoever decides has to know; `previous_id` is the rejected one that it resubmits."""

    work_order_id: str
    kind: WorkOrderKind
    enterprise_id: str
    region: str | None
    subject_id: str
    state: WorkOrderState
    outcome: WorkOrderState | None
    assignee: str | None
    opened_by: str
    opened_at: Instant
    decided_by: str | None
    decided_at: Instant | None
    reason: str | None
    archived_at: Instant | None
    previous_id: str | None
    details: dict[str, str]


class WorkOrderStepView(Strict, frozen=True):
    """What was done with it, when, by whom and why; never changed."""

    seq: int
    action: WorkOrderAction
    at: Instant
    by: str
    why: str


class WorkOrderHistory(Strict, frozen=True):
    """A work order and all that was done with it."""

    work_order: WorkOrderView
    steps: list[WorkOrderStepView]


class WorkOrderPage(Strict, frozen=True):
    """Work orders, oldest first."""

    work_orders: list[WorkOrderView]
    next: str | None


class WorkOrderAssignment(Strict, frozen=True):
    """Whose it is from now on."""

    assignee: Identifier


class WorkOrderDecision(Strict, frozen=True):
    """How it is decided. A rejection needs a `reason`."""

    approved: bool
    reason: ReasonText = ""


class SnapshotDocument(Strict, frozen=True):
    """A document that was reviewed."""

    document_id: str
    kind: str
    sha256: Annotated[str, Meta(description="Of its content, in hexadecimal digits.")]


class ReviewSnapshot(Strict, frozen=True):
    """What was reviewed, as it was when it was submitted; nothing once it was erased."""

    submitted_at: Instant
    data: CustomerDataView | None
    documents: list[SnapshotDocument]


class WorkOrderResource:
    """Work orders."""

    def __init__(self, needs: BusinessNeeds) -> None:
        self._orders = needs.business.work_orders
        self._reviews = needs.business.reviews
        self._worker = needs.worker

    async def list_all(self, ask: Ask) -> WorkOrderPage:
        """GET of many"""
        query, limit, after = ask.query, parse_limit(ask.query), parse_place(ask.query)
        which = WorkOrderFilter(
            kinds=parse_words(query, "kind", WorkOrderKind),
            states=parse_words(query, "state", WorkOrderState),
            region=query.get("region"),
            assignee=query.get("assignee"),
            enterprise_id=query.get("enterprise_id"),
        )
        found = await self._worker.run(
            lambda: self._orders.list_orders(ask.principal, which, after=after, limit=limit + 1)
        )
        page, following = cut_page(found, limit, lambda order: order.work_order_id)
        return WorkOrderPage(work_orders=[render_order(each) for each in page], next=following)

    async def show(self, ask: Ask) -> WorkOrderHistory:
        """GET of one"""
        work_order_id = ask.path["work_order_id"]
        order, steps = await self._worker.run(
            lambda: self._orders.show(ask.principal, work_order_id)
        )
        return WorkOrderHistory(
            work_order=render_order(order), steps=[_render_step(each) for each in steps]
        )

    async def assign(self, ask: Ask) -> WorkOrderView:
        """POST .../assign"""
        work_order_id, body = ask.path["work_order_id"], await ask.read(WorkOrderAssignment)
        order = await self._worker.run(
            lambda: self._orders.assign(
                ask.principal, work_order_id, assignee=body.assignee, now=ask.now
            )
        )
        return render_order(order)

    async def decide(self, ask: Ask) -> WorkOrderView:
        """POST .../decide"""
        work_order_id, body = ask.path["work_order_id"], await ask.read(WorkOrderDecision)
        order = await self._worker.run(
            lambda: self._orders.decide(
                ask.principal,
                work_order_id,
                approved=body.approved,
                reason=body.reason,
                now=ask.now,
            )
        )
        ask.notes.enterprise_id = order.enterprise_id
        return render_order(order)

    async def open_snapshot(self, ask: Ask) -> ReviewSnapshot:
        """GET .../snapshot"""
        work_order_id, purpose = ask.path["work_order_id"], ask.query.get("purpose", "")
        review = await self._worker.run(
            lambda: self._reviews.open_snapshot(
                ask.principal, work_order_id, purpose=purpose, now=ask.now
            )
        )
        snapshot: Snapshot | None = review.snapshot
        return ReviewSnapshot(
            submitted_at=review.submitted_at,
            data=None if snapshot is None else render_data(snapshot.data),
            documents=[
                SnapshotDocument(document_id=each.document_id, kind=each.kind, sha256=each.sha256)
                for each in (() if snapshot is None else snapshot.documents)
            ],
        )

    def routes(self) -> list[Route]:
        """The rows of this resource."""
        shared: dict[str, Any] = {"tag": "Work orders"}
        one = shared | {"parameters": _PARAMETERS}
        return [
            Route(
                name="listWorkOrders",
                method="GET",
                path="/work-orders",
                summary="List work orders",
                about="Those of the enterprises that the asker may see, oldest first.",
                roles=_SEEING,
                handle=self.list_all,
                answer=WorkOrderPage,
                query=(
                    word_parameter("kind", "Only those of these kinds.", WorkOrderKind),
                    word_parameter("state", "Only those in these states.", WorkOrderState),
                    REGION,
                    Parameter("assignee", "Only that person's.", {"type": "string"}),
                    Parameter("enterprise_id", "Only that enterprise's.", {"type": "string"}),
                    *LIST_PARAMETERS,
                ),
                problems=(NOT_FOUND,),
                **shared,
            ),
            Route(
                name="showWorkOrder",
                method="GET",
                path="/work-orders/{work_order_id}",
                summary="Read a work order",
                about="With its history.",
                roles=_SEEING,
                handle=self.show,
                answer=WorkOrderHistory,
                problems=(NOT_FOUND,),
                **one,
            ),
            Route(
                name="assignWorkOrder",
                method="POST",
                path="/work-orders/{work_order_id}/assign",
                summary="Give a work order to somebody",
                about="Of one that is open.",
                roles=STAFF_ROLES,
                handle=self.assign,
                body=WorkOrderAssignment,
                body_example={"assignee": "mina"},
                answer=WorkOrderView,
                problems=(NOT_FOUND, NOT_PERMITTED, INVALID_VALUE, CONFLICT),
                **one,
            ),
            Route(
                name="decideWorkOrder",
                method="POST",
                path="/work-orders/{work_order_id}/decide",
                summary="Approve or reject a work order",
                about="Once, and it is carried out with it; of two at once, one is answered with "
                "a conflict. Who may depends on the kind, and reviews are for another than who "
                "asked.",
                roles=STAFF_ROLES - {Role.SUPPORT},
                handle=self.decide,
                body=WorkOrderDecision,
                body_example={"approved": False, "reason": "The photo is blurred."},
                answer=WorkOrderView,
                problems=(NOT_FOUND, NOT_PERMITTED, INVALID_VALUE, CONFLICT),
                **one,
            ),
            Route(
                name="openReviewSnapshot",
                method="GET",
                path="/work-orders/{work_order_id}/snapshot",
                summary="Read what was reviewed",
                about="Of an order of the kind qualification. The reading is noted.",
                roles=READING_ROLES,
                handle=self.open_snapshot,
                answer=ReviewSnapshot,
                query=(PURPOSE,),
                problems=(NOT_FOUND, INVALID_VALUE),
                **one,
            ),
        ]


def render_order(order: WorkOrder) -> WorkOrderView:
    """As it is answered."""
    return WorkOrderView(
        work_order_id=order.work_order_id,
        kind=order.kind,
        enterprise_id=order.enterprise_id,
        region=order.region,
        subject_id=order.subject_id,
        state=order.state,
        outcome=order.outcome,
        assignee=order.assignee,
        opened_by=order.opened_by,
        opened_at=order.opened_at,
        decided_by=order.decided_by,
        decided_at=order.decided_at,
        reason=order.reason,
        archived_at=order.archived_at,
        previous_id=order.previous_id,
        details=order.details,
    )


def _render_step(step: WorkOrderStep) -> WorkOrderStepView:
    return WorkOrderStepView(seq=step.seq, action=step.action, at=step.at, by=step.by, why=step.why)
