"""The OpenAPI 3.1 document of the management API, made of its routes.

Schemas follow from the structs that are read and answered, so that the document cannot say other
than what is done; the tests hold every answer against it all the same.
"""

from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias

import msgspec

from clicktodial.api.management.problem import (
    APPLICATION_DISABLED,
    BASE_PATH,
    BODY_TOO_LONG,
    ENTERPRISE_INACTIVE,
    INTERNAL_ERROR,
    INVALID_PARAMETER,
    INVALID_VALUE,
    LIMIT_REACHED,
    MALFORMED_BODY,
    METHOD_NOT_ALLOWED,
    MISSING_PROPERTY,
    NOT_AUTHENTICATED,
    NOT_FOUND,
    NOT_PERMITTED,
    OVERLOADED,
    PROBLEM_MEDIA_TYPE,
    UNAVAILABLE,
    UNKNOWN_PROPERTY,
    Problem,
    ProblemDetails,
)
from clicktodial.api.management.route import Parameter, Route
from clicktodial.domain.principal import PERSON_ROLES, Role

Json: TypeAlias = dict[str, Any]

JSON_MEDIA_TYPE = "application/json"
_BINARY: Json = {"type": "string", "format": "binary"}
_REF = "#/components/schemas/{name}"
# In the order in which an operation lists them.
_ROLES_BY_SCHEME = {
    "sessionToken": PERSON_ROLES,
    "operatorToken": frozenset({Role.OPERATOR}),
    "applicationSecret": frozenset({Role.APPLICATION}),
}
_OF_ALL = (INVALID_PARAMETER, INTERNAL_ERROR, UNAVAILABLE, OVERLOADED)
# Of those that are not open to anybody; a program may ask too fast for any of them.
_OF_GUARDED = (
    NOT_AUTHENTICATED,
    NOT_PERMITTED,
    ENTERPRISE_INACTIVE,
    APPLICATION_DISABLED,
    LIMIT_REACHED,
)
_WITH_BODY = (MALFORMED_BODY, INVALID_VALUE, UNKNOWN_PROPERTY, MISSING_PROPERTY, BODY_TOO_LONG)
_STATUS_TEXT = {
    400: "The request cannot be read",
    401: "Not authenticated",
    403: "Not permitted",
    404: "Not found",
    405: "Method not allowed",
    409: "Not as things are",
    413: "Too long",
    422: "Not usable",
    429: "Too often",
    500: "A fault of the platform",
    503: "Not at the moment",
}
_RETRY_AFTER: Json = {
    "Retry-After": {
        "required": True,
        "description": "Seconds.",
        "schema": {"type": "integer", "minimum": 1},
    }
}
_HEADERS: dict[int, Json] = {
    401: {"WWW-Authenticate": {"required": True, "schema": {"type": "string"}}},
    405: {"Allow": {"required": True, "schema": {"type": "string"}}},
    429: _RETRY_AFTER,
    503: _RETRY_AFTER,
}
_DESCRIPTION = """\
What the Click to Dial v1 API has no words for: calls with options of their own, and what is done \
with them while they live; trunks, options of applications, limits of enterprises, \
applications and their keys, numbers, audio.

People log in and show the token of their session, programs the credential that their \
application has for v1, and the operator's scripts the management token. Each operation says which \
roles may; nobody sees anything of another enterprise. Bodies are JSON, whatever their \
Content-Type says, of at most {body_bytes_max} bytes; a property that is not named here is \
refused. What goes wrong is told as problem details (RFC 9457), with a code that stays."""


def create_document(routes: Sequence[Route], *, body_bytes_max: int, version: str) -> Json:
    """The whole document, as JSON data."""
    paths: Json = {}
    for each in routes:
        paths.setdefault(BASE_PATH + each.path, {})[each.method.lower()] = _create_operation(each)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Click to Dial management",
            "version": "1.0.0",
            "description": _DESCRIPTION.format(body_bytes_max=body_bytes_max),
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
            "x-server-version": version,
        },
        "servers": [{"url": "/", "description": "This server"}],
        "tags": [{"name": name} for name in dict.fromkeys(each.tag for each in routes)],
        "paths": paths,
        "components": {
            "securitySchemes": _SECURITY_SCHEMES,
            "schemas": _create_schemas(routes),
            "responses": create_problem_responses((NOT_FOUND, METHOD_NOT_ALLOWED)),
        },
    }


def _create_operation(row: Route) -> Json:
    problems = {*row.problems, *_OF_ALL, *(_WITH_BODY if row.body is not None else ())}
    if not row.is_open:
        problems.update(_OF_GUARDED)
    if not row.is_open and Role.APPLICATION not in row.roles:
        problems.add(NOT_FOUND)  # where there is no management token
    operation: Json = {
        "operationId": row.name,
        "tags": [row.tag],
        "summary": row.summary,
        "description": row.about,
        "security": _create_security(row),
        "x-roles": sorted(row.roles),
        "parameters": [
            *(_create_parameter(each, "path") for each in row.parameters),
            *(_create_parameter(each, "query") for each in row.query),
        ],
        "responses": {
            str(row.status): _create_success(row),
            **create_problem_responses(problems),
        },
    }
    if row.body is not None:
        operation["requestBody"] = _create_request_body(row)
    return operation


def _create_security(row: Route) -> list[Json]:
    if row.is_open:
        return [{}]
    return [{scheme: []} for scheme, roles in _ROLES_BY_SCHEME.items() if roles & row.roles]


def _create_request_body(row: Route) -> Json:
    content: Json = {}
    if row.media == JSON_MEDIA_TYPE:
        content["schema"] = _ref(row.body)
        content["examples"] = {"example": {"value": row.body_example}}
    return {"required": not row.is_body_optional, "content": {row.media: content}}


def _create_success(row: Route) -> Json:
    if row.answer_media != JSON_MEDIA_TYPE:
        return {"description": "The file", "content": {row.answer_media: {"schema": _BINARY}}}
    if row.answer is None:
        return {"description": "Done"}
    content: Json = {"schema": _ref(row.answer)}
    if row.answer_example is not None:
        content["examples"] = {"example": {"value": msgspec.to_builtins(row.answer_example)}}
    answer: Json = {"description": "Success", "content": {JSON_MEDIA_TYPE: content}}
    if row.status == 201:
        answer["headers"] = {"Location": {"required": True, "schema": {"type": "string"}}}
    return answer


def create_problem_responses(problems: Iterable[Problem]) -> Json:
    """One response a status, with one example a row."""
    problems = tuple(problems)
    responses: Json = {}
    for status in sorted({problem.status for problem in problems}):
        rows = sorted(
            (each for each in problems if each.status == status), key=lambda row: row.code
        )
        responses[str(status)] = {
            "description": _STATUS_TEXT[status],
            "headers": _HEADERS.get(status, {}),
            "content": {
                PROBLEM_MEDIA_TYPE: {
                    "schema": {
                        "allOf": [
                            _ref(ProblemDetails),
                            {
                                "properties": {
                                    "status": {"const": status},
                                    "code": {"enum": [row.code for row in rows]},
                                    "type": {"enum": [row.type for row in rows]},
                                    "title": {"enum": [row.title for row in rows]},
                                }
                            },
                        ]
                    },
                    "examples": {row.code: _create_problem_example(row) for row in rows},
                }
            },
        }
    return responses


def _create_problem_example(row: Problem) -> Json:
    value = {
        "type": row.type,
        "title": row.title,
        "status": row.status,
        "code": row.code,
        "detail": row.title,
    }
    return {"summary": row.about, "value": value}


def _create_parameter(parameter: Parameter, place: str) -> Json:
    return {
        "name": parameter.name,
        "in": place,
        "required": place == "path",
        "description": parameter.about,
        "schema": parameter.schema,
    }


def _create_schemas(routes: Sequence[Route]) -> Json:
    kinds: dict[Any, None] = {}
    for each in routes:
        bodies = [each.body] if each.media == JSON_MEDIA_TYPE else []
        kinds |= {kind: None for kind in (*bodies, each.answer) if kind is not None}
    return create_schemas(kinds)


def create_schemas(kinds: Iterable[Any]) -> Json:
    """Of these structs, of what they are made of, and of problems; by name."""
    kinds = {ProblemDetails: None} | dict.fromkeys(kinds)
    _, schemas = msgspec.json.schema_components(kinds, ref_template=_REF)
    for schema in schemas.values():
        if "description" in schema:
            schema["description"] = " ".join(schema["description"].split())
        if "enum" in schema:
            schema["type"] = "string"
    return dict(sorted(schemas.items()))


def _ref(kind: Any) -> Json:
    return {"$ref": _REF.format(name=kind.__name__)}


_SECURITY_SCHEMES: Json = {
    "sessionToken": {
        "type": "http",
        "scheme": "bearer",
        "description": "A person's: what a login was answered with.",
    },
    "operatorToken": {
        "type": "http",
        "scheme": "bearer",
        "description": "The token of the setting management.token, for scripts of the operator's: "
        "whoever bears it may do what the role operator may.",
    },
    "applicationSecret": {
        "type": "http",
        "scheme": "basic",
        "description": "Basic {credential}, the base64 of appId:Secretkey, as in v1.",
    },
}
