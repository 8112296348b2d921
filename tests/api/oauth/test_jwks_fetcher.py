"""JWK sets from where others keep them, and what may be in one."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web
from joserfc.jwk import ECKey, OctKey, OKPKey
from tests.api.oauth.support import APP_ID, CLIENT_KEY, RSA_KEY, STRANGER_KEY, Rig, jwks
from tests.api.oauth.test_token import assert_refused
from tests.harness.address import allocate_host

from clicktodial.accounts.oauth_client import ClientKeys, check_jwks_uri
from clicktodial.accounts.public_key import JWKS_BYTES_MAX, KEYS_MAX, parse_jwks
from clicktodial.api.oauth.jwks_fetcher import (
    FRESH_S,
    REFETCH_AFTER_S,
    JwksFetcher,
    JwksUnavailable,
)
from clicktodial.storage.error import ValueInvalid


class Keeper:
    """A server that keeps a JWK set, and counts who looks at it."""

    def __init__(self) -> None:
        self.answer = web.Response(text=jwks(CLIENT_KEY))
        self.asked = 0
        self.uri = ""

    async def handle(self, request: web.Request) -> web.Response:
        self.asked += 1
        answer = self.answer
        return web.Response(status=answer.status, body=answer.body, headers=answer.headers)


@asynccontextmanager
async def open_keeper() -> AsyncIterator[Keeper]:
    keeper = Keeper()
    app = web.Application()
    app.router.add_get("/jwks.json", keeper.handle)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        site = web.TCPSite(runner, allocate_host(), 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        keeper.uri = f"http://{host}:{port}/jwks.json"
        yield keeper
    finally:
        await runner.cleanup()


async def test_keys_are_fetched_once_and_again_for_one_that_is_new() -> None:
    now = [0.0]
    fetcher = JwksFetcher(lambda: now[0])
    async with open_keeper() as keeper:

        async def find(kid: str) -> int:
            keys = await fetcher.find(keeper.uri, kid, allows_private_addresses=True)
            return len(keys.find(kid))

        assert (await find("client-1"), keeper.asked) == (1, 1)
        assert (await find("client-1"), keeper.asked) == (1, 1)
        # Whoever names what is not there has it looked for once in a while, and no more.
        assert (await find("client-2"), keeper.asked) == (0, 1)
        now[0] += REFETCH_AFTER_S
        keeper.answer = web.Response(text=jwks(ECKey.generate_key("P-256", {"kid": "client-2"})))
        assert (await find("client-2"), keeper.asked) == (1, 2)
        now[0] += FRESH_S
        assert (await find("client-2"), keeper.asked) == (1, 3)
    await fetcher.close()


@pytest.mark.parametrize(
    "answer",
    [
        web.Response(status=500, text=jwks(CLIENT_KEY)),
        web.Response(status=302, headers={"Location": "http://127.0.0.1/"}),
        web.Response(text="no JSON"),
        web.Response(text=json.dumps({"keys": [CLIENT_KEY.as_dict(private=True)]})),
        web.Response(text=" " * JWKS_BYTES_MAX + jwks(CLIENT_KEY)),
    ],
    ids=["error", "redirect", "text", "private", "long"],
)
async def test_what_is_no_set_of_keys_is_not_taken(answer: web.Response) -> None:
    fetcher = JwksFetcher(lambda: 0.0)
    async with open_keeper() as keeper:
        keeper.answer = answer
        for _ in range(2):  # and not asked for again at once
            with pytest.raises(JwksUnavailable):
                await fetcher.find(keeper.uri, None, allows_private_addresses=True)
        assert keeper.asked == 1
    await fetcher.close()


async def test_private_addresses_are_not_asked_unless_the_operator_says_so() -> None:
    fetcher = JwksFetcher()
    async with open_keeper() as keeper:
        with pytest.raises(JwksUnavailable):
            await fetcher.find(keeper.uri, "client-1", allows_private_addresses=False)
        assert keeper.asked == 0
    await fetcher.close()


async def test_client_proves_itself_by_keys_at_its_uri(rig: Rig) -> None:
    async with open_keeper() as keeper:
        rig.administration.set_notify_url(APP_ID, None, allow_private_addresses=True)
        await rig.applications.refresh()
        rig.clients.set_keys(APP_ID, ClientKeys(jwks_uri=keeper.uri))
        assert (await rig.ask()).status_code == 200
        stranger = rig.assertion(STRANGER_KEY)
        assert_refused(await rig.ask_with(stranger), 401, "invalid_client")
        rig.administration.set_notify_url(APP_ID, None, allow_private_addresses=False)
        await rig.applications.refresh()
        assert_refused(await rig.ask(), 401, "invalid_client")


# What may be registered


def a_key(**changes: Any) -> dict[str, Any]:
    return {**CLIENT_KEY.as_dict(private=False), **changes}


@pytest.mark.parametrize(
    "keys",
    [
        [],
        "none",
        ["none"],
        [a_key()] * 2,
        [a_key(kid=str(number)) for number in range(KEYS_MAX + 1)],
        [a_key(kid="")],
        [a_key(kid=7)],
        [a_key(kid="x" * 257)],
        [a_key(use="enc")],
        [a_key(alg="HS256")],
        [a_key(x="AAAA")],
        [a_key(kty="XX")],
        [{}],
        [CLIENT_KEY.as_dict(private=True)],
        [OctKey.generate_key(256).as_dict(private=True)],
        [{"kty": "RSA", "e": "AQAB", "n": "w" * 341}],
        [{"kty": "RSA", "e": "AQAB", "n": "w" * 1_367}],
        [{"kty": "RSA", "e": "AQAB", "n": 7}],
        [ECKey.generate_key("P-521").as_dict(private=False)],
        [OKPKey.generate_key("X25519").as_dict(private=False)],
    ],
)
def test_other_sets_of_keys_are_refused(keys: Any) -> None:
    with pytest.raises(ValueInvalid):
        parse_jwks(json.dumps({"keys": keys}))


@pytest.mark.parametrize("text", ["", "[]", "{}", "[" * 20_000, "\ud800", "x" * 32_769])
def test_text_that_is_no_set_is_refused(text: str) -> None:
    with pytest.raises(ValueInvalid):
        parse_jwks(text.encode("utf-8", "surrogatepass"))


def test_good_keys_are_kept_as_they_are() -> None:
    okp = OKPKey.generate_key("Ed25519", {"use": "sig", "alg": "Ed25519"})
    keys = parse_jwks(jwks(CLIENT_KEY, RSA_KEY, okp))
    assert parse_jwks(keys.encode()).encode() == keys.encode()
    assert [key.kid for key in keys.find("client-1")] == ["client-1"]
    # One without a name may be meant by any name, and every key by none.
    assert [key.kid for key in keys.find("another")] == [None]
    assert len(keys.find(None)) == 3


@pytest.mark.parametrize(
    "uri",
    [
        "http://app.example/jwks",
        "ftp://app.example/jwks",
        "https://",
        "https://user@app.example/jwks",
        "https://app.example/jwks#x",
        "https://app.example/a b",
        "https://app.example:0/",
        "https://app.example:99999/",
        "https://[/",
        "https://app.example/" + "x" * 2_048,
    ],
)
def test_uri_that_is_none_of_a_jwks_is_refused(uri: str) -> None:
    with pytest.raises(ValueInvalid):
        check_jwks_uri(uri, allows_http=False)
