"""Passwords that are changed or forgotten, and the second factor."""

from datetime import timedelta

import pytest
from tests.accounts.people import ADDRESS, CHEAP_HASHER, OTHER_PASSWORD, PASSWORD, World

from clicktodial.accounts import password as password_module
from clicktodial.accounts.error import CodeRequired, CredentialsWrong, TooManyAttempts
from clicktodial.accounts.person import Person
from clicktodial.accounts.second_factor import RECOVERY_CODES
from clicktodial.domain.principal import Role
from clicktodial.domain.throttle import LOGIN_TO_ACCOUNT, MAIL_TO_ADDRESS
from clicktodial.domain.totp import STEP_S, create_code, step_at
from clicktodial.storage.error import Conflict, NotFound, ValueInvalid
from clicktodial.storage.transaction import Transactions


@pytest.fixture
def world(transactions: Transactions, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr(password_module, "_hasher", CHEAP_HASHER)
    return World(transactions)


@pytest.fixture
def owner(world: World) -> Person:
    return world.add_owner()


def test_changed_password_ends_every_session_and_is_told(world: World, owner: Person) -> None:
    token = world.log_in().token
    world.passwords.change(owner.person_id, old=PASSWORD, new=OTHER_PASSWORD, now=world.now)
    assert world.sessions.find(token, world.now) is None
    assert world.mails()[-1].subject == "Your password was changed"
    with pytest.raises(CredentialsWrong):
        world.log_in()
    assert world.log_in(password=OTHER_PASSWORD)


def test_password_is_not_changed_without_the_old_one_or_to_a_bad_one(
    world: World, owner: Person
) -> None:
    for old, new, error in (
        ("wrong", OTHER_PASSWORD, CredentialsWrong),
        (PASSWORD, "short", ValueInvalid),
        (PASSWORD, "zhang.wei@example.com", ValueInvalid),
    ):
        with pytest.raises(error):
            world.passwords.change(owner.person_id, old=old, new=new, now=world.now)
    assert world.log_in()


def test_guessing_the_old_password_waits_like_a_login(world: World, owner: Person) -> None:
    for _ in range(LOGIN_TO_ACCOUNT.free):
        with pytest.raises(CredentialsWrong):
            world.passwords.change(owner.person_id, old="x", new=OTHER_PASSWORD, now=world.now)
    with pytest.raises(TooManyAttempts):
        world.passwords.change(owner.person_id, old=PASSWORD, new=OTHER_PASSWORD, now=world.now)


@pytest.mark.parametrize("name", ["zhang.wei", "ZHANG.WEI@example.com"])
def test_forgotten_password_is_chosen_anew_by_the_link(
    world: World, owner: Person, name: str
) -> None:
    token = world.log_in().token
    world.passwords.ask_for_reset(name, address=ADDRESS, now=world.now)
    link = world.token_of_last_mail()
    assert f"https://platform.example/reset-password#{link}" in world.mails()[-1].text
    assert world.log_in()  # until then nothing changes
    whose = world.passwords.complete_reset(link, password=OTHER_PASSWORD, now=world.now)
    assert whose == owner.person_id
    assert world.sessions.find(token, world.now) is None
    assert world.log_in(password=OTHER_PASSWORD)
    with pytest.raises(NotFound):
        world.passwords.complete_reset(link, password=PASSWORD, now=world.now)


def test_reset_of_nobody_looks_the_same_and_sends_nothing(world: World, owner: Person) -> None:
    before = len(world.mails())
    world.passwords.ask_for_reset("nobody", address=ADDRESS, now=world.now)
    assert len(world.mails()) == before


def test_link_of_a_reset_ends_after_an_hour_and_with_a_newer_one(
    world: World, owner: Person
) -> None:
    world.passwords.ask_for_reset("zhang.wei", address=ADDRESS, now=world.now)
    first = world.token_of_last_mail()
    world.passwords.ask_for_reset("zhang.wei", address=ADDRESS, now=world.now)
    second = world.token_of_last_mail()
    with pytest.raises(NotFound):
        world.passwords.complete_reset(first, password=OTHER_PASSWORD, now=world.now)
    with pytest.raises(NotFound):
        world.passwords.complete_reset(
            second, password=OTHER_PASSWORD, now=world.now + timedelta(hours=1)
        )
    with pytest.raises(ValueInvalid):
        world.passwords.complete_reset(second, password="short", now=world.now)
    assert world.passwords.complete_reset(second, password=OTHER_PASSWORD, now=world.now)


def test_resets_are_bounded_whether_there_is_an_account_or_not(world: World, owner: Person) -> None:
    for name in ("zhang.wei", "nobody"):
        for number in range(MAIL_TO_ADDRESS.free):
            world.passwords.ask_for_reset(name, address=f"192.0.2.{number}", now=world.now)
        with pytest.raises(TooManyAttempts):
            world.passwords.ask_for_reset(name, address="192.0.2.99", now=world.now)


def test_reset_frees_an_account_that_waits(world: World, owner: Person) -> None:
    for _ in range(LOGIN_TO_ACCOUNT.free):
        with pytest.raises(CredentialsWrong):
            world.log_in(password="wrong")
    link = world.passwords.send_reset(owner.person_id, now=world.now)
    world.passwords.complete_reset(link, password=OTHER_PASSWORD, now=world.now)
    assert world.log_in(password=OTHER_PASSWORD)


# The second factor


def code_at(world: World, secret_base32: str) -> str:
    """What an app would show now."""
    import base64

    return create_code(base64.b32decode(secret_base32), step_at(world.now))


def turn_on(world: World, owner: Person) -> tuple[str, list[str]]:
    """A second factor; its secret, and the recovery codes."""
    secret = world.factors.begin(owner.person_id, password=PASSWORD, now=world.now).secret
    codes = world.factors.turn_on(owner.person_id, code=code_at(world, secret), now=world.now)
    world.wait(STEP_S)
    return secret, codes


def test_second_factor_is_asked_for_once_a_code_was_shown(world: World, owner: Person) -> None:
    secret = world.factors.begin(owner.person_id, password=PASSWORD, now=world.now).secret
    assert world.log_in()
    with pytest.raises(CredentialsWrong):
        world.factors.turn_on(owner.person_id, code="000000", now=world.now)
    codes = world.factors.turn_on(owner.person_id, code=code_at(world, secret), now=world.now)
    assert len(set(codes)) == RECOVERY_CODES
    assert world.mails()[-1].subject == "Your second factor was turned on"
    assert world.people.show(owner.person_id).has_second_factor
    with pytest.raises(CodeRequired):
        world.log_in()
    # The one that turned it on was taken.
    with pytest.raises(CredentialsWrong):
        world.log_in(code=code_at(world, secret))
    world.wait(STEP_S)
    assert world.log_in(code=code_at(world, secret))
    with pytest.raises(CredentialsWrong):
        world.log_in(code=code_at(world, secret))


def test_wrong_codes_wait_like_wrong_passwords(world: World, owner: Person) -> None:
    turn_on(world, owner)
    for number in range(LOGIN_TO_ACCOUNT.free):
        with pytest.raises(CredentialsWrong):
            world.log_in(code=f"{number:06}")
    with pytest.raises(TooManyAttempts):
        world.log_in(code="999999")


def test_asking_for_the_code_is_no_failed_attempt(world: World, owner: Person) -> None:
    secret, _ = turn_on(world, owner)
    for _ in range(LOGIN_TO_ACCOUNT.free * 2):
        with pytest.raises(CodeRequired):
            world.log_in()
    assert world.log_in(code=code_at(world, secret))


def test_code_without_the_password_is_worth_nothing(world: World, owner: Person) -> None:
    secret, _ = turn_on(world, owner)
    with pytest.raises(CredentialsWrong):
        world.log_in(password="wrong", code=code_at(world, secret))


def test_recovery_code_is_taken_once_however_it_is_typed(world: World, owner: Person) -> None:
    _, codes = turn_on(world, owner)
    assert world.log_in(code=codes[0])
    with pytest.raises(CredentialsWrong):
        world.log_in(code=codes[0])
    assert world.log_in(code=f" {codes[1].lower().replace('-', ' ')} ")


def test_recovery_codes_are_renewed_by_the_password(world: World, owner: Person) -> None:
    with pytest.raises(Conflict):
        world.factors.renew_codes(owner.person_id, password=PASSWORD, now=world.now)
    _, codes = turn_on(world, owner)
    with pytest.raises(CredentialsWrong):
        world.factors.renew_codes(owner.person_id, password="wrong", now=world.now)
    renewed = world.factors.renew_codes(owner.person_id, password=PASSWORD, now=world.now)
    with pytest.raises(CredentialsWrong):
        world.log_in(code=codes[0])
    assert world.log_in(code=renewed[0])


def test_second_factor_is_turned_off_by_the_password_or_the_operator(
    world: World, owner: Person
) -> None:
    _, codes = turn_on(world, owner)
    with pytest.raises(Conflict):
        world.factors.begin(owner.person_id, password=PASSWORD, now=world.now)
    with pytest.raises(CredentialsWrong):
        world.factors.turn_off(owner.person_id, password="wrong", now=world.now)
    world.factors.turn_off(owner.person_id, password=PASSWORD, now=world.now)
    assert world.mails()[-1].subject == "Your second factor was turned off"
    assert world.log_in()
    with pytest.raises(Conflict):
        world.factors.turn_on(owner.person_id, code=codes[0], now=world.now)
    turn_on(world, owner)
    world.factors.take_away(owner.person_id, now=world.now)
    assert world.log_in()


def test_secret_of_one_person_does_not_open_as_another_s(world: World, owner: Person) -> None:
    other = world.add("other", Role.READER, enterprise_id=owner.enterprise_id)
    first = world.factors.begin(owner.person_id, password=PASSWORD, now=world.now)
    second = world.factors.begin(other.person_id, password=PASSWORD, now=world.now)
    assert first.secret != second.secret
    assert first.secret not in repr(first)
    with pytest.raises(CredentialsWrong):
        world.factors.turn_on(other.person_id, code=code_at(world, first.secret), now=world.now)
