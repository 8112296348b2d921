"""The CAMARA API as a part of the HTTP application."""

from collections.abc import Mapping

import structlog
from litestar import Response
from litestar.handlers import ASGIRouteHandler

from clicktodial.api.camara.document import BASE_PATH, VERSIONS
from clicktodial.api.camara.error import INTERNAL, REFUSAL_BY_STATUS
from clicktodial.api.camara.header import CORRELATOR, RawHeaders, find_correlator
from clicktodial.api.camara.operation import CamaraNeeds, Operations, create_version_handler

log = structlog.get_logger()


def create_camara_handlers(needs: CamaraNeeds) -> list[ASGIRouteHandler]:
    """The routes of every version; all are one API."""
    operations = Operations(needs)
    return [create_version_handler(version, operations) for version in VERSIONS]


def is_camara(path: str) -> bool:
    """Whether a path is of this API, or would be of another version of it."""
    return path == BASE_PATH or path.startswith(f"{BASE_PATH}/")


def answer_http_error(
    status: int, headers: Mapping[str, str], error: Exception, request_headers: RawHeaders
) -> Response[bytes]:
    """What the framework refuses, and faults of ours, in this API's spelling."""
    refusal = REFUSAL_BY_STATUS.get(status, INTERNAL)
    if refusal is INTERNAL:
        log.error("api.internal_error", status=status, exc_info=error)
    correlator = find_correlator(request_headers).decode("ascii")
    return Response(
        refusal.render(),
        status_code=refusal.status,
        media_type="application/json",
        headers={**headers, CORRELATOR.decode(): correlator},
    )
