"""Free numbers, orders of them, and what became of these."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from clicktodial.accounts.number import NumberDetail
from clicktodial.accounts.number_order import NUMBERS_PER_ORDER_MAX, NumberOrder
from clicktodial.domain.number_pool import Place
from clicktodial.domain.principal import STAFF_ROLES
from clicktodial.domain.sponsor_number import NumberKind
from clicktodial.domain.work_order import WorkOrderStep
from clicktodial.portal.form import Form
from clicktodial.portal.live import Watch
from clicktodial.portal.needs import ConsoleNeeds
from clicktodial.portal.number.shared import (
    KIND_WORDS,
    ORDERING,
    OWN_ORDERING,
    READING,
    STEP_WORDS,
    kind_words,
    order_words,
)
from clicktodial.portal.page import Action, Answer, Nav, Page, Redirect, Section, View, Visit
from clicktodial.portal.paging import PAGE_SIZE, parse_identifier
from clicktodial.portal.text import mark
from clicktodial.storage.error import Conflict, ValueInvalid
from clicktodial.storage.number_table import CITY_CHARACTERS_MAX

# What one sitting looks through; the page has a box for each.
FREE_PAGE = 30
_NUMBER_CHARACTERS_MAX = 32


@dataclass(frozen=True, slots=True)
class Step:
    """A line of an order's history, as a timeline shows it."""

    at: datetime
    title: str
    text: str
    tone: str


class OrderPages:
    """GET /numbers/order, /numbers/orders and /numbers/orders/{order_id}"""

    def __init__(self, needs: ConsoleNeeds) -> None:
        self._needs = needs

    # Free numbers

    async def browse(self, visit: Visit) -> Answer:
        """Those that fit the filter in the address."""
        return await self._view_free(visit, visit.form())

    async def place(self, visit: Visit) -> Answer:
        """POST /numbers/orders: those that are ticked, all or none."""
        form = await visit.read_form()
        enterprise_id = visit.principal.enterprise_id
        assert enterprise_id is not None  # the roles are a customer's
        numbers = form.several("numbers", characters_max=_NUMBER_CHARACTERS_MAX)
        if not numbers:
            form.refuse(mark("Tick the numbers that you want."))
        orders, made = self._needs.orders, list[NumberOrder]()

        def place() -> None:
            made.append(orders.place(visit.principal, enterprise_id, numbers, visit.now))

        if form.is_valid:
            try:
                await self._needs.worker.run(place)
            except (ValueInvalid, Conflict) as error:
                form.refuse_as(error)
        if not form.is_valid:
            return await self._view_free(visit, form, 422)
        visit.notes.subjects["order_id"] = made[0].order_id
        return Redirect(
            visit.link("numberOrder", order_id=made[0].order_id),
            toast=visit.ngettext(
                "%(num)s number is reserved until a reviewer has decided.",
                "%(num)s numbers are reserved until a reviewer has decided.",
                len(numbers),
            ),
        )

    async def _view_free(self, visit: Visit, form: Form, status: int = 200) -> View:
        query = visit.query
        filled = visit.form(**{name: query.get(name) for name in ("region", "city", "kind")})
        region = filled.text("region", is_required=False, characters_max=CITY_CHARACTERS_MAX)
        city = filled.text("city", is_required=False, characters_max=CITY_CHARACTERS_MAX)
        kind = filled.one_of("kind", NumberKind, is_required=False)
        after = query.get("after", "")[:_NUMBER_CHARACTERS_MAX] or None
        inventory = self._needs.inventory

        def read() -> tuple[Sequence[tuple[Place, int]], list[NumberDetail]]:
            places = inventory.count_free(visit.now)
            regions = {place.region for place, _ in places if place.city == city}
            # A city of the region before, where another was chosen.
            is_left = bool(region and regions) and region not in regions
            found = inventory.list_free(
                visit.now,
                kind=kind,
                region=region or None,
                city=None if is_left else city or None,
                after=after,
                limit=FREE_PAGE + 1,
            )
            return places, found

        places, found = await self._needs.worker.run(read)
        page = found[:FREE_PAGE]
        following = page[-1].number.e164 if len(found) > FREE_PAGE else None
        kept = {name: query.get(name) for name in ("region", "city", "kind")}
        word = visit.words.look_up
        context = {
            "form": form,
            "filter": filled,
            "numbers": page,
            "free_count": sum(count for _, count in places),
            "region_options": _count_options(places, "region", visit),
            "city_options": _count_options(
                [each for each in places if not region or each[0].region == region], "city", visit
            ),
            "kind_options": [(kind, word(words)) for kind, words in KIND_WORDS.items()],
            "kind_words": kind_words(visit),
            "is_filtered": bool(region or city or kind),
            "numbers_max": NUMBERS_PER_ORDER_MAX,
            "first_href": visit.link("chooseNumbers", **kept) if after else "",
            "next_href": visit.link("chooseNumbers", **kept, after=following) if following else "",
        }
        return View("number/free.html", context, status)

    # Orders

    async def list_all(self, visit: Visit) -> Answer:
        """The newest first."""
        after = parse_identifier(visit.query.get("after"))
        orders = self._needs.orders
        found = await self._needs.worker.run(
            lambda: orders.list_orders(
                visit.principal, after=after, is_newest_first=True, limit=PAGE_SIZE + 1
            )
        )
        page = found[:PAGE_SIZE]
        following = page[-1].order_id if len(found) > PAGE_SIZE else None
        context = {
            "orders": page,
            "order_words": order_words(visit),
            "is_staff": visit.may(STAFF_ROLES),
            "may_order": visit.may(OWN_ORDERING),
            "first_href": visit.link("numberOrders") if after else "",
            "next_href": visit.link("numberOrders", after=following) if following else "",
        }
        return View("number/orders.html", context)

    async def show(self, visit: Visit) -> Answer:
        """One order, and what the reviewer said."""
        order_id, orders = visit.path["order_id"], self._needs.orders

        def read() -> tuple[NumberOrder, list[WorkOrderStep]]:
            order = orders.show(visit.principal, order_id)
            return order, orders.show_review(visit.principal, order_id)

        order, steps = await self._needs.worker.run(read)
        visit.notes.enterprise_id = order.enterprise_id
        words, tone = order_words(visit)[order.state]
        context = {
            "order": order,
            "words": words,
            "tone": tone,
            "steps": [_step(visit, each) for each in steps],
            "said": next((each.why for each in reversed(steps) if each.why), ""),
            "is_open": order.state == "open",
            "is_lapsed": order.state == "open" and order.reserved_until <= visit.now,
            "may_withdraw": visit.may(ORDERING) and order.state == "open",
            "is_staff": visit.may(STAFF_ROLES),
        }
        return View("number/order.html", context)

    async def watch(self, visit: Visit) -> Watch:
        """How far it is."""
        order_id, principal = visit.path["order_id"], visit.principal
        orders = self._needs.orders
        await self._needs.worker.run(lambda: orders.show(principal, order_id))
        return Watch(
            ("number-order", order_id), lambda: len(orders.show_review(principal, order_id))
        )

    async def withdraw(self, visit: Visit) -> Answer:
        """POST /numbers/orders/{order_id}/withdraw"""
        await visit.read_form()
        order_id, orders = visit.path["order_id"], self._needs.orders
        await self._needs.worker.run(lambda: orders.withdraw(visit.principal, order_id, visit.now))
        toast = visit.gettext("The order is withdrawn; its numbers are free again.")
        return Redirect(visit.link("numberOrder", order_id=order_id), toast=toast)

    def pages(self) -> list[Page]:
        """What is shown."""
        return [
            Page(
                name="chooseNumbers",
                path="/numbers/order",
                title=mark("Order numbers"),
                roles=OWN_ORDERING,
                show=self.browse,
                operations=("listFreeNumbers", "placeNumberOrder"),
                parent="numberOrders",
            ),
            Page(
                name="numberOrders",
                path="/numbers/orders",
                title=mark("Orders of numbers"),
                roles=READING,
                show=self.list_all,
                operations=("listNumberOrders",),
                nav=Nav(Section.DESK, 60, "clipboard-list", roles=STAFF_ROLES & READING),
            ),
            Page(
                name="numberOrder",
                path="/numbers/orders/{order_id}",
                title=mark("Order of numbers"),
                roles=READING,
                show=self.show,
                operations=("showNumberOrder",),
                parent="numberOrders",
                watch=self.watch,
            ),
        ]

    def actions(self) -> list[Action]:
        """What is done."""
        return [
            Action(
                operation="placeNumberOrder",
                name="chooseNumbers",
                path="/numbers/order",
                roles=OWN_ORDERING,
                handle=self.place,
            ),
            Action(
                operation="withdrawNumberOrder",
                path="/numbers/orders/{order_id}/withdraw",
                roles=ORDERING,
                handle=self.withdraw,
            ),
        ]


def _count_options(
    places: Sequence[tuple[Place, int]], name: str, visit: Visit
) -> list[tuple[str, str]]:
    """Each region or city with how many numbers it has; those without a name are found without a
    filter alone."""
    counts: dict[str, int] = {}
    for place, count in places:
        text = getattr(place, name)
        if text:
            counts[text] = counts.get(text, 0) + count
    return [(text, f"{text} ({visit.local.number(count)})") for text, count in counts.items()]


def _step(visit: Visit, step: WorkOrderStep) -> Step:
    words, tone = STEP_WORDS[step.action]
    return Step(step.at, visit.words.look_up(words), step.why, tone)
