"""How a call ends whose process died: the decision alone, without a database.

A call has exactly one terminal event. When its process dies before telling it, whoever finds
the row ends the call for it. A call that had ended already and only waited for its recording
(FINISHING) keeps its reason, its times and its duration; any other one ends for reason Other,
and its duration counts to the last sign of life of its process, since nobody knows more.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from clicktodial.domain.call import STAGE_OF_STATE, CallState, EndedBy, EndStage
from clicktodial.domain.call_plan import was_not_set_up
from clicktodial.domain.cause import EndReason
from clicktodial.domain.event import CallApi, CallStatus, RecordingResult, StatusEvent
from clicktodial.domain.identifier import AppId, CallId, RecordingId


@dataclass(frozen=True, slots=True)
class OpenCall:
    """A call that a process left open. Numbers are as the application wrote them; `seen_at` is
    the process's last sign of life. The end's fields are set in FINISHING."""

    call_id: CallId
    app_id: AppId
    node_id: str
    state: CallState
    sponsor: str
    caller: str
    callee: str
    recording_id: RecordingId | None
    begun_at: datetime
    connected_at: datetime | None
    ended_at: datetime | None
    duration_s: int
    reason: EndReason | None
    ended_by: EndedBy | None
    stage: EndStage | None
    event_count: int
    seen_at: datetime
    api: CallApi = CallApi.V1
    sink_origin: str | None = None


@dataclass(frozen=True, slots=True)
class ReapedCall:
    """How the call ended, and the terminal event that says so."""

    call: OpenCall
    reason: EndReason
    ended_by: EndedBy
    stage: EndStage
    ended_at: datetime
    duration_s: int
    recording_result: RecordingResult | None
    event: StatusEvent


# What became of the recording of a call whose process died.
RecordingFate: TypeAlias = Callable[[OpenCall], Awaitable[RecordingResult]]


def may_have_recording(call: OpenCall) -> bool:
    """Whether anything can have been captured: recording begins when the parties are joined."""
    return call.recording_id is not None and call.connected_at is not None


def end_open_call(
    call: OpenCall, recording_result: RecordingResult | None, now: datetime
) -> ReapedCall:
    """End the call. `recording_result` counts only where `may_have_recording`."""
    finishing = call.state is CallState.FINISHING
    ended_at = call.ended_at if finishing and call.ended_at else _end_of_life(call)
    reason = call.reason if finishing and call.reason else EndReason.OTHER
    result = None
    if call.recording_id is not None:
        result = recording_result if may_have_recording(call) else RecordingResult.NO_RECORD
    duration_s = call.duration_s if finishing else _duration_s(call, ended_at)
    stage = call.stage or STAGE_OF_STATE[call.state]
    ended_by = call.ended_by or EndedBy.PLATFORM
    event = StatusEvent(
        call_id=call.call_id,
        seq=call.event_count + 1,
        app_id=call.app_id,
        status=CallStatus.DISCONNECTED,
        occurred_at=now,
        sponsor=call.sponsor,
        caller=call.caller,
        callee=call.callee,
        reason=reason,
        call_duration_s=duration_s,
        recording_id=call.recording_id,
        recording_result=result,
        # A call that waits for its recording was joined: nothing else of its end matters here.
        was_not_set_up=was_not_set_up(stage, ended_by, None, was_dialled=True),
        api=call.api,
        sink_origin=call.sink_origin,
    )
    return ReapedCall(
        call=call,
        reason=reason,
        ended_by=ended_by,
        stage=stage,
        ended_at=ended_at,
        duration_s=duration_s,
        recording_result=result,
        event=event,
    )


def _end_of_life(call: OpenCall) -> datetime:
    # A call that changed after the last heartbeat proves that its process lived until then.
    return max(call.seen_at, call.connected_at or call.begun_at)


def _duration_s(call: OpenCall, ended_at: datetime) -> int:
    if call.connected_at is None:
        return 0
    return round((ended_at - call.connected_at).total_seconds())
