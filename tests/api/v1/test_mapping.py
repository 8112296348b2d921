"""Notifications as they leave, held against the document."""

import base64
import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from tests.api.support import APP_ID, SECRET, Conformance, create_application

from clicktodial.api.v1.mapping import V1NotificationFormat, render_time
from clicktodial.domain.cause import EndReason
from clicktodial.domain.event import CallStatus, RecordingResult, StatusEvent
from clicktodial.domain.identifier import CallId, RecordingId
from clicktodial.notify.format import StatusFormat

CALL_ID = CallId("019a3f6e8b5c7d2e9f00112233445566")
RECORDING_ID = RecordingId("019a3f6e8b5d7a1c8899aabbccddeeff")
SCHEMA = ["components", "schemas", "StatusNotification"]


def create_event(status: CallStatus, **changes: Any) -> StatusEvent:
    values: dict[str, Any] = {
        "call_id": CALL_ID,
        "seq": 1,
        "app_id": APP_ID,
        "status": status,
        "occurred_at": datetime(2026, 1, 15, 8, 30, 12, 345_678, tzinfo=UTC),
        "sponsor": "01052680000",
        "caller": "8613912345673",
        "callee": "+86 138 1026 8653",
    }
    return StatusEvent(**values | changes)


def render(event: StatusEvent, conformance: Conformance) -> Any:
    form: StatusFormat = V1NotificationFormat()
    body = json.loads(form.render(event, create_application()).body)
    conformance.validate(SCHEMA, body)
    return body


COMMON = {
    "APPID": APP_ID,
    "sponsor": "01052680000",
    "caller": "8613912345673",
    "callee": "+86 138 1026 8653",
    "timeStamp": "2026-01-15T08:30:12.345Z",
}


@pytest.mark.parametrize(
    "status", [CallStatus.CALLING_CALLER, CallStatus.CALLING_CALLEE, CallStatus.CONNECTED]
)
def test_event_before_the_end_has_no_conditional_property(
    status: CallStatus, conformance: Conformance
) -> None:
    assert render(create_event(status), conformance) == COMMON | {"status": status.value}


@pytest.mark.parametrize("reason", EndReason)
def test_end_of_a_call_tells_reason_and_duration(
    reason: EndReason, conformance: Conformance
) -> None:
    event = create_event(CallStatus.DISCONNECTED, reason=reason, call_duration_s=61)
    assert render(event, conformance) == COMMON | {
        "status": "Disconnected",
        "reason": reason.value,
        "callDuration": 61,
    }


def test_end_of_a_call_never_connected_tells_no_seconds(conformance: Conformance) -> None:
    event = create_event(CallStatus.DISCONNECTED, reason=EndReason.CALLER_BUSY)
    assert render(event, conformance)["callDuration"] == 0


@pytest.mark.parametrize("result", RecordingResult)
def test_end_of_a_recorded_call_tells_the_recording(
    result: RecordingResult, conformance: Conformance
) -> None:
    event = create_event(
        CallStatus.DISCONNECTED,
        reason=EndReason.HANG_UP,
        call_duration_s=0,
        recording_id=RECORDING_ID,
        recording_result=result,
    )
    body = render(event, conformance)
    assert body["recordingResult"] == result.value
    assert body["recordingId"] == RECORDING_ID


def test_end_of_a_recorded_call_without_a_result_tells_failure(conformance: Conformance) -> None:
    event = create_event(CallStatus.DISCONNECTED, reason=EndReason.OTHER, recording_id=RECORDING_ID)
    assert render(event, conformance)["recordingResult"] == "Fail"


def test_request_goes_to_the_application_with_its_own_credential() -> None:
    application = create_application(notify_url="https://app.example/base")
    request = V1NotificationFormat().render(create_event(CallStatus.CONNECTED), application)
    assert request.url == (
        f"https://app.example/base/clicktodial/v1/clicktodialstatusnotify/{CALL_ID}"
    )
    headers = dict(request.headers)
    assert headers["Content-Type"] == "application/json"
    scheme, credential = headers["Authorization"].split(" ")
    assert scheme == "Basic"
    assert base64.b64decode(credential).decode() == f"{APP_ID}:{SECRET}"


def test_same_event_renders_the_same_bytes() -> None:
    event = create_event(CallStatus.CONNECTED)
    first = V1NotificationFormat().render(event, create_application())
    assert V1NotificationFormat().render(event, create_application()) == first


def test_application_without_an_address_has_no_request() -> None:
    with pytest.raises(ValueError, match="notify_url"):
        V1NotificationFormat().render(
            create_event(CallStatus.CONNECTED), create_application(notify_url=None)
        )


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), "2026-01-02T03:04:05.000Z"),
        (datetime(2026, 1, 2, 3, 4, 5, 999_999, tzinfo=UTC), "2026-01-02T03:04:05.999Z"),
        (
            datetime(2026, 1, 2, 3, 4, 5, 1000, tzinfo=timezone(timedelta(hours=8))),
            "2026-01-01T19:04:05.001Z",
        ),
    ],
)
def test_time_is_utc_cut_to_milliseconds(moment: datetime, text: str) -> None:
    assert render_time(moment) == text
