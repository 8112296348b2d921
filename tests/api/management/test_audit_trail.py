"""What of the API's requests the audit log is told, and what people may do with calls."""

import pytest
import structlog
from litestar import Litestar
from tests.api.management.conftest import CreateManagement
from tests.api.management.support import (
    APPLICATION,
    BODY_BYTES_MAX,
    CALL,
    OPERATOR,
    OTHER_APP_ID,
    TOKEN,
    Management,
)
from tests.api.support import APP_ID, call_app, create_application

from clicktodial.accounts.audit import DONE, READ, AuditEntry
from clicktodial.api.management.authentication import Authenticator
from clicktodial.api.management.problem import BASE_PATH
from clicktodial.api.management.route import Ask, Gate, Parameter, Route, create_route_handlers
from clicktodial.api.management.worker import Worker
from clicktodial.domain.application import ApplicationStatus
from clicktodial.domain.identifier import AppId
from clicktodial.domain.principal import Role
from clicktodial.storage.error import DatabaseUnavailable
from clicktodial.web import auditor
from clicktodial.web.auditor import Auditor
from clicktodial.web.request import peer_address

ENTERPRISE = "enterprise-1"


def entries(management: Management) -> list[AuditEntry]:
    """All of the log, the oldest first."""
    return management.audit_log.list_entries(limit=1_000)[::-1]


async def test_change_is_told_with_who_what_and_about_what(management: Management) -> None:
    trunk = {"name": "main", "host": "192.0.2.1", "username": "us", "password": "pass word"}
    await management.ask("POST", "/trunks", trunk)
    await management.ask("POST", "/trunks/main/disable")
    await management.ask("GET", "/trunks/main")
    limits = {"live_calls_max": 1}
    await management.ask("PATCH", "/enterprises/default/limits", limits)
    told = entries(management)
    assert [(each.operation, each.subjects, each.outcome) for each in told] == [
        ("createTrunk", {"location": "/trunks/main"}, DONE),
        ("disableTrunk", {"name": "main"}, DONE),
        ("changeEnterpriseLimits", {"enterprise_id": "default"}, DONE),
    ]
    assert {(each.principal, each.roles, each.address) for each in told} == {
        ("operator", ("operator",), "127.0.0.1")
    }
    assert [each.enterprise_id for each in told] == [None, None, "default"]
    assert "pass word" not in str(told)


async def test_change_that_fails_is_told_with_its_problem(management: Management) -> None:
    await management.ask("POST", "/trunks", {"name": "a b", "host": "192.0.2.1"})
    await management.ask("DELETE", "/trunks/nothing")
    assert [(each.operation, each.outcome) for each in entries(management)] == [
        ("createTrunk", "invalid-value"),
        ("removeTrunk", "not-found"),
    ]


async def test_change_that_ends_in_a_fault_of_ours_is_told(
    management: Management, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: object) -> None:
        raise RuntimeError("a secret of ours")

    monkeypatch.setattr(management.administration, "remove_trunk", fail)
    answer = await management.ask("DELETE", "/trunks/main")
    assert (answer.status, answer.json["code"]) == (500, "internal-error")
    [entry] = entries(management)
    assert (entry.operation, entry.outcome) == ("removeTrunk", "internal-error")
    assert "secret" not in str(entry)


async def test_refusal_of_a_read_is_told_and_a_read_is_not(management: Management) -> None:
    finance = management.sessions.log_in(Role.FINANCE, enterprise_id=ENTERPRISE)
    await management.ask("GET", "/trunks", credential=finance)
    await management.ask("GET", "/trunks", credential=b"Bearer s_unknown")
    await management.ask("GET", "/trunks")
    assert [
        (each.principal, each.roles, each.enterprise_id, each.outcome)
        for each in entries(management)
    ] == [
        ("person-1", ("finance",), ENTERPRISE, "not-permitted"),
        ("", (), None, "not-authenticated"),
    ]


async def test_who_reads_whole_numbers_is_told(management: Management) -> None:
    call_id = await management.begin()
    support = management.sessions.log_in(Role.SUPPORT)
    assert (await management.ask("GET", f"/calls/{call_id}", credential=support)).status == 200
    assert (await management.ask("GET", f"/calls/{call_id}", credential=APPLICATION)).status == 200
    [entry] = entries(management)
    assert (entry.principal, entry.operation, entry.outcome) == ("person-1", "showCall", READ)
    assert (entry.subjects, entry.enterprise_id) == ({"call_id": call_id}, ENTERPRISE)


async def test_calls_of_programs_are_not_told_and_those_of_people_are(
    management: Management,
) -> None:
    owner = management.sessions.log_in(Role.OWNER, enterprise_id=ENTERPRISE)
    call_id = await management.begin()
    body = {"side": "caller"}
    path = f"/calls/{call_id}/hold"
    await management.ask("POST", path, body, credential=APPLICATION)
    assert entries(management) == []
    assert (await management.ask("POST", path, body, credential=owner)).status == 204
    assert [each.operation for each in entries(management)] == ["holdSide"]


async def test_refusals_beyond_the_bound_are_only_logged(
    management: Management, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(auditor, "BOUNDED_PER_SECOND", 0)
    for _ in range(auditor.BOUNDED_BURST + 20):
        await management.ask("GET", "/trunks", credential=None)
    assert len(entries(management)) == auditor.BOUNDED_BURST
    # What is done by those who are known is told all the same.
    await management.ask("DELETE", "/trunks/nothing")
    assert len(entries(management)) == auditor.BOUNDED_BURST + 1


async def test_change_is_done_where_it_cannot_be_told_and_the_log_says_so(
    management: Management, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: object) -> None:
        raise DatabaseUnavailable

    monkeypatch.setattr(management.audit_log, "add", fail)
    with structlog.testing.capture_logs() as logs:
        answer = await management.ask("POST", "/trunks", {"name": "main", "host": "192.0.2.1"})
    assert answer.status == 201
    lost = [log for log in logs if log["event"] == "audit.lost"]
    assert [(log["operation"], log["principal"]) for log in lost] == [("createTrunk", "operator")]


async def test_subjects_are_bounded(management: Management) -> None:
    await management.ask("DELETE", f"/trunks/{'x' * 500}")
    [entry] = entries(management)
    assert entry.subjects == {"name": "x" * 64}


async def test_developer_calls_for_an_application_that_is_named(management: Management) -> None:
    developer = management.sessions.log_in(Role.DEVELOPER, enterprise_id=ENTERPRISE)
    answer = await management.ask("POST", "/calls", CALL, credential=developer)
    assert (answer.status, answer.json["code"]) == (400, "missing-property")
    assert answer.json["pointer"] == "/app_id"
    answer = await management.ask("POST", "/calls", CALL | {"app_id": APP_ID}, credential=developer)
    assert answer.status == 201
    assert [app_id for app_id, _ in management.service.begun] == [APP_ID]
    for missing in ("nobody", "x" * 64):
        body = CALL | {"app_id": missing}
        answer = await management.ask("POST", "/calls/forecast", body, credential=developer)
        assert (answer.status, answer.json["code"]) == (404, "not-found")
    answer = await management.ask("GET", "/calls", credential=developer)
    assert (answer.status, answer.json["code"]) == (400, "invalid-parameter")
    answer = await management.ask("GET", "/calls", credential=developer, query=f"app_id={APP_ID}")
    assert (answer.status, answer.json["calls"]) == (200, [])


async def test_program_may_name_itself_and_no_other(management: Management) -> None:
    for path in ("/calls", "/calls/forecast"):
        own = await management.ask("POST", path, CALL | {"app_id": APP_ID}, credential=APPLICATION)
        assert own.status in (200, 201)
        other = await management.ask(
            "POST", path, CALL | {"app_id": OTHER_APP_ID}, credential=APPLICATION
        )
        assert (other.status, other.json["code"]) == (404, "not-found")


async def test_people_see_nothing_of_another_enterprise_s_calls(management: Management) -> None:
    call_id = await management.begin(record=True)
    stranger = management.sessions.log_in(Role.OWNER, enterprise_id="enterprise-2")
    body = CALL | {"app_id": APP_ID}
    for method, path, given, query in (
        ("POST", "/calls", body, ""),
        ("POST", "/calls/forecast", body, ""),
        ("GET", "/calls", None, f"app_id={APP_ID}"),
        ("GET", f"/calls/{call_id}", None, ""),
        ("POST", f"/calls/{call_id}/release", None, ""),
        ("POST", f"/calls/{call_id}/mute", {"side": "caller"}, ""),
        ("POST", f"/calls/{call_id}/pause-recording", None, ""),
        ("GET", f"/applications/{APP_ID}/options", None, ""),
        ("PATCH", f"/applications/{APP_ID}/options", {"max_duration_s": 5}, ""),
        ("DELETE", f"/applications/{APP_ID}/options/presence", None, ""),
    ):
        answer = await management.ask(method, path, given, credential=stranger, query=query)
        assert (answer.status, answer.json["code"]) == (404, "not-found"), path
    assert management.service.ended == set()


async def test_begin_for_a_disabled_application_is_refused_people_too(
    management: Management,
) -> None:
    disabled = create_application(app_id=AppId("1"), status=ApplicationStatus.DISABLED)
    management.applications.by_id[AppId("1")] = disabled
    owner = management.sessions.log_in(Role.OWNER, enterprise_id=ENTERPRISE)
    answer = await management.ask("POST", "/calls", CALL | {"app_id": "1"}, credential=owner)
    assert (answer.status, answer.json["code"]) == (403, "application-disabled")


async def test_account_manager_of_a_region_sees_no_enterprise_without_one(
    management: Management,
) -> None:
    # The application's enterprise has no region.
    path = f"/applications/{APP_ID}/options"
    everywhere = management.sessions.log_in(Role.ACCOUNT_MANAGER)
    of_region = management.sessions.log_in(Role.ACCOUNT_MANAGER, regions=frozenset({"Beijing"}))
    assert (await management.ask("GET", path, credential=everywhere)).status == 200
    assert (await management.ask("GET", path, credential=of_region)).status == 404


async def test_people_of_the_operator_log_in_where_there_is_no_token(
    create_management: CreateManagement,
) -> None:
    management = create_management(token=None)
    staff = management.sessions.log_in(Role.OPERATOR)
    assert (await management.ask("GET", "/trunks", credential=staff)).status == 200
    assert (await management.ask("GET", "/trunks", credential=OPERATOR)).status == 401


async def test_number_in_a_path_is_masked_in_every_log(
    management: Management, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def forget(_: Ask) -> None:
        """Of the test."""

    row = Route(
        name="forgetNumber",
        method="DELETE",
        path="/numbers/{number}",
        tag="Test",
        summary="Forget",
        about="A number.",
        roles=frozenset({Role.OPERATOR}),
        handle=forget,
        status=204,
        parameters=(Parameter("number", "Whose.", {"type": "string"}, is_number=True),),
    )
    worker = Worker()

    async def take_up_changes() -> None:
        """There is nothing that would hold."""

    gate = Gate(
        take_up_changes=take_up_changes,
        authenticator=Authenticator(management.applications, management.sessions, worker, TOKEN),
        auditor=Auditor(management.audit_log, worker, lambda: 0.0),
        utc=management.utc,
        client_address=peer_address,
        body_bytes_max=BODY_BYTES_MAX,
    )
    app = Litestar(create_route_handlers([row], gate), openapi_config=None)
    headers = [(b"authorization", OPERATOR)]
    with structlog.testing.capture_logs() as logs:
        path = f"{BASE_PATH}/numbers/+8613912345673"
        assert (await call_app(app, "DELETE", path, headers, [b""])).status == 204
    await worker.close()
    [entry] = entries(management)
    assert entry.subjects == {"number": "+8613*******73"}
    assert "912345" not in str(logs)
