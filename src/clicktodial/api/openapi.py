"""The OpenAPI 3.1 document: all of the API, for programs; tests hold every answer against it."""

from typing import Any, TypeAlias

from clicktodial.api.v1 import schema
from clicktodial.api.v1.error import (
    METHOD_NOT_ALLOWED,
    NOT_FOUND,
    SERVICE_UNAVAILABLE,
)

Json: TypeAlias = dict[str, Any]

_HEALTH_TAG = "Health"
_DESCRIPTION = """\
Two people are connected by one request, and neither sees the other's number: the platform rings \
the caller, then the callee, joins them, shows both only the sponsor, and tells the application \
each change of state.

Every answer is JSON with a code of seven digits and a description. Errors are told in this order: \
the Authorization header, an APPID that is another's, the status of the enterprise, that of the \
application, the length of the body, its syntax, missing properties, wrong types, then wrong \
values."""


def create_document(*, body_bytes_max: int, version: str) -> Json:
    """The whole document, as JSON data."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Click to Dial",
            "version": "1.0.0",
            "description": _DESCRIPTION,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
            "x-server-version": version,
        },
        "servers": [{"url": "/", "description": "This server"}],
        "tags": [
            {"name": schema.TAG, "description": "Calls, as the specification has them."},
            {"name": _HEALTH_TAG, "description": "For load balancers. No credential is needed."},
        ],
        "paths": {**schema.create_paths(body_bytes_max), **_create_health_paths()},
        "webhooks": schema.create_webhooks(),
        "components": schema.create_components()
        | {"responses": schema.create_refusal_responses((NOT_FOUND, METHOD_NOT_ALLOWED))},
    }


def _create_health_paths() -> Json:
    success = schema.create_success_response("Yes")
    refused = schema.create_refusal_responses((SERVICE_UNAVAILABLE,))
    return {
        "/health/live": {
            "get": _create_probe(
                "live", "Liveness", "Whether the process answers.", {"200": success}
            )
        },
        "/health/ready": {
            "get": _create_probe(
                "ready",
                "Readiness",
                "Whether calls are taken: the database is reachable and the process not stopping.",
                {"200": success, **refused},
            )
        },
    }


def _create_probe(name: str, summary: str, description: str, responses: Json) -> Json:
    return {
        "operationId": name,
        "tags": [_HEALTH_TAG],
        "summary": summary,
        "description": description,
        "security": [],
        "responses": responses,
    }
