"""Notifications are taken where the platform signed them, now, and never else."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.client.support import (
    ALERT,
    CALL_ID,
    NOW_S,
    OCCURRED_AT,
    SIGNING_SECRET,
    render_alert,
    render_camara,
    render_v1,
    sign,
)

from clicktodial.client import (
    CallStatus,
    CallStatusChanged,
    CamaraReason,
    CamaraRecordingResult,
    CamaraStatus,
    EndReason,
    NotificationInvalid,
    NotificationStale,
    NotificationUnknown,
    PoolAlert,
    RecordingResult,
    SignatureInvalid,
    StatusNotification,
    verify_notification,
)
from clicktodial.client.notification import BODY_BYTES_MAX, TOLERANCE_S

OTHER_SECRET = "whsec_AAAA"


def test_v1_notification_is_typed() -> None:
    headers, body = render_v1()
    assert verify_notification(headers, body, SIGNING_SECRET, now_s=NOW_S) == StatusNotification(
        id=f"{CALL_ID}-4",
        call_id=CALL_ID,
        seq=4,
        app_id="12345678",
        sponsor="01052680000",
        caller="8613912345673",
        callee="8613810268653",
        status=CallStatus.DISCONNECTED,
        occurred_at=OCCURRED_AT,
        reason=EndReason.CALLEE_BUSY,
        call_duration_s=0,
        recording_id="r1",
        recording_result=RecordingResult.NO_RECORD,
    )


def test_camara_event_is_typed() -> None:
    headers, body = render_camara()
    assert verify_notification(headers, body, SIGNING_SECRET, now_s=NOW_S) == CallStatusChanged(
        id=f"{CALL_ID}-4",
        call_id=CALL_ID,
        source="https://platform.example/click-to-dial",
        caller="8613912345673",
        callee="8613810268653",
        status=CamaraStatus.DISCONNECTED,
        occurred_at=OCCURRED_AT,
        reason=CamaraReason.CALLEE_BUSY,
        call_duration_s=0,
        recording_result=CamaraRecordingResult.NO_RECORD,
    )


def test_pool_alert_is_typed() -> None:
    headers, body = render_alert()
    assert verify_notification(headers, body, SIGNING_SECRET, now_s=NOW_S) == PoolAlert(
        id="pool-12345678-7",
        app_id="12345678",
        enterprise_id="acme",
        seq=7,
        threshold_percent=80,
        used_percent=81,
        granted_s=36_000,
        used_s=29_160,
        left_s=ALERT.left_s,
        occurred_at=OCCURRED_AT,
    )


@pytest.mark.parametrize(
    "secrets", [[OTHER_SECRET, SIGNING_SECRET], [SIGNING_SECRET.removeprefix("whsec_")]]
)
def test_any_of_the_secrets_of_a_rotation_is_good(secrets: list[str]) -> None:
    headers, body = render_v1()
    verify_notification(headers, body, secrets, now_s=NOW_S)


def test_names_of_headers_are_of_any_case_and_foreign_signatures_passed_over() -> None:
    headers, body = render_v1()
    headers["webhook-signature"] = f"v1a,abc v1,AAAA {headers['webhook-signature']}"
    shown = {name.title(): value for name, value in headers.items()}
    verify_notification(shown, body, SIGNING_SECRET, now_s=NOW_S)


@pytest.mark.parametrize("name", ["webhook-id", "webhook-timestamp", "webhook-signature", "body"])
def test_what_was_changed_on_its_way_is_refused(name: str) -> None:
    headers, body = render_v1()
    if name == "body":
        body = body.replace(b"CalleeBusy", b"CallerBusy")
    elif name == "webhook-timestamp":
        headers[name] = str(NOW_S + 1)
    else:
        headers[name] = headers[name][:-2] + "A="
    with pytest.raises(SignatureInvalid):
        verify_notification(headers, body, SIGNING_SECRET, now_s=NOW_S)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("webhook-id", None),
        ("webhook-timestamp", None),
        ("webhook-signature", None),
        ("webhook-timestamp", "soon"),
        ("webhook-timestamp", "-1"),
        ("webhook-timestamp", "\u0661"),
        ("webhook-timestamp", "9" * 5_000),
        ("webhook-signature", ""),
        ("webhook-signature", "v1,\u00e9"),
        ("webhook-signature", "v1,\udce9"),
    ],
)
def test_header_that_is_missing_or_nonsense_is_refused(name: str, value: str | None) -> None:
    headers, body = render_v1()
    del headers[name]
    if value is not None:
        headers[name] = value
    with pytest.raises(SignatureInvalid):
        verify_notification(headers, body, SIGNING_SECRET, now_s=NOW_S)


def test_header_given_twice_with_two_values_is_refused() -> None:
    headers, body = render_v1()

    class Twice:
        def items(self) -> list[tuple[str, str]]:
            return [*headers.items(), ("Webhook-Id", "another")]

    with pytest.raises(SignatureInvalid, match="twice"):
        verify_notification(Twice(), body, SIGNING_SECRET, now_s=NOW_S)


@pytest.mark.parametrize("late_s", [-TOLERANCE_S - 1, TOLERANCE_S + 1])
def test_what_was_signed_long_ago_or_will_be_is_stale(late_s: int) -> None:
    headers, body = render_v1()
    with pytest.raises(NotificationStale):
        verify_notification(headers, body, SIGNING_SECRET, now_s=NOW_S + late_s)
    verify_notification(headers, body, SIGNING_SECRET, now_s=NOW_S + late_s * 0.99)


def test_body_beyond_the_bound_is_refused_before_it_is_looked_at() -> None:
    body = b" " * (BODY_BYTES_MAX + 1)
    with pytest.raises(NotificationInvalid, match=str(BODY_BYTES_MAX)):
        verify_notification(sign("a-1", body), body, SIGNING_SECRET, now_s=NOW_S)


@pytest.mark.parametrize("body", [{"type": "pool.emptied", "data": {}}, {}, {"type": None}])
def test_kind_that_is_not_known_is_told_apart(body: dict[str, Any]) -> None:
    raw = json.dumps(body).encode()
    with pytest.raises(NotificationUnknown):
        verify_notification(sign("a-1", raw), raw, SIGNING_SECRET, now_s=NOW_S)


@given(st.binary() | st.just(b"[" * 10_000) | st.just(b'{"APPID":"1"}') | st.just(b"\xff{}"))
def test_signed_nonsense_is_invalid_and_nothing_worse(body: bytes) -> None:
    with pytest.raises(NotificationInvalid):
        verify_notification(sign("a-1", body), body, SIGNING_SECRET, now_s=NOW_S)


@pytest.mark.parametrize("secret", ["whsec_!", "", "whsec_", [], "\u00e9"])
def test_secret_that_is_none_is_a_mistake_of_the_caller(secret: Any) -> None:
    headers, body = render_v1()
    with pytest.raises(ValueError, match="secret"):
        verify_notification(headers, body, secret, now_s=NOW_S)
