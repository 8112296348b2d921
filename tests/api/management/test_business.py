"""From intention to cancellation over HTTP, each step by whom it is for."""

import base64
from typing import Any

import pytest
from tests.accounts.business import DATA, NEW_INTENTION, PAPERS
from tests.accounts.paper import png
from tests.api.management.support import Management
from tests.api.support import Answer

from clicktodial.accounts.document_content import DOCUMENT_BYTES_MAX
from clicktodial.api.management.paper import DOCUMENT_UPLOADS_MAX
from clicktodial.domain.application import EnterpriseStatus
from clicktodial.domain.enterprise import EnterpriseState
from clicktodial.domain.principal import Role
from clicktodial.storage.application_row import read_application
from clicktodial.storage.enterprise_row import insert_enterprise
from clicktodial.storage.transaction import Transactions

SUBMISSION = {
    "enterprise_name": "Acme Ltd",
    "region": "north",
    "contact_person": NEW_INTENTION.contact.person,
    "contact_phone": NEW_INTENTION.contact.phone,
    "contact_email": NEW_INTENTION.contact.email,
}
PURPOSE = "purpose=a+test"


class Office:
    """The people of one prospect and of the operator."""

    def __init__(self, management: Management) -> None:
        self.management = management
        with Transactions(management.engine).change() as connection:
            for enterprise_id in ("acme", "brave"):
                insert_enterprise(
                    connection, enterprise_id, name="New", state=EnterpriseState.PROSPECT
                )
        log_in = management.sessions.log_in
        self.owner = log_in(Role.OWNER, enterprise_id="acme")
        self.stranger = log_in(Role.OWNER, enterprise_id="brave")
        north = frozenset({"north"})
        self.manager = log_in(Role.ACCOUNT_MANAGER, regions=north)
        self.reviewer = log_in(Role.REVIEWER)

    async def ask(
        self, method: str, path: str, body: Any = None, *, by: bytes, status: int, query: str = ""
    ) -> Any:
        answer: Answer = await self.management.ask(method, path, body, credential=by, query=query)
        assert answer.status == status, answer
        return answer.json if answer.body else None

    async def upload(self, kind: str, content: bytes, *, status: int = 201) -> Any:
        return await self.ask(
            "POST", "/enterprises/acme/documents", content,
            by=self.owner, status=status, query=f"kind={kind}",
        )  # fmt: skip

    async def fill(self) -> None:
        await self.ask("PATCH", "/enterprises/acme/data", DATA, by=self.owner, status=200)
        for kind, content in PAPERS.items():
            await self.upload(kind, content)

    async def decide(self, work_order_id: str, *, by: bytes, approved: bool = True) -> Any:
        body = {"approved": approved, "reason": "because"}
        path = f"/work-orders/{work_order_id}/decide"
        return await self.ask("POST", path, body, by=by, status=200)

    async def submit(self) -> str:
        review = await self.ask("POST", "/enterprises/acme/review", by=self.owner, status=200)
        return str(review["work_order"]["work_order_id"])


@pytest.fixture
def office(management: Management) -> Office:
    return Office(management)


async def test_customer_goes_from_intention_to_cancellation(office: Office) -> None:
    ask = office.ask
    submitted = await ask("POST", "/intentions", SUBMISSION, by=office.owner, status=201)
    assert (submitted["state"], submitted["channel"]) == ("reserved", "portal")
    path = f"/intentions/{submitted['intention_id']}"
    shown = await ask("GET", path, by=office.manager, status=200)
    assert shown["contact_phone"] == "+8613912345673"
    listed = await ask("GET", "/intentions", by=office.manager, status=200)
    assert listed["intentions"][0]["contact_phone"] is None

    await office.fill()
    listed = await ask("GET", "/enterprises/acme/documents", by=office.reviewer, status=200)
    assert (len(listed["documents"]), listed["missing"]) == (5, [])
    order_id = await office.submit()
    rejected = await office.decide(order_id, by=office.reviewer, approved=False)
    assert (rejected["state"], rejected["outcome"]) == ("archived", "rejected")
    review = await ask("GET", "/enterprises/acme/review", by=office.owner, status=200)
    assert review["work_order"]["reason"] == "because"
    second_id = await office.submit()
    await office.decide(second_id, by=office.manager)
    history = await ask("GET", f"/work-orders/{second_id}", by=office.owner, status=200)
    assert history["work_order"]["previous_id"] == order_id
    assert [step["action"] for step in history["steps"]] == ["open", "approve", "archive"]
    snapshot = await ask(
        "GET", f"/work-orders/{second_id}/snapshot", by=office.reviewer, status=200, query=PURPOSE
    )
    assert snapshot["data"]["legal_name"] == DATA["legal_name"]
    assert len(snapshot["documents"]) == 5

    steps = "/enterprises/acme/activation/steps"
    await ask("POST", f"{steps}/customer-record", by=office.manager, status=200)
    await ask("POST", f"{steps}/basic-product", by=office.manager, status=200)
    code = {"service_code": "95001"}
    await ask("POST", f"{steps}/service-code", code, by=office.manager, status=200)
    await ask("POST", f"{steps}/capability-product", by=office.owner, status=200)
    await ask("POST", f"{steps}/numbers", by=office.owner, status=409)
    office.management.administration.create_application(_application("11112222"))
    activation = await ask("POST", f"{steps}/numbers", by=office.owner, status=200)
    assert all(step["is_done"] for step in activation["steps"])
    await office.decide(activation["work_order"]["work_order_id"], by=office.manager)
    record = await ask("GET", "/enterprises/acme", by=office.owner, status=200)
    assert record["enterprise"]["state"] == "active"
    assert (record["products"], record["service_codes"]) == (
        ["basic-capability", "click-to-dial"],
        ["95001"],
    )

    changes = "/enterprises/acme/status-changes"
    for kind, status in (
        ("suspension", "suspended"),
        ("resumption", "active"),
        ("cancellation", "cancelled"),
    ):
        body = {"kind": kind, "reason": "moving", "calls": "at-once"}
        change = await ask("POST", changes, body, by=office.owner, status=201)
        await office.decide(change["work_order_id"], by=office.manager)
        with office.management.engine.connect() as connection:
            application = read_application(connection, "11112222", _vault())  # type: ignore[arg-type] # an AppId
        assert application is not None
        assert application.enterprise_status == EnterpriseStatus(status)
    listed = await ask("GET", changes, by=office.manager, status=200)
    assert [each["state"] for each in listed["status_changes"]] == ["done"] * 3
    page = await ask("GET", changes, by=office.manager, status=200, query="limit=2")
    rest = await ask(
        "GET", changes, by=office.manager, status=200, query=f"limit=2&cursor={page['next']}"
    )
    assert (len(page["status_changes"]), len(rest["status_changes"])) == (2, 1)
    assert rest["next"] is None


def _application(app_id: str) -> Any:
    from clicktodial.storage.administration import NewApplication

    return NewApplication(app_id=app_id, enterprise_id="acme", sponsors=("01052680001",))


def _vault() -> Any:
    from clicktodial.storage.secret import SecretVault

    return SecretVault(bytes(32))


async def test_document_is_uploaded_read_and_removed(office: Office) -> None:
    made = await office.upload("certificate", png())
    path = f"/enterprises/acme/documents/{made['document_id']}"
    opened = await office.ask("GET", path, by=office.reviewer, status=200, query=PURPOSE)
    assert base64.b64decode(opened["content"]) == png()
    refused = await office.ask("GET", path, by=office.reviewer, status=400)
    assert refused["code"] == "invalid-value"
    assert "purpose" in refused["detail"]
    await office.ask("GET", path, by=office.owner, status=200)
    await office.ask("DELETE", path, by=office.owner, status=204)
    await office.ask("GET", path, by=office.owner, status=404)


async def test_document_that_is_none_is_refused(office: Office) -> None:
    refused = await office.upload("certificate", b"GIF89a", status=422)
    assert refused["code"] == "document-refused"
    await office.upload("passport", png(), status=400)
    too_long = [b"x" * 65_536] * (DOCUMENT_BYTES_MAX // 65_536 + 1)
    answer = await office.management.ask(
        "POST",
        "/enterprises/acme/documents",
        credential=office.owner,
        query="kind=other",
        chunks=too_long,
    )
    assert answer.status == 413


async def test_so_many_documents_are_uploaded_at_a_time(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert DOCUMENT_UPLOADS_MAX == 4
    monkeypatch.setattr("clicktodial.api.management.paper.DOCUMENT_UPLOADS_MAX", 0)
    refused = await office.upload("other", png(), status=503)
    assert refused["code"] == "overloaded"


async def test_incomplete_papers_are_told_and_not_reviewed(office: Office) -> None:
    refused = await office.ask("POST", "/enterprises/acme/review", by=office.owner, status=409)
    assert refused["code"] == "conflict"
    assert "legal_name" in refused["detail"]


async def test_what_is_anothers_is_not_there(office: Office) -> None:
    submitted = await office.ask("POST", "/intentions", SUBMISSION, by=office.owner, status=201)
    made = await office.upload("other", png())
    await office.fill()
    order_id = await office.submit()
    stranger, of_acme = office.stranger, "/enterprises/acme"
    for path in (
        f"/intentions/{submitted['intention_id']}",
        f"/work-orders/{order_id}",
        f"/work-orders/{order_id}/snapshot",
        of_acme,
        f"{of_acme}/data",
        f"{of_acme}/documents",
        f"{of_acme}/documents/{made['document_id']}",
        f"{of_acme}/review",
        f"{of_acme}/activation",
        f"{of_acme}/status-changes",
    ):
        await office.ask("GET", path, by=stranger, status=404)
    for path, key in (
        ("/enterprises", "enterprises"),
        ("/intentions", "intentions"),
        ("/work-orders", "work_orders"),
    ):
        listed = await office.ask("GET", path, by=stranger, status=200)
        assert "acme" not in str(listed[key])
        listed = await office.ask("GET", path, by=office.owner, status=200)
        assert "acme" in str(listed[key])


async def test_change_is_withdrawn_and_a_modification_read(office: Office) -> None:
    changes = "/enterprises/default/status-changes"
    body = {
        "kind": "modification",
        "reason": "new sign",
        "modification": {"name": "New sign", "data": {"handler_phone": "01052680009"}},
    }
    operator = office.management.sessions.log_in(Role.OPERATOR)
    made = await office.ask("POST", changes, body, by=operator, status=201)
    assert made["modification"] is None
    path = f"{changes}/{made['change_id']}"
    shown = await office.ask("GET", path, by=operator, status=200, query=PURPOSE)
    assert shown["modification"]["data"] == {"handler_phone": "+861052680009"}
    withdrawn = await office.ask("POST", f"{path}/withdraw", by=operator, status=200)
    assert withdrawn["state"] == "withdrawn"
    await office.ask("POST", f"{path}/withdraw", by=operator, status=409)
    body = {"kind": "suspension", "reason": "unpaid", "decides": True}
    done = await office.ask("POST", changes, body, by=operator, status=201)
    assert done["state"] == "done"


async def test_intention_is_assigned_engaged_declined_withdrawn(office: Office) -> None:
    made = await office.ask("POST", "/intentions", SUBMISSION, by=office.manager, status=201)
    assert made["channel"] == "hotline"
    path = f"/intentions/{made['intention_id']}"
    nobody = {"account_manager": "nobody"}
    await office.ask("POST", f"{path}/assign", nobody, by=office.manager, status=400)
    await office.ask("POST", f"{path}/engage", by=office.manager, status=409)
    why = {"reason": "not offered there"}
    declined = await office.ask("POST", f"{path}/decline", why, by=office.manager, status=200)
    assert (declined["state"], declined["reason"]) == ("declined", "not offered there")
    own = await office.ask("POST", "/intentions", SUBMISSION, by=office.owner, status=201)
    path = f"/intentions/{own['intention_id']}/withdraw"
    assert (await office.ask("POST", path, by=office.owner, status=200))["state"] == "withdrawn"


async def test_work_orders_are_assigned_filtered_and_withdrawn(office: Office) -> None:
    await office.fill()
    await office.ask("POST", "/intentions", SUBMISSION, by=office.owner, status=201)
    order_id = await office.submit()
    mine = {"assignee": "rita"}
    path = f"/work-orders/{order_id}/assign"
    assigned = await office.ask("POST", path, mine, by=office.reviewer, status=200)
    assert assigned["assignee"] == "rita"
    for query, count in (
        ("kind=qualification,activation&state=open&region=north&assignee=rita", 1),
        ("enterprise_id=acme", 1),
        ("kind=cancellation", 0),
        ("state=archived", 0),
    ):
        listed = await office.ask(
            "GET", "/work-orders", by=office.reviewer, status=200, query=query
        )
        assert len(listed["work_orders"]) == count, query
    for query in ("kind=party", "cursor=%2e%2f", "limit=0"):
        await office.ask("GET", "/work-orders", by=office.reviewer, status=400, query=query)
    path = "/enterprises/acme/review/withdraw"
    withdrawn = await office.ask("POST", path, by=office.owner, status=200)
    assert withdrawn["work_order"]["outcome"] == "withdrawn"


async def test_activation_has_these_steps_and_is_opened_anew(office: Office) -> None:
    await office.fill()
    await office.decide(await office.submit(), by=office.reviewer)
    operator = office.management.sessions.log_in(Role.OPERATOR)
    path = "/enterprises/acme/activation"
    shown = await office.ask("GET", path, by=office.owner, status=200)
    assert [step["is_done"] for step in shown["steps"]] == [False] * 5
    await office.ask("POST", f"{path}/steps/party", by=operator, status=404)
    order_id = shown["work_order"]["work_order_id"]
    await office.decide(order_id, by=operator, approved=False)
    reopened = await office.ask("POST", f"{path}/reopen", by=operator, status=200)
    assert reopened["work_order"]["previous_id"] == order_id
