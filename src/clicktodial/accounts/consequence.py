"""What a suspension or an end would touch: for whoever is about to ask for it."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Select, func, select

from clicktodial.accounts.call_search import select_open_calls
from clicktodial.accounts.number_order import OrderState
from clicktodial.accounts.scope import require_visible
from clicktodial.domain.principal import Principal
from clicktodial.domain.sponsor_number import NumberState
from clicktodial.storage import table
from clicktodial.storage.number_table import number_order, sponsor_number
from clicktodial.storage.transaction import Transactions


@dataclass(frozen=True, slots=True)
class Stake:
    """What an enterprise has by now: `numbers` that it would give back, orders of numbers that
    would be withdrawn, applications that would be refused, calls that go on."""

    numbers: int
    open_orders: int
    applications: int
    live_calls: int


class Consequences:
    """All methods block; they raise AdministrationError and DatabaseUnavailable."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    def weigh(self, principal: Principal, enterprise_id: str) -> Stake:
        """What is at stake now. Raises NotFound."""
        number, order, app = sponsor_number.c, number_order.c, table.application.c
        open_calls = select_open_calls().subquery()
        with self._transactions.read() as connection:
            require_visible(connection, principal, enterprise_id)
            return Stake(
                numbers=_count(
                    connection,
                    select(func.count()).where(
                        number.enterprise_id == enterprise_id,
                        number.state == NumberState.ASSIGNED.value,
                    ),
                ),
                open_orders=_count(
                    connection,
                    select(func.count()).where(
                        order.enterprise_id == enterprise_id, order.state == OrderState.OPEN.value
                    ),
                ),
                applications=_count(
                    connection, select(func.count()).where(app.enterprise_id == enterprise_id)
                ),
                live_calls=_count(
                    connection,
                    select(func.count())
                    .select_from(open_calls)
                    .where(
                        open_calls.c.app_id.in_(
                            select(app.app_id).where(app.enterprise_id == enterprise_id)
                        )
                    ),
                ),
            )


def _count(connection: Connection, query: Select[Any]) -> int:
    return int(connection.execute(query).scalar_one())
