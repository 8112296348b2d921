"""Logging in, and the sessions of those who did.

A password is compared between two transactions: in the first the attempt is counted, in the
second its outcome is noted. So nothing is locked while it is hashed, and guesses that are made at
once are counted all the same. Where there is no such account, what happens is the same, and takes
as long.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

import uuid_utils
from sqlalchemy import Connection, Row, delete, insert, select, update

from clicktodial.accounts.attempt import (
    Subject,
    attempt_transaction,
    count_attempts,
    forget_attempts,
    uncount_attempt,
)
from clicktodial.accounts.error import CodeRequired, CredentialsWrong
from clicktodial.accounts.password import hash_password, needs_rehash, verify_password
from clicktodial.accounts.person import (
    Person,
    PersonState,
    find_row,
    is_named,
    person_of,
    totp_place,
)
from clicktodial.accounts.token import create_token, hash_token
from clicktodial.domain.enterprise import EnterpriseState
from clicktodial.domain.password import normalize_password
from clicktodial.domain.principal import Principal
from clicktodial.domain.throttle import LOGIN_FROM_ADDRESS, LOGIN_TO_ACCOUNT, network_of
from clicktodial.domain.totp import find_step
from clicktodial.storage import people_table as table
from clicktodial.storage.error import NotFound
from clicktodial.storage.secret import SecretVault
from clicktodial.storage.table import IDENTIFIER_CHARACTERS_MAX, enterprise
from clicktodial.storage.transaction import Transactions

# Before every token of a session, so that it is told from a program's credential and from the
# operator's token without a look into the database.
TOKEN_PREFIX = "s_"
# A few browsers and scripts; the oldest session ends when there are more.
SESSIONS_PER_PERSON_MAX = 20
# That a session is used is written so often, not at each request.
SEEN_EVERY = timedelta(minutes=1)
_columns = table.session.c


@dataclass(frozen=True, slots=True)
class LiveSession:
    """A session that holds, and whose it is. `is_former`: their enterprise has come to its end."""

    session_id: str
    principal: Principal
    account: str = ""
    is_former: bool = False


class SessionFinder(Protocol):
    """Knows sessions by their tokens."""

    def find(self, token: str, now: datetime) -> LiveSession | None:
        """The session, where it holds; None otherwise. Blocks; raises DatabaseUnavailable."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionDetail:
    """A session, as its owner sees it."""

    session_id: str
    created_at: datetime
    seen_at: datetime
    expires_at: datetime
    address: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NewSession:
    """A session that began: its token is told once."""

    detail: SessionDetail
    token: str
    person: Person

    def __repr__(self) -> str:
        return f"NewSession({self.detail.session_id!r})"


def login_subject(name: str) -> Subject:
    """Attempts at an account, by what was typed as its name."""
    return Subject("login-to", name.lower(), LOGIN_TO_ACCOUNT)


class Sessions:
    """All sessions. All methods block; they raise AccountError and DatabaseUnavailable."""

    def __init__(
        self, transactions: Transactions, vault: SecretVault, *, idle: timedelta, life: timedelta
    ) -> None:
        """A session ends when it is not used for so long (`idle`), and after its `life`."""
        self._transactions = transactions
        self._vault = vault
        self._idle = idle
        self._life = life

    def log_in(
        self, *, account: str, password: str, code: str | None, address: str, now: datetime
    ) -> NewSession:
        """By account or email, and where there is a second factor by its code, too, or by one of
        the recovery codes.

        Raises TooManyAttempts, CredentialsWrong, or CodeRequired where all but the code is right.
        """
        subjects = [
            login_subject(account),
            Subject("login-from", network_of(address), LOGIN_FROM_ADDRESS),
        ]
        with attempt_transaction(self._transactions) as connection:
            count_attempts(connection, subjects, now)
            row = connection.execute(select(table.person).where(is_named(account))).first()
        known_hash = None if row is None else row.password_hash
        if not verify_password(known_hash, password) or row is None:
            raise CredentialsWrong
        new_hash = None
        if needs_rehash(row.password_hash):
            new_hash = hash_password(normalize_password(password))
        with self._transactions.change(concerns_calls=False) as connection:
            is_enough = self._take_code(connection, row.id, code, now)
            if is_enough:
                forget_attempts(connection, subjects[0])
                uncount_attempt(connection, subjects[1])
                return self._begin(connection, row, new_hash, address, now)
            # The password was right: what is missing is no guess.
            for subject in subjects:
                uncount_attempt(connection, subject)
        raise CodeRequired

    def unlock(self, person_id: str) -> None:
        """Forget the attempts at somebody's account, so that they need not wait for the next one;
        those of the addresses that made them stay counted. Raises NotFound."""
        with self._transactions.change(concerns_calls=False) as connection:
            row = find_row(connection, person_id)
            for name in (row.account, row.email):
                forget_attempts(connection, login_subject(name))

    def find(self, token: str, now: datetime) -> LiveSession | None:
        """The session of that token, where it holds. It is used by that."""
        return self._look(token, now, is_use=True)

    def watch(self, token: str, now: datetime) -> LiveSession | None:
        """The same for what nobody did: a page that follows what it shows keeps no session."""
        return self._look(token, now, is_use=False)

    def _look(self, token: str, now: datetime, *, is_use: bool) -> LiveSession | None:
        query = (
            select(
                table.person,
                _columns.id.label("session_id"),
                _columns.seen_at.label("used_at"),
                enterprise.c.state.label("enterprise_state"),
            )
            .join(table.person, table.person.c.id == _columns.person_id)
            .outerjoin(enterprise, enterprise.c.id == table.person.c.enterprise_id)
            .where(
                _columns.token_hash == hash_token(token),
                _columns.expires_at > now,
                _columns.seen_at > now - self._idle,
                table.person.c.state == PersonState.ACTIVE,
            )
        )
        with self._transactions.read() as connection:
            row = connection.execute(query).first()
        if row is None:
            return None
        if is_use and now - row.used_at >= min(SEEN_EVERY, self._idle / 2):
            self._note_seen(row.session_id, row.id, now)
        is_former = row.enterprise_state == EnterpriseState.CANCELLED.value
        return LiveSession(row.session_id, person_of(row).principal, row.account, is_former)

    def list_sessions(self, person_id: str, now: datetime) -> list[SessionDetail]:
        """Somebody's that hold, the oldest first."""
        query = (
            select(table.session)
            .where(
                _columns.person_id == person_id,
                _columns.expires_at > now,
                _columns.seen_at > now - self._idle,
            )
            .order_by(_columns.id)
        )
        with self._transactions.read() as connection:
            return [_detail(row) for row in connection.execute(query)]

    def end(self, person_id: str, session_id: str) -> None:
        """One of somebody's. Raises NotFound."""
        with self._transactions.change(concerns_calls=False) as connection:
            gone = connection.execute(
                delete(table.session).where(
                    _columns.id == session_id, _columns.person_id == person_id
                )
            )
            if gone.rowcount == 0:
                raise NotFound("there is no such session")

    def end_others(self, person_id: str, session_id: str) -> None:
        """All of somebody's but that one."""
        with self._transactions.change(concerns_calls=False) as connection:
            connection.execute(
                delete(table.session).where(
                    _columns.person_id == person_id, _columns.id != session_id
                )
            )

    def _take_code(
        self, connection: Connection, person_id: str, code: str | None, now: datetime
    ) -> bool:
        """Whether no code is wanted, or this is one, which is taken; False where none was given.

        Raises CredentialsWrong for a wrong one, and where the person may no longer log in.
        """
        row = connection.execute(select(table.person).where(table.person.c.id == person_id)).first()
        if row is None or row.state != PersonState.ACTIVE:
            raise CredentialsWrong
        if not row.is_totp_on:
            return True
        if code is None:
            return False
        if not take_code(connection, self._vault, row, code, now):
            raise CredentialsWrong
        return True

    def _begin(
        self,
        connection: Connection,
        row: Row[Any],
        new_hash: str | None,
        address: str,
        now: datetime,
    ) -> NewSession:
        token, session_id = create_token(TOKEN_PREFIX), uuid_utils.uuid7().hex
        self._drop_old(connection, row.id, now)
        values = {
            "id": session_id,
            "token_hash": hash_token(token),
            "person_id": row.id,
            "created_at": now,
            "seen_at": now,
            "expires_at": now + self._life,
            "address": address[:IDENTIFIER_CHARACTERS_MAX],
        }
        connection.execute(insert(table.session).values(values))
        changes: dict[str, object] = {"seen_at": now}
        # Unless the password was changed since it was compared.
        own = table.person.c.id == row.id
        if new_hash is not None:
            changes["password_hash"] = new_hash
        current = own & (table.person.c.password_hash == row.password_hash)
        if connection.execute(update(table.person).where(current).values(**changes)).rowcount == 0:
            raise CredentialsWrong
        person = connection.execute(select(table.person).where(own)).one()
        session = connection.execute(select(table.session).where(_columns.id == session_id)).one()
        return NewSession(detail=_detail(session), token=token, person=person_of(person))

    def _drop_old(self, connection: Connection, person_id: str, now: datetime) -> None:
        """Those that ended, of everybody; and of this person those that are too many."""
        connection.execute(delete(table.session).where(_columns.expires_at <= now))
        surplus = (
            select(_columns.id)
            .where(_columns.person_id == person_id)
            .order_by(_columns.id.desc())
            .offset(SESSIONS_PER_PERSON_MAX - 1)
        )
        for session_id in connection.execute(surplus).scalars().all():
            connection.execute(delete(table.session).where(_columns.id == session_id))

    def _note_seen(self, session_id: str, person_id: str, now: datetime) -> None:
        with self._transactions.change(concerns_calls=False) as connection:
            connection.execute(
                update(table.session).where(_columns.id == session_id).values(seen_at=now)
            )
            connection.execute(
                update(table.person).where(table.person.c.id == person_id).values(seen_at=now)
            )


def take_code(
    connection: Connection, vault: SecretVault, row: Row[Any], code: str, now: datetime
) -> bool:
    """Whether the code is one of the person's second factor or of their recovery codes, which no
    longer holds then."""
    secret = vault.open(row.totp_secret_encrypted, totp_place(row.id))
    step = find_step(secret, code, now, after=row.totp_step)
    if step is not None:
        person = table.person.c
        taken = connection.execute(
            update(table.person)
            .where(person.id == row.id, person.totp_step == row.totp_step)
            .values(totp_step=step)
        )
        return taken.rowcount == 1
    recovery = table.recovery_code.c
    gone = connection.execute(
        delete(table.recovery_code).where(
            recovery.person_id == row.id, recovery.code_hash == hash_recovery_code(code)
        )
    )
    return gone.rowcount == 1


def hash_recovery_code(code: str) -> str:
    """Of a code as people type it. 80 random bits need no slow hash."""
    plain = "".join(code.split()).replace("-", "").upper()
    return hashlib.sha256(plain.encode("utf-8", "replace")).hexdigest()


def _detail(row: Row[Any]) -> SessionDetail:
    return SessionDetail(
        session_id=row.id,
        created_at=row.created_at,
        seen_at=row.seen_at,
        expires_at=row.expires_at,
        address=row.address,
    )
