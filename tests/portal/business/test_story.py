"""The reviewer's story in a browser: submitted, rejected, corrected, approved, in service."""

import asyncio
import re

import pytest
from playwright.async_api import Page, expect
from tests.accounts.paper import pdf
from tests.portal.browser import Browsing, Tab
from tests.portal.seed.business import (
    DATA,
    card_picture,
    find_principal,
    open_business,
    papers,
    set_state,
)
from tests.portal.world import World

from clicktodial.domain.customer import DocumentKind
from clicktodial.domain.enterprise import EnterpriseState
from clicktodial.domain.principal import Role

NAME, ENTERPRISE = "Citrus Kitchens", "citrus"
REASON = "The licence is cut off: its stamp must be seen."

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.fixture(scope="module")
def owner_token(world: World) -> str:
    """Of somebody who has just registered."""
    world.administration.create_enterprise(ENTERPRISE, name=NAME)
    set_state(world, ENTERPRISE, EnterpriseState.PROSPECT)
    world.add_person("owner.citrus", Role.OWNER, ENTERPRISE)
    return world.log_in("owner.citrus")


@pytest.mark.timeout(180)
async def test_customer_is_rejected_corrects_and_is_activated(
    browsing: Browsing, world: World, owner_token: str
) -> None:
    async with (
        browsing.tab(token=owner_token) as owner,
        browsing.tab(Role.REVIEWER) as reviewer,
        browsing.tab(Role.ACCOUNT_MANAGER) as manager,
    ):
        # What is wrong with a form answers with 422.
        for tab in (owner, reviewer):
            tab.expected = ("/data", "/decide")
        await _submit_intention(owner)
        await _fill_in(owner, world)
        await _press(owner.page, "Submit for review")
        await expect(owner.page.get_by_text("We are looking at it")).to_be_visible()

        await _reject(reviewer)
        # The customer's page follows by itself.
        await expect(owner.page.get_by_text("The review was rejected")).to_be_visible()
        await expect(owner.page.locator(".notice", has_text=REASON)).to_be_visible()
        await owner.check()

        await owner.open(f"/enterprises/{ENTERPRISE}/papers")
        await _upload(owner.page, DocumentKind.CERTIFICATE, "licence.pdf", pdf())
        await owner.open("/centre")
        await _press(owner.page, "Submit again")
        await _approve(reviewer, "qualification")
        await expect(owner.page.get_by_text("the service is being opened")).to_be_visible()

        await _activate(owner, manager, reviewer)
        await expect(owner.page.get_by_text("Everything is set up")).to_be_visible()
        for tab in (owner, reviewer, manager):
            await tab.check(axe="nothing")


async def _press(page: Page, words: str) -> None:
    await page.get_by_role("button", name=words, exact=True).click()


async def _submit_intention(owner: Tab) -> None:
    page = await owner.open("/centre")
    await page.get_by_role("link", name="Submit an intention").click()
    await page.get_by_label("Region").fill("North")
    await page.get_by_label("Whom to talk to").fill("Li Lei")
    await page.get_by_label("Telephone").fill("13912345673")
    await page.get_by_label("Email").fill("lei@citrus.example")
    await _press(page, "Submit")
    await expect(page.get_by_role("heading", name=re.compile("things are missing"))).to_be_visible()


async def _fill_in(owner: Tab, world: World) -> None:
    """Data, one of them wrong at first, and all documents."""
    page = await owner.open(f"/enterprises/{ENTERPRISE}/papers")
    for name, text in (DATA | {"handler_phone": "12"}).items():
        await page.locator(f"#{name}").fill(text)
    await _press(page, "Save")
    await expect(page.locator("#handler_phone-error")).to_have_text("This is no telephone number.")
    await page.locator("#handler_phone").fill(DATA["handler_phone"])
    await _press(page, "Save")
    await expect(page.locator("[data-toast]", has_text="Saved.")).to_be_visible()
    await _upload(page, DocumentKind.CERTIFICATE, "licence.pdf", pdf())
    await _upload(page, DocumentKind.HANDLER_ID_FRONT, "card.png", card_picture())
    await owner.check()
    await asyncio.to_thread(_upload_rest, world)
    await owner.open("/centre")


def _upload_rest(world: World) -> None:
    """What a person does four times is shown twice."""
    business, owner = open_business(world), find_principal(world, "owner.citrus")
    there = {each.kind for each in business.documents.list_documents(owner, ENTERPRISE)[0]}
    for kind, content in papers().items():
        if kind not in there:
            business.documents.upload(owner, ENTERPRISE, kind=kind, content=content, now=world.now)


async def _upload(page: Page, kind: DocumentKind, name: str, content: bytes) -> None:
    slot = page.locator(f"#slot-{kind}")
    before = await slot.locator(".paper").count()
    media_type = "application/pdf" if name.endswith("pdf") else "image/png"
    await slot.locator("input[type=file]").set_input_files(
        {"name": name, "mimeType": media_type, "buffer": content}
    )
    await slot.get_by_role("button", name="Upload").click()
    await expect(slot.locator(".paper")).to_have_count(before + 1)


async def _open_order(tab: Tab, queue: str) -> Page:
    page = await tab.open(f"/work-orders?queue={queue}")
    await page.get_by_role("row", name=re.compile(NAME)).get_by_role("link").click()
    await expect(page.get_by_role("heading", level=1)).to_contain_text(NAME)
    return page


async def _reject(reviewer: Tab) -> None:
    page = await _open_order(reviewer, "qualification")
    pictures = page.locator(".paper-picture")
    await expect(pictures).to_have_count(4)
    await page.wait_for_function(
        "() => [...document.querySelectorAll('.paper-picture')].some(p => p.naturalWidth > 0)"
    )
    await _press(page, "Reject")
    await expect(page.locator("#reason-error")).to_be_visible()
    await page.get_by_label("Reason").fill(REASON)
    await _press(page, "Reject")
    await expect(page.locator("[data-toast]", has_text="Rejected.")).to_be_visible()


async def _approve(tab: Tab, queue: str) -> None:
    page = await _open_order(tab, queue)
    await _press(page, "Approve")
    await expect(page.locator("[data-toast]", has_text="Approved.")).to_be_visible()


async def _activate(owner: Tab, manager: Tab, reviewer: Tab) -> None:
    """The account manager's list, of which the customer does what it may."""
    page = await manager.open(f"/customers/{ENTERPRISE}")
    for words, code in (
        ("Create the customer record", ""),
        ("Order the basic product", ""),
        ("Assign the short service code", "95123"),
    ):
        line = page.locator(".checklist li", has_text=words)
        if code:
            await line.get_by_role("textbox").fill(code)
        await line.get_by_role("button").click()
        await expect(line).to_have_class("is-done")
    line = owner.page.locator(".checklist li", has_text="Order click-to-dial")
    await line.get_by_role("button").click()
    await expect(line).to_have_class("is-done")
    await manager.open(f"/customers/{ENTERPRISE}/holdings")
    await page.get_by_role("link", name="Order numbers").click()
    await page.locator(".number input").first.check()
    await _press(page, "Reserve and send for review")
    await expect(page.locator("[data-toast]")).to_contain_text("1 number is reserved")
    await _approve(reviewer, "numbers")
    await manager.open(f"/customers/{ENTERPRISE}")
    line = page.locator(".checklist li", has_text="Order numbers")
    await line.get_by_role("button").click()
    await expect(line).to_have_class("is-done")
    await page.get_by_role("link", name="Complete the activation").click()
    await _press(page, "Approve")
    await expect(page.locator("[data-toast]", has_text="Approved.")).to_be_visible()
