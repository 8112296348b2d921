"""Exports in the console: asked for, written by the platform that runs, downloaded."""

import re

import pytest
from playwright.async_api import expect
from tests.portal.browser import Browsing
from tests.portal.client import Client
from tests.portal.world import ACME, World

from clicktodial.accounts.audit import AuditLog
from clicktodial.domain.principal import Role
from clicktodial.portal.page import BASE_PATH


@pytest.mark.asyncio(loop_scope="session")
async def test_export_is_asked_for_and_becomes_a_file(
    browsing: Browsing, world: World, origin: str
) -> None:
    async with browsing.tab(Role.OPERATOR) as tab:
        page = await tab.open("/exports")
        ready = page.get_by_role("link", name="Download")
        before = await ready.count()
        await page.get_by_label("Enterprise").fill(ACME)
        await page.get_by_role("button", name="Export").click()
        await expect(page.get_by_text("It is being written")).to_be_visible()
        # The list follows by itself.
        await expect(ready).to_have_count(before + 1)
        await tab.check("nothing")
        href = await ready.first.get_attribute("href")
    assert href is not None
    file = Client(origin, world.tokens[Role.OPERATOR]).get(href.removeprefix(BASE_PATH))
    assert file.status == 200
    assert "attachment" in file.headers["content-disposition"]
    assert file.body.count(b"\n") > 1
    entries = AuditLog(world.transactions).list_entries(limit=50, enterprise_id=ACME)
    assert {"orderExport", "downloadOrder"} <= {each.operation for each in entries}
    reviewer = Client(origin, world.tokens[Role.REVIEWER])
    assert reviewer.get(href.removeprefix(BASE_PATH)).status == 403


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"enterprise_id": "nobody"}, "Choose one of these."),
        ({"until": "2020-01-01"}, "This lies before the first day."),
        ({"since": "2020-01-01"}, "366 days at most"),
        ({"kind": "exe"}, "Choose one of these."),
        ({"since": "soon"}, "Enter a date."),
    ],
)
def test_export_that_cannot_be_is_refused(
    world: World, origin: str, fields: dict[str, str], words: str
) -> None:
    operator = Client(origin, world.tokens[Role.OPERATOR])
    today = f"{world.now:%Y-%m-%d}"
    form = {"enterprise_id": ACME, "since": today, "until": today, "kind": "csv"} | fields
    answer = operator.post("/exports", form)
    assert answer.status == 422
    assert re.search(words, answer.text)
