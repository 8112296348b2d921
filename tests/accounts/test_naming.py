"""Names of enterprises and accounts of users, for whoever may know them."""

import pytest
from tests.accounts.business import MANAGER, NOW, SOUTH_MANAGER, Business, owner_of
from tests.accounts.people import PASSWORD, World

from clicktodial.accounts.naming import NAMED_MAX, Names
from clicktodial.domain.principal import OPERATOR_PRINCIPAL, Role
from clicktodial.storage.administration import Administration
from clicktodial.storage.transaction import Transactions


@pytest.fixture
def names(transactions: Transactions) -> Names:
    return Names(transactions)


def test_enterprise_is_named_to_whoever_sees_it(business: Business, names: Names) -> None:
    enterprise_id = business.enter().enterprise_id
    for principal, expected in (
        (OPERATOR_PRINCIPAL, {enterprise_id: "Acme Ltd"}),
        (MANAGER, {enterprise_id: "Acme Ltd"}),
        (owner_of(enterprise_id), {enterprise_id: "Acme Ltd"}),
        (SOUTH_MANAGER, {}),
        (owner_of("another"), {}),
    ):
        assert names.enterprises(principal, [enterprise_id, "none"]) == expected
    many = [*(f"0{number}" for number in range(NAMED_MAX)), enterprise_id]
    assert names.enterprises(OPERATOR_PRINCIPAL, many).keys() <= {enterprise_id}


def test_account_is_told_to_the_operator_and_to_its_own_people(
    transactions: Transactions, names: Names, administration: Administration
) -> None:
    people = World(transactions)
    ids = {}
    for account, role, enterprise_id in (
        ("olga", Role.OWNER, "acme"),
        ("bea", Role.OWNER, "bell"),
        ("rita", Role.REVIEWER, None),
    ):
        created = people.enrolments.invite(
            OPERATOR_PRINCIPAL,
            email=f"{account}@example.com",
            roles=[role],
            enterprise_id=enterprise_id,
            account=account,
            now=NOW,
        )
        ids[account] = people.enrolments.activate(
            created.token, password=PASSWORD, now=NOW
        ).person_id
    wanted = [*ids.values(), None, ""]
    assert set(names.accounts(OPERATOR_PRINCIPAL, wanted).values()) == set(ids)
    # Who of the operator does what is not a customer's business.
    assert names.accounts(owner_of("acme"), wanted) == {ids["olga"]: "olga"}
