"""An address of mail that is changed."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.accounts.people import ADDRESS, CHEAP_HASHER, OTHER_PASSWORD, PASSWORD, World

from clicktodial.accounts import password as password_module
from clicktodial.accounts.error import CredentialsWrong, TooManyAttempts
from clicktodial.accounts.own_email import LINK_LIFE
from clicktodial.accounts.person import Person, PersonState
from clicktodial.domain.principal import Role
from clicktodial.domain.throttle import LOGIN_TO_ACCOUNT, MAIL_TO_ADDRESS
from clicktodial.storage.error import AlreadyExists, NotFound, ValueInvalid
from clicktodial.storage.transaction import Transactions

NEW = "wei@new.example"
OLD = "zhang.wei@example.com"


@pytest.fixture
def world(transactions: Transactions, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr(password_module, "_hasher", CHEAP_HASHER)
    return World(transactions)


@pytest.fixture
def owner(world: World) -> Person:
    return world.add_owner()


def ask(world: World, owner: Person, email: str = NEW, password: str = PASSWORD) -> str:
    """Ask for another address; returns the token of the link, empty where none was sent."""
    before = len(world.mails())
    world.emails.ask(owner.person_id, password=password, email=email, now=world.now)
    link, told = world.mails()[before:]
    assert (link.to, told.to) == (email.lower(), OLD)
    assert told.subject == "Another address was asked for"
    # Nobody who reads the old mailbox gets the link, nor learns of the address.
    assert email not in told.text
    _, found, rest = link.text.partition("/change-email#")
    assert not found or rest.split("\n")[0] not in told.text
    return rest.split("\n")[0]


def test_address_changes_once_the_link_is_followed_and_sessions_stay(
    world: World, owner: Person
) -> None:
    assert owner.email == OLD
    session = world.log_in().token
    token = ask(world, owner, "Wei@New.example")
    assert world.people.show(owner.person_id).email == OLD
    assert world.emails.complete(token, now=world.now) == owner.person_id
    assert world.people.show(owner.person_id).email == NEW
    last = world.mails()[-1]
    assert (last.to, last.subject) == (OLD, "Your email address was changed")
    assert world.sessions.find(session, world.now) is not None
    assert world.log_in(NEW)
    with pytest.raises(CredentialsWrong):
        world.log_in(OLD)
    with pytest.raises(NotFound):
        world.emails.complete(token, now=world.now)


def test_address_is_not_changed_without_the_password(world: World, owner: Person) -> None:
    mails = len(world.mails())
    for _ in range(LOGIN_TO_ACCOUNT.free):
        with pytest.raises(CredentialsWrong):
            world.emails.ask(owner.person_id, password="x", email=NEW, now=world.now)
    with pytest.raises(TooManyAttempts):
        world.emails.ask(owner.person_id, password=PASSWORD, email=NEW, now=world.now)
    assert len(world.mails()) == mails


@pytest.mark.parametrize("email", ["nobody", "a b@example.com", OLD, OLD.upper()])
def test_address_that_is_none_or_ones_own_is_refused(
    world: World, owner: Person, email: str
) -> None:
    with pytest.raises(ValueInvalid):
        world.emails.ask(owner.person_id, password=PASSWORD, email=email, now=world.now)


def test_address_of_another_is_told_to_its_owner_alone(world: World, owner: Person) -> None:
    world.add("li.na", Role.READER, enterprise_id=owner.enterprise_id)
    assert ask(world, owner, "li.na@example.com") == ""
    mail = world.mails()[-2]
    assert (mail.to, mail.subject) == ("li.na@example.com", "You have an account already")
    assert owner.account not in mail.text


def test_address_that_was_taken_meanwhile_stays_the_others(world: World, owner: Person) -> None:
    token = ask(world, owner, "li.na@example.com")
    world.add("li.na", Role.READER, enterprise_id=owner.enterprise_id)
    with pytest.raises(AlreadyExists):
        world.emails.complete(token, now=world.now)
    assert world.people.show(owner.person_id).email == OLD
    assert world.people.find("li.na@example.com").account == "li.na"


def test_link_ends_with_its_time_and_with_the_next_one(world: World, owner: Person) -> None:
    first = ask(world, owner)
    second = ask(world, owner, "other@new.example")
    with pytest.raises(NotFound):
        world.emails.complete(first, now=world.now)
    with pytest.raises(NotFound):
        world.emails.complete(second, now=world.now + LINK_LIFE)
    assert world.emails.complete(second, now=world.now) == owner.person_id


def test_link_ends_when_the_password_is_changed(world: World, owner: Person) -> None:
    token = ask(world, owner)
    world.passwords.change(owner.person_id, old=PASSWORD, new=OTHER_PASSWORD, now=world.now)
    with pytest.raises(NotFound):
        world.emails.complete(token, now=world.now)


def test_reset_that_went_to_the_old_address_ends_with_it(world: World, owner: Person) -> None:
    token = ask(world, owner)
    world.passwords.ask_for_reset(OLD, address=ADDRESS, now=world.now)
    reset = world.token_of_last_mail()
    world.emails.complete(token, now=world.now)
    with pytest.raises(NotFound):
        world.passwords.complete_reset(reset, password=OTHER_PASSWORD, now=world.now)


def test_link_of_somebody_who_is_disabled_or_gone_opens_nothing(
    world: World, owner: Person
) -> None:
    assert owner.enterprise_id is not None
    world.add("li.na", Role.OWNER, enterprise_id=owner.enterprise_id)
    token = ask(world, owner)
    world.people.change(owner.person_id, state=PersonState.DISABLED)
    with pytest.raises(NotFound):
        world.emails.complete(token, now=world.now)
    world.people.remove(owner.person_id)
    with pytest.raises(NotFound):
        world.emails.complete(token, now=world.now)


def test_nobody_s_mailbox_is_filled(world: World, owner: Person) -> None:
    for _ in range(MAIL_TO_ADDRESS.free):
        ask(world, owner)
    with pytest.raises(TooManyAttempts):
        world.emails.ask(owner.person_id, password=PASSWORD, email=NEW, now=world.now)


def test_link_that_is_followed_twice_at_once_changes_once(world: World, owner: Person) -> None:
    token = ask(world, owner)

    def follow(_: int) -> bool:
        try:
            world.emails.complete(token, now=world.now)
        except NotFound:
            return False
        return True

    with ThreadPoolExecutor(4) as executor:
        assert sum(executor.map(follow, range(4))) == 1
    assert world.people.show(owner.person_id).email == NEW
