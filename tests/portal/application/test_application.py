"""Setting up an application: its keys, its server, settings of its calls, its pools."""

import re
from dataclasses import replace

import pytest
from playwright.async_api import expect
from tests.portal.browser import Browsing
from tests.portal.client import Client
from tests.portal.seed.own import Own, create_own
from tests.portal.world import World

from clicktodial.accounts.number_pool import NumberPools
from clicktodial.domain.application import ApplicationStatus, Capability
from clicktodial.domain.cause import Side
from clicktodial.domain.plan import PresenceProof
from clicktodial.domain.principal import Role
from clicktodial.storage.administration import ApplicationDetail

APP_ID = "33333331"


@pytest.fixture(scope="module")
def own(world: World) -> Own:
    return create_own(world, "setup", APP_ID)


@pytest.fixture
def client(origin: str, own: Own) -> Client:
    return Client(origin, own.token)


def read(world: World) -> ApplicationDetail:
    return world.administration.show_application(APP_ID)


@pytest.mark.asyncio(loop_scope="session")
async def test_application_is_made_and_its_server_is_tried(
    browsing: Browsing, world: World, own: Own
) -> None:
    async with browsing.tab(token=own.token) as tab:
        page = await tab.open("/applications/new")
        await page.get_by_label("Name").fill("Courier")
        await page.get_by_label("Application server").fill("http://127.0.0.1:9")
        await page.get_by_role("button", name="Create").click()
        await expect(page.get_by_role("heading", name="Courier is ready")).to_be_visible()
        secret = await page.get_by_label("Key (Secretkey)").input_value()
        assert len(secret) > 30
        await tab.check()
        await page.get_by_role("link", name="Set and test its server").click()
        # A page that was left shows the secret nowhere.
        assert secret not in await page.content()
        await page.get_by_role("button", name="Send a test").click()
        # A customer cannot have the platform speak to the operator's own network.
        await expect(page.locator("#trial")).to_contain_text("public Internet")
        await tab.check()


def test_key_is_rotated_and_the_old_one_revoked(client: Client, world: World) -> None:
    path = f"/applications/{APP_ID}/keys"
    answer = client.post(path, {"grace": "3600"})
    shown = re.search(r'id="created-secret" value="([^"]+)"', answer.text)
    assert answer.status == 200 and shown is not None
    assert read(world).old_secret_until is not None
    later = client.get(path)
    assert shown[1] not in later.text and "Revoke the old key now" in later.text
    assert client.post(f"{path}/revoke").status == 303
    assert read(world).old_secret_until is None
    assert client.post(path, {"grace": "-1"}).status == 422


def test_application_is_renamed_disabled_and_enabled(client: Client, world: World) -> None:
    path = f"/applications/{APP_ID}"
    fields = [("part", "general"), ("name", "Renamed"), ("capabilities", "recording")]
    assert client.post(f"{path}/settings", fields).status == 303
    assert read(world).name == "Renamed"
    assert read(world).capabilities == {Capability.RECORDING}
    assert client.post(f"{path}/settings", {"part": "general", "name": ""}).status == 422
    assert client.post(f"{path}/disable").status == 303
    assert read(world).status is ApplicationStatus.DISABLED
    assert client.post(f"{path}/enable").status == 303
    assert read(world).status is ApplicationStatus.ACTIVE


def test_networks_and_limits_are_kept_and_wrong_ones_refused(client: Client, world: World) -> None:
    path = f"/applications/{APP_ID}"
    written = {"networks": "203.0.113.0/24, 2001:db8::1\n198.51.100.7"}
    assert client.post(f"{path}/allow-list", written).status == 303
    assert len(read(world).allow_list) == 3
    wrong = client.post(f"{path}/allow-list", {"networks": "203.0.113.1/24"})
    assert wrong.status == 422 and "no bits set behind the prefix" in wrong.text
    assert client.post(f"{path}/allow-list", {"networks": ""}).status == 303
    assert client.post(f"{path}/limits", {"live_calls_max": "7"}).status == 303
    assert read(world).limits.live_calls_max == 7
    assert client.post(f"{path}/limits", {"live_calls_max": "0"}).status == 422


def test_customer_allows_no_private_address(client: Client, world: World) -> None:
    path = f"/applications/{APP_ID}/settings"
    fields = {"part": "server", "server": "https://app.example", "private": "yes"}
    assert client.post(path, fields).status == 303
    assert read(world).notify_url == "https://app.example"
    assert not read(world).allow_private_addresses


def test_each_group_of_settings_is_kept_for_itself(client: Client, world: World) -> None:
    path = f"/applications/{APP_ID}/options"
    number = read(world).sponsors[0]
    for fields in (
        {"group": "shown", "shown_to_callee": number, "hides": "yes"},
        {"group": "ringing", "caller_ring_timeout_s": "20", "ringback": "network"},
        {"group": "presence", "presence": "key", "presence_timeout_s": "30"},
        {"group": "talking", "announcement_to": "callee"},
        {"group": "length", "max_duration_s": "600", "warning_before_end_s": "30",
         "warning_to": "caller"},
    ):  # fmt: skip
        assert client.post(path, fields).status == 303, fields
    options = read(world).options
    assert options == replace(
        options,
        shown_to_callee=number,
        shown_to_caller=None,
        hides_number=True,
        caller_ring_timeout_s=20,
        presence=PresenceProof.KEY,
        presence_timeout_s=30,
        announcement_to=frozenset({Side.CALLEE}),
        max_duration_s=600,
        warning_before_end_s=30,
    )
    for wrong in (
        {"group": "shown", "shown_to_caller": "+8613912345678"},
        {"group": "ringing", "ringback": "tone", "ringback_audio": "nothing-there"},
        {"group": "presence", "presence": "key", "presence_timeout_s": "121"},
        {"group": "talking"},
    ):
        assert client.post(path, wrong).status == 422, wrong
    assert read(world).options == options


def test_tones_can_be_heard_and_files_of_others_cannot(client: Client) -> None:
    tone = client.get("/audio/sample?name=ringback")
    assert tone.body[:4] == b"RIFF" and tone.headers["content-type"] == "audio/wav"
    for name in ("../clicktodial", "nothing-there", ""):
        assert client.get(f"/audio/sample?name={name}").status == 404


@pytest.mark.asyncio(loop_scope="session")
async def test_order_of_cities_is_changed_by_keyboard(
    browsing: Browsing, world: World, own: Own
) -> None:
    pools = NumberPools(world.transactions, region="CN")
    pools.put(own.owner, APP_ID, "p", numbers=(), fallback=["Beijing", "Shenzhen", "Xi'an"])
    async with browsing.tab(token=own.token) as tab:
        page = await tab.open(f"/applications/{APP_ID}/pools/p")
        await page.get_by_role("button", name="Move Xi'an up").focus()
        await page.keyboard.press("Enter")
        await expect(page.locator(".ranked li").nth(1)).to_contain_text("Xi'an")
        await page.get_by_role("button", name="Remove Beijing").click()
        await expect(page.locator(".ranked li")).to_have_count(2)
        await tab.check()
    assert pools.show(own.owner, APP_ID, "p").fallback == ("Xi'an", "Shenzhen")


def test_pool_is_of_the_applications_numbers(client: Client, world: World, own: Own) -> None:
    path, number = f"/applications/{APP_ID}/pools", read(world).sponsors[0]
    assert client.post(path, {"name": "q", "step": "create"}).status == 303
    chosen = {"name": "q", "step": "numbers", "numbers": number}
    assert client.post(path, chosen).status == 303
    wrong = {"name": "q", "step": "numbers", "numbers": "+8613912345678"}
    assert client.post(path, wrong).status == 422
    pools = NumberPools(world.transactions, region="CN")
    assert [each.e164 for each in pools.show(own.owner, APP_ID, "q").numbers] == [number]
    assert client.post(f"{path}/q/remove").status == 303
    assert client.get(f"{path}/q").status == 404


def test_operators_audio_is_added_heard_chosen_and_removed(origin: str, world: World) -> None:
    client = Client(origin, world.tokens[Role.OPERATOR])
    wav = client.get("/audio/sample?name=hold").body
    assert client.upload("/audio", {"name": "setup-hold"}, "file", "a.wav", wav).status == 303
    assert "setup-hold" in client.get("/audio").text
    heard = client.get("/audio/sample?name=setup-hold").body
    assert heard[:4] == b"RIFF" and len(heard) > 16_000
    path = f"/applications/{APP_ID}/options"
    chosen = {"group": "talking", "announcement_to": "callee", "hold_audio": "setup-hold"}
    assert client.post(path, chosen).status == 303
    assert read(world).options.hold_audio == "setup-hold"
    assert client.post("/audio/setup-hold/remove").status == 303
    assert client.post("/audio/setup-hold/remove").status == 404
    for name, content in (("Upper", wav), ("ringback", wav), ("noise", b"no audio")):
        wrong = client.upload("/audio", {"name": name}, "file", "a.wav", content)
        assert wrong.status == 422, name
