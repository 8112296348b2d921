"""What a call holds, takes and gives back, over the real storage."""

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import select
from tests.billing.support import (
    ENTERPRISE,
    OPERATOR,
    Phone,
    add_application,
    balances,
    begin_call,
    create_enterprise,
    create_pool,
    read_application,
    top_up,
)
from tests.storage.support import APP_ID, CALLER, NODE_ID, NOW, at, count_rows

from clicktodial.billing.ledger import verify_ledger
from clicktodial.billing.package import PackageKind
from clicktodial.control.error import CapReached, PoolEmpty
from clicktodial.control.port import StoreConflict
from clicktodial.domain.call import CallState
from clicktodial.domain.event import RecordingResult
from clicktodial.domain.minutes import CapPeriod, CapScope
from clicktodial.domain.rating import Tariff
from clicktodial.storage.billing_table import cdr
from clicktodial.storage.call_store import SqlCallStore
from clicktodial.storage.charge_writes import decode_lots
from clicktodial.storage.database import Database
from clicktodial.storage.minutes import SqlMinutes
from clicktodial.storage.node_registry import NodeRegistry
from clicktodial.storage.table import NAME_CHARACTERS_MAX

pytestmark = pytest.mark.on_every_database


@pytest.fixture
def store(database: Database) -> SqlCallStore:
    return SqlCallStore(database, node_id=NODE_ID)


async def no_recording(_: object) -> RecordingResult:
    return RecordingResult.NO_RECORD


def expect(database: Database, *, available: int, reserved: int = 0, consumed: int = 0) -> None:
    now = balances(database.engine)
    assert (now["available_s"], now["reserved_s"], now["consumed_s"]) == (
        available,
        reserved,
        consumed,
    )
    assert verify_ledger(database.engine).discrepancies == []


async def test_call_holds_at_begin_and_takes_what_it_lasted(
    database: Database, store: SqlCallStore
) -> None:
    top_up(create_pool(database.engine), 600)
    phone = await begin_call(database)
    expect(database, available=480, reserved=120)
    await phone.answer(store)
    await phone.hang_up(store, 61)
    expect(database, available=480, consumed=120)
    with database.engine.connect() as connection:
        row = connection.execute(select(cdr)).one()
    assert (row.duration_s, row.rated_s, row.billed_s, row.legs_counted) == (61, 120, 120, 1)
    assert (row.member, row.caller_e164, row.reason) == (CALLER.e164, CALLER.e164, "HangUp")
    assert row.ended_at == at(61).utc


async def test_call_that_was_never_joined_costs_nothing_and_has_a_cdr(
    database: Database, store: SqlCallStore
) -> None:
    top_up(create_pool(database.engine), 600)
    phone = await begin_call(database)
    await phone.hang_up(store, 30)
    expect(database, available=600)
    assert count_rows(database.engine, "cdr") == 1


async def test_call_of_an_enterprise_without_a_pool_has_a_cdr_and_is_not_charged(
    database: Database, store: SqlCallStore
) -> None:
    create_enterprise(database.engine)
    add_application(database.engine, APP_ID, pool_alerts=False)
    phone = Phone(None)
    await phone.begin(store)
    await phone.answer(store)
    await phone.hang_up(store, 61)
    with database.engine.connect() as connection:
        row = connection.execute(select(cdr)).one()
    assert (row.enterprise_id, row.app_id, row.call_id) == (ENTERPRISE, APP_ID, phone.plan.call_id)
    assert (row.charging, row.tariff_id, row.lots) == ("not-charged", "", "[]")
    assert (row.duration_s, row.rated_s, row.billed_s, row.price_micros) == (61, 0, 0, 0)
    assert (row.member, row.department, row.reason) == (CALLER.e164, None, "HangUp")
    assert row.ended_at == at(61).utc
    assert count_rows(database.engine, "ledger_entry") == 0
    assert verify_ledger(database.engine).discrepancies == []


async def test_call_of_an_application_that_is_gone_ends_all_the_same(
    database: Database, store: SqlCallStore
) -> None:
    phone = Phone(None)
    await phone.begin(store)
    await phone.hang_up(store, 61)
    with database.engine.connect() as connection:
        assert connection.scalar(select(cdr.c.enterprise_id)) == ""


async def test_call_that_a_dead_process_left_open_has_a_cdr_without_a_pool_too(
    database: Database, store: SqlCallStore
) -> None:
    phone = Phone(None)
    await phone.begin(store)
    registry = NodeRegistry(database, node_id=NODE_ID)
    (told,) = await registry.reap(at(30).utc, no_recording, own=True)
    assert await registry.reap(at(60).utc, no_recording, own=True) == []
    with database.engine.connect() as connection:
        row = connection.execute(select(cdr)).one()
    assert (row.call_id, row.reason, row.charging) == (told.call_id, "Other", "not-charged")
    assert verify_ledger(database.engine).is_sound


async def test_statements_of_a_charged_call_are_one_more_at_begin_and_one_at_the_end(
    database: Database, store: SqlCallStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    top_up(create_pool(database.engine), 600)
    counts: list[int] = []
    submit = database.writer.submit

    def counting(writes, **options):  # type: ignore[no-untyped-def]
        counts.append(len({statement for statement, _ in writes}))
        return submit(writes, **options)

    monkeypatch.setattr(database.writer, "submit", counting)
    for charged in (False, True):
        phone = await begin_call(database) if charged else Phone(None)
        if not charged:
            await phone.begin(store)
        await phone.hang_up(store, 30)
    assert counts == [2, 3, 3, 4]


async def test_lots_that_expire_first_are_drawn_on_first_and_overage_last(
    database: Database, store: SqlCallStore
) -> None:
    pools = create_pool(database.engine)
    top_up(pools, 1000, kind=PackageKind.OVERAGE, micros_per_minute=150_000, days=1)
    top_up(pools, 100)
    top_up(pools, 50, days=20)
    top_up(pools, 30, days=10)
    phone = await begin_call(database, reserve_s=240)
    await phone.answer(store)
    await phone.hang_up(store, 185)
    expect(database, available=940, consumed=240)
    with database.engine.connect() as connection:
        row = connection.execute(select(cdr)).one()
    assert [seconds for _, seconds in decode_lots(row.lots)] == [30, 50, 100, 60]
    assert (row.overage_s, row.price_micros) == (60, 150_000)
    assert pools.show(OPERATOR, ENTERPRISE, NOW).owed_micros == 150_000


async def test_pool_with_less_than_the_smallest_charge_is_empty(database: Database) -> None:
    top_up(create_pool(database.engine), 59)
    with pytest.raises(PoolEmpty):
        await begin_call(database)


async def test_lot_that_is_not_valid_yet_or_no_more_is_not_drawn_on(database: Database) -> None:
    pools = create_pool(database.engine)
    top_up(pools, 600, now=NOW + timedelta(seconds=1))
    top_up(pools, 600, now=NOW - timedelta(days=1), days=1)
    with pytest.raises(PoolEmpty):
        await begin_call(database)


async def test_calls_at_once_hold_no_more_than_there_is(
    database: Database, store: SqlCallStore
) -> None:
    top_up(create_pool(database.engine), 300)
    minutes = SqlMinutes(database)
    application = read_application(database.engine)
    charges = [await minutes.plan(application, CALLER.e164, NOW) for _ in range(5)]
    begun = [Phone(charge).begin(store) for charge in charges]
    results = await asyncio.gather(*begun, return_exceptions=True)
    assert [type(result) for result in results].count(StoreConflict) == 3
    expect(database, available=60, reserved=240)
    assert count_rows(database.engine, "call") == 2


async def test_call_is_extended_until_nothing_is_left(
    database: Database, store: SqlCallStore
) -> None:
    top_up(create_pool(database.engine), 290)
    minutes = SqlMinutes(database)
    phone = await begin_call(database)
    charge = phone.call.charge
    assert charge is not None
    await phone.answer(store)
    await store.extend(phone.call, await minutes.plan_more(charge, NOW))
    assert (charge.held_s, charge.covered_s) == (240, 240)
    # 50 s more make it no longer.
    assert await minutes.plan_more(charge, NOW) == ()
    await phone.hang_up(store, 130)
    expect(database, available=110, consumed=180)


async def test_end_while_an_extension_is_under_way_settles_what_it_came_to(
    database: Database, store: SqlCallStore
) -> None:
    top_up(create_pool(database.engine), 600)
    phone = await begin_call(database)
    charge = phone.call.charge
    assert charge is not None
    await phone.answer(store)
    more = await SqlMinutes(database).plan_more(charge, NOW)
    extended = store.extend(phone.call, more)
    await phone.hang_up(store, 100)
    assert extended.done()
    expect(database, available=480, consumed=120)


async def test_extension_that_finds_the_seconds_gone_changes_nothing(
    database: Database, store: SqlCallStore
) -> None:
    top_up(create_pool(database.engine), 240)
    phone = await begin_call(database)
    charge = phone.call.charge
    assert charge is not None
    await phone.answer(store)
    more = await SqlMinutes(database).plan_more(charge, NOW)
    other = await begin_call(database)
    with pytest.raises(StoreConflict):
        await store.extend(phone.call, more)
    assert charge.held_s == 120
    await other.hang_up(store, 1)
    await phone.hang_up(store, 10)
    expect(database, available=180, consumed=60)


async def test_call_that_outlasts_what_it_holds_takes_no_more(
    database: Database, store: SqlCallStore
) -> None:
    top_up(create_pool(database.engine), 120)
    phone = await begin_call(database)
    await phone.answer(store)
    await phone.hang_up(store, 121)
    expect(database, available=0, consumed=120)


async def test_reaper_settles_the_calls_of_a_dead_process(
    database: Database, store: SqlCallStore
) -> None:
    top_up(create_pool(database.engine, tariff=Tariff(unit_s=1)), 600)
    registry = NodeRegistry(database, node_id=NODE_ID)
    await registry.register(NOW)
    talking, ringing = await begin_call(database), await begin_call(database)
    await talking.answer(store, 10)
    talking_charge = talking.call.charge
    assert talking_charge is not None
    await store.extend(talking.call, await SqlMinutes(database).plan_more(talking_charge, NOW))
    await registry.beat(at(50).utc)
    events = await registry.reap(at(60).utc, no_recording, own=True)
    assert {event.call_id: event.call_duration_s for event in events} == {
        talking.plan.call_id: 40,
        ringing.plan.call_id: 0,
    }
    expect(database, available=560, consumed=40)
    assert talking.call.state is CallState.CONNECTED
    # The process was not dead after all: what it thinks changes nothing.
    with pytest.raises(StoreConflict):
        await store.extend(talking.call, talking_charge.holds)
    with pytest.raises(StoreConflict):
        await talking.hang_up(store, 70)
    expect(database, available=560, consumed=40)


async def test_reaper_that_read_before_an_extension_ends_nothing(
    database: Database, store: SqlCallStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    top_up(create_pool(database.engine), 600)
    phone = await begin_call(database)
    charge = phone.call.charge
    assert charge is not None
    await phone.answer(store)
    registry = NodeRegistry(database, node_id=NODE_ID)
    read = registry._open_charges

    async def read_then_extend(calls):  # type: ignore[no-untyped-def]
        charges = await read(calls)
        await store.extend(phone.call, await SqlMinutes(database).plan_more(charge, NOW))
        return charges

    monkeypatch.setattr(registry, "_open_charges", read_then_extend)
    assert await registry.reap(at(60).utc, no_recording, own=True) == []
    expect(database, available=360, reserved=240)
    monkeypatch.undo()
    assert len(await registry.reap(at(60).utc, no_recording, own=True)) == 1
    expect(database, available=540, consumed=60)


async def test_caps_bound_what_is_held_and_count_what_was_taken(
    database: Database, store: SqlCallStore
) -> None:
    pools = create_pool(database.engine)
    top_up(pools, 6000)
    each = pools.set_cap(
        OPERATOR,
        ENTERPRISE,
        scope=CapScope.MEMBER,
        key="*",
        period=CapPeriod.DAY,
        limit_s=180,
    )
    first = await begin_call(database)
    assert pools.cap_used_s(each.cap_id, CALLER.e164, NOW) == 120
    second = await begin_call(database)
    charge = second.call.charge
    assert charge is not None and charge.held_s == 60
    with pytest.raises(CapReached):
        await begin_call(database)
    await first.hang_up(store, 5)
    await second.answer(store)
    await second.hang_up(store, 5)
    assert pools.cap_used_s(each.cap_id, CALLER.e164, NOW) == 60
    expect(database, available=5940, consumed=60)
    pools.remove_cap(OPERATOR, ENTERPRISE, each.cap_id)
    assert not pools.list_caps(OPERATOR, ENTERPRISE)
    await begin_call(database)


@pytest.mark.parametrize(("changed_s", "more_s"), [(150, 0), (200, 80), (None, 120)])
async def test_cap_that_changes_bounds_the_calls_that_run(
    database: Database, store: SqlCallStore, changed_s: int | None, more_s: int
) -> None:
    pools = create_pool(database.engine)
    top_up(pools, 6000)

    def set_cap(limit_s: int) -> str:
        detail = pools.set_cap(
            OPERATOR,
            ENTERPRISE,
            scope=CapScope.MEMBER,
            key="*",
            period=CapPeriod.DAY,
            limit_s=limit_s,
        )
        return detail.cap_id

    cap_id = set_cap(180)
    phone = await begin_call(database)
    await phone.answer(store)
    charge = phone.call.charge
    assert charge is not None
    if changed_s is None:
        pools.remove_cap(OPERATOR, ENTERPRISE, cap_id)
    else:
        set_cap(changed_s)
    more = await SqlMinutes(database).plan_more(charge, NOW)
    assert sum(hold.seconds for hold in more) == more_s
    if more:
        await store.extend(phone.call, more)
    await phone.hang_up(store, 5)
    expect(database, available=5940, consumed=60)
    if changed_s is not None:
        assert pools.cap_used_s(cap_id, CALLER.e164, NOW) == 60


async def test_cap_of_each_department_counts_one_of_a_long_name(
    database: Database, store: SqlCallStore
) -> None:
    pools = create_pool(database.engine)
    top_up(pools, 6000)
    name = "d" * NAME_CHARACTERS_MAX
    each = pools.set_cap(
        OPERATOR,
        ENTERPRISE,
        scope=CapScope.DEPARTMENT,
        key="*",
        period=CapPeriod.DAY,
        limit_s=180,
    )
    minutes = SqlMinutes(database, department_of=lambda *_: name)
    charge = await minutes.plan(read_application(database.engine), CALLER.e164, NOW)
    await Phone(charge).begin(store)
    assert pools.cap_used_s(each.cap_id, name, NOW) == 120


async def test_cdr_tells_the_department_where_no_cap_asks_for_it(
    database: Database, store: SqlCallStore
) -> None:
    top_up(create_pool(database.engine), 6000)
    departments = {(ENTERPRISE, CALLER.e164): "Sales"}
    minutes = SqlMinutes(
        database, department_of=lambda _, enterprise_id, e164: departments[enterprise_id, e164]
    )
    charge = await minutes.plan(read_application(database.engine), CALLER.e164, NOW)
    phone = Phone(charge)
    await phone.begin(store)
    await phone.hang_up(store, 5)
    with database.engine.connect() as connection:
        told = connection.execute(select(cdr.c.member, cdr.c.department)).one()
    assert tuple(told) == (CALLER.e164, "Sales")


async def test_cap_is_not_passed_by_calls_at_once(database: Database, store: SqlCallStore) -> None:
    pools = create_pool(database.engine)
    top_up(pools, 6000)
    each = pools.set_cap(
        OPERATOR,
        ENTERPRISE,
        scope=CapScope.APPLICATION,
        key="*",
        period=CapPeriod.MONTH,
        limit_s=300,
    )
    minutes = SqlMinutes(database)
    application = read_application(database.engine)
    charges = [await minutes.plan(application, CALLER.e164, NOW) for _ in range(4)]
    begun = [Phone(charge).begin(store) for charge in charges]
    results = await asyncio.gather(*begun, return_exceptions=True)
    assert [type(result) for result in results].count(StoreConflict) == 2
    assert pools.cap_used_s(each.cap_id, str(application.app_id), NOW) == 240
    expect(database, available=5760, reserved=240)
