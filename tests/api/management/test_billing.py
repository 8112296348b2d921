"""Pools, packages, caps, CDRs, statements and exports over HTTP."""

import shutil
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import update
from tests.api.management.support import OPERATOR, Management
from tests.billing.test_statement import add_cdr

from clicktodial.billing.export import ExportKind, Exports
from clicktodial.domain.principal import Role
from clicktodial.storage import table
from clicktodial.storage.transaction import Transactions

POOL = "/enterprises/default/pool"
PACKAGES = "/enterprises/default/packages"
CAPS = "/enterprises/default/caps"
CDRS = "/enterprises/default/cdrs"
PACKAGE = {"kind": "one-off", "name": "Basic", "seconds": 6_000, "price_micros": 5_000_000}
ENDED_AT = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)


async def set_up(management: Management) -> None:
    answer = await management.ask("PUT", POOL, {"tariff": {"unit_s": 6}})
    assert answer.status == 200, answer


def person(management: Management, *roles: Role, enterprise_id: str | None = "default") -> bytes:
    return management.sessions.log_in(*roles, enterprise_id=enterprise_id)


async def test_pool_is_set_up_filled_and_shown(management: Management) -> None:
    await set_up(management)
    sold = await management.ask("POST", PACKAGES, PACKAGE)
    assert sold.status == 201
    assert sold.json["sold_by"] == "operator"
    shown = (await management.ask("GET", POOL)).json
    assert (shown["available_s"], shown["owed_micros"]) == (6_000, 5_000_000)
    assert shown["tariff"] == {"unit_s": 6, "minimum_s": 0, "free_below_s": 0, "legs": 1}
    [lot] = shown["lots"]
    assert lot["package_id"] == sold.json["package_id"]
    listed = (await management.ask("GET", PACKAGES)).json["packages"]
    assert listed == [sold.json]
    end = f"{PACKAGES}/{sold.json['package_id']}/end"
    assert (await management.ask("POST", end)).status == 204
    assert (await management.ask("POST", end)).status == 404


async def test_alerts_and_caps_are_set(management: Management) -> None:
    await set_up(management)
    alerts = {"alert_percents": [50], "alert_emails": ["books@example.com"]}
    answer = await management.ask("PUT", f"{POOL}/alerts", alerts)
    assert answer.json["alert_percents"] == [50]
    wanted = {"scope": "member", "key": "*", "period": "day", "limit_s": 600}
    cap = (await management.ask("PUT", CAPS, wanted)).json
    assert (await management.ask("GET", CAPS)).json["caps"] == [cap]
    assert (await management.ask("DELETE", f"{CAPS}/{cap['cap_id']}")).status == 204
    assert (await management.ask("GET", CAPS)).json["caps"] == []


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PUT", POOL, {"tariff": {"unit_s": 0}}),
        ("PUT", POOL, {"currency": "yuan"}),
        ("PUT", f"{POOL}/alerts", {"alert_percents": [0], "alert_emails": []}),
        ("POST", PACKAGES, PACKAGE | {"seconds": 0}),
        ("POST", PACKAGES, PACKAGE | {"kind": "overage"}),
        ("PUT", CAPS, {"scope": "member", "period": "day", "limit_s": 0}),
    ],
)
async def test_what_makes_no_sense_is_refused(
    management: Management, method: str, path: str, body: dict[str, Any]
) -> None:
    await set_up(management)
    answer = await management.ask(method, path, body)
    assert (answer.status, answer.json["code"]) == (400, "invalid-value")


async def test_cdrs_are_told_in_pages_and_streamed_whole(management: Management) -> None:
    await set_up(management)
    for number in range(5):
        add_cdr(
            management.engine,
            number,
            ENDED_AT + timedelta(seconds=number),
            enterprise_id="default",
        )
    first = (await management.ask("GET", CDRS, query="limit=3")).json
    assert [int(each["call_id"], 16) for each in first["cdrs"]] == [0, 1, 2]
    rest = (await management.ask("GET", CDRS, query=f"limit=3&cursor={first['next']}")).json
    assert [int(each["call_id"], 16) for each in rest["cdrs"]] == [3, 4]
    assert rest["next"] is None
    assert rest["cdrs"][0]["lots"] == [{"lot_id": "lot", "seconds": 120}]
    span = "since=2026-03-04T05:06:08Z&until=2026-03-04T05:06:10Z"
    some = (await management.ask("GET", CDRS, query=span)).json["cdrs"]
    assert [int(each["call_id"], 16) for each in some] == [1, 2]
    streamed = await management.ask("GET", f"{CDRS}.csv", query=span)
    assert streamed.headers["content-disposition"] == 'attachment; filename="cdrs-default.csv"'
    lines = streamed.body.decode().splitlines()
    assert len(lines) == 3 and lines[0].startswith("call_id,")
    for wrong in ("since=yesterday", "since=2026-02-30T00:00:00Z", "until=2026-03-04"):
        answer = await management.ask("GET", CDRS, query=wrong)
        assert answer.json["code"] == "invalid-parameter"


async def test_statement_is_told_shown_and_printed(management: Management) -> None:
    await set_up(management)
    add_cdr(management.engine, 1, ENDED_AT, enterprise_id="default")
    path = "/enterprises/default/statements/2026-03"
    told = (await management.ask("GET", path)).json
    assert (told["total"]["calls"], told["total"]["billed_s"]) == (1, 120)
    page = await management.ask("GET", f"{path}/html")
    assert b"Statement 2026-03" in page.body
    pdf = await management.ask("GET", f"{path}/pdf")
    assert pdf.body.startswith(b"%PDF-")
    answer = await management.ask("GET", "/enterprises/default/statements/march")
    assert answer.json["code"] == "invalid-value"


async def test_exports_are_listed_and_downloaded(management: Management) -> None:
    await set_up(management)
    with management.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE pool SET created_at = 0")
    exports = Exports(
        Transactions(management.engine), management.exports_root, zone=UTC, keep_days=9_999
    )
    exports.run((ExportKind.CSV,), ENDED_AT)
    listed = (await management.ask("GET", "/enterprises/default/exports")).json["exports"]
    assert len(listed) == 7
    path = f"/enterprises/default/exports/{listed[0]['export_id']}/file"
    file = await management.ask("GET", path)
    assert len(file.body) == listed[0]["size_bytes"]
    # As on a node that did not write it; then on one that has no room for it.
    shutil.rmtree(management.exports_root)
    assert (await management.ask("GET", path)).body == file.body
    shutil.rmtree(management.exports_root)
    management.exports_root.touch()
    refused = await management.ask("GET", path)
    assert (refused.status, refused.json["code"]) == (503, "unavailable")


async def test_cdrs_of_an_enterprise_without_a_pool_are_read(management: Management) -> None:
    add_cdr(
        management.engine, 1, ENDED_AT, enterprise_id="default", charging="not-charged", lots="[]"
    )
    answer = await management.ask("GET", CDRS)
    [cdr] = answer.json["cdrs"]
    assert (cdr["charging"], cdr["lots"]) == ("not-charged", [])
    assert (await management.ask("GET", POOL)).status == 404


PATHS = [
    ("GET", POOL, None),
    ("PUT", POOL, {}),
    ("PUT", f"{POOL}/alerts", {"alert_percents": [50], "alert_emails": []}),
    ("GET", PACKAGES, None),
    ("POST", PACKAGES, PACKAGE),
    ("POST", f"{PACKAGES}/x/end", None),
    ("GET", CAPS, None),
    ("PUT", CAPS, {"scope": "member", "period": "day", "limit_s": 600}),
    ("DELETE", f"{CAPS}/x", None),
    ("GET", CDRS, None),
    ("GET", f"{CDRS}.csv", None),
    ("GET", "/enterprises/default/statements/2026-03", None),
    ("GET", "/enterprises/default/statements/2026-03/html", None),
    ("GET", "/enterprises/default/statements/2026-03/pdf", None),
    ("GET", "/enterprises/default/exports", None),
    ("GET", "/enterprises/default/exports/x/file", None),
]


@pytest.mark.parametrize(("method", "path", "body"), PATHS)
async def test_another_enterprises_money_is_not_there(
    management: Management, method: str, path: str, body: Any
) -> None:
    await set_up(management)
    stranger = person(management, Role.OWNER, enterprise_id="other")
    expected = 403 if (method, path) in SELLING else 404
    answer = await management.ask(method, path, body, credential=stranger)
    assert answer.status == expected
    # A manager of other regions.
    with management.engine.begin() as connection:
        connection.execute(update(table.enterprise).values(region="CN-31"))
    manager = management.sessions.log_in(Role.ACCOUNT_MANAGER, regions=frozenset({"CN-11"}))
    assert (await management.ask(method, path, body, credential=manager)).status == 404


SELLING = {("PUT", POOL), ("POST", PACKAGES), ("POST", f"{PACKAGES}/x/end")}


async def test_own_people_read_and_the_operators_sell(management: Management) -> None:
    await set_up(management)
    reader, finance = person(management, Role.READER), person(management, Role.FINANCE)
    manager = person(management, Role.ACCOUNT_MANAGER, enterprise_id=None)
    assert (await management.ask("GET", POOL, credential=reader)).status == 200
    assert (await management.ask("GET", CDRS, credential=reader)).status == 403
    assert (await management.ask("GET", CDRS, credential=finance)).status == 200
    assert (await management.ask("POST", PACKAGES, PACKAGE, credential=finance)).status == 403
    assert (await management.ask("POST", PACKAGES, PACKAGE, credential=manager)).status == 201
    developer = person(management, Role.DEVELOPER)
    assert (await management.ask("GET", POOL, credential=developer)).status == 403
    assert (await management.ask("GET", POOL, credential=OPERATOR)).status == 200
