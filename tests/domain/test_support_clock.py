"""How the clocks of support run, and when they reach what."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clicktodial.domain.support_clock import (
    HORIZON_DAYS,
    BusinessHours,
    CriticalPeriod,
    CriticalPeriodInvalid,
    Pace,
    Timetable,
)

SHANGHAI = ZoneInfo("Asia/Shanghai")
HOURS = BusinessHours(zone=SHANGHAI, opens=time(9), closes=time(18))
PLAIN = Timetable(hours=HOURS)
ALWAYS = Pace(is_around_the_clock=True, is_hurried=True)
DAYTIME = Pace(is_around_the_clock=False, is_hurried=False)
DAYTIME_HURRIED = Pace(is_around_the_clock=False, is_hurried=True)


def at(day: int, hour: int, minute: int = 0) -> datetime:
    """In March 2026, of which the second is a Monday, in Shanghai."""
    return datetime(2026, 3, day, hour, minute, tzinfo=SHANGHAI).astimezone(UTC)


FESTIVAL = CriticalPeriod("p", "Spring Festival", at(7, 0), at(9, 12))
FESTIVE = Timetable(hours=HOURS, periods=(FESTIVAL,))


@pytest.mark.parametrize(
    ("pace", "since", "until", "counted"),
    [
        (ALWAYS, at(2, 3), at(2, 4), timedelta(hours=1)),
        (DAYTIME, at(2, 3), at(2, 10), timedelta(hours=1)),
        (DAYTIME, at(2, 17), at(3, 10), timedelta(hours=2)),
        (DAYTIME, at(6, 17), at(9, 10), timedelta(hours=2)),  # over a weekend
        (DAYTIME, at(7, 0), at(8, 23), timedelta()),
        (ALWAYS, at(2, 4), at(2, 3), timedelta()),
    ],
)
def test_count_of_a_plain_week(
    pace: Pace, since: datetime, until: datetime, counted: timedelta
) -> None:
    assert PLAIN.count(pace, since, until) == counted


@pytest.mark.parametrize(
    ("pace", "since", "until", "counted"),
    [
        (ALWAYS, at(8, 3), at(8, 4), timedelta(hours=2)),
        (DAYTIME_HURRIED, at(8, 3), at(8, 4), timedelta(hours=2)),
        (DAYTIME, at(8, 3), at(8, 4), timedelta()),
        (DAYTIME, at(9, 9), at(9, 18), timedelta(hours=9)),
        (DAYTIME_HURRIED, at(9, 9), at(9, 18), timedelta(hours=12)),
        (ALWAYS, at(6, 23), at(7, 1), timedelta(hours=3)),  # over its beginning
    ],
)
def test_count_in_a_critical_period(
    pace: Pace, since: datetime, until: datetime, counted: timedelta
) -> None:
    assert FESTIVE.count(pace, since, until) == counted


def test_holiday_is_no_working_day() -> None:
    hours = BusinessHours(
        zone=SHANGHAI, opens=time(9), closes=time(18), holidays=frozenset({date(2026, 3, 3)})
    )
    assert Timetable(hours=hours).reach(DAYTIME, at(2, 17), timedelta(hours=2)) == at(4, 10)


def test_business_hours_follow_summer_time() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    hours = BusinessHours(zone=berlin, opens=time(9), closes=time(18))
    friday = datetime(2026, 3, 27, 17, tzinfo=berlin).astimezone(UTC)
    due = Timetable(hours=hours).reach(DAYTIME, friday, timedelta(hours=2))
    assert due == datetime(2026, 3, 30, 10, tzinfo=berlin)
    assert due == datetime(2026, 3, 30, 8, tzinfo=UTC)


def test_reach_of_an_emergency_in_a_festival_is_half_as_far() -> None:
    assert FESTIVE.reach(ALWAYS, at(8, 3), timedelta(minutes=30)) == at(8, 3, 15)
    assert PLAIN.reach(ALWAYS, at(8, 3), timedelta(minutes=30)) == at(8, 3, 30)
    # Half of it before the festival, half within.
    assert FESTIVE.reach(ALWAYS, at(6, 23, 45), timedelta(minutes=30)) == at(7, 0, 7) + timedelta(
        seconds=30
    )


def test_reach_of_nothing_is_now_and_of_too_much_is_never() -> None:
    assert PLAIN.reach(DAYTIME, at(7, 3), timedelta()) == at(7, 3)
    assert PLAIN.reach(DAYTIME, at(7, 3), timedelta(seconds=-1)) == at(7, 3)
    assert PLAIN.reach(ALWAYS, at(7, 3), timedelta(days=HORIZON_DAYS + 1)) is None


def test_period_that_ends_before_it_begins_is_none() -> None:
    with pytest.raises(CriticalPeriodInvalid):
        CriticalPeriod("p", "n", at(2, 3), at(2, 3))


def test_overlapping_periods_hurry_once() -> None:
    twice = Timetable(
        hours=HOURS, periods=(FESTIVAL, CriticalPeriod("q", "n", at(8, 0), at(10, 0)))
    )
    assert twice.count(ALWAYS, at(8, 0), at(8, 1)) == timedelta(hours=2)


minutes = st.integers(min_value=0, max_value=60 * 24 * 30)
paces = st.sampled_from([ALWAYS, DAYTIME, DAYTIME_HURRIED])


@given(paces, st.lists(minutes, min_size=3, max_size=3))
def test_counting_in_parts_is_counting_at_once(pace: Pace, offsets: list[int]) -> None:
    first, second, third = sorted(at(1, 0) + timedelta(minutes=each) for each in offsets)
    parts = FESTIVE.count(pace, first, second) + FESTIVE.count(pace, second, third)
    assert parts == FESTIVE.count(pace, first, third)


@given(paces, minutes, st.integers(min_value=1, max_value=10**12))
def test_at_the_moment_that_is_reached_it_is_counted_and_not_before(
    pace: Pace, offset: int, left_us: int
) -> None:
    since, left = at(1, 0) + timedelta(minutes=offset), timedelta(microseconds=left_us)
    reached = FESTIVE.reach(pace, since, left)
    assert reached is not None
    assert FESTIVE.count(pace, since, reached) >= left
    assert FESTIVE.count(pace, since, reached - timedelta(microseconds=1)) < left
