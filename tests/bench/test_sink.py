"""Tests of the sink, spoken to over real connections."""

import asyncio
import json
import time
from functools import partial

import pytest

from clicktodial.bench.http_client import HttpClient, render_post
from clicktodial.bench.sink import NOTIFY_PATH, Notification, NotificationSink, run_sink


def _set(answer: asyncio.Future[tuple[int, bytes]], status: int, body: bytes) -> None:
    answer.set_result((status, body))


async def send(sink: NotificationSink, path: str, *bodies: bytes) -> list[tuple[int, bytes]]:
    client = HttpClient("127.0.0.1", sink.port)
    answers = []
    for body in bodies:
        answer: asyncio.Future[tuple[int, bytes]] = asyncio.get_running_loop().create_future()
        request = render_post("sink", path, "Basic eDp5", body)
        client.send(request, partial(_set, answer))
        answers.append(await answer)
    await client.close()
    return answers


async def test_notification_is_answered_and_handed_on_with_its_time() -> None:
    taken: list[Notification] = []
    before = time.perf_counter()
    async with run_sink() as sink:
        sink.on_notification = taken.append
        bodies = (
            b'{"status":"Connected","APPID":"1"}',
            b'{"status":"Disconnected","reason":"HangUp"}',
        )
        answers = await send(sink, f"{NOTIFY_PATH}abc", *bodies)
    for status, body in answers:
        assert status == 200
        assert json.loads(body) == {"code": "0000000", "description": "Success"}
    assert [(each.call_id, each.status, each.reason) for each in taken] == [
        ("abc", "Connected", None),
        ("abc", "Disconnected", "HangUp"),
    ]
    assert before < taken[0].received_at < taken[1].received_at < time.perf_counter()


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/elsewhere", b'{"status":"Connected"}'),
        (f"{NOTIFY_PATH}abc", b"not json"),
        (f"{NOTIFY_PATH}abc", b"{}"),
        (f"{NOTIFY_PATH}abc", b'{"status":"' + b"x" * 100_000 + b'"}'),
    ],
)
async def test_anything_else_is_refused_and_counted(path: str, body: bytes) -> None:
    async with run_sink() as sink:
        answers = await send(sink, path, body)
        assert answers == [(404, b"")]
        assert sink.refused_count == 1


async def test_garbage_closes_the_connection() -> None:
    async with run_sink() as sink:
        reader, writer = await asyncio.open_connection("127.0.0.1", sink.port)
        writer.write(b"\x00\x01 garbage\r\n\r\n")
        assert await reader.read() == b""
        writer.close()
        await writer.wait_closed()
