"""The real server on the loopback, spoken to in bytes: what HTTP libraries would never send."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
from tests.api.support import (
    APP_ID,
    BEGIN,
    BODY_BYTES_MAX,
    SECRET,
    Answer,
    Platform,
    basic,
    begin_body,
)

from clicktodial.api.protocol import HEAD_BYTES_MAX, BoundedHttpProtocol
from clicktodial.api.server import HttpServer
from clicktodial.web.request import DISCARDED_BYTES_MAX

AUTHORIZATION = b"Authorization: " + basic(APP_ID, SECRET) + b"\r\n"
BODY = json.dumps(begin_body()).encode()
TOO_LONG = "403 0001005 Message length is too long"
INVALID = "400 1001006 Invalid Input Value"


class Client:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def send(self, *pieces: bytes) -> None:
        for piece in pieces:
            self.writer.write(piece)
            await self.writer.drain()

    async def read_answer(self) -> Answer:
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode()
        status_line, *lines = head.strip().split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in lines)
        body = await self.reader.readexactly(int(headers.get("content-length", "0")))
        return Answer(int(status_line.split()[1]), headers, body)

    async def read_to_end(self) -> bytes:
        return await self.reader.read()


@dataclass
class Server:
    """A platform behind a socket."""

    platform: Platform
    address: tuple[str, int]
    clients: list[Client]

    async def connect(self) -> Client:
        client = Client(*await asyncio.open_connection(*self.address))
        self.clients.append(client)
        return client

    async def exchange(self, *pieces: bytes) -> Answer:
        client = await self.connect()
        await client.send(*pieces)
        return await client.read_answer()


@pytest.fixture
async def server(platform: Platform) -> AsyncIterator[Server]:
    http = HttpServer(platform.app)
    await http.start("127.0.0.1", 0)
    server = Server(platform, http.address, [])
    yield server
    for client in server.clients:
        client.writer.close()
    await http.close()


def request(
    *headers: bytes,
    body: bytes = BODY,
    method: bytes = b"POST",
    path: str = BEGIN,
    authorization: bytes = AUTHORIZATION,
) -> bytes:
    lines = [method + b" " + path.encode() + b" HTTP/1.1\r\nHost: 127.0.0.1\r\n", authorization]
    lines += [header + b"\r\n" for header in headers or (b"Content-Length: %d" % len(body),)]
    return b"".join(lines) + b"\r\n" + body


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def check(server: Server, answer: Answer, path: str = BEGIN) -> str:
    server.platform.conformance.check("POST", path, answer)
    return answer.outcome if answer.status >= 400 else str(answer.status)


async def test_request_of_the_specification_is_taken(server: Server) -> None:
    assert check(server, await server.exchange(request())) == "200"


async def test_requests_one_after_the_other_share_a_connection(server: Server) -> None:
    client = await server.connect()
    for _ in range(3):
        await client.send(request())
        assert check(server, await client.read_answer()) == "200"
    assert len(server.platform.service.begun) == 3


async def test_pipelined_requests_are_answered_in_order(server: Server) -> None:
    client = await server.connect()
    bad = request(body=b"{")
    await client.send(request() + bad + request() + bad)
    statuses = [(await client.read_answer()).status for _ in range(4)]
    assert statuses == [200, 400, 200, 400]


async def test_request_in_single_bytes_is_taken(server: Server) -> None:
    whole = request()
    pieces = [whole[index : index + 1] for index in range(len(whole))]
    assert check(server, await server.exchange(*pieces)) == "200"


async def test_chunked_body_is_taken(server: Server) -> None:
    answer = await server.exchange(
        request(b"Transfer-Encoding: chunked", body=b""),
        chunk(BODY[:10]),
        chunk(BODY[10:]),
        b"0\r\n\r\n",
    )
    assert check(server, answer) == "200"


async def test_form_content_type_of_curl_is_ignored(server: Server) -> None:
    answer = await server.exchange(
        request(
            b"Content-Type: application/x-www-form-urlencoded", b"Content-Length: %d" % len(BODY)
        )
    )
    assert check(server, answer) == "200"


async def test_expected_continue_is_sent_before_the_body(server: Server) -> None:
    client = await server.connect()
    await client.send(request(b"Expect: 100-continue", b"Content-Length: %d" % len(BODY), body=b""))
    assert (await client.read_answer()).status == 100
    await client.send(BODY)
    assert check(server, await client.read_answer()) == "200"


async def test_expected_continue_of_a_stranger_is_refused_unread(server: Server) -> None:
    answer = await server.exchange(
        request(b"Expect: 100-continue", b"Content-Length: 99", body=b"", authorization=b"")
    )
    assert answer.outcome == "401 0001002 No authorization to invoke operation"


async def test_body_of_the_limit_is_taken_and_one_byte_more_is_not(server: Server) -> None:
    client = await server.connect()
    await client.send(request(body=BODY.ljust(BODY_BYTES_MAX)))
    assert check(server, await client.read_answer()) == "200"
    await client.send(request(body=BODY.ljust(BODY_BYTES_MAX + 1)))
    assert check(server, await client.read_answer()) == TOO_LONG
    await client.send(request())
    assert check(server, await client.read_answer()) == "200"


async def test_long_body_is_read_away_before_it_is_refused(server: Server) -> None:
    client = await server.connect()
    await client.send(request(body=b" " * 300_000), request())
    assert check(server, await client.read_answer()) == TOO_LONG
    assert check(server, await client.read_answer()) == "200"


async def test_endless_chunked_body_is_cut_off(server: Server) -> None:
    client = await server.connect()
    await client.send(request(b"Transfer-Encoding: chunked", body=b""))
    sent = 0

    async def send_endlessly() -> None:
        nonlocal sent
        while True:
            await client.send(chunk(b" " * 65_536))
            sent += 65_536

    sending = asyncio.create_task(send_endlessly())
    answer = await client.read_answer()
    with pytest.raises(ConnectionError):
        await sending
    assert check(server, answer) == TOO_LONG
    assert answer.headers["connection"] == "close"
    assert sent > DISCARDED_BYTES_MAX


async def test_announced_giant_body_is_cut_off(server: Server) -> None:
    client = await server.connect()
    await client.send(request(b"Content-Length: 99999999999", body=b" " * 2_000_000))
    answer = await client.read_answer()
    assert check(server, answer) == TOO_LONG
    assert answer.headers["connection"] == "close"


async def test_refused_stranger_keeps_the_connection_in_step(server: Server) -> None:
    client = await server.connect()
    await client.send(request(authorization=b"", body=b"x" * 5000) + request())
    assert (await client.read_answer()).status == 401
    assert check(server, await client.read_answer()) == "200"


@pytest.mark.parametrize(
    "raw",
    [
        b"\x16\x03\x01\x02\x00\x01\x00",
        b"GET\r\n\r\n",
        b"POST / HTTP/9.9\r\n\r\n",
        b"POST  HTTP/1.1\r\n\r\n",
        request(b"Content-Length: -1"),
        request(b"Content-Length: 1", b"Content-Length: 2"),
        request(b"Content-Length: 5", b"Transfer-Encoding: chunked"),
        request(b"Transfer-Encoding: chunked", body=b"zz\r\n"),
        request(b"Bad Header: 1"),
        request(b"X: a\x00b"),
        b"POST /\xff\xfe HTTP/1.1\r\nHost: x\r\n\r\n",
        b"CONNECT nowhere:1 HTTP/1.1\r\n\r\n",
    ],
)
async def test_bytes_that_are_not_http_are_refused_and_cut_off(server: Server, raw: bytes) -> None:
    client = await server.connect()
    await client.send(raw)
    answer = await client.read_answer()
    assert answer.status in {400, 405}
    assert answer.headers["content-type"] == "application/json"
    assert not server.platform.service.begun


async def test_head_over_the_limit_is_refused(server: Server) -> None:
    client = await server.connect()
    await client.send(request(b"X-Long: " + b"a" * HEAD_BYTES_MAX))
    assert (await client.read_answer()).outcome == INVALID
    assert await client.read_to_end() == b""


async def test_many_headers_over_the_limit_are_refused(server: Server) -> None:
    client = await server.connect()
    await client.send(request(*[b"X-%d: %d" % (index, index) for index in range(4000)]))
    assert (await client.read_answer()).outcome == INVALID


async def test_header_without_end_is_refused_at_the_limit(server: Server) -> None:
    client = await server.connect()
    await client.send(b"POST / HTTP/1.1\r\nX-Endless: ")
    answer = asyncio.create_task(client.read_answer())
    sent = 0
    while not answer.done() and sent < 10_000_000:
        try:
            await client.send(b"a" * 1000)
        except ConnectionError:
            break
        sent += 1000
        await asyncio.sleep(0)
    assert (await answer).outcome == INVALID


@pytest.mark.parametrize(
    "start", [b"", b"\r\n", b"POST / HTTP/1.1\r\n", request(b"Content-Length: 100", body=b"{")]
)
async def test_request_that_never_arrives_is_cut_off(
    server: Server, monkeypatch: pytest.MonkeyPatch, start: bytes
) -> None:
    monkeypatch.setattr(BoundedHttpProtocol, "arrival_timeout_s", 0.05)
    client = await server.connect()
    await client.send(start)
    assert await client.read_to_end() == b""


async def test_empty_lines_after_an_answer_do_not_hold_the_connection(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(BoundedHttpProtocol, "arrival_timeout_s", 0.05)
    client = await server.connect()
    await client.send(request())
    assert (await client.read_answer()).status == 200
    await client.send(b"\r\n")
    assert await client.read_to_end() == b""


async def test_one_connection_too_many_is_told_so(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(BoundedHttpProtocol, "connections_max", 1)
    client = await server.connect()
    await client.send(request())
    assert (await client.read_answer()).status == 200
    surplus = await server.connect()
    answer = await surplus.read_answer()
    assert answer.outcome == "503 0000002 Service unavailable"
    assert answer.headers["retry-after"] == "1"
    client.writer.close()


async def test_client_that_leaves_in_the_body_is_forgotten(server: Server) -> None:
    client = await server.connect()
    await client.send(request(b"Content-Length: 100", body=b"{"))
    client.writer.close()
    await client.writer.wait_closed()
    assert check(server, await server.exchange(request())) == "200"
    assert len(server.platform.service.begun) == 1


@pytest.mark.parametrize("host", [b"Host: <script>", b"Host: a b"])
async def test_host_that_is_none_is_refused(server: Server, host: bytes) -> None:
    answer = await server.exchange(
        b"POST " + BEGIN.encode() + b" HTTP/1.1\r\n" + host + b"\r\nContent-Length: 0\r\n\r\n"
    )
    assert answer.outcome == INVALID


async def test_head_request_has_no_body(server: Server) -> None:
    client = await server.connect()
    await client.send(request(method=b"HEAD", body=b""))
    head = await client.reader.readuntil(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 405 ") and b"\r\nallow: POST\r\n" in head


async def test_http_1_0_is_answered_and_closed(server: Server) -> None:
    client = await server.connect()
    await client.send(request().replace(b"HTTP/1.1", b"HTTP/1.0"))
    assert check(server, await client.read_answer()) == "200"
    assert await client.read_to_end() == b""


async def test_bound_address_before_start_is_unknown(platform: Platform) -> None:
    with pytest.raises(RuntimeError):
        _ = HttpServer(platform.app).address


async def test_server_that_fails_to_start_says_so(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object, **__: object) -> None:
        raise OSError("no room to listen")

    monkeypatch.setattr("uvicorn.Server.startup", fail)
    with pytest.raises(OSError, match="no room to listen"):
        await HttpServer(platform.app).start("127.0.0.1", 0)
