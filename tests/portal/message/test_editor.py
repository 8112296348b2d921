"""Writing a template: what it comes to is shown as one types."""

import pytest
from playwright.async_api import FilePayload, expect
from tests.portal.browser import Browsing
from tests.portal.seed.message import create_picture
from tests.portal.world import ACME, World

from clicktodial.domain.principal import Role

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_template_is_written_shown_and_submitted(browsing: Browsing, world: World) -> None:
    app_id = world.ids[ACME]["app_id"]
    async with browsing.tab(Role.DEVELOPER) as tab:
        page = await tab.open(f"/templates/{app_id}/new")
        phone = page.locator(".bubble")
        text = page.get_by_label("Text", exact=True)
        await text.fill("Thanks from ")
        await page.get_by_role("button", name="Your enterprise").click()
        assert await text.input_value() == "Thanks from {enterprise}"
        await expect(phone).to_contain_text("Thanks from Acme Couriers")
        await expect(page.get_by_text("1 short message")).to_be_visible()
        await text.fill("好" * 71)
        await expect(page.get_by_text("2 short messages")).to_be_visible()
        await text.fill("{nothing}")
        await expect(page.get_by_text("neither a variable nor a value")).to_be_visible()

        await page.get_by_role("radio", name="MMS").check()
        await text.fill("Your parcel, {enterprise}")
        await expect(phone).to_contain_text("Your parcel, Acme Couriers")
        await page.get_by_role("button", name="Keep as a draft").click()
        picture = FilePayload(name="a.png", mimeType="image/png", buffer=create_picture())
        await page.get_by_label("Add a picture").set_input_files(picture)
        await page.get_by_role("button", name="Add it").click()
        shown = phone.get_by_role("img")
        await expect(shown).to_be_visible()
        assert await shown.evaluate("(picture) => picture.naturalWidth") == 240
        page.on("dialog", lambda dialog: dialog.accept())
        await page.get_by_role("button", name="Submit for review").click()
        await expect(page.get_by_text("In review").first).to_be_visible()
        await tab.check()
