"""Whose business an enterprise is."""

import pytest

from clicktodial.domain.principal import (
    CUSTOMER_ROLES,
    OPERATOR_PRINCIPAL,
    PERSON_ROLES,
    STAFF_ROLES,
    Principal,
    Role,
)


@pytest.mark.parametrize("role", [*sorted(CUSTOMER_ROLES), Role.APPLICATION])
def test_customer_sees_their_own_alone(role: Role) -> None:
    somebody = Principal(name="x", roles=frozenset({role}), enterprise_id="acme")
    assert somebody.may_see_enterprise("acme", "North")
    assert not somebody.may_see_enterprise("bravo", "North")


def test_account_manager_sees_their_regions() -> None:
    of_all = Principal(name="x", roles=frozenset({Role.ACCOUNT_MANAGER}))
    of_north = Principal(
        name="y", roles=frozenset({Role.ACCOUNT_MANAGER}), regions=frozenset({"North"})
    )
    assert of_all.may_see_enterprise("acme", "South") and of_all.may_see_enterprise("acme")
    assert of_north.may_see_enterprise("acme", "North")
    assert not of_north.may_see_enterprise("acme", "South")
    assert not of_north.may_see_enterprise("acme")


def test_operator_sees_all_and_nobody_nothing() -> None:
    assert OPERATOR_PRINCIPAL.may_see_enterprise("acme", "North")
    assert not Principal(name="", roles=frozenset()).may_see_enterprise("acme", "North")


def test_each_role_is_a_customer_s_the_operator_s_or_a_program_s() -> None:
    assert frozenset() == CUSTOMER_ROLES & STAFF_ROLES
    assert PERSON_ROLES | {Role.APPLICATION} == frozenset(Role)
