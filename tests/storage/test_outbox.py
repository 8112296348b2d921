"""The outbox and the catalogue of recordings."""

from datetime import timedelta

import pytest
from sqlalchemy import Engine, insert
from tests.storage.support import APP_ID, NODE_ID, NOW, create_call, create_event

from clicktodial.control.delivery import DeliveryAnswer, DeliveryMark, DeliveryRoute, DeliveryState
from clicktodial.domain.event import CallStatus, StatusEvent
from clicktodial.domain.identifier import AppId, CallId, RecordingId
from clicktodial.domain.pool_alert import PoolAlert
from clicktodial.domain.recording import Recording
from clicktodial.storage import table
from clicktodial.storage.call_store import SqlCallStore
from clicktodial.storage.database import Database
from clicktodial.storage.history import CallHistory
from clicktodial.storage.node_registry import NodeRegistry
from clicktodial.storage.outbox import Outbox
from clicktodial.storage.peer import Peers
from clicktodial.storage.pool_notice import queue_notices
from clicktodial.storage.recording_catalog import SqlRecordingCatalog

pytestmark = pytest.mark.on_every_database


@pytest.fixture
def outbox(database: Database) -> Outbox:
    return Outbox(database)


async def store_events(database: Database, count: int, app_id: AppId = APP_ID) -> list[StatusEvent]:
    call = create_call(app_id=app_id)
    events = [create_event(call, seq) for seq in range(1, count + 1)]
    await SqlCallStore(database, node_id=NODE_ID).create(call, events)
    return events


async def test_pending_events_come_by_call_and_sequence(outbox: Outbox, database: Database) -> None:
    first = await store_events(database, 3)
    second = await store_events(database, 2)
    await store_events(database, 1, AppId("another"))
    pending = await outbox.pending(DeliveryRoute(APP_ID), limit=10, known=frozenset())
    assert [entry.event for entry in pending] == first + second
    assert set(await outbox.routes_with_pending()) == {
        DeliveryRoute(APP_ID),
        DeliveryRoute(AppId("another")),
    }


async def test_pending_skips_the_known_and_fills_the_limit(
    outbox: Outbox, database: Database
) -> None:
    events = await store_events(database, 5)
    known = frozenset((event.call_id, event.seq) for event in events[:2])
    pending = await outbox.pending(DeliveryRoute(APP_ID), limit=2, known=known)
    assert [entry.event.seq for entry in pending] == [3, 4]


async def test_marked_event_waits_no_longer(outbox: Outbox, database: Database) -> None:
    events = await store_events(database, 3)
    keys = [(event.call_id, event.seq) for event in events]
    due = NOW + timedelta(seconds=9)
    taken = DeliveryAnswer(204, NOW)
    refused = DeliveryAnswer(500, NOW - timedelta(seconds=1), "钥匙 of what?")
    outbox.mark(DeliveryMark(keys[0], DeliveryState.DELIVERED, 1, delivered_at=NOW, answer=taken))
    outbox.mark(
        DeliveryMark(
            keys[1], DeliveryState.PENDING, 2, due, last_error="HTTP 500\0", answer=refused
        )
    )
    await outbox.mark(DeliveryMark(keys[2], DeliveryState.GIVEN_UP, 13, last_error="timeout"))
    (pending,) = await outbox.pending(DeliveryRoute(APP_ID), limit=10, known=frozenset())
    assert (pending.event.seq, pending.attempts, pending.next_attempt_at) == (2, 2, due)
    assert pending.answer == refused
    _, records = CallHistory(database.engine).call(events[0].call_id)
    assert [record.delivery_state for record in records] == [
        DeliveryState.DELIVERED,
        DeliveryState.PENDING,
        DeliveryState.GIVEN_UP,
    ]
    assert records[0].delivered_at == NOW
    assert [record.answer for record in records] == [taken, refused, None]
    assert records[1].last_error == "HTTP 500 "


async def test_alerts_wait_beside_events_and_are_marked_for_themselves(
    outbox: Outbox, database: Database
) -> None:
    (event,) = await store_events(database, 1)
    add_willing_application(database.engine)
    with database.engine.begin() as connection:
        queued = queue_notices(
            connection, "acme", [90, 80], used_percent=95, granted_s=100, used_s=95, now=NOW
        )
    assert queued == 2
    assert await outbox.routes_with_pending() == [DeliveryRoute(APP_ID)]
    first, second, third = await outbox.pending(DeliveryRoute(APP_ID), limit=10, known=frozenset())
    assert isinstance(first.event, PoolAlert) and isinstance(second.event, PoolAlert)
    assert (first.event.percent, second.event.percent, third.event) == (80, 90, event)
    assert (first.event.enterprise_id, first.event.left_s) == ("acme", 5)
    assert first.event.seq < second.event.seq
    (only,) = await outbox.pending(DeliveryRoute(APP_ID), limit=1, known=frozenset({first.key}))
    assert only == second
    due = NOW + timedelta(seconds=9)
    outbox.mark(DeliveryMark(first.key, DeliveryState.DELIVERED, 1, delivered_at=NOW))
    refused = DeliveryAnswer(401, NOW, "who?")
    mark = DeliveryMark(second.key, DeliveryState.PENDING, 2, due, last_error="no", answer=refused)
    await outbox.mark(mark)
    waiting, _ = await outbox.pending(DeliveryRoute(APP_ID), limit=10, known=frozenset())
    assert (waiting.event, waiting.attempts, waiting.next_attempt_at) == (second.event, 2, due)
    assert waiting.answer == refused


def add_willing_application(engine: Engine) -> None:
    """One at APP_ID, of the enterprise `acme`, that wants to be told of its pool."""
    with engine.begin() as connection:
        acme = {"id": "acme", "name": "Acme", "status": "active"}
        connection.execute(insert(table.enterprise).values(acme))
        connection.execute(
            insert(table.application).values(
                app_id=APP_ID,
                enterprise_id="acme",
                name="Acme",
                status="active",
                secret_encrypted=b"",
                signing_secret_encrypted=b"",
                notify_url="http://app.example",
                allow_private_addresses=False,
                created_at=NOW,
                pool_alerts=True,
            )
        )


async def test_revived_events_wait_as_if_never_tried(outbox: Outbox, database: Database) -> None:
    events = await store_events(database, 3)
    for event in events[:2]:
        key, answer = (event.call_id, event.seq), DeliveryAnswer(500, NOW, "no")
        await outbox.mark(DeliveryMark(key, DeliveryState.GIVEN_UP, 13, answer=answer))
    assert await outbox.revive(events[0].call_id) == events[:2]
    pending = await outbox.pending(DeliveryRoute(APP_ID), limit=10, known=frozenset())
    assert [(entry.event.seq, entry.attempts) for entry in pending] == [(1, 0), (2, 0), (3, 0)]
    assert [entry.answer for entry in pending] == [None] * 3
    assert await outbox.revive(CallId("none")) == []


async def test_unreadable_event_does_not_hold_up_the_others(
    outbox: Outbox, database: Database
) -> None:
    await store_events(database, 2)
    with database.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE call_event SET payload = '{}' WHERE seq = 1")
    pending = await outbox.pending(DeliveryRoute(APP_ID), limit=10, known=frozenset())
    assert [entry.event.seq for entry in pending] == [2]
    told = pending[0].event
    assert isinstance(told, StatusEvent) and told.status is CallStatus.CALLING_CALLER


async def test_recording_is_found_by_its_call_and_application_only(database: Database) -> None:
    catalog = SqlRecordingCatalog(database)
    ids = RecordingId("r"), CallId("c"), APP_ID
    recording = Recording(*ids, "2026/r.wav", 2**33, 3_600_000, "ab" * 32, NOW)
    await catalog.add(recording)
    await catalog.add(recording)
    assert await catalog.find(*ids) == recording
    assert await catalog.find(RecordingId("x"), ids[1], ids[2]) is None
    assert await catalog.find(ids[0], CallId("x"), ids[2]) is None
    assert await catalog.find(ids[0], ids[1], AppId("x")) is None


async def keys_of(outbox: Outbox) -> set[str]:
    """The calls of which events are this outbox's to deliver."""
    routes = await outbox.routes_with_pending()
    if not routes:
        return set()
    pending = await outbox.pending(DeliveryRoute(APP_ID), limit=10, known=frozenset())
    return {entry.key[0] for entry in pending}


async def test_each_event_is_of_one_node(database: Database) -> None:
    """Of the node of its call, and where that is dead of the first that lives."""
    calls = {}
    for name, seen in (("a", NOW), ("b", NOW), ("dead", NOW - timedelta(days=1))):
        await NodeRegistry(database, node_id=name).register(seen)
        call = create_call()
        calls[name] = call.plan.call_id
        await SqlCallStore(database, node_id=name).create(call, [create_event(call)])
    peers = {name: Peers(name) for name in ("a", "b")}
    outboxes = {name: Outbox(database, peers=peers[name], utc=lambda: NOW) for name in peers}
    assert await keys_of(outboxes["a"]) == {calls["a"], calls["dead"]}
    assert await keys_of(outboxes["b"]) == {calls["b"]}
    later = NOW + timedelta(days=1)
    alone = Outbox(database, peers=peers["b"], utc=lambda: later)
    assert await keys_of(alone) == set(calls.values())
