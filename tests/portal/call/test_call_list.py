"""The list of calls in a browser: by hand, by its filter, and by itself when a call ends."""

from datetime import timedelta

import pytest
from playwright.async_api import expect
from sqlalchemy import update
from tests.portal.browser import NARROW, Browsing
from tests.portal.seed.call import add_call
from tests.portal.world import PASSWORD, World

from clicktodial.domain.call import CallState
from clicktodial.domain.cause import EndReason
from clicktodial.domain.principal import Role
from clicktodial.storage import table

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_somebody_logs_in_and_filters_calls(browsing: Browsing) -> None:
    async with browsing.tab(width=NARROW) as tab:
        page = await tab.open("/calls")
        await page.get_by_label("Account or email").fill("developer.acme")
        await page.get_by_label("Password").fill(PASSWORD)
        await page.get_by_role("button", name="Log in").click()
        await page.get_by_role("heading", name="Calls").wait_for()
        # A heading may be seen before the scripts of its page ran.
        await page.wait_for_load_state()
        await page.get_by_label("Outcome").select_option("CalleeBusy")
        await page.wait_for_url("**reason=CalleeBusy**")
        badges = page.locator("#results .badge")
        # The address is told before the part of the page is there.
        await expect(badges.filter(has_not_text="Callee busy")).to_have_count(0)
        assert set(await badges.all_inner_texts()) == {"Callee busy"}
        await page.get_by_label("Number").fill("no number")
        tab.expected = ("number=no",)
        await page.get_by_label("Number").press("Enter")
        await page.get_by_text("Mend the filter to see calls.").wait_for()


async def test_list_follows_a_call_that_ends(browsing: Browsing, world: World) -> None:
    call_id = "1" * 31 + "f"
    add_call(world, call_id, world.ids["acme"]["app_id"], 0, EndReason.HANG_UP)
    async with browsing.tab(Role.OWNER) as tab:
        page = await tab.open("/calls")
        await page.get_by_label("State").select_option("live")
        await page.wait_for_url("**state=live**")
        row = page.locator(f'tr:has(a[href$="{call_id}"])')
        await row.get_by_text("In conversation").wait_for()
        with world.engine.begin() as connection:
            connection.execute(
                update(table.call)
                .where(table.call.c.id == call_id)
                .values(
                    state=CallState.ENDED,
                    reason=EndReason.HANG_UP,
                    ended_at=world.now + timedelta(seconds=1),
                )
            )
        await row.wait_for(state="detached")
        await tab.check("nothing")
