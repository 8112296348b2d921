"""What an enterprise's calls amount to: those under way, and the last day, hour by hour.

The last day of a busy enterprise is a hundred thousand rows. An hour that is over, of which no call
is under way, does not change any more: it is counted once and kept. The others are counted again,
after a while: a figure on an overview may be a minute old.
"""

from collections import Counter, OrderedDict
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from threading import Lock
from typing import Generic, TypeVar

from sqlalchemy import BigInteger, Connection, Select, func, select, type_coerce

from clicktodial.accounts.call_search import select_open_calls
from clicktodial.accounts.scope import visible_enterprises
from clicktodial.domain.cause import EndReason
from clicktodial.domain.principal import Principal
from clicktodial.storage import table
from clicktodial.storage.instant import from_millis, to_millis
from clicktodial.storage.transaction import Transactions

HOURS = 24
HOUR = timedelta(hours=1)
KEPT = timedelta(minutes=1)
WEEK = timedelta(days=7)
# Of so many who look; 40 kB each.
KEPT_MAX = 500
# By so much the clocks of nodes may differ.
_SKEW = timedelta(minutes=1)
_HOUR_MS = 3_600_000
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
        self._hours_of_days = _KeptHours[_CountedHour]()
        self._hours_of_weeks = _KeptHours[int]()

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
        """The last two weeks of all that somebody may see, from the beginning of an hour; what
        began is counted off the index alone."""

        def count() -> WeeksOfCalls:
            with self._transactions.read() as connection:
                hours = self._count_begun(connection, principal, now)
            middle = _hour(now - WEEK)
            begun = sum(count for at, count in hours.items() if at >= middle)
            return WeeksOfCalls(begun, sum(hours.values()) - begun)

        return self._weeks.find(_whose(principal), now, count)

    def _count_begun(
        self, connection: Connection, principal: Principal, now: datetime
    ) -> Mapping[datetime, int]:
        first, whose = _hour(now - 2 * WEEK), _whose(principal)
        known = self._hours_of_weeks.find(whose, first)
        # Those that are known are without a gap, but for hours in which nothing began.
        since = max(known, default=first - HOUR) + HOUR
        number = (type_coerce(_columns.begun_at, BigInteger) // _HOUR_MS).label("hour")
        query = (
            select(number, func.count().label("begun"))
            .where(
                _columns.app_id.in_(_visible_applications(principal)), _columns.begun_at >= since
            )
            .group_by(number)
        )
        counted = {
            from_millis(int(row.hour) * _HOUR_MS): row.begun for row in connection.execute(query)
        }
        over = {at: begun for at, begun in counted.items() if _is_over(at, now)}
        self._hours_of_weeks.keep(whose, known | over)
        return known | counted

    def _count(self, connection: Connection, principal: Principal, now: datetime) -> DayOfCalls:
        first, whose = _hour(now) - (HOURS - 1) * HOUR, _whose(principal)
        known = self._hours_of_days.find(whose, first)
        hours = []
        for at in [first + number * HOUR for number in range(HOURS)]:
            hour = known.get(at)
            if hour is None:
                hour = _count_hour(connection, principal, at)
                if _is_over(at, now) and not hour.is_open:
                    known[at] = hour
            hours.append(hour)
        self._hours_of_days.keep(whose, known)
        ends: Counter[EndReason] = Counter()
        for hour in hours:
            ends.update(hour.ends)
        return DayOfCalls([hour.calls for hour in hours], dict(ends.most_common()))


@dataclass(frozen=True, slots=True)
class _CountedHour:
    calls: HourOfCalls
    ends: Counter[EndReason]
    is_open: bool


def _count_hour(connection: Connection, principal: Principal, at: datetime) -> _CountedHour:
    """An hour at a time: each is a range of the index."""
    query = (
        select(
            _columns.reason,
            func.count(),
            func.count(_columns.connected_at),
            func.sum(_columns.duration_s),
        )
        .where(
            _columns.app_id.in_(_visible_applications(principal)),
            _columns.begun_at >= at,
            _columns.begun_at < at + HOUR,
        )
        .group_by(_columns.reason)
    )
    begun = joined = talked_s = 0
    ends: Counter[EndReason] = Counter()
    is_open = False
    for reason, count, joined_count, seconds in connection.execute(query):
        begun, joined, talked_s = begun + count, joined + joined_count, talked_s + int(seconds)
        if reason is None:
            is_open = True
        else:
            ends[EndReason(reason)] += count
    return _CountedHour(HourOfCalls(at, begun, joined, talked_s), ends, is_open)


def _hour(at: datetime) -> datetime:
    return from_millis(to_millis(at) // _HOUR_MS * _HOUR_MS)


def _is_over(at: datetime, now: datetime) -> bool:
    """Whether nothing begins in that hour any more, clocks of nodes being what they are."""
    return at + HOUR + _SKEW < now


class _KeptHours(Generic[T]):
    """What was counted of hours that are over, by whose they are. Rather than of some for longer,
    it is kept of the KEPT_MAX who looked last."""

    def __init__(self) -> None:
        self._kept: OrderedDict[Hashable, dict[datetime, T]] = OrderedDict()
        self._lock = Lock()

    def find(self, whose: Hashable, first: datetime) -> dict[datetime, T]:
        """Those that are known, from that hour on."""
        with self._lock:
            known = self._kept.get(whose, {})
            return {at: hour for at, hour in known.items() if at >= first}

    def keep(self, whose: Hashable, hours: dict[datetime, T]) -> None:
        """These, and no others."""
        with self._lock:
            self._kept[whose] = hours
            self._kept.move_to_end(whose)
            while len(self._kept) > KEPT_MAX:
                self._kept.popitem(last=False)


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
