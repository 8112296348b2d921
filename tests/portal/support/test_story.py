"""The story of support: somebody asks, the clock runs, somebody answers."""

import re

import pytest
from playwright.async_api import Page, expect
from tests.portal.browser import Browsing, Tab
from tests.portal.world import ACME, World

from clicktodial.domain.principal import Role

pytestmark = pytest.mark.asyncio(loop_scope="session")
# The same clock with a second left.
_SHORTEN = """(clock) => {
  const due = clock.cloneNode(true);
  due.dataset.left = "1";
  clock.replaceWith(due);
}"""
SUBJECT = "Callees cannot hear us"


async def test_emergency_about_a_call_is_answered(browsing: Browsing, world: World) -> None:
    call_id = world.ids[ACME]["call_id"]
    async with browsing.tab(Role.DEVELOPER) as customer, browsing.tab(Role.SUPPORT) as desk:
        # A customer asks, from the page of a call.
        asking = await customer.open(f"/calls/{call_id}")
        await asking.get_by_role("link", name="Ask for help").click()
        await expect(asking.get_by_label("Call concerned")).to_have_value(call_id)
        await asking.get_by_label("Subject").fill(SUBJECT)
        await asking.get_by_label("What it is about").select_option("fault")
        await asking.get_by_role("radio", name=re.compile("Emergency")).check()
        await asking.get_by_label("What happened").fill("Since nine nobody hears us.")
        await asking.get_by_role("button", name="Open the ticket").click()
        await expect(asking.get_by_role("heading", level=1)).to_have_text(SUBJECT)

        # Support sees it with its clock, which counts down from half an hour.
        working = await desk.open("/support/queue")
        row = working.get_by_role("row").filter(has_text=SUBJECT)
        clock = row.get_by_role("timer")
        await expect(clock).to_have_text(re.compile(r"^(30:00|29:\d\d|28:\d\d)$"))
        shown = await clock.inner_text()
        await expect(clock).not_to_have_text(shown)
        await row.get_by_role("link", name=SUBJECT).click()

        # They take it and read what became of the call.
        await working.get_by_role("button", name="Take it").click()
        await expect(working.get_by_role("button", name="Take it")).to_have_count(0)
        await working.get_by_role("link", name="Read its diagnosis").click()
        await expect(working).to_have_url(re.compile(call_id))
        await working.go_back()

        # They answer; the customer, who still looks at the page, sees it come.
        await working.get_by_label("Message").fill("A relay was slow; it is replaced.")
        await working.get_by_role("button", name="Answer").click()
        history = asking.get_by_role("list", name="What was said and done")
        await expect(history).to_contain_text("A relay was slow; it is replaced.")
        # Who of support it was stays within support.
        await expect(history).not_to_contain_text("support.staff")
        await customer.check("nothing")
        await desk.check("nothing")
        await _let_a_clock_run_out(working, desk, world)


async def _let_a_clock_run_out(working: Page, desk: Tab, world: World) -> None:
    # A page that does not follow changes: nothing puts the clock right again.
    await desk.open(f"/support/tickets/{world.ids[ACME]['ticket_id']}/numbers")
    clock = working.get_by_role("timer").first
    await clock.evaluate(_SHORTEN)
    await expect(clock).to_have_text("Breached")
    await expect(clock).to_have_class(re.compile("clock-bad"))
