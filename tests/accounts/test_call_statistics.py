"""What calls amount to: under way, by hour, by reason, by week."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine, insert, update

from clicktodial.accounts.call_statistics import CallStatistics, WeeksOfCalls
from clicktodial.domain.cause import EndReason
from clicktodial.domain.principal import OPERATOR_PRINCIPAL, Principal, Role
from clicktodial.storage import table
from clicktodial.storage.administration import Administration
from clicktodial.storage.transaction import Transactions

NOW = datetime(2026, 3, 14, 5, 36, 7, tzinfo=UTC)
ACME = Principal(name="a", roles=frozenset({Role.OWNER}), enterprise_id="acme")
BUSY, TALKED = EndReason.CALLEE_BUSY, EndReason.HANG_UP
# How long ago, and how it ended; one still goes on.
CALLS = (
    (timedelta(minutes=5), None),
    (timedelta(minutes=10), TALKED),
    (timedelta(minutes=20), BUSY),
    (timedelta(hours=3), TALKED),
    (timedelta(hours=3), BUSY),
    (timedelta(hours=4), BUSY),
    (timedelta(days=2), TALKED),
    (timedelta(days=8), TALKED),
    (timedelta(days=13), TALKED),
    (timedelta(days=15), TALKED),
)


@pytest.fixture
def statistics(
    transactions: Transactions, engine: Engine, administration: Administration
) -> CallStatistics:
    """The calls are acme's; bell has one."""
    rows = [_row("acme-app", number, ago, end) for number, (ago, end) in enumerate(CALLS)]
    rows.append(_row("bell-app", 0, timedelta(minutes=1), None))
    with engine.begin() as connection:
        connection.execute(insert(table.call), rows)
    return CallStatistics(transactions)


def _row(app_id: str, number: int, ago: timedelta, end: EndReason | None) -> dict[str, object]:
    is_joined = end is not BUSY
    return {
        "id": f"{app_id}-{number}", "node_id": "n", "app_id": app_id, "begun_at": NOW - ago,
        "state": "connected" if end is None else "ended", "event_count": 1, "reason": end,
        "connected_at": NOW - ago if is_joined else None, "duration_s": 60 if end is TALKED else 0,
        "sponsor_e164": "+861", "sponsor_written": "1", "caller_e164": "+862",
        "caller_written": "2", "callee_e164": "+863", "callee_written": "3",
    }  # fmt: skip


def test_calls_under_way_are_counted(statistics: CallStatistics) -> None:
    assert statistics.count_live(ACME) == 1
    assert statistics.count_live(OPERATOR_PRINCIPAL) == 2


def test_last_day_is_counted_by_hour_and_reason(statistics: CallStatistics) -> None:
    day = statistics.last_day(ACME, NOW)
    assert (day.begun, day.joined, day.talked_s) == (6, 3, 120)
    assert [(hour.begun, hour.joined) for hour in day.hours][-4:] == [
        (2, 1),
        (0, 0),
        (0, 0),
        (3, 2),
    ]
    assert list(day.ends.items()) == [(BUSY, 3), (TALKED, 2)]
    assert day.joined_share == 0.5


def test_weeks_are_compared(statistics: CallStatistics) -> None:
    weeks = statistics.last_weeks(ACME, NOW)
    assert (weeks.begun, weeks.begun_before) == (7, 2)
    assert weeks.change == 2.5
    assert WeeksOfCalls(3, 0).change is None


def test_what_was_counted_is_kept_for_a_minute(statistics: CallStatistics, engine: Engine) -> None:
    before = statistics.last_weeks(ACME, NOW).begun
    with engine.begin() as connection:
        connection.execute(insert(table.call), _row("acme-app", 99, timedelta(minutes=1), TALKED))
    assert statistics.last_weeks(ACME, NOW + timedelta(seconds=59)).begun == before
    assert statistics.last_weeks(ACME, NOW + timedelta(seconds=61)).begun == before + 1
    assert statistics.last_weeks(OPERATOR_PRINCIPAL, NOW).begun == before + 2


def test_hours_that_are_over_are_counted_once(statistics: CallStatistics, engine: Engine) -> None:
    def look(now: datetime) -> tuple[int, int]:
        return statistics.last_day(ACME, now).begun, statistics.last_weeks(ACME, now).begun

    assert look(NOW) == (6, 7)
    # Nothing begins in an hour that is over: were it counted again, the first would show.
    rows = [_row("acme-app", 90, timedelta(hours=3), TALKED)]
    rows.append(_row("acme-app", 91, timedelta(minutes=1), TALKED))
    with engine.begin() as connection:
        connection.execute(insert(table.call), rows)
    later = NOW + timedelta(minutes=2)
    assert look(later) == (7, 8)


def test_hour_of_a_call_under_way_is_counted_until_it_ends(
    statistics: CallStatistics, engine: Engine
) -> None:
    late = NOW + timedelta(hours=2)
    assert statistics.last_day(ACME, late).ends[TALKED] == 2
    with engine.begin() as connection:
        ended = {"state": "ended", "reason": TALKED}
        connection.execute(update(table.call).where(table.call.c.id == "acme-app-0").values(ended))
    assert statistics.last_day(ACME, late + timedelta(minutes=2)).ends[TALKED] == 3
