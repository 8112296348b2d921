"""How the clocks of support run: around the clock or in business hours, faster in critical periods.

A clock is the integral of a rate over time: 0 while it stands (nights and weekends of what is
served in business hours), 1 while it runs, and in a critical period, for what is hurried then,
`CRITICAL_RATE`. What it showed once it never unlearns, and from what is left to a target follows
when that will be reached.
"""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, tzinfo

# click-to-dial-v1 2: in critical periods people wait at the telephone, around the clock.
CRITICAL_RATE = 2
# Weekends and holidays together are never so long; a target that is further away is none.
HORIZON_DAYS = 400
_SATURDAY = 5
_DAY = timedelta(days=1)
_NOTHING = timedelta()


class CriticalPeriodInvalid(ValueError):
    """A critical period ends after it begins."""


@dataclass(frozen=True, slots=True)
class CriticalPeriod:
    """A festival, from and until."""

    period_id: str
    name: str
    from_at: datetime
    until_at: datetime

    def __post_init__(self) -> None:
        if self.from_at >= self.until_at:
            raise CriticalPeriodInvalid("a critical period begins before it ends")

    def covers(self, at: datetime) -> bool:
        """Whether it is then; its end is no part of it."""
        return self.from_at <= at < self.until_at


@dataclass(frozen=True, slots=True, kw_only=True)
class BusinessHours:
    """Monday to Friday between the two, of that zone's time, holidays left out."""

    zone: tzinfo
    opens: time
    closes: time
    holidays: frozenset[date] = frozenset()

    def intervals(self, since: datetime, until: datetime) -> Iterator[tuple[datetime, datetime]]:
        """The open hours between the two, in order, in UTC."""
        day = since.astimezone(self.zone).date()
        last = until.astimezone(self.zone).date()
        while day <= last:
            if day.weekday() < _SATURDAY and day not in self.holidays:
                begin = max(since, self._instant(day, self.opens))
                end = min(until, self._instant(day, self.closes))
                if begin < end:
                    yield begin, end
            day += _DAY

    def _instant(self, day: date, at: time) -> datetime:
        return datetime.combine(day, at, self.zone).astimezone(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How a clock runs: at any hour or in business hours; hurried in critical periods or not."""

    is_around_the_clock: bool
    is_hurried: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Timetable:
    """When somebody works, and when it is critical."""

    hours: BusinessHours
    periods: Sequence[CriticalPeriod] = field(default_factory=tuple)

    def is_critical(self, at: datetime) -> bool:
        """Whether a critical period covers that."""
        return any(period.covers(at) for period in self.periods)

    def count(self, pace: Pace, since: datetime, until: datetime) -> timedelta:
        """What a clock counts between the two; nothing where `until` is not after `since`."""
        return sum(
            ((end - begin) * rate for begin, end, rate in self._runs(pace, since, until)), _NOTHING
        )

    def reach(self, pace: Pace, since: datetime, left: timedelta) -> datetime | None:
        """When a clock that runs from `since` has counted what is left; `since` itself where
        nothing is. None beyond HORIZON_DAYS."""
        if left <= _NOTHING:
            return since
        for begin, end, rate in self._runs(pace, since, since + timedelta(days=HORIZON_DAYS)):
            counted = (end - begin) * rate
            if counted >= left:
                # Rounded up, so that at that moment it has been counted in full.
                return begin - (-left // rate)
            left -= counted
        return None

    def _runs(
        self, pace: Pace, since: datetime, until: datetime
    ) -> Iterator[tuple[datetime, datetime, int]]:
        """The stretches in which it runs, in order, each with its rate."""
        if since >= until:
            return
        for begin, end, is_critical in self._split(since, until):
            if is_critical and pace.is_hurried:
                yield begin, end, CRITICAL_RATE
            elif pace.is_around_the_clock:
                yield begin, end, 1
            else:
                for opened, closed in self.hours.intervals(begin, end):
                    yield opened, closed, 1

    def _split(self, since: datetime, until: datetime) -> Iterator[tuple[datetime, datetime, bool]]:
        """The time between the two, cut where a critical period begins or ends."""
        edges = {edge for period in self.periods for edge in (period.from_at, period.until_at)}
        cuts = [since, *sorted(edge for edge in edges if since < edge < until), until]
        for begin, end in itertools.pairwise(cuts):
            yield begin, end, self.is_critical(begin)
