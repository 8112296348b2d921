"""Numbers: ordered by a customer, reviewed, assigned, given back; the operator's inventory."""

import pytest
from playwright.async_api import expect
from tests.portal.browser import Browsing
from tests.portal.client import Client
from tests.portal.seed.own import Own, add_numbers, create_own
from tests.portal.world import World

from clicktodial.accounts.number import NumberInventory
from clicktodial.accounts.number_order import NumberOrders
from clicktodial.accounts.work_order import WorkOrders
from clicktodial.domain.principal import OPERATOR_PRINCIPAL, Role
from clicktodial.domain.sponsor_number import NumberState
from clicktodial.domain.work_order import WorkOrderKind

CITY, ONE, TWO = "Chengdu", "+862885550001", "+862885550002"


@pytest.fixture(scope="module")
def own(world: World) -> Own:
    add_numbers(world, ONE, TWO, city=CITY)
    return create_own(world, "numbers", "33333332")


@pytest.mark.asyncio(loop_scope="session")
async def test_numbers_are_ordered_and_the_page_tells_the_decision(
    browsing: Browsing, world: World, own: Own
) -> None:
    orders = NumberOrders(world.transactions, region="CN")
    reviews = WorkOrders(world.transactions, {WorkOrderKind.NUMBER_ORDER: orders})
    async with browsing.tab(token=own.token) as tab:
        # What there is of each city may be counted a while ago, and then offers no such city.
        page = await tab.open(f"/numbers/order?city={CITY}")
        await expect(page.locator("tbody tr")).to_have_count(2)
        await page.get_by_label("All of this page").check()
        await page.get_by_role("button", name="Order what is ticked").click()
        await expect(page.get_by_text("Under review")).to_be_visible()
        await expect(page.locator(".codes li")).to_have_text([ONE, TWO])
        [order] = orders.list_orders(own.owner)
        reviews.decide(
            OPERATOR_PRINCIPAL, order.work_order_id, approved=True, reason="", now=world.now
        )
        await expect(page.get_by_text("The numbers are yours")).to_be_visible()
        await tab.check()
    client = Client(browsing.origin, own.token)
    assert ONE in client.get("/numbers").text
    path = f"/applications/{own.app_id}/numbers"
    assert client.post(path, {"number": ONE}).status == 303
    assert client.post(path, {"number": "+861052681999"}).status == 422
    assert client.post(f"/numbers/{ONE}/release").status == 303
    inventory = NumberInventory(world.transactions, region="CN")
    assert inventory.show(ONE, world.now).number.state is NumberState.COOLING_OFF
    assert ONE not in world.administration.show_application(own.app_id).sponsors


def test_order_without_a_number_is_refused(origin: str, own: Own) -> None:
    answer = Client(origin, own.token).post("/numbers/order")
    assert answer.status == 422 and "Tick the numbers" in answer.text


def test_operator_adds_changes_and_retires_a_number(origin: str, world: World) -> None:
    client = Client(origin, world.tokens[Role.OPERATOR])
    number = "+862885550009"
    assert client.post("/inventory", {"number": number, "city": CITY}).status == 303
    again = client.post("/inventory", {"number": number})
    assert again.status == 422 and "in the inventory already" in again.text
    assert client.post("/inventory", {"number": "x"}).status == 422
    path = f"/inventory/{number}"
    assert client.post(path, {"city": "Mianyang", "region": "Sichuan"}).status == 303
    assert client.post(path, {"trunk": "no-such"}).status == 422
    assert "Mianyang" in client.get("/inventory?region=Sichuan").text
    assert client.post(f"{path}/retire").status == 303
    assert client.post(f"{path}/retire").status == 422
    assert client.post(f"{path}/reinstate").status == 303
    assert client.get("/inventory/nonsense").status == 404


def test_rows_of_a_file_are_taken_each_for_itself(origin: str, world: World) -> None:
    client = Client(origin, world.tokens[Role.OPERATOR])
    content = b"number,city\n02885550011,Chengdu\nnonsense,x\n"
    answer = client.upload("/inventory/import", {}, "file", "numbers.csv", content)
    assert answer.status == 200
    assert "1 number was added." in answer.text and "1 row was not taken:" in answer.text
    wrong = client.upload("/inventory/import", {}, "file", "x.csv", b"a,b\n1,2\n")
    assert wrong.status == 422
