"""Alerts of the pool of minutes, as a POST to the application server.

The v1 API knows no such notification: this one has a path and a form of its own, the payload of
Standard Webhooks (type, timestamp, data).
"""

import time
from collections.abc import Callable

import msgspec

from clicktodial.api.v1.mapping import render_basic, render_time
from clicktodial.domain.application import Application
from clicktodial.domain.pool_alert import PoolAlert
from clicktodial.notify.format import NotificationRequest

ALERT_PATH = "/clicktodial/events/v1/poolalert"
ALERT_TYPE = "pool.threshold_reached"


class _Data(msgspec.Struct, frozen=True):
    app_id: str
    enterprise_id: str
    sequence: int
    threshold_percent: int
    used_percent: int
    granted_seconds: int
    used_seconds: int
    left_seconds: int


class _Alert(msgspec.Struct, frozen=True):
    type: str
    timestamp: str
    data: _Data


class PoolAlertFormat:
    """Renders alerts of pools."""

    def __init__(self, unix_s: Callable[[], float] = time.time) -> None:
        """`unix_s` tells whether the key of before a rotation still works."""
        self._unix_s = unix_s

    def render(self, event: PoolAlert, application: Application) -> NotificationRequest:
        """The request for one alert; raises ValueError where the application wants none."""
        if application.notify_url is None:
            raise ValueError("the application has no notify_url")
        data = _Data(
            app_id=event.app_id,
            enterprise_id=event.enterprise_id,
            sequence=event.seq,
            threshold_percent=event.percent,
            used_percent=event.used_percent,
            granted_seconds=event.granted_s,
            used_seconds=event.used_s,
            left_seconds=event.left_s,
        )
        return NotificationRequest(
            url=f"{application.notify_url}{ALERT_PATH}",
            headers=(
                ("Content-Type", "application/json"),
                ("Authorization", render_basic(application, self._unix_s)),
            ),
            body=msgspec.json.encode(_Alert(ALERT_TYPE, render_time(event.occurred_at), data)),
        )
