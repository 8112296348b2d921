"""Notifications with Flask: flask --app flask_app run

The application's signing secret is in CLICKTODIAL_SIGNING_SECRET; two of them, with a space
between, while it is being replaced.
"""

import logging
import os

from flask import Flask, request

from clicktodial.client import Notification, NotificationInvalid, verify_notification
from clicktodial.client.notification import BODY_BYTES_MAX

SECRETS = os.environ["CLICKTODIAL_SIGNING_SECRET"].split()
log = logging.getLogger(__name__)
app = Flask(__name__)
app.config["MAX_CONTENT_LENGTH"] = BODY_BYTES_MAX


@app.post("/clicktodial/v1/clicktodialstatusnotify/<call_id>")  # calls of v1
@app.post("/clicktodial/events/v1/poolalert")  # minutes that run low
@app.post("/events")  # calls of CAMARA, where this is their sink
def receive(call_id: str | None = None) -> tuple[str, int]:
    """Any 2xx takes a notification; with any other answer it comes again."""
    try:
        notification = verify_notification(request.headers, request.get_data(), SECRETS)
    except NotificationInvalid as error:
        log.warning("refused: %s", error)
        return "", 401
    take(notification)
    return "", 204


def take(notification: Notification) -> None:
    """Its `id` is the same each time it comes: store it under a unique key, and it counts once."""
    log.info("%s %s", notification.id, type(notification).__name__)
