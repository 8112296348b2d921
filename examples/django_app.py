"""Notifications with Django: gunicorn django_app:app

In a project of its own, `receive` is a view among others, and the settings are where they were.
The application's signing secret is in CLICKTODIAL_SIGNING_SECRET; two of them, with a space
between, while it is being replaced.
"""

import logging
import os

from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from clicktodial.client import Notification, NotificationInvalid, verify_notification
from clicktodial.client.notification import BODY_BYTES_MAX

SECRETS = os.environ["CLICKTODIAL_SIGNING_SECRET"].split()
log = logging.getLogger(__name__)
settings.configure(
    ROOT_URLCONF=__name__,
    ALLOWED_HOSTS=os.environ.get("ALLOWED_HOSTS", "localhost").split(),
    DATA_UPLOAD_MAX_MEMORY_SIZE=BODY_BYTES_MAX,
    LOGGING_CONFIG=None,  # what is logged, and where, is said by the program around it
)


@csrf_exempt  # the platform has no session that could be abused
@require_POST
def receive(request: HttpRequest, call_id: str | None = None) -> HttpResponse:
    """Any 2xx takes a notification; with any other answer it comes again."""
    try:
        notification = verify_notification(request.headers, request.body, SECRETS)
    except NotificationInvalid as error:
        log.warning("refused: %s", error)
        return HttpResponse(status=401)
    take(notification)
    return HttpResponse(status=204)


def take(notification: Notification) -> None:
    """Its `id` is the same each time it comes: store it under a unique key, and it counts once."""
    log.info("%s %s", notification.id, type(notification).__name__)


urlpatterns = [
    path("clicktodial/v1/clicktodialstatusnotify/<str:call_id>", receive),  # calls of v1
    path("clicktodial/events/v1/poolalert", receive),  # minutes that run low
    path("events", receive),  # calls of CAMARA, where this is their sink
]
app = get_wsgi_application()
