"""Who may ask for what, and what is answered where nothing is."""

import itertools
from typing import Any

import pytest
import structlog
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.api.management.conftest import CreateManagement
from tests.api.management.support import (
    APPLICATION,
    BODY_BYTES_MAX,
    CALL,
    OPERATOR,
    TOKEN,
    Management,
)
from tests.api.support import APP_ID, SECRET, basic, call_app

from clicktodial.api.management.problem import BASE_PATH
from clicktodial.control.port import StoreError
from clicktodial.domain.application import ApplicationStatus, EnterpriseStatus
from clicktodial.storage.error import DatabaseUnavailable

FOR_OPERATOR = [
    ("GET", "/trunks"),
    ("POST", "/trunks"),
    ("PATCH", f"/applications/{APP_ID}/options"),
    ("GET", "/enterprises/default/limits"),
    ("GET", "/audio"),
]
FOR_APPLICATION = [("GET", "/calls"), ("POST", "/calls"), ("POST", "/calls/forecast")]

WRONG: dict[str, bytes | None] = {
    "none": None,
    "empty": b"",
    "scheme only": b"Bearer",
    "wrong token": b"Bearer " + TOKEN.encode() + b"x",
    "part of the token": b"Bearer " + TOKEN.encode()[:-1],
    "token as Basic": b"Basic " + TOKEN.encode(),
    "wrong secret": basic(APP_ID, "wrong"),
    "unknown application": basic("nobody", SECRET),
    "secret as token": b"Bearer " + SECRET.encode(),
    "another scheme": b"Digest x",
    "not ASCII": b"Bearer \xff",
    "too long": b"Bearer " + b"x" * 5_000,
}


@pytest.mark.parametrize("credential", WRONG.values(), ids=WRONG.keys())
async def test_credential_that_proves_nothing_is_refused_everywhere(
    management: Management, credential: bytes | None
) -> None:
    for method, path in (*FOR_OPERATOR, *FOR_APPLICATION):
        answer = await management.ask(method, path, b"{", credential=credential)
        assert (answer.status, answer.json["code"]) == (401, "not-authenticated")
        assert answer.headers["www-authenticate"].startswith("Bearer ")


async def test_token_given_twice_proves_nothing(management: Management) -> None:
    headers = [(b"authorization", OPERATOR)] * 2
    answer = await call_app(management.app, "GET", f"{BASE_PATH}/trunks", headers, [b""])
    assert answer.status == 401


@pytest.mark.parametrize("scheme", [b"Bearer ", b"bearer ", b"BEARER   "])
async def test_token_proves_the_operator(management: Management, scheme: bytes) -> None:
    answer = await management.ask("GET", "/trunks", credential=scheme + TOKEN.encode())
    assert answer.status == 200


async def test_each_is_refused_what_is_the_other_s(management: Management) -> None:
    for method, path in FOR_OPERATOR:
        answer = await management.ask(method, path, b"{", credential=APPLICATION)
        assert (answer.status, answer.json["code"]) == (403, "not-permitted")
    for method, path in FOR_APPLICATION[1:]:
        answer = await management.ask(method, path, b"{", credential=OPERATOR)
        assert (answer.status, answer.json["code"]) == (403, "not-permitted")


async def test_without_a_token_there_is_no_operator(create_management: CreateManagement) -> None:
    management = create_management(token=None)
    for credential in (b"Bearer", b"Bearer ", b"Bearer None", OPERATOR):
        answer = await management.ask("GET", "/trunks", credential=credential)
        assert answer.status == 401
    for method, path in FOR_OPERATOR:
        answer = await management.ask(method, path, b"{", credential=APPLICATION)
        assert (answer.status, answer.json["code"]) == (404, "not-found")
    own = await management.ask("GET", f"/applications/{APP_ID}/options", credential=APPLICATION)
    assert own.status == 200
    assert (await management.ask("GET", "/calls", credential=APPLICATION)).status == 200


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"enterprise_status": EnterpriseStatus.SUSPENDED}, "enterprise-inactive"),
        ({"enterprise_status": EnterpriseStatus.CANCELLED}, "enterprise-inactive"),
        ({"status": ApplicationStatus.DISABLED}, "application-disabled"),
    ],
)
async def test_inactive_application_is_refused_everything(
    create_management: CreateManagement, changes: dict[str, Any], code: str
) -> None:
    management = create_management(**changes)
    for method, path in (*FOR_APPLICATION, *FOR_OPERATOR):
        answer = await management.ask(method, path, b"{", credential=APPLICATION)
        assert (answer.status, answer.json["code"]) == (403, code)


async def test_change_is_taken_up_before_it_is_answered_and_nothing_else_is(
    management: Management,
) -> None:
    applications, path = management.applications, f"/applications/{APP_ID}/options"
    await management.ask("GET", path)
    await management.begin()
    refused = await management.ask("PATCH", path, {"ringback": "music"})
    assert (refused.status, applications.times_refreshed) == (400, 0)
    assert (await management.ask("PATCH", path, {"ringback": "tone"})).status == 200
    assert applications.times_refreshed == 1


async def test_failed_attempt_is_logged_without_what_was_tried(management: Management) -> None:
    with structlog.testing.capture_logs() as logs:
        for credential in WRONG.values():
            await management.ask("GET", "/trunks", credential=credential)
    attempts = [log for log in logs if log["event"] == "management.authentication_failed"]
    assert len(attempts) == len(WRONG)
    assert {log["client"] for log in attempts} == {"127.0.0.1"}
    assert {log["scheme"] for log in attempts} == {None, "basic", "bearer"}
    for secret in (TOKEN, SECRET, "wrong", "nobody"):
        assert secret not in str(logs)


async def test_each_change_is_logged_with_who_made_it(management: Management) -> None:
    trunk = {"name": "main", "host": "192.0.2.1", "username": "us", "password": "pass word"}
    with structlog.testing.capture_logs() as logs:
        await management.ask("POST", "/trunks", trunk)
        await management.ask("POST", "/trunks/main/disable")
        await management.ask("GET", "/trunks/main")
        call_id = await management.begin()
        await management.ask(
            "POST", f"/calls/{call_id}/hold", {"side": "caller"}, credential=APPLICATION
        )
    done = [
        (log["operation"], log["by"], log["of"])
        for log in logs
        if log["event"] == "management.done"
    ]
    assert done == [
        ("createTrunk", "operator", {}),
        ("disableTrunk", "operator", {"name": "main"}),
        ("beginCall", APP_ID, {}),
        ("holdSide", APP_ID, {"call_id": call_id}),
    ]
    assert "pass word" not in str(logs)


@pytest.mark.parametrize(
    ("method", "path", "credential"),
    [("POST", "/calls", APPLICATION), ("PUT", "/audio/notice", OPERATOR)],
)
async def test_client_that_goes_away_is_no_fault(
    management: Management, method: str, path: str, credential: bytes
) -> None:
    headers = [(b"authorization", credential)]
    with structlog.testing.capture_logs() as logs:
        await call_app(management.app, method, BASE_PATH + path, headers, [b"{", None])
    assert {log["log_level"] for log in logs} <= {"debug"}
    assert management.service.begun == []


async def test_numbers_are_not_logged_whole(management: Management) -> None:
    with structlog.testing.capture_logs() as logs:
        await management.begin()
        await management.ask(
            "POST", "/calls", CALL | {"callee": CALL["caller"]}, credential=APPLICATION
        )
    assert CALL["caller"][2:] not in str(logs)


UNKNOWN = ["", "/", "/nothing", "/trunks/a/b", "/calls/1/explode", "/calls/1/mute/x", "/../v1"]


@pytest.mark.parametrize(("method", "path"), list(itertools.product(["GET", "POST"], UNKNOWN)))
async def test_unknown_path_is_told_as_a_problem(
    management: Management, method: str, path: str
) -> None:
    answer = await management.ask(method, path)
    assert (answer.status, answer.json["code"]) == (404, "not-found")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "/trunks", {"GET", "POST"}),
        ("BREW", "/calls", {"GET", "POST"}),
        ("GET", "/calls/forecast", {"POST"}),
        ("GET", "/calls/1/mute", {"POST"}),
        ("POST", "/audio/x", {"PUT", "DELETE"}),
        ("POST", "/openapi.json", {"GET"}),
    ],
)
async def test_other_methods_are_told_as_a_problem(
    management: Management, method: str, path: str, allowed: set[str]
) -> None:
    answer = await management.ask(method, path)
    assert (answer.status, answer.json["code"]) == (405, "method-not-allowed")
    assert allowed <= set(answer.headers["allow"].replace(" ", "").split(","))


async def test_other_paths_are_answered_as_before(management: Management) -> None:
    answer = await call_app(management.app, "GET", "/management", [], [b""])
    assert answer.json["code"] == "0001010"


async def test_body_over_the_limit_is_refused(management: Management) -> None:
    fits = b"{}".ljust(BODY_BYTES_MAX)
    answer = await management.ask("POST", "/calls", fits, credential=APPLICATION)
    assert answer.json["code"] == "missing-property"
    answer = await management.ask("POST", "/calls", fits + b" ", credential=APPLICATION)
    assert (answer.status, answer.json["code"]) == (413, "body-too-long")
    assert "connection" not in answer.headers


async def test_query_where_none_is_known_is_refused(management: Management) -> None:
    answer = await management.ask("GET", "/trunks", query="limit=1")
    assert (answer.status, answer.json["code"]) == (400, "invalid-parameter")


async def test_database_that_is_away_is_told_without_its_words(
    management: Management, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise DatabaseUnavailable("disk of ours")

    monkeypatch.setattr(management.administration, "list_trunks", fail)
    answer = await management.ask("GET", "/trunks")
    assert (answer.status, answer.json["code"]) == (503, "unavailable")
    assert b"ours" not in answer.body
    management.applications.error = StoreError("disk of ours")
    answer = await management.ask("GET", "/calls", credential=APPLICATION)
    assert (answer.status, answer.json["code"]) == (503, "unavailable")
    assert b"ours" not in answer.body


async def test_fault_of_ours_is_told_without_a_word_of_it(
    management: Management, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise RuntimeError("a secret of ours")

    monkeypatch.setattr(management.administration, "list_trunks", fail)
    answer = await management.ask("GET", "/trunks")
    assert (answer.status, answer.json["code"]) == (500, "internal-error")
    assert b"secret" not in answer.body


RELAXED = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)
NAMES = ("caller", "callee", "sponsor", "record", "options", "name", "host", "tls", "presence")
BODIES = st.dictionaries(st.sampled_from(NAMES) | st.text(max_size=5), JSON, max_size=6)
WRITING = [
    ("POST", "/calls", APPLICATION),
    ("POST", "/calls/1/mute", APPLICATION),
    ("POST", "/trunks", OPERATOR),
    ("PATCH", "/trunks/x", OPERATOR),
    ("PATCH", f"/applications/{APP_ID}/options", OPERATOR),
    ("PATCH", "/enterprises/default/limits", OPERATOR),
]


@RELAXED
@given(body=BODIES | BODIES.map(lambda body: CALL | body) | JSON)
async def test_any_json_is_answered_as_documented(management: Management, body: Any) -> None:
    for method, path, credential in WRITING:
        answer = await management.ask(method, path, body, credential=credential)
        assert answer.status < 500


@RELAXED
@given(body=st.binary(max_size=200), query=st.text("abc=&%20-;+", max_size=12))
async def test_any_bytes_are_answered_as_documented(
    management: Management, body: bytes, query: str
) -> None:
    for method, path, credential in (*WRITING, ("GET", "/calls", APPLICATION)):
        answer = await management.ask(method, path, body, credential=credential, query=query)
        assert answer.status < 500


@RELAXED
@given(name=st.text(min_size=1, max_size=80).filter(lambda text: "/" not in text))
async def test_any_name_is_answered_as_documented(management: Management, name: str) -> None:
    for method, path, credential in (
        ("GET", f"/trunks/{name}", OPERATOR),
        ("GET", f"/applications/{name}/options", OPERATOR),
        ("DELETE", f"/audio/{name}", OPERATOR),
        ("POST", f"/calls/{name}/release", APPLICATION),
    ):
        answer = await management.ask(method, path, credential=credential)
        assert answer.json["code"] in {"not-found", "method-not-allowed"}
