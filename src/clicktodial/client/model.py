"""What the platform tells, typed. Properties that a later platform adds are ignored."""

from datetime import datetime
from enum import StrEnum

import msgspec


class SendDirection(StrEnum):
    """To whom a message goes after the call."""

    CALLER = "MO"
    CALLEE = "MT"
    BOTH = "BOTH"


class CallStatus(StrEnum):
    """How far a call has come, as v1 and the event history spell it."""

    CALLING_CALLER = "CallingCaller"
    CALLING_CALLEE = "CallingCallee"
    CONNECTED = "Connected"
    DISCONNECTED = "Disconnected"


class EndReason(StrEnum):
    """Why a call ended, as v1 and the event history spell it."""

    HANG_UP = "HangUp"
    CALLER_BUSY = "CallerBusy"
    CALLER_NO_ANSWER = "CallerNoAnswer"
    CALLER_FAILURE = "CallerFailure"
    CALLER_ABANDON = "CallerAbandon"
    CALLEE_BUSY = "CalleeBusy"
    CALLEE_NO_ANSWER = "CalleeNoAnswer"
    CALLEE_FAILURE = "CalleeFailure"
    OTHER = "Other"


class RecordingResult(StrEnum):
    """What became of a recording, as v1 and the event history spell it."""

    SUCCESS = "Success"
    NO_RECORD = "NoRecord"
    FAIL = "Fail"


class CamaraStatus(StrEnum):
    """How far a call has come, as CAMARA spells it."""

    INITIATING = "initiating"
    CALLING_CALLER = "callingCaller"
    CALLING_CALLEE = "callingCallee"
    CONNECTED = "connected"
    DISCONNECTED = "disconnected"
    FAILED = "failed"


class CamaraReason(StrEnum):
    """Why a call ended, as CAMARA spells it."""

    HANG_UP = "hangUp"
    CALLER_BUSY = "callerBusy"
    CALLER_NO_ANSWER = "callerNoAnswer"
    CALLER_FAILURE = "callerFailure"
    CALLER_ABANDON = "callerAbandon"
    CALLEE_BUSY = "calleeBusy"
    CALLEE_NO_ANSWER = "calleeNoAnswer"
    CALLEE_FAILURE = "calleeFailure"
    OTHER = "other"


class CamaraRecordingResult(StrEnum):
    """What became of a recording, as CAMARA spells it."""

    SUCCESS = "success"
    NO_RECORD = "noRecord"
    FAIL = "fail"


class Answer(msgspec.Struct, frozen=True):
    """What the application's server answered last; `text` is how it began what it said, where it
    refused."""

    status: int
    at: datetime
    text: str | None = None


class Delivery(msgspec.Struct, frozen=True):
    """What became of the notification of an event."""

    state: str
    attempts: int
    next_attempt_at: datetime | None = None
    delivered_at: datetime | None = None
    last_error: str | None = None
    answer: Answer | None = None


class HistoryEvent(msgspec.Struct, frozen=True):
    """An event as the platform keeps it; `cursor` is the place to go on from."""

    id: str
    cursor: str
    call_id: str
    seq: int
    status: CallStatus
    occurred_at: datetime
    sponsor: str
    caller: str
    callee: str
    delivery: Delivery
    reason: EndReason | None = None
    call_duration_s: int | None = None
    recording_id: str | None = None
    recording_result: RecordingResult | None = None


class HistoryAlert(msgspec.Struct, frozen=True):
    """An alert of the pool of minutes as the platform keeps it; seconds are of the packages that
    were valid then."""

    id: str
    seq: int
    occurred_at: datetime
    enterprise_id: str
    threshold_percent: int
    used_percent: int
    granted_s: int
    used_s: int
    left_s: int
    delivery: Delivery


class CamaraCall(msgspec.Struct, frozen=True):
    """A call; `caller` and `callee` in E.164, with a plus."""

    call_id: str
    caller: str
    callee: str
    status: CamaraStatus
    created_at: datetime
    recording_enabled: bool


class Recording(msgspec.Struct, frozen=True):
    """A recording's file. `content_type` says what it is: audio/wav, audio/ogg or audio/mpeg."""

    call_id: str
    content_type: str
    generated_at: datetime
    content: bytes
