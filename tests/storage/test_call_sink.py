"""Sinks of calls, and what the database holds of calls that have them."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select
from tests.storage.support import APP_ID, NODE_ID, NOW, at, create_call, create_event

from clicktodial.control.delivery import DeliveryRoute
from clicktodial.control.port import FoundCall, StoreError
from clicktodial.control.reaper import OpenCall
from clicktodial.domain.call import Call, CallEnd, CallState, EndedBy, EndStage
from clicktodial.domain.cause import EndReason
from clicktodial.domain.event import CallApi, RecordingResult, StatusEvent
from clicktodial.domain.identifier import AppId
from clicktodial.domain.sink import EventSink, SinkToken
from clicktodial.storage.call_sink import BATCH_ROWS, SINKS_KEPT_MAX, SqlSinks
from clicktodial.storage.call_store import SqlCallStore
from clicktodial.storage.call_view import SqlCallViews
from clicktodial.storage.database import Database
from clicktodial.storage.error import StoreConflict
from clicktodial.storage.history import CallHistory
from clicktodial.storage.node_registry import NodeRegistry
from clicktodial.storage.outbox import Outbox
from clicktodial.storage.secret import SecretVault
from clicktodial.storage.table import call_event, call_sink

TOKEN = SinkToken("ya29.A0AR", NOW + timedelta(hours=1))
SINK = EventSink("https://Endpoint.example.com:8443/sink?of=us", TOKEN)
ORIGIN = "https://endpoint.example.com:8443"
END = CallEnd(EndReason.OTHER, EndedBy.APPLICATION, EndStage.CALLING_CALLER, None, NOW)


@pytest.fixture
def vault() -> SecretVault:
    return SecretVault(bytes(32))


@pytest.fixture
def store(database: Database, vault: SecretVault) -> SqlCallStore:
    return SqlCallStore(database, node_id=NODE_ID, vault=vault)


def camara_call(sink: EventSink | None = SINK, app_id: AppId = APP_ID) -> Call:
    call = create_call(app_id=app_id)
    call.plan = replace(call.plan, api=CallApi.CAMARA, sink=sink)
    return call


def event_of(call: Call, seq: int = 1) -> StatusEvent:
    origin = None if call.plan.sink is None else call.plan.sink.origin
    return replace(create_event(call, seq), api=call.plan.api, sink_origin=origin)


async def end(store: SqlCallStore, call: Call, state: CallState = CallState.ENDED) -> None:
    call.state, call.end = state, END
    await store.update(call, [event_of(call, 2)] if state is CallState.ENDED else [])


async def test_sink_is_found_with_its_token_which_is_stored_sealed(
    database: Database, store: SqlCallStore, vault: SecretVault
) -> None:
    call = camara_call()
    await store.create(call, [event_of(call)])
    sinks = SqlSinks(database, vault)
    assert await sinks.find(call.plan.call_id) == SINK
    with database.engine.connect() as connection:
        row = connection.execute(select(call_sink)).one()
    assert b"ya29" not in row.token_encrypted
    with pytest.raises(StoreError):
        await SqlSinks(database, SecretVault(bytes([1]) * 32)).find(call.plan.call_id)


async def test_sink_without_a_token_and_call_without_a_sink(
    database: Database, store: SqlCallStore, vault: SecretVault
) -> None:
    bare, none = camara_call(EventSink("http://x")), camara_call(None, AppId("other"))
    for call in (bare, none):
        await store.create(call, [event_of(call)])
    sinks = SqlSinks(database, vault)
    assert await sinks.find(bare.plan.call_id) == EventSink("http://x")
    assert await sinks.find(none.plan.call_id) is None


async def test_token_that_expired_is_forgotten_and_is_not_taken_for_none(
    database: Database, store: SqlCallStore, vault: SecretVault
) -> None:
    calls = [camara_call(SINK, AppId(f"app-{number}")) for number in range(BATCH_ROWS + 1)]
    for call in calls:
        store.create(call, [])
    fresh = camara_call(replace(SINK, token=replace(TOKEN, expires_at=at(7200).utc)), AppId("f"))
    await store.create(fresh, [])
    sinks = SqlSinks(database, vault)
    assert sinks.forget_expired(TOKEN.expires_at - timedelta(seconds=1)) == 0
    assert sinks.forget_expired(TOKEN.expires_at) == BATCH_ROWS + 1
    assert sinks.forget_expired(TOKEN.expires_at) == 0
    gone = await sinks.find(calls[0].plan.call_id)
    assert gone == replace(SINK, token=SinkToken("", TOKEN.expires_at))
    kept = await sinks.find(fresh.plan.call_id)
    assert kept is not None and kept.token is not None and kept.token.value == "ya29.A0AR"


async def test_sinks_in_memory_are_bounded(
    database: Database, store: SqlCallStore, vault: SecretVault, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert SINKS_KEPT_MAX >= 1
    monkeypatch.setattr("clicktodial.storage.call_sink.SINKS_KEPT_MAX", 1)
    calls = [camara_call(SINK, AppId(f"app-{number}")) for number in range(3)]
    sinks = SqlSinks(database, vault)
    for call in calls:
        await store.create(call, [])
        assert await sinks.find(call.plan.call_id) == SINK
    assert list(sinks._kept) == [calls[-1].plan.call_id]


# One call of a pair


@pytest.mark.on_every_database
async def test_pair_of_an_application_has_one_such_call(store: SqlCallStore) -> None:
    first, second = camara_call(), camara_call()
    await store.create(first, [event_of(first)])
    with pytest.raises(StoreConflict):
        await store.create(second, [event_of(second)])
    await store.create(camara_call(app_id=AppId("other")), [])
    for _ in range(2):
        await store.create(create_call(), [])  # v1 has no such rule
    await end(store, first, CallState.FINISHING)
    third = camara_call()
    await store.create(third, [event_of(third)])
    await end(store, third)
    await store.create(camara_call(), [])


@pytest.mark.on_every_database
async def test_call_that_ends_makes_room_in_the_same_transaction(store: SqlCallStore) -> None:
    """Written together, the new call's row would come before the old one's change."""
    for _ in range(5):
        first, second = camara_call(), camara_call()
        await store.create(first, [event_of(first)])
        first.state, first.end = CallState.ENDED, END
        store.update(first, [event_of(first, 2)])
        await store.create(second, [event_of(second)])
        await end(store, second)


async def test_open_calls_of_a_pair_are_found_whoever_placed_them(
    database: Database, store: SqlCallStore, vault: SecretVault
) -> None:
    mine, theirs, over, others = create_call(), camara_call(), create_call(), create_call()
    others.plan = replace(others.plan, app_id=AppId("other"))
    for call in (mine, over, others):
        await store.create(call, [])
    await SqlCallStore(database, node_id="node-2", vault=vault).create(theirs, [])
    await end(store, over)
    found = await store.find_open(APP_ID, mine.plan.caller.e164, mine.plan.callee.e164)
    assert set(found) == {
        FoundCall(mine.plan.call_id, True),
        FoundCall(theirs.plan.call_id, False),
    }
    assert await store.find_open(APP_ID, mine.plan.callee.e164, mine.plan.caller.e164) == []


# Events, views, reaped calls


@pytest.mark.on_every_database
async def test_events_go_the_way_of_their_call(database: Database, store: SqlCallStore) -> None:
    outbox = Outbox(database)
    told, v1, untold = camara_call(), create_call(), camara_call(None, AppId("other"))
    for call in (told, v1, untold):
        await store.create(call, [event_of(call)])
    ways = {DeliveryRoute(APP_ID), DeliveryRoute(APP_ID, ORIGIN)}
    assert set(await outbox.routes_with_pending()) == ways
    for way, call in ((DeliveryRoute(APP_ID), v1), (DeliveryRoute(APP_ID, ORIGIN), told)):
        [pending] = await outbox.pending(way, limit=10, known=frozenset())
        assert pending.event == event_of(call)
        assert pending.route == way
    _, [event] = CallHistory(database.engine).call(untold.plan.call_id)
    assert event.delivery_state == "none"


async def test_call_is_shown_to_its_application_alone_as_it_was_last_told(
    database: Database, store: SqlCallStore
) -> None:
    call = camara_call()
    call.state = CallState.CALLING_CALLER
    await store.create(call, [event_of(call)])
    views = SqlCallViews(database, node_id=NODE_ID)
    call_id = call.plan.call_id
    view = await views.find(call_id, APP_ID)
    assert view is not None
    assert (view.caller, view.callee) == (call.plan.caller.e164, call.plan.callee.e164)
    assert (view.state, view.begun_at, view.is_here) == (CallState.CALLING_CALLER, NOW, True)
    assert await views.find(call_id, AppId("other")) is None
    there = await SqlCallViews(database, node_id="node-2").find(call_id, APP_ID)
    assert there is not None and not there.is_here
    # What was told and is not written yet is waited for.
    call.state, call.end = CallState.ENDED, replace(END, by=EndedBy.PLATFORM)
    store.update(call, [event_of(call, 2)])
    view = await views.find_as_told(call_id, APP_ID)
    assert view is not None
    assert (view.state, view.was_not_set_up) == (CallState.ENDED, True)


@pytest.mark.on_every_database
async def test_end_of_a_dead_nodes_call_is_told_to_its_sink(
    database: Database, store: SqlCallStore
) -> None:
    call = camara_call()
    call.state = CallState.CALLING_CALLER
    await store.create(call, [event_of(call)])

    async def unexpected(call: OpenCall) -> RecordingResult:
        raise AssertionError("nothing can have been recorded")

    registry = NodeRegistry(database, node_id=NODE_ID)
    [event] = await registry.reap(at(3600).utc, unexpected, own=True)
    assert (event.api, event.sink_origin, event.was_not_set_up) == (CallApi.CAMARA, ORIGIN, True)
    with database.engine.connect() as connection:
        origins = set(connection.scalars(select(call_event.c.sink_origin)))
    assert origins == {ORIGIN}
