"""The OpenAPI 3.1 document of the authorization server."""

from typing import Any, TypeAlias

from clicktodial.api.oauth.error import PROBLEMS
from clicktodial.api.oauth.form import FORM_BYTES_MAX
from clicktodial.api.oauth.path import (
    INTROSPECTION_PATH,
    JWKS_PATH,
    METADATA_PATH,
    REVOCATION_PATH,
    TOKEN_PATH,
)
from clicktodial.domain.access import AccessScope

Json: TypeAlias = dict[str, Any]

FORM_MEDIA_TYPE = "application/x-www-form-urlencoded"
_TAG = "Tokens"
_DESCRIPTION = """\
Access tokens for applications, by client credentials (OAuth 2.1): an application proves itself by \
an assertion that it signs (`private_key_jwt`, RFC 7523){secrets}. What goes wrong is told as RFC \
6749 5.2 has it."""
_ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_PROOF: Json = {
    "client_id": {"type": "string", "description": "The APPID; an assertion says it as well."},
    "client_assertion_type": {"type": "string", "const": _ASSERTION_TYPE},
    "client_assertion": {"type": "string", "description": "RFC 7523 2.2: a JWT, signed."},
}
_SECRET: Json = {"client_secret": {"type": "string", "description": "The Secretkey."}}
_NO_STORE: Json = {"Cache-Control": {"schema": {"const": "no-store"}}}
_TEXT: Json = {"type": "string"}
_ABOUT_TOKEN: Json = {
    "token": {"type": "string", "description": "The access token."},
    "token_type_hint": {"type": "string", "description": "Not needed."},
}
_STATUS_TEXT = {
    400: "The request cannot be answered",
    401: "The client is not proved",
    413: "Too long",
    429: "Too often",
    500: "A fault of the platform",
    503: "Not at the moment",
}
_RETRY_AFTER: Json = {"Retry-After": {"required": True, "schema": {"type": "integer"}}}
_CHALLENGE: Json = {"WWW-Authenticate": {"required": True, "schema": _TEXT}}
_HEADERS: dict[int, Json] = {401: _CHALLENGE, 429: _RETRY_AFTER, 503: _RETRY_AFTER}


def create_document(*, takes_secrets: bool, version: str) -> Json:
    """The whole document, as JSON data."""
    words = ", or by its Secretkey (`client_secret_basic`, `client_secret_post`)"
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Click to Dial access tokens",
            "version": "1.0.0",
            "description": _DESCRIPTION.format(secrets=words if takes_secrets else ""),
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
            "x-server-version": version,
        },
        "servers": [{"url": "/", "description": "This server"}],
        "tags": [{"name": _TAG}],
        "paths": {
            TOKEN_PATH: {"post": _create_token(takes_secrets=takes_secrets)},
            INTROSPECTION_PATH: {"post": _create_introspection(takes_secrets=takes_secrets)},
            REVOCATION_PATH: {"post": _create_revocation(takes_secrets=takes_secrets)},
            JWKS_PATH: {"get": _create_reading("jwks", "The keys that verify tokens", "KeySet")},
            METADATA_PATH: {"get": _create_reading("metadata", "What there is", "Metadata")},
        },
        "components": {
            "securitySchemes": {"clientSecret": {"type": "http", "scheme": "basic"}},
            "schemas": _create_schemas(),
        },
    }


def _create_token(*, takes_secrets: bool) -> Json:
    form: Json = {
        "grant_type": {"type": "string", "const": "client_credentials"},
        "scope": {
            "type": "string",
            "description": "Scopes with a space between; without it all that the client may have.",
            "examples": [AccessScope.CALLS_CREATE.value],
        },
    }
    return _create_operation(
        "token",
        "Get an access token",
        form,
        ["grant_type"],
        {"$ref": "#/components/schemas/Token"},
        takes_secrets=takes_secrets,
    )


def _create_introspection(*, takes_secrets: bool) -> Json:
    return _create_operation(
        "introspect",
        "Ask what a token of one's own allows (RFC 7662)",
        _ABOUT_TOKEN,
        ["token"],
        {"$ref": "#/components/schemas/Introspection"},
        takes_secrets=takes_secrets,
    )


def _create_revocation(*, takes_secrets: bool) -> Json:
    return _create_operation(
        "revoke",
        "Refuse a token of one's own from now on (RFC 7009)",
        _ABOUT_TOKEN,
        ["token"],
        {"type": "object", "maxProperties": 0},
        takes_secrets=takes_secrets,
    )


def _create_operation(
    name: str,
    summary: str,
    form: Json,
    required: list[str],
    answer: Json,
    *,
    takes_secrets: bool,
) -> Json:
    proof = _PROOF | (_SECRET if takes_secrets else {})
    schema = {"type": "object", "required": required, "properties": {**form, **proof}}
    return {
        "operationId": name,
        "tags": [_TAG],
        "summary": summary,
        "security": [{}, {"clientSecret": []}] if takes_secrets else [{}],
        "requestBody": {
            "required": True,
            "description": "Each parameter once; the client's proof is among them, or in the "
            f"header. At most {FORM_BYTES_MAX} bytes.",
            "content": {FORM_MEDIA_TYPE: {"schema": schema}},
        },
        "responses": {"200": _create_answer(answer), **_create_refusals()},
    }


def _create_answer(schema: Json) -> Json:
    return {
        "description": "Success",
        "headers": _NO_STORE,
        "content": {"application/json": {"schema": schema}},
    }


def _create_refusals() -> Json:
    """One response a status, with the errors that it has."""
    responses: Json = {}
    for status in sorted({problem.status for problem in PROBLEMS}):
        codes = sorted(problem.code for problem in PROBLEMS if problem.status == status)
        schema: Json = {
            "allOf": [
                {"$ref": "#/components/schemas/Error"},
                {"properties": {"error": {"enum": codes}}},
            ]
        }
        responses[str(status)] = {
            "description": _STATUS_TEXT[status],
            "headers": _NO_STORE | _HEADERS.get(status, {}),
            "content": {"application/json": {"schema": schema}},
        }
    return responses


def _create_reading(name: str, summary: str, schema: str) -> Json:
    return {
        "operationId": name,
        "tags": [_TAG],
        "summary": summary,
        "security": [],
        "responses": {
            "200": {
                "description": "Success",
                "content": {
                    "application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}
                },
            },
        },
    }


def _create_schemas() -> Json:
    scope: Json = {"type": "string", "description": "Scopes with a space between."}
    uri: Json = {"type": "string", "format": "uri"}
    texts: Json = {"type": "array", "items": _TEXT}
    return {
        "Token": _create_object(
            {
                "access_token": _TEXT,
                "token_type": {"const": "Bearer"},
                "expires_in": {"type": "integer", "minimum": 1, "description": "Seconds."},
                "scope": scope,
            }
        ),
        "Introspection": {
            "oneOf": [
                _create_object({"active": {"const": False}}),
                _create_object(
                    {
                        "active": {"const": True},
                        "scope": scope,
                        "client_id": _TEXT,
                        "sub": _TEXT,
                        "token_type": {"const": "Bearer"},
                        "iss": _TEXT,
                        "aud": _TEXT,
                        "iat": {"type": ["integer", "null"]},
                        "exp": {"type": "integer"},
                        "jti": _TEXT,
                    }
                ),
            ]
        },
        "KeySet": {
            "type": "object",
            "description": "RFC 7517 5.",
            "required": ["keys"],
            "properties": {
                "keys": {
                    "type": "array",
                    "items": {"type": "object", "required": ["kty", "kid", "use", "alg"]},
                }
            },
        },
        "Metadata": {
            "type": "object",
            "description": "RFC 8414 2.",
            "required": ["issuer", "token_endpoint", "jwks_uri", "grant_types_supported"],
            "properties": {
                "issuer": uri,
                "token_endpoint": uri,
                "introspection_endpoint": uri,
                "revocation_endpoint": uri,
                "jwks_uri": uri,
                "grant_types_supported": texts,
                "scopes_supported": texts,
                "token_endpoint_auth_methods_supported": texts,
            },
        },
        "Error": _create_object({"error": _TEXT, "error_description": _TEXT}),
    }


def _create_object(properties: Json) -> Json:
    """All of them, and nothing besides."""
    return {
        "type": "object",
        "required": list(properties),
        "properties": properties,
        "additionalProperties": False,
    }
