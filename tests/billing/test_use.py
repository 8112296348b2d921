"""Sums of CDRs: whatever was summed up, merged, late or begun anew, they are those of the CDRs."""

import re
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import Connection, Engine, func, insert, select, update
from tests.billing.support import ENTERPRISE, OPERATOR, create_enterprise, create_pool
from tests.billing.test_statement import cdr_row
from tests.harness.plan import read_plans
from tests.storage.support import NOW

from clicktodial.billing import use
from clicktodial.billing.ledger import verify_ledger
from clicktodial.billing.statement import Statement, Statements
from clicktodial.billing.usage import DailyUse
from clicktodial.billing.use import LAG, QUARTER, UseSums, find_wrong_sums, select_use
from clicktodial.storage.billing_table import SUMMED, cdr, cdr_sum, cdr_sum_mark
from clicktodial.storage.transaction import Transactions

pytestmark = pytest.mark.on_every_database
# Its days begin at a quarter past an hour.
KATHMANDU = ZoneInfo("Asia/Kathmandu")
BEGAN = datetime(2026, 2, 27, tzinfo=UTC)


@pytest.fixture
def world(engine: Engine) -> Engine:
    """Calls of six days around the end of a month, some at the edges of days."""
    create_pool(engine)
    create_enterprise(engine, "idle")
    rows = [
        _row(number, BEGAN + number * timedelta(hours=5, minutes=3, seconds=45))
        for number in range(30)
    ]
    for number, zone in enumerate((UTC, KATHMANDU), 100):
        midnight = datetime(2026, 3, 1, tzinfo=zone)
        rows.append(_row(number * 2, midnight))
        rows.append(_row(number * 2 + 1, midnight - timedelta(milliseconds=1)))
    with engine.begin() as connection:
        connection.execute(insert(cdr), rows)
    return engine


def _row(number: int, ended_at: datetime) -> dict[str, object]:
    return cdr_row(
        number, ended_at, app_id=f"app-{number % 2}", duration_s=number,
        department=[None, "Sales", "Care"][number % 3], billed_s=60 * number,
        overage_s=60 if number % 5 == 0 else 0, price_micros=number,
        connected_at=None if number % 4 == 0 else ended_at,
    )  # fmt: skip


def _add(engine: Engine, number: int, ended_at: datetime) -> None:
    with engine.begin() as connection:
        connection.execute(insert(cdr).values(_row(number, ended_at)))


def statements(engine: Engine, zone: tzinfo) -> list[Statement]:
    make = Statements(Transactions(engine), zone=zone).make
    return [make(OPERATOR, ENTERPRISE, month, NOW) for month in ("2026-02", "2026-03")]


def count_rows(engine: Engine) -> int:
    with engine.connect() as connection:
        return int(connection.scalar(select(func.count()).select_from(cdr_sum)) or 0)


@pytest.mark.parametrize("zone", [UTC, KATHMANDU])
def test_statements_stay_what_they_are_as_sums_are_made(
    world: Engine, zone: tzinfo, monkeypatch: pytest.MonkeyPatch
) -> None:
    transactions = Transactions(world)
    expected = statements(world, zone)
    daily = DailyUse(transactions, zone=zone).read(OPERATOR, ENTERPRISE, NOW, days=9)
    sums = UseSums(transactions, zone=zone)
    # By some hours at a time, so that days are merged on the way.
    for hours in range(0, 24 * 7, 41):
        # Where there are many, not even an hour is summed up at once.
        monkeypatch.setattr(use, "SUMMED_MAX", hours % 2)
        assert sums.run(BEGAN + timedelta(hours=hours))
        assert statements(world, zone) == expected
    assert DailyUse(transactions, zone=zone).read(OPERATOR, ENTERPRISE, NOW, days=9) == daily
    assert sum(each.total.calls for each in expected) == 34
    # Days are merged: of each two applications and three departments at most.
    assert count_rows(world) <= 7 * 6
    assert verify_ledger_tells_no_sums(world)


def verify_ledger_tells_no_sums(engine: Engine) -> bool:
    told = [each for each in verify_ledger(engine).discrepancies if "sums" in each.detail]
    return told == []


def test_call_that_ended_before_the_mark_and_is_written_late_counts(world: Engine) -> None:
    transactions = Transactions(world)
    UseSums(transactions).run(NOW)
    before = statements(world, UTC)
    for number in (901, 902):
        _add(world, number, BEGAN + timedelta(hours=30))
    # Behind the mark it is counted as it stands there.
    _add(world, 903, NOW)
    after = statements(world, UTC)
    assert after[0].total.calls == before[0].total.calls + 2
    assert after[0].total.billed_s == before[0].total.billed_s + 60 * (901 + 902)
    assert after[1].total.calls == before[1].total.calls + 1
    assert verify_ledger_tells_no_sums(world)


def test_another_time_zone_begins_anew(world: Engine) -> None:
    transactions = Transactions(world)
    expected = statements(world, KATHMANDU)
    UseSums(transactions, zone=UTC).run(NOW)
    # Nothing of the other zone's days is used.
    assert statements(world, KATHMANDU) == expected
    UseSums(transactions, zone=KATHMANDU).run(NOW)
    assert statements(world, KATHMANDU) == expected
    assert count_rows(world) > 0


def test_what_is_written_while_it_is_summed_up_is_not_lost(
    world: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    sums = UseSums(Transactions(world))
    move = use._move

    def write_first(connection: Connection, mark: Any, **values: datetime) -> None:
        monkeypatch.setattr(use, "_move", move)
        # As one that was under way when the sums were read; SQLite has one writer at a time.
        connection.execute(insert(cdr).values(_late_row(world)))
        move(connection, mark, **values)

    monkeypatch.setattr(use, "_move", write_first)
    assert not sums.run(NOW)
    assert count_rows(world) == 0
    assert sums.run(NOW)
    assert verify_ledger_tells_no_sums(world)


def _late_row(engine: Engine) -> dict[str, Any]:
    with engine.connect() as connection:
        row = connection.execute(select(cdr).order_by(cdr.c.ended_at)).first()
    assert row is not None
    return {**row._mapping, "call_id": "late"}


def test_turn_that_is_over_leaves_the_rest_to_the_next(world: Engine) -> None:
    sums = UseSums(Transactions(world))
    expected = statements(world, UTC)
    assert not sums.run(NOW, turn_s=0.0)
    assert statements(world, UTC) == expected
    assert sums.run(NOW)


def test_mark_stays_behind_the_present(world: Engine) -> None:
    UseSums(Transactions(world)).run(NOW)
    with world.connect() as connection:
        upto = connection.scalar(select(cdr_sum_mark.c.upto))
    assert upto is not None and NOW - LAG - QUARTER < upto <= NOW - LAG


def test_sums_that_are_wrong_are_found(world: Engine) -> None:
    UseSums(Transactions(world)).run(NOW)
    assert verify_ledger_tells_no_sums(world)
    with world.begin() as connection:
        connection.execute(update(cdr_sum).values(billed_s=cdr_sum.c.billed_s + 1))
        assert find_wrong_sums(connection) == [ENTERPRISE]
    assert not verify_ledger_tells_no_sums(world)


def test_sums_and_the_rest_are_ranges_of_indexes(world: Engine) -> None:
    query = select_use(ENTERPRISE, BEGAN, NOW, UTC, "at")

    def work() -> None:
        UseSums(Transactions(world)).run(NOW)
        with world.connect() as connection:
            connection.execute(query)

    plans = read_plans(world, work)
    assert [plan for plan in plans if re.search(r"(SCAN|Seq Scan on) cdr\b", plan)] == []
    assert sum("cdr_by_enterprise" in plan for plan in plans) > 1, plans
    # SQLite takes one lower bound of an index: it is to be the mark.
    assert str(query).count("cdr.ended_at >=") == 1


def test_every_column_of_a_sum_is_summed() -> None:
    assert {*SUMMED} == {each.name for each in cdr_sum.columns if not each.primary_key}
