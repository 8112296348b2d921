"""Pools in the console: what is sold and set, and what files hold."""

import pytest
from tests.portal.client import Client
from tests.portal.world import ACME, World

from clicktodial.domain.principal import Role
from clicktodial.portal.form import Form
from clicktodial.portal.money.movement import parse_movement_place
from clicktodial.portal.money.sale import read_money
from clicktodial.portal.paging import PAGE_SIZE
from clicktodial.portal.text import load_words


@pytest.fixture
def finance(origin: str, world: World) -> Client:
    return Client(origin, world.tokens[Role.FINANCE])


@pytest.fixture
def manager(origin: str, world: World) -> Client:
    return Client(origin, world.tokens[Role.ACCOUNT_MANAGER])


def test_package_that_is_sold_can_be_used(manager: Client, finance: Client) -> None:
    fields = {"kind": "one-off", "name": "Spring 500", "minutes": "500", "price": "99.50"}
    assert manager.post(f"/money/{ACME}/packages", fields).status == 303
    pool, movements = finance.get("/pool").text, finance.get("/pool/movements").text
    assert "Spring 500" in pool and "Spring 500" in movements and "99.50" in movements


def test_package_that_is_no_package_is_refused_at_its_fields(manager: Client) -> None:
    fields = {"kind": "one-off", "name": "Odd", "minutes": "many", "price": "a lot"}
    answer = manager.post(f"/money/{ACME}/packages", fields)
    assert answer.status == 422
    assert "Enter an amount such as 12.50." in answer.text and "many" in answer.text


def test_cap_is_set_and_removed(finance: Client, world: World) -> None:
    fields = {"scope": "department", "key": "Night shift", "period": "day", "minutes": "90"}
    assert finance.post(f"/money/{ACME}/caps", fields).status == 303
    assert "Night shift" in finance.get("/pool").text
    cap_id = world.ids[ACME]["cap_id"]
    assert finance.post(f"/money/{ACME}/caps/{cap_id}/remove").status == 303
    assert finance.post(f"/money/{ACME}/caps/{cap_id}/remove").status == 404


def test_alerts_are_kept_and_nonsense_is_not(finance: Client) -> None:
    path, fields = f"/money/{ACME}/alerts", {"alert_emails": "a@acme.example\nb@acme.example"}
    assert finance.post(path, {**fields, "alert_percents": "50, 75"}).status == 303
    assert "A mail goes out at 50, 75 %." in finance.get("/pool").text
    for wrong in ("fifty", "50%", "101", "0"):
        assert finance.post(path, {**fields, "alert_percents": wrong}).status == 422


def test_records_are_shown_masked_and_downloaded_whole(
    finance: Client, origin: str, world: World
) -> None:
    shown = finance.get("/pool/records").text
    assert "+8613912345673" not in shown and "+8613*******73" in shown
    file = finance.get(f"/money/{ACME}/records.csv")
    assert file.headers["content-type"].startswith("text/csv")
    assert "+8613912345673" in file.text
    log = Client(origin, world.tokens[Role.OWNER]).get("/audit?operation=downloadCdrs").text
    assert "downloaded call records" in log


def test_records_are_paged_to_the_end(finance: Client) -> None:
    calls, path, pages = 0, "/pool/records", 0
    while path:
        text = finance.get(path).text
        table = text.partition("Files of whole days")[0]
        calls += table.count("<tr>") - 1
        _, found, rest = table.partition('rel="next"')
        path = (
            table[: -len(found + rest)].rpartition('href="/console')[2].partition('"')[0]
            if found
            else ""
        )
        path = path.replace("&amp;", "&")
        pages += 1
    # The file has all of the same days.
    whole = len(finance.get(f"/money/{ACME}/records.csv").text.splitlines()) - 1
    assert calls == whole > PAGE_SIZE
    assert pages == -(-whole // PAGE_SIZE)


def test_day_that_is_no_day_is_refused(finance: Client) -> None:
    for query in ("since=2026-02-31", "since=yesterday", "since=2026-02-02&until=2026-02-01"):
        assert finance.get(f"/pool/records?{query}").status == 422


def test_statement_is_a_page_and_a_pdf(finance: Client, world: World) -> None:
    month = world.ids[ACME]["month"]
    assert "Business 600" in finance.get(f"/money/{ACME}/statements/{month}").text
    pdf = finance.get(f"/money/{ACME}/statements/{month}/pdf")
    assert pdf.body.startswith(b"%PDF")
    assert finance.get(f"/money/{ACME}/statements/2026-13").status == 422


@pytest.mark.parametrize(
    ("written", "micros"), [("", 0), ("12.5", 12_500_000), ("0.000001", 1), ("100", 100_000_000)]
)
def test_money_is_read(written: str, micros: int) -> None:
    form = Form(load_words()["en"], {"price": [written]})
    assert read_money(form, "price", micros_max=10**9) == micros
    assert form.is_valid


@pytest.mark.parametrize("written", ["-1", "1,5", "NaN", "Infinity", "1e30", "0.0000001", "x"])
def test_what_is_no_money_is_refused(written: str) -> None:
    form = Form(load_words()["en"], {"price": [written]})
    read_money(form, "price", micros_max=10**9)
    assert not form.is_valid


@pytest.mark.parametrize(
    "text", [None, "", "1", "1-", "1-x5", "1-lx", "1-l", "1-c", "9" * 30 + "-c1"]
)
def test_cursor_of_others_is_none(text: str | None) -> None:
    assert parse_movement_place(text) is None
