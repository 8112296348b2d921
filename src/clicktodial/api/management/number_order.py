"""`/number-orders`: how enterprises get numbers of the operator's inventory."""

from datetime import datetime
from typing import Annotated, Any

from msgspec import UNSET, Meta, UnsetType

from clicktodial.accounts.number_order import (
    NUMBERS_PER_ORDER_MAX,
    NumberOrder,
    NumberOrders,
    OrderChannel,
    OrderState,
)
from clicktodial.api.management.application import ENTERPRISE_QUERY, own_or_named_enterprise
from clicktodial.api.management.body import find_word
from clicktodial.api.management.name_paging import (
    NAME_PAGE_PARAMETERS,
    cut_page,
    parse_name_cursor,
)
from clicktodial.api.management.number import ORDERING_ROLES, READING_ROLES, TAG, enumeration
from clicktodial.api.management.paging import parse_limit
from clicktodial.api.management.problem import (
    CONFLICT,
    INVALID_PARAMETER,
    INVALID_VALUE,
    NOT_FOUND,
)
from clicktodial.api.management.route import Ask, Created, Parameter, Route
from clicktodial.api.management.schema import Identifier, Instant, Strict, WrittenNumber
from clicktodial.api.management.worker import Worker


class NewOrder(Strict, frozen=True):
    """Numbers that are wished, all of them or none."""

    numbers: Annotated[list[WrittenNumber], Meta(min_length=1, max_length=NUMBERS_PER_ORDER_MAX)]
    enterprise_id: (
        Annotated[
            Identifier,
            Meta(description="For whom; required of the operator's people."),
        ]
        | UnsetType
    ) = UNSET


class OrderView(Strict, frozen=True):
    """An order. What is decided of it, by whom and why, its work order tells."""

    order_id: str
    enterprise_id: str
    work_order_id: str
    channel: OrderChannel
    state: OrderState
    placed_by: str
    placed_at: Instant
    reserved_until: Instant
    numbers: list[str]


class OrderPage(Strict, frozen=True):
    """A page of orders, and where the next one begins."""

    orders: list[OrderView]
    next: str | None


class OrderResource:
    """Orders of numbers."""

    def __init__(self, orders: NumberOrders, worker: Worker) -> None:
        self._orders = orders
        self._worker = worker

    async def place(self, ask: Ask) -> Created:
        """POST of an order"""
        body = await ask.read(NewOrder)
        enterprise_id = own_or_named_enterprise(ask, body.enterprise_id)
        order = await self._worker.run(
            lambda: self._orders.place(ask.principal, enterprise_id, body.numbers, ask.now)
        )
        ask.notes.enterprise_id = enterprise_id
        return Created(_render(order), f"/number-orders/{order.order_id}")

    async def list_orders(self, ask: Ask) -> OrderPage:
        """GET of orders"""
        limit, after = parse_limit(ask.query), parse_name_cursor(ask.query)
        state = find_word(ask.query, "state", OrderState)
        found = await self._worker.run(
            lambda: self._orders.list_orders(
                ask.principal,
                enterprise_id=ask.query.get("enterprise_id"),
                state=state,
                after=after,
                limit=limit + 1,
            )
        )
        page, following = cut_page(found, limit, lambda order: order.order_id)
        return OrderPage(orders=[_render(order) for order in page], next=following)

    async def show_order(self, ask: Ask) -> OrderView:
        """GET of an order"""
        order_id = ask.path["order_id"]
        order = await self._worker.run(lambda: self._orders.show(ask.principal, order_id))
        ask.notes.enterprise_id = order.enterprise_id
        return _render(order)

    async def withdraw(self, ask: Ask) -> OrderView:
        """POST .../withdraw"""
        order_id = ask.path["order_id"]
        order = await self._worker.run(
            lambda: self._orders.withdraw(ask.principal, order_id, ask.now)
        )
        ask.notes.enterprise_id = order.enterprise_id
        return _render(order)

    def routes(self) -> list[Route]:
        """The rows of this resource."""
        return [
            Route(
                name="placeNumberOrder",
                method="POST",
                path="/number-orders",
                summary="Order numbers",
                about="All of them, or none where one is taken already. They are reserved until "
                "`reserved_until`, and a work order of the kind `number-order` is opened for their "
                "review; when it is approved they are the enterprise's.",
                roles=ORDERING_ROLES,
                handle=self.place,
                body=NewOrder,
                body_example={"numbers": ["01052680000"]},
                answer=OrderView,
                answer_example=_ORDER,
                status=201,
                problems=(INVALID_VALUE, NOT_FOUND, CONFLICT),
                tag=TAG,
            ),
            Route(
                name="listNumberOrders",
                method="GET",
                path="/number-orders",
                summary="List orders of numbers",
                about="Those that whoever asks may see, the oldest first.",
                roles=READING_ROLES,
                handle=self.list_orders,
                answer=OrderPage,
                answer_example={"orders": [_ORDER], "next": None},
                query=(*NAME_PAGE_PARAMETERS, _ORDER_STATE, ENTERPRISE_QUERY),
                problems=(INVALID_PARAMETER, NOT_FOUND),
                tag=TAG,
            ),
            Route(
                name="showNumberOrder",
                method="GET",
                path="/number-orders/{order_id}",
                summary="Read an order of numbers",
                about="With its numbers, and the work order that reviews it.",
                roles=READING_ROLES,
                handle=self.show_order,
                answer=OrderView,
                answer_example=_ORDER,
                parameters=(_ORDER_ID,),
                problems=(NOT_FOUND,),
                tag=TAG,
            ),
            Route(
                name="withdrawNumberOrder",
                method="POST",
                path="/number-orders/{order_id}/withdraw",
                summary="Withdraw an order of numbers",
                about="While it is open; its numbers are free again.",
                roles=ORDERING_ROLES,
                handle=self.withdraw,
                answer=OrderView,
                answer_example=_ORDER | {"state": "withdrawn"},
                parameters=(_ORDER_ID,),
                problems=(NOT_FOUND, CONFLICT),
                tag=TAG,
            ),
        ]


def _render(order: NumberOrder) -> OrderView:
    return OrderView(
        order_id=order.order_id,
        enterprise_id=order.enterprise_id,
        work_order_id=order.work_order_id,
        channel=order.channel,
        state=order.state,
        placed_by=order.placed_by,
        placed_at=order.placed_at,
        reserved_until=order.reserved_until,
        numbers=list(order.numbers),
    )


_ORDER_STATE = Parameter("state", "In that state.", enumeration(OrderState))
_ORDER_ID = Parameter(
    "order_id", "The order.", {"type": "string"}, "019a3f6e8b5c7d2e9f00112233445566"
)
_ORDER: dict[str, Any] = {
    "order_id": "019a3f6e8b5c7d2e9f00112233445566",
    "enterprise_id": "acme",
    "work_order_id": "019a3f6e8b5c7d2e9f00112233445567",
    "channel": "online",
    "state": "open",
    "placed_by": "019a3f6e8b5c7d2e9f00112233445568",
    "placed_at": datetime.fromisoformat("2026-03-04T05:06:07+00:00"),
    "reserved_until": datetime.fromisoformat("2026-03-09T05:06:07+00:00"),
    "numbers": ["+861052680000"],
}
