"""Calls in the database: made, changed, refused, known."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import text
from tests.storage.support import APP_ID, NODE_ID, NOW, at, count_rows, create_call, create_event

from clicktodial.domain.call import CallState
from clicktodial.domain.call_input import CallStarted, LegEnded, ReleaseRequested
from clicktodial.domain.cause import LegCause, LegOutcome, Side
from clicktodial.domain.event import CallStatus
from clicktodial.domain.identifier import AppId, CallId
from clicktodial.domain.leg import LegRecord, SideQuality
from clicktodial.domain.quality_timeline import IntervalQuality, QualityInterval
from clicktodial.storage.call_quality import read_timeline
from clicktodial.storage.call_row import clean_detail
from clicktodial.storage.call_store import SqlCallStore
from clicktodial.storage.database import Database
from clicktodial.storage.engine import open_engine
from clicktodial.storage.error import StoreConflict
from clicktodial.storage.event_codec import decode_event, encode_event
from clicktodial.storage.history import CallHistory, CallPlace, calls_of_application
from clicktodial.storage.table import DETAIL_CHARACTERS_MAX

pytestmark = pytest.mark.on_every_database


@pytest.fixture
def store(database: Database) -> SqlCallStore:
    return SqlCallStore(database, node_id=NODE_ID)


async def test_created_call_is_found_with_its_event(
    store: SqlCallStore, database: Database
) -> None:
    call = create_call(recorded=True)
    call.handle(CallStarted(), at(0))
    await store.create(call, [create_event(call)])
    record, events = CallHistory(database.engine).call(call.plan.call_id)
    assert record.state is CallState.CALLING_CALLER
    assert record.begun_at == NOW
    assert (record.sponsor, record.caller) == ("+861052680000", "+8613912345673")
    assert record.recording_id == call.plan.recording_id
    assert [(event.seq, event.status, event.attempts) for event in events] == [
        (1, CallStatus.CALLING_CALLER, 0)
    ]


async def test_updated_call_keeps_the_cause_of_its_end(
    store: SqlCallStore, database: Database
) -> None:
    call = create_call()
    call.handle(CallStarted(), at(0))
    await store.create(call, [create_event(call)])
    cause = LegCause(LegOutcome.BUSY, 486, "Busy\0 \udc80" + "y" * 500, 17)
    call.handle(LegEnded(Side.CALLER, cause), at(3))
    await store.update(call, [create_event(call, 2, CallStatus.DISCONNECTED)])
    record, events = CallHistory(database.engine).call(call.plan.call_id)
    assert record.state is CallState.ENDED
    assert record.ended_at == at(3).utc
    assert (record.leg_outcome, record.sip_status, record.q850) == (LegOutcome.BUSY, 486, 17)
    assert record.sip_text is not None
    assert len(record.sip_text) == DETAIL_CHARACTERS_MAX
    assert "\0" not in record.sip_text
    assert len(events) == 2


async def test_legs_are_kept_with_each_step_of_the_call(
    store: SqlCallStore, database: Database
) -> None:
    call = create_call()
    call.handle(CallStarted(), at(0))
    call.legs.clear()
    await store.create(call, [create_event(call)])
    history = CallHistory(database.engine)
    assert history.call(call.plan.call_id)[0].legs == {}
    caller = LegRecord(
        trunk="main", placed_at=at(0).utc, codec="PCMA", quality=SideQuality(50, 1, 0.5, 4.1, 20.0)
    )
    call.legs[Side.CALLER] = caller
    await store.update(call, [])
    call.legs[Side.CALLEE] = LegRecord(trunk="other", silence_s=3)
    await store.update(call, [])
    assert history.call(call.plan.call_id)[0].legs == {
        Side.CALLER: caller,
        Side.CALLEE: LegRecord(trunk="other", silence_s=3),
    }


async def test_legs_of_a_call_that_ended_are_changed_and_nothing_else(
    store: SqlCallStore, database: Database
) -> None:
    call = create_call()
    call.handle(CallStarted(), at(0))
    await store.create(call, [create_event(call)])
    call.handle(ReleaseRequested(), at(1))
    await store.update(call, [create_event(call, 2, CallStatus.DISCONNECTED)])
    history = CallHistory(database.engine)
    before, _ = history.call(call.plan.call_id)
    caller = LegRecord(trunk="main", quality=SideQuality(50, 1, 0.5, 4.1, 20.0))
    call.legs = {Side.CALLER: caller}
    call.duration_s = 99
    await store.update(call, [])
    after, _ = history.call(call.plan.call_id)
    assert after == replace(before, legs={Side.CALLER: caller})


async def test_legs_of_another_nodes_call_are_left_alone(
    store: SqlCallStore, database: Database
) -> None:
    call = create_call()
    call.handle(CallStarted(), at(0))
    call.handle(ReleaseRequested(), at(1))
    await SqlCallStore(database, node_id="another").create(call, [create_event(call)])
    history = CallHistory(database.engine)
    before = history.call(call.plan.call_id)[0]
    call.legs = {Side.CALLER: LegRecord(trunk="carrier")}
    await store.update(call, [])
    assert history.call(call.plan.call_id)[0] == before


async def test_timeline_of_a_call_is_kept_once_and_as_fine_as_anybody_can_use_it(
    store: SqlCallStore, database: Database
) -> None:
    call = create_call()
    call_id = call.plan.call_id
    call.handle(CallStarted(), at(0))
    await store.create(call, [create_event(call)])
    caller = IntervalQuality(480, 20, 4.26, 31.24, 4.057)
    kept = (
        QualityInterval(10_003, caller, IntervalQuality(0, 0)),
        QualityInterval(14_400_000, IntervalQuality(2**40, 2**33, 0.0, None, 1.0), caller),
    )
    with database.engine.connect() as connection:
        assert read_timeline(connection, call_id) == ()
    await store.keep_timeline(call_id, kept)
    # Told twice, it fails nothing that is written beside it.
    later = [store.keep_timeline(call_id, kept[:1]), store.update(call, [])]
    await asyncio.gather(*later)
    coarse = IntervalQuality(480, 20, 4.3, 31.2, 4.06)
    with database.engine.connect() as connection:
        assert read_timeline(connection, call_id) == (
            QualityInterval(10_003, coarse, IntervalQuality(0, 0)),
            QualityInterval(14_400_000, kept[1].caller, coarse),
        )


async def test_call_without_legs_writes_no_text_of_them(
    store: SqlCallStore, database: Database
) -> None:
    call = create_call()
    await store.create(call, [])
    with database.engine.connect() as connection:
        assert connection.execute(text("SELECT legs FROM call")).scalar_one() is None


async def test_what_the_row_says_is_taken_when_update_is_called(
    store: SqlCallStore, database: Database
) -> None:
    call = create_call()
    call.handle(CallStarted(), at(0))
    created = store.create(call, [create_event(call)])
    call.state = CallState.CONNECTED
    updated = store.update(call, [])
    call.state = CallState.ENDED
    await asyncio.gather(created, updated)
    record, _ = CallHistory(database.engine).call(call.plan.call_id)
    assert record.state is CallState.CONNECTED


async def test_create_of_existing_call_is_a_conflict(store: SqlCallStore) -> None:
    call = create_call()
    await store.create(call, [])
    with pytest.raises(StoreConflict):
        await store.create(call, [])


async def test_update_of_ended_call_is_refused_with_its_events(
    store: SqlCallStore, database: Database
) -> None:
    call = create_call()
    call.handle(CallStarted(), at(0))
    call.handle(ReleaseRequested(), at(1))
    await store.create(call, [create_event(call, 2, CallStatus.DISCONNECTED)])
    call.state = CallState.CONNECTED
    with pytest.raises(StoreConflict):
        await store.update(call, [create_event(call, 3, CallStatus.CONNECTED)])
    assert count_rows(database.engine, "call_event") == 1


async def test_update_of_unknown_call_is_refused(store: SqlCallStore, database: Database) -> None:
    call = create_call()
    with pytest.raises(StoreConflict):
        await store.update(call, [create_event(call)])
    assert count_rows(database.engine, "call_event") == 0


async def test_call_is_known_to_its_application_only(store: SqlCallStore) -> None:
    call = create_call()
    await store.create(call, [])
    assert await store.is_known(call.plan.call_id, APP_ID)
    assert not await store.is_known(call.plan.call_id, AppId("another"))
    assert not await store.is_known(CallId("none"), APP_ID)


async def test_recent_calls_come_newest_first_and_by_application(
    store: SqlCallStore, database: Database
) -> None:
    calls = [create_call(app_id=AppId(f"app-{i % 2}")) for i in range(4)]
    for number, call in enumerate(calls):
        call.begun_at = at(number).utc
        await store.create(call, [])
    history = CallHistory(database.engine)
    ids = [call.plan.call_id for call in calls]
    assert [record.call_id for record in history.recent_calls(limit=3)] == ids[:0:-1]
    of_app = history.recent_calls(limit=10, app_id="app-1")
    assert [record.call_id for record in of_app] == [ids[3], ids[1]]


async def test_calls_of_an_application_are_read_page_after_page(
    store: SqlCallStore, database: Database
) -> None:
    calls = [create_call() for _ in range(5)]
    for number, call in enumerate(calls):
        call.begun_at = at(number // 2).utc  # two at a time began together
        await store.create(call, [])
    await store.create(create_call(app_id=AppId("another")), [])
    history = CallHistory(database.engine)
    listed, before = [], None
    while page := history.recent_calls(limit=2, app_id=APP_ID, before=before):
        listed += [record.call_id for record in page]
        before = page[-1].place
    expected = sorted(calls, key=lambda call: (call.begun_at, call.plan.call_id), reverse=True)
    assert listed == [call.plan.call_id for call in expected]


def test_page_of_calls_is_found_by_its_index(migrated_file: Path) -> None:
    engine = open_engine(f"sqlite:///{migrated_file}")
    before = CallPlace(NOW, "0")
    query = calls_of_application("a", before).limit(5)
    sql = str(query.compile(engine, compile_kwargs={"literal_binds": True}))
    with engine.connect() as connection:
        plan = str(connection.execute(text(f"EXPLAIN QUERY PLAN {sql}")).all())
    engine.dispose()
    assert "call_by_application" in plan
    assert "begun_at<?" in plan or "(begun_at,id)<" in plan
    assert "TEMP B-TREE" not in plan


def test_pending_events_are_found_by_their_index(migrated_file: Path) -> None:
    engine = open_engine(f"sqlite:///{migrated_file}")
    with engine.connect() as connection:
        plan = connection.execute(
            text(
                "EXPLAIN QUERY PLAN SELECT payload FROM call_event WHERE delivery_state ="
                " 'pending' AND app_id = 'a' ORDER BY call_id, seq"
            )
        ).all()
    engine.dispose()
    assert "call_event_pending" in str(plan)
    assert "TEMP B-TREE" not in str(plan)


def test_event_survives_its_encoding() -> None:
    event = create_event(create_call(recorded=True))
    for told in (event, replace(event, call_duration_s=3, occurred_at=at(0.001).utc)):
        assert decode_event(encode_event(told)) == told


def test_clean_detail_leaves_plain_text() -> None:
    assert clean_detail("Busy Here") == "Busy Here"
    assert clean_detail("besetzt, später") == "besetzt, später"
