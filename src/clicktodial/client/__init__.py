"""The client of a Click to Dial platform: v1 and CAMARA, blocking and async, and notifications.

It needs nothing of the server, and imports nothing of it. docs/sdk.md tells how it is used.
"""

from clicktodial.client.authority import ClientSecret, Proof
from clicktodial.client.camara import AsyncCamaraClient, CamaraClient, SinkCredential
from clicktodial.client.error import (
    CallHasEnded,
    ClickToDialError,
    Conflict,
    InvalidAnswer,
    InvalidRequest,
    LimitReached,
    NotAllowed,
    NotAnswered,
    NotAuthenticated,
    NotFound,
    NotificationInvalid,
    NotificationStale,
    NotificationUnknown,
    Refused,
    SignatureInvalid,
    Unavailable,
)
from clicktodial.client.model import (
    Answer,
    CallStatus,
    CamaraCall,
    CamaraReason,
    CamaraRecordingResult,
    CamaraStatus,
    Delivery,
    EndReason,
    HistoryAlert,
    HistoryEvent,
    Recording,
    RecordingResult,
    SendDirection,
)
from clicktodial.client.notification import (
    CallStatusChanged,
    Notification,
    PoolAlert,
    StatusNotification,
    verify_notification,
)
from clicktodial.client.private_key import PrivateKey
from clicktodial.client.retry import NO_RETRIES, RetryPolicy
from clicktodial.client.v1 import AsyncClickToDial, ClickToDial

__all__ = [
    "NO_RETRIES",
    "Answer",
    "AsyncCamaraClient",
    "AsyncClickToDial",
    "CallHasEnded",
    "CallStatus",
    "CallStatusChanged",
    "CamaraCall",
    "CamaraClient",
    "CamaraReason",
    "CamaraRecordingResult",
    "CamaraStatus",
    "ClickToDial",
    "ClickToDialError",
    "ClientSecret",
    "Conflict",
    "Delivery",
    "EndReason",
    "HistoryAlert",
    "HistoryEvent",
    "InvalidAnswer",
    "InvalidRequest",
    "LimitReached",
    "NotAllowed",
    "NotAnswered",
    "NotAuthenticated",
    "NotFound",
    "Notification",
    "NotificationInvalid",
    "NotificationStale",
    "NotificationUnknown",
    "PoolAlert",
    "PrivateKey",
    "Proof",
    "Recording",
    "RecordingResult",
    "Refused",
    "RetryPolicy",
    "SendDirection",
    "SignatureInvalid",
    "SinkCredential",
    "StatusNotification",
    "Unavailable",
    "verify_notification",
]
