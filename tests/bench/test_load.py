"""Tests of offering calls and following them, over real connections."""

import asyncio
import itertools
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import TypeVar

import pytest

from clicktodial.bench.http_client import HttpClient
from clicktodial.bench.load import EXPECTED_STATUSES, Load, OfferedCall
from clicktodial.bench.sink import Notification, NotificationSink

_WAIT_S = 20.0
Taken = TypeVar("Taken")


@dataclass
class Script:
    """How a small server answers: each begin with the next call id, or with a status."""

    refusals: dict[int, tuple[int, str]] = field(default_factory=dict)
    bodies: asyncio.Queue[dict[str, str]] = field(default_factory=asyncio.Queue)
    released: asyncio.Queue[str] = field(default_factory=asyncio.Queue)
    early: NotificationSink | None = None
    begun_count: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            await self._serve(reader, writer)
        writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            path = line.split()[1].decode()
            headers = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
            length = int(headers.partition("content-length: ")[2].split()[0])
            body = json.loads(await reader.readexactly(length))
            status, answer = self._answer(path, body)
            content = json.dumps(answer).encode()
            writer.write(b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n" % (status, len(content)))
            writer.write(content)

    def _answer(self, path: str, body: dict[str, str]) -> tuple[int, dict[str, object]]:
        if "release" in path:
            assert body == {"APPID": "12345678", "operation": "EndCall"}
            self.released.put_nowait(path.rpartition("/")[2])
            return 200, {"code": "0000000"}
        self.bodies.put_nowait(body)
        self.begun_count += 1
        index = self.begun_count
        if index in self.refusals:
            status, code = self.refusals[index]
            return status, {"code": code}
        if self.early is not None:
            self.early.on_notification(told(f"call{index}", "CallingCaller"))
        return 200, {"code": "0000000", "result": {"callidentifier": f"call{index}"}}


@asynccontextmanager
async def loading(script: Script, *, hold_s: float | None) -> AsyncIterator[tuple[Load, "Tell"]]:
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        await script.serve(reader, writer)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    client = HttpClient(host, port)
    sink = script.early or NotificationSink()
    try:
        yield Load(client, sink, hold_s=hold_s), Tell(sink)
    finally:
        await client.close()
        server.close()
        await server.wait_closed()
        await asyncio.gather(*tasks)


class Tell:
    """Lets notifications come."""

    def __init__(self, sink: NotificationSink) -> None:
        self._sink = sink
        self._clock = itertools.count(1_000.0)

    def __call__(self, call_id: str, *statuses: str, reason: str | None = None) -> None:
        for status in statuses:
            self._sink.on_notification(told(call_id, status, reason, next(self._clock)))


def told(
    call_id: str, status: str, reason: str | None = None, received_at: float = 0.0
) -> Notification:
    return Notification(call_id, status, reason, received_at)


async def take(queue: "asyncio.Queue[Taken]", count: int) -> "list[Taken]":
    async with asyncio.timeout(_WAIT_S):
        return [await queue.get() for _ in range(count)]


async def test_offer_sends_begins_of_different_numbers_at_the_rate() -> None:
    script = Script()
    async with loading(script, hold_s=0.0) as (load, _):
        started = asyncio.get_running_loop().time()
        await load.offer(100.0, 11, first_number=5)
        assert asyncio.get_running_loop().time() - started >= 0.095
        bodies = await take(script.bodies, 11)
    assert len({body["caller"] for body in bodies}) == 11
    assert bodies[0] == {
        "APPID": "12345678",
        "sponsor": "01052680000",
        "caller": "8613900000005",
        "callee": "8613800000005",
    }
    assert len(load.late_s) == 11


async def test_call_is_released_when_connected_and_over_when_disconnected() -> None:
    script = Script()
    async with loading(script, hold_s=0.0) as (load, tell):
        await load.offer(100.0, 1)
        tell("call1", "CallingCaller", "CallingCallee", "Connected")
        assert await take(script.released, 1) == ["call1"]
        assert load.connected_count == 1
        assert not await load.wait_over(0.01)
        tell("call1", "Disconnected", reason="HangUp")
        assert await load.wait_over(_WAIT_S)
        assert load.connected_count == 0
    assert script.released.empty()
    assert load.calls[0].is_success
    assert load.calls[0].connected_at == 1_002.0
    assert load.calls[0].disconnected_at == 1_003.0


async def test_held_calls_are_released_together() -> None:
    script = Script()
    async with loading(script, hold_s=None) as (load, tell):
        await load.offer(1_000.0, 3)
        for call_id in ("call1", "call2", "call3"):
            tell(call_id, *EXPECTED_STATUSES[:3])
        assert await load.wait_connected(_WAIT_S)
        assert load.connected_count == 3
        assert script.released.empty()
        tell("call2", "Disconnected", reason="Other")
        await load.release_all(1_000.0)
        assert sorted(await take(script.released, 2)) == ["call1", "call3"]
    assert script.released.empty()


async def test_refused_begin_is_over_at_once() -> None:
    script = Script(refusals={1: (503, "0000002")})
    async with loading(script, hold_s=0.0) as (load, _):
        await load.offer(100.0, 1)
        assert await load.wait_over(_WAIT_S)
        assert await load.wait_connected(_WAIT_S)
    assert load.calls[0].failure == "begin: 503 0000002"
    assert not load.calls[0].is_success


async def test_notification_before_the_answer_is_kept_for_it() -> None:
    script = Script(early=NotificationSink())
    async with loading(script, hold_s=0.0) as (load, tell):
        await load.offer(100.0, 1)
        await take(script.bodies, 1)
        tell("call1", "Disconnected", reason="CallerBusy")
        assert await load.wait_over(_WAIT_S)
    assert load.calls[0].statuses == ["CallingCaller", "Disconnected"]


def finished_call(statuses: list[str], reason: str | None) -> OfferedCall:
    call = OfferedCall("8613800000000", 0.0, 0.0, http_status=200, call_id="a")
    call.statuses = statuses
    call.reason = reason
    call.disconnected_at = 1.0 if "Disconnected" in statuses else None
    return call


@pytest.mark.parametrize(
    ("call", "failure"),
    [
        (OfferedCall("1", 0.0, 0.0), "begin not answered"),
        (OfferedCall("1", 0.0, 0.0, http_status=0), "begin: connection failed"),
        (finished_call([], None), "no end after begin"),
        (finished_call(EXPECTED_STATUSES[:2], None), "no end after CallingCallee"),
        (finished_call(EXPECTED_STATUSES, "Other"), "ended by Other"),
        (
            finished_call(["CallingCaller", "Disconnected"], "CallerBusy"),
            "CallerBusy after CallingCaller-Disconnected",
        ),
        (
            finished_call([*EXPECTED_STATUSES, "Disconnected"], "HangUp"),
            "HangUp after CallingCaller-CallingCallee-Connected-Disconnected-Disconnected",
        ),
    ],
)
def test_call_that_went_wrong_says_how(call: OfferedCall, failure: str) -> None:
    assert not call.is_success
    assert call.failure == failure
