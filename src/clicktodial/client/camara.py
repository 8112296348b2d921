"""The click-to-dial API of CAMARA, with access tokens."""

import uuid
from collections.abc import AsyncGenerator, Generator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import msgspec

from clicktodial.client import history
from clicktodial.client.authority import Proof, TokenAuthority
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
from clicktodial.client.error import CallHasEnded
from clicktodial.client.exchange import Answer, Operation
from clicktodial.client.model import (
    CamaraCall,
    CamaraStatus,
    HistoryAlert,
    HistoryEvent,
    Recording,
)
from clicktodial.client.retry import RetryPolicy

if TYPE_CHECKING:
    import httpx

_BASE = "/click-to-dial/v0.2rc1"
_TOKEN_PATH = "/oauth/token"


@dataclass(frozen=True, slots=True)
class SinkCredential:
    """An access token that the platform bears towards the sink until it expires; `expires_at` is
    an aware time."""

    access_token: str = field(repr=False)
    expires_at: datetime


class _Party(msgspec.Struct, frozen=True):
    number: str


class _Call(msgspec.Struct, frozen=True, rename="camel"):
    call_id: str
    caller: _Party
    callee: _Party
    status: CamaraStatus
    created_at: datetime
    recording_enabled: bool = False


class _Recording(msgspec.Struct, frozen=True, rename="camel"):
    call_id: str
    content_type: str
    generated_at: datetime
    content: str


class _Operations:
    """What both clients do."""

    def __init__(
        self,
        base_url: str,
        proof: Proof,
        *,
        scopes: Sequence[str],
        audience: str | None,
        token_url: str | None,
        timeout_s: float,
        retries: RetryPolicy,
    ) -> None:
        base_url = check_base_url(base_url)
        self.connection = Connection(
            base_url=base_url,
            authority=TokenAuthority(
                proof,
                token_url=token_url or f"{base_url}{_TOKEN_PATH}",
                audience=audience or base_url,
                scopes=tuple(scopes),
                timeout_s=timeout_s,
            ),
            timeout_s=timeout_s,
            retries=retries,
        )

    def create(
        self,
        *,
        caller: str,
        callee: str,
        recording: bool,
        sink: str | None,
        sink_credential: SinkCredential | None,
        idempotency_key: str | None,
        correlator: str | None,
    ) -> Operation[CamaraCall]:
        body: dict[str, Any] = {"caller": {"number": caller}, "callee": {"number": callee}}
        if recording:
            body["recordingEnabled"] = True
        if sink is not None:
            body["sink"] = sink
        if sink_credential is not None:
            body["sinkCredential"] = _render_credential(sink_credential)
        key = check_key(idempotency_key, uuid.uuid4)
        outcome = yield from self.connection.ask(
            "POST",
            f"{_BASE}/calls",
            body=body,
            headers={"Idempotency-Key": f'"{key}"', **_correlate(correlator)},
        )
        return _parse_call(require(outcome.answer, 201))

    def get(self, call_id: str, correlator: str | None) -> Operation[CamaraCall]:
        outcome = yield from self.connection.ask(
            "GET", f"{_BASE}/calls/{quote_segment(call_id)}", headers=_correlate(correlator)
        )
        return _parse_call(require(outcome.answer, 200))

    def terminate(self, call_id: str, correlator: str | None) -> Operation[None]:
        outcome = yield from self.connection.ask(
            "DELETE", f"{_BASE}/calls/{quote_segment(call_id)}", headers=_correlate(correlator)
        )
        try:
            require(outcome.answer, 204, conflict=CallHasEnded)
        except CallHasEnded:
            # The try before this one was not answered, and may well have been what ended it.
            if not outcome.was_lost:
                raise

    def get_recording(self, call_id: str, correlator: str | None) -> Operation[Recording]:
        outcome = yield from self.connection.ask(
            "GET",
            f"{_BASE}/calls/{quote_segment(call_id)}/recording",
            headers=_correlate(correlator),
            is_download=True,
        )
        told = decode(require(outcome.answer, 200), _Recording)
        return Recording(
            call_id=told.call_id,
            content_type=told.content_type,
            generated_at=told.generated_at,
            content=decode_base64(told.content),
        )


def _correlate(correlator: str | None) -> dict[str, str]:
    """Each request has one, so that the platform's log can be asked for it."""
    return {"x-correlator": str(uuid.uuid4()) if correlator is None else correlator}


def _render_credential(credential: SinkCredential) -> dict[str, str]:
    if credential.expires_at.tzinfo is None:
        raise ValueError("expires_at has a time zone")
    return {
        "credentialType": "ACCESSTOKEN",
        "accessToken": credential.access_token,
        "accessTokenExpiresUtc": credential.expires_at.astimezone(UTC).isoformat(),
        "accessTokenType": "bearer",
    }


def _parse_call(answer: Answer) -> CamaraCall:
    told = decode(answer, _Call)
    return CamaraCall(
        call_id=told.call_id,
        caller=told.caller.number,
        callee=told.callee.number,
        status=told.status,
        created_at=told.created_at,
        recording_enabled=told.recording_enabled,
    )


class CamaraClient:
    """CAMARA click-to-dial 0.2.0-rc.1, blocking. A context manager; threads may share it."""

    def __init__(
        self,
        base_url: str,
        proof: Proof,
        *,
        scopes: Sequence[str] = (),
        audience: str | None = None,
        token_url: str | None = None,
        timeout_s: float = DEFAULT_TIMEOUT_S,
        retries: RetryPolicy | None = None,
        http: "httpx.Client | None" = None,
    ) -> None:
        """`proof` is a PrivateKey, or a ClientSecret. `audience` is the platform's issuer, where
        that is not `base_url`. Without `scopes` the token has all that the application may have.
        `timeout_s` is for each try. Raises ValueError where `base_url` is none."""
        self._operations = _Operations(
            base_url,
            proof,
            scopes=scopes,
            audience=audience,
            token_url=token_url,
            timeout_s=timeout_s,
            retries=retries or RetryPolicy(),
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

    def create_call(
        self,
        *,
        caller: str,
        callee: str,
        recording: bool = False,
        sink: str | None = None,
        sink_credential: SinkCredential | None = None,
        idempotency_key: str | None = None,
        correlator: str | None = None,
    ) -> CamaraCall:
        """Ask for a call between two numbers with a plus; its events go to `sink`. However often
        it has to be sent, it is one call. Raises Refused, NotAnswered, InvalidAnswer, ValueError.

        Who may crash between asking and storing the answer gives an `idempotency_key` of its own
        that it stored before, and asks again with it.
        """
        return self._driver.run(
            self._operations.create(
                caller=caller,
                callee=callee,
                recording=recording,
                sink=sink,
                sink_credential=sink_credential,
                idempotency_key=idempotency_key,
                correlator=correlator,
            )
        )

    def get_call(self, call_id: str, *, correlator: str | None = None) -> CamaraCall:
        """The call as it is now. Raises as `create_call` does."""
        return self._driver.run(self._operations.get(call_id, correlator))

    def terminate_call(self, call_id: str, *, correlator: str | None = None) -> None:
        """End it. Raises CallHasEnded where it was over, and as `create_call` does."""
        self._driver.run(self._operations.terminate(call_id, correlator))

    def get_recording(self, call_id: str, *, correlator: str | None = None) -> Recording:
        """The recording of a call that has ended. Raises as `create_call` does."""
        return self._driver.run(self._operations.get_recording(call_id, correlator))

    def events(self, after: str | None = None) -> Generator[HistoryEvent]:
        """The events of all calls up to now, or those behind that cursor. Raises as `create_call`
        does."""
        return self._driver.iterate(history.read_events(self._operations.connection, after))

    def call_events(self, call_id: str, after: int = 0) -> Generator[HistoryEvent]:
        """The events of a call, or those behind that `seq`. Raises as `create_call` does."""
        connection = self._operations.connection
        return self._driver.iterate(history.read_call_events(connection, call_id, after))

    def alerts(self, after: int = 0) -> Generator[HistoryAlert]:
        """The alerts of the pool of minutes, or those behind that `seq`; raises as `events`."""
        return self._driver.iterate(history.read_alerts(self._operations.connection, after))

    def watch_call(self, call_id: str) -> Generator[HistoryEvent]:
        """The events of a call as they happen, until it has ended. Raises as `create_call` does."""
        return self._driver.iterate(history.watch_call(self._operations.connection, call_id))

    def follow(self, after: str | None = None) -> Generator[HistoryEvent]:
        """Events as they happen, from now on or behind that cursor; a broken connection is made
        anew, and nothing is missed. Ends when it is closed. Raises Refused, InvalidAnswer."""
        return self._driver.iterate(history.follow(self._operations.connection, after))


class AsyncCamaraClient:
    """CAMARA click-to-dial for asyncio. An async context manager; every method is as that
    of CamaraClient."""

    def __init__(
        self,
        base_url: str,
        proof: Proof,
        *,
        scopes: Sequence[str] = (),
        audience: str | None = None,
        token_url: str | None = None,
        timeout_s: float = DEFAULT_TIMEOUT_S,
        retries: RetryPolicy | None = None,
        http: "httpx.AsyncClient | None" = None,
    ) -> None:
        """See CamaraClient."""
        self._operations = _Operations(
            base_url,
            proof,
            scopes=scopes,
            audience=audience,
            token_url=token_url,
            timeout_s=timeout_s,
            retries=retries or RetryPolicy(),
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
        """See CamaraClient."""
        await self._driver.close()

    async def create_call(
        self,
        *,
        caller: str,
        callee: str,
        recording: bool = False,
        sink: str | None = None,
        sink_credential: SinkCredential | None = None,
        idempotency_key: str | None = None,
        correlator: str | None = None,
    ) -> CamaraCall:
        """See CamaraClient."""
        return await self._driver.run(
            self._operations.create(
                caller=caller,
                callee=callee,
                recording=recording,
                sink=sink,
                sink_credential=sink_credential,
                idempotency_key=idempotency_key,
                correlator=correlator,
            )
        )

    async def get_call(self, call_id: str, *, correlator: str | None = None) -> CamaraCall:
        """See CamaraClient."""
        return await self._driver.run(self._operations.get(call_id, correlator))

    async def terminate_call(self, call_id: str, *, correlator: str | None = None) -> None:
        """See CamaraClient."""
        await self._driver.run(self._operations.terminate(call_id, correlator))

    async def get_recording(self, call_id: str, *, correlator: str | None = None) -> Recording:
        """See CamaraClient."""
        return await self._driver.run(self._operations.get_recording(call_id, correlator))

    def events(self, after: str | None = None) -> AsyncGenerator[HistoryEvent]:
        """See CamaraClient."""
        return self._driver.iterate(history.read_events(self._operations.connection, after))

    def call_events(self, call_id: str, after: int = 0) -> AsyncGenerator[HistoryEvent]:
        """See CamaraClient."""
        connection = self._operations.connection
        return self._driver.iterate(history.read_call_events(connection, call_id, after))

    def alerts(self, after: int = 0) -> AsyncGenerator[HistoryAlert]:
        """See CamaraClient."""
        return self._driver.iterate(history.read_alerts(self._operations.connection, after))

    def watch_call(self, call_id: str) -> AsyncGenerator[HistoryEvent]:
        """See CamaraClient."""
        return self._driver.iterate(history.watch_call(self._operations.connection, call_id))

    def follow(self, after: str | None = None) -> AsyncGenerator[HistoryEvent]:
        """See CamaraClient. Close it with `aclose()`, or by contextlib.aclosing."""
        return self._driver.iterate(history.follow(self._operations.connection, after))
