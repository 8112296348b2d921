"""The HTTP application: every route of the platform, and the answers where there is none."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import structlog
from litestar import Litestar, Request, Response, get
from litestar.exceptions import HTTPException
from litestar.handlers import ASGIRouteHandler, HTTPRouteHandler
from litestar.response import Redirect
from litestar.types import ExceptionHandlersMap

from clicktodial import __version__
from clicktodial.api.camara.api import answer_http_error as answer_camara_error
from clicktodial.api.camara.api import is_camara
from clicktodial.api.events.view import BASE_PATH as EVENTS_PATH
from clicktodial.api.health import IsReady, create_health_handlers
from clicktodial.api.management.api import answer_http_error
from clicktodial.api.management.problem import BASE_PATH as MANAGEMENT_PATH
from clicktodial.api.oauth.error import answer_http_error as answer_oauth_error
from clicktodial.api.oauth.path import BASE_PATH as OAUTH_PATH
from clicktodial.api.openapi import create_document
from clicktodial.api.page import create_document_handlers
from clicktodial.api.request_gate import RequestGate
from clicktodial.api.v1.download import IsKnownCall, RecordingDownload
from clicktodial.api.v1.error import (
    INTERNAL_SERVICE_ERROR,
    INVALID_INPUT_VALUE,
    METHOD_NOT_ALLOWED,
    NOT_FOUND,
    Refusal,
)
from clicktodial.api.v1.operation import Operations, create_operation_handlers
from clicktodial.config import HttpSettings
from clicktodial.control.once import OnceBegins
from clicktodial.control.port import Applications, RecordingCatalog
from clicktodial.control.service import CallService

log = structlog.get_logger()


# What answers below CONSOLE_PATH to what the framework refuses, by the status.
ConsoleAnswer: TypeAlias = Callable[[Request[Any, Any, Any], int, Exception], Response[bytes]]
CONSOLE_PATH = "/console"


def create_http_app(
    *,
    service: CallService,
    applications: Applications,
    recordings: RecordingCatalog,
    is_known_call: IsKnownCall,
    recordings_root: Path,
    settings: HttpSettings,
    default_region: str,
    is_ready: IsReady,
    gate: RequestGate | None = None,
    once: OnceBegins | None = None,
    further_handlers: Sequence[HTTPRouteHandler | ASGIRouteHandler] = (),
    console: ConsoleAnswer | None = None,
) -> Litestar:
    """The ASGI application of one process, to be served on the loop of `service`.

    `is_known_call` is CallStore.is_known. `is_ready` says whether the database is reachable and
    the process is not stopping; it may take a while, and is not asked for longer than bearable.
    `gate` counts requests of both APIs; None trusts no proxy. `once` keeps begins of a key.
    `console` is the console's, where there is one.
    """
    operations = Operations(
        service=service,
        applications=applications,
        download=RecordingDownload(
            recordings=recordings, is_known_call=is_known_call, root=recordings_root
        ),
        body_bytes_max=settings.body_bytes_max,
        default_region=default_region,
        gate=gate,
        once=once,
    )
    document = create_document(body_bytes_max=settings.body_bytes_max, version=__version__)
    return Litestar(
        route_handlers=[
            *create_operation_handlers(operations),
            *create_health_handlers(is_ready),
            *further_handlers,
            *create_document_handlers(document),
            _create_root_handler(),
        ],
        exception_handlers=_create_exception_handlers(console),
        # The document is written by hand: the framework cannot express the order of errors,
        # the notification, or one example per row of the error table.
        openapi_config=None,
        logging_config=None,
    )


def _create_root_handler() -> HTTPRouteHandler:
    @get("/")
    async def root() -> Redirect:
        return Redirect("/docs", status_code=307)

    return root


def _create_exception_handlers(console: ConsoleAnswer | None) -> ExceptionHandlersMap:
    def answer(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
        if console is not None and _is_below(CONSOLE_PATH, request):
            return console(request, getattr(error, "status_code", 500), error)
        if isinstance(error, HTTPException):
            return _answer_http_error(request, error)
        return _answer_fault(request, error)

    return {HTTPException: answer, Exception: answer}


def _answer_http_error(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    status = error.status_code if isinstance(error, HTTPException) else 500
    headers = getattr(error, "headers", None) or {}
    if _is_below(MANAGEMENT_PATH, request) or _is_below(EVENTS_PATH, request):
        return answer_http_error(status, headers, error)
    if _is_below(OAUTH_PATH, request):
        return answer_oauth_error(status, headers, error)
    if is_camara(request.scope["path"]):
        return answer_camara_error(status, headers, error, request.scope["headers"])
    refusal = _REFUSAL_BY_STATUS.get(status, INTERNAL_SERVICE_ERROR)
    if refusal is INTERNAL_SERVICE_ERROR:
        log.error("api.internal_error", status=status, exc_info=error)
    return _render(refusal, headers)


def _answer_fault(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    if _is_below(MANAGEMENT_PATH, request) or _is_below(EVENTS_PATH, request):
        return answer_http_error(500, {}, error)
    if _is_below(OAUTH_PATH, request):
        return answer_oauth_error(500, {}, error)
    if is_camara(request.scope["path"]):
        return answer_camara_error(500, {}, error, request.scope["headers"])
    log.error("api.internal_error", exc_info=error)
    return _render(INTERNAL_SERVICE_ERROR, {})


def _is_below(base: str, request: Request[Any, Any, Any]) -> bool:
    path = request.scope["path"]
    return path == base or path.startswith(f"{base}/")


def _render(refusal: Refusal, headers: dict[str, str]) -> Response[bytes]:
    return Response(
        refusal.body,
        status_code=refusal.status,
        media_type="application/json",
        headers=headers,
    )


# What the framework itself refuses: a Host header that is none, a path, a method.
_REFUSAL_BY_STATUS = {
    400: INVALID_INPUT_VALUE,
    404: NOT_FOUND,
    405: METHOD_NOT_ALLOWED,
}
