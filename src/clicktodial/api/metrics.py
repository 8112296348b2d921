"""The metrics page, for Prometheus: behind a token, and not there at all without one."""

import hmac
from collections.abc import Callable
from typing import Any

from litestar import Request, Response, get
from litestar.exceptions import NotFoundException
from litestar.handlers import HTTPRouteHandler

_SCHEME = "bearer"


def create_metrics_handler(
    render: Callable[[], bytes], *, content_type: str, token: str | None
) -> HTTPRouteHandler:
    """GET /metrics. `token` is what a scraper must bear; None hides the page."""

    @get("/metrics")
    async def metrics(request: Request[Any, Any, Any]) -> Response[bytes]:
        if token is None or not _bears(request.headers.get("authorization", ""), token):
            # A wrong token is told no more than that there is nothing here.
            raise NotFoundException
        headers = {"Cache-Control": "no-store"}
        return Response(render(), media_type=content_type, headers=headers)

    return metrics


def _bears(authorization: str, token: str) -> bool:
    scheme, _, given = authorization.partition(" ")
    return scheme.lower() == _SCHEME and hmac.compare_digest(given.strip().encode(), token.encode())
