"""The handlers of the console, for the HTTP server."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from litestar import Request, Response, get
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath
from litestar.response import Redirect

from clicktodial.portal.asset import load_assets
from clicktodial.portal.console import create_console
from clicktodial.portal.gate import Gate
from clicktodial.portal.live import Broadcaster
from clicktodial.portal.needs import ConsoleNeeds
from clicktodial.portal.page import BASE_PATH
from clicktodial.portal.renderer import Renderer
from clicktodial.portal.text import load_words
from clicktodial.web.auditor import Auditor
from clicktodial.web.request import find_header

STATIC_PATH = f"{BASE_PATH}/static/"
# Their names change with what is in them.
_FOR_EVER = "public, max-age=31536000, immutable"


@dataclass(frozen=True, slots=True)
class ConsoleHandlers:
    """What is served, and what answers below BASE_PATH where nothing is."""

    handlers: list[HTTPRouteHandler]
    broadcaster: Broadcaster
    answer_trouble: Callable[[Request[Any, Any, Any], int, Exception], Response[bytes]]


def create_console_handlers(needs: ConsoleNeeds) -> ConsoleHandlers:
    """All that is below BASE_PATH."""
    load_words()
    renderer = Renderer()
    renderer.compile_all()
    broadcaster = Broadcaster(needs.worker)
    gate = Gate(
        create_console(needs),
        needs,
        Auditor(needs.audit_log, needs.worker, time.monotonic),
        renderer,
        link_to_asset,
        broadcaster,
    )
    return ConsoleHandlers(
        [*gate.create_handlers(), _create_static_handler(), *_create_redirects()],
        broadcaster,
        gate.answer_trouble,
    )


def link_to_asset(name: str) -> str:
    """The address of a file of static/. Raises KeyError."""
    return STATIC_PATH + load_assets()[name].served_as


def _create_static_handler() -> HTTPRouteHandler:
    served = {asset.served_as: asset for asset in load_assets().values()}

    @get(STATIC_PATH + "{name:str}", name="console:static")
    async def static(request: Request[Any, Any, Any], name: FromPath[str]) -> Response[bytes]:
        asset = served.get(name)
        if asset is None:
            return Response(b"", status_code=404, media_type="text/plain")
        headers = {
            "Cache-Control": _FOR_EVER,
            "X-Content-Type-Options": "nosniff",
            "Vary": "Accept-Encoding",
        }
        content = asset.content
        accepted = find_header(request.scope["headers"], b"accept-encoding") or b""
        if asset.gzipped is not None and b"gzip" in accepted:
            content = asset.gzipped
            headers["Content-Encoding"] = "gzip"
        return Response(content, media_type=asset.media_type, headers=headers)

    return static


def _create_redirects() -> list[HTTPRouteHandler]:
    """From where mails lead to; what stands behind the # a browser takes along."""

    def lead(path: str, to: str) -> HTTPRouteHandler:
        @get(path, name=f"console:redirect:{path}")
        async def redirect() -> Redirect:
            return Redirect(BASE_PATH + to, status_code=307)

        return redirect

    return [
        lead("/activate", "/activate"),
        lead("/change-email", "/change-email"),
        lead("/reset-password", "/reset-password"),
    ]
