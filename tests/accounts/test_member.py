"""Members and departments, one by one."""

import csv
import io
from dataclasses import replace
from functools import partial

import pytest
from sqlalchemy import Engine, text
from tests.accounts.enterprises import ACME, NOW, OTHER, add_enterprises
from tests.harness.plan import read_plans

from clicktodial.accounts import department, member
from clicktodial.accounts.department import Departments
from clicktodial.accounts.member import Members, MemberSearch
from clicktodial.domain.member import MemberProfile
from clicktodial.domain.protection import CallCaps
from clicktodial.storage.error import AlreadyExists, NotFound, ValueInvalid
from clicktodial.storage.protection_row import read_call_rules
from clicktodial.storage.transaction import Transactions

LI_LEI = MemberProfile(e164="139 1234 5673", name="李雷", department="销售", employee_id="A-1")


@pytest.fixture
def members(engine: Engine, transactions: Transactions) -> Members:
    add_enterprises(engine)
    return Members(transactions, region="CN")


@pytest.fixture
def departments(members: Members, transactions: Transactions) -> Departments:
    return Departments(transactions)


def version(engine: Engine) -> int:
    with engine.connect() as connection:
        return int(connection.execute(text("SELECT version FROM administration")).scalar_one())


def test_member_is_added_changed_and_removed(members: Members) -> None:
    added = members.add(ACME, LI_LEI, now=NOW)
    assert added.profile.e164 == "+8613912345673"
    assert members.show(ACME, added.member_id) == added
    changed = members.change(
        ACME,
        added.member_id,
        lambda known: replace(known, note="on leave", department="", caps=CallCaps(per_day=3)),
        now=NOW,
    )
    assert members.show(ACME, added.member_id) == changed
    assert (changed.profile.note, changed.profile.department) == ("on leave", "")
    members.remove(ACME, added.member_id)
    assert members.count(ACME) == 0
    for gone in (members.show, members.remove):
        with pytest.raises(NotFound):
            gone(ACME, added.member_id)


@pytest.mark.on_every_database
def test_number_is_a_member_once_in_an_enterprise(members: Members) -> None:
    first = members.add(ACME, LI_LEI, now=NOW)
    with pytest.raises(AlreadyExists):
        members.add(ACME, replace(LI_LEI, e164="+8613912345673"), now=NOW)
    other = members.add(ACME, replace(LI_LEI, e164="13912345674"), now=NOW)
    with pytest.raises(AlreadyExists):
        members.change(ACME, other.member_id, lambda _: LI_LEI, now=NOW)
    members.add(OTHER, LI_LEI, now=NOW)
    assert [each.member_id for each in members.find(ACME, limit=9)] == [
        first.member_id,
        other.member_id,
    ]


def test_member_of_another_enterprise_is_not_there(members: Members) -> None:
    member_id = members.add(OTHER, LI_LEI, now=NOW).member_id
    with pytest.raises(NotFound):
        members.show(ACME, member_id)
    with pytest.raises(NotFound):
        members.change(ACME, member_id, lambda known: known, now=NOW)
    with pytest.raises(NotFound):
        members.remove(ACME, member_id)
    with pytest.raises(NotFound, match="no enterprise"):
        members.add("nobody", LI_LEI, now=NOW)
    assert members.count(OTHER) == 1


@pytest.mark.parametrize(
    "profile",
    [
        replace(LI_LEI, e164="12"),
        replace(LI_LEI, e164=""),
        replace(LI_LEI, name="x" * 201),
        replace(LI_LEI, note="a\nb"),
        replace(LI_LEI, employee_id="x" * 65),
        replace(LI_LEI, caps=CallCaps(per_day=0)),
        replace(LI_LEI, caps=CallCaps(per_month=1_000_001)),
    ],
)
def test_profile_out_of_bounds_is_refused(members: Members, profile: MemberProfile) -> None:
    with pytest.raises(ValueInvalid) as refused:
        members.add(ACME, profile, now=NOW)
    assert "139" not in str(refused.value)
    assert members.count(ACME) == 0


@pytest.mark.on_every_database
def test_search_by_number_name_employee_and_department(
    members: Members, departments: Departments
) -> None:
    for serial, name in enumerate(("Ann", "Bob", "50%", "under_score", "ÖZLEM")):
        members.add(
            ACME,
            MemberProfile(
                e164=f"1391234567{serial}",
                name=name,
                employee_id=f"E{serial}",
                department="Sales" if serial % 2 else "",
            ),
            now=NOW,
        )
    [sales] = departments.list_all(ACME)

    def names(words: str, department_id: str | None = None) -> list[str]:
        search = MemberSearch(words, department_id)
        return [each.profile.name for each in members.find(ACME, search, limit=9)]

    assert names("ANN") == ["Ann"]
    assert names("e2") == ["50%"]
    assert names("139-1234 5671") == ["Bob"]
    assert names("%") == ["50%"]
    assert names("_") == ["under_score"]
    assert names("özlem") == ["ÖZLEM"]
    assert names("") == ["Ann", "Bob", "50%", "under_score", "ÖZLEM"]
    assert names("", sales.department_id) == ["Bob", "under_score"]
    assert names("b", sales.department_id) == ["Bob"]
    assert names("+86139") == names("")
    assert names("nobody") == []
    with pytest.raises(ValueInvalid):
        names("x" * 65)


@pytest.mark.on_every_database
def test_pages_have_each_member_once(members: Members) -> None:
    numbers = [f"+861391234{serial:04d}" for serial in range(25)]
    for e164 in numbers:
        members.add(ACME, MemberProfile(e164=e164), now=NOW)
    found, after = [], ""
    while page := members.find(ACME, after=after, limit=10):
        found += [each.profile.e164 for each in page]
        after = page[-1].member_id
    assert found == numbers


@pytest.mark.on_every_database
def test_search_follows_what_is_changed(members: Members) -> None:
    added = members.add(ACME, LI_LEI, now=NOW)
    members.change(ACME, added.member_id, lambda known: replace(known, name="韩梅梅"), now=NOW)
    assert members.find(ACME, MemberSearch("李"), limit=9) == []
    assert len(members.find(ACME, MemberSearch("梅"), limit=9)) == 1


@pytest.mark.on_every_database
def test_an_index_alone_tells_who_fits(engine: Engine, members: Members) -> None:
    for search, index in (
        (MemberSearch(), "COVERING INDEX member_in_order"),
        (MemberSearch("nobody"), "COVERING INDEX member_in_order"),
        (MemberSearch("139 1234"), "COVERING INDEX member_in_order"),
        (MemberSearch("", "sales"), "INDEX member_of_department"),
    ):
        ask = partial(members.find, ACME, search, after="0", limit=26)
        [*_, plan] = read_plans(engine, ask)
        assert "Seq Scan" not in plan
        if engine.dialect.name == "sqlite":
            assert index in plan
            assert "TEMP B-TREE" not in plan


def test_counting_members_stops(members: Members) -> None:
    for serial in range(3):
        members.add(ACME, replace(LI_LEI, e164=f"1391234567{serial}"), now=NOW)
    assert [members.count(ACME, at_most=most) for most in (2, 3, 4)] == [2, 3, 3]


@pytest.mark.on_every_database
def test_departments_are_counted_in_an_index_and_come_in_pages(
    engine: Engine, members: Members, departments: Departments
) -> None:
    for serial in range(5):
        members.add(
            ACME, replace(LI_LEI, e164=f"1391234567{serial}", department=f"D{serial // 2}"), now=NOW
        )
    members.add(OTHER, LI_LEI, now=NOW)
    first = departments.find(ACME, limit=2)
    rest = departments.find(ACME, after=first[-1].department_id, limit=2)
    assert [(each.name, each.member_count) for each in first + rest] == [
        ("D0", 2), ("D1", 2), ("D2", 1),
    ]  # fmt: skip
    assert departments.list_all(ACME) == first + rest
    assert departments.list_names(ACME) == [
        (each.department_id, each.name) for each in first + rest
    ]
    assert departments.show(ACME, rest[0].department_id) == rest[0]
    with pytest.raises(NotFound):
        departments.show(OTHER, rest[0].department_id)
    for plan in read_plans(engine, lambda: departments.find(ACME, limit=2)):
        assert "Seq Scan" not in plan and "SCAN member" not in plan
        if engine.dialect.name == "sqlite" and "SUBQUERY" in plan:
            assert "COVERING INDEX member_of_department" in plan


def test_enterprise_has_no_more_members_than_may_be(
    members: Members, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(member, "MEMBERS_MAX", 1)
    members.add(ACME, LI_LEI, now=NOW)
    with pytest.raises(ValueInvalid, match="1 members"):
        members.add(ACME, replace(LI_LEI, e164="13912345674"), now=NOW)


def test_export_neutralizes_formulas(members: Members) -> None:
    dangerous = MemberProfile(
        e164="13912345673", name='=cmd|" /C calc"!A0', note="@SUM(1)", employee_id="-1"
    )
    members.add(ACME, dangerous, now=NOW)
    content = b"".join(members.export(ACME)).decode("utf-8-sig")
    [header, row] = csv.reader(io.StringIO(content))
    assert header[:3] == ["number", "name", "department"]
    assert row == ["+8613912345673", '\'=cmd|" /C calc"!A0', "", "'-1", "'@SUM(1)", "", ""]


def test_departments_are_a_flat_list_with_caps(
    members: Members, departments: Departments, engine: Engine
) -> None:
    sales = departments.add(ACME, "Sales", caps=CallCaps(per_month=9), now=NOW)
    with pytest.raises(AlreadyExists):
        departments.add(ACME, "Sales", now=NOW)
    departments.add(OTHER, "Sales", now=NOW)
    added = members.add(ACME, replace(LI_LEI, department="Sales"), now=NOW)
    [listed] = departments.list_all(ACME)
    assert (listed.department_id, listed.member_count) == (sales, 1)
    assert listed.caps == CallCaps(per_month=9)
    departments.change(ACME, sales, name="Verkauf", caps={"per_day": 1})
    assert departments.list_all(ACME)[0].caps == CallCaps(per_day=1, per_month=9)
    assert members.show(ACME, added.member_id).profile.department == "Verkauf"
    with engine.connect() as connection:
        assert read_call_rules(connection, ACME, "app").has_caps
        assert not read_call_rules(connection, OTHER, "app").has_caps
    departments.remove(ACME, sales)
    assert members.show(ACME, added.member_id).profile.department == ""
    for gone in (departments.remove, departments.change):
        with pytest.raises(NotFound):
            gone(ACME, sales)
    with pytest.raises(NotFound):
        departments.list_all("nobody")


def test_departments_are_bounded(departments: Departments, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(department, "DEPARTMENTS_MAX", 1)
    departments.add(ACME, "Sales", now=NOW)
    with pytest.raises(ValueInvalid):
        departments.add(ACME, "Support", now=NOW)


def test_running_nodes_are_told_of_caps_and_not_of_each_member(
    members: Members, engine: Engine
) -> None:
    before = version(engine)
    added = members.add(ACME, LI_LEI, now=NOW)
    members.change(ACME, added.member_id, lambda known: replace(known, name="x"), now=NOW)
    assert version(engine) == before
    members.change(
        ACME, added.member_id, lambda known: replace(known, caps=CallCaps(per_day=1)), now=NOW
    )
    assert version(engine) == before + 1


def test_profile_shows_nothing_of_a_person_in_logs() -> None:
    assert "139" not in repr(LI_LEI)
