"""Tickets and the roster over the management API."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update
from tests.api.management.support import Management, add_call
from tests.api.management.tenancy import Tenant, create_tenants, seed_enterprise

from clicktodial.accounts.audit import READ
from clicktodial.domain.principal import Role
from clicktodial.storage import table

CALLEE = "+8613810268653"
NEW: dict[str, Any] = {
    "subject": "No calls since nine",
    "text": "Every call fails.",
    "category": "fault",
    "priority": "emergency",
}


@pytest.fixture
def tenant(management: Management) -> Tenant:
    tenant, _ = create_tenants()
    seed_enterprise(management, tenant)
    return tenant


def customer(management: Management, tenant: Tenant, role: Role = Role.OWNER) -> bytes:
    return management.sessions.log_in(role, enterprise_id=tenant.enterprise_id)


async def test_ticket_from_question_to_satisfaction(management: Management, tenant: Tenant) -> None:
    owner, support = customer(management, tenant), management.sessions.log_in(Role.SUPPORT)
    opened = await management.ask("POST", "/tickets", NEW, credential=owner)
    assert opened.status == 201
    ticket_id = opened.json["ticket"]["ticket_id"]
    path = f"/tickets/{ticket_id}"
    assert opened.headers["location"].endswith(path)
    assert opened.json["ticket"]["channel"] == "portal"
    assert opened.json["response_due_at"] < opened.json["resolution_due_at"]
    for method, place, body, credential, state in (
        ("PUT", "/assignment", {"queue": "second-line"}, support, "assigned"),
        ("POST", "/notes", {"text": "A secret thought"}, support, "assigned"),
        ("POST", "/messages", {"text": "When?", "is_question": True}, support,
         "waiting-for-customer"),
        ("POST", "/messages", {"text": "At nine"}, owner, "answered"),
        ("PUT", "/escalation", {"level": "third-line", "reason": "Carrier"}, support, "escalated"),
        ("PUT", "/priority", {"priority": "high", "reason": "Others call"}, support, "escalated"),
        ("PUT", "/escalation", {"level": "none", "reason": "Known"}, support, "answered"),
        ("POST", "/resolution", {"text": "Mended"}, support, "resolved"),
        ("POST", "/reopen", {"text": "No"}, owner, "reopened"),
        ("POST", "/resolution", {"text": "Now"}, support, "resolved"),
        ("POST", "/close", None, owner, "closed"),
        ("PUT", "/satisfaction", {"satisfaction": 4, "text": "Fine"}, owner, "closed"),
    ):  # fmt: skip
        answer = await management.ask(method, path + place, body, credential=credential)
        assert (answer.status, answer.json["ticket"]["state"]) == (200, state), place
    seen = await management.ask("GET", path, credential=owner)
    assert "secret thought" not in seen.body.decode()
    assert [each["action"] for each in seen.json["history"]] == [
        "open", "ask", "write", "prioritize", "de-escalate", "resolve", "reopen", "resolve",
        "close", "rate",
    ]  # fmt: skip
    assert {each["by"] for each in seen.json["history"] if each["is_staff"]} == {"support"}
    assert seen.json["satisfaction"] == 4
    whole = await management.ask("GET", path, credential=support)
    assert "secret thought" in whole.body.decode()
    assert len(whole.json["history"]) == 13


async def test_list_is_filtered_and_paged(management: Management, tenant: Tenant) -> None:
    owner = customer(management, tenant)
    for priority in ("low", "high", "low"):
        await management.ask("POST", "/tickets", NEW | {"priority": priority}, credential=owner)
    first = await management.ask("GET", "/tickets", query="priority=low&limit=1", credential=owner)
    assert len(first.json["tickets"]) == 1 and first.json["next"]
    query = f"priority=low&limit=1&cursor={first.json['next']}"
    second = await management.ask("GET", "/tickets", query=query, credential=owner)
    assert second.json["next"] is None
    assert second.json["tickets"] != first.json["tickets"]
    for query in ("state=new&queue=support&is_late=false", "state=closed", "is_late=true"):
        found = await management.ask("GET", "/tickets", query=query, credential=owner)
        assert len(found.json["tickets"]) == (3 if "new" in query else 0)
    for query in ("state=odd", "is_late=1", "priority=", "cursor=!", "limit=0"):
        answer = await management.ask("GET", "/tickets", query=query, credential=owner)
        assert (answer.status, answer.json["code"]) == (400, "invalid-parameter")


async def test_call_is_explained_to_staff_with_numbers_masked(
    management: Management, tenant: Tenant
) -> None:
    add_call(management.engine, "call-1", app_id=tenant.app_id)
    owner, support = customer(management, tenant), management.sessions.log_in(Role.SUPPORT)
    manager = management.sessions.log_in(Role.ACCOUNT_MANAGER, regions=frozenset({tenant.region}))
    opened = await management.ask("POST", "/tickets", NEW | {"call_id": "call-1"}, credential=owner)
    assert (opened.json["call_id"], opened.json["call"]) == ("call-1", None)
    path = f"/tickets/{opened.json['ticket']['ticket_id']}"
    for credential in (support, manager):
        call = (await management.ask("GET", path, credential=credential)).json["call"]
        assert "the callee hung up after 7 s" in call["explanation"]
        assert CALLEE not in str(call) and call["callee"].endswith("53")
    before = len(management.audit_log.list_entries(limit=100))
    whole = await management.ask("GET", f"{path}/numbers", credential=support)
    assert whole.json["call"]["callee"] == CALLEE
    entries = management.audit_log.list_entries(limit=100)
    assert len(entries) == before + 1
    assert (entries[0].operation, entries[0].outcome) == ("showTicketNumbers", READ)
    assert (entries[0].enterprise_id, entries[0].address) == (tenant.enterprise_id, "127.0.0.1")


async def test_hotline_ticket_names_enterprise_and_channel(
    management: Management, tenant: Tenant
) -> None:
    support = management.sessions.log_in(Role.SUPPORT)
    contact = {"name": "Li Wei", "phone": "13912345673", "email": "li@example.com"}
    whole = NEW | {"enterprise_id": tenant.enterprise_id, "channel": "10086-8"}
    for missing in ("enterprise_id", "channel"):
        body = {name: value for name, value in whole.items() if name != missing}
        answer = await management.ask("POST", "/tickets", body, credential=support)
        assert (answer.status, answer.json["pointer"]) == (400, f"/{missing}")
    opened = await management.ask(
        "POST", "/tickets", whole | {"contact": contact}, credential=support
    )
    assert opened.json["contact"]["phone"] == "+8613*******73"
    ticket_id = opened.json["ticket"]["ticket_id"]
    numbers = await management.ask("GET", f"/tickets/{ticket_id}/numbers", credential=support)
    assert numbers.json["contact"]["phone"] == "+8613912345673"
    seen = await management.ask(
        "GET", f"/tickets/{ticket_id}", credential=customer(management, tenant)
    )
    assert seen.json["contact"] is None
    assert seen.json["ticket"]["opened_by"] == seen.json["history"][0]["by"] == "support"


async def test_account_manager_opens_within_their_regions(
    management: Management, tenant: Tenant
) -> None:
    body = NEW | {"enterprise_id": tenant.enterprise_id}
    for region, status in ((tenant.region, 201), ("elsewhere", 404)):
        manager = management.sessions.log_in(Role.ACCOUNT_MANAGER, regions=frozenset({region}))
        answer = await management.ask("POST", "/tickets", body, credential=manager)
        assert answer.status == status
    with management.engine.begin() as connection:
        connection.execute(update(table.enterprise).values(region=None))
    assert (await management.ask("GET", "/tickets", credential=manager)).json["tickets"] == []


async def test_ticket_that_cannot_be_is_refused(management: Management, tenant: Tenant) -> None:
    owner = customer(management, tenant)
    for body in (
        NEW | {"text": ""},
        NEW | {"text": "x" * 8_001},
        NEW | {"text": "\x00"},
        NEW | {"subject": "a\nb"},
        NEW | {"category": "odd"},
        NEW | {"priority": "urgent"},
        NEW | {"channel": "10086-8"},
        NEW | {"contact": {"name": "x"}},
        NEW | {"call_id": ""},
        NEW | {"odd": 1},
    ):
        answer = await management.ask("POST", "/tickets", body, credential=owner)
        assert answer.status == 400, body


async def test_what_cannot_be_done_now_is_a_conflict(
    management: Management, tenant: Tenant
) -> None:
    owner = customer(management, tenant)
    opened = await management.ask("POST", "/tickets", NEW, credential=owner)
    path = f"/tickets/{opened.json['ticket']['ticket_id']}"
    answer = await management.ask("POST", f"{path}/close", credential=owner)
    assert (answer.status, answer.json["code"]) == (409, "conflict")


async def test_roster_and_critical_periods(management: Management) -> None:
    now = management.utc().replace(microsecond=0)
    start, end = now + timedelta(hours=1), now + timedelta(hours=9)
    shift = {
        "line": "second-line", "name": "Li Wei", "phone": "13912345673",
        "email": "li@example.com", "from_at": start.isoformat(), "until_at": end.isoformat(),
    }  # fmt: skip
    added = await management.ask("POST", "/roster/shifts", shift)
    assert (added.status, len(added.json["shifts"]), added.json["gaps"]) == (201, 1, [])
    again = await management.ask("POST", "/roster/shifts", shift)
    assert len(again.json["overlaps"]) == 1
    roster = await management.ask("GET", "/roster")
    second, third = roster.json["lines"]
    assert (len(second["gaps"]), len(third["gaps"]), len(second["shifts"])) == (2, 1, 2)
    location = again.headers["location"].removeprefix("/management/v1")
    assert (await management.ask("DELETE", location)).status == 204
    assert (await management.ask("DELETE", location)).status == 404
    name = {"name": "Spring Festival"}
    period = name | {"from_at": start.isoformat(), "until_at": end.isoformat()}
    made = await management.ask("POST", "/critical-periods", period)
    assert made.status == 201
    listed = await management.ask(
        "GET", "/critical-periods", credential=management.sessions.log_in(Role.SUPPORT)
    )
    assert [each["name"] for each in listed.json["critical_periods"]] == ["Spring Festival"]
    place = f"/critical-periods/{made.json['period_id']}"
    assert (await management.ask("DELETE", place)).status == 204
    assert (await management.ask("DELETE", place)).status == 404
    for wrong in (
        period | {"until_at": period["from_at"]},
        period | {"from_at": "2020-01-01T00:00:00Z"},
        period | {"from_at": "2026-03-01T00:00:00"},
        period | {"from_at": 5},
    ):
        assert (await management.ask("POST", "/critical-periods", wrong)).status == 400


async def test_statistics_of_a_time(management: Management, tenant: Tenant) -> None:
    await management.ask("POST", "/tickets", NEW, credential=customer(management, tenant))
    assert (await management.ask("GET", "/ticket-statistics")).status == 200
    until = (management.utc() + timedelta(minutes=1)).isoformat().replace("+00:00", "Z")
    told = await management.ask("GET", "/ticket-statistics", query=f"until={until}")
    assert [each["opened"] for each in told.json["priorities"]] == [1, 0, 0, 0]
    for query in ("from=x", "from=2026-03-01", "from=9999-12-31T00:00:00Z", "until=2020-01-01"):
        answer = await management.ask("GET", "/ticket-statistics", query=query)
        assert (answer.status, answer.json["code"]) == (400, "invalid-parameter"), query
    answer = await management.ask("GET", "/ticket-statistics", query="from=2020-01-01T00:00:00Z"
                                  "&until=2024-01-01T00:00:00Z")  # fmt: skip
    assert (answer.status, answer.json["code"]) == (400, "invalid-value")
