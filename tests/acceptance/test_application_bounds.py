"""Keys and allow-lists of an application at a running node, over real connections."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio
from tests.harness.address import format_address
from tests.harness.platform import Platform
from tests.harness.sink import EVENT_TIMEOUT_S, basic_credential

from clicktodial.config import load_settings
from clicktodial.storage.administration import Administration, NewApplication
from clicktodial.storage.application_codec import parse_networks

pytestmark = pytest.mark.asyncio(loop_scope="session")

APP_ID, FIRST_KEY = "12345678", "the-first-key"
# What whoever is let in hears of a call that is not there.
LET_IN = (400, "1001002")
REFUSED = (401, "0001002")
# The address that is the operator's proxy, and one that is nobody's.
PROXY, STRANGER = "127.0.0.2", "127.0.0.3"
POLL_S = 0.05


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def platform(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Platform]:
    directory: Path = tmp_path_factory.mktemp("platform")
    made = Platform(directory, {"http": {"trusted_proxies": [PROXY]}})
    with administrate(made) as administration:
        administration.create_application(NewApplication(app_id=APP_ID, secret=FIRST_KEY))
    try:
        await made.restart()
        yield made
    finally:
        made.close()


@contextmanager
def administrate(platform: Platform) -> Iterator[Administration]:
    """As the command line does, from a process that is not the node's."""
    administration = Administration.open(load_settings(platform.config_path, {}))
    try:
        yield administration
    finally:
        administration.close()


async def ask(
    platform: Platform, key: str, *, peer: str = STRANGER, forwarded: str | None = None
) -> tuple[int, str]:
    """Release a call that is not there, from that address of this machine."""
    headers = {"Authorization": basic_credential(APP_ID, key)}
    if forwarded is not None:
        headers["X-Forwarded-For"] = forwarded
    url = f"http://{format_address(platform.http)}/clicktodial/v1/clicktodialrelease/none"
    connector = aiohttp.TCPConnector(local_addr=(peer, 0))
    body = {"APPID": APP_ID, "operation": "EndCall"}
    async with (
        aiohttp.ClientSession(connector=connector) as http,
        http.post(url, json=body, headers=headers) as answer,
    ):
        return answer.status, (await answer.json())["code"]


async def until(platform: Platform, expected: tuple[int, str], key: str) -> None:
    """A change is in force within a second, on a machine that has time for it."""
    async with asyncio.timeout(EVENT_TIMEOUT_S):
        # Another process does it.
        while await ask(platform, key) != expected:  # noqa: ASYNC110
            await asyncio.sleep(POLL_S)


async def test_both_keys_work_until_the_old_one_is_revoked(platform: Platform) -> None:
    assert await ask(platform, FIRST_KEY) == LET_IN
    with administrate(platform) as administration:
        new_key = administration.rotate_secret(APP_ID, grace_s=3_600).secret
    assert new_key is not None
    await until(platform, LET_IN, new_key)
    assert await ask(platform, FIRST_KEY) == LET_IN
    assert await ask(platform, "another") == REFUSED
    with administrate(platform) as administration:
        administration.revoke_old_secret(APP_ID)
    await until(platform, REFUSED, FIRST_KEY)
    assert await ask(platform, new_key) == LET_IN
    # The test that follows begins where this one did.
    with administrate(platform) as administration:
        administration.rotate_secret(APP_ID, secret=FIRST_KEY)
    await until(platform, LET_IN, FIRST_KEY)


async def test_allow_list_looks_at_the_address_and_not_at_what_is_written(
    platform: Platform,
) -> None:
    with administrate(platform) as administration:
        administration.set_allow_list(APP_ID, parse_networks(["203.0.113.0/24"]))
    await until(platform, REFUSED, FIRST_KEY)
    inside, outside = "203.0.113.9", "198.51.100.1"
    for peer, forwarded, expected in (
        (STRANGER, inside, REFUSED),
        (STRANGER, f"{inside}, {PROXY}", REFUSED),
        (PROXY, inside, LET_IN),
        (PROXY, f"{outside}, {inside}", LET_IN),
        (PROXY, f"{inside}, {outside}", REFUSED),
        (PROXY, None, REFUSED),
        (PROXY, "unknown", REFUSED),
    ):
        answer = await ask(platform, FIRST_KEY, peer=peer, forwarded=forwarded)
        assert answer == expected, (peer, forwarded)
    with administrate(platform) as administration:
        administration.set_allow_list(APP_ID, parse_networks([STRANGER]))
    await until(platform, LET_IN, FIRST_KEY)
    assert await ask(platform, FIRST_KEY, peer=PROXY) == REFUSED
