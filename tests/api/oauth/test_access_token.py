"""Access tokens: verified, introspected (RFC 7662), revoked (RFC 7009), their keys replaced."""

import asyncio
import base64
import time

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey
from tests.api.oauth.conftest import LIFETIME_S, CreateRig
from tests.api.oauth.support import (
    APP_ID,
    CLIENT_KEY,
    ISSUER,
    OTHER_APP_ID,
    RSA_KEY,
    Rig,
    jwks,
)
from tests.api.oauth.test_token import assert_refused

from clicktodial.accounts.public_key import parse_jwks
from clicktodial.accounts.token_key import TokenKeys
from clicktodial.api.bearer import TokenInvalid
from clicktodial.api.oauth.access_token import EXTERNAL_CHECKED_FOR_S
from clicktodial.api.oauth.endpoint import describe_key
from clicktodial.api.oauth.external_provider import ExternalProvider
from clicktodial.api.oauth.jwks_fetcher import JwksFetcher
from clicktodial.api.oauth.token_directory import TokenDirectory
from clicktodial.domain.access import ALL_SCOPES, AccessScope
from clicktodial.storage.database import Database
from clicktodial.storage.secret import SecretVault
from clicktodial.storage.transaction import Transactions

PROVIDER = "https://provider.example"


async def is_good(rig: Rig, token: str) -> bool:
    """Whether the token is taken."""
    try:
        await rig.verifier.verify(token)
    except TokenInvalid:
        return False
    return True


async def test_token_allows_its_application_its_scopes_until_its_end(rig: Rig) -> None:
    token = await rig.token(scope=AccessScope.CALLS_CREATE)
    for _ in range(2):  # the second time from memory
        grant = await rig.verifier.verify(token)
        assert str(grant.app_id) == APP_ID
        assert grant.scopes == {AccessScope.CALLS_CREATE}
        assert grant.expires_at.timestamp() == rig.clock.now + LIFETIME_S
    rig.clock.move(LIFETIME_S - 1)
    assert await is_good(rig, token)
    rig.clock.move(1)
    assert not await is_good(rig, token)


async def test_scope_that_the_application_lost_is_not_allowed_any_more(rig: Rig) -> None:
    token = await rig.token()
    assert (await rig.verifier.verify(token)).scopes == ALL_SCOPES
    rig.administration.set_scopes(APP_ID, frozenset({AccessScope.CALLS_READ}))
    await rig.applications.refresh()
    assert (await rig.verifier.verify(token)).scopes == {AccessScope.CALLS_READ}


async def test_token_that_was_changed_is_refused(rig: Rig) -> None:
    head, claims, signature = (await rig.token()).split(".")
    other = base64.urlsafe_b64encode(
        base64.urlsafe_b64decode(claims + "==").replace(APP_ID.encode(), OTHER_APP_ID.encode())
    )
    for token in (
        f"{head}.{other.rstrip(b'=').decode()}.{signature}",
        f"{head}.{claims}.{signature[:-8]}AAAAAAAA",
        f"{head}.{claims}.",
        f"{head}.{claims}",
        "x" * 9_000,
        "é",
    ):
        assert not await is_good(rig, token)


async def test_what_our_key_signed_and_is_no_access_token_is_refused(rig: Rig) -> None:
    """RFC 9068 4"""
    await rig.token()
    key = rig.directory.signing_key
    assert key is not None
    now = int(rig.clock.now)
    claims = {"iss": ISSUER, "aud": ISSUER, "exp": now + 60, "client_id": APP_ID, "jti": "1"}
    header = {"alg": "ES256", "typ": "at+jwt", "kid": key.kid}

    def sign(header_changes: dict[str, str], claim_changes: dict[str, object]) -> str:
        made = {name: each for name, each in (claims | claim_changes).items() if each is not None}
        return jwt.encode(header | header_changes, made, key.key, algorithms=["ES256"])

    assert await is_good(rig, sign({}, {}))
    wrong: list[dict[str, object]] = [
        {"aud": "https://elsewhere.example"},
        {"aud": None},
        {"exp": None},
        {"exp": now - 30},
        {"iat": now + 31},
        {"client_id": None},
        {"client_id": "nobody"},
        {"jti": None},
        {"iss": PROVIDER},
    ]
    for changes in wrong:
        assert not await is_good(rig, sign({}, changes)), changes
    assert not await is_good(rig, sign({"typ": "JWT"}, {}))
    assert not await is_good(rig, sign({"kid": "another"}, {}))


# Revocation and introspection


@pytest.mark.on_every_database
async def test_revoked_token_is_refused_by_all_nodes(create_rig: CreateRig) -> None:
    first, second = await create_rig(), await create_rig()
    first.register(CLIENT_KEY)
    token, other = await first.token(), await first.token()
    assert await is_good(second, token)
    answer = await first.ask("/oauth/revoke", token=token, token_type_hint="access_token")
    assert answer.status_code == 200
    assert not await is_good(first, token)
    await second.directory.refresh()
    assert not await is_good(second, token)
    assert await is_good(first, other) and await is_good(second, other)
    # RFC 7009 2.2: once more is no error.
    assert (await second.ask("/oauth/revoke", token=token)).status_code == 200


async def test_revocation_reaches_another_node_by_itself(create_rig: CreateRig) -> None:
    first, second = await create_rig(), await create_rig()
    first.register(CLIENT_KEY)
    token = await first.token()
    assert await is_good(second, token)
    await first.ask("/oauth/revoke", token=token)
    async with asyncio.timeout(30):
        # Nothing tells when the poll has been.
        while await is_good(second, token):  # noqa: ASYNC110
            await asyncio.sleep(0.05)


async def test_client_revokes_and_sees_its_own_tokens_only(rig: Rig) -> None:
    token = await rig.token()
    rig.register(CLIENT_KEY, app_id=OTHER_APP_ID)
    for path in ("/oauth/revoke", "/oauth/introspect"):
        foreign = rig.assertion(app_id=OTHER_APP_ID)
        answer = await rig.ask(path, client_assertion=foreign, token=token)
        assert answer.status_code == 200
        assert answer.json() == ({} if path == "/oauth/revoke" else {"active": False})
    assert await is_good(rig, token)


async def test_introspection_tells_what_the_token_allows(rig: Rig) -> None:
    token = await rig.token(scope=AccessScope.CALLS_READ)
    told = (await rig.ask("/oauth/introspect", token=token)).json()
    assert told.pop("jti")
    now = int(rig.clock.now)
    assert told == {
        "active": True,
        "scope": AccessScope.CALLS_READ,
        "client_id": APP_ID,
        "sub": APP_ID,
        "token_type": "Bearer",
        "iss": ISSUER,
        "aud": ISSUER,
        "iat": now,
        "exp": now + LIFETIME_S,
    }
    for other in ("nonsense", token[:-4]):
        assert (await rig.ask("/oauth/introspect", token=other)).json() == {"active": False}
    rig.clock.move(LIFETIME_S)
    assert (await rig.ask("/oauth/introspect", token=token)).json() == {"active": False}


async def test_introspection_and_revocation_want_a_client_and_a_token(rig: Rig) -> None:
    for path in ("/oauth/introspect", "/oauth/revoke"):
        assert_refused(await rig.ask(path), 400, "invalid_request")
        assert_refused(await rig.http.post(path, data={"token": "x"}), 401, "invalid_client")


async def test_revocations_of_tokens_that_ended_are_removed(rig: Rig) -> None:
    token = await rig.token()
    await rig.ask("/oauth/revoke", token=token)
    assert rig.token_keys.remove_ended(rig.clock.utc()) == 0
    rig.clock.move(LIFETIME_S + 1)
    assert rig.token_keys.remove_ended(rig.clock.utc()) == 1


# Keys


async def test_old_key_verifies_until_its_tokens_end(create_rig: CreateRig) -> None:
    first, second = await create_rig(), await create_rig()
    first.register(CLIENT_KEY)
    old = await first.token()
    assert first.token_keys.rotate(first.clock.utc())
    new = await second.token()  # signs with what it knows: another node's key is as good
    await first.directory.refresh()
    newer = await first.token()
    for rig in (first, second):
        for token in (old, new, newer):
            assert await is_good(rig, token)
    published = (await first.http.get("/oauth/jwks")).json()["keys"]
    assert len(published) == 2
    assert all("d" not in key for key in published)
    first.clock.move(LIFETIME_S + 60)
    assert first.token_keys.remove_ended(first.clock.utc()) == 0
    assert len((await first.http.get("/oauth/jwks")).json()["keys"]) == 1
    assert len(first.token_keys.list_keys()) == 2  # the end itself is not over yet
    first.clock.move(1)
    first.token_keys.remove_ended(first.clock.utc())
    assert len(first.token_keys.list_keys()) == 1


@pytest.mark.on_every_database
async def test_key_is_replaced_once_by_all_nodes_when_it_is_old(create_rig: CreateRig) -> None:
    first, second = await create_rig(), await create_rig()
    now = first.clock.utc()
    await asyncio.gather(
        *(asyncio.to_thread(rig.token_keys.ensure, now) for rig in (first, second))
    )
    assert len(first.token_keys.list_keys()) == 1
    assert not first.token_keys.rotate(now, older_than_s=100)
    first.clock.move(100)
    now = first.clock.utc()
    done = await asyncio.gather(
        *(
            asyncio.to_thread(rig.token_keys.rotate, now, older_than_s=100)
            for rig in (first, second)
        )
    )
    assert sorted(done) == [False, True]
    assert [key.is_signing for key in first.token_keys.list_keys()] == [True, False]


@pytest.mark.on_every_database
async def test_leaked_keys_are_revoked_with_all_their_tokens(rig: Rig) -> None:
    token = await rig.token()
    assert await is_good(rig, token)
    rig.token_keys.rotate(rig.clock.utc(), revokes_old=True)
    await rig.directory.refresh()
    assert not await is_good(rig, token)
    assert await is_good(rig, await rig.token())


async def test_private_keys_are_sealed_in_the_database(rig: Rig) -> None:
    await rig.token()
    key = rig.directory.signing_key
    assert key is not None
    private = key.key.as_dict(private=True)["d"]
    assert isinstance(private, str)
    written = rig.read_database()
    assert key.kid.encode() in written
    assert private.encode() not in written
    assert "d" not in describe_key(key)
    assert private not in repr(key)


async def test_node_with_another_master_key_runs_and_signs_with_a_new_key(rig: Rig) -> None:
    token = await rig.token()
    database = Database(rig.database_url)
    database.open()
    vault = SecretVault(b"2" * 32)
    directory = TokenDirectory(database, vault)
    await directory.start()
    assert (directory.keys, directory.signing_key) == ([], None)
    TokenKeys(
        Transactions(database.engine), vault, algorithm="ES256", token_lifetime_s=LIFETIME_S
    ).rotate(rig.clock.utc())
    await directory.refresh()
    assert len(directory.keys) == 1
    await directory.close()
    await database.close()
    assert await is_good(rig, token)


# Another provider


def create_provider(fetcher: JwksFetcher, *, app_claim: str = "azp") -> ExternalProvider:
    return ExternalProvider(
        issuer=PROVIDER,
        audience="click-to-dial",
        app_claim=app_claim,
        scopes=frozenset({AccessScope.CALLS_READ, AccessScope.CALLS_CREATE}),
        fetcher=fetcher,
        keys=parse_jwks(jwks(RSA_KEY)),
    )


async def test_token_of_another_provider_is_taken_as_configured(
    create_rig: CreateRig, fetcher: JwksFetcher
) -> None:
    rig = await create_rig(external=create_provider(fetcher))
    now = int(rig.clock.now)
    claims = {
        "iss": PROVIDER,
        "aud": ["account", "click-to-dial"],
        "exp": now + 7_200,
        "azp": APP_ID,
        "scope": "email click-to-dial:calls:create click-to-dial:recordings:read",
    }

    def sign(**changes: object) -> str:
        made = {name: each for name, each in (claims | changes).items() if each is not None}
        header = {"alg": "RS256", "kid": "rsa-1"}
        return jwt.encode(header, made, RSA_KEY, algorithms=["RS256"])

    token = sign()
    grant = await rig.verifier.verify(token)
    assert str(grant.app_id) == APP_ID
    assert grant.scopes == {AccessScope.CALLS_CREATE}
    listed = await rig.verifier.verify(sign(scope=None, scp=["click-to-dial:calls:read", 7]))
    assert listed.scopes == {AccessScope.CALLS_READ}
    for changes in (
        {"aud": "account"},
        {"aud": None},
        {"azp": None},
        {"azp": "nobody"},
        {"exp": now - 31},
        {"exp": None},
        {"nbf": now + 31},
        {"iss": "https://another.example"},
        {"iss": ISSUER},
    ):
        assert not await is_good(rig, sign(**changes)), changes
    # Nobody revokes them here, nor introspects them.
    rig.register(CLIENT_KEY)
    assert (await rig.ask("/oauth/introspect", token=token)).json() == {"active": False}
    rig.clock.move(EXTERNAL_CHECKED_FOR_S)
    assert await is_good(rig, token)


async def test_token_of_a_provider_that_is_not_configured_is_refused(rig: Rig) -> None:
    claims = {"iss": PROVIDER, "aud": ISSUER, "exp": int(rig.clock.now) + 60, "client_id": APP_ID}
    key = ECKey.generate_key("P-256", {"kid": "x"})
    token = jwt.encode({"alg": "ES256", "kid": "x"}, claims, key, algorithms=["ES256"])
    assert not await is_good(rig, token)


# What is told of it


@pytest.mark.parametrize("name", ["oauth-authorization-server", "openid-configuration"])
async def test_metadata_tells_where_everything_is(rig: Rig, name: str) -> None:
    """RFC 8414 2"""
    told = (await rig.http.get(f"/.well-known/{name}")).json()
    assert told["issuer"] == ISSUER
    assert told["grant_types_supported"] == ["client_credentials"]
    assert told["token_endpoint_auth_methods_supported"] == ["private_key_jwt"]
    assert set(told["scopes_supported"]) == ALL_SCOPES
    for endpoint in ("token_endpoint", "introspection_endpoint", "revocation_endpoint"):
        path = told[endpoint].removeprefix(ISSUER)
        assert (await rig.http.post(path)).status_code == 400
    path = told["jwks_uri"].removeprefix(ISSUER)
    assert (await rig.http.get(path)).json() == {"keys": []}


async def test_known_token_is_verified_in_microseconds(rig: Rig) -> None:
    """It costs some 4 us: far below a signature, of which it must cost none."""
    token = await rig.token()
    await rig.verifier.verify(token)
    began = time.process_time()
    for _ in range(2_000):
        await rig.verifier.verify(token)
    assert (time.process_time() - began) / 2_000 < 50e-6
