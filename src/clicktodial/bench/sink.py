"""The application's server: takes status notifications, notes when each came, answers at once."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TypeAlias, cast

import httptools
import msgspec

NOTIFY_PATH = "/clicktodial/v1/clicktodialstatusnotify/"
_ANSWER_BODY = b'{"code":"0000000","description":"Success"}'
_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (
    len(_ANSWER_BODY),
    _ANSWER_BODY,
)
_NOT_FOUND = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"
_BACKLOG = 1_024
# Ours is below 1 KB; a longer one is cut, and then is no JSON.
_BODY_BYTES_MAX = 16_384


@dataclass(frozen=True, slots=True)
class Notification:
    """One status notification; `received_at` is of time.perf_counter."""

    call_id: str
    status: str
    reason: str | None
    received_at: float


OnNotification: TypeAlias = Callable[[Notification], None]


class _Body(msgspec.Struct):
    status: str
    reason: str | None = None


_DECODER = msgspec.json.Decoder(_Body)


class _Connection(asyncio.Protocol):
    def __init__(self, sink: "NotificationSink") -> None:
        self._sink = sink
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport | None = None
        self._received_at = 0.0
        self._url = b""
        self._body = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports have asyncio.Transport's methods, but are none of its class.
        self._transport = cast(asyncio.Transport, transport)
        self._sink.connections.add(self._transport)

    def connection_lost(self, exc: Exception | None) -> None:
        assert self._transport is not None
        self._sink.connections.discard(self._transport)

    def data_received(self, data: bytes) -> None:
        assert self._transport is not None
        self._received_at = time.perf_counter()
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._transport.close()

    # httptools

    def on_message_begin(self) -> None:
        self._url = b""
        self._body = b""

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_body(self, data: bytes) -> None:
        self._body += data[: _BODY_BYTES_MAX - len(self._body)]

    def on_message_complete(self) -> None:
        assert self._transport is not None
        notification = self._parse()
        if notification is None:
            self._sink.refused_count += 1
            self._transport.write(_NOT_FOUND)
            return
        self._transport.write(_ANSWER)
        self._sink.on_notification(notification)

    def _parse(self) -> Notification | None:
        path = self._url.decode(errors="replace")
        if not path.startswith(NOTIFY_PATH):
            return None
        try:
            body = _DECODER.decode(self._body)
        except msgspec.DecodeError:
            return None
        return Notification(
            path.removeprefix(NOTIFY_PATH), body.status, body.reason, self._received_at
        )


class NotificationSink:
    """Hands each notification to `on_notification`, which may be changed at any time."""

    def __init__(self) -> None:
        self.on_notification: OnNotification = lambda notification: None
        self.refused_count = 0
        self.connections: set[asyncio.Transport] = set()
        self.port = 0


@asynccontextmanager
async def run_sink() -> AsyncIterator[NotificationSink]:
    """A sink on a free port of the loopback, until the block ends."""
    sink = NotificationSink()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Connection(sink), "127.0.0.1", 0, backlog=_BACKLOG)
    sink.port = server.sockets[0].getsockname()[1]
    try:
        yield sink
    finally:
        server.close()
        for transport in list(sink.connections):
            transport.close()
        await server.wait_closed()
