"""Status events: what an application is told of its call."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from clicktodial.domain.cause import EndReason
from clicktodial.domain.identifier import AppId, CallId, RecordingId


class CallStatus(StrEnum):
    """The statuses of click-to-dial-v1 4.2, spelled as there."""

    CALLING_CALLER = "CallingCaller"
    CALLING_CALLEE = "CallingCallee"
    CONNECTED = "Connected"
    DISCONNECTED = "Disconnected"


class RecordingResult(StrEnum):
    """The recordingResult of click-to-dial-v1 4.2."""

    SUCCESS = "Success"
    NO_RECORD = "NoRecord"  # no media came, or the call was never connected
    FAIL = "Fail"  # media came and the recording could not be made of it in time


@dataclass(frozen=True, slots=True)
class StatusEvent:
    """One step of a call, complete in itself, so that it can be told without the call.

    `seq` counts from 1 without gaps within a call. `sponsor`, `caller` and `callee` are as the
    application wrote them. `reason` and `call_duration_s` are set on DISCONNECTED only, the
    recording's two fields on DISCONNECTED of a recorded call only.
    """

    call_id: CallId
    seq: int
    app_id: AppId
    status: CallStatus
    occurred_at: datetime
    sponsor: str
    caller: str
    callee: str
    reason: EndReason | None = None
    call_duration_s: int | None = None
    recording_id: RecordingId | None = None
    recording_result: RecordingResult | None = None

    @property
    def line(self) -> str:
        """Events of one call are told one after the other."""
        return self.call_id

    @property
    def is_terminal(self) -> bool:
        return self.status is CallStatus.DISCONNECTED
