"""Members: one by one, and a file of them that is followed while it is read."""

import re
from html import unescape

import pytest
from playwright.async_api import expect
from tests.portal.browser import Browsing
from tests.portal.client import Client
from tests.portal.seed.own import Own, create_own
from tests.portal.world import World

from clicktodial.accounts.department import Departments
from clicktodial.accounts.member import Members
from clicktodial.accounts.protection import ProtectionSettings
from clicktodial.portal.paging import PAGE_SIZE

FILE = b"number,name,department\n13912349001,Ada,Dispatch\nnonsense,Bob,\n13912349002,Cy,\n"


@pytest.fixture(scope="module")
def own(world: World) -> Own:
    return create_own(world, "members", "33333351")


@pytest.mark.asyncio(loop_scope="session")
async def test_file_is_imported_and_what_is_wrong_is_told(
    browsing: Browsing, world: World, own: Own
) -> None:
    async with browsing.tab(token=own.token) as tab:
        page = await tab.open("/members/imports")
        await page.get_by_label("File").set_input_files(
            {"name": "people.csv", "mimeType": "text/csv", "buffer": FILE}
        )
        await page.get_by_role("button", name="Import").click()
        # The page follows: nobody loads it again.
        await expect(page.locator("#progress")).to_contain_text("Done")
        await expect(page.locator("tbody tr")).to_have_count(1)
        await expect(page.locator("tbody tr")).to_contain_text("3")
        await tab.check()
        report = await page.get_by_role("link", name="Download the report").get_attribute("href")
        assert report is not None
        client = Client(browsing.origin, own.token)
        answer = client.get(report.removeprefix("/console"))
        assert answer.body.decode("utf-8-sig").splitlines()[0] == "Row,What is wrong"
        page = await tab.open("/members")
        await page.get_by_label("Name, number or employee id").fill("Ada")
        await expect(page.locator("tbody tr")).to_have_count(1)
    members = Members(world.transactions, region="CN")
    assert members.count(own.enterprise_id) == 2


def test_member_is_added_changed_and_removed(origin: str, world: World, own: Own) -> None:
    client, members = Client(origin, own.token), Members(world.transactions, region="CN")
    fields = {"number": "13912348888", "name": "Di", "department": "Sales", "per_day": "5"}
    assert client.post("/members", fields).status == 303
    again = client.post("/members", fields)
    assert again.status == 422 and "a member of that number already" in again.text
    assert client.post("/members", {"number": "12"}).status == 422
    found = next(
        each for each in members.find(own.enterprise_id, limit=9) if each.profile.name == "Di"
    )
    assert (found.profile.department, found.profile.caps.per_day) == ("Sales", 5)
    path = f"/members/{found.member_id}"
    assert client.post(path, {"number": "13912348888", "name": "Dee"}).status == 303
    changed = members.show(own.enterprise_id, found.member_id).profile
    assert (changed.name, changed.department, changed.caps.per_day) == ("Dee", "", None)
    assert b"+8613912348888,Dee" in client.get("/members/export").body
    assert client.post(f"{path}/remove").status == 303
    assert client.get(path).status == 404


def test_departments_have_caps(origin: str, world: World, own: Own) -> None:
    client, departments = Client(origin, own.token), Departments(world.transactions)
    path = "/members/departments"
    assert client.post(path, {"name": "Night", "per_month": "900"}).status == 303
    assert client.post(path, {"name": "Night"}).status == 422
    found = next(each for each in departments.list_all(own.enterprise_id) if each.name == "Night")
    assert found.caps.per_month == 900
    one = f"{path}/{found.department_id}"
    assert client.post(one, {"name": "Nights"}).status == 303
    assert client.post(f"{one}/remove").status == 303
    assert client.get(one).status == 404


def test_switch_lets_only_members_call(origin: str, world: World, own: Own) -> None:
    client, settings = Client(origin, own.token), ProtectionSettings(world.transactions)
    for sent, is_on in (("yes", True), ("", False)):
        answer = client.post("/protection", {"part": "members", "members_only": sent})
        assert (answer.status, answer.headers["location"]) == (303, "/console/members")
        assert settings.show(own.enterprise_id).members_only is is_on


def test_departments_come_in_pages(origin: str, world: World) -> None:
    own = create_own(world, "branches", "33333352")
    client, departments = Client(origin, own.token), Departments(world.transactions)
    for number in range(PAGE_SIZE + 2):
        departments.add(own.enterprise_id, f"Branch {number:02}", now=world.now)
    first = client.get("/members/departments").text
    assert first.count("Branch ") == PAGE_SIZE
    (following,) = re.findall(r'href="/console([^"]+)" rel="next"', first)
    last = client.get(unescape(following)).text
    assert last.count("Branch ") == 2 and "Branch 25" in last and "First page" in last
    # One that is gone leads to the beginning.
    assert client.get("/members/departments?after=gone").text.count("Branch ") == PAGE_SIZE
