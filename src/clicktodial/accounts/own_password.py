"""Passwords that are changed, or forgotten and chosen anew. Either way every session ends."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, select, update

from clicktodial.accounts.attempt import (
    Subject,
    attempt_transaction,
    count_attempts,
    forget_attempts,
)
from clicktodial.accounts.error import CredentialsWrong
from clicktodial.accounts.letter import Letters
from clicktodial.accounts.password import hash_checked, verify_password
from clicktodial.accounts.person import PersonState, end_sessions, find_row, is_named
from clicktodial.accounts.session import login_subject
from clicktodial.accounts.token import create_token, hash_token
from clicktodial.domain.throttle import MAIL_FROM_ADDRESS, MAIL_TO_ADDRESS, network_of
from clicktodial.storage import people_table as table
from clicktodial.storage.error import NotFound
from clicktodial.storage.transaction import Transactions

LINK_LIFE = timedelta(hours=1)
TOKEN_PREFIX = "r_"
_columns = table.password_reset.c


def check_own_password(
    transactions: Transactions, person_id: str, password: str, now: datetime
) -> Row[Any]:
    """Their row, where that is their password: whoever sits at an open session is not enough.

    Counts as an attempt to log in. Raises TooManyAttempts, CredentialsWrong, NotFound.
    """
    with attempt_transaction(transactions) as connection:
        row = find_row(connection, person_id)
        count_attempts(connection, [login_subject(row.account)], now)
    if not verify_password(row.password_hash, password):
        raise CredentialsWrong
    with transactions.change(concerns_calls=False) as connection:
        forget_attempts(connection, login_subject(row.account))
    return row


class Passwords:
    """All methods block; they raise AccountError, AdministrationError, DatabaseUnavailable."""

    def __init__(self, transactions: Transactions, letters: Letters) -> None:
        self._transactions = transactions
        self._letters = letters

    def change(self, person_id: str, *, old: str, new: str, now: datetime) -> None:
        """By whoever knows the old one."""
        row = check_own_password(self._transactions, person_id, old, now)
        new_hash = hash_checked(new, account=row.account, email=row.email)
        with self._transactions.change(concerns_calls=False) as connection:
            self._set(connection, person_id, row.email, new_hash, now)

    def ask_for_reset(self, name: str, *, address: str, now: datetime) -> None:
        """A link goes to the mail of whoever has that account or email; where there is none, all
        that can be seen is the same. Raises TooManyAttempts."""
        with attempt_transaction(self._transactions) as connection:
            count_attempts(
                connection,
                [
                    Subject("mail-from", network_of(address), MAIL_FROM_ADDRESS),
                    Subject("reset", name.lower(), MAIL_TO_ADDRESS),
                ],
                now,
            )
            row = connection.execute(select(table.person).where(is_named(name))).first()
            if row is not None and row.state == PersonState.ACTIVE:
                self._send_link(connection, row.id, now)

    def send_reset(self, person_id: str, *, now: datetime) -> str:
        """The same for somebody whom the operator helps; returns the token. Raises NotFound."""
        with self._transactions.change(concerns_calls=False) as connection:
            return self._send_link(connection, person_id, now)

    def complete_reset(self, token: str, *, password: str, now: datetime) -> str:
        """Whoever got the link chooses another password; a second factor stays. Returns whose it
        is. Raises NotFound where the link is none, was used or has expired, and ValueInvalid."""
        query = select(_columns.person_id).where(
            _columns.token_hash == hash_token(token), _columns.expires_at > now
        )
        with self._transactions.read() as connection:
            person_id = connection.execute(query).scalar()
            if person_id is None:
                raise NotFound("there is no such link")
            row = find_row(connection, person_id)
        new_hash = hash_checked(password, account=row.account, email=row.email)
        with self._transactions.change(concerns_calls=False) as connection:
            used = connection.execute(
                delete(table.password_reset).where(_columns.token_hash == hash_token(token))
            )
            if used.rowcount == 0:
                raise NotFound("there is no such link")
            self._set(connection, person_id, row.email, new_hash, now)
            for name in (row.account, row.email):
                forget_attempts(connection, login_subject(name))
        return str(person_id)

    def _send_link(self, connection: Connection, person_id: str, now: datetime) -> str:
        row = find_row(connection, person_id)
        token = create_token(TOKEN_PREFIX)
        # One at a time: an older link ends.
        connection.execute(
            delete(table.password_reset).where(
                (_columns.person_id == person_id) | (_columns.expires_at <= now)
            )
        )
        connection.execute(
            insert(table.password_reset).values(
                token_hash=hash_token(token), person_id=person_id, expires_at=now + LINK_LIFE
            )
        )
        self._letters.send_reset(
            connection, to=row.email, account=row.account, token=token, now=now
        )
        return token

    def _set(
        self, connection: Connection, person_id: str, email: str, new_hash: str, now: datetime
    ) -> None:
        connection.execute(
            update(table.person)
            .where(table.person.c.id == person_id)
            .values(password_hash=new_hash)
        )
        end_sessions(connection, person_id)
        # Whoever asked for another address knew the old password, and may have been somebody else.
        for links in (table.password_reset, table.email_change):
            connection.execute(delete(links).where(links.c.person_id == person_id))
        self._letters.send_password_changed(connection, to=email, now=now)
