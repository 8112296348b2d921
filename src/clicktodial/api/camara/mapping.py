"""Between the CAMARA API's spellings and the domain: calls and events out."""

from datetime import UTC, datetime
from typing import assert_never

import msgspec

from clicktodial.control.service import CallProgress
from clicktodial.domain.call import CallState
from clicktodial.domain.cause import EndReason
from clicktodial.domain.event import CallStatus, RecordingResult, StatusEvent
from clicktodial.domain.sink import EventSink
from clicktodial.notify.format import NotificationRequest
from clicktodial.notify.signature import message_id
from clicktodial.storage.call_view import CallView

EVENT_TYPE = "org.camaraproject.click-to-dial.v0.status-changed"
EVENT_CONTENT_TYPE = "application/cloudevents+json"


def spell_state(state: CallState, *, was_not_set_up: bool) -> str:
    """CallStatus of a call that stands there."""
    match state:
        case CallState.INITIATING:
            return "initiating"
        case CallState.CALLING_CALLER | CallState.PROVING_PRESENCE:
            return "callingCaller"
        case CallState.CALLING_CALLEE | CallState.ANNOUNCING:
            return "callingCallee"
        case CallState.CONNECTED:
            return "connected"
        case CallState.FINISHING | CallState.ENDED:
            return "failed" if was_not_set_up else "disconnected"
        case _:
            assert_never(state)


def spell_status(status: CallStatus, *, was_not_set_up: bool) -> str:
    """CallStatus of an event."""
    match status:
        case CallStatus.CALLING_CALLER:
            return "callingCaller"
        case CallStatus.CALLING_CALLEE:
            return "callingCallee"
        case CallStatus.CONNECTED:
            return "connected"
        case CallStatus.DISCONNECTED:
            return "failed" if was_not_set_up else "disconnected"
        case _:
            assert_never(status)


def spell_reason(reason: EndReason) -> str:
    """DisconnectionReason."""
    match reason:
        case EndReason.HANG_UP:
            return "hangUp"
        case EndReason.CALLER_BUSY:
            return "callerBusy"
        case EndReason.CALLER_NO_ANSWER:
            return "callerNoAnswer"
        case EndReason.CALLER_FAILURE:
            return "callerFailure"
        case EndReason.CALLER_ABANDON:
            return "callerAbandon"
        case EndReason.CALLEE_BUSY:
            return "calleeBusy"
        case EndReason.CALLEE_NO_ANSWER:
            return "calleeNoAnswer"
        case EndReason.CALLEE_FAILURE:
            return "calleeFailure"
        case EndReason.OTHER:
            return "other"
        case _:
            assert_never(reason)


def spell_recording_result(result: RecordingResult) -> str:
    """RecordingResult."""
    match result:
        case RecordingResult.SUCCESS:
            return "success"
        case RecordingResult.NO_RECORD:
            return "noRecord"
        case RecordingResult.FAIL:
            return "fail"
        case _:
            assert_never(result)


def render_time(moment: datetime) -> str:
    """An aware time as RFC 3339 has it, in UTC, cut to milliseconds."""
    text = moment.astimezone(UTC).isoformat(timespec="milliseconds")
    return text.removesuffix("+00:00") + "Z"


class _Party(msgspec.Struct):
    number: str


class _Call(msgspec.Struct, rename="camel"):
    call_id: str
    caller: _Party
    callee: _Party
    status: str
    created_at: str
    recording_enabled: bool


def render_call(call: CallView, progress: CallProgress | None) -> bytes:
    """Call, as JSON; `progress` is what memory knows better than the database."""
    state = call.state if progress is None else progress.state
    was_not_set_up = call.was_not_set_up if progress is None else progress.was_not_set_up
    return msgspec.json.encode(
        _Call(
            call_id=call.call_id,
            caller=_Party(call.caller),
            callee=_Party(call.callee),
            status=spell_state(state, was_not_set_up=was_not_set_up),
            created_at=render_time(call.begun_at),
            recording_enabled=call.recording_id is not None,
        )
    )


class _Status(msgspec.Struct, omit_defaults=True):
    state: str
    reason: str | None = None


class _Data(msgspec.Struct, rename="camel", omit_defaults=True):
    call_id: str
    caller: str
    callee: str
    status: _Status
    timestamp: str
    recording_result: str | None = None
    call_duration: str | None = None


class _CloudEvent(msgspec.Struct):
    id: str
    source: str
    specversion: str
    type: str
    datacontenttype: str
    time: str
    data: _Data


class CloudEventFormat:
    """Renders status events as CloudEvents 1.0 in structured mode: CallStatusChangedEvent."""

    def __init__(self, source: str) -> None:
        """`source` names this platform as a producer of events: a URI reference."""
        self._source = source

    def render(self, event: StatusEvent, sink: EventSink) -> NotificationRequest:
        """See notify.format.SinkFormat."""
        time = render_time(event.occurred_at)
        headers: tuple[tuple[str, str], ...] = (("Content-Type", EVENT_CONTENT_TYPE),)
        if sink.token is not None:
            headers += (("Authorization", f"Bearer {sink.token.value}"),)
        cloud_event = _CloudEvent(
            id=message_id(event),
            source=self._source,
            specversion="1.0",
            type=EVENT_TYPE,
            datacontenttype="application/json",
            time=time,
            data=_create_data(event, time),
        )
        return NotificationRequest(sink.url, headers, msgspec.json.encode(cloud_event))


def _create_data(event: StatusEvent, time: str) -> _Data:
    state = spell_status(event.status, was_not_set_up=event.was_not_set_up)
    data = _Data(
        call_id=event.call_id,
        caller=event.caller,
        callee=event.callee,
        status=_Status(state),
        timestamp=time,
    )
    if not event.is_terminal:
        return data
    if event.recording_id is not None:
        # "Mandatory when recording is enabled and the call is finished": nothing known is a fail.
        result = event.recording_result or RecordingResult.FAIL
        data.recording_result = spell_recording_result(result)
    if not event.was_not_set_up:
        # Both are "mandatory when status is 'disconnected'".
        data.status.reason = spell_reason(event.reason or EndReason.OTHER)
        data.call_duration = str(event.call_duration_s or 0)
    return data
