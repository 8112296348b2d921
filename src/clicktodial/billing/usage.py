"""What an enterprise's calls took, day by day: for charts, quickly.

A day that is over changes no more, so that its sum is made once and kept: whoever looks again reads
today's calls alone.
"""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from threading import Lock

from sqlalchemy import BigInteger, Connection, func, select, type_coerce

from clicktodial.accounts.scope import require_visible
from clicktodial.domain.principal import Principal
from clicktodial.storage.billing_table import cdr
from clicktodial.storage.instant import from_millis
from clicktodial.storage.transaction import Transactions

# A quarter: a bar a day is as much as a chart can show.
DAYS_MAX = 92
# Some 100 bytes each; a hundred enterprises that look at three months.
KEPT_DAYS_MAX = 10_000
# By then whatever ended on a day is settled, calls of a node that died included.
SETTLED_AFTER = timedelta(hours=6)
# The offsets of all time zones are whole quarters of an hour: a day is a number of them.
_QUARTER_MS = 900_000


@dataclass(slots=True)
class DayUse:
    """What the calls that ended on a day took. `billed_s` includes `overage_s`."""

    day: date
    calls: int = 0
    billed_s: int = 0
    overage_s: int = 0


class DailyUse:
    """Blocking reads; they raise NotFound and DatabaseUnavailable. Any thread may ask."""

    def __init__(self, transactions: Transactions, *, zone: tzinfo = UTC) -> None:
        self._transactions = transactions
        self._zone = zone
        self._lock = Lock()
        self._kept: OrderedDict[tuple[str, date], DayUse] = OrderedDict()

    def read(
        self, principal: Principal, enterprise_id: str, now: datetime, *, days: int
    ) -> list[DayUse]:
        """The last so many days of the billing time zone, the oldest first, today included."""
        today = now.astimezone(self._zone).date()
        wanted = [today - timedelta(days=back) for back in range(min(days, DAYS_MAX) - 1, -1, -1)]
        with self._lock:
            known = {day: self._kept.get((enterprise_id, day)) for day in wanted}
        first = next(day for day in wanted if known[day] is None)  # today is never kept
        with self._transactions.read() as connection:
            require_visible(connection, principal, enterprise_id)
            counted = self._count(connection, enterprise_id, first)
        found = [known[day] or counted.get(day) or DayUse(day) for day in wanted]
        self._keep(enterprise_id, found, now)
        return found

    def _count(
        self, connection: Connection, enterprise_id: str, first: date
    ) -> Mapping[date, DayUse]:
        columns = cdr.c
        quarter = type_coerce(columns.ended_at, BigInteger) // _QUARTER_MS
        query = (
            select(
                quarter.label("quarter"),
                func.count().label("calls"),
                func.sum(columns.billed_s).label("billed_s"),
                func.sum(columns.overage_s).label("overage_s"),
            )
            .where(
                columns.enterprise_id == enterprise_id,
                columns.ended_at >= datetime.combine(first, time(), self._zone),
            )
            .group_by("quarter")
        )
        days: dict[date, DayUse] = {}
        for row in connection.execute(query):
            day = from_millis(int(row.quarter) * _QUARTER_MS).astimezone(self._zone).date()
            use = days.setdefault(day, DayUse(day))
            use.calls += row.calls
            # PostgreSQL sums integers up to decimals.
            use.billed_s += int(row.billed_s)
            use.overage_s += int(row.overage_s)
        return days

    def _keep(self, enterprise_id: str, found: list[DayUse], now: datetime) -> None:
        settled = (now - SETTLED_AFTER).astimezone(self._zone).date()
        with self._lock:
            for use in found:
                if use.day < settled:
                    self._kept[enterprise_id, use.day] = use
                    self._kept.move_to_end((enterprise_id, use.day))
            while len(self._kept) > KEPT_DAYS_MAX:
                self._kept.popitem(last=False)
