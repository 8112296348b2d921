"""Between v1's spellings and the domain: requests in, answers and notifications out."""

import base64
import re
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Literal

import msgspec

from clicktodial.api.v1.body import BeginBody, DownloadBody, ReleaseBody
from clicktodial.api.v1.error import (
    DIRECTION_ERROR,
    INVALID_INPUT_VALUE,
    MISSING_PROPERTY,
    NUMBER_FORMAT_ERROR,
    OPERATION_ERROR,
    Refused,
)
from clicktodial.control.service import BeginCall
from clicktodial.domain.application import Application
from clicktodial.domain.call import SendDirection
from clicktodial.domain.event import RecordingResult, StatusEvent
from clicktodial.domain.identifier import CallId, RecordingId
from clicktodial.domain.number import NumberError, PhoneNumber
from clicktodial.notify.format import NotificationRequest

SUCCESS_CODE = "0000000"
SUCCESS_DESCRIPTION = "Success"
NOTIFY_PATH = "/clicktodial/v1/clicktodialstatusnotify/"
# Ours are 32 hexadecimal digits; the bound only keeps nonsense away from the database.
IDENTIFIER_PATTERN = "^[0-9A-Za-z_-]{1,64}$"

_IDENTIFIER = re.compile(IDENTIFIER_PATTERN.removeprefix("^").removesuffix("$"))
# 1.0 is the same JSON number as 1 and finds the same entry.
_RECORD = {0: False, 1: True, "0": False, "1": True}
_DIRECTIONS = {direction.value: direction for direction in SendDirection}

Operation = Literal["Continue", "EndCall"]


def parse_begin(body: BeginBody, parse_number: Callable[[str], PhoneNumber]) -> BeginCall:
    """What clicktodialbegin asks for. Raises Refused with the first error in v1's order."""
    _require("APPID", body.app_id)
    _require("sponsor", body.sponsor)
    _require("caller", body.caller)
    _require("callee", body.callee)
    if not (
        isinstance(body.app_id, str)
        and isinstance(body.sponsor, str)
        and isinstance(body.caller, str)
        and isinstance(body.callee, str)
        and isinstance(body.send_direction, str | None)
    ):
        raise Refused(INVALID_INPUT_VALUE)
    try:
        sponsor = parse_number(body.sponsor)
        caller = parse_number(body.caller)
        callee = parse_number(body.callee)
    except NumberError as error:
        raise Refused(NUMBER_FORMAT_ERROR) from error
    # However the two are written: a phone cannot be joined with itself.
    if caller.e164 == callee.e164:
        raise Refused(NUMBER_FORMAT_ERROR)
    return BeginCall(
        sponsor=sponsor,
        caller=caller,
        callee=callee,
        record=_parse_record(body.record),
        send_direction=_parse_direction(body.send_direction),
    )


def parse_release(body: ReleaseBody) -> Operation:
    """Which operation clicktodialrelease asks for. Raises Refused."""
    _require("APPID", body.app_id)
    _require("operation", body.operation)
    if not isinstance(body.app_id, str) or not isinstance(body.operation, str):
        raise Refused(INVALID_INPUT_VALUE)
    match body.operation:
        case "Continue":
            return "Continue"
        case "EndCall":
            return "EndCall"
        case _:
            raise Refused(OPERATION_ERROR)


def parse_download(body: DownloadBody) -> RecordingId | None:
    """Which recording is wanted; None where there can be none of that id. Raises Refused."""
    _require("APPID", body.app_id)
    _require("recordingId", body.recording_id)
    if not isinstance(body.app_id, str) or not isinstance(body.recording_id, str):
        raise Refused(INVALID_INPUT_VALUE)
    return RecordingId(body.recording_id) if _IDENTIFIER.fullmatch(body.recording_id) else None


def parse_call_id(text: str) -> CallId | None:
    """The call identifier of a path; None where there can be no call of that identifier."""
    return CallId(text) if _IDENTIFIER.fullmatch(text) else None


def _require(name: str, value: object) -> None:
    if value is None:
        raise Refused(MISSING_PROPERTY[name])


def _parse_record(value: Any) -> bool:
    if value is None:
        return False
    # true and false are equal to 1 and 0 in Python, but are not numbers in JSON.
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise Refused(INVALID_INPUT_VALUE)
    is_recorded = _RECORD.get(value)
    if is_recorded is None:
        raise Refused(INVALID_INPUT_VALUE)
    return is_recorded


def _parse_direction(value: str | None) -> SendDirection | None:
    if value is None:
        return None
    direction = _DIRECTIONS.get(value)
    if direction is None:
        raise Refused(DIRECTION_ERROR)
    return direction


class _CallResult(msgspec.Struct):
    callidentifier: str


class _Success(msgspec.Struct, omit_defaults=True):
    code: str
    description: str
    result: _CallResult | None = None


def render_begun(call_id: CallId) -> bytes:
    """The answer to a clicktodialbegin that was taken."""
    return msgspec.json.encode(_Success(SUCCESS_CODE, SUCCESS_DESCRIPTION, _CallResult(call_id)))


def render_success() -> bytes:
    """The answer to a clicktodialrelease that was done."""
    return msgspec.json.encode(_Success(SUCCESS_CODE, SUCCESS_DESCRIPTION))


def render_download_frame() -> tuple[bytes, bytes]:
    """What stands before and after the base64 text of `filedata`."""
    head = msgspec.json.encode({"code": SUCCESS_CODE, "description": SUCCESS_DESCRIPTION})
    return head[:-1] + b',"filedata":"', b'"}'


class _Notification(msgspec.Struct, omit_defaults=True):
    app_id: str = msgspec.field(name="APPID")
    sponsor: str
    caller: str
    callee: str
    status: str
    time_stamp: str = msgspec.field(name="timeStamp")
    reason: str | None = None
    call_duration: int | None = msgspec.field(name="callDuration", default=None)
    recording_result: str | None = msgspec.field(name="recordingResult", default=None)
    recording_id: str | None = msgspec.field(name="recordingId", default=None)


class V1NotificationFormat:
    """Renders status events as clicktodialstatusnotify (click-to-dial-v1 4.2)."""

    def __init__(self, unix_s: Callable[[], float] = time.time) -> None:
        """`unix_s` tells whether the key of before a rotation still works."""
        self._unix_s = unix_s

    def render(self, event: StatusEvent, application: Application) -> NotificationRequest:
        """The request for one event; raises ValueError where the application wants none."""
        if application.notify_url is None:
            raise ValueError("the application has no notify_url")
        notification = _Notification(
            app_id=event.app_id,
            sponsor=event.sponsor,
            caller=event.caller,
            callee=event.callee,
            status=str(event.status),
            time_stamp=render_time(event.occurred_at),
        )
        if event.is_terminal:
            _add_ending(notification, event)
        return NotificationRequest(
            url=f"{application.notify_url}{NOTIFY_PATH}{event.call_id}",
            headers=(
                ("Content-Type", "application/json"),
                ("Authorization", render_basic(application, self._unix_s)),
            ),
            body=msgspec.json.encode(notification),
        )

    def render_trial(self, application: Application) -> NotificationRequest:
        """The request that only tries whether the server takes one: of no call, and of a status
        that no call has. Raises ValueError as `render` does."""
        if application.notify_url is None:
            raise ValueError("the application has no notify_url")
        now = datetime.fromtimestamp(self._unix_s(), UTC)
        body = {"APPID": application.app_id, "status": "Test", "timeStamp": render_time(now)}
        return NotificationRequest(
            url=f"{application.notify_url}{NOTIFY_PATH}test",
            headers=(
                ("Content-Type", "application/json"),
                ("Authorization", render_basic(application, self._unix_s)),
            ),
            body=msgspec.json.encode(body),
        )


def _add_ending(notification: _Notification, event: StatusEvent) -> None:
    notification.reason = None if event.reason is None else event.reason.value
    notification.call_duration = event.call_duration_s or 0
    if event.recording_id is not None:
        # Recorded, and nothing known of it: the application must not wait for a file.
        result = event.recording_result or RecordingResult.FAIL
        notification.recording_result = result.value
        notification.recording_id = event.recording_id


def render_basic(application: Application, unix_s: Callable[[], float] = time.time) -> str:
    """The credential by which the platform shows itself to the application: the latter's own.

    The old key for as long as it works: the new one may not have reached the application's server
    yet, and whoever has put it there revokes the old one.
    """
    secret, old = application.secret, application.old_secret
    if old is not None and unix_s() < old.until.timestamp():
        secret = old.secret
    credential = f"{application.app_id}:{secret}".encode()
    return f"Basic {base64.b64encode(credential).decode()}"


def render_time(moment: datetime) -> str:
    """An aware time as YYYY-MM-DDThh:mm:ss.SSSZ, cut to milliseconds."""
    text = moment.astimezone(UTC).isoformat(timespec="milliseconds")
    return text.removesuffix("+00:00") + "Z"
