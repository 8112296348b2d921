"""Events of calls that named a sink: by the same queue, order and retries, to that sink."""

import asyncio
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from aiohttp import web
from tests.notify.conftest import APP
from tests.notify.support import (
    TIMING,
    ApplicationServer,
    Received,
    Stack,
    WatchedOutbox,
    create_application,
    open_server,
)
from tests.storage.support import NODE_ID, create_call, create_event

from clicktodial.control.delivery import DeliveryState
from clicktodial.domain.call import Call
from clicktodial.domain.event import CallApi, StatusEvent
from clicktodial.domain.identifier import AppId
from clicktodial.domain.sink import EventSink, SinkToken
from clicktodial.notify import notifier as notifier_module
from clicktodial.notify.format import NotificationRequest
from clicktodial.notify.notifier import HttpNotifier, SinkDelivery
from clicktodial.storage.call_sink import SqlSinks
from clicktodial.storage.call_store import SqlCallStore
from clicktodial.storage.database import Database
from clicktodial.storage.secret import SecretVault

DELIVERED, GIVEN_UP, PENDING = (
    DeliveryState.DELIVERED,
    DeliveryState.GIVEN_UP,
    DeliveryState.PENDING,
)
VAULT = SecretVault(bytes(32))


class PlainSinkFormat:
    """A small format of its own."""

    def render(self, event: StatusEvent, sink: EventSink) -> NotificationRequest:
        body = json.dumps({"call": event.call_id, "seq": event.seq}).encode()
        token = "" if sink.token is None else sink.token.value
        return NotificationRequest(sink.url, (("Authorization", f"Bearer {token}"),), body)


class SinkStack(Stack):
    """A stack with sinks."""

    async def open(self) -> None:
        self.database = Database(f"sqlite:///{self.path}")
        self.database.open()
        self.store = SqlCallStore(self.database, node_id=NODE_ID, vault=VAULT)
        self.outbox = WatchedOutbox(self.database)
        self.notifier = HttpNotifier(
            self.outbox,
            self.applications,
            # Whatever goes to an application's own server would fail here.
            None,  # type: ignore[arg-type]
            self.settings,
            timing=self.timing,
            sink_delivery=SinkDelivery(SqlSinks(self.database, VAULT), PlainSinkFormat()),
        )
        await self.notifier.start()

    async def place_at(self, sink: EventSink | None, events: int = 1, app_id: str = APP) -> Call:
        """A call that names this sink, with so many events, stored and published."""
        call = create_call(app_id=AppId(app_id))
        call.plan = replace(call.plan, api=CallApi.CAMARA, sink=sink)
        # A pair has one call: each of these is of a pair of its own.
        caller = replace(call.plan.caller, e164=f"+86{call.plan.call_id[-12:]}")
        call.plan = replace(call.plan, caller=caller)
        origin = None if sink is None else sink.origin
        told = [
            replace(create_event(call, seq), api=CallApi.CAMARA, sink_origin=origin)
            for seq in range(1, events + 1)
        ]
        await self.store.create(call, told)
        self.notifier.publish(told)
        return call


@pytest.fixture
async def sink_stack(tmp_path: Path, server: ApplicationServer) -> SinkStack:  # type: ignore[misc]
    stack = SinkStack(tmp_path / "clicktodial.db")
    stack.applications.put(create_application(APP, server.url))
    await stack.open()
    yield stack
    await stack.close()


def token(seconds: float) -> SinkToken:
    return SinkToken("ya29", datetime.now(UTC) + timedelta(seconds=seconds))


async def test_events_of_each_call_come_in_order_to_the_sink_that_it_named(
    sink_stack: SinkStack, server: ApplicationServer
) -> None:
    asked: set[tuple[str, int]] = set()

    def fail_first(received: Received) -> web.Response:
        key = received.call_id, received.seq
        is_new = received.seq == 2 and key not in asked
        asked.add(key)
        return web.Response(status=503 if is_new else 200)

    async with open_server() as other:
        server.answer = other.answer = fail_first
        here = [await sink_stack.place_at(EventSink(f"{server.url}/a"), 3) for _ in range(3)]
        there = [await sink_stack.place_at(EventSink(f"{other.url}/b?x=1"), 3) for _ in range(3)]
        await server.wait_taken(9)
        await other.wait_taken(9)
        for calls, its in ((here, server), (there, other)):
            for call in calls:
                assert its.taken_of(call) == [1, 2, 3]
                await sink_stack.wait_states(call, [DELIVERED] * 3)
                answers = [record.answer for record in sink_stack.records(call)]
                assert [each and each.status for each in answers] == [200, 200, 200]


async def test_sinks_are_taken_up_after_a_restart(
    sink_stack: SinkStack, server: ApplicationServer
) -> None:
    call = create_call(app_id=AppId(APP))
    sink = EventSink(f"{server.url}/a", token(3600))
    call.plan = replace(call.plan, api=CallApi.CAMARA, sink=sink)
    event = replace(create_event(call), api=CallApi.CAMARA, sink_origin=sink.origin)
    await sink_stack.store.create(call, [event])
    await sink_stack.close()
    await sink_stack.open()
    await server.wait_taken(1)
    assert server.taken[0].headers["Authorization"] == "Bearer ya29"
    assert server.taken[0].headers["webhook-id"] == f"{call.plan.call_id}-1"


async def test_nothing_is_sent_with_an_expired_token_and_nothing_held_against_the_server(
    sink_stack: SinkStack, server: ApplicationServer
) -> None:
    expired = await sink_stack.place_at(EventSink(f"{server.url}/a", token(-1)), 3)
    await sink_stack.wait_states(expired, [GIVEN_UP] * 3)
    good = await sink_stack.place_at(EventSink(f"{server.url}/a", token(3600)))
    await sink_stack.wait_states(good, [DELIVERED])
    assert [received.call_id for received in server.asked] == [good.plan.call_id]
    assert [record.attempts for record in sink_stack.records(expired)] == [0, 0, 0]


async def test_call_without_a_sink_is_told_to_nobody(
    sink_stack: SinkStack, server: ApplicationServer
) -> None:
    untold = await sink_stack.place_at(None, 2)
    told = await sink_stack.place_at(EventSink(f"{server.url}/a"))
    await sink_stack.wait_states(told, [DELIVERED])
    assert sink_stack.states(untold) == [DeliveryState.NONE] * 2
    assert len(server.asked) == 1


async def test_sink_of_an_application_that_is_gone_is_given_up(sink_stack: SinkStack) -> None:
    call = await sink_stack.place_at(EventSink("http://127.0.0.1:9/x"), app_id="gone")
    await sink_stack.wait_states(call, [GIVEN_UP])


async def test_private_sink_is_refused_where_it_is_not_allowed(
    sink_stack: SinkStack, server: ApplicationServer
) -> None:
    sink_stack.applications.put(create_application(APP, server.url, allow_private_addresses=False))
    call = await sink_stack.place_at(EventSink(f"{server.url}/a"))
    await sink_stack.wait_states(call, [GIVEN_UP])
    assert server.asked == []
    [record] = sink_stack.records(call)
    assert "not one of the public Internet" in (record.last_error or "")


async def test_routes_to_sinks_are_bounded_and_those_at_rest_forgotten(
    sink_stack: SinkStack, server: ApplicationServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert notifier_module.SINK_ROUTES_MAX >= 1
    monkeypatch.setattr(notifier_module, "SINK_ROUTES_MAX", 1)
    async with open_server() as other:
        first = await sink_stack.place_at(EventSink(f"{server.url}/a"))
        await sink_stack.wait_states(first, [DELIVERED])
        # The first one's rests: the second takes its place.
        second = await sink_stack.place_at(EventSink(f"{other.url}/b"))
        await sink_stack.wait_states(second, [DELIVERED])
        # While one waits for its server, another is one too many, and waits in the table.
        released = asyncio.Event()

        async def hang(received: Received) -> web.Response:
            await released.wait()
            return web.Response()

        other.answer = hang
        busy = await sink_stack.place_at(EventSink(f"{other.url}/b"))
        await other.wait_asked(2)
        waiting = await sink_stack.place_at(EventSink(f"{server.url}/a"))
        assert sink_stack.states(waiting) == [PENDING]
        released.set()
        await sink_stack.wait_states(busy, [DELIVERED])
        await sink_stack.notifier.rescan()
        await sink_stack.wait_states(waiting, [DELIVERED])
    assert TIMING.sweep_interval_s > 60
