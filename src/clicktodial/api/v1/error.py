"""The answers of v1 that are not success: click-to-dial-v1 4.4 and what it leaves open.

One table: REFUSALS. It is what the handlers answer with, what `refused_by` translates errors of
the use cases into, and what the OpenAPI document shows.
"""

from dataclasses import dataclass

import msgspec

from clicktodial.api.response import Headers
from clicktodial.control.error import (
    ApplicationLimitReached,
    CalleeCalledTooOften,
    CalleeInQuietHours,
    CalleeNotToBeCalled,
    CallerNotMember,
    CallHasEnded,
    CallNotFound,
    CapabilityMissing,
    CapReached,
    ControlError,
    KeyReused,
    LimitReached,
    MessageNotApproved,
    MessageTooLong,
    NumberNotAuthorized,
    Overloaded,
    PartyBlacklisted,
    PoolEmpty,
)
from clicktodial.control.port import StoreError

# The properties that a request can lack, in the order in which they are looked for
# (click-to-dial-v1 4.4, rows 1 to 5; `operation` follows their pattern).
REQUIRED_PROPERTIES = ("APPID", "sponsor", "caller", "callee", "operation", "recordingId")
DEFAULT_RETRY_AFTER_S = 1
# RFC 9110 11.6.1: a 401 says how to authenticate.
AUTHENTICATION_CHALLENGE = b'Basic realm="clicktodial", charset="UTF-8"'


@dataclass(frozen=True, slots=True)
class Refusal:
    """One row of the table. `about` explains it to a reader of the documentation."""

    status: int
    code: str
    description: str
    about: str

    @property
    def body(self) -> bytes:
        return msgspec.json.encode({"code": self.code, "description": self.description})


class Refused(Exception):
    """The request is answered with `refusal`, and the connection closed where `is_last`."""

    def __init__(
        self,
        refusal: Refusal,
        *,
        retry_after_s: int = DEFAULT_RETRY_AFTER_S,
        is_last: bool = False,
    ) -> None:
        super().__init__(refusal.description)
        self.refusal = refusal
        self.retry_after_s = retry_after_s
        self.is_last = is_last

    @property
    def headers(self) -> Headers:
        """The headers that this answer has beside those of its body."""
        headers: Headers = ()
        if self.refusal.status == 401:
            headers += ((b"www-authenticate", AUTHENTICATION_CHALLENGE),)
        if self.refusal.status == 503:
            headers += ((b"retry-after", b"%d" % self.retry_after_s),)
        if self.is_last:
            headers += ((b"connection", b"close"),)
        return headers


MISSING_PROPERTY = {
    name: Refusal(
        400,
        "0001001",
        f"Expected property is missing: {name}",
        f"{name} is not in the body, or is null.",
    )
    for name in REQUIRED_PROPERTIES
}
NUMBER_FORMAT_ERROR = Refusal(
    400,
    "1001001",
    "Number Format Error",
    "sponsor, caller or callee is not a telephone number, or caller and callee are the same one.",
)
CALL_ID_ERROR = Refusal(
    400, "1001002", "Call ID Error", "This application has no call of that callidentifier."
)
OPERATION_ERROR = Refusal(
    400,
    "1001003",
    "Operation Error",
    "operation is neither Continue nor EndCall, or the call has ended.",
)
DIRECTION_ERROR = Refusal(
    400, "1001004", "Direction Error", "sendDirection is not one of MO, MT and BOTH."
)
MESSAGE_NOT_APPROVED = Refusal(
    400,
    "1001004",
    "Direction Error: no approved message for it",
    "The application has no approved template for a party that sendDirection names.",
)
RECORDING_ID_ERROR = Refusal(
    400,
    "1001005",
    "Recording ID Error",
    "The call has no recording of that recordingId, or it is no longer kept.",
)
INVALID_INPUT_VALUE = Refusal(
    400,
    "1001006",
    "Invalid Input Value",
    "The body is not a JSON object, a property has the wrong type, or record is not 0 or 1.",
)
NOT_AUTHORIZED = Refusal(
    401,
    "0001002",
    "No authorization to invoke operation",
    "The Authorization header is missing or wrong, APPID is not the application of it, the "
    "request comes from outside its allow-list, or it has not the capability that is asked for.",
)
CUSTOMER_STATUS_ABNORMALITY = Refusal(
    403, "0001003", "Customer status abnormality", "The enterprise is suspended or cancelled."
)
ABNORMAL_APPLICATION_STATUS = Refusal(
    403, "0001004", "Abnormal application status", "The application is disabled."
)
MESSAGE_TOO_LONG = Refusal(
    403,
    "0001005",
    "Message length is too long",
    "The body is longer than the server takes, or the message after the call longer than a phone "
    "does.",
)
MINUTE_POOL_EXHAUSTED = Refusal(
    403, "0001006", "Minute pool exhausted", "The enterprise has no minutes left."
)
NUMBER_NOT_AUTHORIZED = Refusal(
    403, "0001007", "Number not authorized", "The application may not show that sponsor."
)
USER_IN_BLACKLIST = Refusal(
    403, "0001008", "User In Blacklist", "A party is on the operator's blacklist."
)
TRAFFIC_CONTROL_FAILURE = Refusal(
    403,
    "0001009",
    "Traffic Control Failure",
    "A cap on the calls or minutes of the member, the department or the application is reached.",
)
CALLER_NOT_MEMBER = Refusal(
    403,
    "0001007",
    "Number not authorized: the caller is no member of the enterprise",
    "The enterprise lets only its members call.",
)
CALLEE_NOT_TO_BE_CALLED = Refusal(
    403,
    "0001008",
    "User In Blacklist: the callee is on a do-not-call list",
    "The enterprise's, or the operator's.",
)
CALLEE_IN_QUIET_HOURS = Refusal(
    403,
    "0001009",
    "Traffic Control Failure: it is a quiet hour where the callee is",
    "By the enterprise's rules or the operator's; later it may be called.",
)
CALLEE_CALLED_TOO_OFTEN = Refusal(
    403,
    "0001009",
    "Traffic Control Failure: the callee was called as often as it may be",
    "By the enterprise's rules or the operator's; later it may be called.",
)
NOT_FOUND = Refusal(404, "0001010", "Resource not found", "There is nothing at that path.")
METHOD_NOT_ALLOWED = Refusal(
    405, "0001011", "Method not allowed", "The Allow header says which methods the path takes."
)
IDEMPOTENCY_KEY_REUSED = Refusal(
    422,
    "0001012",
    "Idempotency-Key was used with another body",
    "The application began a call by that key in the last 24 hours, with another body.",
)
INTERNAL_SERVICE_ERROR = Refusal(
    500, "0000001", "Internal Service Error", "A fault of the platform; its log says more."
)
SERVICE_UNAVAILABLE = Refusal(
    503,
    "0000002",
    "Service unavailable",
    "The platform takes no more for the moment; Retry-After says when to ask again.",
)
LIMIT_REACHED = Refusal(
    503,
    "0000002",
    "Service unavailable: the enterprise's limit of calls is reached",
    "The enterprise has as many calls as it may have, or begins them faster than it may; "
    "Retry-After says when to ask again.",
)
APPLICATION_LIMIT_REACHED = Refusal(
    503,
    "0000002",
    "Service unavailable: the application's limit is reached",
    "The application has as many calls as it may have, or begins them or asks faster than it may; "
    "Retry-After says when to ask again.",
)

REFUSALS = (
    *MISSING_PROPERTY.values(),
    NUMBER_FORMAT_ERROR,
    CALL_ID_ERROR,
    OPERATION_ERROR,
    DIRECTION_ERROR,
    MESSAGE_NOT_APPROVED,
    RECORDING_ID_ERROR,
    INVALID_INPUT_VALUE,
    NOT_AUTHORIZED,
    CUSTOMER_STATUS_ABNORMALITY,
    ABNORMAL_APPLICATION_STATUS,
    MESSAGE_TOO_LONG,
    MINUTE_POOL_EXHAUSTED,
    NUMBER_NOT_AUTHORIZED,
    USER_IN_BLACKLIST,
    TRAFFIC_CONTROL_FAILURE,
    CALLER_NOT_MEMBER,
    CALLEE_NOT_TO_BE_CALLED,
    CALLEE_IN_QUIET_HOURS,
    CALLEE_CALLED_TOO_OFTEN,
    NOT_FOUND,
    METHOD_NOT_ALLOWED,
    IDEMPOTENCY_KEY_REUSED,
    INTERNAL_SERVICE_ERROR,
    SERVICE_UNAVAILABLE,
    LIMIT_REACHED,
    APPLICATION_LIMIT_REACHED,
)

_REFUSAL_BY_ERROR: dict[type[Exception], Refusal] = {
    NumberNotAuthorized: NUMBER_NOT_AUTHORIZED,
    CallNotFound: CALL_ID_ERROR,
    KeyReused: IDEMPOTENCY_KEY_REUSED,
    CallHasEnded: OPERATION_ERROR,
    Overloaded: SERVICE_UNAVAILABLE,
    CapabilityMissing: NOT_AUTHORIZED,
    LimitReached: LIMIT_REACHED,
    ApplicationLimitReached: APPLICATION_LIMIT_REACHED,
    MessageNotApproved: MESSAGE_NOT_APPROVED,
    MessageTooLong: MESSAGE_TOO_LONG,
    PoolEmpty: MINUTE_POOL_EXHAUSTED,
    CapReached: TRAFFIC_CONTROL_FAILURE,
    PartyBlacklisted: USER_IN_BLACKLIST,
    CallerNotMember: CALLER_NOT_MEMBER,
    CalleeNotToBeCalled: CALLEE_NOT_TO_BE_CALLED,
    CalleeInQuietHours: CALLEE_IN_QUIET_HOURS,
    CalleeCalledTooOften: CALLEE_CALLED_TOO_OFTEN,
    StoreError: SERVICE_UNAVAILABLE,
}


def refused_by(error: ControlError | StoreError) -> Refused:
    """What an application hears of an error of the use cases or of the database.

    Raises the error itself where the table does not name it: that is a fault of ours.
    """
    refusal = _REFUSAL_BY_ERROR.get(type(error))
    if refusal is None:
        raise error
    if isinstance(error, Overloaded | LimitReached | ApplicationLimitReached):
        return Refused(refusal, retry_after_s=error.retry_after_s)
    return Refused(refusal)
