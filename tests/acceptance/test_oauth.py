"""OAuth at the running server, by an independent client library."""

import asyncio
import json
from collections.abc import AsyncIterator

import aiohttp
import pytest
import pytest_asyncio
from authlib.integrations.requests_client import OAuth2Session
from authlib.oauth2.rfc7523 import PrivateKeyJWT
from authlib.oauth2.rfc8414 import AuthorizationServerMetadata
from joserfc.jwk import RSAKey
from tests.harness.address import format_address
from tests.harness.platform import Platform

pytestmark = pytest.mark.asyncio(loop_scope="session")

APP_ID, SECRET = "12345678", "the-key"
# What clients know the server by, as behind a proxy.
ISSUER = "https://oauth.example"
SCOPE = "click-to-dial:calls:create"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def platform(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Platform]:
    made = Platform(
        tmp_path_factory.mktemp("platform"),
        {"oauth": {"issuer": ISSUER, "client_secrets": True}, "log": {"level": "debug"}},
    )
    await made.command("app", "create", "--app-id", APP_ID, "--secret", SECRET)
    try:
        await made.restart()
        yield made
    finally:
        made.close()


async def test_authlib_gets_tokens_and_has_them_revoked(platform: Platform) -> None:
    key = RSAKey.generate_key(2048, {"kid": "authlib"})
    jwks = platform.directory / "jwks.json"
    jwks.write_text(json.dumps({"keys": [key.as_dict(private=False)]}))
    answer = await platform.command("app", "set-keys", APP_ID, "--jwks", str(jwks))
    assert answer["keys"] == ["authlib"]

    base = f"http://{format_address(platform.http)}"
    async with aiohttp.ClientSession() as session:
        url = f"{base}/.well-known/oauth-authorization-server"
        async with session.get(url) as response:
            metadata = AuthorizationServerMetadata(await response.json())

    def reached(name: str) -> str:
        return str(metadata[name]).replace(ISSUER, base)

    def use() -> str:
        """As an application does, on a thread of its own."""
        proof = PrivateKeyJWT(metadata["token_endpoint"], headers={"kid": "authlib"})
        with OAuth2Session(
            APP_ID,
            key,
            token_endpoint_auth_method="private_key_jwt",
            revocation_endpoint_auth_method="private_key_jwt",
        ) as client:
            client.trust_env = False
            client.register_client_auth_method(proof)
            token = client.fetch_token(reached("token_endpoint"), scope=SCOPE)
            assert (token["token_type"], token["scope"]) == ("Bearer", SCOPE)
            text: str = token["access_token"]
            told = client.introspect_token(reached("introspection_endpoint"), text)
            assert told.json()["active"] is True
            assert client.revoke_token(reached("revocation_endpoint"), text).status_code == 200
            told = client.introspect_token(reached("introspection_endpoint"), text)
            assert told.json() == {"active": False}
            return text

    assert await asyncio.to_thread(use) not in platform.log


async def test_authlib_gets_a_token_by_secret_where_that_is_allowed(platform: Platform) -> None:
    endpoint = f"http://{format_address(platform.http)}/oauth/token"

    def use(method: str) -> int:
        with OAuth2Session(APP_ID, SECRET, token_endpoint_auth_method=method) as client:
            client.trust_env = False
            return int(client.fetch_token(endpoint)["expires_in"])

    for method in ("client_secret_basic", "client_secret_post"):
        assert await asyncio.to_thread(use, method) == 3_600
    assert SECRET not in platform.log


async def test_key_is_rotated_by_command(platform: Platform) -> None:
    before = await platform.command("oauth", "keys")
    after = await platform.command("oauth", "rotate-key")
    assert [key["verifies_until"] is None for key in after] == [True] + [False] * len(before)
    assert len(await platform.command("oauth", "rotate-key", "--revoke-old")) == 1
