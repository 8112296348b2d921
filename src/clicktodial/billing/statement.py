"""The monthly statement of an enterprise: what its calls took, and what it owes.

A statement counts the calls that ended within a calendar month of the billing time zone. It is made
of the sums of days that are kept (billing.use), so that neither time nor memory follow the number
of calls.
"""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, tzinfo
from functools import partial
from typing import Any

from sqlalchemy import Connection, Select, and_, literal_column, select

from clicktodial.accounts.scope import require_visible
from clicktodial.billing.package import add_months
from clicktodial.billing.pool import require_pool
from clicktodial.billing.use import select_use
from clicktodial.domain.principal import Principal
from clicktodial.storage import table
from clicktodial.storage.billing_table import ledger_entry, package, package_lot
from clicktodial.storage.error import ValueInvalid
from clicktodial.storage.instant import from_millis
from clicktodial.storage.transaction import Transactions

_YEAR_MIN, _YEAR_MAX = 1970, 9000
# So many applications and departments have a line of their own; the sums hold all.
LINES_MAX = 1_000
OTHERS = "(others)"


@dataclass(slots=True)
class Total:
    """What some calls came to."""

    name: str
    calls: int = 0
    connected: int = 0
    duration_s: int = 0
    billed_s: int = 0
    overage_s: int = 0
    price_micros: int = 0

    def add(self, row: Any) -> None:
        """More of them."""
        # PostgreSQL sums integers up to decimals.
        self.calls += int(row.calls)
        self.connected += int(row.connected)
        self.duration_s += int(row.duration_s)
        self.billed_s += int(row.billed_s)
        self.overage_s += int(row.overage_s)
        self.price_micros += int(row.price_micros)


@dataclass(frozen=True, slots=True)
class PackageLine:
    """A lot that was granted in the month."""

    name: str
    granted_at: datetime
    seconds: int
    price_micros: int


@dataclass(slots=True)
class Statement:
    """A month of an enterprise. Money is millionths of `currency`."""

    enterprise_id: str
    enterprise_name: str
    month: str
    currency: str
    time_zone: str
    made_at: datetime
    total: Total
    by_application: list[Total] = field(default_factory=list)
    by_department: list[Total] = field(default_factory=list)
    by_day: list[Total] = field(default_factory=list)
    packages: list[PackageLine] = field(default_factory=list)
    expired_s: int = 0

    @property
    def package_micros(self) -> int:
        return sum(line.price_micros for line in self.packages)

    @property
    def owed_micros(self) -> int:
        return self.package_micros + self.total.price_micros


class Statements:
    """Makes them. Blocking; raises NotFound, ValueInvalid and DatabaseUnavailable."""

    def __init__(self, transactions: Transactions, *, zone: tzinfo = UTC) -> None:
        self._transactions = transactions
        self._zone = zone

    def make(
        self, principal: Principal, enterprise_id: str, month: str, now: datetime
    ) -> Statement:
        """Of a month written `2026-01`; of one that is not over, as far as it has come."""
        since = parse_month(month, self._zone)
        until = add_months(since, 1)
        with self._transactions.read() as connection:
            enterprise = require_visible(connection, principal, enterprise_id)
            pool_row = require_pool(connection, principal, enterprise_id)
            statement = Statement(
                enterprise_id=enterprise_id,
                enterprise_name=enterprise.name,
                month=month,
                currency=pool_row.currency,
                time_zone=str(self._zone),
                made_at=now,
                total=Total("total"),
            )
            use = partial(select_use, enterprise_id, since, until, self._zone)
            self._add_days(connection, statement, use("at"))
            statement.by_application = _totals(connection, use("app_id"))
            _name_applications(connection, statement.by_application)
            statement.by_department = _totals(connection, use("department"))
            _add_packages(connection, statement, since, until)
        return statement

    def _add_days(self, connection: Connection, statement: Statement, query: Select[Any]) -> None:
        days: dict[date, Total] = {}
        for row in connection.execute(query.order_by("name")):
            day = from_millis(int(row.name)).astimezone(self._zone).date()
            days.setdefault(day, Total(day.isoformat())).add(row)
            statement.total.add(row)
        statement.by_day = list(days.values())


def parse_month(text: str, zone: tzinfo) -> datetime:
    """The beginning of the month, in that zone. Raises ValueInvalid."""
    try:
        start = datetime.strptime(text, "%Y-%m").replace(tzinfo=zone)
    except ValueError as error:
        raise ValueInvalid("the month must be written like 2026-01") from error
    if start.strftime("%Y-%m") != text or not _YEAR_MIN <= start.year <= _YEAR_MAX:
        raise ValueInvalid("the month must be written like 2026-01")
    return start


def _totals(connection: Connection, query: Select[Any]) -> list[Total]:
    """Those that took most first; beyond LINES_MAX they share the last line."""
    totals: list[Total] = []
    for row in connection.execute(query.order_by(literal_column("billed_s").desc(), "name")):
        if len(totals) < LINES_MAX:
            totals.append(Total(row.name))
        elif len(totals) == LINES_MAX:
            totals.append(Total(OTHERS))
        totals[-1].add(row)
    return totals


def _name_applications(connection: Connection, totals: list[Total]) -> None:
    columns = table.application.c
    names = {
        row.app_id: row.name
        for row in connection.execute(
            select(columns.app_id, columns.name).where(
                columns.app_id.in_([total.name for total in totals])
            )
        )
    }
    for total in totals:
        name = names.get(total.name)
        if name is not None and name != total.name:
            total.name = f"{total.name} {name}"


def _add_packages(
    connection: Connection, statement: Statement, since: datetime, until: datetime
) -> None:
    entries = ledger_entry.c
    within = and_(entries.occurred_at >= since, entries.occurred_at < until)
    # By the lots, of which there are few: the ledger has a row for every call.
    query = (
        select(
            package.c.name,
            entries.kind,
            entries.occurred_at,
            entries.granted_s,
            entries.package_micros,
            entries.expired_s,
        )
        .join(package_lot, package_lot.c.id == entries.lot_id)
        .join(package, package.c.id == package_lot.c.package_id)
        .where(package_lot.c.enterprise_id == statement.enterprise_id, within)
        .where(entries.call_id.is_(None))
        .order_by(entries.id)
    )
    for row in connection.execute(query):
        statement.expired_s += row.expired_s
        if row.granted_s:
            statement.packages.append(
                PackageLine(row.name, row.occurred_at, row.granted_s, row.package_micros)
            )
