"""The answers of the management API that are no success, as problem details (RFC 9457).

One table: PROBLEMS. It is what handlers answer with, what `refused_by` translates errors of the use
cases and of storage into, and what the OpenAPI document shows.
"""

from dataclasses import dataclass

import msgspec

from clicktodial.accounts.error import (
    AccountError,
    CodeRequired,
    CredentialsWrong,
    RegistrationClosed,
    TooManyAttempts,
)
from clicktodial.api.v1.error import DEFAULT_RETRY_AFTER_S
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
    ConditionNotMet,
    KeyReused,
    LimitReached,
    MessageNotApproved,
    MessageTooLong,
    NotConnected,
    NotRecorded,
    NumberNotAuthorized,
    Overloaded,
    PartyBlacklisted,
    PoolEmpty,
)
from clicktodial.control.port import StoreError
from clicktodial.storage.error import (
    AlreadyExists,
    Conflict,
    DatabaseUnavailable,
    NotFound,
    NotPermitted,
    OptionsUnreadable,
    ValueInvalid,
)

BASE_PATH = "/management/v1"
DOCS_PATH = f"{BASE_PATH}/docs"
PROBLEM_MEDIA_TYPE = "application/problem+json"
# RFC 9110 11.6.1: a 401 says how to authenticate.
CHALLENGE = 'Bearer realm="clicktodial", Basic realm="clicktodial", charset="UTF-8"'


@dataclass(frozen=True, slots=True)
class Problem:
    """One row of the table: `title` never changes with the occurrence, `about` explains it."""

    status: int
    code: str
    title: str
    about: str

    @property
    def type(self) -> str:
        """The problem's URI reference, which leads to its explanation."""
        return f"{DOCS_PATH}#{self.code}"


class ProblemDetails(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What went wrong (RFC 9457). `code` is for programs and stable; `detail` is for people.

    `pointer` is a JSON Pointer (RFC 6901) to the value of the body that is wrong.
    """

    type: str
    title: str
    status: int
    code: str
    detail: str
    pointer: str | None = None


class Refused(Exception):
    """The request is answered with `problem`, and the connection closed where `is_last`."""

    def __init__(
        self,
        problem: Problem,
        detail: str | None = None,
        *,
        pointer: str | None = None,
        retry_after_s: int = DEFAULT_RETRY_AFTER_S,
        allow: str = "",
        is_last: bool = False,
    ) -> None:
        super().__init__(detail or problem.title)
        self.problem = problem
        self.pointer = pointer
        self.retry_after_s = retry_after_s
        self.allow = allow
        self.is_last = is_last

    @property
    def body(self) -> bytes:
        """The problem details, encoded."""
        problem = self.problem
        return msgspec.json.encode(
            ProblemDetails(
                type=problem.type,
                title=problem.title,
                status=problem.status,
                code=problem.code,
                detail=str(self),
                pointer=self.pointer,
            )
        )

    @property
    def headers(self) -> dict[str, str]:
        """Those that this answer has beside those of its body."""
        headers = {"Cache-Control": "no-store"}
        if self.problem.status == 401:
            headers["WWW-Authenticate"] = CHALLENGE
        if self.problem.status == 405:
            headers["Allow"] = self.allow
        if self.problem.status in (429, 503):
            headers["Retry-After"] = str(self.retry_after_s)
        if self.is_last:
            headers["Connection"] = "close"
        return headers


MALFORMED_BODY = Problem(
    400, "malformed-body", "The body is not JSON", "It is no JSON, or not in UTF-8."
)
INVALID_VALUE = Problem(
    400,
    "invalid-value",
    "A value is not usable",
    "`detail` says why, and `pointer` which value of the body it is, where it is one alone.",
)
UNKNOWN_PROPERTY = Problem(
    400,
    "unknown-property",
    "A property is not known",
    "The body has a property that this request has not; `pointer` says which.",
)
MISSING_PROPERTY = Problem(
    400,
    "missing-property",
    "A property is missing",
    "The body lacks a property that is required; `pointer` says which.",
)
MESSAGE_NOT_APPROVED = Problem(
    400,
    "message-not-approved",
    "There is no approved message for that direction",
    "The application has no approved template for a party that `send_direction` names.",
)
INVALID_PARAMETER = Problem(
    400,
    "invalid-parameter",
    "A parameter is not usable",
    "What stands after the question mark is unknown, given twice or out of bounds.",
)
NOT_AUTHENTICATED = Problem(
    401,
    "not-authenticated",
    "No valid credential",
    "The Authorization header is missing, or its token or secret is wrong.",
)
WRONG_CREDENTIALS = Problem(
    401,
    "wrong-credentials",
    "The account, the password or the code is wrong",
    "Which of them is not told.",
)
CODE_REQUIRED = Problem(
    401,
    "code-required",
    "A code of the second factor is required, too",
    "The account and the password are right.",
)
ENTERPRISE_INACTIVE = Problem(
    403,
    "enterprise-inactive",
    "The enterprise is not active",
    "It is suspended or cancelled.",
)
APPLICATION_DISABLED = Problem(
    403, "application-disabled", "The application is disabled", "The operator disabled it."
)
NOT_PERMITTED = Problem(
    403,
    "not-permitted",
    "Not permitted with this credential",
    "The request is for others: each says which roles may.",
)
REGISTRATION_CLOSED = Problem(
    403,
    "registration-closed",
    "Nobody may register here",
    "The operator invites people.",
)
CALLER_NOT_MEMBER = Problem(
    403,
    "caller-not-member",
    "The caller is no member",
    "The enterprise lets only its members call.",
)
PARTY_BLACKLISTED = Problem(
    403,
    "party-blacklisted",
    "A party is on the operator's blacklist",
    "`detail` says which: it is never called, nor called from.",
)
DO_NOT_CALL = Problem(
    403,
    "do-not-call",
    "The callee is on a do-not-call list",
    "The enterprise's or the operator's; `detail` says which.",
)
QUIET_HOURS = Problem(
    403,
    "quiet-hours",
    "It is a quiet hour where the callee is",
    "`detail` says what time it is there, and when the quiet hours are.",
)
CALLED_TOO_OFTEN = Problem(
    403,
    "called-too-often",
    "The callee was called as often as it may be",
    "`detail` says how often that is, and in which time.",
)
NUMBER_NOT_AUTHORIZED = Problem(
    403,
    "number-not-authorized",
    "The application may not show that number",
    "The sponsor, or a number shown in its place, is none of the application's own.",
)
MESSAGE_TOO_LONG = Problem(
    403,
    "message-too-long",
    "The message would be too long",
    "With the numbers of this call; `detail` says how long it may be.",
)
POOL_EMPTY = Problem(
    403,
    "pool-empty",
    "The enterprise has no minutes left",
    "Its packages are used up or over, and so is the overage that was agreed on.",
)
CAP_REACHED = Problem(
    403,
    "cap-reached",
    "A cap is reached",
    "That of the member, the department or the application; `detail` says which.",
)
NOT_FOUND = Problem(
    404,
    "not-found",
    "Nothing is there",
    "There is nothing of that name or identifier, or it is another application's or enterprise's.",
)
METHOD_NOT_ALLOWED = Problem(
    405, "method-not-allowed", "Method not allowed", "`Allow` says which are."
)
ALREADY_EXISTS = Problem(409, "already-exists", "There is one already", "Under that name.")
CONFLICT = Problem(
    409,
    "conflict",
    "Not in this state",
    "What is asked cannot be done with it as it is now, or somebody else was quicker; `detail` "
    "says which.",
)
CALL_ENDED = Problem(409, "call-ended", "The call has ended", "Nothing can be done with it.")
NOT_CONNECTED = Problem(
    409, "not-connected", "The parties are not joined", "They are not yet, or no longer."
)
NOT_RECORDED = Problem(
    409, "not-recorded", "The call is not recorded", "It was begun without `record`."
)
CONDITION_NOT_MET = Problem(
    409,
    "condition-not-met",
    "The condition does not hold",
    "The call was not released, and goes on as it was.",
)
BODY_TOO_LONG = Problem(
    413, "body-too-long", "The body is too long", "It is longer than the server takes."
)
DOCUMENT_REFUSED = Problem(
    422, "document-refused", "The document cannot be taken", "`detail` says why, in words."
)
AUDIO_REFUSED = Problem(
    422, "audio-refused", "The audio cannot be taken", "`detail` says why, in words."
)
IDEMPOTENCY_KEY_REUSED = Problem(
    422,
    "idempotency-key-reused",
    "The Idempotency-Key was used for another call",
    "The application began a call by that key in the last 24 hours, with another body.",
)
TOO_MANY_ATTEMPTS = Problem(
    429,
    "too-many-attempts",
    "There were too many attempts",
    "At the account or from the address; `Retry-After` says when the next may be made, in seconds.",
)
INTERNAL_ERROR = Problem(
    500, "internal-error", "A fault of the platform", "The server's log says more."
)
OVERLOADED = Problem(
    503,
    "overloaded",
    "The platform takes no more at the moment",
    "Too many calls or requests are under way, or it is stopping; `Retry-After` says when to ask "
    "again, in seconds.",
)
LIMIT_REACHED = Problem(
    503,
    "limit-reached",
    "A limit of the enterprise or of the application is reached",
    "Calls at a time, new calls or requests a second; `Retry-After` says when to ask "
    "again, in seconds.",
)
UNAVAILABLE = Problem(503, "unavailable", "The database does not answer", "`Retry-After` as above.")

PROBLEMS = (
    MALFORMED_BODY,
    INVALID_VALUE,
    UNKNOWN_PROPERTY,
    MISSING_PROPERTY,
    MESSAGE_NOT_APPROVED,
    INVALID_PARAMETER,
    NOT_AUTHENTICATED,
    WRONG_CREDENTIALS,
    CODE_REQUIRED,
    ENTERPRISE_INACTIVE,
    APPLICATION_DISABLED,
    NOT_PERMITTED,
    REGISTRATION_CLOSED,
    NUMBER_NOT_AUTHORIZED,
    MESSAGE_TOO_LONG,
    POOL_EMPTY,
    CAP_REACHED,
    CALLER_NOT_MEMBER,
    PARTY_BLACKLISTED,
    DO_NOT_CALL,
    QUIET_HOURS,
    CALLED_TOO_OFTEN,
    NOT_FOUND,
    METHOD_NOT_ALLOWED,
    ALREADY_EXISTS,
    CONFLICT,
    CALL_ENDED,
    NOT_CONNECTED,
    NOT_RECORDED,
    CONDITION_NOT_MET,
    BODY_TOO_LONG,
    DOCUMENT_REFUSED,
    AUDIO_REFUSED,
    IDEMPOTENCY_KEY_REUSED,
    TOO_MANY_ATTEMPTS,
    INTERNAL_ERROR,
    OVERLOADED,
    LIMIT_REACHED,
    UNAVAILABLE,
)

# What the framework itself refuses.
PROBLEM_BY_STATUS = {400: INVALID_PARAMETER, 404: NOT_FOUND, 405: METHOD_NOT_ALLOWED}

_PROBLEM_BY_ERROR: dict[type[Exception], Problem] = {
    NumberNotAuthorized: NUMBER_NOT_AUTHORIZED,
    CallerNotMember: CALLER_NOT_MEMBER,
    PartyBlacklisted: PARTY_BLACKLISTED,
    CalleeNotToBeCalled: DO_NOT_CALL,
    CalleeInQuietHours: QUIET_HOURS,
    CalleeCalledTooOften: CALLED_TOO_OFTEN,
    CallNotFound: NOT_FOUND,
    KeyReused: IDEMPOTENCY_KEY_REUSED,
    CallHasEnded: CALL_ENDED,
    NotConnected: NOT_CONNECTED,
    NotRecorded: NOT_RECORDED,
    ConditionNotMet: CONDITION_NOT_MET,
    CapabilityMissing: NOT_PERMITTED,
    LimitReached: LIMIT_REACHED,
    ApplicationLimitReached: LIMIT_REACHED,
    MessageNotApproved: MESSAGE_NOT_APPROVED,
    MessageTooLong: MESSAGE_TOO_LONG,
    PoolEmpty: POOL_EMPTY,
    CapReached: CAP_REACHED,
    Overloaded: OVERLOADED,
    AccountError: NOT_PERMITTED,
    TooManyAttempts: TOO_MANY_ATTEMPTS,
    CredentialsWrong: WRONG_CREDENTIALS,
    CodeRequired: CODE_REQUIRED,
    RegistrationClosed: REGISTRATION_CLOSED,
    AlreadyExists: ALREADY_EXISTS,
    NotFound: NOT_FOUND,
    Conflict: CONFLICT,
    NotPermitted: NOT_PERMITTED,
    ValueInvalid: INVALID_VALUE,
    # Another version wrote it: nothing that whoever asks could mend.
    OptionsUnreadable: INTERNAL_ERROR,
    DatabaseUnavailable: UNAVAILABLE,
    StoreError: UNAVAILABLE,
}
# What the rules of an enterprise or of the operator refuse a call for.
RULE_PROBLEMS = (
    CALLER_NOT_MEMBER,
    PARTY_BLACKLISTED,
    DO_NOT_CALL,
    QUIET_HOURS,
    CALLED_TOO_OFTEN,
)
# Their words are about the machine, and for its log.
_UNTOLD = frozenset({INTERNAL_ERROR, UNAVAILABLE})


def refused_by(error: Exception) -> Refused | None:
    """What is answered to an error of the use cases or of storage; None for a fault of ours."""
    kinds = type(error).__mro__
    problem = next((_PROBLEM_BY_ERROR[kind] for kind in kinds if kind in _PROBLEM_BY_ERROR), None)
    if problem is None:
        return None
    if isinstance(error, Overloaded | LimitReached | ApplicationLimitReached | TooManyAttempts):
        return Refused(problem, str(error), retry_after_s=error.retry_after_s)
    return Refused(problem, None if problem in _UNTOLD else str(error))
