"""The story of a customer in a browser: from signing up to a call that is made, heard and billed.

On its way it is the reviewer's story, too: submitted, rejected, corrected, approved.
"""

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest
import pytest_asyncio
import soundfile
from playwright.async_api import Page, expect
from sqlalchemy import select
from tests.accounts.paper import pdf
from tests.harness.address import allocate_host
from tests.portal.browser import TIMEOUT_MS, Browsing, Tab
from tests.portal.seed.business import (
    DATA,
    card_picture,
    find_principal,
    open_business,
    papers,
)
from tests.portal.world import PASSWORD, World
from tests.sandbox.bench import FAST

from clicktodial.domain.customer import DocumentKind
from clicktodial.domain.principal import Role
from clicktodial.domain.trunk import Trunk
from clicktodial.sandbox.behaviour import create_numbering_plan
from clicktodial.sandbox.carrier import Carrier
from clicktodial.storage.people_table import mail, person

NAME, ACCOUNT, EMAIL = "Citrus Kitchens", "owner.citrus", "mei@citrus.example"
# The trunk to phones that answer takes these alone.
PREFIX, CALLER, CALLEE = "+861371", "+8613710000053", "+8613710000153"
# Of what is heard, as a share of full scale: silence is none.
HEARD_RMS_MIN = 0.01
REASON = "The licence is cut off: its stamp must be seen."

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def phones(world: World) -> AsyncIterator[None]:
    """Phones that answer and speak, behind a trunk."""
    carrier = Carrier(report=lambda _report: None, plan=create_numbering_plan(FAST))
    await carrier.start(allocate_host(), 0)
    host, port = carrier.address
    trunk = Trunk("citrus-phones", host, port, prefixes=(PREFIX,))
    await asyncio.to_thread(world.administration.add_trunk, trunk)
    yield
    await carrier.close()


@pytest.mark.timeout(240)
@pytest.mark.usefixtures("phones")
async def test_customer_signs_up_is_reviewed_calls_and_is_billed(
    browsing: Browsing, world: World, tmp_path: Path
) -> None:
    async with (
        browsing.tab() as owner,
        browsing.tab(Role.REVIEWER) as reviewer,
        browsing.tab(Role.ACCOUNT_MANAGER) as manager,
    ):
        # What is wrong with a form answers with 422.
        for tab in (owner, reviewer):
            tab.expected = ("/data", "/decide")
        enterprise_id = await _sign_up(owner, world)
        await _submit_intention(owner)
        await _fill_in(owner, world, enterprise_id)
        await _press(owner.page, "Submit for review")
        await expect(owner.page.get_by_text("We are looking at it")).to_be_visible()

        await _reject(reviewer)
        # The customer's page follows by itself.
        await expect(owner.page.get_by_text("The review was rejected")).to_be_visible()
        await expect(owner.page.locator(".notice", has_text=REASON)).to_be_visible()
        await owner.check()

        await owner.open(f"/enterprises/{enterprise_id}/papers")
        await _upload(owner.page, DocumentKind.CERTIFICATE, "licence.pdf", pdf())
        await owner.open("/centre")
        await _press(owner.page, "Submit again")
        await _approve(reviewer, "qualification")
        await expect(owner.page.get_by_text("the service is being opened")).to_be_visible()

        await _activate(owner, manager, reviewer, enterprise_id)
        await expect(owner.page.get_by_text("Everything is set up")).to_be_visible()

        await _sell_minutes(manager, enterprise_id)
        await _create_application(owner)
        await _call(owner)
        await _hear(owner, tmp_path / "recording.wav")
        await _read_bill(owner)
        for tab in (owner, reviewer, manager):
            await tab.check(axe="nothing")


async def _sign_up(owner: Tab, world: World) -> str:
    """Register, follow the mail's link, log in; returns the enterprise."""
    page = await owner.open("/register")
    await page.get_by_label("Enterprise").fill(NAME)
    await page.get_by_label("Email").fill(EMAIL)
    await page.get_by_label("Account", exact=True).fill(ACCOUNT)
    await page.get_by_label("Mobile number").fill("13912345673")
    await _press(page, "Create the account")
    await expect(page.get_by_text(EMAIL)).to_be_visible()
    text = await asyncio.to_thread(_read_mail, world)
    link = re.search(r"/activate(#a_[\w-]+)", text)
    assert link is not None, text
    await owner.open(f"/activate{link[1]}")
    await page.get_by_label("Password").fill(PASSWORD)
    await page.get_by_label("Once more").fill(PASSWORD)
    await _press(page, "Activate")
    await page.get_by_label("Account or email").fill(ACCOUNT)
    await page.get_by_label("Password").fill(PASSWORD)
    await _press(page, "Log in")
    await expect(page.get_by_role("heading", name="Overview")).to_be_visible()
    return await asyncio.to_thread(_find_enterprise, world)


def _read_mail(world: World) -> str:
    with world.transactions.read() as connection:
        query = select(mail.c.text).where(mail.c.recipient == EMAIL)
        return str(connection.execute(query).scalar_one())


def _find_enterprise(world: World) -> str:
    with world.transactions.read() as connection:
        query = select(person.c.enterprise_id).where(person.c.account == ACCOUNT)
        return str(connection.execute(query).scalar_one())


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


async def _fill_in(owner: Tab, world: World, enterprise_id: str) -> None:
    """Data, one of them wrong at first, and all documents."""
    page = await owner.open(f"/enterprises/{enterprise_id}/papers")
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
    await asyncio.to_thread(_upload_rest, world, enterprise_id)
    await owner.open("/centre")


def _upload_rest(world: World, enterprise_id: str) -> None:
    """What a person does four times is shown twice."""
    business, owner = open_business(world), find_principal(world, ACCOUNT)
    there = {each.kind for each in business.documents.list_documents(owner, enterprise_id)[0]}
    for kind, content in papers().items():
        if kind not in there:
            business.documents.upload(
                owner, enterprise_id, kind=kind, content=content, now=world.now
            )


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


async def _activate(owner: Tab, manager: Tab, reviewer: Tab, enterprise_id: str) -> None:
    """The account manager's list, of which the customer does what it may."""
    page = await manager.open(f"/customers/{enterprise_id}")
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
    await manager.open(f"/customers/{enterprise_id}/holdings")
    await page.get_by_role("link", name="Order numbers").click()
    await page.locator(".number input").first.check()
    await _press(page, "Reserve and send for review")
    await expect(page.locator("[data-toast]")).to_contain_text("1 number is reserved")
    await _approve(reviewer, "numbers")
    await manager.open(f"/customers/{enterprise_id}")
    line = page.locator(".checklist li", has_text="Order numbers")
    await line.get_by_role("button").click()
    await expect(line).to_have_class("is-done")
    await page.get_by_role("link", name="Complete the activation").click()
    await _press(page, "Approve")
    await expect(page.locator("[data-toast]", has_text="Approved.")).to_be_visible()


async def _sell_minutes(manager: Tab, enterprise_id: str) -> None:
    page = await manager.open(f"/money/{enterprise_id}/packages")
    await page.get_by_label("Counted by so many seconds").fill("60")
    await _press(page, "Set the tariff")
    await page.get_by_role("button", name="Sell a package").click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_label("Name").fill("Business 100")
    await dialog.get_by_label("Minutes", exact=True).fill("100")
    await _press(page, "Sell it")
    await expect(page.get_by_role("row", name=re.compile("Business 100"))).to_be_visible()


async def _create_application(owner: Tab) -> None:
    """Its key is shown once; it may show the number that was ordered."""
    page = await owner.open("/applications/new")
    await page.get_by_label("Name").fill("Kitchen desk")
    await _press(page, "Create")
    await expect(page.get_by_role("heading", name="Kitchen desk is ready")).to_be_visible()
    assert len(await page.locator("#created-secret").input_value()) >= 32
    await page.get_by_role("link", name="Let it show a number").click()
    await _press(page, "Add a number")
    await _press(page, "Add")
    await expect(page.get_by_role("table", name="Numbers").get_by_role("row")).to_have_count(2)


async def _call(owner: Tab) -> None:
    page = await owner.open("/try")
    stage = page.locator("#stage")
    await page.fill("#caller", CALLER)
    await page.fill("#callee", CALLEE)
    await page.check("[name=record]")
    await page.get_by_role("button", name="Call now").click()
    talked = re.compile(r"^0:0[1-9]$|^0:[1-9]")
    await expect(stage.locator("[data-since]")).to_have_text(talked, timeout=TIMEOUT_MS)
    await page.get_by_role("button", name="Release").click()
    await expect(stage).to_contain_text("The application released the call after")


async def _hear(owner: Tab, file: Path) -> None:
    page = owner.page
    waveform = page.locator("#stage path.waveform-callee")
    await expect(waveform).to_be_visible(timeout=TIMEOUT_MS)
    async with page.expect_download() as downloading:
        await page.get_by_role("link", name="Download").click()
    await (await downloading.value).save_as(file)
    frames, _ = await asyncio.to_thread(soundfile.read, file)
    loud = np.sqrt(np.mean(frames**2, axis=0))
    assert len(loud) == 2 and min(loud) > HEARD_RMS_MIN, loud


async def _read_bill(owner: Tab) -> None:
    """Of 100 minutes 99 are left; the month's statement says where the other went."""
    page = await owner.open("/pool")
    await expect(page.get_by_text("99", exact=True).first).to_be_visible(timeout=TIMEOUT_MS)
    await owner.open("/pool/statements")
    await page.get_by_role("main").get_by_role("table").get_by_role("link").first.click()
    await expect(page.get_by_role("main")).to_contain_text("Kitchen desk")
