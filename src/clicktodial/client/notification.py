"""Notifications as an application's server receives them: verified, then typed.

They are signed in the Standard Webhooks form (standardwebhooks.com, specification 1.0): HMAC-SHA256
over `webhook-id.webhook-timestamp.body`. A signature that is older than some minutes is refused, so
that nobody can play back what he overheard; within them, and whenever the platform tries again,
`webhook-id` tells what was had before.
"""

import base64
import binascii
import hashlib
import hmac
import time
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Protocol, TypeAlias

import msgspec

from clicktodial.client.error import (
    NotificationInvalid,
    NotificationStale,
    NotificationUnknown,
    SignatureInvalid,
)
from clicktodial.client.model import (
    CallStatus,
    CamaraReason,
    CamaraRecordingResult,
    CamaraStatus,
    EndReason,
    RecordingResult,
)

# What the Standard Webhooks specification advises.
TOLERANCE_S = 300
# A notification has some 500 bytes. A framework should refuse what is longer before it is read.
BODY_BYTES_MAX = 65_536
# During a rotation there are two.
_SIGNATURES_MAX = 16
_SECRET_PREFIX = "whsec_"
_HEADERS = frozenset({"webhook-id", "webhook-timestamp", "webhook-signature"})
_VERSION = "v1,"
_ALERT_TYPE = "pool.threshold_reached"
_STATUS_CHANGED = "org.camaraproject.click-to-dial.v0.status-changed"
_TIMESTAMP_DIGITS_MAX = 12


class Headers(Protocol):
    """The headers of a request, as every framework has them."""

    def items(self) -> Iterable[tuple[str, str]]: ...


class StatusNotification(msgspec.Struct, frozen=True):
    """clicktodialstatusnotify: a v1 call has changed its state. `id` is the same for every try."""

    id: str
    call_id: str
    seq: int
    app_id: str
    sponsor: str
    caller: str
    callee: str
    status: CallStatus
    occurred_at: datetime
    reason: EndReason | None = None
    call_duration_s: int | None = None
    recording_id: str | None = None
    recording_result: RecordingResult | None = None


class CallStatusChanged(msgspec.Struct, frozen=True):
    """A CloudEvent of CAMARA: a call has changed its state. `id` is the same for every try."""

    id: str
    call_id: str
    source: str
    caller: str
    callee: str
    status: CamaraStatus
    occurred_at: datetime
    reason: CamaraReason | None = None
    call_duration_s: int | None = None
    recording_result: CamaraRecordingResult | None = None


class PoolAlert(msgspec.Struct, frozen=True):
    """A share of the enterprise's minutes is used. `id` is the same for every try."""

    id: str
    app_id: str
    enterprise_id: str
    seq: int
    threshold_percent: int
    used_percent: int
    granted_s: int
    used_s: int
    left_s: int
    occurred_at: datetime


Notification: TypeAlias = StatusNotification | CallStatusChanged | PoolAlert


def verify_notification(
    headers: Headers,
    body: bytes,
    secret: str | Sequence[str],
    *,
    tolerance_s: int = TOLERANCE_S,
    now_s: float | None = None,
) -> Notification:
    """What the platform tells, once it is sure that the platform does, and tells it now.

    `body` is the request's, byte for byte. `secret` is the application's signing secret (`whsec_`
    and base64), or while it is being replaced both: the old and the new. `now_s` is Unix time.
    Raises NotificationInvalid, to be answered with 400 or 401; ValueError where a secret is none.
    """
    keys = [_parse_secret(each) for each in ([secret] if isinstance(secret, str) else secret)]
    if not keys:
        raise ValueError("there is no secret")
    if len(body) > BODY_BYTES_MAX:
        raise NotificationInvalid(f"the body is longer than {BODY_BYTES_MAX} bytes")
    message_id, timestamp, signatures = _read_headers(headers)
    signed = f"{message_id}.{timestamp}.".encode() + body
    if not any(_is_signed(signed, key, signatures) for key in keys):
        raise SignatureInvalid
    # Told only to who has signed: what is stale is a matter between the two clocks.
    now_s = time.time() if now_s is None else now_s
    if abs(now_s - int(timestamp)) > tolerance_s:
        raise NotificationStale
    return _parse(message_id, body)


def _parse_secret(secret: str) -> bytes:
    try:
        key = base64.b64decode(secret.removeprefix(_SECRET_PREFIX), validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValueError("a signing secret is whsec_ and base64") from error
    if not key:
        raise ValueError("a signing secret is not empty")
    return key


def _read_headers(headers: Headers) -> tuple[str, str, list[str]]:
    found: dict[str, str] = {}
    for name, value in headers.items():
        lower = name.lower()
        # Of two, one might be checked and the other believed.
        if lower in _HEADERS and found.setdefault(lower, value) != value:
            raise SignatureInvalid(f"{lower} is given twice")
    if len(found) != len(_HEADERS):
        raise SignatureInvalid("the notification is not signed")
    timestamp = found["webhook-timestamp"]
    if not (
        timestamp.isascii() and timestamp.isdecimal() and len(timestamp) <= _TIMESTAMP_DIGITS_MAX
    ):
        raise SignatureInvalid("webhook-timestamp is no time")
    # Versions that are not known here are passed over.
    signatures = [each for each in found["webhook-signature"].split() if each.startswith(_VERSION)]
    return found["webhook-id"], timestamp, signatures[:_SIGNATURES_MAX]


def _is_signed(signed: bytes, key: bytes, signatures: list[str]) -> bool:
    digest = base64.b64encode(hmac.digest(key, signed, hashlib.sha256))
    expected = _VERSION.encode() + digest
    # Compared as bytes: compare_digest takes no text beyond ASCII.
    return any(hmac.compare_digest(expected, each.encode(errors="replace")) for each in signatures)


class _V1(msgspec.Struct, frozen=True):
    app_id: str = msgspec.field(name="APPID")
    sponsor: str
    caller: str
    callee: str
    status: CallStatus
    time_stamp: datetime = msgspec.field(name="timeStamp")
    reason: EndReason | None = None
    call_duration: int | None = msgspec.field(name="callDuration", default=None)
    recording_result: RecordingResult | None = msgspec.field(name="recordingResult", default=None)
    recording_id: str | None = msgspec.field(name="recordingId", default=None)


class _State(msgspec.Struct, frozen=True):
    state: CamaraStatus
    reason: CamaraReason | None = None


class _ChangeData(msgspec.Struct, frozen=True, rename="camel"):
    call_id: str
    caller: str
    callee: str
    status: _State
    recording_result: CamaraRecordingResult | None = None
    call_duration: str | None = None


class _Change(msgspec.Struct, frozen=True):
    id: str
    source: str
    time: datetime
    data: _ChangeData


class _AlertData(msgspec.Struct, frozen=True):
    app_id: str
    enterprise_id: str
    sequence: int
    threshold_percent: int
    used_percent: int
    granted_seconds: int
    used_seconds: int
    left_seconds: int


class _Alert(msgspec.Struct, frozen=True):
    timestamp: datetime
    data: _AlertData


class _Kind(msgspec.Struct, frozen=True):
    """What tells the kinds apart."""

    type: str | None = None
    app_id: str | None = msgspec.field(name="APPID", default=None)


def _parse(message_id: str, body: bytes) -> Notification:
    try:
        kind = msgspec.json.decode(body, type=_Kind)
        if kind.type == _STATUS_CHANGED:
            return _parse_change(body)
        if kind.type == _ALERT_TYPE:
            return _parse_alert(message_id, body)
        if kind.type is None and kind.app_id is not None:
            return _parse_v1(message_id, body)
    except (msgspec.DecodeError, UnicodeDecodeError, ValueError) as error:
        raise NotificationInvalid(f"the body is none of a notification: {error}") from error
    raise NotificationUnknown


def _parse_v1(message_id: str, body: bytes) -> StatusNotification:
    told = msgspec.json.decode(body, type=_V1)
    # The path names the call as well, but only this is signed.
    call_id, _, seq = message_id.rpartition("-")
    return StatusNotification(
        id=message_id,
        call_id=call_id,
        seq=int(seq),
        app_id=told.app_id,
        sponsor=told.sponsor,
        caller=told.caller,
        callee=told.callee,
        status=told.status,
        occurred_at=told.time_stamp,
        reason=told.reason,
        call_duration_s=told.call_duration,
        recording_id=told.recording_id,
        recording_result=told.recording_result,
    )


def _parse_change(body: bytes) -> CallStatusChanged:
    told = msgspec.json.decode(body, type=_Change)
    data = told.data
    return CallStatusChanged(
        id=told.id,
        call_id=data.call_id,
        source=told.source,
        caller=data.caller,
        callee=data.callee,
        status=data.status.state,
        occurred_at=told.time,
        reason=data.status.reason,
        call_duration_s=None if data.call_duration is None else int(data.call_duration),
        recording_result=data.recording_result,
    )


def _parse_alert(message_id: str, body: bytes) -> PoolAlert:
    told = msgspec.json.decode(body, type=_Alert)
    data = told.data
    return PoolAlert(
        id=message_id,
        app_id=data.app_id,
        enterprise_id=data.enterprise_id,
        seq=data.sequence,
        threshold_percent=data.threshold_percent,
        used_percent=data.used_percent,
        granted_s=data.granted_seconds,
        used_s=data.used_seconds,
        left_s=data.left_seconds,
        occurred_at=told.timestamp,
    )
