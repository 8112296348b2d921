"""Work orders: the queues of whoever decides, and the page on which one is decided."""

from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum

from clicktodial.accounts.document import Document
from clicktodial.accounts.document_content import MediaType
from clicktodial.accounts.enterprise_change import CHANGE_KINDS, LIVE_CHANGES, Change
from clicktodial.accounts.number_order import NumberOrder
from clicktodial.accounts.review import Snapshot
from clicktodial.accounts.work_order import WorkOrderFilter
from clicktodial.domain.principal import Principal
from clicktodial.domain.work_order import (
    DECIDERS,
    WorkOrder,
    WorkOrderKind,
    WorkOrderState,
    WorkOrderStep,
    may_decide,
)
from clicktodial.messaging.template import TemplateDetail
from clicktodial.portal.business.common import (
    DESK,
    REASON_CHARACTERS_MAX,
    state_of,
    tone_of,
)
from clicktodial.portal.business.paper import DATA_GROUPS, DATA_LABELS
from clicktodial.portal.form import Form
from clicktodial.portal.label import label_of
from clicktodial.portal.live import Watch
from clicktodial.portal.needs import ConsoleNeeds
from clicktodial.portal.page import (
    Action,
    Answer,
    Card,
    Nav,
    Page,
    Redirect,
    Section,
    View,
    Visit,
)
from clicktodial.portal.paging import PAGE_SIZE, parse_identifier
from clicktodial.portal.text import mark
from clicktodial.storage.error import Conflict, NotPermitted, ValueInvalid

# What the audit log says that data and documents were read for.
PURPOSE = "review"


class Queue(StrEnum):
    """What waits, as people part it."""

    QUALIFICATION = "qualification"
    NUMBERS = "numbers"
    TEMPLATES = "templates"
    ACTIVATION = "activation"
    SERVICE = "service"


KINDS: Mapping[Queue, frozenset[WorkOrderKind]] = {
    Queue.QUALIFICATION: frozenset({WorkOrderKind.QUALIFICATION}),
    Queue.NUMBERS: frozenset({WorkOrderKind.NUMBER_ORDER}),
    Queue.TEMPLATES: frozenset({WorkOrderKind.TEMPLATE_REVIEW}),
    Queue.ACTIVATION: frozenset({WorkOrderKind.ACTIVATION}),
    Queue.SERVICE: CHANGE_KINDS,
}
QUEUE_LABELS = {
    Queue.QUALIFICATION: mark("Qualification"),
    Queue.NUMBERS: mark("Numbers"),
    Queue.TEMPLATES: mark("Templates"),
    Queue.ACTIVATION: mark("Activation"),
    Queue.SERVICE: mark("Service requests"),
}


@dataclass(frozen=True, slots=True)
class Subject:
    """What an order is about, as far as its kind has it."""

    snapshot: Snapshot | None = None
    documents: Sequence[Document] = ()
    number_order: NumberOrder | None = None
    template: TemplateDetail | None = None
    pictures: Sequence[str] = ()  # of a template, as addresses that hold them
    change: Change | None = None
    # What a modification would replace, by name.
    before: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Sheet:
    """All that the page of an order shows. `ahead` are those of its kind that wait."""

    order: WorkOrder
    steps: Sequence[WorkOrderStep]
    subject: Subject
    enterprise_name: str
    accounts: Mapping[str, str] = field(default_factory=dict)
    waiting: int = 0


class WorkOrderPages:
    """GET /work-orders, and one of them."""

    def __init__(self, needs: ConsoleNeeds) -> None:
        self._needs = needs

    # The queues

    async def show_all(self, visit: Visit) -> Answer:
        """A queue, the oldest first, with its age and who has it."""
        principal, orders = visit.principal, self._needs.business.work_orders
        which, queue, is_decided = self._parse(visit)
        after = parse_identifier(visit.query.get("after"))

        def read() -> tuple[
            list[WorkOrder], Mapping[WorkOrderKind, int], dict[str, str], dict[str, str]
        ]:
            found = orders.list_orders(principal, which, after=after, limit=PAGE_SIZE + 1)
            names = self._needs.names
            people = [each.assignee for each in found] + [each.opened_by for each in found]
            return (
                found,
                orders.count_open(principal),
                dict(names.enterprises(principal, [each.enterprise_id for each in found])),
                dict(names.accounts(principal, people)),
            )

        found, counts, names, accounts = await self._needs.worker.run(read)
        last = found[PAGE_SIZE - 1].work_order_id if len(found) > PAGE_SIZE else ""
        query = {**visit.query, "after": None}
        tabs: list[tuple[str, str, bool, int]] = [
            (
                visit.link("workOrders", **{**query, "queue": None}),
                visit.gettext("All"),
                queue is None,
                sum(counts.values()),
            )
        ]
        for each, words in QUEUE_LABELS.items():
            count = sum(counts.get(kind, 0) for kind in KINDS[each])
            href = visit.link("workOrders", **{**query, "queue": each})
            tabs.append((href, visit.words.look_up(words), queue is each, count))
        return View(
            "business/work_orders.html",
            {
                "tabs": tabs,
                "queue": queue,
                "is_decided": is_decided,
                "is_mine": which.assignee is not None,
                "orders": found[:PAGE_SIZE],
                "names": names,
                "accounts": accounts,
                "first_href": "" if after is None else visit.link("workOrders", **query),
                "next_href": last and visit.link("workOrders", **{**query, "after": last}),
                "switch": lambda **changed: visit.link("workOrders", **{**query, **changed}),
                "state_of": state_of,
                "tone": tone_of,
                "own_id": principal.name,
            },
        )

    def _parse(self, visit: Visit) -> tuple[WorkOrderFilter, Queue | None, bool]:
        form = Form(visit.words, {name: [value] for name, value in visit.query.items()})
        queue = form.one_of("queue", Queue, is_required=False)
        is_decided = visit.query.get("show") == "decided"
        states = {WorkOrderState.ARCHIVED, WorkOrderState.APPROVED}
        which = WorkOrderFilter(
            kinds=KINDS[queue] if queue else frozenset(),
            states=frozenset(states if is_decided else {WorkOrderState.OPEN}),
            assignee=visit.principal.name if visit.query.get("whose") == "mine" else None,
        )
        return which, queue, is_decided

    async def watch(self, visit: Visit) -> Watch:
        """What the page shows, and how many wait."""
        principal, orders = visit.principal, self._needs.business.work_orders
        which, _, _ = self._parse(visit)
        after = parse_identifier(visit.query.get("after"))

        def ask() -> object:
            found = orders.list_orders(principal, which, after=after, limit=PAGE_SIZE)
            return (
                [(each.work_order_id, each.assignee, each.state) for each in found],
                orders.count_open(principal),
            )

        whose = (principal.enterprise_id, principal.roles, principal.regions)
        return Watch(("work-orders", whose, which, after), ask)

    # One of them

    async def show(self, visit: Visit) -> Answer:
        """What is asked for, and the form that decides it."""
        return await self._view(visit, visit.form())

    async def _view(self, visit: Visit, form: Form) -> Answer:
        sheet = await self._needs.worker.run(lambda: self._read(visit))
        order, principal = sheet.order, visit.principal
        visit.notes.enterprise_id = order.enterprise_id
        return View(
            "business/work_order.html",
            {
                "sheet": sheet,
                "order": order,
                "subject": sheet.subject,
                "heading": visit.words.look_up(label_of(order.kind)),
                "form": form,
                "may_decide": order.state is WorkOrderState.OPEN
                and may_decide(order, by=principal.name, roles=principal.roles),
                "is_open": order.state is WorkOrderState.OPEN,
                "is_own": order.opened_by == principal.name,
                "kinds": WorkOrderKind,
                "groups": DATA_GROUPS,
                "labels": DATA_LABELS,
                "values_of": asdict,
                "pdf": MediaType.PDF,
                "own_id": principal.name,
                "state_of": state_of,
                "tone": tone_of,
            },
            200 if form.is_valid else 422,
        )

    def _read(self, visit: Visit) -> Sheet:
        principal, work_order_id = visit.principal, visit.path["work_order_id"]
        order, steps = self._needs.business.work_orders.show(principal, work_order_id)
        names = self._needs.names
        people = [order.opened_by, order.assignee, order.decided_by, *(each.by for each in steps)]
        people += [each.why for each in steps if each.action == "assign"]
        counts = self._needs.business.work_orders.count_open(principal)
        return Sheet(
            order,
            steps,
            self._read_subject(visit, order),
            names.enterprises(principal, [order.enterprise_id]).get(order.enterprise_id, ""),
            names.accounts(principal, people),
            counts.get(order.kind, 0),
        )

    def _read_subject(self, visit: Visit, order: WorkOrder) -> Subject:
        needs, principal, now = self._needs, visit.principal, visit.now
        business = needs.business
        match order.kind:
            case WorkOrderKind.QUALIFICATION:
                review = business.reviews.open_snapshot(
                    principal, order.work_order_id, purpose=PURPOSE, now=now
                )
                reviewed = [] if review.snapshot is None else review.snapshot.documents
                documents = business.documents.describe(
                    principal, order.enterprise_id, [each.document_id for each in reviewed]
                )
                return Subject(snapshot=review.snapshot, documents=documents)
            case WorkOrderKind.NUMBER_ORDER:
                return Subject(number_order=needs.orders.show(principal, order.subject_id))
            case WorkOrderKind.TEMPLATE_REVIEW:
                app_id = order.details.get("application", "")
                template = needs.templates.show(principal, app_id, order.subject_id)
                pictures = [
                    needs.templates.read_picture(principal, app_id, order.subject_id, position)
                    for position, _ in enumerate(template.pictures, 1)
                ]
                return Subject(template=template, pictures=[_address(*each) for each in pictures])
            case WorkOrderKind.ACTIVATION:
                return Subject()
            case _:
                change = business.changes.show_change(
                    principal, order.enterprise_id, order.subject_id, purpose=PURPOSE, now=now
                )
                return Subject(change=change, before=self._read_before(visit, change))

    def _read_before(self, visit: Visit, change: Change) -> Mapping[str, str]:
        if change.modification is None or change.state not in LIVE_CHANGES:
            return {}
        business, principal = self._needs.business, visit.principal
        enterprise = business.enterprises.show(principal, change.enterprise_id)
        kept = business.data.read(principal, change.enterprise_id, purpose=PURPOSE, now=visit.now)
        known = {"name": enterprise.name, "region": enterprise.region or ""}
        return known | asdict(kept.data)

    async def take(self, visit: Visit) -> Answer:
        """POST /work-orders/{work_order_id}/assign: to oneself."""
        await visit.read_form()
        work_order_id, principal = visit.path["work_order_id"], visit.principal
        order = await self._needs.worker.run(
            lambda: self._needs.business.work_orders.assign(
                principal, work_order_id, assignee=principal.name, now=visit.now
            )
        )
        visit.notes.enterprise_id = order.enterprise_id
        return Redirect(
            visit.link("workOrder", work_order_id=work_order_id),
            toast=visit.gettext("It is yours."),
        )

    async def decide(self, visit: Visit) -> Answer:
        """POST /work-orders/{work_order_id}/decide; leads to the next that waits."""
        form = await visit.read_form()
        work_order_id, principal = visit.path["work_order_id"], visit.principal
        verdict = form.one_of("verdict", Verdict)
        is_approved = verdict is Verdict.APPROVE
        reason = form.text(
            "reason", is_required=not is_approved, characters_max=REASON_CHARACTERS_MAX
        )
        if not form.is_valid:
            return await self._view(visit, form)
        try:
            order = await self._needs.worker.run(
                lambda: self._needs.business.work_orders.decide(
                    principal,
                    work_order_id,
                    approved=is_approved,
                    reason=reason,
                    now=visit.now,
                )
            )
        except (Conflict, ValueInvalid, NotPermitted) as error:
            form.refuse_as(error)
            return await self._view(visit, form)
        visit.notes.enterprise_id = order.enterprise_id
        await self._needs.take_up_changes()
        done = visit.gettext("Approved.") if is_approved else visit.gettext("Rejected.")
        following = await self._needs.worker.run(lambda: self._find_next(principal, order))
        if following is None:
            none_left = visit.gettext("Nothing else of the kind waits.")
            return Redirect(visit.link("workOrders"), toast=f"{done} {none_left}")
        return Redirect(
            visit.link("workOrder", work_order_id=following),
            toast=f"{done} {visit.gettext('This is the next one.')}",
        )

    def _find_next(self, principal: Principal, order: WorkOrder) -> str | None:
        """The next of its kind that waits; behind the last the oldest."""
        which = WorkOrderFilter(
            kinds=frozenset({order.kind}), states=frozenset({WorkOrderState.OPEN})
        )
        for after in (order.work_order_id, None):
            found = self._needs.business.work_orders.list_orders(
                principal, which, after=after, limit=PAGE_SIZE
            )
            for each in found:
                if may_decide(each, by=principal.name, roles=principal.roles):
                    return each.work_order_id
        return None

    # The overview

    async def load_card(self, visit: Visit) -> Mapping[str, object]:
        """What waits, by queue."""
        principal = visit.principal
        counts = await self._needs.worker.run(
            lambda: self._needs.business.work_orders.count_open(principal)
        )
        word = visit.words.look_up
        return {
            "queues": [
                (
                    each,
                    word(words),
                    sum(counts.get(kind, 0) for kind in KINDS[each]),
                )
                for each, words in QUEUE_LABELS.items()
                if any(principal.has_any(DECIDERS[kind]) for kind in KINDS[each])
            ]
        }

    def cards(self) -> list[Card]:
        """What the overview has."""
        return [
            Card(
                name="workOrders",
                order=5,
                roles=DESK,
                template="business/card.html",
                load=self.load_card,
            )
        ]

    def pages(self) -> list[Page]:
        """What is shown."""
        return [
            Page(
                name="workOrders",
                path="/work-orders",
                title=mark("Work orders"),
                roles=DESK,
                show=self.show_all,
                operations=("listWorkOrders",),
                nav=Nav(Section.DESK, 30, "clipboard-check"),
                watch=self.watch,
            ),
            Page(
                name="workOrder",
                path="/work-orders/{work_order_id}",
                title=mark("Work order"),
                roles=DESK,
                show=self.show,
                operations=("showWorkOrder", "openReviewSnapshot"),
                parent="workOrders",
            ),
        ]

    def actions(self) -> list[Action]:
        """What is done."""
        path = "/work-orders/{work_order_id}"
        return [
            Action(
                operation="assignWorkOrder", path=path + "/assign", roles=DESK, handle=self.take
            ),
            Action(
                operation="decideWorkOrder", path=path + "/decide", roles=DESK, handle=self.decide
            ),
        ]


class Verdict(StrEnum):
    """How it is decided."""

    APPROVE = "approve"
    REJECT = "reject"


def _address(media_type: str, content: bytes) -> str:
    """A picture within the page: a message's are small, and of types that were proved."""
    return f"data:{media_type};base64,{b64encode(content).decode()}"
