"""Orders of numbers: chosen, reserved for a while, reviewed, then assigned or free again.

A customer's people order online; the operator's, offline, for a customer. Either way the review is
a work order, decided by somebody else, and carried out in the decision's own transaction.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

import uuid_utils
from sqlalchemy import Connection, Row, Select, func, insert, select, update

from clicktodial.accounts.enterprise_change import PLATFORM
from clicktodial.accounts.number import NumberInventory, move_number
from clicktodial.accounts.scope import require_visible, visible_enterprises
from clicktodial.accounts.work_order import open_work_order, read_steps, withdraw_work_order
from clicktodial.domain.enterprise import EnterpriseState
from clicktodial.domain.principal import Principal
from clicktodial.domain.sponsor_number import Assign, Reserve, Unreserve
from clicktodial.domain.wording import worded
from clicktodial.domain.work_order import (
    WorkOrder,
    WorkOrderKind,
    WorkOrderState,
    WorkOrderStep,
)
from clicktodial.storage import table
from clicktodial.storage.enterprise_row import read_state
from clicktodial.storage.error import Conflict, NotFound, ValueInvalid
from clicktodial.storage.number_table import number_order, number_order_line, sponsor_number
from clicktodial.storage.transaction import Transactions
from clicktodial.storage.value import check_sponsor

# What an account manager selects in one sitting; more are more orders.
NUMBERS_PER_ORDER_MAX = 100
# So that nobody holds the inventory by ordering it.
OPEN_ORDERS_MAX = 10
# Working days that a review may take, a weekend among them.
RESERVED_FOR = timedelta(days=5)
ORDERS_PAGE_MAX = 100
# Numbers are part of becoming a customer, too (click-to-dial-v1 2, business activation).
_MAY_ORDER = frozenset({EnterpriseState.APPROVED.value, EnterpriseState.ACTIVE.value})
_columns = number_order.c


class OrderChannel(StrEnum):
    """How it was placed."""

    ONLINE = "online"  # by the customer
    OFFLINE = "offline"  # by the operator's people, for the customer


class OrderState(StrEnum):
    """How far it is. One whose reservation lapsed is open until it is rejected or withdrawn."""

    OPEN = "open"
    APPROVED = "approved"
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberOrder:
    """An order; `numbers` in E.164."""

    order_id: str
    enterprise_id: str
    work_order_id: str
    channel: OrderChannel
    state: OrderState
    placed_by: str
    placed_at: datetime
    reserved_until: datetime
    numbers: tuple[str, ...]


class NumberOrders:
    """All methods raise AdministrationError. Implements accounts.work_order.WorkOrderHandler."""

    def __init__(
        self, transactions: Transactions, *, region: str, reserved_for: timedelta = RESERVED_FOR
    ) -> None:
        """`region` is that of numbers without a country."""
        self._transactions = transactions
        self._region = region
        self._reserved_for = reserved_for

    def place(
        self, principal: Principal, enterprise_id: str, numbers: Sequence[str], now: datetime
    ) -> NumberOrder:
        """Reserve free numbers, all or none, and have that reviewed. Of two that want one number
        one gets Conflict."""
        wanted = sorted({check_sponsor(written, self._region) for written in numbers})
        if not 1 <= len(wanted) <= NUMBERS_PER_ORDER_MAX:
            raise ValueInvalid(
                worded("an order has 1 to %(most)s numbers", most=NUMBERS_PER_ORDER_MAX)
            )
        order_id, until = uuid_utils.uuid7().hex, now + self._reserved_for
        is_online = principal.enterprise_id is not None
        with self._transactions.change(concerns_calls=False) as connection:
            enterprise = require_visible(connection, principal, enterprise_id)
            if enterprise.state not in _MAY_ORDER:
                raise Conflict(
                    worded(
                        "an enterprise that is %(state)s orders no numbers", state=enterprise.state
                    )
                )
            _require_room(connection, enterprise_id)
            # By number, so that two orders never wait for each other.
            for e164 in wanted:
                move_number(connection, e164, Reserve(order_id, enterprise_id, until), now)
            work_order_id = open_work_order(
                connection,
                kind=WorkOrderKind.NUMBER_ORDER,
                enterprise_id=enterprise_id,
                opened_by=principal.name,
                subject_id=order_id,
                details=_describe(connection, wanted),
                now=now,
            )
            connection.execute(
                insert(number_order).values(
                    id=order_id,
                    enterprise_id=enterprise_id,
                    work_order_id=work_order_id,
                    channel=(OrderChannel.ONLINE if is_online else OrderChannel.OFFLINE).value,
                    state=OrderState.OPEN.value,
                    placed_by=principal.name,
                    placed_at=now,
                    reserved_until=until,
                )
            )
            lines = [{"order_id": order_id, "e164": e164} for e164 in wanted]
            connection.execute(insert(number_order_line), lines)
            return _read(connection, order_id)

    def withdraw(self, principal: Principal, order_id: str, now: datetime) -> NumberOrder:
        """Take an open order back; its numbers are free again."""
        with self._transactions.change(concerns_calls=False) as connection:
            order = _require(connection, principal, order_id)
            _close(connection, order, OrderState.WITHDRAWN)
            _unreserve(connection, order, now)
            withdraw_work_order(connection, order.work_order_id, by=principal.name, why="", now=now)
            return _read(connection, order_id)

    def end_enterprise(
        self, connection: Connection, enterprise_id: str, *, by: str, now: datetime
    ) -> None:
        """Withdraw the open orders of an enterprise that has come to its end, in the transaction
        of that."""
        opened = _query().where(
            _columns.enterprise_id == enterprise_id, _columns.state == OrderState.OPEN.value
        )
        for row in connection.execute(opened).all():
            order = _order_of(connection, row)
            _close(connection, order, OrderState.WITHDRAWN)
            _unreserve(connection, order, now)
            why = "the enterprise is cancelled"
            withdraw_work_order(connection, order.work_order_id, by=by, why=why, now=now)

    def show(self, principal: Principal, order_id: str) -> NumberOrder:
        """One order."""
        with self._transactions.read() as connection:
            return _require(connection, principal, order_id)

    def show_review(self, principal: Principal, order_id: str) -> list[WorkOrderStep]:
        """What became of its review, and what was said."""
        with self._transactions.read() as connection:
            return read_steps(connection, _require(connection, principal, order_id).work_order_id)

    def list_orders(
        self,
        principal: Principal,
        *,
        enterprise_id: str | None = None,
        state: OrderState | None = None,
        after: str | None = None,
        is_newest_first: bool = False,
        limit: int = ORDERS_PAGE_MAX,
    ) -> list[NumberOrder]:
        """Those that the principal may see, beginning behind `after`."""
        order = _columns.id.desc() if is_newest_first else _columns.id
        query = _query().where(visible_enterprises(principal)).order_by(order)
        if enterprise_id is not None:
            query = query.where(_columns.enterprise_id == enterprise_id)
        if state is not None:
            query = query.where(_columns.state == state.value)
        if after is not None:
            query = query.where(_columns.id < after if is_newest_first else _columns.id > after)
        with self._transactions.read() as connection:
            if enterprise_id is not None:
                require_visible(connection, principal, enterprise_id)
            rows = connection.execute(query.limit(min(limit, ORDERS_PAGE_MAX + 1))).all()
            return [_order_of(connection, row) for row in rows]

    def on_decided(
        self, connection: Connection, order: WorkOrder, *, by: Principal, now: datetime
    ) -> bool:
        """Assign the numbers of an approved order; free those of a rejected one."""
        found = _read(connection, order.subject_id)
        if order.state is WorkOrderState.REJECTED or order.outcome is WorkOrderState.REJECTED:
            _close(connection, found, OrderState.REJECTED)
            _unreserve(connection, found, now)
            return True
        if found.reserved_until <= now:
            raise Conflict("the reservation of the numbers has lapsed: reject the order")
        # It may have been placed while the enterprise was being cancelled.
        if read_state(connection, found.enterprise_id) is EnterpriseState.CANCELLED:
            raise Conflict("an enterprise that is cancelled gets no numbers: reject the order")
        _close(connection, found, OrderState.APPROVED)
        for e164 in found.numbers:
            move_number(connection, e164, Assign(found.order_id), now)
        return True


@dataclass(frozen=True, slots=True)
class NumbersGivenBack:
    """Takes back what an enterprise has of the inventory, in the transaction in which it ends: an
    accounts.enterprise_change.OnCancelled."""

    inventory: NumberInventory
    orders: NumberOrders

    def __call__(self, connection: Connection, enterprise_id: str, now: datetime) -> None:
        self.orders.end_enterprise(connection, enterprise_id, by=PLATFORM, now=now)
        self.inventory.end_enterprise(connection, enterprise_id, now=now)


def _close(connection: Connection, order: NumberOrder, state: OrderState) -> None:
    changed = connection.execute(
        update(number_order)
        .where(_columns.id == order.order_id, _columns.state == OrderState.OPEN.value)
        .values(state=state.value)
    )
    if not changed.rowcount:
        raise Conflict("the order is not open any more")


def _unreserve(connection: Connection, order: NumberOrder, now: datetime) -> None:
    """Free what the order still holds; what lapsed may be another's by now."""
    columns = sponsor_number.c
    held = select(columns.e164).where(columns.order_id == order.order_id, columns.until > now)
    for e164 in connection.scalars(held.order_by(columns.e164)).all():
        move_number(connection, e164, Unreserve(order.order_id), now)


def _require_room(connection: Connection, enterprise_id: str) -> None:
    count = select(func.count()).where(
        _columns.enterprise_id == enterprise_id, _columns.state == OrderState.OPEN.value
    )
    if (connection.scalar(count) or 0) >= OPEN_ORDERS_MAX:
        raise Conflict(
            worded("an enterprise has at most %(most)s open orders", most=OPEN_ORDERS_MAX)
        )


def _describe(connection: Connection, numbers: Sequence[str]) -> dict[str, str]:
    """For whoever reviews: how many of which city. Numbers stand in the order itself."""
    columns = sponsor_number.c
    query = select(columns.city, func.count()).where(columns.e164.in_(numbers))
    cities = connection.execute(query.group_by(columns.city).order_by(columns.city)).all()
    # Of a hundred cities some must do: a detail is short.
    named = ", ".join(f"{city or '-'}: {count}" for city, count in cities[:10])
    return {"numbers": str(len(numbers)), "cities": named}


def _require(connection: Connection, principal: Principal, order_id: str) -> NumberOrder:
    row = connection.execute(
        _query().where(_columns.id == order_id, visible_enterprises(principal))
    ).first()
    if row is None:
        raise NotFound("there is no such order")
    return _order_of(connection, row)


def _read(connection: Connection, order_id: str) -> NumberOrder:
    row = connection.execute(_query().where(_columns.id == order_id)).first()
    if row is None:
        raise NotFound("there is no such order")
    return _order_of(connection, row)


def _query() -> Select[Any]:
    return select(number_order).join(
        table.enterprise, table.enterprise.c.id == _columns.enterprise_id
    )


def _order_of(connection: Connection, row: Row[Any]) -> NumberOrder:
    lines = number_order_line.c
    query = select(lines.e164).where(lines.order_id == row.id).order_by(lines.e164)
    return NumberOrder(
        order_id=row.id,
        enterprise_id=row.enterprise_id,
        work_order_id=row.work_order_id,
        channel=OrderChannel(row.channel),
        state=OrderState(row.state),
        placed_by=row.placed_by,
        placed_at=row.placed_at,
        reserved_until=row.reserved_until,
        numbers=tuple(connection.scalars(query)),
    )
