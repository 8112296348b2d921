"""The OpenAPI 3.1 document of the event history, made of the structs that are answered."""

from collections.abc import Iterable, Sequence
from typing import Any

from clicktodial.api.events.view import (
    ALERT_SEQ_MAX,
    BASE_PATH,
    PAGE_DEFAULT,
    PAGE_MAX,
    SEQ_MAX,
    AlertPage,
    EventPage,
    EventView,
    ReplayBody,
    Replayed,
)
from clicktodial.api.management.openapi import (
    JSON_MEDIA_TYPE,
    Json,
    create_problem_responses,
    create_schemas,
)
from clicktodial.api.management.problem import (
    APPLICATION_DISABLED,
    BODY_TOO_LONG,
    ENTERPRISE_INACTIVE,
    INTERNAL_ERROR,
    INVALID_PARAMETER,
    INVALID_VALUE,
    LIMIT_REACHED,
    MALFORMED_BODY,
    METHOD_NOT_ALLOWED,
    NOT_AUTHENTICATED,
    NOT_FOUND,
    NOT_PERMITTED,
    OVERLOADED,
    UNAVAILABLE,
    UNKNOWN_PROPERTY,
    Problem,
)
from clicktodial.domain.access import AccessScope

_OF_ALL = (
    INVALID_PARAMETER,
    NOT_AUTHENTICATED,
    NOT_PERMITTED,
    ENTERPRISE_INACTIVE,
    APPLICATION_DISABLED,
    LIMIT_REACHED,
    INTERNAL_ERROR,
    UNAVAILABLE,
    OVERLOADED,
)
_WITH_BODY = (MALFORMED_BODY, INVALID_VALUE, UNKNOWN_PROPERTY, BODY_TOO_LONG, NOT_FOUND)
_DESCRIPTION = """\
What an application was told of its calls, read by pages or followed as a stream, with what became \
of each notification; and telling it once more. An application sees its own calls, whichever API \
began them. What goes wrong is told as problem details (RFC 9457), with a code that stays."""
_TAG = "Events"
_LIMIT: Json = {
    "name": "limit",
    "in": "query",
    "description": "How many events at most.",
    "schema": {"type": "integer", "minimum": 1, "maximum": PAGE_MAX, "default": PAGE_DEFAULT},
}
_CURSOR: Json = {
    "type": "string",
    "pattern": r"^[0-9]{1,14}\.[0-9A-Za-z_-]{0,64}\.[0-9]{1,9}$",
    "description": "A place among the events of the application, as an answer named it.",
}
_AFTER_CURSOR: Json = {
    "name": "after",
    "in": "query",
    "description": "The cursor of the event before; without it from the first one on.",
    "schema": {"$ref": "#/components/schemas/Cursor"},
}


def create_document(*, body_bytes_max: int, token_url: str, version: str) -> Json:
    """The whole document, as JSON data. Tokens are given out at `token_url`."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Click to Dial events",
            "version": "1.0.0",
            "description": _DESCRIPTION,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
            "x-server-version": version,
        },
        "servers": [{"url": "/", "description": "This server"}],
        "tags": [{"name": _TAG}],
        "paths": {
            f"{BASE_PATH}/calls/{{call_id}}": {"get": _create_of_call()},
            f"{BASE_PATH}/events": {"get": _create_since()},
            f"{BASE_PATH}/stream": {"get": _create_stream()},
            f"{BASE_PATH}/alerts": {"get": _create_alerts()},
            f"{BASE_PATH}/replays": {"post": _create_replay(body_bytes_max)},
        },
        "components": {
            "securitySchemes": _create_security_schemes(token_url),
            "schemas": create_schemas((EventPage, EventView, AlertPage, ReplayBody, Replayed))
            | {"Cursor": _CURSOR},
            "responses": create_problem_responses((NOT_FOUND, METHOD_NOT_ALLOWED)),
        },
    }


def _create_of_call() -> Json:
    parameters: list[Json] = [
        {
            "name": "call_id",
            "in": "path",
            "required": True,
            "description": "What the call was answered with.",
            "schema": {"type": "string", "minLength": 1},
        },
        {
            "name": "after",
            "in": "query",
            "description": "The `seq` of the event before.",
            "schema": {"type": "integer", "minimum": 0, "maximum": SEQ_MAX, "default": 0},
        },
        _LIMIT,
    ]
    answer = _create_answer(EventPage, "`next` is the `seq` to go on from.")
    return _create_operation(
        "eventsOfCall", "The events of a call", parameters, answer, further=[NOT_FOUND]
    )


def _create_since() -> Json:
    answer = _create_answer(EventPage, "In their order; `next` is the cursor to go on from.")
    return _create_operation("events", "The events of all calls", [_AFTER_CURSOR, _LIMIT], answer)


def _create_stream() -> Json:
    parameters: list[Json] = [
        {**_AFTER_CURSOR, "description": "The cursor to go on from; without it from now on."},
        {
            "name": "Last-Event-ID",
            "in": "header",
            "description": "The cursor of the last event; it goes before `after`.",
            "schema": {"$ref": "#/components/schemas/Cursor"},
        },
    ]
    answer: Json = {
        "description": "Server-sent events without an end: each `data` is an EventView, each `id` "
        "its cursor.",
        "content": {"text/event-stream": {"schema": {"type": "string"}}},
    }
    return _create_operation("eventStream", "Follow the events of all calls", parameters, answer)


def _create_alerts() -> Json:
    after: Json = {
        "name": "after",
        "in": "query",
        "description": "The `seq` of the alert before.",
        "schema": {"type": "integer", "minimum": 0, "maximum": ALERT_SEQ_MAX, "default": 0},
    }
    answer = _create_answer(AlertPage, "`next` is the `seq` to go on from.")
    return _create_operation("alerts", "The alerts of the pool of minutes", [after, _LIMIT], answer)


def _create_replay(body_bytes_max: int) -> Json:
    answer = _create_answer(Replayed, "What was given up waits for delivery again.")
    operation = _create_operation(
        "replayEvents",
        "Deliver events once more",
        [],
        answer,
        further=_WITH_BODY,
        scope=AccessScope.EVENTS_REPLAY,
    )
    example = {"call_id": "019a3f6e8b5c7d2e9f00112233445566", "seq": 4}
    content = {"schema": _ref(ReplayBody), "examples": {"example": {"value": example}}}
    operation["requestBody"] = {
        "required": True,
        "description": "Either `call_id`, with or without `seq`; or `until` with `since` or "
        f"`after`. At most {body_bytes_max} bytes.",
        "content": {JSON_MEDIA_TYPE: content},
    }
    return operation


def _create_operation(
    name: str,
    summary: str,
    parameters: Sequence[Json],
    answer: Json,
    *,
    further: Iterable[Problem] = (),
    scope: AccessScope = AccessScope.EVENTS_READ,
) -> Json:
    return {
        "operationId": name,
        "tags": [_TAG],
        "summary": summary,
        "security": [{"applicationSecret": []}, {"accessToken": [scope.value]}],
        "parameters": list(parameters),
        "responses": {"200": answer, **create_problem_responses((*_OF_ALL, *further))},
    }


def _create_answer(kind: type, description: str) -> Json:
    return {"description": description, "content": {JSON_MEDIA_TYPE: {"schema": _ref(kind)}}}


def _ref(kind: type) -> Json:
    return {"$ref": f"#/components/schemas/{kind.__name__}"}


def _create_security_schemes(token_url: str) -> dict[str, Any]:
    scopes = {
        AccessScope.EVENTS_READ.value: "Read events",
        AccessScope.EVENTS_REPLAY.value: "Have events delivered once more",
    }
    return {
        "applicationSecret": {
            "type": "http",
            "scheme": "basic",
            "description": "Basic {credential}, the base64 of appId:Secretkey, as in v1.",
        },
        "accessToken": {
            "type": "oauth2",
            "flows": {"clientCredentials": {"tokenUrl": token_url, "scopes": scopes}},
        },
    }
