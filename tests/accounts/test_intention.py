"""Intentions to subscribe."""

from dataclasses import replace

import pytest
from sqlalchemy import select
from tests.accounts.business import (
    CONTACT,
    MANAGER,
    NEW_INTENTION,
    NOW,
    REVIEWER,
    SOUTH_MANAGER,
    SUPPORT,
    Business,
    owner_of,
)

from clicktodial.accounts.account_manager import PersonAccountManagers, choose_manager
from clicktodial.domain.enterprise import EnterpriseState
from clicktodial.domain.intention import IntentionChannel, IntentionState
from clicktodial.domain.principal import OPERATOR_PRINCIPAL, Principal
from clicktodial.storage import people_table
from clicktodial.storage.business_table import REASON_CHARACTERS_MAX, intention
from clicktodial.storage.enterprise_row import insert_enterprise
from clicktodial.storage.error import (
    AlreadyExists,
    Conflict,
    NotFound,
    NotPermitted,
    ValueInvalid,
)
from clicktodial.storage.people_table import person


@pytest.fixture
def customer(business: Business) -> Principal:
    """The owner of an enterprise that has just registered."""
    with business.transactions.change() as connection:
        insert_enterprise(connection, "acme", name="acme", state=EnterpriseState.PROSPECT)
    return owner_of("acme")


def test_customer_submits_and_the_regions_manager_gets_it(
    business: Business, customer: Principal
) -> None:
    submitted = business.intentions.submit(customer, NEW_INTENTION, now=NOW)
    assert submitted.state is IntentionState.ASSIGNED
    assert (submitted.channel, submitted.account_manager) == (IntentionChannel.PORTAL, "mina")
    enterprise = business.enterprises.show(customer, "acme")
    assert (enterprise.name, enterprise.region) == ("Acme Ltd", "north")
    assert enterprise.account_manager == "mina"
    shown = business.intentions.show(MANAGER, submitted.intention_id, now=NOW)
    assert shown.contact == replace(CONTACT, phone="+8613912345673")
    assert shown.note == "two shops"


def test_one_who_called_becomes_a_prospect(business: Business) -> None:
    entered = business.intentions.submit(SUPPORT, NEW_INTENTION, now=NOW)
    assert (entered.channel, entered.submitted_by) == (IntentionChannel.HOTLINE, "sue")
    enterprise = business.enterprises.show(MANAGER, entered.enterprise_id)
    assert enterprise.state is EnterpriseState.PROSPECT


def test_contact_is_sealed_and_its_reading_noted(business: Business) -> None:
    entered = business.enter()
    with business.transactions.read() as connection:
        sealed = connection.scalars(select(intention.c.contact_encrypted)).one()
        assert b"acme" not in sealed
    business.intentions.show(MANAGER, entered.intention_id, now=NOW)
    with business.transactions.read() as connection:
        row = connection.execute(select(people_table.audit)).one()
    assert (row.principal, row.operation) == ("mina", "readIntentionContact")
    assert (row.enterprise_id, row.outcome) == (entered.enterprise_id, "read")
    assert "Li Lei" not in repr(business.intentions.show(MANAGER, entered.intention_id, now=NOW))
    assert business.intentions.list_intentions(MANAGER)[0].contact is None


def test_region_without_a_manager_keeps_it_reserved(business: Business) -> None:
    new = replace(NEW_INTENTION, region="east")
    entered = business.intentions.submit(OPERATOR_PRINCIPAL, new, now=NOW)
    assert (entered.state, entered.account_manager) == (IntentionState.RESERVED, None)
    with pytest.raises(Conflict):
        business.intentions.engage(OPERATOR_PRINCIPAL, entered.intention_id, now=NOW)
    business.managers.by_region["east"] = ["eve"]
    assigned = business.intentions.assign(
        OPERATOR_PRINCIPAL, entered.intention_id, account_manager="eve", now=NOW
    )
    assert assigned.state is IntentionState.ASSIGNED


def test_manager_with_the_least_to_do_gets_the_next(business: Business) -> None:
    new = replace(NEW_INTENTION, region="south")
    got = [business.intentions.submit(SOUTH_MANAGER, new, now=NOW) for _ in range(3)]
    assert [each.account_manager for each in got] == ["sam", "susi", "sam"]
    business.intentions.assign(SOUTH_MANAGER, got[0].intention_id, account_manager="susi", now=NOW)
    assert business.intentions.submit(SOUTH_MANAGER, new, now=NOW).account_manager == "sam"
    with pytest.raises(ValueInvalid):
        business.intentions.assign(
            SOUTH_MANAGER, got[0].intention_id, account_manager="mina", now=NOW
        )


def test_enterprise_has_one_intention_at_a_time(business: Business, customer: Principal) -> None:
    first = business.intentions.submit(customer, NEW_INTENTION, now=NOW)
    with pytest.raises(AlreadyExists):
        business.intentions.submit(customer, NEW_INTENTION, now=NOW)
    business.intentions.withdraw(customer, first.intention_id, reason="", now=NOW)
    business.intentions.submit(customer, NEW_INTENTION, now=NOW)


def test_intention_for_another_region_leaves_the_manager_of_the_one_before(
    business: Business, customer: Principal
) -> None:
    first = business.intentions.submit(customer, NEW_INTENTION, now=NOW)
    business.intentions.withdraw(customer, first.intention_id, reason="", now=NOW)
    for region, manager in (("west", None), ("south", "sam")):
        again = business.intentions.submit(customer, replace(NEW_INTENTION, region=region), now=NOW)
        assert again.account_manager == manager
        assert business.enterprises.show(customer, "acme").account_manager == manager
        business.intentions.withdraw(customer, again.intention_id, reason="", now=NOW)


def test_intention_is_engaged_declined_or_withdrawn(business: Business) -> None:
    engaged = business.intentions.engage(MANAGER, business.enter().intention_id, now=NOW)
    assert (engaged.state, engaged.changed_by) == (IntentionState.ENGAGED, "mina")
    with pytest.raises(ValueInvalid):
        business.intentions.decline(MANAGER, engaged.intention_id, reason=" ", now=NOW)
    declined = business.intentions.decline(MANAGER, engaged.intention_id, reason="no", now=NOW)
    assert (declined.state, declined.reason) == (IntentionState.DECLINED, "no")
    for again in (business.intentions.decline, business.intentions.withdraw):
        with pytest.raises(Conflict):
            again(MANAGER, engaged.intention_id, reason="no", now=NOW)


def test_enterprise_that_is_further_on_has_no_new_intention(business: Business) -> None:
    enterprise_id = business.create_active()
    owner = owner_of(enterprise_id)
    with pytest.raises(Conflict):
        business.intentions.submit(owner, NEW_INTENTION, now=NOW)


def test_intention_of_another_is_not_there(business: Business, customer: Principal) -> None:
    entered = business.enter()
    for other in (customer, SOUTH_MANAGER):
        with pytest.raises(NotFound):
            business.intentions.show(other, entered.intention_id, now=NOW)
        with pytest.raises(NotFound):
            business.intentions.withdraw(other, entered.intention_id, reason="", now=NOW)
        assert business.intentions.list_intentions(other) == []
    with pytest.raises(NotPermitted):
        business.intentions.submit(SOUTH_MANAGER, NEW_INTENTION, now=NOW)
    for few in (REVIEWER, customer):
        with pytest.raises(NotPermitted):
            business.intentions.engage(few, entered.intention_id, now=NOW)
    with pytest.raises(NotPermitted):
        business.intentions.submit(REVIEWER, NEW_INTENTION, now=NOW)


def test_intentions_are_filtered_and_paged(business: Business) -> None:
    entered = [business.enter().intention_id for _ in range(3)]
    business.intentions.engage(MANAGER, entered[1], now=NOW)
    listed = business.intentions.list_intentions
    assert [each.intention_id for each in listed(MANAGER, limit=2)] == entered[:2]
    assert [each.intention_id for each in listed(MANAGER, after=entered[1])] == entered[2:]
    engaged = listed(MANAGER, states=frozenset({IntentionState.ENGAGED}))
    assert [each.intention_id for each in engaged] == entered[1:2]
    assert listed(MANAGER, account_manager="nobody") == []


@pytest.mark.parametrize(
    "change",
    [
        {"enterprise_name": ""},
        {"enterprise_name": "x" * 201},
        {"enterprise_name": "a\x00b"},
        {"region": "a,b"},
        {"region": ""},
        {"note": "x" * (REASON_CHARACTERS_MAX + 1)},
        {"contact": replace(CONTACT, person=" ")},
        {"contact": replace(CONTACT, phone="nobody")},
        {"contact": replace(CONTACT, email="nobody")},
        {"contact": replace(CONTACT, email="a@b.c\r\nBcc: d@e.f")},
        {"contact": replace(CONTACT, email="a@" + "b" * 250 + ".example")},
    ],
)
def test_unusable_intention_is_refused(business: Business, change: dict[str, object]) -> None:
    with pytest.raises(ValueInvalid) as refused:
        business.intentions.submit(MANAGER, replace(NEW_INTENTION, **change), now=NOW)  # type: ignore[arg-type] # one of several types
    assert "13912345673" not in str(refused.value)
    assert business.intentions.list_intentions(MANAGER) == []


def test_account_managers_are_those_of_the_operators_people(business: Business) -> None:
    def add(name: str, **changes: object) -> dict[str, object]:
        given = {
            "id": name, "account": name, "email": f"{name}@operator.example", "enterprise_id": None,
            "roles": "account-manager", "regions": "north", "state": "active", "is_totp_on": False,
            "totp_step": 0, "created_at": NOW, "password_hash": "",
        }  # fmt: skip
        return {**given, **changes}

    people = [
        add("everywhere", roles="support,account-manager", regions=""),
        add("north", regions="east,north"),
        add("northwest", regions="northwest"),
        add("disabled", state="disabled"),
        add("reviewer", roles="reviewer"),
        add("customer", enterprise_id=business.enter().enterprise_id),
    ]
    managers = PersonAccountManagers()
    with business.transactions.change() as connection:
        connection.execute(person.insert(), people)
        assert managers.find(connection, "north") == ["everywhere", "north"]
        assert managers.find(connection, "south") == ["everywhere"]
        assert choose_manager(connection, managers, "north") == "everywhere"


def test_intentions_are_found_by_region_and_enterprise(business: Business) -> None:
    first = business.enter()
    other = business.intentions.submit(
        SOUTH_MANAGER, replace(NEW_INTENTION, enterprise_name="Bell", region="south"), now=NOW
    )
    find = business.intentions.list_intentions
    for found, expected in (
        (find(OPERATOR_PRINCIPAL, region="south"), [other.intention_id]),
        (find(OPERATOR_PRINCIPAL, region="west"), []),
        (find(OPERATOR_PRINCIPAL, enterprise_id=first.enterprise_id), [first.intention_id]),
    ):
        assert [each.intention_id for each in found] == expected
    assert business.intentions.list_intentions(MANAGER, region="south") == []


def test_managers_of_the_region_are_those_it_may_be_given_to(business: Business) -> None:
    other = business.intentions.submit(
        SOUTH_MANAGER, replace(NEW_INTENTION, enterprise_name="Bell", region="south"), now=NOW
    )
    found = business.intentions.find_managers(OPERATOR_PRINCIPAL, other.intention_id)
    assert list(found) == ["sam", "susi"]
    with pytest.raises(NotFound):
        business.intentions.find_managers(MANAGER, other.intention_id)
    with pytest.raises(NotPermitted):
        business.intentions.find_managers(SUPPORT, other.intention_id)


def test_enterprises_are_found_by_a_part_of_their_name(business: Business) -> None:
    enterprise_id = business.enter().enterprise_id
    for name, expected in (("cme L", [enterprise_id]), ("ACME", [enterprise_id]), ("%", [])):
        found = business.enterprises.list_enterprises(OPERATOR_PRINCIPAL, name=name)
        assert [each.enterprise_id for each in found] == expected
    assert business.enterprises.list_regions(OPERATOR_PRINCIPAL) == ["north"]
    assert business.enterprises.list_regions(SOUTH_MANAGER) == []
