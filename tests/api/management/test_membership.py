"""Members, imports, lists and rules over the management API."""

from typing import Any

import pytest
from tests.api.management.support import Management

from clicktodial.accounts.table_reader import FILE_BYTES_MAX
from clicktodial.api.management import table_import, upload
from clicktodial.domain.principal import Role

ENTERPRISE = "/enterprises/default"
MEMBERS = f"{ENTERPRISE}/members"
IMPORTS = f"{ENTERPRISE}/member-imports"


async def add(management: Management, number: str, **values: Any) -> Any:
    answer = await management.ask("POST", MEMBERS, {"number": number, **values})
    assert answer.status == 201, answer
    assert answer.headers["location"].endswith(f"/members/{answer.json['member_id']}")
    return answer.json


async def test_member_is_added_read_changed_and_removed(management: Management) -> None:
    member = await add(management, "139 1234 5673", name="Ann", department="Sales")
    path = f"{MEMBERS}/{member['member_id']}"
    assert (await management.ask("GET", path)).json == member
    change = {"note": "new", "calls_per_day": 3, "number": "13912345674"}
    changed = (await management.ask("PATCH", path, change)).json
    assert changed == member | change | {"number": "+8613912345674"}
    answer = await management.ask("PATCH", path, {"calls_per_day": None, "calls_per_month": 9})
    assert (answer.json["calls_per_day"], answer.json["calls_per_month"]) == (None, 9)
    assert (await management.ask("DELETE", path)).status == 204
    assert (await management.ask("GET", path)).json["code"] == "not-found"


async def test_member_that_is_there_or_is_none_is_refused(management: Management) -> None:
    await add(management, "13912345673")
    answer = await management.ask("POST", MEMBERS, {"number": "+8613912345673"})
    assert (answer.status, answer.json["code"]) == (409, "already-exists")
    for body in ({"number": "12"}, {"number": "13912345674", "calls_per_day": 0}):
        answer = await management.ask("POST", MEMBERS, body)
        assert (answer.status, answer.json["code"]) == (400, "invalid-value")
        assert "1391234" not in answer.body.decode()


async def test_members_come_in_pages_and_by_search(management: Management) -> None:
    for serial in range(5):
        await add(management, f"1391234567{serial}", name=f"Member {serial}", department="Sales")
    names: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        page = (await management.ask("GET", MEMBERS, query=f"limit=2{cursor}")).json
        names += [member["name"] for member in page["members"]]
        cursor = f"&cursor={page['next']}" if page["next"] else None
    assert names == [f"Member {serial}" for serial in range(5)]
    [department] = (await management.ask("GET", f"{ENTERPRISE}/departments")).json["departments"]
    assert (department["name"], department["member_count"]) == ("Sales", 5)
    query = f"search=member+3&department_id={department['department_id']}"
    [found] = (await management.ask("GET", MEMBERS, query=query)).json["members"]
    assert found["name"] == "Member 3"
    answer = await management.ask("GET", MEMBERS, query="department_id=none")
    assert answer.json["code"] == "not-found"


async def test_who_reads_members_is_told_to_the_audit_log(management: Management) -> None:
    reader = management.sessions.log_in(Role.READER, enterprise_id="default")
    await management.ask("GET", MEMBERS, credential=reader)
    answer = await management.ask("GET", f"{MEMBERS}.csv", credential=reader)
    assert answer.headers["content-disposition"] == 'attachment; filename="members.csv"'
    assert answer.body.decode("utf-8-sig").startswith("number,name,department")
    told = [each.operation for each in management.audit_log.list_entries(limit=9)]
    assert told == ["exportMembers", "listMembers"]
    answer = await management.ask("POST", MEMBERS, {"number": "13912345673"}, credential=reader)
    assert answer.json["code"] == "not-permitted"


async def test_departments_have_caps(management: Management) -> None:
    path = f"{ENTERPRISE}/departments"
    made = (await management.ask("POST", path, {"name": "Sales", "calls_per_day": 5})).json
    one = f"{path}/{made['department_id']}"
    assert (await management.ask("PATCH", one, {"calls_per_month": 50})).status == 204
    assert (await management.ask("PATCH", one, {"name": "Verkauf"})).status == 204
    [listed] = (await management.ask("GET", path)).json["departments"]
    assert listed == made | {"name": "Verkauf", "calls_per_month": 50}
    assert (await management.ask("DELETE", one)).status == 204
    assert (await management.ask("GET", path)).json == {"departments": []}


FILE = b"number,name\n13912345673,Ann\n12,Bob\n13912345674,Cid\n"


async def test_file_is_imported_beside_and_its_rows_told(management: Management) -> None:
    answer = await management.ask("POST", IMPORTS, FILE, chunks=[FILE[:20], FILE[20:]])
    assert (answer.status, answer.json["state"]) == (201, "waiting")
    path = answer.headers["location"].removeprefix("/management/v1")
    management.runner.run()
    job = (await management.ask("GET", path)).json
    assert (job["state"], job["rows"], job["added"], job["refused"]) == ("done", 3, 2, 1)
    problem = {"row": 3, "problem": "the number is not a telephone number"}
    told = (await management.ask("GET", f"{path}/problems")).json
    assert told == {"problems": [problem], "next": None}
    assert (await management.ask("GET", IMPORTS)).json == {"imports": [job]}
    assert len((await management.ask("GET", MEMBERS)).json["members"]) == 2


async def test_import_of_all_or_nothing(management: Management) -> None:
    answer = await management.ask("POST", IMPORTS, FILE, query="mode=all-or-nothing")
    management.runner.run()
    path = f"{IMPORTS}/{answer.json['import_id']}"
    assert (await management.ask("GET", path)).json["state"] == "refused"
    answer = await management.ask("POST", IMPORTS, FILE, query="mode=other")
    assert answer.json["code"] == "invalid-parameter"


async def test_upload_is_bounded(management: Management, monkeypatch: pytest.MonkeyPatch) -> None:
    assert upload.PIECE_BYTES < FILE_BYTES_MAX
    monkeypatch.setattr(table_import, "FILE_BYTES_MAX", 10)
    answer = await management.ask("POST", IMPORTS, FILE)
    assert (answer.status, answer.json["code"]) == (413, "body-too-long")
    management.runner.has_room = False
    answer = await management.ask("POST", IMPORTS, b"number\n")
    assert (answer.status, answer.json["code"]) == (503, "overloaded")
    assert management.runner.waiting == []


@pytest.mark.parametrize("path", ["/do-not-call", f"{ENTERPRISE}/do-not-call",
                                  "/allowed-callees", f"{ENTERPRISE}/allowed-callees"])  # fmt: skip
async def test_number_is_listed_found_and_removed(management: Management, path: str) -> None:
    body = {"number": "13810268653", "reason": "asked", "expires_at": "2099-01-01T00:00:00Z"}
    entry = (await management.ask("POST", path, body)).json
    assert entry["shown"] == "+8613*******53"
    assert (await management.ask("POST", f"{path}/find", {"number": "13810268653"})).json == entry
    assert (await management.ask("GET", path)).json == {"entries": [entry], "next": None}
    assert (await management.ask("DELETE", f"{path}/{entry['entry_id']}")).status == 204
    answer = await management.ask("POST", f"{path}/find", {"number": "13810268653"})
    assert answer.json["code"] == "not-found"


async def test_platform_list_is_imported_by_the_operator(management: Management) -> None:
    answer = await management.ask("POST", "/do-not-call-imports", b"number\n13810268653\n")
    management.runner.run()
    path = answer.headers["location"].removeprefix("/management/v1")
    assert (await management.ask("GET", path)).json["added"] == 1
    owner = management.sessions.log_in(Role.OWNER, enterprise_id="default")
    answer = await management.ask("GET", "/do-not-call", credential=owner)
    assert answer.json["code"] == "not-permitted"


async def test_blacklist_in_pages(management: Management) -> None:
    for number, is_prefix in (("+4487", True), ("01052680000", False)):
        body = {"number": number, "is_prefix": is_prefix, "reason": "fraud"}
        assert (await management.ask("POST", "/blacklist", body)).status == 200
    first = (await management.ask("GET", "/blacklist", query="limit=1")).json
    assert [each["number"] for each in first["entries"]] == ["+4487"]
    rest = await management.ask("GET", "/blacklist", query=f"limit=1&cursor={first['next']}")
    assert [each["number"] for each in rest.json["entries"]] == ["+861052680000"]
    assert rest.json["next"] is None
    answer = await management.ask("POST", "/blacklist/remove", {"number": "+4487"})
    assert answer.status == 204
    answer = await management.ask("POST", "/blacklist/remove", {"number": "+4487"})
    assert answer.json["code"] == "not-found"


async def test_rules_change_as_they_are_given(management: Management) -> None:
    path = f"{ENTERPRISE}/protection"
    before = (await management.ask("GET", path)).json
    assert before["members_only"] is False
    change = {
        "members_only": True,
        "member_calls_per_day": 10,
        "callee_calls_per_hour": 2,
        "quiet_hours": {"since": "21:00", "until": "08:00"},
        "time_zone": "Asia/Tokyo",
    }
    assert (await management.ask("PATCH", path, change)).json == before | change
    answer = await management.ask("PATCH", path, {"quiet_hours": None})
    assert answer.json == before | change | {"quiet_hours": None}
    await management.ask("PATCH", "/protection", {"callee_calls_per_hour": 1})
    answer = await management.ask("PATCH", path, {"callee_calls_per_hour": 2})
    assert (answer.status, answer.json["code"]) == (400, "invalid-value")
    for wrong in ({"time_zone": "Mars"}, {"quiet_hours": {"since": "25:00", "until": "08:00"}}):
        assert (await management.ask("PATCH", path, wrong)).status == 400


async def test_operators_rules_and_exceptions_from_them(management: Management) -> None:
    change = {"callee_calls_per_day": 9, "quiet_hours": {"since": "22:00", "until": "07:00"}}
    changed = (await management.ask("PATCH", "/protection", change)).json
    assert (await management.ask("GET", "/protection")).json == changed
    path = f"{ENTERPRISE}/protection/applications/12345678"
    owner = management.sessions.log_in(Role.OWNER, enterprise_id="default")
    body = {"ignores_quiet_hours": True}
    answer = await management.ask("PATCH", path, body, credential=owner)
    assert answer.json == body | {"ignores_platform_quiet_hours": False}
    body = {"ignores_platform_quiet_hours": True}
    answer = await management.ask("PATCH", path, body, credential=owner)
    assert (answer.status, answer.json["code"]) == (403, "not-permitted")
    assert (await management.ask("PATCH", path, body)).json["ignores_platform_quiet_hours"]
