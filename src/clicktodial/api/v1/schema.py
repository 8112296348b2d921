"""What v1 contributes to the OpenAPI document: operations, the notification, schemas, errors."""

from collections.abc import Sequence
from typing import Any, TypeAlias

from clicktodial.api.authentication import APP_ID_CHARACTERS_MAX
from clicktodial.api.idempotency import KEY_CHARACTERS_MAX
from clicktodial.api.v1 import error
from clicktodial.api.v1.error import REFUSALS, Refusal
from clicktodial.api.v1.mapping import (
    IDENTIFIER_PATTERN,
    NOTIFY_PATH,
    SUCCESS_CODE,
    SUCCESS_DESCRIPTION,
)
from clicktodial.api.v1.operation import BASE_PATH, CALL_ID_PARAMETER
from clicktodial.domain.call import SendDirection
from clicktodial.domain.cause import EndReason
from clicktodial.domain.event import CallStatus, RecordingResult
from clicktodial.domain.number import WRITTEN_CHARACTERS_MAX

Json: TypeAlias = dict[str, Any]

TAG = "Click to Dial v1"
SECURITY_SCHEME = "applicationSecret"
_EXAMPLE_CALL_ID = "019a3f6e8b5c7d2e9f00112233445566"
_EXAMPLE_RECORDING_ID = "019a3f6e8b5d7a1c8899aabbccddeeff"
_TIME_PATTERN = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z$"

_ALWAYS = (
    error.INVALID_INPUT_VALUE,
    error.NOT_AUTHORIZED,
    error.CUSTOMER_STATUS_ABNORMALITY,
    error.ABNORMAL_APPLICATION_STATUS,
    error.MESSAGE_TOO_LONG,
    error.METHOD_NOT_ALLOWED,
    error.INTERNAL_SERVICE_ERROR,
    error.SERVICE_UNAVAILABLE,
    error.APPLICATION_LIMIT_REACHED,
)
_BEGIN_REFUSALS = (
    *(error.MISSING_PROPERTY[name] for name in ("APPID", "sponsor", "caller", "callee")),
    error.NUMBER_FORMAT_ERROR,
    error.DIRECTION_ERROR,
    error.MESSAGE_NOT_APPROVED,
    error.MINUTE_POOL_EXHAUSTED,
    error.NUMBER_NOT_AUTHORIZED,
    error.USER_IN_BLACKLIST,
    error.TRAFFIC_CONTROL_FAILURE,
    error.CALLER_NOT_MEMBER,
    error.CALLEE_NOT_TO_BE_CALLED,
    error.CALLEE_IN_QUIET_HOURS,
    error.CALLEE_CALLED_TOO_OFTEN,
    error.IDEMPOTENCY_KEY_REUSED,
    *_ALWAYS,
    error.LIMIT_REACHED,
)
_RELEASE_REFUSALS = (
    *(error.MISSING_PROPERTY[name] for name in ("APPID", "operation")),
    error.CALL_ID_ERROR,
    error.OPERATION_ERROR,
    *_ALWAYS,
)
_DOWNLOAD_REFUSALS = (
    *(error.MISSING_PROPERTY[name] for name in ("APPID", "recordingId")),
    error.CALL_ID_ERROR,
    error.RECORDING_ID_ERROR,
    *_ALWAYS,
)
_STATUS_TEXT = {
    400: "Invalid input",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not found",
    405: "Method not allowed",
    422: "Another request",
    500: "Server error",
    503: "Service temporarily unavailable",
}


_IDEMPOTENCY_KEY: Json = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": (
        "A name that the application makes for this request, so that it can be sent again: within "
        "24 hours the same key and body are answered the same, with Idempotent-Replayed: true, "
        "and begin no other call."
    ),
    "schema": {"type": "string", "minLength": 1, "maxLength": KEY_CHARACTERS_MAX},
    "example": "8e03978e-40d5-43dd-bc93-6894a57f9324",
}


def create_paths(body_bytes_max: int) -> Json:
    """The operations that applications call."""
    size = (
        f"The body is JSON, whatever its Content-Type says, of at most {body_bytes_max} bytes. "
        "Properties that are not named here are ignored, null counts as missing, and of a "
        "property given twice the last counts."
    )
    of_call = f"{{{CALL_ID_PARAMETER}}}"
    return {
        f"{BASE_PATH}/clicktodialbegin": {
            "parameters": [_IDEMPOTENCY_KEY],
            "post": _create_operation(
                "clicktodialbegin",
                "Click to Dial initiation",
                "Ask for a call: the caller's phone rings, then the callee's, and the two are "
                "joined. Both see only the sponsor. The answer comes when the call is stored "
                f"durably, before any phone rings. {size}",
                _BEGIN_REFUSALS,
            ),
        },
        f"{BASE_PATH}/clicktodialrelease/{of_call}": {
            "parameters": [_create_call_id_parameter()],
            "post": _create_operation(
                "clicktodialrelease",
                "Click to Dial release",
                "EndCall ends the call, in whatever state it is. Continue lets it go on past the "
                "application's own maximum duration and changes nothing else. "
                f"{size}",
                _RELEASE_REFUSALS,
            ),
        },
        f"{BASE_PATH}/recordingdownload/{of_call}": {
            "parameters": [_create_call_id_parameter()],
            "post": _create_operation(
                "recordingdownload",
                "Download recording",
                "The recording of a call, as base64 of a WAV file with the caller on the left and "
                "the callee on the right. An hour is about 154 MB of base64: read it as a "
                f"stream. {size}",
                _DOWNLOAD_REFUSALS,
            ),
        },
    }


def create_webhooks() -> Json:
    """The operation that the platform calls at the application."""
    return {
        "clicktodialstatusnotify": {
            "post": {
                "operationId": "clicktodialstatusnotify",
                "tags": [TAG],
                "summary": "Click to Dial status notify",
                "description": (
                    "Sent for each change of a call's state, in order, to "
                    f"{{appServer}}{NOTIFY_PATH}{{{CALL_ID_PARAMETER}}}, where {{appServer}} is "
                    "the notification address of the application. Any 2xx answer takes it; "
                    "otherwise it is sent again later, so the same one may come more than once. "
                    "A request bears the application's own credential, so that the application "
                    "can tell the platform from others."
                ),
                "security": [{SECURITY_SCHEME: []}],
                "requestBody": {
                    "required": True,
                    "content": {
                        "application/json": {
                            "schema": _ref("StatusNotification"),
                            "examples": _create_notification_examples(),
                        }
                    },
                },
                "responses": {"200": create_success_response("Received notification")},
            }
        }
    }


def create_components() -> Json:
    """The schemas and the security scheme that the rest refers to."""
    return {
        "securitySchemes": {
            SECURITY_SCHEME: {
                "type": "http",
                "scheme": "basic",
                "description": "Basic {credential}, the base64 of appId:Secretkey.",
            }
        },
        "schemas": {
            **_create_request_schemas(),
            **_create_answer_schemas(),
            "StatusNotification": _create_notification_schema(),
        },
    }


def create_error_table() -> list[Refusal]:
    """Every row, by status and code, for people."""
    return sorted(REFUSALS, key=lambda row: (row.status, row.code))


def _create_operation(
    name: str, summary: str, description: str, refusals: Sequence[Refusal]
) -> Json:
    return {
        "operationId": name,
        "tags": [TAG],
        "summary": summary,
        "description": description,
        "security": [{SECURITY_SCHEME: []}],
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {
                    "schema": _ref(f"{name}Request"),
                    "examples": _REQUEST_EXAMPLES[name],
                }
            },
        },
        "responses": {
            "200": {
                "description": "Success",
                "content": {
                    "application/json": {
                        "schema": _ref(f"{name}Answer"),
                        "examples": {"success": {"value": _ANSWER_EXAMPLES[name]}},
                    }
                },
            },
            **create_refusal_responses(refusals),
        },
    }


def create_success_response(description: str) -> Json:
    """An answer that says no more than that all is well."""
    return {
        "description": description,
        "content": {
            "application/json": {
                "schema": _ref("Success"),
                "examples": {"success": {"value": _ANSWER_EXAMPLES["clicktodialrelease"]}},
            }
        },
    }


def create_refusal_responses(refusals: Sequence[Refusal]) -> Json:
    """One response a status, with one example a row."""
    responses: Json = {}
    for status in sorted({refusal.status for refusal in refusals}):
        rows = [refusal for refusal in refusals if refusal.status == status]
        responses[str(status)] = {
            "description": _STATUS_TEXT[status],
            "headers": _REFUSAL_HEADERS.get(status, {}),
            "content": {
                "application/json": {
                    "schema": {
                        "allOf": [
                            _ref("Error"),
                            {
                                "properties": {
                                    "code": {"enum": _unique(row.code for row in rows)},
                                    "description": {"enum": [row.description for row in rows]},
                                }
                            },
                        ]
                    },
                    "examples": {
                        f"{row.code} {row.description}": {
                            "summary": row.about,
                            "value": {"code": row.code, "description": row.description},
                        }
                        for row in rows
                    },
                }
            },
        }
    return responses


def _create_call_id_parameter() -> Json:
    return {
        "name": CALL_ID_PARAMETER,
        "in": "path",
        "required": True,
        "description": "The callidentifier that clicktodialbegin answered with.",
        "schema": {"type": "string", "pattern": IDENTIFIER_PATTERN},
        "example": _EXAMPLE_CALL_ID,
    }


def _create_request_schemas() -> Json:
    return {
        "clicktodialbeginRequest": {
            "type": "object",
            "required": ["APPID", "sponsor", "caller", "callee"],
            "properties": {
                "APPID": _APP_ID,
                "sponsor": _create_number(
                    "The number that both parties see. One that the application may show.",
                    "01052680000",
                ),
                "caller": _create_number("The party that is rung first.", "8613912345673"),
                "callee": _create_number(
                    "The party that is rung second. Another number than the caller.",
                    "8613810268653",
                ),
                "record": {
                    "description": "Whether the call is recorded: 0 no (default), 1 yes.",
                    "enum": [0, 1, "0", "1", None],
                },
                "sendDirection": {
                    "description": (
                        "To whom a multimedia message goes after the call: MO the caller, MT the "
                        "callee, BOTH both. Default: nobody."
                    ),
                    "enum": [*(direction.value for direction in SendDirection), None],
                },
            },
        },
        "clicktodialreleaseRequest": {
            "type": "object",
            "required": ["APPID", "operation"],
            "properties": {"APPID": _APP_ID, "operation": {"enum": ["Continue", "EndCall"]}},
        },
        "recordingdownloadRequest": {
            "type": "object",
            "required": ["APPID", "recordingId"],
            "properties": {
                "APPID": _APP_ID,
                "recordingId": {
                    "type": "string",
                    "pattern": IDENTIFIER_PATTERN,
                    "description": "The recordingId of the call's Disconnected notification.",
                },
            },
        },
    }


def _create_answer_schemas() -> Json:
    begun: Json = {
        "callidentifier": {
            "type": "string",
            "pattern": IDENTIFIER_PATTERN,
            "description": "Call identification.",
        }
    }
    return {
        "clicktodialbeginAnswer": _create_success(
            result={
                "type": "object",
                "required": ["callidentifier"],
                "properties": begun,
                "additionalProperties": False,
            }
        ),
        "clicktodialreleaseAnswer": _create_success(),
        "recordingdownloadAnswer": _create_success(
            filedata={
                "type": "string",
                "contentEncoding": "base64",
                "contentMediaType": "audio/wav",
                "description": "The content of the voice file, in base64: WAV, or OGG/Opus or "
                "MP3 where the operator chose so.",
            }
        ),
        "Success": _create_success(),
        "Error": {
            "type": "object",
            "required": ["code", "description"],
            "properties": {
                "code": {"type": "string", "pattern": "^[0-9]{7}$"},
                "description": {"type": "string"},
            },
            "additionalProperties": False,
        },
    }


def _create_success(**extra: Json) -> Json:
    return {
        "type": "object",
        "required": ["code", "description", *extra],
        "properties": {
            "code": {"const": SUCCESS_CODE},
            "description": {"const": SUCCESS_DESCRIPTION},
            **extra,
        },
        "additionalProperties": False,
    }


def _create_notification_schema() -> Json:
    ending = ["reason", "callDuration", "recordingResult", "recordingId"]
    return {
        "type": "object",
        "required": ["APPID", "sponsor", "caller", "callee", "status", "timeStamp"],
        "properties": {
            "APPID": _APP_ID,
            "sponsor": _create_number("As the application wrote it.", "01052680000"),
            "caller": _create_number("As the application wrote it.", "8613912345673"),
            "callee": _create_number("As the application wrote it.", "8613810268653"),
            "status": {"enum": [status.value for status in CallStatus]},
            "reason": {
                "enum": [reason.value for reason in EndReason],
                "description": "Why the call ended. On Disconnected only.",
            },
            "callDuration": {
                "type": "integer",
                "minimum": 0,
                "description": "Seconds from joining to ending. On Disconnected only.",
            },
            "recordingResult": {
                "enum": [result.value for result in RecordingResult],
                "description": "On Disconnected of a recorded call only.",
            },
            "recordingId": {
                "type": "string",
                "pattern": IDENTIFIER_PATTERN,
                "description": "On Disconnected of a recorded call only.",
            },
            "timeStamp": {
                "type": "string",
                "pattern": _TIME_PATTERN,
                "description": "When the state changed, UTC.",
            },
        },
        "additionalProperties": False,
        "dependentRequired": {
            "recordingResult": ["recordingId"],
            "recordingId": ["recordingResult"],
        },
        "if": {"properties": {"status": {"const": CallStatus.DISCONNECTED.value}}},
        "then": {"required": ["reason", "callDuration"]},
        "else": {"properties": dict.fromkeys(ending, False)},
    }


def _create_notification_examples() -> Json:
    common = {
        "APPID": "12345678",
        "sponsor": "01052680000",
        "caller": "8613912345673",
        "callee": "8613810268653",
    }
    connected = {"status": "Connected", "timeStamp": "2026-01-15T08:30:12.345Z"}
    disconnected = {
        "status": "Disconnected",
        "timeStamp": "2026-01-15T08:31:14.120Z",
        "reason": "HangUp",
        "callDuration": 61,
        "recordingResult": "Success",
        "recordingId": _EXAMPLE_RECORDING_ID,
    }
    return {
        "Connected": {"value": common | connected},
        "Disconnected": {"value": common | disconnected},
    }


def _create_number(description: str, example: str) -> Json:
    return {
        "type": "string",
        "minLength": 1,
        "maxLength": WRITTEN_CHARACTERS_MAX,
        "description": (
            f"{description} A telephone number as people write it: E.164 with or without plus, "
            "or national."
        ),
        "examples": [example],
    }


def _ref(name: str) -> Json:
    return {"$ref": f"#/components/schemas/{name}"}


def _unique(values: Any) -> list[str]:
    return list(dict.fromkeys(values))


_APP_ID: Json = {
    "type": "string",
    "minLength": 1,
    "maxLength": APP_ID_CHARACTERS_MAX,
    "description": "Application ID: the appId of the Authorization header.",
    "examples": ["12345678"],
}
_REFUSAL_HEADERS: dict[int, Json] = {
    401: {"WWW-Authenticate": {"required": True, "schema": {"type": "string"}}},
    405: {"Allow": {"required": True, "schema": {"type": "string"}}},
    503: {
        "Retry-After": {
            "required": True,
            "description": "Seconds.",
            "schema": {"type": "integer", "minimum": 1},
        }
    },
}
_REQUEST_EXAMPLES: dict[str, Json] = {
    "clicktodialbegin": {
        "recorded": {
            "summary": "A call that is recorded",
            "value": {
                "APPID": "12345678",
                "sponsor": "01052680000",
                "caller": "8613912345673",
                "callee": "8613810268653",
                "record": 1,
            },
        }
    },
    "clicktodialrelease": {
        "EndCall": {
            "summary": "End the call",
            "value": {"APPID": "12345678", "operation": "EndCall"},
        },
        "Continue": {
            "summary": "Let it go on",
            "value": {"APPID": "12345678", "operation": "Continue"},
        },
    },
    "recordingdownload": {
        "recording": {
            "summary": "The recording of a call",
            "value": {"APPID": "12345678", "recordingId": _EXAMPLE_RECORDING_ID},
        }
    },
}
_ANSWER_EXAMPLES: dict[str, Json] = {
    "clicktodialbegin": {
        "code": SUCCESS_CODE,
        "description": SUCCESS_DESCRIPTION,
        "result": {"callidentifier": _EXAMPLE_CALL_ID},
    },
    "clicktodialrelease": {"code": SUCCESS_CODE, "description": SUCCESS_DESCRIPTION},
    "recordingdownload": {
        "code": SUCCESS_CODE,
        "description": SUCCESS_DESCRIPTION,
        "filedata": "UklGRiQAAABXQVZF",
    },
}
