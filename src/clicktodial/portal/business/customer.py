"""Customers as the operator's people see them: the list, and the file of each."""

from dataclasses import dataclass

from clicktodial.accounts.enterprise import Enterprise
from clicktodial.accounts.enterprise_change import Change
from clicktodial.accounts.number import NumberDetail
from clicktodial.accounts.number_order import NUMBERS_PER_ORDER_MAX, NumberOrder
from clicktodial.accounts.person import Person
from clicktodial.accounts.ticket import TicketFilter
from clicktodial.accounts.ticket_store import TicketSummary
from clicktodial.accounts.work_order import WorkOrderFilter
from clicktodial.billing.pool import PoolDetail
from clicktodial.domain.enterprise import EnterpriseState
from clicktodial.domain.principal import STAFF_ROLES, Role
from clicktodial.domain.sponsor_number import NumberKind
from clicktodial.domain.work_order import WorkOrder, WorkOrderState
from clicktodial.portal.business.centre import Progress, read_progress
from clicktodial.portal.business.common import (
    DESK,
    MANAGERS,
    Stage,
    moments_of,
    place_of,
    tone_of,
)
from clicktodial.portal.form import Form
from clicktodial.portal.label import label_of
from clicktodial.portal.needs import ConsoleNeeds
from clicktodial.portal.page import Action, Answer, Nav, Page, Redirect, Section, View, Visit
from clicktodial.portal.paging import PAGE_SIZE, parse_identifier
from clicktodial.portal.text import mark
from clicktodial.storage.administration import ApplicationDetail
from clicktodial.storage.error import Conflict, NotFound, ValueInvalid

# Of what an enterprise has, the file shows so much; the rest stands on the pages of its own.
HELD_MAX = 20
# Free numbers of one view, to choose among.
FREE_MAX = 60
NUMBER_CHARACTERS_MAX = 20
NUMBER_KINDS = {
    NumberKind.FIXED: mark("Fixed line"),
    NumberKind.MOBILE: mark("Mobile"),
    NumberKind.SERVICE: mark("Service number"),
}


@dataclass(frozen=True, slots=True)
class Holdings:
    """What an enterprise has. `people` is None for whoever may not see them."""

    enterprise: Enterprise
    numbers: list[NumberDetail]
    orders: list[NumberOrder]
    applications: list[ApplicationDetail]
    tickets: list[TicketSummary]
    pool: PoolDetail | None
    people: list[Person] | None


class CustomerPages:
    """GET /customers, and what belongs to one of them."""

    def __init__(self, needs: ConsoleNeeds) -> None:
        self._needs = needs

    async def show_all(self, visit: Visit) -> Answer:
        """The list, by name, state, region and whose they are."""
        form = Form(visit.words, {name: [value] for name, value in visit.query.items()})
        state = form.one_of("state", EnterpriseState, is_required=False)
        name = form.text("name", is_required=False, characters_max=64) or None
        region = visit.query.get("region") or None
        principal, after = visit.principal, parse_identifier(visit.query.get("after"))
        manager = principal.name if visit.query.get("whose") == "mine" else None
        enterprises = self._needs.business.enterprises

        def read() -> tuple[list[str], list[Enterprise], dict[str, str]]:
            regions = enterprises.list_regions(principal)
            if not form.is_valid:
                return regions, [], {}
            found = enterprises.list_enterprises(
                principal,
                states=frozenset({state}) if state else frozenset(),
                region=region,
                account_manager=manager,
                name=name,
                after=after,
                limit=PAGE_SIZE + 1,
            )
            people = [each.account_manager for each in found]
            return regions, found, dict(self._needs.names.accounts(principal, people))

        regions, found, accounts = await self._needs.worker.run(read)
        word = visit.words.look_up
        last = found[PAGE_SIZE - 1].enterprise_id if len(found) > PAGE_SIZE else ""
        return View(
            "business/customers.html",
            {
                "form": form,
                "regions": [(each, each) for each in regions],
                "state_options": [(each, word(label_of(each))) for each in EnterpriseState],
                "customers": found[:PAGE_SIZE],
                "accounts": accounts,
                "is_filtered": bool(state or name or region or manager),
                "is_first": after is None,
                "first_href": visit.link("customers", **{**visit.query, "after": None}),
                "next_href": last and visit.link("customers", **{**visit.query, "after": last}),
                "tone": tone_of,
            },
            200 if form.is_valid else 422,
        )

    async def show(self, visit: Visit) -> Answer:
        """The file: state, activation, open orders, history."""
        enterprise_id, principal = visit.path["enterprise_id"], visit.principal
        may_read = visit.may(DESK)

        def read() -> tuple[Progress, list[WorkOrder], list[Change], dict[str, str]]:
            business = self._needs.business
            progress = read_progress(self._needs, principal, enterprise_id, may_read=may_read)
            opened = business.work_orders.list_orders(
                principal,
                WorkOrderFilter(
                    enterprise_id=enterprise_id,
                    states=frozenset({WorkOrderState.OPEN, WorkOrderState.APPROVED}),
                ),
                limit=HELD_MAX,
            )
            changes = business.changes.list_changes(principal, enterprise_id, limit=HELD_MAX)
            people = [progress.enterprise.account_manager]
            people += [each.done_by for each in progress.activation.steps]
            people += [each.submitted_by for each in progress.intentions]
            people += [each.changed_by for each in progress.intentions]
            for order in [*progress.orders, *opened]:
                people += [order.opened_by, order.decided_by, order.assignee]
            names = self._needs.names.accounts(principal, people)
            return progress, opened, changes, dict(names)

        progress, opened, changes, accounts = await self._needs.worker.run(read)
        visit.notes.enterprise_id = enterprise_id
        return View(
            "business/customer.html",
            {
                **place_of(visit, progress.enterprise),
                "parents": [],
                "progress": progress,
                "enterprise": progress.enterprise,
                "states": EnterpriseState,
                "steps": [visit.words.look_up(each) for each in Stage.LABELS],
                "opened": opened,
                "moments": moments_of(
                    visit, progress.intentions, progress.orders, progress.activation, changes
                ),
                "accounts": accounts,
                "may_manage": visit.may(MANAGERS),
                "may_read": may_read,
                "form": visit.form(),
                "tone": tone_of,
            },
        )

    async def show_holdings(self, visit: Visit) -> Answer:
        """Numbers, pool, applications, tickets, people."""
        enterprise_id = visit.path["enterprise_id"]
        may_see_people = visit.may(frozenset({Role.OPERATOR}))
        held = await self._needs.worker.run(
            lambda: self._read_holdings(visit, enterprise_id, may_see_people)
        )
        visit.notes.enterprise_id = enterprise_id
        return View(
            "business/holdings.html",
            {
                **place_of(visit, held.enterprise),
                "held": held,
                "enterprise": held.enterprise,
                "held_max": HELD_MAX,
                "kinds": NUMBER_KINDS,
                "may_read": visit.may(DESK),
                "tone": tone_of,
            },
        )

    def _read_holdings(self, visit: Visit, enterprise_id: str, may_see_people: bool) -> Holdings:
        needs, principal = self._needs, visit.principal
        enterprise = needs.business.enterprises.show(principal, enterprise_id)
        try:
            pool = needs.pools.show(principal, enterprise_id, visit.now)
        except NotFound:
            pool = None  # none was ever set up
        return Holdings(
            enterprise,
            needs.inventory.list_of_enterprise(
                principal, enterprise_id, visit.now, limit=HELD_MAX + 1
            ),
            needs.orders.list_orders(principal, enterprise_id=enterprise_id, limit=HELD_MAX),
            needs.application_desk.list_applications(
                principal, enterprise_id=enterprise_id, limit=HELD_MAX
            ),
            needs.tickets.list_tickets(
                principal, TicketFilter(enterprise_id=enterprise_id), limit=HELD_MAX
            ),
            pool,
            needs.people.list_people(enterprise_id=enterprise_id, limit=HELD_MAX)
            if may_see_people
            else None,
        )

    # Orders of numbers, for a customer

    async def show_free(self, visit: Visit) -> Answer:
        """GET /customers/{enterprise_id}/order-numbers"""
        form = Form(visit.words, {name: [value] for name, value in visit.query.items()})
        return await self._view_free(visit, form, [])

    async def _view_free(self, visit: Visit, form: Form, chosen: list[str]) -> Answer:
        enterprise_id, principal = visit.path["enterprise_id"], visit.principal
        kind = form.one_of("kind", NumberKind, is_required=False)
        city = form.text("city", is_required=False, characters_max=64) or None
        after = form.value("after")

        def read() -> tuple[Enterprise, list[NumberDetail]]:
            enterprise = self._needs.business.enterprises.show(principal, enterprise_id)
            return enterprise, self._needs.inventory.list_free(
                visit.now, kind=kind, city=city, after=after or None, limit=FREE_MAX + 1
            )

        enterprise, free = await self._needs.worker.run(read)
        visit.notes.enterprise_id = enterprise_id
        last = free[FREE_MAX - 1].number.e164 if len(free) > FREE_MAX else ""
        query = {"kind": kind, "city": city}
        word = visit.words.look_up
        return View(
            "business/order_numbers.html",
            {
                **place_of(visit, enterprise),
                "enterprise": enterprise,
                "form": form,
                "free": free[:FREE_MAX],
                "chosen": chosen,
                "kinds": NUMBER_KINDS,
                "kind_options": [(each, word(words)) for each, words in NUMBER_KINDS.items()],
                "numbers_max": NUMBERS_PER_ORDER_MAX,
                "is_filtered": bool(kind or city),
                "first_href": ""
                if not after
                else visit.link("orderNumbersFor", enterprise_id=enterprise_id, **query),
                "next_href": last
                and visit.link("orderNumbersFor", enterprise_id=enterprise_id, after=last, **query),
            },
            200 if form.is_valid else 422,
        )

    async def place_order(self, visit: Visit) -> Answer:
        """POST the same: an offline order, which another reviews."""
        form = await visit.read_form()
        enterprise_id, principal = visit.path["enterprise_id"], visit.principal
        visit.notes.enterprise_id = enterprise_id
        numbers = form.several("numbers", characters_max=NUMBER_CHARACTERS_MAX)
        if not numbers:
            form.refuse(mark("Choose at least one number."))
            return await self._view_free(visit, form, numbers)
        try:
            order = await self._needs.worker.run(
                lambda: self._needs.orders.place(principal, enterprise_id, numbers, visit.now)
            )
        except (ValueInvalid, Conflict) as error:
            form.refuse_as(error)
            return await self._view_free(visit, form, numbers)
        visit.notes.subjects["order_id"] = order.order_id
        return Redirect(
            visit.link("holdings", enterprise_id=enterprise_id),
            toast=visit.ngettext(
                "%(num)s number is reserved and waits for its review.",
                "%(num)s numbers are reserved and wait for their review.",
                len(order.numbers),
            ),
        )

    def pages(self) -> list[Page]:
        """What is shown."""
        path = "/customers/{enterprise_id}"
        return [
            Page(
                name="customers",
                path="/customers",
                title=mark("Customers"),
                roles=STAFF_ROLES,
                show=self.show_all,
                operations=("listEnterprises",),
                nav=Nav(Section.DESK, 20, "building-2"),
            ),
            Page(
                name="customer",
                path=path,
                title=mark("Customer"),
                roles=STAFF_ROLES,
                show=self.show,
                operations=(
                    "showEnterprise",
                    "showActivation",
                    "listWorkOrders",
                    "listIntentions",
                    "listStatusChanges",
                ),
                parent="customers",
            ),
            Page(
                name="holdings",
                path=path + "/holdings",
                title=mark("What they have"),
                roles=MANAGERS | {Role.SUPPORT},
                show=self.show_holdings,
                operations=(
                    "listEnterpriseNumbers",
                    "listNumberOrders",
                    "listApplications",
                    "listTickets",
                    "showPool",
                ),
                parent="customer",
            ),
            Page(
                name="orderNumbersFor",
                path=path + "/order-numbers",
                title=mark("Order numbers for a customer"),
                roles=MANAGERS,
                show=self.show_free,
                operations=("placeNumberOrder", "listFreeNumbers"),
                parent="holdings",
            ),
        ]

    def actions(self) -> list[Action]:
        """What is done."""
        return [
            Action(
                operation="placeNumberOrder",
                name="orderNumbersFor",
                path="/customers/{enterprise_id}/order-numbers",
                roles=MANAGERS,
                handle=self.place_order,
            )
        ]
