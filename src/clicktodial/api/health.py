"""Whether the process lives, and whether it may be given work: for load balancers and people."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeAlias

from litestar import Response, get
from litestar.handlers import HTTPRouteHandler

from clicktodial.api.v1.error import DEFAULT_RETRY_AFTER_S, SERVICE_UNAVAILABLE
from clicktodial.api.v1.mapping import render_success
from clicktodial.control.port import StoreError

# A database that answers later than this cannot carry calls.
READINESS_TIMEOUT_S = 2.0
_JSON = "application/json"

IsReady: TypeAlias = Callable[[], Awaitable[bool]]


def create_health_handlers(is_ready: IsReady) -> list[HTTPRouteHandler]:
    """The routes of /health. They ask for no credential and tell nothing but yes or no."""

    @get("/health/live")
    async def live() -> Response[bytes]:
        return Response(render_success(), media_type=_JSON, headers={"Cache-Control": "no-store"})

    @get("/health/ready")
    async def ready() -> Response[bytes]:
        headers = {"Cache-Control": "no-store"}
        try:
            async with asyncio.timeout(READINESS_TIMEOUT_S):
                is_yes = await is_ready()
        except (TimeoutError, StoreError):
            is_yes = False
        if is_yes:
            return Response(render_success(), media_type=_JSON, headers=headers)
        headers["Retry-After"] = str(DEFAULT_RETRY_AFTER_S)
        return Response(
            SERVICE_UNAVAILABLE.body, status_code=503, media_type=_JSON, headers=headers
        )

    return [live, ready]
