"""Notifications with FastAPI: uvicorn fastapi_app:app

The application's signing secret is in CLICKTODIAL_SIGNING_SECRET; two of them, with a space
between, while it is being replaced.
"""

import logging
import os

from fastapi import FastAPI, Request, Response

from clicktodial.client import Notification, NotificationInvalid, verify_notification
from clicktodial.client.notification import BODY_BYTES_MAX

SECRETS = os.environ["CLICKTODIAL_SIGNING_SECRET"].split()
log = logging.getLogger(__name__)
app = FastAPI()


@app.post("/clicktodial/v1/clicktodialstatusnotify/{call_id}")  # calls of v1
@app.post("/clicktodial/events/v1/poolalert")  # minutes that run low
@app.post("/events")  # calls of CAMARA, where this is their sink
async def receive(request: Request) -> Response:
    """Any 2xx takes a notification; with any other answer it comes again."""
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > BODY_BYTES_MAX:
            return Response(status_code=413)
    try:
        notification = verify_notification(request.headers, bytes(body), SECRETS)
    except NotificationInvalid as error:
        log.warning("refused: %s", error)
        return Response(status_code=401)
    take(notification)
    return Response(status_code=204)


def take(notification: Notification) -> None:
    """Its `id` is the same each time it comes: store it under a unique key, and it counts once."""
    log.info("%s %s", notification.id, type(notification).__name__)
