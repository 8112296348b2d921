"""Alerts of pools as they leave."""

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from tests.api.support import APP_ID, create_application

from clicktodial.api.events.pool_alert import PoolAlertFormat
from clicktodial.api.v1.mapping import V1NotificationFormat, render_basic
from clicktodial.domain.pool_alert import PoolAlert
from clicktodial.notify.format import NoticeFormats
from clicktodial.notify.signature import message_id

ALERT = PoolAlert(
    app_id=APP_ID,
    seq=7,
    enterprise_id="acme",
    percent=90,
    used_percent=93,
    granted_s=6_000,
    used_s=5_600,
    occurred_at=datetime(2026, 1, 15, 8, 30, 12, 345_678, tzinfo=UTC),
)


def test_alert_has_a_path_of_its_own_and_says_all_of_it() -> None:
    application = replace(create_application(), notify_url="https://app.example")
    formats = NoticeFormats(V1NotificationFormat(), PoolAlertFormat())
    request = formats.render(ALERT, application)
    assert request.url == "https://app.example/clicktodial/events/v1/poolalert"
    assert request.headers == (
        ("Content-Type", "application/json"),
        ("Authorization", render_basic(application)),
    )
    assert json.loads(request.body) == {
        "type": "pool.threshold_reached",
        "timestamp": "2026-01-15T08:30:12.345Z",
        "data": {
            "app_id": APP_ID,
            "enterprise_id": "acme",
            "sequence": 7,
            "threshold_percent": 90,
            "used_percent": 93,
            "granted_seconds": 6_000,
            "used_seconds": 5_600,
            "left_seconds": 400,
        },
    }
    assert message_id(ALERT) == f"pool-{APP_ID}-7"


def test_alert_for_an_application_that_is_told_nowhere_is_refused() -> None:
    application = replace(create_application(), notify_url=None)
    with pytest.raises(ValueError, match="notify_url"):
        PoolAlertFormat().render(ALERT, application)
