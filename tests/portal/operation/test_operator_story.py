"""What the operator does in the console: adds a trunk, watches the wall, helps somebody log in."""

from datetime import UTC, datetime, timedelta

import pytest
from playwright.async_api import expect
from sqlalchemy import ColumnElement, insert, select
from tests.portal.browser import NARROW, Browsing
from tests.portal.client import Client
from tests.portal.seed.call import add_call
from tests.portal.world import ACME, World

from clicktodial.accounts.error import TooManyAttempts
from clicktodial.domain.cause import EndReason
from clicktodial.domain.principal import Role
from clicktodial.domain.throttle import LOGIN_TO_ACCOUNT
from clicktodial.storage import table
from clicktodial.storage.instant import to_millis
from clicktodial.storage.people_table import enrolment


@pytest.mark.asyncio(loop_scope="session")
async def test_operator_adds_a_trunk_and_switches_it_off(browsing: Browsing) -> None:
    async with browsing.tab(Role.OPERATOR, width=NARROW) as tab:
        page = await tab.open("/trunks")
        await page.get_by_role("link", name="Add a trunk").click()
        await page.get_by_label("Name", exact=True).fill("fresh")
        await page.get_by_label("Host", exact=True).fill("127.0.0.9")
        await page.get_by_label("Prefixes").fill("+998")
        await page.get_by_label("Register there").check()
        tab.expected = ("new-trunk",)
        await page.get_by_role("button", name="Add the trunk").click()
        await page.get_by_text("A trunk that registers needs a user name.").wait_for()
        await page.get_by_label("Register there").uncheck()
        await page.get_by_label("every seconds").fill("0")
        await page.get_by_role("button", name="Add the trunk").click()
        await page.get_by_role("heading", name="fresh").wait_for()
        page.on("dialog", lambda dialog: dialog.accept())
        await page.get_by_role("button", name="Switch off").click()
        row = page.locator("tr", has_text="fresh")
        await row.get_by_text("Switched off").wait_for()
        await tab.check("nothing")


@pytest.mark.asyncio(loop_scope="session")
async def test_wall_follows_a_call_that_begins(browsing: Browsing, world: World) -> None:
    async with browsing.tab(Role.OPERATOR) as tab:
        page = await tab.open("/wall?screen=1")
        tile = page.locator(".tile", has_text="Calls under way").locator(".tile-value")
        before = int(await tile.inner_text())
        add_call(world, "3" * 32, world.ids[ACME]["app_id"], 0, EndReason.HANG_UP)
        await expect(tile).to_have_text(str(before + 1))
        with world.engine.begin() as connection:
            connection.execute(table.call_event.delete().where(_of("3" * 32)))
            connection.execute(table.call.delete().where(table.call.c.id == "3" * 32))
        await expect(tile).to_have_text(str(before))
        await tab.check("nothing")


def _of(call_id: str) -> ColumnElement[bool]:
    return table.call_event.c.call_id == call_id


def test_traffic_tells_causes_of_the_last_day(origin: str, world: World) -> None:
    answer = Client(origin, world.tokens[Role.OPERATOR]).get("/traffic?span=day&figure=ratio")
    assert answer.status == 200
    assert "486" in answer.text and "503" in answer.text
    assert "Acme Couriers" in answer.text
    assert Client(origin, world.tokens[Role.OPERATOR]).get("/traffic?span=ever").status == 422


@pytest.mark.parametrize(
    "path", ["/wall", "/traffic", "/trunks", "/relays", "/nodes", "/endpoints"]
)
def test_part_that_follows_is_made_by_itself(origin: str, world: World, path: str) -> None:
    client = Client(origin, world.tokens[Role.OPERATOR])
    answer = client.get(path, HX_Request="true", HX_Target="results", X_Live="yes")
    assert answer.status == 200
    assert answer.text.lstrip().startswith('<div id="results"')


def test_settings_hide_what_is_secret(origin: str, world: World) -> None:
    text = Client(origin, world.tokens[Role.OPERATOR]).get("/settings").text
    assert "master_key" in text and "body_bytes_max" in text
    key = world.settings.security.master_key
    assert key is None or key not in text


def test_operator_has_lost_notifications_delivered_again(origin: str, world: World) -> None:
    client, app_id = Client(origin, world.tokens[Role.OPERATOR]), world.ids["bravo"]["app_id"]
    at = datetime.now(UTC) - timedelta(minutes=5)
    call_id = f"{to_millis(at):012x}{7:020x}"
    add_call(world, call_id, app_id, 1, EndReason.CALLEE_BUSY)
    with world.engine.begin() as connection:
        connection.execute(table.call_event.delete().where(_of(call_id)))
        event = {
            "call_id": call_id, "seq": 1, "app_id": app_id, "status": "Disconnected",
            "occurred_at": at, "payload": "{}", "attempts": 8, "delivery_state": "given_up",
        }  # fmt: skip
        connection.execute(insert(table.call_event).values(event))
    answer = client.post(f"/endpoints/{app_id}/replay")
    assert answer.status == 303
    with world.engine.connect() as connection:
        query = select(table.call_event.c.delivery_state).where(_of(call_id))
        assert connection.execute(query).scalar_one() != "given_up"


def test_operator_lets_somebody_try_to_log_in_again(origin: str, world: World) -> None:
    person_id = world.add_person("forgetful", Role.READER, ACME)
    client = Client(origin, world.tokens[Role.OPERATOR])
    for number in range(LOGIN_TO_ACCOUNT.free):
        fields = {"account": "forgetful", "password": f"wrong horse battery {number}"}
        assert Client(origin).post("/login", fields).status == 422
    with pytest.raises(TooManyAttempts):
        world.log_in("forgetful")
    assert client.post(f"/users/{person_id}/unlock").status == 303
    assert world.log_in("forgetful")


@pytest.mark.asyncio(loop_scope="session")
async def test_users_are_found_by_an_enterprise_that_is_offered(
    browsing: Browsing, world: World
) -> None:
    world.administration.create_enterprise("offered-4711", name="Zephyr Freight")
    async with browsing.tab(Role.OPERATOR) as tab:
        page = await tab.open("/users")
        await page.get_by_label("Enterprise").press_sequentially("zephyr")
        await expect(page.locator("#offered option")).to_have_count(1)
        await expect(page.locator("#offered option")).to_have_attribute("value", "offered-4711")
        await tab.check()
    client = Client(browsing.origin, world.tokens[Role.OPERATOR])
    whose = {"email": "new@zephyr.example", "account": "zephyr.owner", "roles": "owner"}
    refused = client.post("/invite-user", {**whose, "enterprise": "no such enterprise"})
    assert refused.status == 422
    assert "Choose one of the enterprises that are offered." in refused.text
    # Nobody becomes one of the operator's own by leaving the enterprise out.
    assert client.post("/invite-user", {**whose, "enterprise": ""}).status == 422
    assert client.post("/invite-user", {**whose, "enterprise": "Zephyr Freight"}).status == 303
    with world.engine.connect() as connection:
        query = select(enrolment.c.enterprise_id).where(enrolment.c.email == whose["email"])
        assert connection.scalars(query).all() == ["offered-4711"]
