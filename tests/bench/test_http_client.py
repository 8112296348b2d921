"""Tests of the client against small servers on real sockets."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import pytest

from clicktodial.bench import http_client
from clicktodial.bench.http_client import FAILED, HttpClient, render_post

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
_REQUEST = render_post("host", "/path", "Basic eDp5", b'{"a":1}')


class Counter:
    """A server that answers each request with its number and counts connections."""

    def __init__(self, *, answers_each: int = 1_000_000) -> None:
        self.connections = 0
        self.requests = 0
        self._answers_each = answers_each

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            for left in range(self._answers_each, 0, -1):
                await reader.readexactly(len(_REQUEST))
                self.requests += 1
                body = str(self.requests).encode()
                closing = b"Connection: close\r\n" if left == 1 else b""
                head = b"HTTP/1.1 200 OK\r\n%sContent-Length: %d\r\n\r\n" % (closing, len(body))
                writer.write(head + body)
                await writer.drain()
        writer.close()


@asynccontextmanager
async def connected(serve: Serve) -> AsyncIterator[HttpClient]:
    tasks: set[asyncio.Task[None]] = set()

    async def serve_tracked(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        await serve(reader, writer)

    server = await asyncio.start_server(serve_tracked, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    client = HttpClient(host, port)
    try:
        yield client
    finally:
        await client.close()
        server.close()
        await server.wait_closed()
        await asyncio.gather(*tasks)


def ask(client: HttpClient) -> asyncio.Future[tuple[int, bytes]]:
    answer: asyncio.Future[tuple[int, bytes]] = asyncio.get_running_loop().create_future()
    client.send(_REQUEST, lambda status, body: answer.set_result((status, body)))
    assert not answer.done()
    return answer


async def test_requests_one_after_the_other_share_a_connection() -> None:
    server = Counter()
    async with connected(server.serve) as client:
        assert [await ask(client) for _ in range(3)] == [(200, b"1"), (200, b"2"), (200, b"3")]
    assert server.connections == 1


async def test_requests_at_once_open_connections() -> None:
    server = Counter()
    async with connected(server.serve) as client:
        answers = await asyncio.gather(*(ask(client) for _ in range(10)))
    assert sorted(int(body) for _, body in answers) == list(range(1, 11))
    assert 1 < server.connections <= 10


async def test_connections_opened_ahead_are_used() -> None:
    server = Counter()
    async with connected(server.serve) as client:
        await client.open_connections(2)
        await asyncio.gather(ask(client), ask(client))
    assert server.connections == 2


async def test_requests_beyond_the_connections_wait_their_turn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(http_client, "CONNECTIONS_MAX", 2)
    server = Counter()
    async with connected(server.serve) as client:
        answers = await asyncio.gather(*(ask(client) for _ in range(20)))
    assert sorted(answers) == sorted((200, str(index).encode()) for index in range(1, 21))
    assert server.connections == 2


async def test_request_beyond_the_waiting_room_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_client, "WAITING_MAX", 1)
    server = Counter()
    async with connected(server.serve) as client:
        first, second = ask(client), ask(client)
        assert await second == (FAILED, b"")
        assert await first == (200, b"1")


async def test_connection_that_the_server_closes_is_replaced() -> None:
    server = Counter(answers_each=1)
    async with connected(server.serve) as client:
        assert [await ask(client) for _ in range(3)] == [(200, b"1"), (200, b"2"), (200, b"3")]
    assert server.connections == 3


async def test_waiting_request_outlives_a_connection_that_breaks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(http_client, "CONNECTIONS_MAX", 1)
    server = Counter(answers_each=1)
    async with connected(server.serve) as client:
        answers = await asyncio.gather(*(ask(client) for _ in range(3)))
    assert [status for status, _ in answers] == [200, 200, 200]


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab", b"?\n"])
async def test_answer_that_breaks_off_is_a_failure(answer: bytes) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(len(_REQUEST))
        writer.write(answer)
        writer.close()

    async with connected(serve) as client:
        status, _ = await ask(client)
        assert status == FAILED


async def test_server_that_is_not_there_is_a_failure_for_each() -> None:
    server = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    server.close()
    await server.wait_closed()
    client = HttpClient(host, port)
    answers = await asyncio.gather(*(ask(client) for _ in range(3)))
    assert answers == [(FAILED, b"")] * 3
    await client.close()


def test_post_has_all_that_v1_wants() -> None:
    head, _, body = _REQUEST.partition(b"\r\n\r\n")
    assert head.splitlines() == [
        b"POST /path HTTP/1.1",
        b"Host: host",
        b"Authorization: Basic eDp5",
        b"Content-Type: application/json",
        b"Content-Length: 7",
    ]
    assert body == b'{"a":1}'
