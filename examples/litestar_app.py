"""Notifications with Litestar: uvicorn litestar_app:app

The application's signing secret is in CLICKTODIAL_SIGNING_SECRET; two of them, with a space
between, while it is being replaced.
"""

import logging
import os
from typing import Any

from litestar import Litestar, Request, Response, post

from clicktodial.client import Notification, NotificationInvalid, verify_notification
from clicktodial.client.notification import BODY_BYTES_MAX

SECRETS = os.environ["CLICKTODIAL_SIGNING_SECRET"].split()
log = logging.getLogger(__name__)


@post(
    [
        "/clicktodial/v1/clicktodialstatusnotify/{call_id:str}",  # calls of v1
        "/clicktodial/events/v1/poolalert",  # minutes that run low
        "/events",  # calls of CAMARA, where this is their sink
    ],
    request_max_body_size=BODY_BYTES_MAX,
)
async def receive(request: Request[Any, Any, Any]) -> Response[None]:
    """Any 2xx takes a notification; with any other answer it comes again."""
    try:
        notification = verify_notification(request.headers, await request.body(), SECRETS)
    except NotificationInvalid as error:
        log.warning("refused: %s", error)
        return Response(None, status_code=401)
    take(notification)
    return Response(None, status_code=204)


def take(notification: Notification) -> None:
    """Its `id` is the same each time it comes: store it under a unique key, and it counts once."""
    log.info("%s %s", notification.id, type(notification).__name__)


# What is logged, and where, is said by the program around it.
app = Litestar([receive], logging_config=None)
