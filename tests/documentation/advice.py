"""What to do about each error: by its code, whichever interface it is of."""

_ASK_LATER = "Wait for as long as `Retry-After` says, then send it again."
_CORRECT = "Correct the request. It is refused again as it is."
_CREDENTIAL = "Check the credential, and that it is this platform's; ask your enterprise's owner."
_ENTERPRISE = "Ask your account manager: what is due, or what is missing, is settled there."
_APPLICATION = "Ask the operator to enable it."
_NUMBER = "Use a number that the application may show, or have this one added to it."
_NOBODY = "Do not call that party; the operator decides over its blacklist."
_DO_NOT_CALL = "Do not call that number."
_QUIET = "Call when the day has begun where the callee is."
_OFTEN = "Let the callee be for a while; the dry run tells when it may be called again."
_CAP = "Wait for the next day or month, or have the cap raised."
_POOL = "Buy minutes; calls are taken from that moment on."
_MEMBER = "Add the caller to the enterprise's members."
_TEMPLATE = "Have a template approved for that party, or begin without a message."
_SHORTER = "Send less."
_ENDED = "Nothing: the call is over."
_KEY = "Make another key for another call; the same key is for the same body."
_REPORT = "Send it again, with an idempotency key. If it stays so, report it with the time it came."
_PATH = "Look at the path; a call, or a thing, of somebody else is not there for you either."
_METHOD = "Use a method that `Allow` names."

ADVICE = {
    # v1
    "0000001": _REPORT,
    "0000002": _ASK_LATER,
    "0001001": "Give the property.",
    "0001002": _CREDENTIAL,
    "0001003": _ENTERPRISE,
    "0001004": _APPLICATION,
    "0001005": _SHORTER,
    "0001006": _POOL,
    "0001007": "Use a number that the application may show, and a caller who is a member.",
    "0001008": "Do not call that party.",
    "0001009": "Call later; the dry run of the management API tells what stands against it.",
    "0001010": _PATH,
    "0001011": _METHOD,
    "0001012": _KEY,
    "1001001": "Write numbers as E.164 or as in the operator's country, the two different.",
    "1001002": "Use the callidentifier that begin answered, with the application that began it.",
    "1001003": "Send `EndCall` or `Continue`, while the call lives.",
    "1001004": "Send `MO`, `MT` or `BOTH`, and have a template approved for those.",
    "1001005": "Use the recordingId of the call's `Disconnected` notification.",
    "1001006": "Send one JSON object with values as the page of v1 has them.",
    # CAMARA
    "INVALID_ARGUMENT": _CORRECT,
    "OUT_OF_RANGE": "Give the sink a token that is still good.",
    "UNAUTHENTICATED": "Get another token.",
    "PERMISSION_DENIED": "Ask for a token with the operation's scope; have the application allowed "
    "it.",
    "NOT_FOUND": _PATH,
    "METHOD_NOT_ALLOWED": _METHOD,
    "NOT_ACCEPTABLE": "Accept `application/json`.",
    "ALREADY_EXISTS": "Use the call that there is, or end it first.",
    "PAYLOAD_TOO_LARGE": _SHORTER,
    "UNSUPPORTED_MEDIA_TYPE": "Send `Content-Type: application/json`.",
    "SERVICE_NOT_APPLICABLE": "Give the application a number to show; make another key for another "
    "call.",
    "INVALID_PHONE_NUMBER": "Write it as E.164 with plus.",
    "SAME_CALLER_CALLEE": "Name two different numbers.",
    "RECORDING_NOT_SUPPORTED": "Begin without recording, or have the capability added.",
    "CALLER_NOT_AVAILABLE": "Ask the operator, or call later: the dry run tells which of them it "
    "is.",
    "CALLEE_NOT_AVAILABLE": "Do not call it now: the dry run of the management API tells why.",
    "QUOTA_EXCEEDED": _POOL,
    "TOO_MANY_REQUESTS": _ASK_LATER,
    "INTERNAL": _REPORT,
    "UNAVAILABLE": _ASK_LATER,
    # Management and event history
    "malformed-body": _CORRECT,
    "invalid-value": _CORRECT,
    "unknown-property": "Leave it out, or spell it as the document does.",
    "missing-property": "Give the property.",
    "message-not-approved": _TEMPLATE,
    "invalid-parameter": _CORRECT,
    "not-authenticated": _CREDENTIAL,
    "wrong-credentials": "Try again, or have the password reset; failures slow down further tries.",
    "code-required": "Send the `code` as well.",
    "enterprise-inactive": _ENTERPRISE,
    "application-disabled": _APPLICATION,
    "not-permitted": "Ask somebody who has one of the roles that the operation names.",
    "registration-closed": "Ask the operator for an invitation.",
    "message-too-long": "Shorten the template, or its values.",
    "pool-empty": _POOL,
    "cap-reached": _CAP,
    "caller-not-member": _MEMBER,
    "party-blacklisted": _NOBODY,
    "do-not-call": _DO_NOT_CALL,
    "quiet-hours": _QUIET,
    "called-too-often": _OFTEN,
    "number-not-authorized": _NUMBER,
    "not-found": _PATH,
    "method-not-allowed": _METHOD,
    "already-exists": "Take another name, or change what there is.",
    "conflict": "Read it again; then decide anew.",
    "call-ended": _ENDED,
    "not-connected": "Wait until the call is connected.",
    "not-recorded": "Begin with `record`.",
    "condition-not-met": "Nothing: the call goes on, as was asked.",
    "body-too-long": _SHORTER,
    "document-refused": "Give the document as `detail` says.",
    "audio-refused": "Give the audio as `detail` says.",
    "idempotency-key-reused": _KEY,
    "too-many-attempts": _ASK_LATER,
    "internal-error": _REPORT,
    "overloaded": _ASK_LATER,
    "limit-reached": _ASK_LATER,
    "unavailable": _ASK_LATER,
}
