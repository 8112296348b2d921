"""Another address of mail: asked for with the password, and proved by the link that goes there.

What is answered is the same whether the address has an account or not: that is told in the mail,
to whoever owns the address.
"""

from datetime import datetime, timedelta

from sqlalchemy import Connection, delete, insert, select, update

from clicktodial.accounts.attempt import Subject, attempt_transaction, count_attempts
from clicktodial.accounts.letter import Letters
from clicktodial.accounts.own_password import check_own_password
from clicktodial.accounts.person import PersonState, check_email, find_row
from clicktodial.accounts.token import create_token, hash_token
from clicktodial.domain.throttle import MAIL_FROM_ADDRESS, MAIL_TO_ADDRESS
from clicktodial.storage import people_table as table
from clicktodial.storage.error import NotFound, ValueInvalid
from clicktodial.storage.transaction import Transactions

LINK_LIFE = timedelta(hours=24)
TOKEN_PREFIX = "e_"
_TAKEN = "the address has an account already"
_columns = table.email_change.c


class OwnEmails:
    """All methods block; they raise AccountError, AdministrationError, DatabaseUnavailable."""

    def __init__(self, transactions: Transactions, letters: Letters) -> None:
        self._transactions = transactions
        self._letters = letters

    def ask(self, person_id: str, *, password: str, email: str, now: datetime) -> None:
        """By whoever knows the password: a link goes to the new address, and word of it to the
        old one. Raises TooManyAttempts, CredentialsWrong, ValueInvalid."""
        to = check_email(email)
        row = check_own_password(self._transactions, person_id, password, now)
        if row.email == to:
            raise ValueInvalid("that is the account's address already")
        with attempt_transaction(self._transactions) as connection:
            count_attempts(
                connection,
                [
                    Subject("email-of", person_id, MAIL_FROM_ADDRESS),
                    Subject("mail-to", to, MAIL_TO_ADDRESS),
                ],
                now,
            )
            account = connection.scalar(
                select(table.person.c.account).where(table.person.c.email == to)
            )
            token = self._keep_link(connection, person_id, to, now)
            if account is None:
                self._letters.send_email_link(
                    connection, to=to, account=row.account, token=token, now=now
                )
            else:
                # Its link was told to nobody.
                self._letters.send_already_registered(connection, to=to, account=account, now=now)
            self._letters.send_email_asked(connection, to=row.email, now=now)

    def complete(self, token: str, *, now: datetime) -> str:
        """Whoever got the link has the address; sessions stay. Returns whose it is. Raises
        NotFound where the link is none, was used, has expired or its account is disabled, and
        AlreadyExists where the address was taken meanwhile."""
        where = _columns.token_hash == hash_token(token)
        with self._transactions.change(_TAKEN, concerns_calls=False) as connection:
            query = select(_columns.person_id, _columns.email).where(where)
            change = connection.execute(query.where(_columns.expires_at > now)).first()
            if change is None:
                raise NotFound("there is no such link")
            # Of two who follow it at once the second finds nothing.
            if connection.execute(delete(table.email_change).where(where)).rowcount == 0:
                raise NotFound("there is no such link")
            row = find_row(connection, change.person_id)
            if row.state != PersonState.ACTIVE:
                raise NotFound("there is no such link")
            connection.execute(
                update(table.person).where(table.person.c.id == row.id).values(email=change.email)
            )
            # Whoever reads the old mailbox must not get in by a link that is still there.
            resets = table.password_reset
            connection.execute(delete(resets).where(resets.c.person_id == row.id))
            self._letters.send_email_changed(connection, to=row.email, now=now)
        return str(row.id)

    def _keep_link(self, connection: Connection, person_id: str, email: str, now: datetime) -> str:
        token = create_token(TOKEN_PREFIX)
        # One at a time: an older link ends.
        connection.execute(
            delete(table.email_change).where(
                (_columns.person_id == person_id) | (_columns.expires_at <= now)
            )
        )
        connection.execute(
            insert(table.email_change).values(
                token_hash=hash_token(token),
                person_id=person_id,
                email=email,
                expires_at=now + LINK_LIFE,
            )
        )
        return token
