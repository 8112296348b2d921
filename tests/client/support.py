"""Notifications as the platform makes them, and a platform that answers by a script."""

import base64
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from clicktodial.api.camara.mapping import CloudEventFormat
from clicktodial.api.events.pool_alert import PoolAlertFormat
from clicktodial.api.v1.mapping import V1NotificationFormat
from clicktodial.client.authority import BasicAuthority
from clicktodial.client.connection import Connection
from clicktodial.client.error import ClickToDialError
from clicktodial.client.exchange import (
    Alone,
    Answer,
    Emit,
    Open,
    Operation,
    Pause,
    Read,
    Send,
    Shut,
)
from clicktodial.client.retry import RetryPolicy
from clicktodial.domain.application import Application, ApplicationStatus, EnterpriseStatus
from clicktodial.domain.cause import EndReason
from clicktodial.domain.event import CallStatus, RecordingResult, StatusEvent
from clicktodial.domain.identifier import AppId, CallId, RecordingId
from clicktodial.domain.pool_alert import PoolAlert
from clicktodial.domain.sink import EventSink
from clicktodial.notify.signature import message_id, signature_headers

APP_ID = AppId("12345678")
CALL_ID = CallId("019a3f6e8b5c7d2e9f00112233445566")
SIGNING_KEY = bytes(range(32))
SIGNING_SECRET = "whsec_" + base64.b64encode(SIGNING_KEY).decode()
OCCURRED_AT = datetime(2026, 3, 4, 5, 6, 7, 890_000, tzinfo=UTC)
NOW_S = 1_772_600_800
POLICY = RetryPolicy(attempts=3, first_wait_s=1.0, wait_s_max=8.0)

APPLICATION = Application(
    app_id=APP_ID,
    enterprise_id="default",
    enterprise_status=EnterpriseStatus.ACTIVE,
    status=ApplicationStatus.ACTIVE,
    secret="secret",
    signing_secret=SIGNING_KEY,
    sponsors=frozenset(),
    notify_url="http://app.example",
    allow_private_addresses=False,
)
ENDED = StatusEvent(
    call_id=CALL_ID,
    seq=4,
    app_id=APP_ID,
    status=CallStatus.DISCONNECTED,
    occurred_at=OCCURRED_AT,
    sponsor="01052680000",
    caller="8613912345673",
    callee="8613810268653",
    reason=EndReason.CALLEE_BUSY,
    call_duration_s=0,
    recording_id=RecordingId("r1"),
    recording_result=RecordingResult.NO_RECORD,
)
ALERT = PoolAlert(
    app_id=APP_ID,
    seq=7,
    enterprise_id="acme",
    percent=80,
    used_percent=81,
    granted_s=36_000,
    used_s=29_160,
    occurred_at=OCCURRED_AT,
)


def sign(
    message: str, body: bytes, *, at_s: int = NOW_S, key: bytes = SIGNING_KEY
) -> dict[str, str]:
    """The headers of a delivery."""
    return dict(signature_headers(message, at_s, body, key))


def render_v1() -> tuple[dict[str, str], bytes]:
    """A notification of v1, signed."""
    body = V1NotificationFormat().render(ENDED, APPLICATION).body
    return sign(message_id(ENDED), body), body


def render_camara() -> tuple[dict[str, str], bytes]:
    """A CloudEvent, signed."""
    sink = EventSink("https://app.example/events")
    body = CloudEventFormat("https://platform.example/click-to-dial").render(ENDED, sink).body
    return sign(message_id(ENDED), body), body


def render_alert() -> tuple[dict[str, str], bytes]:
    """An alert of a pool, signed."""
    body = PoolAlertFormat().render(ALERT, APPLICATION).body
    return sign(message_id(ALERT), body), body


def create_connection(authority: Any = None) -> Connection:
    """To no platform at all: what is asked of it is answered by a script."""
    return Connection(
        base_url="http://platform.example",
        authority=authority or BasicAuthority(APP_ID, "secret"),
        timeout_s=5.0,
        retries=POLICY,
    )


Scripted = Answer | ClickToDialError | bytes


class Script:
    """Carries an operation out on answers that were written before; remembers what was asked."""

    def __init__(self, *answers: Scripted) -> None:
        self._answers: Iterator[Scripted] = iter(answers)
        self.requests: list[Any] = []
        self.pauses: list[float] = []
        self.emitted: list[Any] = []

    def run(
        self, operation: Operation[Any], *, until: Callable[["Script"], bool] | None = None
    ) -> Any:
        """Its result; None where `until` holds before there is one."""
        result: object = None
        error: ClickToDialError | None = None
        while until is None or not until(self):
            try:
                step = operation.send(result) if error is None else operation.throw(error)
            except StopIteration as stop:
                return stop.value
            result, error = None, None
            try:
                result = self._carry_out(step)
            except ClickToDialError as failed:
                error = failed
        operation.close()
        return None

    def _carry_out(self, step: object) -> object:
        match step:
            case Send(request) | Open(request):
                self.requests.append(request)
                return self._next()
            case Read():
                return self._next()
            case Pause(seconds):
                self.pauses.append(seconds)
            case Alone(operation):
                return self.run(operation)
            case Emit(value):
                self.emitted.append(value)
            case Shut():
                pass
            case _:
                raise AssertionError(step)
        return None

    def _next(self) -> object:
        answer = next(self._answers)
        if isinstance(answer, ClickToDialError):
            raise answer
        return answer


def answer(status: int, content: bytes = b"{}", headers: Mapping[str, str] | None = None) -> Answer:
    return Answer(status, headers or {}, content)
