"""Logging in, and sessions."""

import threading
from datetime import timedelta

import pytest
from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError
from tests.accounts.people import ADDRESS, CHEAP_HASHER, IDLE, LIFE, NOW, PASSWORD, World

from clicktodial.accounts import password as password_module
from clicktodial.accounts import session as session_module
from clicktodial.accounts.error import CredentialsWrong, TooManyAttempts
from clicktodial.accounts.password import needs_rehash
from clicktodial.accounts.person import PersonState
from clicktodial.accounts.session import SESSIONS_PER_PERSON_MAX, TOKEN_PREFIX
from clicktodial.domain.enterprise import EnterpriseMove
from clicktodial.domain.principal import Role
from clicktodial.domain.throttle import LOGIN_FROM_ADDRESS, LOGIN_TO_ACCOUNT
from clicktodial.storage import people_table as table
from clicktodial.storage.enterprise_row import move_enterprise
from clicktodial.storage.error import DatabaseUnavailable, NotFound
from clicktodial.storage.transaction import Transactions

WRONG = "wrong horse battery staple"


@pytest.fixture
def world(transactions: Transactions, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr(password_module, "_hasher", CHEAP_HASHER)
    return World(transactions)


@pytest.mark.parametrize("name", ["zhang.wei", "Zhang.Wei", "zhang.wei@example.com"])
def test_login_by_account_or_email_begins_a_session(world: World, name: str) -> None:
    owner = world.add_owner()
    new = world.log_in(name)
    assert new.token.startswith(TOKEN_PREFIX) and len(new.token) == 45
    assert new.token not in repr(new)
    found = world.sessions.find(new.token, world.now)
    assert found is not None
    assert found.principal == owner.principal
    assert found.session_id == new.detail.session_id
    assert new.detail.address == ADDRESS
    with world.transactions.read() as connection:
        [row] = connection.execute(select(table.session)).all()
    assert new.token not in str(row)


def test_session_tells_whether_the_enterprise_has_ended(world: World) -> None:
    owner, token = world.add_owner(), world.log_in("zhang.wei").token
    staff = world.add("olga", Role.OPERATOR, enterprise_id=None)
    assert owner.enterprise_id is not None
    for move, is_former in ((None, False), (EnterpriseMove.CANCEL, True)):
        if move is not None:
            with world.transactions.change() as connection:
                move_enterprise(connection, owner.enterprise_id, move, now=world.now)
        found = world.sessions.find(token, world.now)
        assert found is not None and found.is_former is is_former
    found = world.sessions.find(world.log_in(staff.account).token, world.now)
    assert found is not None and not found.is_former


@pytest.mark.on_every_database
def test_wrong_password_and_unknown_account_are_the_same(world: World) -> None:
    world.add_owner()
    for account, password in (("zhang.wei", WRONG), ("nobody", PASSWORD), ("", ""), ("a\0", "b")):
        with pytest.raises(CredentialsWrong):
            world.log_in(account, password)


def test_unknown_account_costs_a_hash_as_well(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()  # with the real parameters
    password_module._nobody_s_hash.cache_clear()
    world.add_owner()
    verified: list[str] = []
    hasher = password_module._hasher

    class Counting:
        def verify(self, known: str, password: str) -> bool:
            verified.append(known)
            return hasher.verify(known, password)

    nobody_s = password_module._nobody_s_hash()
    monkeypatch.setattr(password_module, "_hasher", Counting())
    for account in ("zhang.wei", "nobody"):
        with pytest.raises(CredentialsWrong):
            world.log_in(account, WRONG)
    with world.transactions.read() as connection:
        known = connection.execute(select(table.person.c.password_hash)).scalar_one()
    assert verified == [known, nobody_s]
    # The same parameters, so the same time.
    assert known.split("$")[:4] == nobody_s.split("$")[:4]


def test_account_waits_longer_after_each_wrong_password(world: World) -> None:
    world.add_owner()
    for number in range(LOGIN_TO_ACCOUNT.free):
        with pytest.raises(CredentialsWrong):
            world.log_in(password=WRONG, address=f"192.0.2.{number}")
    for expected in (2, 4, 8):
        with pytest.raises(TooManyAttempts) as refused:
            world.log_in()  # even the right one
        assert refused.value.retry_after_s == expected
        world.wait(expected)
        with pytest.raises(CredentialsWrong):
            world.log_in(password=WRONG)
    world.wait(16)
    world.log_in()
    for _ in range(LOGIN_TO_ACCOUNT.free):  # it began anew
        with pytest.raises(CredentialsWrong):
            world.log_in(password=WRONG)


def test_account_that_is_unlocked_need_not_wait(world: World) -> None:
    owner = world.add_owner()
    for name in (owner.account, owner.email):
        for _ in range(LOGIN_TO_ACCOUNT.free):
            with pytest.raises(CredentialsWrong):
                world.log_in(name, password=WRONG)
        with pytest.raises(TooManyAttempts):
            world.log_in(name)
        world.sessions.unlock(owner.person_id)
        world.log_in(name)
    with pytest.raises(NotFound):
        world.sessions.unlock("nobody")


def test_account_that_is_none_waits_as_well(world: World) -> None:
    for _ in range(LOGIN_TO_ACCOUNT.free):
        with pytest.raises(CredentialsWrong):
            world.log_in("nobody")
    with pytest.raises(TooManyAttempts):
        world.log_in("nobody")


def test_address_waits_after_many_and_own_logins_do_not_free_it(world: World) -> None:
    world.add_owner()
    for number in range(LOGIN_FROM_ADDRESS.free):
        with pytest.raises(CredentialsWrong):
            world.log_in(f"victim-{number}", WRONG)
        if number % 10 == 0:
            world.log_in()
    with pytest.raises(TooManyAttempts):
        world.log_in("another", WRONG)
    assert world.log_in(address="192.0.2.200")


def test_names_that_were_tried_are_not_stored(world: World) -> None:
    with pytest.raises(CredentialsWrong):
        world.log_in("my password by mistake")
    with world.transactions.read() as connection:
        rows = connection.execute(select(table.attempt)).all()
    assert len(rows) == 2
    assert "mistake" not in str(rows)


@pytest.mark.on_every_database
def test_guesses_made_at_once_are_all_counted(world: World) -> None:
    world.add_owner()
    outcomes: list[type[Exception]] = []

    def guess() -> None:
        while True:
            try:
                world.log_in(password=WRONG)
            except DatabaseUnavailable:
                continue  # the others hold it for longer than a busy machine waits
            except (CredentialsWrong, TooManyAttempts) as error:
                outcomes.append(type(error))
                return

    threads = [threading.Thread(target=guess) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(outcomes) == 12
    assert outcomes.count(CredentialsWrong) == LOGIN_TO_ACCOUNT.free


def test_old_attempts_are_forgotten_and_the_table_is_bounded(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clicktodial.accounts.attempt.SUBJECTS_MAX", 5)
    for number in range(12):
        world.wait(1)
        with pytest.raises(CredentialsWrong):
            world.log_in(f"a{number}", address=f"192.0.2.{number}")
    with world.transactions.read() as connection:
        assert len(connection.execute(select(table.attempt)).all()) <= 5 + 2
    world.wait(86_401)
    with pytest.raises(CredentialsWrong):
        world.log_in("b")
    with world.transactions.read() as connection:
        assert len(connection.execute(select(table.attempt)).all()) == 2


def test_whoever_comes_back_after_days_logs_in(world: World) -> None:
    """From an address of which an attempt is known that is forgotten by now."""
    world.add_owner()
    for _ in range(3):
        assert world.log_in().person.account == "zhang.wei"
        world.wait(2 * 86_400)


def test_session_ends_when_it_is_idle_and_goes_on_when_it_is_used(world: World) -> None:
    world.add_owner()
    token = world.log_in().token
    for _ in range(5):
        world.wait(IDLE.total_seconds() - 1)
        assert world.sessions.find(token, world.now) is not None
    world.wait(IDLE.total_seconds())
    assert world.sessions.find(token, world.now) is None


def test_session_ends_after_its_life_however_it_is_used(world: World) -> None:
    world.add_owner()
    token = world.log_in().token
    end = NOW + LIFE
    while world.now + timedelta(minutes=30) < end:
        world.wait(1_800)
        assert world.sessions.find(token, world.now) is not None
    world.now = end
    assert world.sessions.find(token, world.now) is None


def test_use_is_written_once_a_minute(world: World) -> None:
    owner = world.add_owner()
    token = world.log_in().token

    def seen() -> object:
        return world.sessions.list_sessions(owner.person_id, world.now)[0].seen_at

    world.wait(59)
    world.sessions.find(token, world.now)
    assert seen() == NOW
    world.wait(1)
    world.sessions.find(token, world.now)
    assert seen() == world.now


def test_sessions_are_listed_and_ended_by_their_owner_alone(world: World) -> None:
    owner, stranger = world.add_owner(), world.add_owner("li.na")
    first, second, third = (world.log_in() for _ in range(3))
    own = owner.person_id
    assert [each.session_id for each in world.sessions.list_sessions(own, world.now)] == [
        each.detail.session_id for each in (first, second, third)
    ]
    with pytest.raises(NotFound):
        world.sessions.end(stranger.person_id, first.detail.session_id)
    world.sessions.end(own, first.detail.session_id)
    assert world.sessions.find(first.token, world.now) is None
    world.sessions.end_others(own, third.detail.session_id)
    assert world.sessions.find(second.token, world.now) is None
    assert world.sessions.find(third.token, world.now) is not None


def test_somebody_has_so_many_sessions_at_most(world: World) -> None:
    world.add_owner()
    tokens = [world.log_in().token for _ in range(SESSIONS_PER_PERSON_MAX + 1)]
    assert world.sessions.find(tokens[0], world.now) is None
    assert all(world.sessions.find(token, world.now) for token in tokens[1:])


def test_whoever_is_disabled_is_out_and_stays_out(world: World) -> None:
    owner = world.add_owner()
    reader = world.add("reader", Role.READER, enterprise_id=owner.enterprise_id)
    token = world.log_in("reader").token
    world.people.change(reader.person_id, state=PersonState.DISABLED)
    assert world.sessions.find(token, world.now) is None
    with pytest.raises(CredentialsWrong):
        world.log_in("reader")


def test_session_that_began_as_its_owner_was_disabled_does_not_hold(world: World) -> None:
    owner = world.add_owner()
    new = world.log_in()
    with world.transactions.change() as connection:  # without the end of sessions, as in a race
        connection.execute(
            update(table.person)
            .where(table.person.c.id == owner.person_id)
            .values(state=PersonState.DISABLED)
        )
    assert world.sessions.find(new.token, world.now) is None


def test_hash_of_older_parameters_is_renewed_at_login(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner = world.add_owner()
    monkeypatch.undo()

    def known() -> str:
        with world.transactions.read() as connection:
            query = select(table.person.c.password_hash)
            return str(
                connection.execute(query.where(table.person.c.id == owner.person_id)).scalar()
            )

    assert needs_rehash(known())
    world.log_in()
    assert not needs_rehash(known())
    world.log_in()


@pytest.mark.parametrize("token", ["", "s_", "s_" + "x" * 43, "s_\ud800", "x" * 5_000])
def test_token_that_is_none_is_found_nowhere(world: World, token: str) -> None:
    assert world.sessions.find(token, world.now) is None


def test_login_fails_where_the_password_changed_while_it_was_compared(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner = world.add_owner()
    verify = password_module.verify_password

    def verify_and_change(known: str | None, password: str) -> bool:
        monkeypatch.setattr(session_module, "verify_password", verify)
        world.passwords.change(
            owner.person_id, old=PASSWORD, new="a hundred blue umbrellas", now=world.now
        )
        return verify(known, password)

    monkeypatch.setattr(session_module, "verify_password", verify_and_change)
    with pytest.raises(CredentialsWrong):
        world.log_in()


def test_first_attempts_that_meet_are_no_fault(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def meet(*_: object) -> None:
        raise IntegrityError("INSERT", {}, Exception("the row is there"))

    monkeypatch.setattr("clicktodial.accounts.attempt._hold", meet)
    with pytest.raises(TooManyAttempts):
        world.log_in()
