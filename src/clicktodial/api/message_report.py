"""Where an MMSC tells what became of a multimedia message: DeliveryReportReq of MM7.

The path ends in a secret, since MMSCs rarely authenticate, and may be bound to networks besides.
Whoever knows neither is told no more than that there is nothing here.
"""

import hmac
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

import structlog
from litestar import Request, Response, post
from litestar.exceptions import NotFoundException
from litestar.handlers import HTTPRouteHandler

from clicktodial.messaging.gateway import GatewayReport
from clicktodial.messaging.mm7 import (
    DOCUMENT_BYTES_MAX,
    MM7,
    DocumentUnreadable,
    ReportAddress,
    read_delivery_report,
    render_report_answer,
)
from clicktodial.storage.error import StorageError
from clicktodial.web.client_address import ClientAddresses
from clicktodial.web.request import BodyTooLong, ClientDisconnected, read_body

log = structlog.get_logger()

OnReport: TypeAlias = Callable[[str, GatewayReport], Awaitable[object]]
_TEXT = "text/plain"


def create_report_handlers(
    address: ReportAddress | None, on_report: OnReport, addresses: ClientAddresses
) -> list[HTTPRouteHandler]:
    """POST /messages/mm7/{secret}; none where no reports are asked for.

    `on_report` may raise StorageError, and then the MMSC is told to come again.
    """
    if address is None:
        return []

    @post("/messages/mm7/{secret:str}", status_code=200)
    async def report(request: Request[Any, Any, Any]) -> Response[bytes]:
        _require_known(request, address, addresses)
        content_type = request.headers.get("content-type", "")
        try:
            body = await read_body(request.receive, DOCUMENT_BYTES_MAX)
            told = read_delivery_report(content_type, body)
        except BodyTooLong:
            return Response(b"too long", status_code=413, media_type=_TEXT)
        except ClientDisconnected:
            return Response(b"", status_code=400, media_type=_TEXT)
        except DocumentUnreadable as error:
            log.warning("message.report_unreadable", error=str(error))
            return Response(b"no DeliveryReportReq", status_code=400, media_type=_TEXT)
        try:
            await on_report(MM7, told.report)
        except StorageError as error:
            log.error("message.report_not_kept", error=str(error))
            return Response(b"not now", status_code=503, media_type=_TEXT)
        media_type, answer = render_report_answer(told.transaction_id)
        return Response(answer, media_type=media_type)

    return [report]


def _require_known(
    request: Request[Any, Any, Any], address: ReportAddress, addresses: ClientAddresses
) -> None:
    given = str(request.path_params["secret"]).encode()
    if not hmac.compare_digest(given, address.secret.encode()):
        raise NotFoundException
    if not address.sources:
        return
    client = addresses.find(request.scope)
    if client is None or not any(client in network for network in address.sources):
        raise NotFoundException
