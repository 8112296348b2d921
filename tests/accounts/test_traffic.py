"""What the platform carries, counted out of its calls."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine, event, insert

from clicktodial.accounts import traffic as module
from clicktodial.accounts.traffic import Cause, Traffic
from clicktodial.domain.call import CallState
from clicktodial.domain.cause import EndReason, Side
from clicktodial.domain.leg import LegRecord
from clicktodial.storage import table
from clicktodial.storage.administration import Administration
from clicktodial.storage.instant import to_millis
from clicktodial.storage.leg_codec import encode_legs
from clicktodial.storage.transaction import Transactions

NOW = datetime(2026, 7, 1, 12, 30, 15, tzinfo=UTC)
LEGS = {Side.CALLER: LegRecord(trunk="north"), Side.CALLEE: LegRecord(trunk="south")}


@pytest.fixture
def traffic(
    transactions: Transactions, administration: Administration, monkeypatch: pytest.MonkeyPatch
) -> Traffic:
    """One with time enough, however busy the machine is."""
    monkeypatch.setattr(module, "COUNTING_S", 60)
    return Traffic(transactions)


@pytest.fixture
def statements(engine: Engine) -> Iterator[list[str]]:
    """What is asked of the database."""
    asked: list[str] = []

    def note(*arguments: object) -> None:
        asked.append(str(arguments[2]))

    event.listen(engine, "before_cursor_execute", note)
    yield asked
    event.remove(engine, "before_cursor_execute", note)


def add_call(
    engine: Engine,
    number: int,
    begun_at: datetime,
    *,
    reason: EndReason | None = EndReason.HANG_UP,
    talked_s: int | None = 60,
    sip_status: int | None = None,
    app_id: str = "acme-app",
) -> None:
    """A call with an identifier as the platform makes them; one without a reason is live."""
    is_live, is_joined = reason is None, reason is EndReason.HANG_UP
    row = {
        "id": f"{to_millis(begun_at):012x}{number:020x}", "node_id": "node", "app_id": app_id,
        "sponsor_e164": "+861052680000", "sponsor_written": "01052680000",
        "caller_e164": "+8613912345673", "caller_written": "8613912345673",
        "callee_e164": "+8613810268653", "callee_written": "8613810268653",
        "begun_at": begun_at, "state": CallState.CALLING_CALLEE if is_live else CallState.ENDED,
        "connected_at": begun_at + timedelta(seconds=8) if is_joined else None,
        "duration_s": talked_s if is_joined else 0, "reason": reason, "sip_status": sip_status,
        "event_count": 0, "legs": encode_legs(LEGS),
    }  # fmt: skip
    with engine.begin() as connection:
        connection.execute(insert(table.call).values(row))


@pytest.mark.on_every_database
def test_hours_count_what_began_in_each(engine: Engine, traffic: Traffic) -> None:
    add_call(engine, 1, NOW - timedelta(hours=1), talked_s=90)
    add_call(engine, 2, NOW - timedelta(hours=1), reason=EndReason.CALLEE_BUSY, sip_status=486)
    add_call(engine, 3, NOW, reason=None)
    add_call(engine, 4, NOW - timedelta(hours=3))

    hours = traffic.hours(NOW - timedelta(hours=1), NOW, NOW)

    assert hours.missing == 0
    assert [hour.carried.begun for hour in hours.counted] == [2, 1]
    before, now = (hour.carried for hour in hours.counted)
    assert (before.connected, before.failed, before.talked_s) == (1, 1, 90)
    assert (before.answer_seizure_ratio, before.set_up_s) == (0.5, 8.0)
    assert (now.answer_seizure_ratio, now.set_up_s) == (None, None)
    assert hours.total.begun == 3


@pytest.mark.on_every_database
def test_causes_name_the_trunk_of_the_side_that_failed(engine: Engine, traffic: Traffic) -> None:
    for number in range(3):
        add_call(engine, number, NOW, reason=EndReason.CALLEE_BUSY, sip_status=486)
    add_call(engine, 8, NOW, reason=EndReason.CALLER_FAILURE, sip_status=503, app_id="bell-app")
    add_call(engine, 9, NOW, reason=EndReason.OTHER, app_id="gone")

    causes = traffic.hours(NOW, NOW, NOW).causes()

    assert causes == {
        Cause(EndReason.CALLEE_BUSY, 486, "south", "acme"): 3,
        Cause(EndReason.CALLER_FAILURE, 503, "north", "bell"): 1,
        Cause(EndReason.OTHER, None, "south", None): 1,
    }


def test_hour_that_is_over_is_counted_once(
    engine: Engine, traffic: Traffic, statements: list[str]
) -> None:
    at = NOW - timedelta(hours=2)
    add_call(engine, 1, at)
    first = traffic.hours(at, at, NOW)
    statements.clear()
    assert traffic.hours(at, at, NOW + timedelta(hours=5)).counted == first.counted
    assert statements == []


def test_hour_with_a_call_that_lives_is_counted_again(engine: Engine, traffic: Traffic) -> None:
    at = NOW - timedelta(hours=2)
    add_call(engine, 1, at, reason=None)
    assert traffic.hours(at, at, NOW).total.failed == 0
    with engine.begin() as connection:
        ended = {"state": CallState.ENDED, "reason": EndReason.CALLEE_NO_ANSWER}
        connection.execute(table.call.update().values(ended))
    assert traffic.hours(at, at, NOW + timedelta(seconds=2)).total.failed == 0
    assert traffic.hours(at, at, NOW + timedelta(seconds=6)).total.failed == 1


def test_counting_stops_when_its_time_is_over_and_goes_on_when_asked_again(
    traffic: Traffic, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "COUNTING_S", -1)
    missing = [traffic.hours(NOW - timedelta(hours=3), NOW, NOW).missing for _ in range(4)]
    assert missing == [3, 2, 1, 0]


def test_hours_that_are_asked_for_later_are_counted_in_their_runs(
    engine: Engine, traffic: Traffic
) -> None:
    for hours in range(40):
        add_call(engine, hours, NOW - timedelta(hours=hours))
    traffic.hours(NOW - timedelta(hours=20), NOW - timedelta(hours=18), NOW)
    found = traffic.hours(NOW - timedelta(hours=39), NOW, NOW)
    assert [hour.carried.begun for hour in found.counted] == [1] * 40
    assert [hour.carried.at for hour in found.counted] == sorted(
        hour.carried.at for hour in found.counted
    )


def test_hours_are_bounded(traffic: Traffic) -> None:
    hours = traffic.hours(NOW - timedelta(days=400), NOW, NOW)
    assert len(hours.counted) + hours.missing == module.HOURS_MAX


def test_span_reads_a_range_of_the_key(
    engine: Engine, traffic: Traffic, statements: list[str]
) -> None:
    traffic.hours(NOW, NOW, NOW)
    traffic.last_minutes(NOW)
    read = [each for each in statements if "FROM call" in each]
    assert len(read) == 3
    with engine.connect() as connection:
        for each in read:
            plan = connection.exec_driver_sql(
                f"EXPLAIN QUERY PLAN {each}", tuple("0" * each.count("?"))
            )
            assert "PRIMARY KEY (id>? AND id<?)" in str(plan.all())


@pytest.mark.on_every_database
def test_under_way_counts_states_trunks_and_enterprises(engine: Engine, traffic: Traffic) -> None:
    add_call(engine, 1, NOW, reason=None)
    add_call(engine, 2, NOW, reason=None, app_id="bell-app")
    add_call(engine, 3, NOW)

    live = traffic.under_way()

    assert live.count == 2
    assert live.by_state == {CallState.CALLING_CALLEE: 2}
    assert live.by_trunk == {"north": 2, "south": 2}
    assert live.by_enterprise == {"acme": 1, "bell": 1}


def test_under_way_reads_the_index_of_open_calls(
    engine: Engine, traffic: Traffic, statements: list[str]
) -> None:
    traffic.under_way()
    read = next(each for each in statements if each.startswith("SELECT"))
    with engine.connect() as connection:
        plan = connection.exec_driver_sql(
            f"EXPLAIN QUERY PLAN {read}", tuple("$" for _ in range(read.count("?")))
        )
        assert "call_open" in str(plan.all())


@pytest.mark.on_every_database
def test_last_minutes_have_each_its_calls(engine: Engine, traffic: Traffic) -> None:
    add_call(engine, 1, NOW)
    add_call(engine, 2, NOW - timedelta(minutes=2), reason=EndReason.CALLEE_NO_ANSWER)
    add_call(engine, 3, NOW - timedelta(minutes=module.MINUTES + 1))

    minutes = traffic.last_minutes(NOW)

    assert len(minutes) == module.MINUTES
    assert [each.begun for each in minutes[-3:]] == [1, 0, 1]
    assert [each.failed for each in minutes[-3:]] == [1, 0, 0]
    assert sum(each.begun for each in minutes) == 2
