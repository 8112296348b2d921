"""Posting to servers that answer as servers do: well, badly, late, or not at all."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from tests.harness.address import allocate_host
from tests.harness.certificate import Authority
from tests.notify.support import PATIENCE_S

from clicktodial.control.delivery import ANSWER_CHARACTERS_MAX
from clicktodial.notify import connection_pool
from clicktodial.notify.format import NotificationRequest
from clicktodial.notify.http_connection import ANSWER_BYTES_MAX, HEAD_BYTES_MAX
from clicktodial.notify.sender import Attempt, Sender, describe_body, parse_url, render_post

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
BODY = b'{"status":"Connected"}'


class RawServer:
    """Answers each request with bytes as they are; closes after those in `closes_after`."""

    def __init__(self) -> None:
        self.answer: Callable[[int], bytes] = lambda number: OK
        self.closes_after: set[int] = set()
        self.requests: list[bytes] = []
        self.connections = 0
        self.port = 0
        self.host = allocate_host()
        self.scheme = "http"
        self.closed = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.split(b"Content-Length: ")[1].split(b"\r\n")[0])
                self.requests.append(head + await reader.readexactly(length))
                number = len(self.requests)
                writer.write(self.answer(number))
                await writer.drain()
                if number in self.closes_after:
                    return
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()
            self.closed.set()

    def request(self, path: str = "/status/1") -> NotificationRequest:
        """A notification to it."""
        url = f"{self.scheme}://{self.host}:{self.port}{path}"
        return NotificationRequest(url, (("Content-Type", "application/json"),), BODY)


@asynccontextmanager
async def open_raw_server(tls: ssl.SSLContext | None = None) -> AsyncIterator[RawServer]:
    """A server on an address of its own."""
    server = RawServer()
    listener = await asyncio.start_server(server.serve, server.host, 0, ssl=tls)
    server.port = listener.sockets[0].getsockname()[1]
    server.scheme = "https" if tls else "http"
    try:
        yield server
    finally:
        listener.close()


@pytest.fixture
async def server() -> AsyncIterator[RawServer]:
    async with open_raw_server() as server:
        yield server


@pytest.fixture
async def sender() -> AsyncIterator[Sender]:
    sender = Sender(timeout_s=PATIENCE_S)
    yield sender
    sender.close()


async def send(sender: Sender, request: NotificationRequest) -> str | None:
    """What went wrong."""
    return (await attempt(sender, request)).error


async def attempt(sender: Sender, request: NotificationRequest) -> Attempt:
    return await sender.send(request, (("webhook-id", "1"),), allow_private_addresses=True)


async def test_request_is_whole(sender: Sender, server: RawServer) -> None:
    assert await send(sender, server.request("/a%20b")) is None
    assert server.requests == [
        b"POST /a%%20b HTTP/1.1\r\nHost: %b:%d\r\nUser-Agent: clicktodial\r\nAccept: */*\r\n"
        b"Content-Type: application/json\r\nwebhook-id: 1\r\nContent-Length: 22\r\n\r\n%b"
        % (server.host.encode(), server.port, BODY)
    ]


@pytest.mark.parametrize(
    "answer",
    [
        OK,
        b"HTTP/1.1 204 No Content\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nTrailer: x\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + OK,
        b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n",
    ],
    ids=["length", "no content", "chunked", "interim", "1.0 kept"],
)
async def test_whole_answer_leaves_the_connection_for_the_next(
    sender: Sender, server: RawServer, answer: bytes
) -> None:
    server.answer = lambda number: answer
    for _ in range(3):
        assert await send(sender, server.request()) is None
    assert server.connections == 1


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n",
        OK + OK,
        OK + b"\0\0\0",
        b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (2 * ANSWER_BYTES_MAX)
        + bytes(2 * ANSWER_BYTES_MAX),
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nno length\r\n",
    ],
    ids=["close", "1.0", "two answers", "and more", "too long", "broken body"],
)
async def test_answer_after_which_nothing_is_sure_costs_the_connection(
    sender: Sender, server: RawServer, answer: bytes
) -> None:
    server.answer = lambda number: answer
    for _ in range(2):
        assert await send(sender, server.request()) is None
    assert server.connections == 2


async def test_answer_that_ends_with_the_connection_counts(
    sender: Sender, server: RawServer
) -> None:
    server.answer = lambda number: b"HTTP/1.1 500 Oops\r\n\r\nno length"
    server.closes_after = {1}
    assert await send(sender, server.request()) == "HTTP 500"


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (OK, Attempt(None, 200)),
        (b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n", Attempt("HTTP 503", 503)),
        (
            b"HTTP/1.1 422 No\r\nTransfer-Encoding: chunked\r\n\r\n"
            b"3\r\nno \r\n3\r\nkey\r\n0\r\n\r\n",
            Attempt("HTTP 422", 422, "no key"),
        ),
        (
            b"HTTP/1.1 500 Oops\r\nContent-Length: 4\r\n\r\n\x1b[m\n",
            Attempt("HTTP 500", 500, "\\x1b[m"),
        ),
        (
            b"HTTP/1.1 500 Oops\r\nContent-Length: 60000\r\n\r\n" + b"x" * 60_000,
            Attempt("HTTP 500", 500, "x" * (ANSWER_CHARACTERS_MAX - 1) + "…"),
        ),
    ],
    ids=["taken", "says nothing", "in pieces", "controls", "long"],
)
async def test_what_a_server_says_when_it_refuses_is_told(
    sender: Sender, server: RawServer, answer: bytes, expected: Attempt
) -> None:
    server.answer = lambda number: answer
    for _ in range(2):  # and the next one of the connection has its own answer
        assert await attempt(sender, server.request()) == expected
    assert server.connections == 1


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b' {"code": 1}\r\n', '{"code": 1}'),
        (b"a\r\n\tb\0c", r"a\r\n\tb\x00c"),
        ("钥匙\u202e反".encode(), r"钥匙\u202e反"),
        (b"\x01\x8b\xff", "\\x01\ufffd\ufffd"),
        (b"x" * ANSWER_CHARACTERS_MAX, "x" * ANSWER_CHARACTERS_MAX),
        (b"\0" * ANSWER_CHARACTERS_MAX, "\\x00" * 49 + "\\x0…"),
    ],
)
def test_body_is_described_in_a_bounded_line(body: bytes, expected: str) -> None:
    assert describe_body(body) == expected
    assert len(expected) <= ANSWER_CHARACTERS_MAX


@pytest.mark.parametrize(
    "answer",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/1.1 twohundred OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * HEAD_BYTES_MAX,
        b"HTTP/1.1 100 Continue\r\n\r\n" * (HEAD_BYTES_MAX // 10),
    ],
    ids=["ssh", "status", "endless head", "endless interim"],
)
async def test_what_is_no_answer_is_told(sender: Sender, server: RawServer, answer: bytes) -> None:
    server.answer = lambda number: answer
    error = await send(sender, server.request())
    assert error is not None and error.startswith("AnswerUnreadable")
    await asyncio.wait_for(server.closed.wait(), PATIENCE_S)


async def test_switch_of_protocols_is_no_delivery(sender: Sender, server: RawServer) -> None:
    server.answer = lambda number: (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"
    )
    assert (await send(sender, server.request()) or "").startswith("AnswerUnreadable")


async def test_server_that_closes_a_new_connection_unanswered_is_not_asked_again(
    sender: Sender, server: RawServer
) -> None:
    server.answer = lambda number: b""
    server.closes_after = {1}
    assert (await send(sender, server.request()) or "").startswith("AnswerLost")
    assert len(server.requests) == 1


async def test_kept_connection_that_is_closed_unanswered_is_replaced(
    sender: Sender, server: RawServer
) -> None:
    server.answer = lambda number: b"" if number == 2 else OK
    server.closes_after = {2}
    assert await send(sender, server.request()) is None
    assert await send(sender, server.request()) is None
    assert (server.connections, len(server.requests)) == (2, 3)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (b"", "timeout"),
        (b"HTTP/1.1 200 OK\r\nContent-Len", "timeout"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nslow", None),
        (b"HTTP/1.1 503 Busy\r\nContent-Length: 9\r\n\r\nslow", "HTTP 503"),
    ],
    ids=["nothing", "half a head", "half a body", "half a body of an error"],
)
async def test_answer_that_does_not_end_counts_by_its_status_at_the_deadline(
    server: RawServer, answer: bytes, expected: str | None
) -> None:
    sender = Sender(timeout_s=0.2)
    server.answer = lambda number: answer
    assert await send(sender, server.request()) == expected
    await asyncio.wait_for(server.closed.wait(), PATIENCE_S)


async def test_delivery_that_is_given_up_closes_its_connection(
    sender: Sender, server: RawServer
) -> None:
    asked = asyncio.Event()

    def hang(number: int) -> bytes:
        asked.set()
        return b""

    server.answer = hang
    sending = asyncio.create_task(send(sender, server.request()))
    await asyncio.wait_for(asked.wait(), PATIENCE_S)
    sending.cancel()
    await asyncio.wait_for(server.closed.wait(), PATIENCE_S)
    assert sending.cancelled()


async def test_connection_out_of_use_is_closed(
    sender: Sender, server: RawServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection_pool, "KEEPALIVE_S", 0.05)
    assert await send(sender, server.request()) is None
    await asyncio.wait_for(server.closed.wait(), PATIENCE_S)


async def test_too_many_connections_are_refused_and_idle_ones_make_room(
    sender: Sender, server: RawServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection_pool, "CONNECTIONS_MAX", 1)
    assert await send(sender, server.request()) is None
    async with open_raw_server() as other:
        assert await send(sender, other.request()) is None
        await asyncio.wait_for(server.closed.wait(), PATIENCE_S)
        asked = asyncio.Event()

        def hang(number: int) -> bytes:
            asked.set()
            return b""

        other.answer = hang
        hanging = asyncio.create_task(send(sender, other.request()))
        await asyncio.wait_for(asked.wait(), PATIENCE_S)
        error = await send(sender, server.request())
        assert error == "cannot connect: too many connections are open"
        hanging.cancel()
        await asyncio.gather(hanging, return_exceptions=True)


async def test_name_is_looked_up_once_for_a_while(server: RawServer) -> None:
    asked: list[str] = []

    async def resolve(host: str, port: int) -> object:
        asked.append(host)
        return await connection_pool.resolve(server.host, port)

    pool = connection_pool.ConnectionPool(resolve=resolve)  # type: ignore[arg-type] # as it is
    target, _ = parse_url(f"http://name.example:{server.port}/")
    request = render_post(target, "/", (), BODY)
    server.closes_after = {1}
    for _ in range(2):
        server.closed.clear()
        deadline_s = asyncio.get_running_loop().time() + PATIENCE_S
        assert (await pool.post(target, request, deadline_s)).status == 200
        if server.connections != 2:
            await asyncio.wait_for(server.closed.wait(), PATIENCE_S)
    pool.close()
    assert (asked, server.connections) == (["name.example"], 2)


async def test_tls_wants_the_name_and_an_authority_that_is_trusted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = Authority(tmp_path)
    trusting = ssl.create_default_context(cafile=authority.ca_file)
    host = allocate_host()

    def serving(name: str) -> ssl.SSLContext:
        issued = authority.issue(name)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(issued.certificate_file, issued.key_file)
        return context

    async def try_once(name: str) -> str | None:
        sender = Sender(timeout_s=PATIENCE_S)
        monkeypatch.setattr("tests.notify.test_sender.allocate_host", lambda: host)
        async with open_raw_server(serving(name)) as server:
            error = await send(sender, server.request())
            sender.close()
        return error

    assert "CERTIFICATE_VERIFY_FAILED" in (await try_once(host) or "")
    monkeypatch.setattr(connection_pool, "_tls_context", lambda: trusting)
    assert await try_once(host) is None
    assert "CERTIFICATE_VERIFY_FAILED" in (await try_once("192.0.2.1") or "")


@pytest.mark.parametrize(
    ("url", "host", "port", "authority", "target"),
    [
        ("http://app.example", "app.example", 80, "app.example", "/"),
        ("HTTPS://App.example/a/b", "app.example", 443, "app.example", "/a/b"),
        ("http://app.example:8080/a?b=c", "app.example", 8080, "app.example:8080", "/a?b=c"),
        ("http://app.example?b", "app.example", 80, "app.example", "/?b"),
        ("https://[2001:db8::1]:444/", "2001:db8::1", 444, "[2001:db8::1]:444", "/"),
        ("http://bücher.example/", "xn--bcher-kva.example", 80, "xn--bcher-kva.example", "/"),
    ],
)
def test_url_is_taken_apart(url: str, host: str, port: int, authority: str, target: str) -> None:
    server, found = parse_url(url)
    assert (server.host, server.port, server.authority, found) == (host, port, authority, target)
    assert server.is_tls == url.lower().startswith("https")


@pytest.mark.parametrize(
    "url",
    [
        "", "ftp://a.example/", "http:///path", "http://a.example/ b", "http://a.example/\r\nX: y",
        "http://a.example/ü", "http://a.example/#part", "http://user:pass@a.example/",
        "http://a.example:99999/", "http://a..example/",
    ],
)  # fmt: skip
def test_what_is_no_such_url_is_refused(url: str) -> None:
    with pytest.raises(ValueError):
        parse_url(url)


@pytest.mark.parametrize("value", ["a\r\nX: y", "a\nX: y", "a\rX: y", "ü"])
async def test_header_of_more_than_one_line_is_never_sent(
    sender: Sender, server: RawServer, value: str
) -> None:
    request = NotificationRequest(server.request().url, (("X-Note", value),), BODY)
    assert await send(sender, request) is not None
    assert server.connections == 0
