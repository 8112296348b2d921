"""Carries operations out over httpx: one shell that blocks, one for an event loop.

Both are the same few lines, with and without `await`; whatever is a rule stands elsewhere.
"""

import contextlib
import threading
import time
from collections.abc import AsyncGenerator, Generator
from types import TracebackType
from typing import Any, Self, TypeVar

import anyio
import httpx

from clicktodial.client.error import ClickToDialError, InvalidAnswer, NotAnswered
from clicktodial.client.exchange import (
    Alone,
    Answer,
    Emit,
    Open,
    Operation,
    Pause,
    Read,
    Request,
    Send,
    Shut,
    Step,
)

T = TypeVar("T")


class Driver:
    """Blocks. Threads may share it."""

    def __init__(self, http: httpx.Client | None = None) -> None:
        """An `http` of the caller's own is the caller's to close."""
        self._http = http or httpx.Client()
        self._is_owner = http is None
        self._lock = threading.Lock()

    def close(self) -> None:
        """Close the connections."""
        if self._is_owner:
            self._http.close()

    def run(self, operation: Operation[T]) -> T:
        """The result of an operation that emits nothing."""
        result: object = None
        error: ClickToDialError | None = None
        with contextlib.closing(operation):
            while True:
                try:
                    step = operation.send(result) if error is None else operation.throw(error)
                except StopIteration as stop:
                    done: T = stop.value
                    return done
                try:
                    result, error = self._carry_out(step), None
                except ClickToDialError as failed:
                    result, error = None, failed

    def iterate(self, operation: Operation[None]) -> Generator[Any]:
        """What an operation emits. What it has open is closed with the iterator."""
        result: object = None
        error: ClickToDialError | None = None
        with contextlib.closing(operation), _Stream() as stream:
            while True:
                try:
                    step = operation.send(result) if error is None else operation.throw(error)
                except StopIteration:
                    return
                result, error = None, None
                if isinstance(step, Emit):
                    yield step.value
                    continue
                try:
                    result = self._carry_out(step, stream)
                except ClickToDialError as failed:
                    error = failed

    def _carry_out(self, step: Step, stream: "_Stream | None" = None) -> object:
        match step:
            case Send(request):
                return self._send(request)
            case Pause(seconds):
                time.sleep(seconds)
            case Alone(operation):
                with self._lock:
                    return self.run(operation)
            case Open(request):
                assert stream is not None
                return stream.open(self._http, request)
            case Read():
                assert stream is not None
                return stream.read()
            case Shut():
                assert stream is not None
                stream.shut()
            case Emit():
                raise AssertionError("an operation that emits is iterated")
        return None

    def _send(self, request: Request) -> Answer:
        with _translated(), self._http.stream(**_arguments(request)) as response:
            return _read_whole(request, response)


class _Stream:
    """The answer that is open, if any."""

    def __init__(self) -> None:
        self._opened = contextlib.ExitStack()
        self._pieces: Generator[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.shut()

    def open(self, http: httpx.Client, request: Request) -> Answer:
        self.shut()
        with _translated():
            response = self._opened.enter_context(http.stream(**_arguments(request)))
            if response.status_code != httpx.codes.OK:
                answer = _read_whole(request, response)
                self.shut()
                return answer
            self._pieces = (piece for piece in response.iter_bytes())
            return Answer(response.status_code, _headers(response))

    def read(self) -> bytes:
        assert self._pieces is not None
        with _translated():
            return next(self._pieces, b"")

    def shut(self) -> None:
        if self._pieces is not None:
            self._pieces.close()
            self._pieces = None
        with contextlib.suppress(httpx.HTTPError):  # it is given up, however it ends
            self._opened.close()


def _read_whole(request: Request, response: httpx.Response) -> Answer:
    bound = _Bound(request)
    for piece in response.iter_bytes():
        bound.take(piece)
    return Answer(response.status_code, _headers(response), bytes(bound.content))


class AsyncDriver:
    """For asyncio."""

    def __init__(self, http: httpx.AsyncClient | None = None) -> None:
        """See Driver."""
        self._http = http or httpx.AsyncClient()
        self._is_owner = http is None
        self._lock = anyio.Lock()

    async def close(self) -> None:
        """See Driver."""
        if self._is_owner:
            await self._http.aclose()

    async def run(self, operation: Operation[T]) -> T:
        """See Driver."""
        result: object = None
        error: ClickToDialError | None = None
        with contextlib.closing(operation):
            while True:
                try:
                    step = operation.send(result) if error is None else operation.throw(error)
                except StopIteration as stop:
                    done: T = stop.value
                    return done
                try:
                    result, error = await self._carry_out(step), None
                except ClickToDialError as failed:
                    result, error = None, failed

    async def iterate(self, operation: Operation[None]) -> AsyncGenerator[Any]:
        """See Driver."""
        result: object = None
        error: ClickToDialError | None = None
        with contextlib.closing(operation):
            async with _AsyncStream() as stream:
                while True:
                    try:
                        step = operation.send(result) if error is None else operation.throw(error)
                    except StopIteration:
                        return
                    result, error = None, None
                    if isinstance(step, Emit):
                        yield step.value
                        continue
                    try:
                        result = await self._carry_out(step, stream)
                    except ClickToDialError as failed:
                        error = failed

    async def _carry_out(self, step: Step, stream: "_AsyncStream | None" = None) -> object:
        match step:
            case Send(request):
                return await self._send(request)
            case Pause(seconds):
                await anyio.sleep(seconds)
            case Alone(operation):
                async with self._lock:
                    return await self.run(operation)
            case Open(request):
                assert stream is not None
                return await stream.open(self._http, request)
            case Read():
                assert stream is not None
                return await stream.read()
            case Shut():
                assert stream is not None
                await stream.shut()
            case Emit():
                raise AssertionError("an operation that emits is iterated")
        return None

    async def _send(self, request: Request) -> Answer:
        with _translated():
            async with self._http.stream(**_arguments(request)) as response:
                return await _read_whole_async(request, response)


class _AsyncStream:
    """See _Stream."""

    def __init__(self) -> None:
        self._opened = contextlib.AsyncExitStack()
        self._pieces: AsyncGenerator[bytes] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.shut()

    async def open(self, http: httpx.AsyncClient, request: Request) -> Answer:
        await self.shut()
        with _translated():
            response = await self._opened.enter_async_context(http.stream(**_arguments(request)))
            if response.status_code != httpx.codes.OK:
                answer = await _read_whole_async(request, response)
                await self.shut()
                return answer
            self._pieces = (piece async for piece in response.aiter_bytes())
            return Answer(response.status_code, _headers(response))

    async def read(self) -> bytes:
        assert self._pieces is not None
        with _translated():
            return await anext(self._pieces, b"")

    async def shut(self) -> None:
        if self._pieces is not None:
            await self._pieces.aclose()
            self._pieces = None
        with contextlib.suppress(httpx.HTTPError):  # it is given up, however it ends
            await self._opened.aclose()


async def _read_whole_async(request: Request, response: httpx.Response) -> Answer:
    bound = _Bound(request)
    async for piece in response.aiter_bytes():
        bound.take(piece)
    return Answer(response.status_code, _headers(response), bytes(bound.content))


class _Bound:
    """The content of an answer, as far as it may be, as long as it may take."""

    def __init__(self, request: Request) -> None:
        self._bytes_max = request.bytes_max
        total_s = request.total_s
        self._ends_at = None if total_s is None else time.monotonic() + total_s
        self.content = bytearray()

    def take(self, piece: bytes) -> None:
        """Raises InvalidAnswer, NotAnswered."""
        if len(self.content) + len(piece) > self._bytes_max:
            raise InvalidAnswer(f"the answer is longer than {self._bytes_max} bytes")
        if self._ends_at is not None and time.monotonic() > self._ends_at:
            raise NotAnswered("the answer did not end in time")
        self.content += piece


def _arguments(request: Request) -> dict[str, Any]:
    return {
        "method": request.method,
        "url": request.url,
        "headers": dict(request.headers),
        "content": request.content,
        "timeout": request.timeout_s,
        # A credential goes to nobody but whom it was given for.
        "follow_redirects": False,
    }


def _headers(response: httpx.Response) -> dict[str, str]:
    return {name.lower(): value for name, value in response.headers.items()}


@contextlib.contextmanager
def _translated() -> Generator[None]:
    """Raises NotAnswered and InvalidAnswer for what httpx raises."""
    try:
        yield
    except (httpx.DecodingError, httpx.RemoteProtocolError) as error:
        # A connection that closes in the middle is told as a breach of the protocol, too.
        raise NotAnswered(f"no whole answer: {error}") from error
    except httpx.TimeoutException as error:
        raise NotAnswered(f"no answer in time: {type(error).__name__}") from error
    except httpx.TransportError as error:
        raise NotAnswered(f"no answer: {error or type(error).__name__}") from error
