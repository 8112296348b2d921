"""What an enterprise's calls amount to: those under way, and the last day, hour by hour.

The last day of a busy enterprise is a hundred thousand rows, so what was counted is kept for a
while: a figure on an overview may be a minute old.
"""

from collections import OrderedDict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import Lock

from sqlalchemy import Connection, func, select

from clicktodial.accounts.scope import visible_enterprises
from clicktodial.domain.call import CallState
from clicktodial.domain.principal import Principal
from clicktodial.storage import table
from clicktodial.storage.transaction import Transactions

HOURS = 24
KEPT = timedelta(minutes=1)
# Of so many who look; 2 kB each.
KEPT_MAX = 500
_columns = table.call.c


@dataclass(frozen=True, slots=True)
class HourOfCalls:
    """The calls that began in an hour from `at` on, those of them that were joined, and how long
    people talked in all."""

    at: datetime
    begun: int
    joined: int
    talked_s: int


@dataclass(frozen=True, slots=True)
class DayOfCalls:
    """The last HOURS, the oldest first; the last one is not over yet."""

    hours: Sequence[HourOfCalls]

    @property
    def begun(self) -> int:
        return sum(hour.begun for hour in self.hours)

    @property
    def joined(self) -> int:
        return sum(hour.joined for hour in self.hours)

    @property
    def talked_s(self) -> int:
        return sum(hour.talked_s for hour in self.hours)

    @property
    def joined_share(self) -> float | None:
        """Of all calls; None where there were none."""
        return self.joined / self.begun if self.begun else None


class CallStatistics:
    """All methods block; they raise DatabaseUnavailable."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions
        self._kept: OrderedDict[Hashable, tuple[datetime, DayOfCalls]] = OrderedDict()
        self._lock = Lock()

    def count_live(self, principal: Principal) -> int:
        """The calls under way that somebody may see."""
        query = (
            select(func.count())
            .select_from(table.call)
            .join(table.application, table.application.c.app_id == _columns.app_id)
            .join(table.enterprise, table.enterprise.c.id == table.application.c.enterprise_id)
            .where(_columns.state != CallState.ENDED, visible_enterprises(principal))
        )
        with self._transactions.read() as connection:
            return int(connection.execute(query).scalar_one())

    def last_day(self, principal: Principal, now: datetime) -> DayOfCalls:
        """The last HOURS of all that somebody may see."""
        whose = (principal.enterprise_id, principal.roles, principal.regions)
        with self._lock:
            known = self._kept.get(whose)
        if known is not None and now - known[0] < KEPT:
            return known[1]
        with self._transactions.read() as connection:
            day = self._count(connection, principal, now)
        with self._lock:
            self._kept[whose] = (now, day)
            self._kept.move_to_end(whose)
            while len(self._kept) > KEPT_MAX:
                self._kept.popitem(last=False)
        return day

    def _count(self, connection: Connection, principal: Principal, now: datetime) -> DayOfCalls:
        this_hour = now.replace(minute=0, second=0, microsecond=0)
        first = this_hour - timedelta(hours=HOURS - 1)
        begins = [first + timedelta(hours=number) for number in range(HOURS)]
        hours: list[HourOfCalls] = []
        app_ids = (
            select(table.application.c.app_id)
            .join(table.enterprise, table.enterprise.c.id == table.application.c.enterprise_id)
            .where(visible_enterprises(principal))
        )
        for at in begins:
            # An hour at a time: each is a range of the index.
            query = select(
                func.count(), func.count(_columns.connected_at), func.sum(_columns.duration_s)
            ).where(
                _columns.app_id.in_(app_ids),
                _columns.begun_at >= at,
                _columns.begun_at < at + timedelta(hours=1),
            )
            begun, joined, talked_s = connection.execute(query).one()
            hours.append(HourOfCalls(at, begun, joined, int(talked_s or 0)))
        return DayOfCalls(hours)
