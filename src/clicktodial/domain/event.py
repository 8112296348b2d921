"""Status events: what an application is told of its call."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from clicktodial.domain.cause import EndReason
from clicktodial.domain.identifier import AppId, CallId, RecordingId


class CallApi(StrEnum):
    """In whose spelling, and where, an application is told of a call: that of the API by which it
    asked for the call."""

    V1 = "v1"
    CAMARA = "camara"


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
    recording's two fields on DISCONNECTED of a recorded call only. A call that `was_not_set_up`
    ended before the two were joined, by no doing of theirs.

    An event of V1 is told to the application's own server, one of CAMARA to `sink_origin`, and to
    nobody where there is none.
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
    was_not_set_up: bool = False
    api: CallApi = CallApi.V1
    sink_origin: str | None = None

    @property
    def is_wanted(self) -> bool:
        """Whether anybody may want to be told of it."""
        return self.api is CallApi.V1 or self.sink_origin is not None

    @property
    def line(self) -> str:
        """Events of one call are told one after the other."""
        return self.call_id

    @property
    def is_terminal(self) -> bool:
        return self.status is CallStatus.DISCONNECTED
