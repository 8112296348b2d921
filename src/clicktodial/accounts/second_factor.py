"""The second factor: an authenticator app, and codes on paper for when the telephone is lost."""

import base64
import secrets
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, delete, insert, update

from clicktodial.accounts.error import CredentialsWrong
from clicktodial.accounts.letter import Letters
from clicktodial.accounts.own_password import check_own_password
from clicktodial.accounts.person import find_row, totp_place
from clicktodial.accounts.session import hash_recovery_code
from clicktodial.domain.totp import SECRET_BYTES, describe_secret, find_step
from clicktodial.storage import people_table as table
from clicktodial.storage.error import Conflict
from clicktodial.storage.secret import SecretVault
from clicktodial.storage.transaction import Transactions

RECOVERY_CODES = 10
# 80 bits, 16 characters in base32.
RECOVERY_CODE_BYTES = 10
ISSUER = "Click to Dial"


@dataclass(frozen=True, slots=True, repr=False)
class NewSecret:
    """What an authenticator app is given: the secret in base32, or the URI, shown as a picture."""

    secret: str
    uri: str


class SecondFactors:
    """All methods block; they raise AccountError, AdministrationError, DatabaseUnavailable."""

    def __init__(self, transactions: Transactions, vault: SecretVault, letters: Letters) -> None:
        self._transactions = transactions
        self._vault = vault
        self._letters = letters

    def begin(self, person_id: str, *, password: str, now: datetime) -> NewSecret:
        """A secret; it is asked for at logins only once a code of it was shown (`turn_on`).

        Raises Conflict where there is one already.
        """
        row = check_own_password(self._transactions, person_id, password, now)
        secret = secrets.token_bytes(SECRET_BYTES)
        person = table.person.c
        with self._transactions.change(concerns_calls=False) as connection:
            begun = connection.execute(
                update(table.person)
                .where(person.id == person_id, person.is_totp_on.is_(False))
                .values(
                    totp_secret_encrypted=self._vault.seal(secret, totp_place(person_id)),
                    totp_step=0,
                )
            )
            if begun.rowcount == 0:
                raise Conflict("there is a second factor already; turn it off first")
        return NewSecret(*describe_secret(secret, account=row.account, issuer=ISSUER))

    def turn_on(self, person_id: str, *, code: str, now: datetime) -> list[str]:
        """Whoever shows a code of the new secret has it; returns the recovery codes, once.

        Raises Conflict where there is no new secret, and CredentialsWrong.
        """
        with self._transactions.change(concerns_calls=False) as connection:
            row = find_row(connection, person_id)
            if row.totp_secret_encrypted is None or row.is_totp_on:
                raise Conflict("there is no new second factor to turn on")
            secret = self._vault.open(row.totp_secret_encrypted, totp_place(person_id))
            step = find_step(secret, code, now, after=row.totp_step)
            if step is None:
                raise CredentialsWrong
            connection.execute(
                update(table.person)
                .where(table.person.c.id == person_id)
                .values(is_totp_on=True, totp_step=step)
            )
            codes = self._create_codes(connection, person_id)
            self._letters.send_second_factor_changed(connection, to=row.email, is_on=True, now=now)
        return codes

    def renew_codes(self, person_id: str, *, password: str, now: datetime) -> list[str]:
        """Other recovery codes; those of before hold no longer. Raises Conflict."""
        row = check_own_password(self._transactions, person_id, password, now)
        if not row.is_totp_on:
            raise Conflict("there is no second factor")
        with self._transactions.change(concerns_calls=False) as connection:
            return self._create_codes(connection, person_id)

    def turn_off(self, person_id: str, *, password: str, now: datetime) -> None:
        """By whoever knows the password, of a session that is open."""
        check_own_password(self._transactions, person_id, password, now)
        self.take_away(person_id, now=now)

    def take_away(self, person_id: str, *, now: datetime) -> None:
        """By the operator, for somebody who lost it. Raises NotFound."""
        with self._transactions.change(concerns_calls=False) as connection:
            row = find_row(connection, person_id)
            connection.execute(
                update(table.person)
                .where(table.person.c.id == person_id)
                .values(is_totp_on=False, totp_secret_encrypted=None, totp_step=0)
            )
            _drop_codes(connection, person_id)
            if row.is_totp_on:
                self._letters.send_second_factor_changed(
                    connection, to=row.email, is_on=False, now=now
                )

    def _create_codes(self, connection: Connection, person_id: str) -> list[str]:
        _drop_codes(connection, person_id)
        codes = [_create_recovery_code() for _ in range(RECOVERY_CODES)]
        connection.execute(
            insert(table.recovery_code),
            [{"person_id": person_id, "code_hash": hash_recovery_code(code)} for code in codes],
        )
        return codes


def _create_recovery_code() -> str:
    text = base64.b32encode(secrets.token_bytes(RECOVERY_CODE_BYTES)).decode()
    return "-".join(text[place : place + 4] for place in range(0, len(text), 4))


def _drop_codes(connection: Connection, person_id: str) -> None:
    codes = table.recovery_code
    connection.execute(delete(codes).where(codes.c.person_id == person_id))
