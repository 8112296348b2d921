"""Access tokens: fetched once, kept, renewed before their end, and anew where refused."""

import json
from typing import Any
from urllib.parse import parse_qs

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, OKPKey, RSAKey
from tests.client.support import Script, answer, create_connection

from clicktodial.client.authority import ClientSecret, TokenAuthority
from clicktodial.client.error import InvalidAnswer, NotAnswered, NotAuthenticated
from clicktodial.client.history import read_call_events
from clicktodial.client.private_key import PrivateKey

PAGE = answer(200, b'{"events":[],"next":"0"}')
ISSUER = "https://platform.example"


class Clock:
    now_s = 1_000.0

    def __call__(self) -> float:
        return self.now_s


def token(value: str, **more: Any) -> Any:
    fields = {"access_token": value, "token_type": "Bearer", "expires_in": 3_600} | more
    return answer(200, json.dumps(fields).encode())


def create_authority(clock: Clock, proof: Any = None) -> TokenAuthority:
    return TokenAuthority(
        proof or ClientSecret("app:1", "s e:c"),
        token_url=f"{ISSUER}/oauth/token",
        audience=ISSUER,
        scopes=("a", "b"),
        timeout_s=5.0,
        monotonic_s=clock,
    )


def ask(script: Script, authority: TokenAuthority) -> None:
    script.run(read_call_events(create_connection(authority), "c", 0))


def bearers(script: Script) -> list[str]:
    return [
        request.headers["Authorization"] for request in script.requests if "/events/" in request.url
    ]


def test_token_is_fetched_once_and_renewed_before_its_end() -> None:
    clock = Clock()
    authority = create_authority(clock)
    script = Script(token("t1"), PAGE, PAGE, token("t2"), PAGE)
    ask(script, authority)
    clock.now_s += 3_600 - 61
    ask(script, authority)
    clock.now_s += 1
    ask(script, authority)
    assert bearers(script) == ["Bearer t1", "Bearer t1", "Bearer t2"]
    asked = script.requests[0]
    form = parse_qs(asked.content.decode())
    assert form == {"grant_type": ["client_credentials"], "scope": ["a b"]}
    assert asked.headers["Authorization"] == "Basic YXBwJTNBMTpzJTIwZSUzQWM="  # RFC 6749 2.3.1


def test_short_lived_token_is_renewed_at_nine_tenths_of_its_life() -> None:
    clock = Clock()
    authority = create_authority(clock)
    script = Script(token("t1", expires_in=100), PAGE, PAGE, token("t2"), PAGE)
    ask(script, authority)
    clock.now_s += 89
    ask(script, authority)
    clock.now_s += 1
    ask(script, authority)
    assert bearers(script) == ["Bearer t1", "Bearer t1", "Bearer t2"]


def test_token_that_is_refused_is_fetched_anew_once() -> None:
    authority = create_authority(Clock())
    script = Script(token("t1"), answer(401), token("t2"), PAGE, answer(401), token("t3"))
    ask(script, authority)
    assert bearers(script) == ["Bearer t1", "Bearer t2"]
    with pytest.raises(NotAuthenticated):
        ask(Script(answer(401), token("t3"), answer(401)), authority)


def test_client_that_is_refused_is_told_so() -> None:
    refused = answer(401, b'{"error":"invalid_client","error_description":"no"}')
    with pytest.raises(NotAuthenticated) as caught:
        ask(Script(refused), create_authority(Clock()))
    assert caught.value.code == "invalid_client"


@pytest.mark.parametrize("failure", [NotAnswered(), answer(503), answer(429)])
def test_token_endpoint_that_fails_is_asked_again(failure: Any) -> None:
    script = Script(failure, token("t1"), PAGE)
    ask(script, create_authority(Clock()))
    assert bearers(script) == ["Bearer t1"]
    assert len(script.pauses) == 1


@pytest.mark.parametrize(
    "wrong",
    [
        answer(200, b"[]"),
        answer(200, b"\xff"),
        token("t", token_type="mac"),
        token(""),
        token("a\r\nX: y"),
    ],
)
def test_answer_that_is_no_bearer_token_is_invalid(wrong: Any) -> None:
    with pytest.raises(InvalidAnswer):
        ask(Script(wrong), create_authority(Clock()))


KEYS: dict[str, RSAKey | ECKey | OKPKey] = {
    "RS256": RSAKey.generate_key(2048, {"kid": "k1"}),
    "ES256": ECKey.generate_key("P-256", {"kid": "k1"}),
    "Ed25519": OKPKey.generate_key("Ed25519", {"kid": "k1"}),
}


@pytest.mark.parametrize("algorithm", KEYS)
@pytest.mark.parametrize("is_pem", [False, True])
def test_assertion_is_signed_for_one_use(algorithm: str, is_pem: bool) -> None:
    key = KEYS[algorithm]
    given: Any = key.as_pem(private=True) if is_pem else key.as_dict(private=True)
    proof = PrivateKey("12345678", given, kid="k1" if is_pem else None, unix_s=lambda: 1_000.0)
    script = Script(token("t1"), PAGE)
    ask(script, create_authority(Clock(), proof))
    form = parse_qs(script.requests[0].content.decode())
    assert form["client_assertion_type"] == [
        "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
    ]
    decoded = jwt.decode(form["client_assertion"][0], key, algorithms=[algorithm])
    assert (decoded.header["alg"], decoded.header["kid"]) == (algorithm, "k1")
    jti = decoded.claims.pop("jti")
    assert decoded.claims == {
        "iss": "12345678",
        "sub": "12345678",
        "aud": ISSUER,
        "iat": 1_000,
        "exp": 1_120,
    }
    _, other = proof.prove(ISSUER)
    assert jwt.decode(other["client_assertion"], key, algorithms=[algorithm]).claims["jti"] != jti


@pytest.mark.parametrize(
    "key",
    [
        "no key",
        b"",
        {},
        {"kty": "oct", "k": "AAAA"},
        KEYS["ES256"].as_dict(private=False),
        KEYS["RS256"].as_pem(private=False),
        ECKey.generate_key("P-384").as_dict(private=True),
    ],
)
def test_key_that_is_no_private_key_of_those_kinds_is_refused(key: Any) -> None:
    with pytest.raises(ValueError, match="key"):
        PrivateKey("12345678", key)
