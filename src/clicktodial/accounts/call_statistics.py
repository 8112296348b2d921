"""What an enterprise's calls amount to: those under way, and the last day, hour by hour.

The last day of a busy enterprise is a hundred thousand rows, so what was counted is kept for a
while: a figure on an overview may be a minute old.
"""

from collections import Counter, OrderedDict
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from threading import Lock
from typing import Generic, TypeVar

from sqlalchemy import Connection, Select, func, select

from clicktodial.accounts.call_search import select_open_calls
from clicktodial.accounts.scope import visible_enterprises
from clicktodial.domain.cause import EndReason
from clicktodial.domain.principal import Principal
from clicktodial.storage import table
from clicktodial.storage.transaction import Transactions

HOURS = 24
KEPT = timedelta(minutes=1)
WEEK = timedelta(days=7)
# Of so many who look; 2 kB each.
KEPT_MAX = 500
T = TypeVar("T")
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
    """The last HOURS, the oldest first; the last one is not over yet. `ends` says how many of the
    calls ended for which reason."""

    hours: Sequence[HourOfCalls]
    ends: Mapping[EndReason, int] = field(default_factory=dict)

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


@dataclass(frozen=True, slots=True)
class WeeksOfCalls:
    """How many calls began in the last seven days, and in the seven before."""

    begun: int
    begun_before: int

    @property
    def change(self) -> float | None:
        """As a share of those before; None where there were none."""
        if not self.begun_before:
            return None
        return (self.begun - self.begun_before) / self.begun_before


class CallStatistics:
    """All methods block; they raise DatabaseUnavailable."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions
        self._days = _Kept[DayOfCalls]()
        self._weeks = _Kept[WeeksOfCalls]()

    def count_live(self, principal: Principal) -> int:
        """The calls under way that somebody may see."""
        open_calls = select_open_calls().subquery()
        query = (
            select(func.count())
            .select_from(open_calls)
            .where(open_calls.c.app_id.in_(_visible_applications(principal)))
        )
        with self._transactions.read() as connection:
            return int(connection.execute(query).scalar_one())

    def last_day(self, principal: Principal, now: datetime) -> DayOfCalls:
        """The last HOURS of all that somebody may see."""

        def count() -> DayOfCalls:
            with self._transactions.read() as connection:
                return self._count(connection, principal, now)

        return self._days.find(_whose(principal), now, count)

    def last_weeks(self, principal: Principal, now: datetime) -> WeeksOfCalls:
        """The last two weeks of all that somebody may see; what began is counted off the index
        alone."""

        def count() -> WeeksOfCalls:
            with self._transactions.read() as connection:
                begun = [
                    connection.execute(
                        select(func.count()).where(
                            _columns.app_id.in_(_visible_applications(principal)),
                            _columns.begun_at >= now - (number + 1) * WEEK,
                            _columns.begun_at < now - number * WEEK,
                        )
                    ).scalar_one()
                    for number in range(2)
                ]
            return WeeksOfCalls(*begun)

        return self._weeks.find(_whose(principal), now, count)

    def _count(self, connection: Connection, principal: Principal, now: datetime) -> DayOfCalls:
        this_hour = now.replace(minute=0, second=0, microsecond=0)
        first = this_hour - timedelta(hours=HOURS - 1)
        begins = [first + timedelta(hours=number) for number in range(HOURS)]
        hours: list[HourOfCalls] = []
        ends: Counter[EndReason] = Counter()
        app_ids = _visible_applications(principal)
        for at in begins:
            # An hour at a time: each is a range of the index.
            query = (
                select(
                    _columns.reason,
                    func.count(),
                    func.count(_columns.connected_at),
                    func.sum(_columns.duration_s),
                )
                .where(
                    _columns.app_id.in_(app_ids),
                    _columns.begun_at >= at,
                    _columns.begun_at < at + timedelta(hours=1),
                )
                .group_by(_columns.reason)
            )
            begun = joined = talked_s = 0
            for reason, count, joined_count, seconds in connection.execute(query):
                begun, joined, talked_s = (
                    begun + count,
                    joined + joined_count,
                    talked_s + int(seconds),
                )
                if reason is not None:
                    ends[EndReason(reason)] += count
            hours.append(HourOfCalls(at, begun, joined, talked_s))
        return DayOfCalls(hours, dict(ends.most_common()))


class _Kept(Generic[T]):
    """What was counted, for a while."""

    def __init__(self) -> None:
        self._kept: OrderedDict[Hashable, tuple[datetime, T]] = OrderedDict()
        self._lock = Lock()

    def find(self, whose: Hashable, now: datetime, count: Callable[[], T]) -> T:
        """What is known, or what is counted now."""
        with self._lock:
            known = self._kept.get(whose)
        if known is not None and now - known[0] < KEPT:
            return known[1]
        counted = count()
        with self._lock:
            self._kept[whose] = (now, counted)
            self._kept.move_to_end(whose)
            while len(self._kept) > KEPT_MAX:
                self._kept.popitem(last=False)
        return counted


def _whose(principal: Principal) -> Hashable:
    return principal.enterprise_id, principal.roles, principal.regions


def _visible_applications(principal: Principal) -> Select[tuple[str]]:
    return (
        select(table.application.c.app_id)
        .join(table.enterprise, table.enterprise.c.id == table.application.c.enterprise_id)
        .where(visible_enterprises(principal))
    )
