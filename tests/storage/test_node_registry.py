"""The reaper: open calls of dead processes get exactly one end."""

import asyncio
from datetime import datetime, timedelta

import pytest
from sqlalchemy import select
from tests.storage.support import NODE_ID, NOW, at, create_call, create_event

from clicktodial.control.reaper import OpenCall
from clicktodial.domain.call import CallEnd, CallState, EndedBy, EndStage
from clicktodial.domain.cause import EndReason
from clicktodial.domain.event import CallStatus, RecordingResult, StatusEvent
from clicktodial.storage.call_store import SqlCallStore
from clicktodial.storage.database import Database
from clicktodial.storage.error import StoreConflict
from clicktodial.storage.history import CallHistory
from clicktodial.storage.node_registry import NodeRegistry
from clicktodial.storage.peer import HEARTBEAT_INTERVAL_S, LOOKS_UNTIL_DEAD
from clicktodial.storage.table import node

pytestmark = pytest.mark.on_every_database

LATER = at(3600).utc


async def success(call: OpenCall) -> RecordingResult:
    return RecordingResult.SUCCESS


async def unexpected(call: OpenCall) -> RecordingResult:
    raise AssertionError("nothing can have been recorded")


@pytest.fixture
def store(database: Database) -> SqlCallStore:
    return SqlCallStore(database, node_id=NODE_ID)


@pytest.fixture
def registry(database: Database) -> NodeRegistry:
    return NodeRegistry(database, node_id=NODE_ID)


@pytest.mark.parametrize(
    ("state", "stage"),
    [
        (CallState.INITIATING, EndStage.CALLING_CALLER),
        (CallState.CALLING_CALLER, EndStage.CALLING_CALLER),
        (CallState.CALLING_CALLEE, EndStage.CALLING_CALLEE),
    ],
)
async def test_unanswered_call_of_dead_process_ends_for_reason_other(
    store: SqlCallStore,
    registry: NodeRegistry,
    database: Database,
    state: CallState,
    stage: EndStage,
) -> None:
    call = create_call(recorded=True)
    call.state = state
    await store.create(call, [create_event(call)])
    events = await registry.reap(LATER, unexpected, own=True)
    assert [(event.seq, event.status, event.reason) for event in events] == [
        (2, CallStatus.DISCONNECTED, EndReason.OTHER)
    ]
    assert events[0].recording_result is RecordingResult.NO_RECORD
    assert events[0].call_duration_s == 0
    assert events[0].occurred_at == LATER
    record, stored = CallHistory(database.engine).call(call.plan.call_id)
    assert (record.state, record.stage) == (CallState.ENDED, stage)
    assert record.ended_by is EndedBy.PLATFORM
    assert [event.seq for event in stored] == [1, 2]


async def test_connected_call_lasts_until_the_last_heartbeat(
    store: SqlCallStore, registry: NodeRegistry
) -> None:
    await registry.register(NOW)
    call = create_call(recorded=True)
    call.state = CallState.CONNECTED
    call.connected_at = at(10).utc
    await store.create(call, [create_event(call)])
    await registry.beat(at(25).utc)
    (event,) = await registry.reap(LATER, success, own=True)
    assert event.call_duration_s == 15
    assert event.recording_result is RecordingResult.SUCCESS
    assert event.recording_id == call.plan.recording_id


async def test_call_connected_after_the_last_heartbeat_lasts_no_time(
    store: SqlCallStore, registry: NodeRegistry
) -> None:
    await registry.register(NOW)
    call = create_call()
    call.state = CallState.CONNECTED
    call.connected_at = at(3).utc
    await store.create(call, [create_event(call)])
    (event,) = await registry.reap(LATER, unexpected, own=True)
    assert event.call_duration_s == 0


async def test_finishing_call_keeps_its_reason_and_duration(
    store: SqlCallStore, registry: NodeRegistry, database: Database
) -> None:
    call = create_call(recorded=True)
    call.state = CallState.FINISHING
    call.connected_at = at(5).utc
    call.duration_s = 42
    call.end = CallEnd(EndReason.HANG_UP, EndedBy.CALLEE, EndStage.CONNECTED, None, at(47).utc)
    await store.create(call, [create_event(call)])
    (event,) = await registry.reap(LATER, success, own=True)
    assert (event.reason, event.call_duration_s) == (EndReason.HANG_UP, 42)
    record, _ = CallHistory(database.engine).call(call.plan.call_id)
    assert (record.ended_by, record.ended_at) == (EndedBy.CALLEE, at(47).utc)
    assert record.recording_result == "Success"


async def test_reaped_call_is_not_reaped_again(store: SqlCallStore, registry: NodeRegistry) -> None:
    await store.create(create_call(), [])
    assert len(await registry.reap(LATER, unexpected, own=True)) == 1
    assert await registry.reap(LATER, unexpected, own=True) == []


async def test_living_process_that_was_taken_for_dead_is_refused(
    store: SqlCallStore, registry: NodeRegistry, database: Database
) -> None:
    call = create_call()
    await store.create(call, [create_event(call)])
    await registry.reap(LATER, unexpected, own=True)
    call.state = CallState.CALLING_CALLEE
    first = store.update(call, [create_event(call, 2, CallStatus.CALLING_CALLEE)])
    second = store.update(call, [create_event(call, 3, CallStatus.CONNECTED)])
    for refused in (first, second):
        with pytest.raises(StoreConflict):
            await refused
    record, events = CallHistory(database.engine).call(call.plan.call_id)
    assert record.state is CallState.ENDED
    assert [event.status for event in events] == [
        CallStatus.CALLING_CALLER,
        CallStatus.DISCONNECTED,
    ]


async def test_call_that_changed_while_it_was_reaped_goes_on(
    store: SqlCallStore, registry: NodeRegistry, database: Database
) -> None:
    call = create_call(recorded=True)
    call.state = CallState.CONNECTED
    call.connected_at = NOW
    await store.create(call, [create_event(call)])

    async def meanwhile(_: OpenCall) -> RecordingResult:
        await store.update(call, [create_event(call, 2, CallStatus.CONNECTED)])
        return RecordingResult.SUCCESS

    assert await registry.reap(LATER, meanwhile, own=True) == []
    record, _ = CallHistory(database.engine).call(call.plan.call_id)
    assert record.state is CallState.CONNECTED


async def test_only_calls_of_stale_nodes_are_reaped_without_own(database: Database) -> None:
    now = NOW + timedelta(seconds=LOOKS_UNTIL_DEAD * HEARTBEAT_INTERVAL_S)
    told: list[StatusEvent] = []
    ids = {}
    for name, heartbeat in (("fresh", now), ("stale", NOW - timedelta(milliseconds=1))):
        await NodeRegistry(database, node_id=name).register(heartbeat)
        call = create_call()
        ids[name] = call.plan.call_id
        await SqlCallStore(database, node_id=name).create(call, [])
    told = await NodeRegistry(database, node_id="third").reap(now, unexpected, own=False)
    assert [event.call_id for event in told] == [ids["stale"]]


async def test_more_open_calls_than_a_page_are_all_reaped(
    store: SqlCallStore, registry: NodeRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clicktodial.storage.node_registry._PAGE_CALLS", 3)
    calls = [create_call() for _ in range(8)]
    for call in calls:
        await store.create(call, [])
    events = await registry.reap(LATER, unexpected, own=True)
    assert {event.call_id for event in events} == {call.plan.call_id for call in calls}


async def test_beat_of_unregistered_node_is_refused(registry: NodeRegistry) -> None:
    with pytest.raises(StoreConflict):
        await registry.beat(NOW)


class HeldClock:
    """A clock that stands."""

    def monotonic_s(self) -> float:
        return at(50).monotonic_s

    def utc(self) -> datetime:
        return at(50).utc


async def test_running_registry_beats_at_once(
    store: SqlCallStore, registry: NodeRegistry, database: Database
) -> None:
    await registry.register(NOW)
    beating = asyncio.create_task(registry.run(HeldClock(), pytest.fail))
    await asyncio.sleep(0)
    # Submitted after the beat, so committed with it or later.
    await store.create(create_call(), [])
    with database.engine.connect() as connection:
        assert connection.scalar(select(node.c.heartbeat_at)) == at(50).utc
    beating.cancel()
    with pytest.raises(asyncio.CancelledError):
        await beating


async def test_calls_of_a_node_that_dies_are_ended_by_the_first_that_lives(
    database: Database,
) -> None:
    registries = {name: NodeRegistry(database, node_id=name) for name in ("a", "b", "doomed")}
    for each in registries.values():
        await each.register(NOW)
    call, own = create_call(), create_call()
    await SqlCallStore(database, node_id="doomed").create(call, [])
    await SqlCallStore(database, node_id="a").create(own, [])
    history, inherited = CallHistory(database.engine), []
    for turn in range(1, LOOKS_UNTIL_DEAD + 2):
        now = NOW + timedelta(seconds=turn * HEARTBEAT_INTERVAL_S)
        for name in ("a", "b"):
            await registries[name].beat(now)
        assert not await registries["b"].look_around(now)
        record, _ = history.call(call.plan.call_id)
        assert record.state is not CallState.ENDED
        inherited.append(await registries["a"].look_around(now))
    assert inherited == [False] * LOOKS_UNTIL_DEAD + [True]
    record, _ = history.call(call.plan.call_id)
    assert (record.state, record.reason) == (CallState.ENDED, EndReason.OTHER)
    record, _ = history.call(own.plan.call_id)
    assert record.state is not CallState.ENDED
