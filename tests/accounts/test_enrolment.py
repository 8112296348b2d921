"""How somebody becomes a user."""

from contextlib import nullcontext
from datetime import timedelta

import pytest
from sqlalchemy import select
from tests.accounts.people import CHEAP_HASHER, NOW, OTHER_PASSWORD, PASSWORD, World

from clicktodial.accounts import password as password_module
from clicktodial.accounts.enrolment import LINKS_PER_EMAIL_MAX, Enrolments
from clicktodial.accounts.error import RegistrationClosed, TooManyAttempts
from clicktodial.accounts.letter import Letters
from clicktodial.accounts.person import TEAM_MAX
from clicktodial.domain.application import EnterpriseStatus
from clicktodial.domain.principal import OPERATOR_PRINCIPAL, Principal, Role
from clicktodial.domain.throttle import MAIL_FROM_ADDRESS, MAIL_FROM_ENTERPRISE, MAIL_TO_ADDRESS
from clicktodial.storage import people_table, table
from clicktodial.storage.error import (
    AlreadyExists,
    Conflict,
    NotFound,
    NotPermitted,
    ValueInvalid,
)
from clicktodial.storage.transaction import Transactions


@pytest.fixture
def world(transactions: Transactions, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr(password_module, "_hasher", CHEAP_HASHER)
    return World(transactions)


def test_registration_leads_by_mail_to_an_owner_of_a_new_enterprise(world: World) -> None:
    world.register("Zhang.Wei", email="Zhang.Wei@Example.com")
    [mail] = world.mails()
    assert mail.to == "zhang.wei@example.com"
    token = world.token_of_last_mail()
    assert f"https://platform.example/activate#{token}" in mail.text
    person = world.enrolments.activate(token, password=PASSWORD, now=world.now)
    assert (person.account, person.email) == ("zhang.wei", "zhang.wei@example.com")
    assert person.roles == {Role.OWNER}
    assert world.people.phone(person.person_id) == "+8613912345673"
    with world.transactions.read() as connection:
        row = connection.execute(
            select(table.enterprise).where(table.enterprise.c.id == person.enterprise_id)
        ).one()
    assert (row.name, row.region, row.state) == ("Example Couriers", "North", "prospect")
    assert row.status == EnterpriseStatus.SUSPENDED  # it may place no calls yet
    assert world.log_in("ZHANG.WEI").person == world.people.show(person.person_id)


def test_link_is_good_once_and_for_a_day(world: World) -> None:
    world.register("a")
    used = world.token_of_last_mail()
    world.enrolments.activate(used, password=PASSWORD, now=world.now)
    world.register("b")
    late = world.token_of_last_mail()
    for token, after in (
        (used, timedelta()),
        (late, timedelta(hours=24)),
        ("a_" + "x" * 43, timedelta()),
        ("", timedelta()),
        ("\ud800", timedelta()),
    ):
        with pytest.raises(NotFound):
            world.enrolments.activate(token, password=PASSWORD, now=NOW + after)
    before = NOW + timedelta(hours=23, minutes=59)
    assert world.enrolments.activate(late, password=PASSWORD, now=before).account == "b"


def test_link_stays_good_where_the_password_is_refused(world: World) -> None:
    world.register()
    token = world.token_of_last_mail()
    for password in ("short", "zhang.wei123456789", "passwordpassword"):
        with pytest.raises(ValueInvalid):
            world.enrolments.activate(token, password=password, now=world.now)
    assert world.enrolments.activate(token, password=PASSWORD, now=world.now)


def test_tokens_are_not_stored(world: World) -> None:
    world.register()
    token = world.token_of_last_mail()
    with world.transactions.read() as connection:
        [row] = connection.execute(select(people_table.enrolment)).all()
    assert token not in str(row)
    assert "13912345673" not in str(row)


def test_registration_of_a_known_address_or_account_is_told_by_mail_alone(world: World) -> None:
    world.add_owner("zhang.wei")
    world.register("another", email="zhang.wei@example.com")
    assert "You have one already: zhang.wei." in world.mails()[-1].text
    world.register("zhang.wei", email="somebody.else@example.com")
    assert world.mails()[-1].to == "somebody.else@example.com"
    assert "is taken" in world.mails()[-1].text
    with world.transactions.read() as connection:
        assert connection.execute(select(people_table.enrolment)).all() == []


def test_nobody_holds_another_s_account_or_address_by_registering(world: World) -> None:
    world.register("zhang.wei", email="thief@example.com")
    world.register("zhang.wei", email="zhang.wei@example.com")
    real = world.enrolments.activate(world.token_of_last_mail(), password=PASSWORD, now=world.now)
    assert real.email == "zhang.wei@example.com"


def test_account_that_was_taken_meanwhile_is_chosen_anew(world: World) -> None:
    world.register("zhang.wei", email="one@example.com")
    first = world.token_of_last_mail()
    world.register("zhang.wei", email="two@example.com")
    second = world.token_of_last_mail()
    world.enrolments.activate(first, password=PASSWORD, now=world.now)
    with pytest.raises(AlreadyExists):
        world.enrolments.activate(second, password=PASSWORD, now=world.now)
    person = world.enrolments.activate(
        second, password=PASSWORD, account="wei.zhang", now=world.now
    )
    assert (person.account, person.email) == ("wei.zhang", "two@example.com")


@pytest.mark.parametrize(
    "changes",
    [
        {"account": "a b"},
        {"account": ""},
        {"account": "x" * 65},
        {"email": "nobody"},
        {"email": "a@b\r\nBcc: c@d"},
        {"phone": "none"},
        {"enterprise_name": ""},
        {"enterprise_name": "a\nb"},
        {"enterprise_region": "North,South"},  # which no account manager can have
        {"enterprise_region": " "},
    ],
)
def test_registration_with_a_bad_value_is_refused(world: World, changes: dict[str, str]) -> None:
    with pytest.raises(ValueInvalid):
        world.register(**changes)
    assert world.mails() == []


def test_nobody_registers_where_that_is_closed(world: World) -> None:
    closed = Enrolments(
        world.transactions, world.vault, Letters("https://x"), region="CN", is_open=False
    )
    with pytest.raises(RegistrationClosed):
        closed.register(
            account="a", email="a@example.com", phone="13912345673", enterprise_name="A",
            enterprise_region=None, address="", now=NOW,
        )  # fmt: skip


def test_mails_to_one_address_and_from_one_are_bounded(world: World) -> None:
    for _ in range(MAIL_TO_ADDRESS.free):
        world.register("a", address="192.0.2.1")
    with pytest.raises(TooManyAttempts) as refused:
        world.register("a", address="192.0.2.2")
    assert refused.value.retry_after_s == MAIL_TO_ADDRESS.first_wait_s
    world.wait(refused.value.retry_after_s)
    world.register("a", address="192.0.2.2")
    for number in range(MAIL_FROM_ADDRESS.free):
        world.register(f"b{number}", address="192.0.2.3")
    with pytest.raises(TooManyAttempts):
        world.register("c", address="192.0.2.3")
    world.register("c", address="192.0.2.4")


def test_older_links_of_an_address_end(world: World) -> None:
    tokens: list[str] = []
    for _ in range(LINKS_PER_EMAIL_MAX + 1):
        world.register(address=f"192.0.2.{len(tokens)}")
        tokens.append(world.token_of_last_mail())
        world.wait(MAIL_TO_ADDRESS.wait_s_max)
    world.now = NOW + timedelta(hours=16)
    with pytest.raises(NotFound):
        world.enrolments.activate(tokens[0], password=PASSWORD, now=world.now)
    assert world.enrolments.activate(tokens[1], password=PASSWORD, now=world.now)


def test_nobody_ends_an_invitation_by_registering_or_inviting_its_address(world: World) -> None:
    owner, stranger = world.add_owner(), world.add_owner("li.na")

    def invite(who: Principal) -> str:
        return world.enrolments.invite(
            who, email="new@example.com", roles=[Role.READER], account="new",
            enterprise_id=who.enterprise_id, now=world.now,
        ).token  # fmt: skip

    token = invite(owner.principal)
    for number in range(LINKS_PER_EMAIL_MAX):
        world.register("new", email="new@example.com", address=f"192.0.2.{number}")
        invite(stranger.principal)
    person = world.enrolments.activate(token, password=PASSWORD, now=world.now)
    assert person.enterprise_id == owner.enterprise_id


def test_invitations_of_an_enterprise_are_bounded(world: World) -> None:
    owner, stranger = world.add_owner(), world.add_owner("li.na")

    def invite(who: Principal, email: str) -> None:
        created = world.enrolments.invite(
            who, email=email, roles=[Role.READER], enterprise_id=owner.enterprise_id, now=world.now
        )
        world.enrolments.revoke(
            created.invitation.invitation_id, enterprise_id=owner.enterprise_id or ""
        )

    for _ in range(MAIL_TO_ADDRESS.free):
        invite(owner.principal, "new@example.com")
    with pytest.raises(TooManyAttempts):
        invite(owner.principal, "New@example.com")
    world.enrolments.invite(
        stranger.principal, email="new@example.com", roles=[Role.READER],
        enterprise_id=stranger.enterprise_id, now=world.now,
    )  # fmt: skip
    for number in range(MAIL_FROM_ENTERPRISE.free - MAIL_TO_ADDRESS.free):
        invite(owner.principal, f"u{number}@example.com")
    with pytest.raises(TooManyAttempts):
        invite(owner.principal, "another@example.com")
    invite(OPERATOR_PRINCIPAL, "another@example.com")


def test_owner_invites_into_their_own_enterprise_alone(world: World) -> None:
    owner = world.add_owner()
    stranger = world.add_owner("li.na")
    created = world.enrolments.invite(
        owner.principal,
        email="new@example.com",
        roles=[Role.DEVELOPER, Role.FINANCE],
        enterprise_id=owner.enterprise_id,
        now=world.now,
    )
    [open_one] = world.enrolments.list_invitations(enterprise_id=owner.enterprise_id, now=world.now)
    assert open_one == created.invitation
    assert created.token not in repr(created)
    for enterprise_id, error in ((stranger.enterprise_id, NotFound), (None, ValueInvalid)):
        with pytest.raises(error):
            world.enrolments.invite(
                owner.principal, email="x@example.com", roles=[Role.DEVELOPER],
                enterprise_id=enterprise_id, now=world.now,
            )  # fmt: skip
    with pytest.raises(ValueInvalid):  # an account is to be chosen
        world.enrolments.activate(created.token, password=PASSWORD, now=world.now)
    person = world.enrolments.activate(
        created.token, password=PASSWORD, account="New", phone="13912345674", now=world.now
    )
    assert person.roles == {Role.DEVELOPER, Role.FINANCE}
    assert (person.account, person.enterprise_id) == ("new", owner.enterprise_id)
    assert world.people.phone(person.person_id) == "+8613912345674"


@pytest.mark.parametrize(
    "roles", [[], [Role.OPERATOR], [Role.OWNER, Role.SUPPORT], [Role.APPLICATION]]
)
def test_roles_of_the_wrong_kind_are_refused(world: World, roles: list[Role]) -> None:
    owner = world.add_owner()
    with pytest.raises(ValueInvalid):
        world.enrolments.invite(
            owner.principal, email="x@example.com", roles=roles,
            enterprise_id=owner.enterprise_id, now=world.now,
        )  # fmt: skip


def test_staff_is_made_by_the_operator_alone(world: World) -> None:
    manager = Principal(
        name="m", roles=frozenset({Role.ACCOUNT_MANAGER}), regions=frozenset({"North"})
    )
    with pytest.raises(NotPermitted):
        world.enrolments.invite(
            manager, email="x@example.com", roles=[Role.OPERATOR], enterprise_id=None, now=NOW
        )
    created = world.enrolments.invite(
        OPERATOR_PRINCIPAL, email="x@example.com", roles=[Role.ACCOUNT_MANAGER],
        regions=["North", "South"], enterprise_id=None, account="x", now=NOW,
    )  # fmt: skip
    person = world.enrolments.activate(created.token, password=PASSWORD, now=NOW)
    assert person.enterprise_id is None
    assert person.regions == frozenset({"North", "South"})
    for regions, roles in ((["a,b"], [Role.ACCOUNT_MANAGER]), (["A"], [Role.SUPPORT])):
        with pytest.raises(ValueInvalid):
            world.enrolments.invite(
                OPERATOR_PRINCIPAL, email="y@example.com", roles=roles, regions=regions,
                enterprise_id=None, now=NOW,
            )  # fmt: skip


def test_account_manager_invites_into_their_regions(world: World) -> None:
    owner = world.add_owner()
    for region, is_theirs in (("North", True), ("South", False)):
        manager = Principal(
            name="m", roles=frozenset({Role.ACCOUNT_MANAGER}), regions=frozenset({region})
        )
        with nullcontext() if is_theirs else pytest.raises(NotFound):
            world.enrolments.invite(
                manager, email="x@example.com", roles=[Role.OWNER],
                enterprise_id=owner.enterprise_id, now=NOW,
            )  # fmt: skip


def test_invitation_of_a_known_address_looks_the_same_and_leads_nowhere(world: World) -> None:
    owner, other = world.add_owner(), world.add_owner("li.na")
    created = world.enrolments.invite(
        owner.principal, email=other.email, roles=[Role.READER],
        enterprise_id=owner.enterprise_id, now=world.now,
    )  # fmt: skip
    assert "You have one already" in world.mails()[-1].text
    assert len(world.enrolments.list_invitations(
        enterprise_id=owner.enterprise_id, now=world.now
    )) == 1  # fmt: skip
    with pytest.raises(AlreadyExists):
        world.enrolments.activate(
            created.token, password=OTHER_PASSWORD, account="li2", now=world.now
        )


def test_revoked_invitation_holds_no_longer(world: World) -> None:
    owner, stranger = world.add_owner(), world.add_owner("li.na")
    assert owner.enterprise_id is not None and stranger.enterprise_id is not None
    created = world.enrolments.invite(
        owner.principal, email="x@example.com", roles=[Role.READER],
        enterprise_id=owner.enterprise_id, account="x", now=world.now,
    )  # fmt: skip
    invitation_id = created.invitation.invitation_id
    with pytest.raises(NotFound):
        world.enrolments.revoke(invitation_id, enterprise_id=stranger.enterprise_id)
    world.enrolments.revoke(invitation_id, enterprise_id=owner.enterprise_id)
    with pytest.raises(NotFound):
        world.enrolments.activate(created.token, password=PASSWORD, now=world.now)


def test_team_is_bounded(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    owner = world.add_owner()
    monkeypatch.setattr("clicktodial.accounts.enrolment.TEAM_MAX", 3)
    assert TEAM_MAX > 3

    def invite(number: int) -> None:
        world.enrolments.invite(
            owner.principal, email=f"u{number}@example.com", roles=[Role.READER],
            enterprise_id=owner.enterprise_id, now=world.now,
        )  # fmt: skip

    invite(1)
    invite(2)
    with pytest.raises(Conflict):
        invite(3)
    world.wait(86_400)  # those who did not come make room
    invite(3)


def test_links_are_bounded(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clicktodial.accounts.enrolment.ENROLMENTS_MAX", 3)
    tokens: list[str] = []
    for number in range(5):
        world.wait(1)
        world.register(f"a{number}")
        tokens.append(world.token_of_last_mail())
    with pytest.raises(NotFound):
        world.enrolments.activate(tokens[0], password=PASSWORD, now=world.now)
    with world.transactions.read() as connection:
        assert len(connection.execute(select(people_table.enrolment)).all()) == 3
    assert world.enrolments.activate(tokens[-1], password=PASSWORD, now=world.now)
