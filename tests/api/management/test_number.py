"""Applications, numbers, orders and pools over the management API."""

from collections.abc import Iterator
from datetime import UTC, datetime
from ipaddress import ip_network
from typing import Any

import pytest
from tests.api.management.conftest import CreateManagement
from tests.api.management.support import APPLICATION, CALL, Management
from tests.api.support import Answer, create_application

from clicktodial.accounts.number_import import FILE_BYTES_MAX
from clicktodial.accounts.number_order import NumberOrders
from clicktodial.accounts.work_order import WorkOrders
from clicktodial.api.request_gate import RequestGate
from clicktodial.control.error import ApplicationLimitReached, CapabilityMissing
from clicktodial.domain.application import ApplicationLimits
from clicktodial.domain.identifier import AppId
from clicktodial.domain.principal import Principal, Role
from clicktodial.domain.work_order import WorkOrderKind
from clicktodial.storage.transaction import Transactions
from clicktodial.web.client_address import ClientAddresses

NUMBER, E164 = "01052680001", "+861052680001"


class People:
    """The customer `acme`, a stranger of `bell`, and the operator's people."""

    def __init__(self, management: Management) -> None:
        self.management = management
        for enterprise_id in ("acme", "bell"):
            management.administration.create_enterprise(enterprise_id)
        log_in = management.sessions.log_in
        self.owner = log_in(Role.OWNER, enterprise_id="acme")
        self.reader = log_in(Role.READER, enterprise_id="acme")
        self.stranger = log_in(Role.OWNER, enterprise_id="bell")
        self.manager = log_in(Role.ACCOUNT_MANAGER)

    async def ask(
        self, who: bytes, method: str, path: str, body: Any = None, query: str = ""
    ) -> Answer:
        return await self.management.ask(method, path, body, credential=who, query=query)

    async def operate(self, method: str, path: str, body: Any = None, query: str = "") -> Answer:
        return await self.management.ask(method, path, body, query=query)

    async def create(self, who: bytes | None = None) -> str:
        """An application of acme."""
        answer = await self.ask(who or self.owner, "POST", "/applications", {"name": "Courier"})
        assert answer.status == 201
        return str(answer.json["app_id"])

    def approve(self, work_order_id: str) -> None:
        """As the work orders' own routes do."""
        transactions = Transactions(self.management.engine)
        orders = NumberOrders(transactions, region="CN")
        reviewer = Principal(name="rita", roles=frozenset({Role.REVIEWER}))
        WorkOrders(transactions, {WorkOrderKind.NUMBER_ORDER: orders}).decide(
            reviewer, work_order_id, approved=True, reason="", now=datetime.now(UTC)
        )


@pytest.fixture
def people(management: Management) -> Iterator[People]:
    yield People(management)


# Applications


async def test_owner_creates_an_application_and_sees_its_keys_once(people: People) -> None:
    body = {"name": "Courier", "capabilities": ["recording"], "notify_url": "https://a.example/"}
    answer = await people.ask(people.owner, "POST", "/applications", body)
    assert answer.status == 201
    path = f"/applications/{answer.json['app_id']}"
    assert answer.headers["location"] == f"/management/v1{path}"
    assert answer.json["signing_secret"].startswith("whsec_")
    shown = await people.ask(people.reader, "GET", path)
    assert answer.json["secret"] not in shown.body.decode()
    assert shown.json["enterprise_id"] == "acme"
    assert (shown.json["capabilities"], shown.json["notify_url"]) == (
        ["recording"],
        "https://a.example",
    )


async def test_operators_people_name_the_enterprise(people: People) -> None:
    answer = await people.ask(people.manager, "POST", "/applications", {"name": "x"})
    assert (answer.status, answer.json["pointer"]) == (400, "/enterprise_id")
    body = {"name": "x", "enterprise_id": "acme"}
    assert (await people.ask(people.manager, "POST", "/applications", body)).status == 201
    # A customer may name only their own.
    assert (await people.ask(people.stranger, "POST", "/applications", body)).status == 404
    of_acme = await people.operate("GET", "/applications", query="enterprise_id=acme")
    assert len(of_acme.json["applications"]) == 1
    own = await people.ask(people.stranger, "GET", "/applications")
    assert own.json == {"applications": [], "next": None}


async def test_applications_come_in_pages(people: People) -> None:
    made = sorted([await people.create() for _ in range(3)])
    listed: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        query = f"limit=2&cursor={cursor}" if cursor else "limit=2"
        page = (await people.ask(people.owner, "GET", "/applications", query=query)).json
        listed += [each["app_id"] for each in page["applications"]]
        cursor = page["next"]
    assert listed == made
    wrong = await people.ask(people.owner, "GET", "/applications", query="cursor=a%2Fb")
    assert wrong.json["code"] == "invalid-parameter"


async def test_what_is_given_changes_and_no_more(people: People) -> None:
    path = f"/applications/{await people.create()}"
    body: dict[str, Any] = {"name": "Clinic", "capabilities": [], "notify_url": None}
    answer = await people.ask(people.owner, "PATCH", path, body)
    assert (answer.json["name"], answer.json["capabilities"]) == ("Clinic", [])
    private = {"allow_private_addresses": True, "name": "Changed"}
    refused = await people.ask(people.owner, "PATCH", path, private)
    assert (refused.status, refused.json["code"]) == (403, "not-permitted")
    answer = await people.operate("PATCH", path, {"allow_private_addresses": True})
    assert (answer.json["allow_private_addresses"], answer.json["name"]) == (True, "Clinic")
    assert answer.json["pool_alerts"] is False
    answer = await people.ask(people.owner, "PATCH", path, {"pool_alerts": True})
    assert (answer.json["pool_alerts"], answer.json["name"]) == (True, "Clinic")


async def test_application_is_disabled_and_enabled(people: People) -> None:
    path = f"/applications/{await people.create()}"
    for command, status in (("disable", "disabled"), ("enable", "active")):
        assert (await people.ask(people.owner, "POST", f"{path}/{command}")).status == 204
        assert (await people.ask(people.owner, "GET", path)).json["status"] == status


async def test_key_is_rotated_and_the_old_one_revoked(people: People) -> None:
    path = f"/applications/{await people.create()}"
    rotated = await people.ask(people.owner, "POST", f"{path}/keys", {"grace_s": 60})
    assert rotated.status == 200
    until = rotated.json["old_secret_until"]
    assert (await people.ask(people.owner, "GET", path)).json["old_secret_until"] == until
    assert (await people.ask(people.owner, "DELETE", f"{path}/keys/old")).status == 204
    assert (await people.ask(people.owner, "GET", path)).json["old_secret_until"] is None
    again = await people.ask(people.owner, "POST", f"{path}/keys")
    assert again.json["old_secret_until"] is not None
    assert again.json["secret"] != rotated.json["secret"]
    signing = await people.ask(people.owner, "POST", f"{path}/signing-keys")
    assert signing.json["signing_secret"].startswith("whsec_")
    too_long = await people.ask(people.owner, "POST", f"{path}/keys", {"grace_s": 2_592_001})
    assert (too_long.status, too_long.json["pointer"]) == (400, "/grace_s")


async def test_no_key_is_in_the_audit_log(people: People) -> None:
    path = f"/applications/{await people.create()}"
    rotated = await people.ask(people.owner, "POST", f"{path}/keys")
    entries = people.management.audit_log.list_entries(limit=10)
    assert {entry.operation for entry in entries} == {"createApplication", "rotateKey"}
    assert rotated.json["secret"] not in str(entries)


async def test_audit_log_tells_whose_application_was_changed(people: People) -> None:
    path = f"/applications/{await people.create()}"
    await people.operate("POST", f"{path}/keys")
    await people.operate("PATCH", path, {"name": "x"})
    await people.operate("PATCH", f"{path}/limits", {})
    await people.operate("PUT", f"{path}/pools/p", {"numbers": []})
    await people.operate("DELETE", f"{path}/pools/p")
    entries = people.management.audit_log.list_entries(limit=10)
    assert [entry.enterprise_id for entry in entries] == ["acme"] * 6


async def test_allow_list_and_limits_are_set_and_read(people: People) -> None:
    path = f"/applications/{await people.create()}"
    networks = {"networks": ["203.0.113.0/24", "2001:db8::1"]}
    answer = await people.ask(people.owner, "PUT", f"{path}/allow-list", networks)
    assert answer.json == {"networks": ["203.0.113.0/24", "2001:db8::1/128"]}
    assert (await people.ask(people.reader, "GET", f"{path}/allow-list")).json == answer.json
    wrong = await people.ask(people.owner, "PUT", f"{path}/allow-list", {"networks": ["x"]})
    assert (wrong.status, wrong.json["code"]) == (400, "invalid-value")
    limits = {"live_calls_max": 5, "requests_per_second_max": 9}
    answer = await people.ask(people.owner, "PATCH", f"{path}/limits", limits)
    assert answer.json == limits | {"calls_per_second_max": None}
    answer = await people.ask(people.owner, "PATCH", f"{path}/limits", {"live_calls_max": None})
    assert answer.json["live_calls_max"] is None
    assert (await people.ask(people.reader, "GET", f"{path}/limits")).json == answer.json


async def test_server_is_tested(people: People) -> None:
    path = f"/applications/{await people.create()}"
    none = await people.ask(people.owner, "POST", f"{path}/server-test")
    assert (none.status, none.json["code"]) == (409, "conflict")
    # The platform speaks to nobody's private network for a customer.
    app_id = path.rsplit("/", 1)[1]
    people.management.applications.by_id[AppId(app_id)] = create_application(
        app_id=AppId(app_id), allow_private_addresses=False
    )
    answer = await people.ask(people.owner, "POST", f"{path}/server-test")
    assert (answer.status, answer.json["accepted"]) == (200, False)
    assert "public Internet" in answer.json["error"]


async def test_application_of_another_is_not_there_and_a_reader_changes_nothing(
    people: People,
) -> None:
    path = f"/applications/{await people.create()}"
    for method, suffix, body in (
        ("PATCH", "", {"name": "x"}),
        ("POST", "/enable", None),
        ("POST", "/disable", None),
        ("POST", "/keys", None),
        ("DELETE", "/keys/old", None),
        ("POST", "/signing-keys", None),
        ("POST", "/server-test", None),
        ("PUT", "/allow-list", {"networks": []}),
        ("PATCH", "/limits", {}),
        ("POST", "/numbers", {"number": NUMBER}),
        ("DELETE", f"/numbers/{NUMBER}", None),
        ("PUT", "/pools/p", {"numbers": []}),
        ("DELETE", "/pools/p", None),
    ):
        answer = await people.ask(people.stranger, method, path + suffix, body)
        assert (answer.status, answer.json["code"]) == (404, "not-found"), suffix
        answer = await people.ask(people.reader, method, path + suffix, body)
        assert (answer.status, answer.json["code"]) == (403, "not-permitted"), suffix
    for suffix in ("", "/allow-list", "/limits", "/numbers", "/pools", "/pools/p"):
        answer = await people.ask(people.stranger, "GET", path + suffix)
        assert (answer.status, answer.json["code"]) == (404, "not-found"), suffix


async def test_program_from_outside_its_allow_list_is_nobody(
    create_management: CreateManagement,
) -> None:
    gate = RequestGate(ClientAddresses())
    management = create_management(gate=gate, allow_list=(ip_network("203.0.113.0/24"),))
    answer = await management.ask("POST", "/calls", CALL, credential=APPLICATION)
    assert (answer.status, answer.json["code"]) == (401, "not-authenticated")
    assert management.service.begun == []


async def test_program_is_bounded_by_the_second(create_management: CreateManagement) -> None:
    gate = RequestGate(now=lambda: 100.0)
    limits = ApplicationLimits(requests_per_second_max=1)
    management = create_management(gate=gate, own_limits=limits)
    assert (await management.ask("GET", "/calls", credential=APPLICATION)).status == 200
    answer = await management.ask("GET", "/calls", credential=APPLICATION)
    assert (answer.status, answer.json["code"]) == (503, "limit-reached")
    assert answer.headers["retry-after"] == "1"


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (CapabilityMissing("no recording"), 403, "not-permitted"),
        (ApplicationLimitReached("20 already", retry_after_s=2), 503, "limit-reached"),
    ],
)
async def test_begin_beyond_what_an_application_may_says_why(
    management: Management, error: Exception, status: int, code: str
) -> None:
    management.service.error = error
    answer = await management.ask("POST", "/calls", CALL, credential=APPLICATION)
    assert (answer.status, answer.json["code"]) == (status, code)
    assert answer.json["detail"] == str(error)


# Numbers


async def test_number_goes_from_the_inventory_to_a_call_and_back(people: People) -> None:
    app_id = await people.create()
    body = {"number": NUMBER, "city": "Beijing", "region": "Beijing"}
    added = await people.operate("POST", "/numbers", body)
    assert (added.status, added.json["number"], added.json["state"]) == (201, E164, "free")
    free = await people.ask(people.owner, "GET", "/free-numbers", query="city=Beijing&kind=fixed")
    expected = {"number": E164, "kind": "fixed", "city": "Beijing", "region": "Beijing"}
    assert free.json == {"numbers": [expected], "next": None}

    order = await people.ask(people.owner, "POST", "/number-orders", {"numbers": [NUMBER]})
    assert (order.status, order.json["channel"], order.json["state"]) == (201, "online", "open")
    again = await people.ask(people.stranger, "POST", "/number-orders", {"numbers": [NUMBER]})
    assert (again.status, again.json["code"]) == (409, "conflict")
    people.approve(order.json["work_order_id"])
    path = f"/number-orders/{order.json['order_id']}"
    assert (await people.ask(people.reader, "GET", path)).json["state"] == "approved"
    assert (await people.ask(people.stranger, "GET", path)).status == 404

    numbers = f"/applications/{app_id}/numbers"
    assigned = await people.ask(people.owner, "POST", numbers, {"number": NUMBER})
    assert assigned.json == {"numbers": [E164]}
    pool = f"/applications/{app_id}/pools/sales"
    made = await people.ask(people.owner, "PUT", pool, {"numbers": [NUMBER]})
    expected_number = {"number": E164, "city": "Beijing", "region": "Beijing"}
    expected_pool = {"name": "sales", "numbers": [expected_number], "fallback": []}
    assert made.json == expected_pool
    assert (await people.ask(people.reader, "GET", pool)).json == expected_pool
    mine = await people.ask(people.owner, "GET", "/enterprises/acme/numbers")
    assert mine.json["numbers"][0]["applications"] == [app_id]
    assert (await people.ask(people.stranger, "GET", "/enterprises/acme/numbers")).status == 404

    release = f"/numbers/{NUMBER}/release"
    assert (await people.ask(people.stranger, "POST", release)).status == 404
    assert (await people.ask(people.owner, "POST", release)).status == 204
    shown = await people.operate("GET", f"/numbers/{E164}")
    assert (shown.json["state"], shown.json["applications"]) == ("cooling-off", [])
    left = await people.ask(people.owner, "GET", f"/applications/{app_id}/pools")
    assert left.json["pools"][0]["numbers"] == []


async def test_order_for_a_customer_is_offline_and_can_be_withdrawn(people: People) -> None:
    await people.operate("POST", "/numbers", {"number": NUMBER})
    body = {"numbers": [NUMBER], "enterprise_id": "acme"}
    order = await people.ask(people.manager, "POST", "/number-orders", body)
    assert (order.json["channel"], order.json["reserved_until"] > order.json["placed_at"]) == (
        "offline",
        True,
    )
    path = f"/number-orders/{order.json['order_id']}/withdraw"
    assert (await people.ask(people.stranger, "POST", path)).status == 404
    assert (await people.ask(people.owner, "POST", path)).json["state"] == "withdrawn"
    again = await people.ask(people.owner, "POST", path)
    assert (again.status, again.json["code"]) == (409, "conflict")
    listed = await people.ask(people.owner, "GET", "/number-orders", query="state=withdrawn")
    assert [each["numbers"] for each in listed.json["orders"]] == [[E164]]
    none = await people.ask(people.owner, "GET", "/number-orders", query="state=open")
    assert none.json["orders"] == []
    wrong = await people.ask(people.owner, "GET", "/number-orders", query="state=lost")
    assert wrong.json["code"] == "invalid-parameter"


async def test_number_is_described_retired_and_reinstated(people: People) -> None:
    await people.operate("POST", "/trunks", {"name": "north", "host": "192.0.2.1"})
    await people.operate("POST", "/numbers", {"number": NUMBER})
    path = f"/numbers/{NUMBER}"
    changed = await people.operate("PATCH", path, {"trunk": "north", "city": "Beijing"})
    assert (changed.json["trunk"], changed.json["city"]) == ("north", "Beijing")
    changed = await people.operate("PATCH", path, {"region": "Beijing"})
    assert changed.json["trunk"] == "north"
    assert (await people.operate("PATCH", path, {"trunk": None})).json["trunk"] is None
    assert (await people.operate("PATCH", path, {"trunk": "south"})).status == 404
    assert (await people.operate("POST", f"{path}/retire")).json["state"] == "retired"
    assert (await people.operate("POST", f"{path}/retire")).status == 409
    assert (await people.operate("POST", f"{path}/reinstate")).json["state"] == "free"
    assert (await people.operate("POST", "/numbers", {"number": NUMBER})).status == 409
    assert (await people.operate("GET", "/numbers/01052680009")).status == 404


async def test_file_is_imported_with_an_outcome_for_each_row(people: People) -> None:
    content = b"number,city\n01052680001,Beijing\n01052680001,Beijing\nx,\n"
    answer = await people.operate("POST", "/numbers/import", content)
    assert answer.json == {
        "added": 1,
        "refused": [
            {"line": 3, "why": "it is in the inventory already"},
            {"line": 4, "why": "* is not a telephone number"},
        ],
    }
    page = await people.operate("GET", "/numbers", query="state=free&limit=1")
    assert [each["number"] for each in page.json["numbers"]] == [E164]
    too_long = await people.operate("POST", "/numbers/import", b"x" * (FILE_BYTES_MAX + 1))
    assert (too_long.status, too_long.json["code"]) == (413, "body-too-long")
    none = await people.operate("POST", "/numbers/import", b"nothing")
    assert (none.status, none.json["code"]) == (400, "invalid-value")


async def test_inventory_comes_in_pages_by_number(people: People) -> None:
    content = "number\n" + "".join(f"0105268000{index}\n" for index in range(5))
    await people.operate("POST", "/numbers/import", content.encode())
    first = (await people.operate("GET", "/numbers", query="limit=3")).json
    # A client that does not escape the plus is understood as well.
    for cursor in (first["next"].replace("+", "%2B"), first["next"]):
        rest = (await people.operate("GET", "/numbers", query=f"limit=3&cursor={cursor}")).json
        assert [each["number"][-1] for each in rest["numbers"]] == ["3", "4"]
        assert rest["next"] is None


async def test_inventory_is_the_operators(people: People) -> None:
    for method, path in (
        ("GET", "/numbers"),
        ("POST", "/numbers"),
        ("POST", "/numbers/import"),
        ("GET", f"/numbers/{NUMBER}"),
        ("PATCH", f"/numbers/{NUMBER}"),
        ("POST", f"/numbers/{NUMBER}/retire"),
        ("POST", f"/numbers/{NUMBER}/reinstate"),
    ):
        answer = await people.ask(people.owner, method, path, None if method == "GET" else b"{")
        assert (answer.status, answer.json["code"]) == (403, "not-permitted"), path


async def test_audit_log_has_no_whole_number(people: People) -> None:
    await people.operate("POST", "/numbers", {"number": NUMBER})
    await people.operate("POST", f"/numbers/{NUMBER}/retire")
    entries = people.management.audit_log.list_entries(limit=10)
    assert {entry.operation for entry in entries} == {"addNumber", "retireNumber"}
    assert "52680001" not in str(entries)
