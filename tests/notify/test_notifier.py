"""Deliveries from end to end: real storage, real servers on the loopback."""

import asyncio
import base64
import json
import socket
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from aiohttp import web
from sqlalchemy import insert, select
from standardwebhooks import Webhook
from tests.harness.address import allocate_host
from tests.notify.conftest import APP
from tests.notify.support import (
    PATIENCE_S,
    SIGNING_SECRET,
    TIMING,
    ApplicationServer,
    Received,
    Stack,
    create_application,
    open_server,
)
from tests.storage.support import NOW

from clicktodial.config import NotifySettings
from clicktodial.control.delivery import DeliveryState
from clicktodial.domain.application import ApplicationStatus
from clicktodial.notify import notifier as notifier_module
from clicktodial.notify.http_connection import ANSWER_BYTES_MAX
from clicktodial.notify.schedule import FAILURES_MAX
from clicktodial.notify.sender import USER_AGENT
from clicktodial.storage.billing_table import pool_notice

DELIVERED, PENDING = DeliveryState.DELIVERED, DeliveryState.PENDING
GIVEN_UP, NONE = DeliveryState.GIVEN_UP, DeliveryState.NONE


async def test_published_event_is_delivered_signed_and_marked(
    stack: Stack, server: ApplicationServer
) -> None:
    call = await stack.place(APP)
    await server.wait_taken(1)
    (received,) = server.taken
    headers = {name.lower(): value for name, value in received.headers.items()}
    webhook = Webhook("whsec_" + base64.b64encode(SIGNING_SECRET).decode())
    assert webhook.verify(received.body, headers) == {"call": call.plan.call_id, "seq": 1}
    assert headers["webhook-id"] == f"{call.plan.call_id}-1"
    assert headers["content-type"] == "application/json"
    assert headers["user-agent"] == USER_AGENT
    await stack.wait_states(call, [DELIVERED])
    (record,) = stack.records(call)
    assert record.attempts == 1
    assert record.delivered_at is not None


async def test_events_of_each_call_come_in_order_though_the_server_fails_at_times(
    stack: Stack, server: ApplicationServer
) -> None:
    asked: Counter[tuple[str, int]] = Counter()

    def fail_first(received: Received) -> web.Response:
        asked[received.call_id, received.seq] += 1
        failing = received.seq % 2 == 0 and asked[received.call_id, received.seq] == 1
        return web.Response(status=503 if failing else 200)

    server.answer = fail_first
    # Fewer than open the circuit fail in a row, since each call's odd events succeed between.
    calls = [await stack.place(APP, events=4) for _ in range(8)]
    await server.wait_taken(32)
    for call in calls:
        assert server.taken_of(call) == [1, 2, 3, 4]
        await stack.wait_states(call, [DELIVERED] * 4)


@pytest.mark.parametrize("status", [200, 201, 202, 204])
async def test_any_2xx_counts_as_delivered(
    stack: Stack, server: ApplicationServer, status: int
) -> None:
    server.answer = lambda received: web.Response(status=status)
    call = await stack.place(APP)
    await stack.wait_states(call, [DELIVERED])
    (record,) = stack.records(call)
    assert record.answer is not None and record.delivered_at is not None
    assert (record.answer.status, record.answer.text) == (status, None)
    # The database keeps milliseconds.
    assert abs(record.answer.at - record.delivered_at) < timedelta(milliseconds=1)


@pytest.mark.parametrize("status", [302, 307, 400, 401, 404, 429, 500, 503])
async def test_other_status_is_retried_by_the_schedule_and_given_up(
    stack: Stack, server: ApplicationServer, status: int
) -> None:
    target = f"{server.url}/elsewhere"
    server.answer = lambda received: web.Response(
        status=status, headers={"Location": target}, text="no such\n call"
    )
    call = await stack.place(APP)
    await stack.wait_states(call, [GIVEN_UP])
    assert len(server.asked) == 1 + len(TIMING.retry_after_s or ())
    (record,) = stack.records(call)
    assert record.last_error == f"HTTP {status}"
    assert record.attempts == len(server.asked)
    assert record.answer is not None
    assert (record.answer.status, record.answer.text) == (status, r"no such\n call")


async def test_given_up_event_does_not_stop_the_next_and_can_be_replayed(
    stack: Stack, server: ApplicationServer
) -> None:
    server.answer = lambda received: web.Response(status=500 if received.seq == 1 else 200)
    call = await stack.place(APP, events=2)
    await stack.wait_states(call, [GIVEN_UP, DELIVERED])
    server.answer = lambda received: web.Response()
    assert await stack.notifier.replay(call.plan.call_id) == 1
    await stack.wait_states(call, [DELIVERED, DELIVERED])
    assert server.taken_of(call) == [2, 1]
    assert await stack.notifier.replay(call.plan.call_id) == 0


async def test_alerts_of_a_pool_are_delivered_signed_and_one_after_the_other(
    stack: Stack, server: ApplicationServer
) -> None:
    server.answer = lambda received: web.Response(status=500 if len(server.asked) < 3 else 202)
    rows = [
        {
            "app_id": APP,
            "payload": json.dumps(
                {
                    "enterprise_id": "acme",
                    "percent": percent,
                    "used_percent": 95,
                    "granted_s": 100,
                    "used_s": 95,
                }
            ),
            "created_at": NOW,
            "delivery_state": PENDING.value,
            "attempts": 0,
        }
        for percent in (80, 90)
    ]
    with stack.database.engine.begin() as connection:
        connection.execute(insert(pool_notice), rows)
    stack.notifier.request_rescan()
    await server.wait_taken(2)
    assert [each.seq for each in server.asked] == [1, 1, 1, 2]
    headers = {name.lower(): value for name, value in server.taken[0].headers.items()}
    Webhook("whsec_" + base64.b64encode(SIGNING_SECRET).decode()).verify(
        server.taken[0].body, headers
    )
    assert headers["webhook-id"] == f"pool-{APP}-1"

    def states() -> list[str]:
        with stack.database.engine.connect() as connection:
            query = select(pool_notice.c.delivery_state).order_by(pool_notice.c.id)
            return list(connection.scalars(query))

    await stack.wait_until(lambda: states() == [DELIVERED.value, DELIVERED.value])
    with stack.database.engine.connect() as connection:
        columns = pool_notice.c
        told = connection.execute(
            select(columns.answer_status, columns.answer_text, columns.answered_at)
        ).all()
    assert [tuple(each)[:2] for each in told] == [(202, None), (202, None)]
    assert all(each.answered_at is not None for each in told)


async def test_event_that_was_swept_up_before_its_publication_is_delivered_once(
    stack: Stack, server: ApplicationServer
) -> None:
    await stack.place(APP)
    await server.wait_taken(1)
    call, events = await stack.store_call(APP, 1)
    await stack.notifier.rescan()
    await server.wait_taken(2)
    stack.notifier.publish(events)
    await stack.wait_states(call, [DELIVERED])
    await stack.place(APP)
    await server.wait_taken(3)
    assert len(server.asked) == 3
    assert server.taken_of(call) == [1]


async def test_events_published_while_behind_follow_what_was_loaded_each_once(
    stack: Stack, server: ApplicationServer
) -> None:
    early = [await stack.store_call(APP, 3) for _ in range(5)]
    rescan = asyncio.create_task(stack.notifier.rescan())
    late = []
    for _ in range(20):
        call, events = await stack.store_call(APP, 3)
        stack.notifier.publish(events)
        late.append((call, events))
    await rescan
    for call, _ in early + late:
        await stack.wait_states(call, [DELIVERED] * 3)
        assert server.taken_of(call) == [1, 2, 3]
    assert len(server.asked) == 75


async def test_more_events_while_behind_than_are_kept_aside_come_from_the_table(
    stack: Stack, server: ApplicationServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clicktodial.notify.notifier.RECENT_EVENTS_MAX", 2)
    calls = [await stack.store_call(APP, 3) for _ in range(4)]
    for _, events in calls:
        stack.notifier.publish(events)
    for call, _ in calls:
        await stack.wait_states(call, [DELIVERED] * 3)
        assert server.taken_of(call) == [1, 2, 3]


async def test_replay_by_another_process_is_noticed(
    stack: Stack, server: ApplicationServer
) -> None:
    server.answer = lambda received: web.Response(status=500)
    call = await stack.place(APP)
    await stack.wait_states(call, [GIVEN_UP])
    server.answer = lambda received: web.Response()
    with stack.database.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE call_event SET delivery_state='pending', attempts=0")
    stack.notifier.request_rescan()
    await stack.wait_states(call, [DELIVERED])


async def test_hanging_server_does_not_delay_another(
    stack: Stack, server: ApplicationServer
) -> None:
    release = asyncio.Event()

    async def hang(received: Received) -> web.StreamResponse:
        await release.wait()
        return web.Response()

    async with open_server() as hanging:
        hanging.answer = hang
        stack.applications.put(create_application("hanging", hanging.url))
        for _ in range(100):
            await stack.place("hanging")
        call = await stack.place(APP, events=4)
        await server.wait_taken(4)
        assert server.taken_of(call) == [1, 2, 3, 4]
        assert len(hanging.asked) <= stack.settings.concurrency_per_endpoint
        release.set()
        await hanging.wait_taken(100)


async def test_slow_server_times_out(tmp_path: Path) -> None:
    async with open_server() as server:

        async def hang(received: Received) -> web.StreamResponse:
            await asyncio.Event().wait()
            raise AssertionError

        server.answer = hang
        stack = Stack(tmp_path / "db", settings=NotifySettings(timeout_s=1))
        stack.timing = replace(TIMING, retry_after_s=(3600,))
        stack.applications.put(create_application(APP, server.url))
        await stack.open()
        call = await stack.place(APP)
        await server.wait_asked(1)
        await stack.wait_until(lambda: stack.records(call)[0].attempts > 0)
        assert stack.records(call)[0].last_error == "timeout"
        assert stack.states(call) == [PENDING]
        await stack.close()


async def test_dead_server_is_probed_only_and_gets_all_when_it_lives_again(
    tmp_path: Path,
) -> None:
    async with open_server() as server:
        server.answer = lambda received: web.Response(status=500)
        stack = Stack(tmp_path / "db")
        stack.timing = replace(TIMING, retry_after_s=(3600,) * 3, probe_first_s=0.05)
        stack.applications.put(create_application(APP, server.url))
        await stack.open()
        calls = [await stack.place(APP) for _ in range(FAILURES_MAX)]
        await server.wait_asked(FAILURES_MAX)
        calls += [await stack.place(APP) for _ in range(50)]
        # Probes are asked for one at a time, with growing waits.
        await server.wait_asked(FAILURES_MAX + 1)
        assert len(server.asked) < FAILURES_MAX + 10
        server.answer = lambda received: web.Response()
        await server.wait_taken(len(calls))
        for call in calls:
            assert server.taken_of(call) == [1]
        await stack.close()


async def test_refused_connection_is_kept_and_told(stack: Stack) -> None:
    with socket.create_server((allocate_host(), 0)) as listener:
        host, port = listener.getsockname()
    stack.applications.put(create_application("down", f"http://{host}:{port}"))
    call = await stack.place("down")
    await stack.wait_states(call, [GIVEN_UP])
    assert "cannot connect" in (stack.records(call)[0].last_error or "")


async def test_private_address_is_refused_unless_allowed(
    stack: Stack, server: ApplicationServer
) -> None:
    guarded = create_application("guarded", server.url, allow_private_addresses=False)
    stack.applications.put(guarded)
    call = await stack.place("guarded")
    await stack.wait_states(call, [GIVEN_UP])
    assert server.asked == []
    assert "public Internet" in (stack.records(call)[0].last_error or "")


async def test_restart_goes_on_where_it_was(tmp_path: Path) -> None:
    async with open_server() as server:
        server.answer = lambda received: web.Response(status=500)
        stack = Stack(tmp_path / "db")
        stack.timing = replace(TIMING, retry_after_s=(0.02, 3600))
        stack.applications.put(create_application(APP, server.url))
        await stack.open()
        tried = await stack.place(APP, events=2)
        await server.wait_asked(2)
        untold = (await stack.store_call(APP, 3))[0]
        await stack.close()

        server.answer = lambda received: web.Response()
        await stack.open()
        await server.wait_taken(3)
        assert server.taken_of(untold) == [1, 2, 3]
        # The one that failed twice waits for its own time; it and what follows are kept.
        assert stack.states(tried) == [PENDING, PENDING]
        assert stack.records(tried)[0].attempts == 2
        await stack.close()


async def test_more_events_than_memory_holds_are_delivered_from_the_table_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notifier_module, "PAGE_EVENTS", 7)
    async with open_server() as server:
        stack = Stack(
            tmp_path / "db",
            settings=NotifySettings(queue_per_endpoint_max=10, concurrency_per_endpoint=3),
        )
        stack.applications.put(create_application(APP, server.url))
        await stack.open()
        calls = [await stack.place(APP, events=4) for _ in range(40)]
        await server.wait_taken(160)
        for call in calls:
            assert server.taken_of(call) == [1, 2, 3, 4]
            await stack.wait_states(call, [DELIVERED] * 4)
        last = await stack.place(APP)
        await server.wait_taken(161)
        assert server.taken_of(last) == [1]
        await stack.close()


async def test_event_of_application_without_url_is_marked_none(stack: Stack) -> None:
    stack.applications.put(create_application("silent", None))
    first = await stack.place("silent", events=2)
    await stack.wait_states(first, [NONE, NONE])
    second = await stack.place("silent", events=2)
    await stack.wait_states(second, [NONE, NONE])


async def test_application_that_gets_a_url_is_told_from_then_on(
    stack: Stack, server: ApplicationServer
) -> None:
    stack.applications.put(create_application("silent", None))
    await stack.wait_states(await stack.place("silent"), [NONE])
    stack.applications.move("silent", server.url)
    call = await stack.place("silent", events=2)
    await stack.wait_states(call, [DELIVERED, DELIVERED])
    assert server.taken_of(call) == [1, 2]


async def test_event_of_disabled_application_is_delivered(
    stack: Stack, server: ApplicationServer
) -> None:
    application = create_application("off", server.url)
    stack.applications.put(replace(application, status=ApplicationStatus.DISABLED))
    call = await stack.place("off")
    await stack.wait_states(call, [DELIVERED])


async def test_event_of_unknown_application_is_given_up(stack: Stack) -> None:
    call = await stack.place("unknown")
    await stack.wait_states(call, [GIVEN_UP])


async def test_url_that_changes_takes_what_waits_along(
    stack: Stack, server: ApplicationServer
) -> None:
    server.answer = lambda received: web.Response(status=500)
    async with open_server() as other:
        call = await stack.place(APP, events=3)
        await server.wait_asked(1)
        stack.applications.move(APP, other.url)
        await other.wait_taken(3)
        assert other.taken_of(call) == [1, 2, 3]
        await stack.wait_states(call, [DELIVERED] * 3)


async def test_answer_that_is_too_long_or_never_ends_counts_by_its_status(
    stack: Stack, server: ApplicationServer
) -> None:
    server.answer = lambda received: web.Response(body=b"x" * (4 * ANSWER_BYTES_MAX))
    calls = [await stack.place(APP) for _ in range(3)]
    for call in calls:
        await stack.wait_states(call, [DELIVERED])


async def test_connection_closed_by_the_server_meanwhile_is_replaced_at_once(
    tmp_path: Path,
) -> None:
    """A server that closes after each answer without saying so."""
    taken: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
            taken.append(await reader.readexactly(length))
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            await writer.drain()
        except asyncio.IncompleteReadError:
            pass
        finally:
            writer.close()

    listener = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    stack = Stack(tmp_path / "db")
    stack.applications.put(create_application(APP, f"http://127.0.0.1:{port}"))
    await stack.open()
    call = await stack.place(APP, events=4)
    await stack.wait_states(call, [DELIVERED] * 4)
    assert all(record.attempts == 1 for record in stack.records(call))
    await stack.close()
    listener.close()
    await listener.wait_closed()


async def test_server_that_speaks_no_http_is_retried(stack: Stack) -> None:
    async def babble(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.example.com ESMTP\r\n")
        await writer.drain()
        writer.close()

    listener = await asyncio.start_server(babble, "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    stack.applications.put(create_application("mail", f"http://127.0.0.1:{port}"))
    call = await stack.place("mail")
    await stack.wait_states(call, [GIVEN_UP])
    listener.close()
    await listener.wait_closed()


async def test_close_leaves_what_is_under_way_pending(tmp_path: Path) -> None:
    async with open_server() as server:

        async def hang(received: Received) -> web.StreamResponse:
            await asyncio.Event().wait()
            raise AssertionError

        server.answer = hang
        stack = Stack(tmp_path / "db")
        stack.applications.put(create_application(APP, server.url))
        await stack.open()
        call = await stack.place(APP, events=2)
        await server.wait_asked(1)
        async with asyncio.timeout(PATIENCE_S):
            await stack.close()
        server.answer = lambda received: web.Response()
        await stack.open()
        await server.wait_taken(2)
        assert server.taken_of(call) == [1, 2]
        await stack.close()
