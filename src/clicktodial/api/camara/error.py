"""What the CAMARA API answers where it refuses: the document's errors, and the common ones of
CAMARA Commonalities 0.8 that an HTTP server has besides."""

from dataclasses import dataclass
from typing import assert_never

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
    NumberNotAuthorized,
    Overloaded,
    PairHasCall,
    PartyBlacklisted,
    PartyUnreachable,
    PoolEmpty,
)
from clicktodial.control.port import StoreError
from clicktodial.domain.cause import Side

# The document's maxLength of ErrorInfo.message.
MESSAGE_CHARACTERS_MAX = 512
DEFAULT_RETRY_AFTER_S = 1
# RFC 6750 3: how to authenticate, and what was wrong with the token.
_CHALLENGE = 'Bearer realm="clicktodial"'


@dataclass(frozen=True, slots=True)
class Refusal:
    """One row of the table. `about` explains it to a reader of the documentation."""

    status: int
    code: str
    message: str
    about: str = ""

    def render(self, message: str | None = None) -> bytes:
        """ErrorInfo, as JSON."""
        text = (message or self.message)[:MESSAGE_CHARACTERS_MAX]
        return msgspec.json.encode({"status": self.status, "code": self.code, "message": text})


class Refused(Exception):
    """The request is answered with `refusal`; `message` says more than its own."""

    def __init__(
        self,
        refusal: Refusal,
        message: str | None = None,
        *,
        retry_after_s: int = DEFAULT_RETRY_AFTER_S,
        scope: str | None = None,
        allow: str | None = None,
        is_last: bool = False,
    ) -> None:
        """`scope` is the one that is lacking, `allow` the methods that there are; where it
        `is_last`, the connection is closed."""
        super().__init__(message or refusal.message)
        self.refusal = refusal
        self.message = message
        self._retry_after_s = retry_after_s
        self._scope = scope
        self._allow = allow
        self._is_last = is_last

    @property
    def body(self) -> bytes:
        return self.refusal.render(self.message)

    @property
    def headers(self) -> Headers:
        """The headers that this answer has beside those of its body."""
        headers: Headers = ()
        if self.refusal.status == 401:
            headers += ((b"www-authenticate", _CHALLENGE.encode()),)
        if self._scope is not None:
            lacking = f'{_CHALLENGE}, error="insufficient_scope", scope="{self._scope}"'
            headers += ((b"www-authenticate", lacking.encode()),)
        if self.refusal.status in (429, 503):
            headers += ((b"retry-after", b"%d" % self._retry_after_s),)
        if self._allow is not None:
            headers += ((b"allow", self._allow.encode()),)
        if self._is_last:
            headers += ((b"connection", b"close"),)
        return headers


INVALID_ARGUMENT = Refusal(
    400,
    "INVALID_ARGUMENT",
    "Client specified an invalid argument, request body or query param.",
    "The body is not as the document has it, or has a property that it does not know; callId or "
    "x-correlator does not match its pattern. The message says which.",
)
OUT_OF_RANGE = Refusal(
    400,
    "OUT_OF_RANGE",
    "Client specified an invalid range.",
    "accessTokenExpiresUtc lies in the past.",
)
UNAUTHENTICATED = Refusal(
    401,
    "UNAUTHENTICATED",
    "Request not authenticated due to missing, invalid, or expired credentials. A new "
    "authentication is required.",
    "There is no access token, or it is not good (any more).",
)
PERMISSION_DENIED = Refusal(
    403,
    "PERMISSION_DENIED",
    "Client does not have sufficient permissions to perform this action.",
    "The token lacks the operation's scope; the application or its enterprise is not active, has "
    "not the capability, or may not ask from that address.",
)
NOT_FOUND = Refusal(
    404,
    "NOT_FOUND",
    "The specified resource is not found.",
    "The application has no such call, or the call no recording (yet); or there is nothing at "
    "that path.",
)
METHOD_NOT_ALLOWED = Refusal(
    405,
    "METHOD_NOT_ALLOWED",
    "The requested method is not allowed/supported on the target resource.",
    "The Allow header says which are.",
)
NOT_ACCEPTABLE = Refusal(
    406,
    "NOT_ACCEPTABLE",
    "The server cannot produce a response matching the content requested by the client through "
    "`Accept-*` headers.",
    "Accept has no place for application/json.",
)
ALREADY_EXISTS = Refusal(
    409,
    "ALREADY_EXISTS",
    "An active call already exists for the given caller and callee.",
    "The application has a live call between the two, by whichever API. Or a call is to be "
    "terminated that has ended: the document has no other code for a conflict.",
)
PAYLOAD_TOO_LARGE = Refusal(
    413,
    "PAYLOAD_TOO_LARGE",
    "The request body is longer than the server takes.",
    "`http.body_bytes_max` says how long it may be.",
)
UNSUPPORTED_MEDIA_TYPE = Refusal(
    415,
    "UNSUPPORTED_MEDIA_TYPE",
    "The server refuses to accept the request because the payload format is in an unsupported "
    "format.",
    "A body must be application/json, in UTF-8.",
)
SERVICE_NOT_APPLICABLE = Refusal(
    422,
    "SERVICE_NOT_APPLICABLE",
    "The service is not available for the provided identifier.",
    "The application has no number that it may show, or began a call by that Idempotency-Key with "
    "another body.",
)
INVALID_PHONE_NUMBER = Refusal(
    422,
    "INVALID_PHONE_NUMBER",
    "Caller or callee number is not a valid E.164 phone number.",
    "With a plus, the country's code, and as many digits as its plan has.",
)
SAME_CALLER_CALLEE = Refusal(
    422,
    "SAME_CALLER_CALLEE",
    "Caller and callee cannot be the same number.",
)
RECORDING_NOT_SUPPORTED = Refusal(
    422,
    "RECORDING_NOT_SUPPORTED",
    "Recording is not supported for this call.",
    "The application has not the capability `recording`.",
)
CALLER_NOT_AVAILABLE = Refusal(
    422,
    "CALLER_NOT_AVAILABLE",
    "Caller number is currently not reachable or not allowed to start a call.",
    "It is blacklisted, no member of an enterprise that lets only members call, has reached a "
    "cap, or no trunk can be asked for it now.",
)
CALLEE_NOT_AVAILABLE = Refusal(
    422,
    "CALLEE_NOT_AVAILABLE",
    "Callee number is currently not reachable or not allowed to receive a call.",
    "It is blacklisted or on a do-not-call list, in quiet hours, was called as often as it may "
    "be, or no trunk can be asked for it now.",
)
QUOTA_EXCEEDED = Refusal(
    429,
    "QUOTA_EXCEEDED",
    "Out of resource quota.",
    "The enterprise has no minutes left.",
)
TOO_MANY_REQUESTS = Refusal(
    429,
    "TOO_MANY_REQUESTS",
    "Rate limit reached.",
    "The enterprise or the application has as many calls as it may have, or asks faster than it "
    "may; Retry-After says when to ask again.",
)
INTERNAL = Refusal(
    500,
    "INTERNAL",
    "Unknown server error. Typically a server bug.",
    "The log says more.",
)
UNAVAILABLE = Refusal(
    503,
    "UNAVAILABLE",
    "Service Unavailable.",
    "The platform takes no more for the moment, or another node carries the call that is to be "
    "terminated; Retry-After says when to ask again.",
)

REFUSALS = (
    INVALID_ARGUMENT,
    OUT_OF_RANGE,
    UNAUTHENTICATED,
    PERMISSION_DENIED,
    NOT_FOUND,
    METHOD_NOT_ALLOWED,
    NOT_ACCEPTABLE,
    ALREADY_EXISTS,
    PAYLOAD_TOO_LARGE,
    UNSUPPORTED_MEDIA_TYPE,
    SERVICE_NOT_APPLICABLE,
    INVALID_PHONE_NUMBER,
    SAME_CALLER_CALLEE,
    RECORDING_NOT_SUPPORTED,
    CALLER_NOT_AVAILABLE,
    CALLEE_NOT_AVAILABLE,
    QUOTA_EXCEEDED,
    TOO_MANY_REQUESTS,
    INTERNAL,
    UNAVAILABLE,
)
REFUSAL_BY_STATUS = {
    refusal.status: refusal
    for refusal in (INVALID_ARGUMENT, NOT_FOUND, METHOD_NOT_ALLOWED, INTERNAL)
}

_CALL_HAS_ENDED = "The call has already ended."
_KEY_REUSED = "The Idempotency-Key was used with another body."
_REFUSAL_BY_ERROR: dict[type[Exception], Refusal] = {
    CapabilityMissing: PERMISSION_DENIED,
    NumberNotAuthorized: SERVICE_NOT_APPLICABLE,
    CallNotFound: NOT_FOUND,
    CallHasEnded: ALREADY_EXISTS,
    PairHasCall: ALREADY_EXISTS,
    CallerNotMember: CALLER_NOT_AVAILABLE,
    CapReached: CALLER_NOT_AVAILABLE,
    CalleeNotToBeCalled: CALLEE_NOT_AVAILABLE,
    CalleeInQuietHours: CALLEE_NOT_AVAILABLE,
    CalleeCalledTooOften: CALLEE_NOT_AVAILABLE,
    PoolEmpty: QUOTA_EXCEEDED,
    LimitReached: TOO_MANY_REQUESTS,
    ApplicationLimitReached: TOO_MANY_REQUESTS,
    Overloaded: UNAVAILABLE,
    StoreError: UNAVAILABLE,
}


def refused_by(error: ControlError | StoreError) -> Refused:
    """What an application hears of an error of the use cases or of the database.

    Raises the error itself where the table does not name it: that is a fault of ours.
    """
    if isinstance(error, PartyBlacklisted | PartyUnreachable):
        return Refused(_not_available(error.side))
    if isinstance(error, KeyReused):
        # The document has no better code for 422.
        return Refused(SERVICE_NOT_APPLICABLE, _KEY_REUSED)
    if isinstance(error, CallHasEnded):
        return Refused(ALREADY_EXISTS, _CALL_HAS_ENDED)
    refusal = _REFUSAL_BY_ERROR.get(StoreError if isinstance(error, StoreError) else type(error))
    if refusal is None:
        raise error
    if isinstance(error, Overloaded | LimitReached | ApplicationLimitReached):
        return Refused(refusal, retry_after_s=error.retry_after_s)
    return Refused(refusal)


def _not_available(side: Side) -> Refusal:
    match side:
        case Side.CALLER:
            return CALLER_NOT_AVAILABLE
        case Side.CALLEE:
            return CALLEE_NOT_AVAILABLE
        case _:
            assert_never(side)
