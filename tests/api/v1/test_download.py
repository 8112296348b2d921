"""Recordings as base64 inside JSON: exact, whole, and in constant memory."""

import asyncio
import base64
import hashlib
import io
import json
import os
import tracemalloc
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from litestar.types import Message
from tests.api.support import (
    APP_ID,
    DOWNLOAD,
    SECRET,
    Platform,
    basic,
)

from clicktodial.api import base64_file
from clicktodial.api.base64_file import PIECE_BYTES, FileTruncated
from clicktodial.api.server import HttpServer
from clicktodial.api.v1.download import (
    DOWNLOAD_RETRY_AFTER_S,
    DOWNLOADS_MAX,
    RecordingDownload,
)
from clicktodial.api.v1.error import Refused
from clicktodial.domain.identifier import CallId, RecordingId
from clicktodial.domain.recording import Recording

# An hour of two channels of 16 bits at 8 kHz, with its header.
HOUR_BYTES = 44 + 3600 * 8000 * 2 * 2
# One piece read, encoded and in the server's and the client's buffers, with room.
MEMORY_BYTES_MAX = 8 * 1024 * 1024


async def prepare(platform: Platform, content: bytes) -> tuple[CallId, RecordingId]:
    call_id = await platform.begin()
    return call_id, await platform.add_recording(call_id, content)


def request_body(recording_id: str) -> dict[str, str]:
    return {"APPID": APP_ID, "recordingId": recording_id}


@pytest.mark.parametrize(
    "size", [0, 1, 2, 3, 4, PIECE_BYTES - 1, PIECE_BYTES, PIECE_BYTES + 1, 2 * PIECE_BYTES + 2]
)
async def test_recording_of_any_size_comes_whole(platform: Platform, size: int) -> None:
    content = os.urandom(size)
    call_id, recording_id = await prepare(platform, content)
    answer = await platform.post(DOWNLOAD + call_id, request_body(recording_id))
    assert answer.status == 200
    assert answer.json["code"] == "0000000"
    assert answer.json["description"] == "Success"
    assert base64.b64decode(answer.json["filedata"], validate=True) == content


async def test_recording_whose_file_vanished_is_a_recording_id_error(platform: Platform) -> None:
    call_id, recording_id = await prepare(platform, b"RIFF")
    (platform.root / f"{recording_id}.wav").unlink()
    answer = await platform.post(DOWNLOAD + call_id, request_body(recording_id))
    assert answer.outcome == "400 1001005 Recording ID Error"


async def test_recording_whose_file_has_another_size_is_a_recording_id_error(
    platform: Platform,
) -> None:
    call_id, recording_id = await prepare(platform, b"RIFF")
    (platform.root / f"{recording_id}.wav").write_bytes(b"RIFFRIFF")
    answer = await platform.post(DOWNLOAD + call_id, request_body(recording_id))
    assert answer.outcome == "400 1001005 Recording ID Error"


async def test_recording_of_another_application_is_a_call_id_error(platform: Platform) -> None:
    call_id, recording_id = await prepare(platform, b"RIFF")
    answer = await platform.post(
        DOWNLOAD + call_id,
        {"APPID": "87654321", "recordingId": recording_id},
        credential=("87654321", "other"),
    )
    assert answer.outcome == "400 1001002 Call ID Error"


# Over a real connection


@pytest.fixture
async def server(platform: Platform) -> AsyncIterator[HttpServer]:
    http = HttpServer(platform.app)
    await http.start("127.0.0.1", 0)
    yield http
    await http.close()


async def ask(
    server: HttpServer, call_id: CallId, recording_id: RecordingId
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter, int]:
    """Send the request and read the head; returns the length of what follows."""
    reader, writer = await asyncio.open_connection(*server.address)
    body = json.dumps(request_body(recording_id)).encode()
    writer.write(
        b"POST %b HTTP/1.1\r\nHost: x\r\nAuthorization: %b\r\nContent-Length: %d\r\n\r\n%b"
        % ((DOWNLOAD + call_id).encode(), basic(APP_ID, SECRET), len(body), body)
    )
    head = await reader.readuntil(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 "), head
    [length] = [line for line in head.split(b"\r\n") if line.startswith(b"content-length")]
    return reader, writer, int(length.split(b": ")[1])


def write_hour(path: Path) -> None:
    """An hour-long file, mostly a hole, marked where pieces meet."""
    with path.open("wb") as file:
        file.truncate(HOUR_BYTES)
        for offset in range(0, HOUR_BYTES - 16, PIECE_BYTES):
            file.seek(max(offset - 8, 0))
            file.write(os.urandom(16))


async def add_hour(platform: Platform) -> tuple[CallId, RecordingId]:
    call_id, recording_id = await prepare(platform, b"")
    write_hour(platform.root / f"{recording_id}.wav")
    known = platform.catalog.recordings[recording_id]
    platform.catalog.recordings[recording_id] = Recording(
        recording_id, call_id, APP_ID, known.key, HOUR_BYTES, 3_600_000, "", known.created_at
    )
    return call_id, recording_id


async def test_recording_of_an_hour_is_sent_in_constant_memory(
    platform: Platform, server: HttpServer
) -> None:
    call_id, recording_id = await add_hour(platform)
    expected = hashlib.sha256()
    with (platform.root / f"{recording_id}.wav").open("rb") as file:
        while piece := file.read(1 << 20):
            expected.update(piece)
    tracemalloc.start()
    try:
        reader, writer, length = await ask(server, call_id, recording_id)
        prefix = await reader.readexactly(len(b'{"code":"0000000","description":"Success",'))
        prefix += await reader.readexactly(len(b'"filedata":"'))
        received = hashlib.sha256()
        remaining = length - len(prefix) - 2
        while remaining:
            text = await reader.readexactly(min(remaining, 65_536))
            received.update(base64.b64decode(text, validate=True))
            remaining -= len(text)
        assert await reader.readexactly(2) == b'"}'
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
        writer.close()
    assert length > 153_000_000
    assert received.digest() == expected.digest()
    assert peak < MEMORY_BYTES_MAX


async def test_reader_that_stops_holds_the_reading_and_is_cut_off(
    platform: Platform, server: HttpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(RecordingDownload, "stalled_after_s", 0.2)
    reads = count_reads(monkeypatch)
    call_id, recording_id = await add_hour(platform)
    reader, writer, length = await ask(server, call_id, recording_id)
    # Nothing more is read until the server has given up; then what was buffered still comes.
    await platform_idle(server)
    received = len(await reader.read())
    writer.close()
    assert received < length
    assert reads[0] * PIECE_BYTES < HOUR_BYTES / 4


def count_reads(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    reads = [0]
    read = base64_file.read_encoded

    def counted(file: Any, size_bytes: int) -> bytes:
        reads[0] += 1
        return read(file, size_bytes)

    monkeypatch.setattr(base64_file, "read_encoded", counted)
    return reads


async def platform_idle(server: HttpServer) -> None:
    """Until no request is under way."""
    tasks = server._server.server_state.tasks
    while tasks:
        await asyncio.wait(set(tasks))
        await asyncio.sleep(0)


async def test_reader_that_leaves_ends_the_reading(
    platform: Platform, server: HttpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads = count_reads(monkeypatch)
    call_id, recording_id = await add_hour(platform)
    _, writer, _ = await ask(server, call_id, recording_id)
    writer.transport.abort()
    await platform_idle(server)
    assert reads[0] * PIECE_BYTES < HOUR_BYTES / 4


async def test_file_cut_while_it_is_sent_ends_the_connection(
    platform: Platform, server: HttpServer
) -> None:
    call_id, recording_id = await add_hour(platform)
    reader, writer, length = await ask(server, call_id, recording_id)
    os.truncate(platform.root / f"{recording_id}.wav", PIECE_BYTES)
    received = len(await reader.read())
    writer.close()
    assert received < length


# Over ASGI, where each step can be held


class Peer:
    """The other end of an ASGI connection; `send` waits for `taken` after the head."""

    def __init__(self) -> None:
        self.taken = asyncio.Semaphore(0)
        self.sent: list[Any] = []
        self.waiting = asyncio.Event()
        self.gone = asyncio.Event()

    async def receive(self) -> Any:
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        self.sent.append(message)
        if message["type"] == "http.response.body":
            self.waiting.set()
            await self.taken.acquire()


def create_download(platform: Platform) -> RecordingDownload:
    return RecordingDownload(
        recordings=platform.catalog,
        is_known_call=platform.service.is_known,
        root=platform.root,
    )


async def test_next_piece_is_read_only_when_the_last_was_taken(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads = count_reads(monkeypatch)
    call_id, recording_id = await prepare(platform, b"x" * (5 * PIECE_BYTES))
    peer = Peer()
    sending = asyncio.create_task(
        create_download(platform).send(APP_ID, call_id, recording_id, peer.receive, peer.send)
    )
    for expected in range(6):
        await peer.waiting.wait()
        peer.waiting.clear()
        assert reads[0] == expected
        peer.taken.release()
    peer.taken.release()
    await sending
    assert peer.sent[-1]["more_body"] is False


async def test_download_beyond_the_limit_waits_for_its_turn(platform: Platform) -> None:
    call_id, recording_id = await prepare(platform, b"x")
    downloads = create_download(platform)
    peers = [Peer() for _ in range(DOWNLOADS_MAX)]
    tasks = [
        asyncio.create_task(downloads.send(APP_ID, call_id, recording_id, peer.receive, peer.send))
        for peer in peers
    ]
    for peer in peers:
        await peer.waiting.wait()
    surplus = Peer()
    with pytest.raises(Refused) as refused:
        await downloads.send(APP_ID, call_id, recording_id, surplus.receive, surplus.send)
    assert refused.value.refusal.code == "0000002"
    assert refused.value.retry_after_s == DOWNLOAD_RETRY_AFTER_S
    assert surplus.sent == []
    for peer in peers:
        for _ in range(3):
            peer.taken.release()
    await asyncio.gather(*tasks)
    surplus.taken = asyncio.Semaphore(3)
    await downloads.send(APP_ID, call_id, recording_id, surplus.receive, surplus.send)
    assert surplus.sent[-1]["more_body"] is False


def test_file_cut_before_its_end_is_an_error() -> None:
    with pytest.raises(FileTruncated):
        base64_file.read_encoded(io.BytesIO(b"abc"), 6)


def test_file_read_in_small_parts_is_encoded_whole() -> None:
    class Halting(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            return super().read(1)

    assert base64.b64decode(base64_file.read_encoded(Halting(b"abcdef"), 6)) == b"abcdef"
