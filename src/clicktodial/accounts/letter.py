"""What people are written. One place for the words, so that a translation is one file."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from clicktodial.messaging.mail import queue_mail

_NOT_YOU = "If this was not you, you need do nothing.\n"
_END = "\nThis mail was sent by a machine; nobody reads answers to it.\n"


@dataclass(frozen=True, slots=True)
class Letters:
    """Writes to people. `base_url` is where they reach the platform, without a trailing slash."""

    base_url: str

    def send_activation(
        self, connection: Connection, *, to: str, account: str | None, token: str, now: datetime
    ) -> None:
        """The link that makes an account."""
        whose = "" if account is None else f" {account}"
        self._send(
            connection,
            to,
            "Activate your account",
            f"With this link you activate your account{whose} and choose its password, within "
            f"24 hours:\n\n{self.base_url}/activate#{token}\n\n"
            f"For programs, the token is\n\n{token}\n\n{_NOT_YOU}",
            now,
        )

    def send_already_registered(
        self, connection: Connection, *, to: str, account: str, now: datetime
    ) -> None:
        """To whoever registers an address that has an account."""
        self._send(
            connection,
            to,
            "You have an account already",
            f"Somebody asked for an account with this address. You have one already: {account}. "
            "If you forgot its password, ask for a new one.\n\n" + _NOT_YOU,
            now,
        )

    def send_account_taken(
        self, connection: Connection, *, to: str, account: str, now: datetime
    ) -> None:
        """To whoever registers a name that another has."""
        self._send(
            connection,
            to,
            "Choose another name",
            f"You asked for an account of the name {account}. That name is taken: register again "
            "with another one.\n\n" + _NOT_YOU,
            now,
        )

    def send_reset(
        self, connection: Connection, *, to: str, account: str, token: str, now: datetime
    ) -> None:
        """The link that sets another password."""
        self._send(
            connection,
            to,
            "Choose a new password",
            f"With this link you choose a new password of your account {account}, within an hour:"
            f"\n\n{self.base_url}/reset-password#{token}\n\n"
            f"For programs, the token is\n\n{token}\n\n{_NOT_YOU}",
            now,
        )

    def send_password_changed(self, connection: Connection, *, to: str, now: datetime) -> None:
        """That it was."""
        self._send(
            connection,
            to,
            "Your password was changed",
            "The password of your account was changed just now, and every session ended.\n\n"
            "If this was not you, ask for a new password at once.\n",
            now,
        )

    def send_email_link(
        self, connection: Connection, *, to: str, account: str, token: str, now: datetime
    ) -> None:
        """The link that proves a new address, to that address."""
        self._send(
            connection,
            to,
            "Confirm your new address",
            f"With this link you make this the address of your account {account}, within 24 hours:"
            f"\n\n{self.base_url}/change-email#{token}\n\n"
            f"For programs, the token is\n\n{token}\n\n{_NOT_YOU}",
            now,
        )

    def send_email_asked(self, connection: Connection, *, to: str, now: datetime) -> None:
        """To the old address, that another was asked for."""
        self._send(
            connection,
            to,
            "Another address was asked for",
            "Somebody who knows the password of your account asked for another email address of "
            "it. It changes once the link is followed that was sent there.\n\n"
            "If this was not you, change your password at once: then the link ends.\n",
            now,
        )

    def send_email_changed(self, connection: Connection, *, to: str, now: datetime) -> None:
        """To the old address, that it is the account's no longer."""
        self._send(
            connection,
            to,
            "Your email address was changed",
            "Your account has another email address from now on, and no mail will come here any "
            "more.\n\nIf this was not you, write to support at once.\n",
            now,
        )

    def send_second_factor_changed(
        self, connection: Connection, *, to: str, is_on: bool, now: datetime
    ) -> None:
        """That it was."""
        word = "on" if is_on else "off"
        self._send(
            connection,
            to,
            f"Your second factor was turned {word}",
            f"The second factor of your account was turned {word} just now.\n\n"
            "If this was not you, change your password at once.\n",
            now,
        )

    def _send(
        self, connection: Connection, to: str, subject: str, text: str, now: datetime
    ) -> None:
        queue_mail(connection, to=to, subject=subject, text=text + _END, now=now)
