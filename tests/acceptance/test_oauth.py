"""OAuth at the running server, by an independent client library."""

import asyncio
import json
import time

import aiohttp
import pytest
from authlib.integrations.requests_client import OAuth2Session
from authlib.oauth2.rfc7523 import PrivateKeyJWT
from authlib.oauth2.rfc8414 import AuthorizationServerMetadata
from joserfc.jwk import RSAKey
from tests.harness.address import format_address
from tests.harness.client import APP_ID, CALLEE, CALLER
from tests.harness.sink import EVENT_TIMEOUT_S
from tests.harness.stage import Stage

pytestmark = pytest.mark.asyncio(loop_scope="session")

# What clients know the server by: accounts.base_url.
ISSUER = "http://localhost:8080"
SCOPE = "click-to-dial:calls:create click-to-dial:calls:delete click-to-dial:calls:read"
CALLS = "/click-to-dial/v0.2rc1/calls"


class Client:
    """An application that knows nothing of the platform but its address and its own key."""

    def __init__(self, base: str, metadata: AuthorizationServerMetadata, key: RSAKey) -> None:
        self.base = base
        self._is_replayed = False
        self._metadata = metadata
        self._session = OAuth2Session(
            APP_ID,
            key,
            token_endpoint_auth_method="private_key_jwt",
            revocation_endpoint_auth_method="private_key_jwt",
        )
        self._session.trust_env = False
        proof = PrivateKeyJWT(metadata["token_endpoint"], headers={"kid": "authlib"})
        self._session.register_client_auth_method(proof)

    def reach(self, name: str) -> str:
        """Where an endpoint is, past the proxy that is not there."""
        return str(self._metadata[name]).replace(ISSUER, self.base)

    def fetch_token(self) -> str:
        token = self._session.fetch_token(self.reach("token_endpoint"), scope=SCOPE)
        assert (token["token_type"], token["scope"]) == ("Bearer", SCOPE)
        return str(token["access_token"])

    def is_active(self, token: str) -> bool:
        answer = self._session.introspect_token(self.reach("introspection_endpoint"), token)
        return bool(answer.json()["active"])

    def revoke(self, token: str) -> int:
        answer = self._session.revoke_token(self.reach("revocation_endpoint"), token)
        return int(answer.status_code)

    def ask(
        self, method: str, path: str, body: object = None, headers: dict[str, str] | None = None
    ) -> tuple[int, object]:
        """A request with the token that was fetched last."""
        answer = self._session.request(method, self.base + path, json=body, headers=headers)
        self._is_replayed = answer.headers.get("Idempotent-Replayed") == "true"
        return answer.status_code, answer.json() if answer.content else None

    def was_replayed(self) -> bool:
        """Whether the last answer said so."""
        return self._is_replayed


async def open_client(stage: Stage) -> Client:
    """A client whose key is registered by the command line."""
    key = RSAKey.generate_key(2048, {"kid": "authlib"})
    jwks = stage.directory / "jwks.json"
    jwks.write_text(json.dumps({"keys": [key.as_dict(private=False)]}))
    answer = await stage.platform.command("app", "set-keys", APP_ID, "--jwks", str(jwks))
    assert answer["keys"] == ["authlib"]
    base = f"http://{format_address(stage.platform.http)}"
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{base}/.well-known/oauth-authorization-server") as response,
    ):
        return Client(base, AuthorizationServerMetadata(await response.json()), key)


async def test_authlib_gets_a_token_and_makes_a_call(stage: Stage) -> None:
    await stage.phone(CALLER)
    await stage.phone(CALLEE)
    client = await open_client(stage)
    do = asyncio.to_thread
    token = await do(client.fetch_token)
    assert await do(client.is_active, token)

    body = {"caller": {"number": f"+{CALLER}"}, "callee": {"number": f"+{CALLEE}"}}
    once = {"Idempotency-Key": "a-call"}
    status, call = await do(client.ask, "POST", CALLS, body, once)
    assert status == 201, call
    assert isinstance(call, dict)
    assert not client.was_replayed()
    # However far the call is by now.
    assert await do(client.ask, "POST", CALLS, body, once) == (201, call)
    assert client.was_replayed()
    other = body | {"recordingEnabled": True}
    assert (await do(client.ask, "POST", CALLS, other, once))[0] == 422
    assert (await do(client.ask, "POST", CALLS, body))[0] == 409
    path = f"{CALLS}/{call['callId']}"
    assert (await do(client.ask, "GET", path))[0] == 200

    # A disabled application is refused with a token that is good: within a second, by the poll.
    await stage.platform.command("app", "disable", APP_ID)
    disabled_at = time.monotonic()
    try:
        while (await do(client.ask, "GET", path))[0] != 403:
            assert time.monotonic() - disabled_at < EVENT_TIMEOUT_S
    finally:
        await stage.platform.command("app", "enable", APP_ID)
    while (await do(client.ask, "DELETE", path))[0] != 204:
        assert time.monotonic() - disabled_at < 2 * EVENT_TIMEOUT_S

    assert await do(client.revoke, token) == 200
    assert (await do(client.ask, "GET", path))[0] == 401
    assert not await do(client.is_active, token)
    assert token not in stage.platform.log

    before = await stage.platform.command("oauth", "keys")
    after = await stage.platform.command("oauth", "rotate-key")
    assert [key["verifies_until"] is None for key in after] == [True] + [False] * len(before)
    assert len(await stage.platform.command("oauth", "rotate-key", "--revoke-old")) == 1
