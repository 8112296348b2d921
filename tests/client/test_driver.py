"""Both shells carry the same steps out over httpx: bounded, translated, one token at a time."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from tests.client.support import POLICY

from clicktodial.client.authority import ClientSecret, TokenAuthority
from clicktodial.client.camara import AsyncCamaraClient, CamaraClient
from clicktodial.client.driver import AsyncDriver, Driver
from clicktodial.client.error import ClickToDialError, InvalidAnswer, NotAnswered
from clicktodial.client.exchange import Answer, Operation, Request, Send

Handler = Callable[[httpx.Request], httpx.Response]
TASKS = 8
PATIENCE_S = 20


def send(**limits: Any) -> Operation[Answer]:
    request = Request("GET", "http://platform.example/x", 5.0, **limits)
    answer: Answer = yield Send(request)
    return answer


async def run(kind: str, handler: Handler, operation: Operation[Answer]) -> Answer:
    transport = httpx.MockTransport(handler)
    if kind == "blocking":
        with httpx.Client(transport=transport) as client:  # it is the subject
            return Driver(client).run(operation)
    async with httpx.AsyncClient(transport=transport) as async_client:
        return await AsyncDriver(async_client).run(operation)


KINDS = pytest.mark.parametrize("kind", ["blocking", "async"])


@KINDS
async def test_answer_is_given_whole(kind: str) -> None:
    def handler(request: httpx.Request) -> httpx.Response:
        return httpx.Response(201, content=b"abc", headers={"X-Correlator": "c"})

    answer = await run(kind, handler, send())
    assert (answer.status, answer.content, answer.headers["x-correlator"]) == (201, b"abc", "c")


@KINDS
async def test_answer_beyond_its_bound_is_not_read_on(kind: str) -> None:
    with pytest.raises(InvalidAnswer, match="longer than 2"):
        await run(kind, lambda request: httpx.Response(200, content=b"abc"), send(bytes_max=2))


@KINDS
async def test_answer_that_takes_too_long_is_not_waited_for(kind: str) -> None:
    with pytest.raises(NotAnswered, match="in time"):
        await run(kind, lambda request: httpx.Response(200, content=b"abc"), send(total_s=-1.0))


@KINDS
@pytest.mark.parametrize(
    "error",
    [
        httpx.ConnectError("refused"),
        httpx.ReadTimeout("slow"),
        httpx.ReadError("reset"),
        httpx.RemoteProtocolError("closed"),
        httpx.DecodingError("no gzip"),
    ],
)
async def test_what_breaks_is_not_answered(kind: str, error: httpx.RequestError) -> None:
    def handler(request: httpx.Request) -> httpx.Response:
        raise error

    with pytest.raises(NotAnswered) as caught:
        await run(kind, handler, send())
    assert isinstance(caught.value, ClickToDialError)
    assert caught.value.__cause__ is error


class TokenServer:
    """Answers token requests, and tells how many there were."""

    def __init__(self) -> None:
        self.tokens = 0
        self._lock = threading.Lock()

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.url.path == "/oauth/token":
            with self._lock:
                self.tokens += 1
            return httpx.Response(200, json={"access_token": "t", "token_type": "Bearer"})
        assert request.headers["Authorization"] == "Bearer t"
        return httpx.Response(204)


@pytest.fixture
def server() -> Iterator[TokenServer]:
    yield TokenServer()


class ClockOfAll:
    """Tells when so many threads have read it, which each does before it looks for a token."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._readers: set[int] = set()
        self.was_read_by_all = threading.Event()

    def __call__(self) -> float:
        self._readers.add(threading.get_ident())
        if len(self._readers) == self._count:
            self.was_read_by_all.set()
        return 1_000.0


def test_threads_share_one_token(server: TokenServer) -> None:
    clock = ClockOfAll(TASKS)

    def answer_when_all_want_one(request: httpx.Request) -> httpx.Response:
        # None was kept when they looked: without the lock each of them would ask.
        assert clock.was_read_by_all.wait(PATIENCE_S)
        return server(request)

    authority = TokenAuthority(
        ClientSecret("app", "secret"),
        token_url="http://p.example/oauth/token",
        audience="http://p.example",
        scopes=(),
        timeout_s=5.0,
        monotonic_s=clock,
    )
    transport = httpx.MockTransport(answer_when_all_want_one)
    with httpx.Client(transport=transport) as http, ThreadPoolExecutor(TASKS) as pool:
        driver = Driver(http)
        running = [pool.submit(driver.run, authority.create_headers()) for _ in range(TASKS)]
        told = [each.result() for each in running]
    assert told == [{"Authorization": "Bearer t"}] * TASKS
    assert server.tokens == 1


async def test_tasks_share_one_token(server: TokenServer) -> None:
    async def answer_later(request: httpx.Request) -> httpx.Response:
        await asyncio.sleep(0)  # the others have their turn
        return server(request)

    proof = ClientSecret("app", "secret")
    async with (
        httpx.AsyncClient(transport=httpx.MockTransport(answer_later)) as http,
        AsyncCamaraClient("http://p.example", proof, retries=POLICY, http=http) as client,
    ):
        await asyncio.gather(*(client.terminate_call("c") for _ in range(TASKS)))
    assert server.tokens == 1


@pytest.mark.parametrize("url", ["", "platform", "ftp://p", "http://", "http://p?q", "http://p#f"])
def test_base_url_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="base_url"):
        CamaraClient(url, ClientSecret("app", "secret"))
