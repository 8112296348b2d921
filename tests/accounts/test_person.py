"""What is done with people who exist."""

import pytest
from tests.accounts.people import CHEAP_HASHER, PASSWORD, World

from clicktodial.accounts import password as password_module
from clicktodial.accounts.person import PersonState, active_people_with
from clicktodial.domain.enterprise import EnterpriseMove
from clicktodial.domain.principal import Role
from clicktodial.storage.enterprise_row import move_enterprise
from clicktodial.storage.error import Conflict, NotFound, ValueInvalid
from clicktodial.storage.transaction import Transactions


@pytest.fixture
def world(transactions: Transactions, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr(password_module, "_hasher", CHEAP_HASHER)
    return World(transactions)


def test_owner_of_an_ended_enterprise_is_removed_and_comes_back(world: World) -> None:
    owner = world.add_owner()
    assert owner.enterprise_id is not None
    with pytest.raises(Conflict, match="without an owner"):
        world.people.remove(owner.person_id)
    with world.transactions.change() as connection:
        move_enterprise(connection, owner.enterprise_id, EnterpriseMove.CANCEL, now=world.now)
    world.people.remove(owner.person_id)
    again = world.add_owner()
    assert again.email == owner.email
    assert again.enterprise_id != owner.enterprise_id


def test_roles_are_changed_and_whoever_loses_one_is_logged_out(world: World) -> None:
    owner = world.add_owner()
    both = world.add("both", Role.DEVELOPER, Role.FINANCE, enterprise_id=owner.enterprise_id)
    token = world.log_in("both").token
    more = world.people.change(both.person_id, roles=[Role.DEVELOPER, Role.FINANCE, Role.READER])
    assert Role.READER in more.roles
    found = world.sessions.find(token, world.now)
    assert found is not None and Role.READER in found.principal.roles
    world.people.change(both.person_id, roles=[Role.FINANCE])
    assert world.sessions.find(token, world.now) is None


def test_at_least_one_owner_stays(world: World) -> None:
    owner = world.add_owner()
    reader = world.add("reader", Role.READER, enterprise_id=owner.enterprise_id)
    for attempt in (
        lambda: world.people.change(owner.person_id, roles=[Role.DEVELOPER]),
        lambda: world.people.change(owner.person_id, state=PersonState.DISABLED),
        lambda: world.people.remove(owner.person_id),
    ):
        with pytest.raises(Conflict):
            attempt()
    # An owner who may not log in is none.
    second = world.people.change(reader.person_id, roles=[Role.OWNER])
    world.people.change(second.person_id, state=PersonState.DISABLED)
    with pytest.raises(Conflict):
        world.people.remove(owner.person_id)
    world.people.change(second.person_id, state=PersonState.ACTIVE)
    world.people.remove(owner.person_id)
    with pytest.raises(Conflict):
        world.people.remove(second.person_id)


def test_removed_user_is_gone_and_the_address_is_free(world: World) -> None:
    owner = world.add_owner()
    reader = world.add("reader", Role.READER, enterprise_id=owner.enterprise_id)
    token = world.log_in("reader").token
    world.factors.begin(reader.person_id, password=PASSWORD, now=world.now)
    world.passwords.send_reset(reader.person_id, now=world.now)
    world.people.remove(reader.person_id, within=owner.enterprise_id)
    assert world.sessions.find(token, world.now) is None
    for attempt in (
        lambda: world.people.show(reader.person_id),
        lambda: world.people.remove(reader.person_id),
        lambda: world.people.find("reader"),
    ):
        with pytest.raises(NotFound):
            attempt()
    again = world.add("reader", Role.FINANCE, enterprise_id=owner.enterprise_id)
    assert again.person_id != reader.person_id


def test_another_enterprise_s_people_are_not_there(world: World) -> None:
    owner, stranger = world.add_owner(), world.add_owner("li.na")
    for attempt in (
        lambda: world.people.change(
            owner.person_id, within=stranger.enterprise_id, roles=[Role.READER]
        ),
        lambda: world.people.remove(owner.person_id, within=stranger.enterprise_id),
    ):
        with pytest.raises(NotFound):
            attempt()
    assert world.people.list_people(limit=9, enterprise_id=stranger.enterprise_id) == [stranger]
    assert world.people.list_people(limit=9) == [owner, stranger]
    assert world.people.list_people(limit=9, after=owner.person_id) == [stranger]


@pytest.mark.parametrize("roles", [[], [Role.OPERATOR], [Role.APPLICATION]])
def test_customer_gets_no_role_of_another_kind(world: World, roles: list[Role]) -> None:
    owner = world.add_owner()
    with pytest.raises(ValueInvalid):
        world.people.change(owner.person_id, roles=roles)


def test_regions_go_with_the_account_manager(world: World) -> None:
    manager = world.add("m", Role.ACCOUNT_MANAGER, enterprise_id=None)
    changed = world.people.change(manager.person_id, regions=["North"])
    assert changed.principal.may_see_enterprise("acme", "North")
    assert not changed.principal.may_see_enterprise("acme", "South")
    with pytest.raises(ValueInvalid):
        world.people.change(manager.person_id, roles=[Role.SUPPORT])
    changed = world.people.change(manager.person_id, roles=[Role.SUPPORT], regions=[])
    assert changed.regions == frozenset()


def test_phone_is_sealed_and_changed(world: World) -> None:
    owner = world.add_owner()
    world.people.set_phone(owner.person_id, "+86 139 1234 5675")
    assert world.people.phone(owner.person_id) == "+8613912345675"
    with pytest.raises(ValueInvalid):
        world.people.set_phone(owner.person_id, "nothing")
    with pytest.raises(NotFound):
        world.people.set_phone("nobody", "13912345675")


def test_those_who_are_to_be_told_are_active_and_of_that_enterprise(world: World) -> None:
    owner, stranger = world.add_owner(), world.add_owner("li.na")
    finance = world.add("f", Role.FINANCE, enterprise_id=owner.enterprise_id)
    gone = world.add("g", Role.FINANCE, enterprise_id=owner.enterprise_id)
    world.people.change(gone.person_id, state=PersonState.DISABLED)
    support = world.add("s", Role.SUPPORT, enterprise_id=None)
    with world.transactions.read() as connection:
        told = active_people_with(
            connection,
            enterprise_id=owner.enterprise_id,
            roles=frozenset({Role.OWNER, Role.FINANCE}),
        )
        staff = active_people_with(connection, enterprise_id=None, roles=frozenset({Role.SUPPORT}))
    assert [each.person_id for each in told] == [owner.person_id, finance.person_id]
    assert [each.person_id for each in staff] == [support.person_id]
    assert stranger not in told
