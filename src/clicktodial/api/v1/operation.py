"""The three operations that applications call (click-to-dial-v1 4.3).

Each goes the same way: who asks, what is said, may they, is it all there, is it right, do it.
The handlers are bare ASGI applications behind the router, since a begin is on the path of every
call and the framework's reading of signatures would cost more than the work itself.
"""

import re
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import lru_cache, partial
from typing import TypeAlias

import msgspec
import structlog
from litestar.exceptions import MethodNotAllowedException, NotFoundException
from litestar.handlers import ASGIRouteHandler, asgi
from litestar.types import Receive, Scope, Send

from clicktodial.api.authentication import authenticate
from clicktodial.api.idempotency import REPLAYED, KeyMalformed, find_key_hash, hash_request
from clicktodial.api.request_gate import RequestGate
from clicktodial.api.response import send_json
from clicktodial.api.v1.body import BeginBody, BodyT, DownloadBody, ReleaseBody, decode_body
from clicktodial.api.v1.download import RecordingDownload
from clicktodial.api.v1.error import (
    ABNORMAL_APPLICATION_STATUS,
    APPLICATION_LIMIT_REACHED,
    CALL_ID_ERROR,
    CUSTOMER_STATUS_ABNORMALITY,
    INVALID_INPUT_VALUE,
    MESSAGE_TOO_LONG,
    NOT_AUTHORIZED,
    Refused,
    refused_by,
)
from clicktodial.api.v1.mapping import (
    parse_begin,
    parse_call_id,
    parse_download,
    parse_release,
    render_begun,
    render_success,
)
from clicktodial.control.error import ControlError
from clicktodial.control.once import OnceBegin, OnceBegins
from clicktodial.control.port import Applications, StoreError
from clicktodial.control.service import CallService
from clicktodial.domain.application import (
    Application,
    ApplicationStatus,
    EnterpriseStatus,
)
from clicktodial.domain.identifier import CallId
from clicktodial.domain.number import parse_number
from clicktodial.web.request import BodyTooLong, ClientDisconnected, read_body

BASE_PATH = "/clicktodial/v1"
CALL_ID_PARAMETER = "callidentifier"
BEGIN_NAME = "clicktodialbegin"
# Reading a number costs 30 us, three of them more than the rest of a begin, and an enterprise
# shows few sponsors and calls the same staff again and again. About 300 bytes an entry.
NUMBERS_CACHED_MAX = 8192
# What remains of a path behind a mount. Without the slash it is another, longer name.
_CALL_PATH = re.compile("/[^/]+/")

log = structlog.get_logger()

Handle: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]


class Operations:
    """Handlers of the operations, each an ASGI application that may raise Refused."""

    def __init__(
        self,
        *,
        service: CallService,
        applications: Applications,
        download: RecordingDownload,
        body_bytes_max: int,
        default_region: str,
        gate: RequestGate | None = None,
        once: OnceBegins | None = None,
    ) -> None:
        """Without `once`, Idempotency-Key means nothing."""
        self._once = once
        self._gate = gate or RequestGate()
        self._service = service
        self._applications = applications
        self._download = download
        self._body_bytes_max = body_bytes_max
        self._parse_number = lru_cache(NUMBERS_CACHED_MAX)(
            partial(parse_number, region=default_region)
        )
        self._begin_decoder = msgspec.json.Decoder(BeginBody)
        self._release_decoder = msgspec.json.Decoder(ReleaseBody)
        self._download_decoder = msgspec.json.Decoder(DownloadBody)

    async def begin(self, scope: Scope, receive: Receive, send: Send) -> None:
        """POST /clicktodial/v1/clicktodialbegin"""
        application, body, raw = await self._admit(scope, receive, self._begin_decoder)
        request = parse_begin(body, self._parse_number)
        key_hash = _find_key(scope)
        if key_hash is not None and self._once is not None:
            how = OnceBegin(
                lambda claim: self._service.begin(application, replace(request, once=claim)),
                _render_begun,
                keeps_answer=False,
            )
            request_hash = hash_request(BEGIN_NAME, raw)
            answer = await self._once.answer(application.app_id, key_hash, request_hash, how)
            await send_json(send, 200, answer.body, REPLAYED if answer.is_replayed else ())
            return
        call_id = await self._service.begin(application, request)
        await send_json(send, 200, render_begun(call_id))

    async def release(self, scope: Scope, receive: Receive, send: Send) -> None:
        """POST /clicktodial/v1/clicktodialrelease/{callidentifier}"""
        application, body, _ = await self._admit(scope, receive, self._release_decoder)
        operation = parse_release(body)
        call_id = _path_call_id(scope)
        if operation == "EndCall":
            await self._service.release(application, call_id)
        else:
            await self._service.continue_call(application, call_id)
        await send_json(send, 200, render_success())

    async def download(self, scope: Scope, receive: Receive, send: Send) -> None:
        """POST /clicktodial/v1/recordingdownload/{callidentifier}"""
        application, body, _ = await self._admit(scope, receive, self._download_decoder)
        recording_id = parse_download(body)
        call_id = _path_call_id(scope)
        await self._download.send(application.app_id, call_id, recording_id, receive, send)

    async def _admit(
        self, scope: Scope, receive: Receive, decoder: msgspec.json.Decoder[BodyT]
    ) -> tuple[Application, BodyT, bytes]:
        """Everything that comes before the properties, in the order of click-to-dial-v1 4.4; the
        body also as it came."""
        application = await authenticate(scope["headers"], self._applications)
        if application is None:
            raise Refused(NOT_AUTHORIZED)
        if not self._gate.allows(application, scope):
            log.warning("api.address_refused", app_id=application.app_id)
            raise Refused(NOT_AUTHORIZED)
        if not self._gate.take(application):
            raise Refused(APPLICATION_LIMIT_REACHED)
        raw, body, too_long = b"", None, None
        try:
            raw = await read_body(receive, self._body_bytes_max)
            body = decode_body(raw, decoder)
        except BodyTooLong as error:
            too_long = error
        if body is not None and _names_another(body.app_id, application):
            raise Refused(NOT_AUTHORIZED)
        if application.enterprise_status is not EnterpriseStatus.ACTIVE:
            raise Refused(CUSTOMER_STATUS_ABNORMALITY)
        if application.status is not ApplicationStatus.ACTIVE:
            raise Refused(ABNORMAL_APPLICATION_STATUS)
        if too_long is not None:
            raise Refused(MESSAGE_TOO_LONG, is_last=not too_long.is_drained)
        if body is None:
            raise Refused(INVALID_INPUT_VALUE)
        return application, body, raw


def create_operation_handlers(operations: Operations) -> list[ASGIRouteHandler]:
    """The routes of the operations."""
    return [
        _create_handler(BEGIN_NAME, operations.begin, of_call=False),
        _create_handler("clicktodialrelease", operations.release, of_call=True),
        _create_handler("recordingdownload", operations.download, of_call=True),
    ]


def _create_handler(name: str, handle: Handle, *, of_call: bool) -> ASGIRouteHandler:
    # The router finds no ASGI handler below a path parameter, so the callidentifier is what
    # remains of the path behind a mount.
    @asgi(f"{BASE_PATH}/{name}", name=name, is_mount=of_call, copy_scope=False)
    async def handler(scope: Scope, receive: Receive, send: Send) -> None:
        if of_call and _CALL_PATH.fullmatch(scope["path"]) is None:
            raise NotFoundException
        if scope.get("method") != "POST":
            raise MethodNotAllowedException(headers={"Allow": "POST"})
        try:
            try:
                await handle(scope, receive, send)
            except ControlError as error:
                raise refused_by(error) from error
            except StoreError as error:
                log.error("api.store_failed", operation=name, detail=str(error))
                raise refused_by(error) from error
        except Refused as refused:
            refusal = refused.refusal
            log.info("api.refused", operation=name, code=refusal.code, why=refusal.description)
            await send_json(send, refusal.status, refusal.body, refused.headers)
        except ClientDisconnected:
            log.debug("api.client_disconnected", operation=name)

    return handler


def _names_another(app_id: object, application: Application) -> bool:
    # An APPID that is not a string is an error of type, told later.
    return isinstance(app_id, str) and app_id != application.app_id


def _find_key(scope: Scope) -> str | None:
    try:
        return find_key_hash(scope["headers"])
    except KeyMalformed as error:
        raise Refused(INVALID_INPUT_VALUE) from error


async def _render_begun(call_id: CallId) -> bytes:
    return render_begun(call_id)


def _path_call_id(scope: Scope) -> CallId:
    call_id = parse_call_id(scope["path"].strip("/"))
    if call_id is None:
        raise Refused(CALL_ID_ERROR)
    return call_id
