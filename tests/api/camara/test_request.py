"""What is wrong with a request, told in the document's errors and in that order."""

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.api.camara.support import (
    APP,
    BODY_BYTES_MAX,
    CALLEE,
    CALLER,
    CamaraNode,
)
from yarl import URL

from clicktodial.api.camara.body import SINK_CHARACTERS_MAX, TOKEN_CHARACTERS_MAX
from clicktodial.api.camara.operation import (
    SCOPE_CREATE,
    SCOPE_DELETE,
    SCOPE_READ,
    SCOPE_RECORDING,
    SCOPES,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")

BODY = {"caller": {"number": CALLER}, "callee": {"number": CALLEE}}
SINK = "https://endpoint.example.com/sink"
CREDENTIAL = {
    "credentialType": "ACCESSTOKEN",
    "accessToken": "ya29.A0AR",
    "accessTokenExpiresUtc": "2126-01-01T00:00:00Z",
    "accessTokenType": "bearer",
}
UNKNOWN_CALL = "/calls/call_550e8400-e29b-41d4-a716-446655440000"
OPERATIONS = [
    ("POST", "/calls", SCOPE_CREATE),
    ("GET", UNKNOWN_CALL, SCOPE_READ),
    ("DELETE", UNKNOWN_CALL, SCOPE_DELETE),
    ("GET", f"{UNKNOWN_CALL}/recording", SCOPE_RECORDING),
]
MALFORMED = [
    b"",
    b"null",
    b"[]",
    b'"text"',
    b"{",
    b"{}",
    b"\xff\xfe",
    b'{"caller": {"number": "\xed\xa0\x80"}, "callee": {"number": "+8613810268653"}}',
    b"[" * 5_000,
]
# A change of a body that is well formed.
INVALID: list[dict[str, Any]] = [
    {"unknownProperty": "someValue"},
    {"caller": {"number": CALLER, "name": "x"}},
    {"callee": {"number": CALLEE, "name": None}},
    {"sinkCredential": CREDENTIAL | {"refreshToken": "x"}},
    {"caller": None},
    {"caller": CALLER},
    {"caller": {}},
    {"caller": {"number": 8613912345673}},
    {"callee": {"number": None}},
    {"recordingEnabled": "true"},
    {"recordingEnabled": 1},
    {"recordingEnabled": None},
    {"sink": None},
    {"sink": 1},
    {"sink": ""},
    {"sink": "endpoint.example.com/sink"},
    {"sink": "ftp://endpoint.example.com/sink"},
    {"sink": "https:///sink"},
    {"sink": "https://user:password@endpoint.example.com/sink"},
    {"sink": f"{SINK}#part"},
    {"sink": "https://endpoint.example.com:0/sink"},
    {"sink": "https://endpoint.example.com:99999/sink"},
    {"sink": "https://end point.example.com/sink"},
    {"sink": "https://endpoint.example.com/%zz"},
    {"sink": "https://[::1/sink"},
    {"sink": "https://endpoint.example.com/\r\nx: y"},
    {"sink": f"https://{'a' * 300}.example.com/sink"},
    {"sink": SINK + "x" * SINK_CHARACTERS_MAX},
    {"sinkCredential": {}},
    {"sinkCredential": {"credentialType": "PLAIN"}},
    {"sinkCredential": {"credentialType": "PRIVATE_KEY_JWT"}},
    {"sinkCredential": {"credentialType": "ACCESSTOKEN"}},
    {"sinkCredential": CREDENTIAL | {"accessToken": ""}},
    {"sinkCredential": CREDENTIAL | {"accessToken": "a\r\nx: y"}},
    {"sinkCredential": CREDENTIAL | {"accessToken": "é"}},
    {"sinkCredential": CREDENTIAL | {"accessToken": "x" * (TOKEN_CHARACTERS_MAX + 1)}},
    {"sinkCredential": CREDENTIAL | {"accessTokenType": "Bearer"}},
    {"sinkCredential": CREDENTIAL | {"accessTokenExpiresUtc": "2126-01-01T00:00:00"}},
    {"sinkCredential": CREDENTIAL | {"accessTokenExpiresUtc": "tomorrow"}},
    {"sinkCredential": CREDENTIAL | {"accessTokenExpiresUtc": 4922640000}},
]


async def test_unauthenticated_request_is_refused_first(node: CamaraNode) -> None:
    """The document: "Request not authenticated due to missing, invalid, or expired
    credentials."."""
    expired = node.tokens.give(expires_at=datetime.now(UTC) - timedelta(seconds=1))
    nobodys = node.tokens.give("nobody")
    for token in ("", "unknown", expired, nobodys):
        for method, path, _ in OPERATIONS:
            answer = await node.request(
                method, path, token=token, headers={"x-correlator": "not this one!"}
            )
            assert answer.outcome == "401 UNAUTHENTICATED"
            assert answer.headers["www-authenticate"].startswith("Bearer")


@pytest.mark.parametrize(
    "header", ["Basic Y291cmllcjpTM2NyZXQ=", "Bearer", "Bearer ", "Bearer a b", "Bearer é", "x"]
)
async def test_header_that_bears_no_token_is_none(node: CamaraNode, header: str) -> None:
    answer = await node.request(
        "POST", "/calls", token="", headers={"Authorization": header}, data=b"{}"
    )
    assert answer.outcome == "401 UNAUTHENTICATED"


async def test_each_operation_wants_its_scope(node: CamaraNode) -> None:
    """The document: "OAuth2 token access does not have the required scope"."""
    for method, path, scope in OPERATIONS:
        others = tuple(each for each in SCOPES if each != scope)
        answer = await node.request(method, path, token=node.tokens.give(APP, others))
        assert answer.outcome == "403 PERMISSION_DENIED"
        assert f'scope="{scope}"' in answer.headers["www-authenticate"]
        answer = await node.request(method, path, token=node.tokens.give(APP, (scope,)))
        assert answer.status in (404, 415)


async def test_disabled_application_is_refused(node: CamaraNode) -> None:
    await node.manage("POST", f"/applications/{APP}/disable")
    answer = await node.ask_until("403 PERMISSION_DENIED", UNKNOWN_CALL)
    assert answer.json["message"] == "The application is not active."
    await node.manage("POST", f"/applications/{APP}/enable")
    await node.ask_until("404 NOT_FOUND", UNKNOWN_CALL)


async def test_too_many_requests_are_told_when_to_ask_again(node: CamaraNode) -> None:
    """The document of common errors: "Rate limit reached."."""
    limits = f"/applications/{APP}/limits"
    await node.manage("PATCH", limits, {"requests_per_second_max": 1})
    answer = await node.ask_until("429 TOO_MANY_REQUESTS", UNKNOWN_CALL)
    assert int(answer.headers["retry-after"]) >= 1
    await node.manage("PATCH", limits, {"requests_per_second_max": None})
    for _ in range(5):
        await node.ask_until("404 NOT_FOUND", UNKNOWN_CALL)


# x-correlator


async def test_correlator_is_echoed(node: CamaraNode) -> None:
    for correlator in ("b4333c46-49c0-4f62-80d7-f0ef930f1c46", "a_:;./<>{}-Z9", "x" * 256):
        headers = {"x-correlator": correlator}
        for method, path, _ in OPERATIONS:
            answer = await node.request(method, path, headers=headers)
            assert answer.headers["x-correlator"] == correlator
        assert (await node.request("GET", "/nowhere", headers=headers)).headers[
            "x-correlator"
        ] == correlator


async def test_correlator_is_made_where_none_is_given(node: CamaraNode) -> None:
    made = set()
    for headers in ({}, {}, {"x-correlator": ""}):
        answer = await node.request("GET", UNKNOWN_CALL, headers=headers)
        assert answer.outcome == "404 NOT_FOUND"
        made.add(answer.headers["x-correlator"])
    assert len(made) == 3
    assert all(re.fullmatch("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", each) for each in made)


@pytest.mark.parametrize("correlator", ["x" * 257, "a b", "a,b", "é", "a\tb", "%41"])
async def test_correlator_against_its_pattern_is_refused(node: CamaraNode, correlator: str) -> None:
    answer = await node.request("GET", UNKNOWN_CALL, headers={"x-correlator": correlator})
    assert answer.outcome == "400 INVALID_ARGUMENT"
    assert answer.headers["x-correlator"] != correlator


# Paths, methods, content


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("GET", "/calls", "POST"),
        ("DELETE", "/calls", "POST"),
        ("PUT", UNKNOWN_CALL, "GET, DELETE"),
        ("POST", UNKNOWN_CALL, "GET, DELETE"),
        ("HEAD", UNKNOWN_CALL, "GET, DELETE"),
        ("OPTIONS", "/calls", "POST"),
        ("TRACE", UNKNOWN_CALL, "GET, DELETE"),
        ("DELETE", f"{UNKNOWN_CALL}/recording", "GET"),
    ],
)
async def test_other_methods_are_refused(
    node: CamaraNode, method: str, path: str, allow: str
) -> None:
    """The document: "The requested method is not allowed/supported on the target resource."."""
    answer = await node.request(method, path)
    assert answer.status == 405
    assert answer.headers["allow"] == allow
    if method != "HEAD":
        assert answer.outcome == "405 METHOD_NOT_ALLOWED"


@pytest.mark.parametrize("path", ["", "/", "/call", "/calls/", "/calls/x/y", "/calls/x/recording/"])
async def test_other_paths_are_not_found(node: CamaraNode, path: str) -> None:
    assert (await node.request("GET", path)).outcome == "404 NOT_FOUND"


@pytest.mark.parametrize("call_id", ["a%2Fb", "a%20b", "%00", "%C3%A9", "a" * 257, "a%25", "%0A"])
async def test_malformed_call_id_is_refused(node: CamaraNode, call_id: str) -> None:
    for method, path in (("GET", ""), ("DELETE", ""), ("GET", "/recording")):
        url = URL(f"{node.base_url}/calls/{call_id}{path}", encoded=True)
        headers = {"Authorization": f"Bearer {node.token}"}
        async with node.http.request(method, url, headers=headers) as response:
            assert response.status == 400
            assert (await response.json())["code"] == "INVALID_ARGUMENT"


async def test_unknown_call_is_not_found(node: CamaraNode) -> None:
    for method, path, _ in OPERATIONS[1:]:
        assert (await node.request(method, path)).outcome == "404 NOT_FOUND"
    longest = "/calls/" + "~" * 256
    assert (await node.request("GET", longest)).outcome == "404 NOT_FOUND"


@pytest.mark.parametrize(
    ("accept", "is_taken"),
    [
        ("application/json", True),
        ("*/*", True),
        ("text/html, application/*;q=0.1", True),
        ("application/json;q=0", False),
        ("application/xml", False),
        ("text/*", False),
    ],
)
async def test_client_that_takes_no_json_is_refused(
    node: CamaraNode, accept: str, *, is_taken: bool
) -> None:
    """The document: "The server cannot produce a response matching the content requested by the
    client through `Accept-*` headers."."""
    answer = await node.request("GET", UNKNOWN_CALL, headers={"Accept": accept})
    assert answer.outcome == ("404 NOT_FOUND" if is_taken else "406 NOT_ACCEPTABLE")


@pytest.mark.parametrize(
    "content_type",
    ["text/plain", "application/xml", "application/json; charset=utf-16", "multipart/form-data"],
)
async def test_body_that_is_not_json_is_refused(node: CamaraNode, content_type: str) -> None:
    """The document: "The server refuses to accept the request because the payload format is in an
    unsupported format."."""
    answer = await node.post(BODY, headers={"Content-Type": content_type})
    assert answer.outcome == "415 UNSUPPORTED_MEDIA_TYPE"


async def test_body_without_a_type_is_refused(node: CamaraNode) -> None:
    answer = await node.request("POST", "/calls", data=json.dumps(BODY).encode())
    assert answer.outcome == "415 UNSUPPORTED_MEDIA_TYPE"


async def test_body_that_is_too_long_is_refused(node: CamaraNode) -> None:
    long = json.dumps(BODY).encode() + b" " * BODY_BYTES_MAX
    assert (await node.post(long)).outcome == "413 PAYLOAD_TOO_LARGE"


# The body


@pytest.mark.parametrize("raw", MALFORMED, ids=lambda raw: str(raw[:12]))
async def test_malformed_body_is_refused(node: CamaraNode, raw: bytes) -> None:
    assert (await node.post(raw)).outcome == "400 INVALID_ARGUMENT"


@pytest.mark.parametrize("change", INVALID, ids=lambda change: json.dumps(change)[:60])
async def test_body_against_the_document_is_refused(
    node: CamaraNode, change: dict[str, Any]
) -> None:
    """The document: "Unknown properties result in a `400 INVALID_ARGUMENT` response", "at any
    nesting level"."""
    answer = await node.post(BODY | change)
    assert answer.outcome == "400 INVALID_ARGUMENT"
    assert CALLER not in answer.json["message"]
    assert "ya29" not in answer.json["message"]


@pytest.mark.parametrize("missing", ["caller", "callee"])
async def test_body_without_a_party_is_refused(node: CamaraNode, missing: str) -> None:
    body = {name: value for name, value in BODY.items() if name != missing}
    answer = await node.post(body)
    assert answer.outcome == "400 INVALID_ARGUMENT"
    assert missing in answer.json["message"]


async def test_token_that_has_expired_is_out_of_range(node: CamaraNode) -> None:
    """ "An absolute (UTC) timestamp at which the token shall be considered expired."."""
    credential = CREDENTIAL | {"accessTokenExpiresUtc": "2026-01-01T00:00:00Z"}
    answer = await node.create(sink=SINK, sinkCredential=credential)
    assert answer.outcome == "400 OUT_OF_RANGE"
