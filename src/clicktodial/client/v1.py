"""The Click to Dial v1 API: begin, release, recordings, and the history of events."""

import uuid
from collections.abc import AsyncGenerator, Generator
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import msgspec

from clicktodial.client import history
from clicktodial.client.authority import BasicAuthority
from clicktodial.client.connection import (
    DEFAULT_TIMEOUT_S,
    Connection,
    check_base_url,
    check_key,
    decode,
    decode_base64,
    quote_segment,
    require,
)
from clicktodial.client.driver import AsyncDriver, Driver
from clicktodial.client.error import CallHasEnded, InvalidAnswer
from clicktodial.client.exchange import Answer, Operation
from clicktodial.client.model import HistoryAlert, HistoryEvent, SendDirection
from clicktodial.client.refusal import create_refused
from clicktodial.client.retry import RetryPolicy

if TYPE_CHECKING:
    import httpx

_BASE = "/clicktodial/v1"
_SUCCESS = "0000000"


class _Result(msgspec.Struct, frozen=True):
    callidentifier: str = ""


class _Success(msgspec.Struct, frozen=True):
    code: str
    result: _Result = _Result()
    filedata: str = ""


class _Operations:
    """What both clients do."""

    def __init__(
        self, base_url: str, app_id: str, secret: str, timeout_s: float, retries: RetryPolicy
    ) -> None:
        self._app_id = app_id
        self.connection = Connection(
            base_url=check_base_url(base_url),
            authority=BasicAuthority(app_id, secret),
            timeout_s=timeout_s,
            retries=retries,
        )

    def begin(
        self,
        *,
        sponsor: str,
        caller: str,
        callee: str,
        record: bool,
        send_direction: SendDirection | None,
        idempotency_key: str | None,
    ) -> Operation[str]:
        body: dict[str, Any] = {
            "APPID": self._app_id,
            "sponsor": sponsor,
            "caller": caller,
            "callee": callee,
            "record": int(record),
        }
        if send_direction is not None:
            body["sendDirection"] = send_direction
        key = check_key(idempotency_key, uuid.uuid4)
        outcome = yield from self.connection.ask(
            "POST",
            f"{_BASE}/clicktodialbegin",
            body=body,
            headers={"Idempotency-Key": f'"{key}"'},
        )
        call_id = _succeed(outcome.answer).result.callidentifier
        if not call_id:
            raise InvalidAnswer("the answer has no callidentifier")
        return call_id

    def release(self, call_id: str, operation: str) -> Operation[None]:
        outcome = yield from self.connection.ask(
            "POST",
            f"{_BASE}/clicktodialrelease/{quote_segment(call_id)}",
            body={"APPID": self._app_id, "operation": operation},
        )
        try:
            _succeed(outcome.answer)
        except CallHasEnded:
            # The try before this one was not answered, and may well have been what ended it.
            if not (outcome.was_lost and operation == "EndCall"):
                raise

    def download(self, call_id: str, recording_id: str) -> Operation[bytes]:
        outcome = yield from self.connection.ask(
            "POST",
            f"{_BASE}/recordingdownload/{quote_segment(call_id)}",
            body={"APPID": self._app_id, "recordingId": recording_id},
            is_download=True,
        )
        return decode_base64(_succeed(outcome.answer).filedata)


def _succeed(answer: Answer) -> _Success:
    success = decode(require(answer, 200), _Success)
    if success.code != _SUCCESS:
        raise create_refused(answer)
    return success


class ClickToDial:
    """The v1 API, blocking. A context manager; threads may share it."""

    def __init__(
        self,
        base_url: str,
        app_id: str,
        secret: str,
        *,
        timeout_s: float = DEFAULT_TIMEOUT_S,
        retries: RetryPolicy | None = None,
        http: "httpx.Client | None" = None,
    ) -> None:
        """`timeout_s` is for each try. Raises ValueError where `base_url` is none."""
        self._operations = _Operations(
            base_url, app_id, secret, timeout_s, retries or RetryPolicy()
        )
        self._driver = Driver(http)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._driver.close()

    def begin(
        self,
        *,
        sponsor: str,
        caller: str,
        callee: str,
        record: bool = False,
        send_direction: SendDirection | None = None,
        idempotency_key: str | None = None,
    ) -> str:
        """Ask for a call; returns its callidentifier. However often it has to be sent, it is one
        call. Raises Refused, NotAnswered, InvalidAnswer, ValueError.

        Who may crash between asking and storing the answer gives an `idempotency_key` of its own
        that it stored before, and asks again with it.
        """
        return self._driver.run(
            self._operations.begin(
                sponsor=sponsor,
                caller=caller,
                callee=callee,
                record=record,
                send_direction=send_direction,
                idempotency_key=idempotency_key,
            )
        )

    def release(self, call_id: str) -> None:
        """End a call in any state. Raises CallHasEnded where it was over, and as `begin` does."""
        self._driver.run(self._operations.release(call_id, "EndCall"))

    def let_continue(self, call_id: str) -> None:
        """Let a call go on past the application's own maximum. Raises as `release` does."""
        self._driver.run(self._operations.release(call_id, "Continue"))

    def download_recording(self, call_id: str, recording_id: str) -> bytes:
        """The file: WAV, or OGG or MP3 where the operator chose so. Raises as `begin` does."""
        return self._driver.run(self._operations.download(call_id, recording_id))

    def events(self, after: str | None = None) -> Generator[HistoryEvent]:
        """The events of all calls up to now, or those behind that cursor. Raises as `begin`."""
        return self._driver.iterate(history.read_events(self._operations.connection, after))

    def call_events(self, call_id: str, after: int = 0) -> Generator[HistoryEvent]:
        """The events of a call, or those behind that `seq`. Raises as `begin` does."""
        connection = self._operations.connection
        return self._driver.iterate(history.read_call_events(connection, call_id, after))

    def alerts(self, after: int = 0) -> Generator[HistoryAlert]:
        """The alerts of the pool of minutes, or those behind that `seq`. Raises as `begin`."""
        return self._driver.iterate(history.read_alerts(self._operations.connection, after))

    def watch_call(self, call_id: str) -> Generator[HistoryEvent]:
        """The events of a call as they happen, until it has ended. Raises as `begin` does."""
        return self._driver.iterate(history.watch_call(self._operations.connection, call_id))

    def follow(self, after: str | None = None) -> Generator[HistoryEvent]:
        """Events as they happen, from now on or behind that cursor; a broken connection is made
        anew, and nothing is missed. Ends when it is closed. Raises Refused, InvalidAnswer."""
        return self._driver.iterate(history.follow(self._operations.connection, after))


class AsyncClickToDial:
    """The v1 API for asyncio. An async context manager; every method is as that of
    ClickToDial."""

    def __init__(
        self,
        base_url: str,
        app_id: str,
        secret: str,
        *,
        timeout_s: float = DEFAULT_TIMEOUT_S,
        retries: RetryPolicy | None = None,
        http: "httpx.AsyncClient | None" = None,
    ) -> None:
        """See ClickToDial."""
        self._operations = _Operations(
            base_url, app_id, secret, timeout_s, retries or RetryPolicy()
        )
        self._driver = AsyncDriver(http)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """See ClickToDial."""
        await self._driver.close()

    async def begin(
        self,
        *,
        sponsor: str,
        caller: str,
        callee: str,
        record: bool = False,
        send_direction: SendDirection | None = None,
        idempotency_key: str | None = None,
    ) -> str:
        """See ClickToDial."""
        return await self._driver.run(
            self._operations.begin(
                sponsor=sponsor,
                caller=caller,
                callee=callee,
                record=record,
                send_direction=send_direction,
                idempotency_key=idempotency_key,
            )
        )

    async def release(self, call_id: str) -> None:
        """See ClickToDial."""
        await self._driver.run(self._operations.release(call_id, "EndCall"))

    async def let_continue(self, call_id: str) -> None:
        """See ClickToDial."""
        await self._driver.run(self._operations.release(call_id, "Continue"))

    async def download_recording(self, call_id: str, recording_id: str) -> bytes:
        """See ClickToDial."""
        return await self._driver.run(self._operations.download(call_id, recording_id))

    def events(self, after: str | None = None) -> AsyncGenerator[HistoryEvent]:
        """See ClickToDial."""
        return self._driver.iterate(history.read_events(self._operations.connection, after))

    def call_events(self, call_id: str, after: int = 0) -> AsyncGenerator[HistoryEvent]:
        """See ClickToDial."""
        connection = self._operations.connection
        return self._driver.iterate(history.read_call_events(connection, call_id, after))

    def alerts(self, after: int = 0) -> AsyncGenerator[HistoryAlert]:
        """See ClickToDial."""
        return self._driver.iterate(history.read_alerts(self._operations.connection, after))

    def watch_call(self, call_id: str) -> AsyncGenerator[HistoryEvent]:
        """See ClickToDial."""
        return self._driver.iterate(history.watch_call(self._operations.connection, call_id))

    def follow(self, after: str | None = None) -> AsyncGenerator[HistoryEvent]:
        """See ClickToDial. Close it with `aclose()`, or by contextlib.aclosing."""
        return self._driver.iterate(history.follow(self._operations.connection, after))
