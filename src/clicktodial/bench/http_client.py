"""A small HTTP/1.1 client over keep-alive connections, cheap enough not to be what is measured."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import TypeAlias, cast

import httptools

# (status, body) of the answer; status 0 where the connection failed before it was whole.
OnAnswer: TypeAlias = Callable[[int, bytes], None]

FAILED = 0
# Far more than answers in time need; a platform that queues makes us open them.
CONNECTIONS_MAX = 512
# Requests that wait for a connection; beyond, a request fails at once.
WAITING_MAX = 20_000


class _Connection(asyncio.Protocol):
    """One connection; one request on it at a time."""

    def __init__(
        self,
        on_idle: Callable[["_Connection"], None],
        on_lost: Callable[["_Connection"], None],
    ) -> None:
        self._on_idle = on_idle
        self._on_lost = on_lost
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._on_answer: OnAnswer | None = None
        self._body: list[bytes] = []
        self.is_open = False

    def send(self, request: bytes, on_answer: OnAnswer) -> None:
        assert self._transport is not None and self._on_answer is None
        self._on_answer = on_answer
        self._body.clear()
        self._transport.write(request)

    def close(self) -> None:
        self.is_open = False
        if self._transport is not None:
            self._transport.close()

    # asyncio

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports have asyncio.Transport's methods, but are none of its class.
        self._transport = cast(asyncio.Transport, transport)
        self.is_open = True

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_open = False
        self._on_lost(self)
        self._answer(FAILED)

    # httptools

    def on_body(self, data: bytes) -> None:
        self._body.append(data)

    def on_message_complete(self) -> None:
        if not self._parser.should_keep_alive():
            self.close()
        self._answer(self._parser.get_status_code())

    def _answer(self, status: int) -> None:
        on_answer, self._on_answer = self._on_answer, None
        if on_answer is None:
            return
        body = b"".join(self._body)
        # Idle first: the callback may well send the next request.
        if self.is_open:
            self._on_idle(self)
        on_answer(status, body)


class HttpClient:
    """Sends requests to one server, each on an idle connection or a new one, in order."""

    def __init__(self, host: str, port: int) -> None:
        self._address = (host, port)
        self._connections: set[_Connection] = set()
        # The one used last is used next: the others may be closed by the server meanwhile.
        self._idle: list[_Connection] = []
        self._waiting: deque[tuple[bytes, OnAnswer]] = deque()
        self._opening: set[asyncio.Task[None]] = set()

    async def open_connections(self, count: int) -> None:
        """Open connections ahead of need, so that their set-up is not measured. OSError."""
        for _ in range(count):
            await self._open()

    def send(self, request: bytes, on_answer: OnAnswer) -> None:
        """Send a whole request; `on_answer` is called once, and never before this returns."""
        while self._idle:
            connection = self._idle.pop()
            if connection.is_open:
                connection.send(request, on_answer)
                return
        if len(self._waiting) >= WAITING_MAX:
            asyncio.get_running_loop().call_soon(on_answer, FAILED, b"")
            return
        self._waiting.append((request, on_answer))
        self._open_another()

    async def close(self) -> None:
        """Close all; what is under way fails, and what waits is forgotten."""
        for task in self._opening:
            task.cancel()
        await asyncio.gather(*self._opening, return_exceptions=True)
        self._waiting.clear()
        for connection in list(self._connections):
            connection.close()

    def _open_another(self) -> None:
        if len(self._connections) + len(self._opening) < CONNECTIONS_MAX:
            task = asyncio.create_task(self._open())
            self._opening.add(task)
            task.add_done_callback(self._on_opened)

    async def _open(self) -> None:
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(
            lambda: _Connection(self._on_idle, self._on_lost), *self._address
        )
        self._connections.add(connection)
        self._on_idle(connection)

    def _on_opened(self, task: asyncio.Task[None]) -> None:
        self._opening.discard(task)
        if not task.cancelled() and isinstance(task.exception(), OSError) and self._waiting:
            _, on_answer = self._waiting.popleft()
            on_answer(FAILED, b"")
            if self._waiting and not self._opening:
                self._open_another()

    def _on_lost(self, connection: _Connection) -> None:
        self._connections.discard(connection)
        if self._waiting:
            self._open_another()

    def _on_idle(self, connection: _Connection) -> None:
        if self._waiting:
            connection.send(*self._waiting.popleft())
        else:
            self._idle.append(connection)


def render_post(host: str, path: str, authorization: str, body: bytes) -> bytes:
    """A POST request of a JSON body."""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: {authorization}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body
