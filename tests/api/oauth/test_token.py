"""The token endpoint: RFC 6749 3.2, 4.4, 5; RFC 7523 2.2, 3; RFC 9068."""

import asyncio
import base64
import hmac
import logging
from typing import Any
from urllib.parse import quote_plus

import pytest
from joserfc import jwt
from joserfc.jwk import Key, KeySet, OKPKey
from tests.api.oauth.conftest import LIFETIME_S, CreateRig
from tests.api.oauth.support import (
    APP_ID,
    CLIENT_KEY,
    ISSUER,
    OTHER_APP_ID,
    RSA_KEY,
    SECRET,
    STRANGER_KEY,
    TOKEN_URL,
    Rig,
    validate_answer,
)

from clicktodial.api.oauth.form import FORM_BYTES_MAX
from clicktodial.domain.access import ALL_SCOPES, AccessScope
from clicktodial.domain.application import ApplicationStatus, EnterpriseStatus
from clicktodial.storage.application_codec import parse_networks

FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def basic(app_id: str, secret: str) -> str:
    """RFC 6749 2.3.1: each is encoded as in a form first."""
    text = f"{quote_plus(app_id)}:{quote_plus(secret)}"
    return f"Basic {base64.b64encode(text.encode()).decode()}"


def assert_refused(answer: Any, status: int, error: str) -> None:
    """RFC 6749 5.2."""
    assert (answer.status_code, answer.json()["error"]) == (status, error), answer.text
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "no-store"
    assert ("www-authenticate" in answer.headers) == (status == 401)


async def test_token_is_one_of_rfc_9068_that_the_published_keys_verify(rig: Rig) -> None:
    answer = await rig.ask(scope="click-to-dial:calls:read click-to-dial:calls:create")
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["pragma"] == "no-cache"
    body = answer.json()
    assert (body["token_type"], body["expires_in"]) == ("Bearer", LIFETIME_S)
    assert body["scope"] == "click-to-dial:calls:create click-to-dial:calls:read"
    keys = await rig.http.get("/oauth/jwks")
    validate_answer("/oauth/jwks", keys, "get")
    published = KeySet.import_key_set(keys.json())
    token = jwt.decode(body["access_token"], published, algorithms=["ES256"])
    assert token.header["typ"] == "at+jwt"
    now = int(rig.clock.now)
    assert token.claims.pop("jti")
    assert token.claims == {
        "iss": ISSUER,
        "sub": APP_ID,
        "client_id": APP_ID,
        "aud": ISSUER,
        "scope": body["scope"],
        "iat": now,
        "exp": now + LIFETIME_S,
    }


async def test_token_without_a_scope_has_all_of_the_application(rig: Rig) -> None:
    assert (await rig.ask()).json()["scope"] == " ".join(sorted(ALL_SCOPES))


async def test_unknown_scope_is_invalid(rig: Rig) -> None:
    two = "click-to-dial:calls:read  click-to-dial:calls:create"
    for scope in ("click-to-dial:calls:make", "openid", two):
        assert_refused(await rig.ask(scope=scope), 400, "invalid_scope")


async def test_scope_that_the_application_has_not_is_invalid(rig: Rig) -> None:
    rig.administration.set_scopes(APP_ID, frozenset({AccessScope.CALLS_READ}))
    await rig.applications.refresh()
    assert_refused(await rig.ask(scope=AccessScope.CALLS_CREATE), 400, "invalid_scope")
    assert (await rig.ask()).json()["scope"] == AccessScope.CALLS_READ


async def test_other_grants_are_refused(rig: Rig) -> None:
    for grant_type in ("authorization_code", "password", "Client_Credentials"):
        answer = await rig.ask(grant_type=grant_type)
        assert_refused(answer, 400, "unsupported_grant_type")
    assert_refused(await rig.ask(grant_type=""), 400, "invalid_request")


# Assertions


WRONG_CLAIMS: list[dict[str, Any]] = [
    {"iss": OTHER_APP_ID},
    {"iss": None},
    {"sub": OTHER_APP_ID},
    {"sub": None},
    {"sub": 12345678},
    {"sub": "x" * 129, "iss": "x" * 129},
    {"sub": "nobody", "iss": "nobody"},
    {"aud": None},
    {"aud": "https://elsewhere.example"},
    {"aud": [TOKEN_URL, "https://elsewhere.example"]},
    {"aud": []},
    {"aud": 7},
    {"exp": None},
    {"exp": "never"},
    {"exp": True},
    {"exp": float("1e300")},
    {"exp": -1},
    {"jti": None},
    {"jti": ""},
    {"jti": "x" * 257},
    {"jti": 7},
    {"iat": "today"},
]


async def test_assertion_with_a_wrong_claim_is_refused(rig: Rig) -> None:
    for wrong in WRONG_CLAIMS:
        answer = await rig.ask_with(rig.assertion(**wrong))
        assert answer.status_code == 401, wrong
        assert_refused(answer, 401, "invalid_client")


TIMES = [
    ("exp", -29, True),
    ("exp", -30, False),
    ("exp", 3_630, True),
    ("exp", 3_631, False),
    ("iat", 30, True),
    ("iat", 31, False),
    ("iat", -3_630, True),
    ("iat", -3_631, False),
    ("nbf", 30, True),
    ("nbf", 31, False),
]


async def test_times_of_an_assertion_are_bounded(rig: Rig) -> None:
    for claim, seconds, is_taken in TIMES:
        times: dict[str, Any] = {claim: int(rig.clock.now) + seconds}
        assertion = rig.assertion(**times)
        answer = await rig.ask_with(assertion)
        assert answer.status_code == (200 if is_taken else 401), (claim, seconds)


@pytest.mark.on_every_database
async def test_assertion_is_taken_once_by_all_nodes(create_rig: CreateRig) -> None:
    """RFC 7523 3: the jti; whichever node it is told, and after restarts."""
    first, second = await create_rig(), await create_rig()
    first.register(CLIENT_KEY)
    assertion = first.assertion()
    answers = await asyncio.gather(
        *(rig.ask_with(assertion) for rig in (first, second, first, second))
    )
    assert sorted(answer.status_code for answer in answers) == [200, 401, 401, 401]
    assert_refused(await second.ask_with(assertion), 401, "invalid_client")


async def test_assertions_that_ended_are_forgotten_and_still_refused(rig: Rig) -> None:
    assertion = rig.assertion()
    assert (await rig.ask_with(assertion)).status_code == 200
    assert rig.clients.forget_assertions(rig.clock.utc()) == 0
    rig.clock.move(60 + 31)
    assert rig.clients.forget_assertions(rig.clock.utc()) == 1
    assert_refused(await rig.ask_with(assertion), 401, "invalid_client")


async def test_two_applications_may_use_the_same_jti(rig: Rig) -> None:
    rig.register(CLIENT_KEY, app_id=OTHER_APP_ID)
    for app_id in (APP_ID, OTHER_APP_ID):
        assert (await rig.ask_with(rig.assertion(app_id=app_id, jti="1"))).status_code == 200


async def test_assertion_that_another_key_signed_is_refused(rig: Rig) -> None:
    assert_refused(await rig.ask_with(rig.assertion(STRANGER_KEY)), 401, "invalid_client")


async def test_assertion_without_a_signature_is_refused(rig: Rig) -> None:
    head, claims, _ = rig.assertion().split(".")
    none = base64.urlsafe_b64encode(b'{"alg":"none","kid":"client-1"}').rstrip(b"=").decode()
    for assertion in (f"{head}.{claims}.", f"{none}.{claims}.", "a.b.c", "x", f"{head}.{claims}"):
        assert_refused(await rig.ask_with(assertion), 401, "invalid_client")


async def test_public_key_is_never_a_shared_secret(rig: Rig) -> None:
    """The old confusion: HMAC with the PEM of the public key, which everybody has."""
    rig.register(RSA_KEY)
    head = base64.urlsafe_b64encode(b'{"alg":"HS256","kid":"rsa-1"}').rstrip(b"=")
    signed = head + b"." + rig.assertion(RSA_KEY, alg="RS256").split(".")[1].encode()
    mac = hmac.digest(RSA_KEY.as_pem(private=False), signed, "sha256")
    assertion = (signed + b"." + base64.urlsafe_b64encode(mac).rstrip(b"=")).decode()
    assert_refused(await rig.ask_with(assertion), 401, "invalid_client")


async def test_each_algorithm_that_is_told_of_is_taken(rig: Rig) -> None:
    okp = OKPKey.generate_key("Ed25519", {"kid": "okp"})
    rig.register(CLIENT_KEY, RSA_KEY, okp)
    path = "/.well-known/oauth-authorization-server"
    answer = await rig.http.get(path)
    validate_answer(path, answer, "get")
    told = answer.json()
    keys: dict[str, Key] = {"RS256": RSA_KEY, "PS256": RSA_KEY, "ES256": CLIENT_KEY, "Ed25519": okp}
    algorithms = told["token_endpoint_auth_signing_alg_values_supported"]
    assert sorted(algorithms) == sorted(keys)
    for algorithm in algorithms:
        assertion = rig.assertion(keys[algorithm], alg=algorithm)
        assert (await rig.ask_with(assertion)).status_code == 200, algorithm


async def test_header_that_must_be_understood_and_is_not_refuses(rig: Rig) -> None:
    """RFC 7515 4.1.11"""
    assertion = rig.assertion(header={"kid": "client-1"})
    head = base64.urlsafe_b64encode(b'{"alg":"ES256","kid":"client-1","crit":["x"],"x":1}')
    tampered = ".".join([head.rstrip(b"=").decode(), *assertion.split(".")[1:]])
    assert_refused(await rig.ask_with(tampered), 401, "invalid_client")


async def test_client_without_keys_is_refused(rig: Rig) -> None:
    assertion = rig.assertion(app_id=OTHER_APP_ID)
    assert_refused(await rig.ask_with(assertion), 401, "invalid_client")


async def test_client_id_beside_an_assertion_must_be_the_same(rig: Rig) -> None:
    assert (await rig.ask(client_id=APP_ID)).status_code == 200
    assert_refused(await rig.ask(client_id=OTHER_APP_ID), 401, "invalid_client")


async def test_other_type_of_assertion_is_an_invalid_request(rig: Rig) -> None:
    answer = await rig.ask(client_assertion_type="urn:ietf:params:oauth:saml2-bearer")
    assert_refused(answer, 400, "invalid_request")


# Secrets


async def test_secret_gets_no_token_unless_the_operator_says_so(create_rig: CreateRig) -> None:
    rig = await create_rig()
    form = {"grant_type": "client_credentials", "client_id": APP_ID, "client_secret": SECRET}
    assert_refused(await rig.http.post("/oauth/token", data=form), 401, "invalid_client")
    sandbox = await create_rig(takes_secrets=True)
    assert (await sandbox.http.post("/oauth/token", data=form)).status_code == 200
    headers = {"Authorization": basic(APP_ID, SECRET)}
    form = {"grant_type": "client_credentials"}
    assert (await sandbox.http.post("/oauth/token", data=form, headers=headers)).status_code == 200
    for wrong in (basic(APP_ID, "wrong"), basic("nobody", SECRET), "Basic !", "Bearer x"):
        headers = {"Authorization": wrong}
        answer = await sandbox.http.post("/oauth/token", data=form, headers=headers)
        assert_refused(answer, 401, "invalid_client")


async def test_two_ways_of_authenticating_are_one_too_many(create_rig: CreateRig) -> None:
    """RFC 6749 2.3"""
    rig = await create_rig(takes_secrets=True)
    rig.register(CLIENT_KEY)
    answer = await rig.ask(client_id=APP_ID, client_secret=SECRET)
    assert_refused(answer, 400, "invalid_request")


async def test_no_secret_is_logged(
    create_rig: CreateRig, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    rig = await create_rig(takes_secrets=True)
    rig.register(CLIENT_KEY)
    assertion = rig.assertion()
    token = (await rig.ask_with(assertion)).json()["access_token"]
    await rig.ask_with(assertion)
    form = {"grant_type": "client_credentials", "client_id": APP_ID, "client_secret": SECRET + "x"}
    await rig.http.post("/oauth/token", data=form)
    out, err = capfd.readouterr()
    written = out + err + caplog.text
    assert "oauth.client_refused" in written
    for secret in (assertion, token, SECRET):
        assert secret not in written
        assert secret.rpartition(".")[2] not in written


# Suspended, disabled, elsewhere


async def test_disabled_application_gets_no_token(rig: Rig) -> None:
    rig.administration.set_application_status(APP_ID, ApplicationStatus.DISABLED)
    await rig.applications.refresh()
    assert_refused(await rig.ask(), 400, "unauthorized_client")


async def test_suspended_enterprise_gets_no_token(rig: Rig) -> None:
    rig.set_enterprise_status(EnterpriseStatus.SUSPENDED)
    await rig.applications.refresh()
    assert_refused(await rig.ask(), 400, "unauthorized_client")


async def test_allow_list_holds_for_tokens_too(rig: Rig) -> None:
    rig.administration.set_allow_list(APP_ID, parse_networks(["203.0.113.0/24"]))
    await rig.applications.refresh()
    assert_refused(await rig.ask(), 401, "invalid_client")
    rig.administration.set_allow_list(APP_ID, parse_networks(["192.0.2.1"]))
    await rig.applications.refresh()
    assert (await rig.ask()).status_code == 200


# The form


NO_FORMS: list[tuple[bytes, dict[str, str], int]] = [
    (b"grant_type=client_credentials&grant_type=client_credentials", FORM, 400),
    (b"grant_type=%zz", FORM, 400),
    (b"grant_type=%ff", FORM, 400),
    (b"grant_type=\xff", FORM, 400),
    (b"grant_type", FORM, 400),
    (b"grant_type=a b", FORM, 400),
    (b"client_id=a%00b", FORM, 400),
    (b"&".join(b"p%d=1" % number for number in range(33)), FORM, 400),
    (b'{"grant_type": "client_credentials"}', {"Content-Type": "application/json"}, 400),
    (b"grant_type=client_credentials", {}, 400),
    (
        b"grant_type=client_credentials",
        {"Content-Type": "application/x-www-form-urlencoded; charset=latin-1"},
        400,
    ),
    (b"a=" + b"x" * FORM_BYTES_MAX, FORM, 413),
]


async def test_form_that_is_none_is_an_invalid_request(rig: Rig) -> None:
    for body, headers, status in NO_FORMS:
        answer = await rig.http.post("/oauth/token", content=body, headers=headers)
        assert answer.status_code == status, body[:40]
        assert_refused(answer, status, "invalid_request")


async def test_parameters_in_the_query_are_an_invalid_request(rig: Rig) -> None:
    answer = await rig.ask("/oauth/token?grant_type=client_credentials")
    assert_refused(answer, 400, "invalid_request")


async def test_request_without_any_client_is_challenged(rig: Rig) -> None:
    form = {"grant_type": "client_credentials"}
    assert_refused(await rig.http.post("/oauth/token", data=form), 401, "invalid_client")
