"""The operations of the CAMARA click-to-dial API, and the errors in their order.

Who asks, may they, is the request well formed, is what it says right, do it: each refusal is the
first of these. All of a version stands behind one mount, since the router finds no ASGI handler
below a path parameter.
"""

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import TypeAlias
from urllib.parse import unquote_to_bytes

import structlog
from litestar.handlers import ASGIRouteHandler, asgi
from litestar.types import Receive, Scope, Send

from clicktodial.api.bearer import AccessGrant, AccessTokens, TokenInvalid, parse_bearer
from clicktodial.api.camara.body import decode_create, parse_parties, parse_sink
from clicktodial.api.camara.document import CONTENT_TYPE, Version
from clicktodial.api.camara.error import (
    DEFAULT_RETRY_AFTER_S,
    INVALID_ARGUMENT,
    METHOD_NOT_ALLOWED,
    NOT_FOUND,
    PAYLOAD_TOO_LARGE,
    PERMISSION_DENIED,
    RECORDING_NOT_SUPPORTED,
    SERVICE_NOT_APPLICABLE,
    TOO_MANY_REQUESTS,
    UNAUTHENTICATED,
    UNAVAILABLE,
    Refused,
    refused_by,
)
from clicktodial.api.camara.header import (
    CORRELATOR,
    check_accept,
    check_content_type,
    check_correlator,
    find_correlator,
)
from clicktodial.api.camara.mapping import render_call
from clicktodial.api.camara.recording import Recordings
from clicktodial.api.idempotency import REPLAYED, KeyMalformed, find_key_hash, hash_request
from clicktodial.api.request_gate import RequestGate
from clicktodial.api.response import Headers, send_json, start_response
from clicktodial.control.error import CallHasEnded, ControlError
from clicktodial.control.once import OnceBegin, OnceBegins
from clicktodial.control.port import Applications, StoreError
from clicktodial.control.service import BeginCall, CallProgress, CallService
from clicktodial.control.sponsor_choice import DEFAULT_POOL, SponsorChooser
from clicktodial.domain.application import (
    Application,
    ApplicationStatus,
    Capability,
    EnterpriseStatus,
)
from clicktodial.domain.call import CallState
from clicktodial.domain.event import CallApi
from clicktodial.domain.identifier import CallId
from clicktodial.domain.number import PhoneNumber
from clicktodial.domain.number_pool import NumberPool, PoolNumber
from clicktodial.storage.call_view import CallView, SqlCallViews
from clicktodial.web.request import BodyTooLong, ClientDisconnected, read_body

SCOPE_CREATE = "click-to-dial:calls:create"
SCOPE_READ = "click-to-dial:calls:read"
SCOPE_DELETE = "click-to-dial:calls:delete"
SCOPE_RECORDING = "click-to-dial:recordings:read"
SCOPES = (SCOPE_CREATE, SCOPE_READ, SCOPE_DELETE, SCOPE_RECORDING)
# The document's CallId. Ours are 32 hexadecimal digits.
_CALL_ID = re.compile(rb"[A-Za-z0-9._~:-]{1,256}")

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request, and how it is answered."""

    scope: Scope
    receive: Receive
    send: Send
    correlator: bytes
    segments: tuple[bytes, ...]

    @property
    def headers(self) -> Headers:
        """Those that every answer has."""
        return ((CORRELATOR, self.correlator),)


Operation: TypeAlias = Callable[[Exchange, Application], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class _Row:
    scope: str
    handle: Operation


@dataclass(frozen=True, slots=True, kw_only=True)
class CamaraNeeds:
    """What the API asks of the rest."""

    service: CallService
    applications: Applications
    tokens: AccessTokens
    calls: SqlCallViews
    recordings: Recordings
    chooser: SponsorChooser
    gate: RequestGate
    body_bytes_max: int
    once: OnceBegins | None = None
    utc: Callable[[], datetime] = lambda: datetime.now(UTC)


class Operations:
    """The four operations, and who may ask for them."""

    def __init__(self, needs: CamaraNeeds) -> None:
        self._needs = needs
        self._calls: Mapping[str, _Row] = {"POST": _Row(SCOPE_CREATE, self.create)}
        self._call: Mapping[str, _Row] = {
            "GET": _Row(SCOPE_READ, self.show),
            "DELETE": _Row(SCOPE_DELETE, self.terminate),
        }
        self._recording: Mapping[str, _Row] = {"GET": _Row(SCOPE_RECORDING, self.download)}

    async def answer(self, exchange: Exchange) -> None:
        """Do what is asked for. Raises Refused, ControlError, StoreError, ClientDisconnected."""
        rows = self._find_rows(exchange.segments)
        row = rows.get(str(exchange.scope.get("method")))
        if row is None:
            raise Refused(METHOD_NOT_ALLOWED, allow=", ".join(rows))
        application = await self._admit(exchange.scope, row.scope)
        headers = exchange.scope["headers"]
        check_correlator(headers)
        check_accept(headers)
        await row.handle(exchange, application)

    def _find_rows(self, segments: tuple[bytes, ...]) -> Mapping[str, _Row]:
        match segments:
            case (b"calls",):
                return self._calls
            case (b"calls", call_id) if call_id:
                return self._call
            case (b"calls", call_id, b"recording") if call_id:
                return self._recording
            case _:
                raise Refused(NOT_FOUND)

    async def _admit(self, scope: Scope, wanted: str) -> Application:
        token = parse_bearer(scope["headers"])
        if token is None:
            raise Refused(UNAUTHENTICATED)
        try:
            grant = await self._needs.tokens.verify(token)
        except TokenInvalid as error:
            raise Refused(UNAUTHENTICATED) from error
        application = await self._needs.applications.find(grant.app_id)
        if application is None or grant.expires_at <= self._needs.utc():
            raise Refused(UNAUTHENTICATED)
        self._check_permission(application, grant, wanted)
        if not self._needs.gate.allows(application, scope):
            log.warning("api.address_refused", app_id=application.app_id)
            raise Refused(PERMISSION_DENIED)
        if not self._needs.gate.take(application):
            raise Refused(TOO_MANY_REQUESTS)
        return application

    def _check_permission(self, application: Application, grant: AccessGrant, wanted: str) -> None:
        if wanted not in grant.scopes:
            raise Refused(PERMISSION_DENIED, scope=wanted)
        if application.enterprise_status is not EnterpriseStatus.ACTIVE:
            raise Refused(PERMISSION_DENIED, "The enterprise is not active.")
        if application.status is not ApplicationStatus.ACTIVE:
            raise Refused(PERMISSION_DENIED, "The application is not active.")

    async def create(self, exchange: Exchange, application: Application) -> None:
        """createCall"""
        check_content_type(exchange.scope["headers"])
        try:
            raw = await read_body(exchange.receive, self._needs.body_bytes_max)
        except BodyTooLong as error:
            raise Refused(PAYLOAD_TOO_LARGE, is_last=not error.is_drained) from error
        body = decode_create(raw)
        sink = parse_sink(body, self._needs.utc())
        caller, callee = parse_parties(body)
        if body.recording_enabled and Capability.RECORDING not in application.capabilities:
            raise Refused(RECORDING_NOT_SUPPORTED)
        request = BeginCall(
            sponsor=self._choose_sponsor(application, callee),
            caller=caller,
            callee=callee,
            record=body.recording_enabled,
            api=CallApi.CAMARA,
            sink=sink,
        )
        await self._begin(exchange, application, request, raw)

    async def _begin(
        self, exchange: Exchange, application: Application, request: BeginCall, raw: bytes
    ) -> None:
        key_hash = _find_key(exchange)
        headers = exchange.headers
        if key_hash is None or self._needs.once is None:
            call_id = await self._needs.service.begin(application, request)
            body = await self._render(application, call_id)
        else:
            how = OnceBegin(
                lambda claim: self._needs.service.begin(application, replace(request, once=claim)),
                partial(self._render, application),
                # What it says of the call's status is as it was then.
                keeps_answer=True,
            )
            request_hash = hash_request("createCall", raw)
            answer = await self._needs.once.answer(application.app_id, key_hash, request_hash, how)
            body = answer.body
            if answer.is_replayed:
                headers += REPLAYED
        await send_json(exchange.send, 201, body, headers)

    async def show(self, exchange: Exchange, application: Application) -> None:
        """getCall"""
        await self._send_call(exchange, application, _call_id(exchange), 200)

    async def terminate(self, exchange: Exchange, application: Application) -> None:
        """terminateCall"""
        call_id = _call_id(exchange)
        try:
            await self._needs.service.release(application, call_id)
        except CallHasEnded:
            await self._require_ended(application, call_id)
            raise
        # RFC 9110 8.6: an answer of 204 has no Content-Length.
        await exchange.send(
            {"type": "http.response.start", "status": 204, "headers": list(exchange.headers)}
        )
        await exchange.send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _require_ended(self, application: Application, call_id: CallId) -> None:
        """A call that lives on another node has not ended: its client is not to believe that, and
        may come to that node with its next try. Raises Refused."""
        call = await self._needs.calls.find(call_id, application.app_id)
        if call is not None and not call.is_here and call.state is not CallState.ENDED:
            message = "The call lives on another node of the platform, which alone can end it."
            raise Refused(UNAVAILABLE, message, retry_after_s=DEFAULT_RETRY_AFTER_S)

    async def download(self, exchange: Exchange, application: Application) -> None:
        """getRecording"""
        call, progress = await self._find(application, _call_id(exchange))
        state = call.state if progress is None else progress.state
        if state is not CallState.ENDED:
            raise Refused(NOT_FOUND, "The call has no recording, or not yet.")
        # A client that goes away while its recording is made small is noticed by reading on.
        await read_body(exchange.receive, self._needs.body_bytes_max)
        await self._needs.recordings.send(
            application.app_id, call, exchange.headers, exchange.receive, exchange.send
        )

    def _choose_sponsor(self, application: Application, callee: PhoneNumber) -> PhoneNumber:
        """The number to show: of the application's pool, or where it has made none that is meant,
        of all that it may show."""
        chosen = self._needs.chooser.choose(application, callee)
        if chosen is None:
            numbers = tuple(PoolNumber(e164) for e164 in sorted(application.sponsors))
            whole = replace(application, pools=(NumberPool(DEFAULT_POOL, numbers),))
            chosen = self._needs.chooser.choose(whole, callee)
        if chosen is None:
            raise Refused(SERVICE_NOT_APPLICABLE, "The application has no number to show.")
        return chosen

    async def _find(
        self, application: Application, call_id: CallId
    ) -> tuple[CallView, CallProgress | None]:
        """The call, and where it stands that lives here."""
        needs = self._needs
        call = await needs.calls.find(call_id, application.app_id)
        if call is None:
            raise Refused(NOT_FOUND)
        progress = needs.service.find_progress(application, call_id)
        if progress is None and call.is_here and call.state is not CallState.ENDED:
            # It ended just now, and the database is about to learn how.
            call = await needs.calls.find_as_told(call_id, application.app_id)
            if call is None:
                raise Refused(NOT_FOUND)
        return call, progress

    async def _send_call(
        self, exchange: Exchange, application: Application, call_id: CallId, status: int
    ) -> None:
        body = await self._render(application, call_id)
        await send_json(exchange.send, status, body, exchange.headers)

    async def _render(self, application: Application, call_id: CallId) -> bytes:
        return render_call(*await self._find(application, call_id))


def _find_key(exchange: Exchange) -> str | None:
    try:
        return find_key_hash(exchange.scope["headers"])
    except KeyMalformed as error:
        raise Refused(INVALID_ARGUMENT, str(error)) from error


def _call_id(exchange: Exchange) -> CallId:
    raw = exchange.segments[1]
    if _CALL_ID.fullmatch(raw) is None:
        raise Refused(INVALID_ARGUMENT, "callId does not match its pattern.")
    return CallId(raw.decode("ascii"))


def create_version_handler(version: Version, operations: Operations) -> ASGIRouteHandler:
    """All routes of one version of the API, its document included."""
    document = version.read()
    base = version.base_path.encode()

    @asgi(version.base_path, name=f"camara {version.name}", is_mount=True, copy_scope=False)
    async def handler(scope: Scope, receive: Receive, send: Send) -> None:
        segments = _split_path(scope, base)
        correlator = find_correlator(scope["headers"])
        exchange = Exchange(scope, receive, send, correlator, segments)
        if segments == (b"openapi.yaml",) and scope.get("method") == "GET":
            await _send_document(exchange, document)
            return
        await _answer(operations, exchange)

    return handler


async def _answer(operations: Operations, exchange: Exchange) -> None:
    try:
        try:
            await operations.answer(exchange)
        except (ControlError, StoreError) as error:
            if isinstance(error, StoreError):
                log.error("api.store_failed", detail=str(error))
            raise refused_by(error) from error
    except Refused as refused:
        log.info("api.refused", code=refused.refusal.code, why=str(refused))
        headers = (*exchange.headers, *refused.headers)
        await send_json(exchange.send, refused.refusal.status, refused.body, headers)
    except ClientDisconnected:
        log.debug("api.client_disconnected")


def _split_path(scope: Scope, base: bytes) -> tuple[bytes, ...]:
    """What stands between the slashes behind the base path, decoded after it is split: an encoded
    slash is part of a name."""
    raw: bytes = scope["raw_path"] or scope["path"].encode()
    root, slash, path = raw.partition(b"?")[0].removeprefix(base).partition(b"/")
    if root or not slash:
        return ()
    return tuple(unquote_to_bytes(segment) for segment in path.split(b"/"))


async def _send_document(exchange: Exchange, document: bytes) -> None:
    await start_response(
        exchange.send,
        200,
        content_type=CONTENT_TYPE,
        content_length=len(document),
        headers=exchange.headers,
    )
    await exchange.send({"type": "http.response.body", "body": document, "more_body": False})
