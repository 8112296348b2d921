"""`/registrations`, `/activations`, `/password-resets`, `/email-changes`: open to anybody.

Whether there is an account is not told by any of them: what they lead to comes by mail.
"""

from functools import partial
from typing import Annotated, Any

from msgspec import UNSET, Meta, UnsetType

from clicktodial.accounts.enrolment import Enrolments
from clicktodial.accounts.own_email import OwnEmails
from clicktodial.accounts.own_password import Passwords
from clicktodial.accounts.person import People
from clicktodial.api.management.problem import (
    ALREADY_EXISTS,
    INVALID_VALUE,
    NOT_FOUND,
    REGISTRATION_CLOSED,
    TOO_MANY_ATTEMPTS,
)
from clicktodial.api.management.route import Ask, Created, Route
from clicktodial.api.management.schema import Strict, WrittenNumber
from clicktodial.api.management.user_view import (
    EMAIL_EXAMPLE,
    PASSWORD_EXAMPLE,
    TOKEN_EXAMPLE,
    USER_EXAMPLE,
    Account,
    Email,
    NewPassword,
    Token,
    UserView,
    render_user,
)
from clicktodial.api.management.worker import Worker

_Name = Annotated[str, Meta(min_length=1, max_length=200)]
_Region = Annotated[
    str,
    Meta(min_length=1, max_length=32, description="Whose account manager will get in touch."),
]
_AccountOrEmail = Annotated[
    str, Meta(min_length=1, max_length=254, description="The account, or its email.")
]


class NewRegistration(Strict, frozen=True):
    """Somebody who registers, for an enterprise that is new here."""

    account: Account
    email: Email
    phone: WrittenNumber
    enterprise_name: _Name
    region: _Region | UnsetType = UNSET


class Activation(Strict, frozen=True):
    """An account is made by whoever got the link. Whoever was invited chooses `account`; whoever
    registered need not, unless it was taken meanwhile."""

    token: Token
    password: NewPassword
    account: Account | UnsetType = UNSET
    phone: WrittenNumber | UnsetType = UNSET


class NewPasswordReset(Strict, frozen=True):
    """Who forgot a password."""

    name: _AccountOrEmail


class PasswordReset(Strict, frozen=True):
    """Another password, chosen by whoever got the link."""

    token: Token
    password: NewPassword


class EmailProof(Strict, frozen=True):
    """What whoever reads the new address has."""

    token: Token


class EnrolmentResource:
    """Ways in, for people who are not in yet."""

    def __init__(
        self,
        enrolments: Enrolments,
        passwords: Passwords,
        emails: OwnEmails,
        people: People,
        worker: Worker,
    ) -> None:
        """`worker` is the one that hashes passwords."""
        self._enrolments = enrolments
        self._passwords = passwords
        self._emails = emails
        self._people = people
        self._worker = worker

    async def register(self, ask: Ask) -> None:
        """POST /registrations"""
        body = await ask.read(NewRegistration)
        await self._worker.run(
            partial(
                self._enrolments.register,
                account=body.account,
                email=body.email,
                phone=body.phone,
                enterprise_name=body.enterprise_name,
                enterprise_region=None if isinstance(body.region, UnsetType) else body.region,
                address=ask.client,
                now=ask.now,
            )
        )

    async def activate(self, ask: Ask) -> Created:
        """POST /activations"""
        body = await ask.read(Activation)
        person = await self._worker.run(
            partial(
                self._enrolments.activate,
                body.token,
                password=body.password,
                account=None if isinstance(body.account, UnsetType) else body.account,
                phone=None if isinstance(body.phone, UnsetType) else body.phone,
                now=ask.now,
            )
        )
        ask.notes.principal = person.principal
        return Created(render_user(person), "/me")

    async def ask_for_reset(self, ask: Ask) -> None:
        """POST /password-resets"""
        body = await ask.read(NewPasswordReset)
        await self._worker.run(
            partial(self._passwords.ask_for_reset, body.name, address=ask.client, now=ask.now)
        )

    async def complete_reset(self, ask: Ask) -> None:
        """POST /password-resets/complete"""
        body = await ask.read(PasswordReset)
        person_id = await self._worker.run(
            partial(self._passwords.complete_reset, body.token, password=body.password, now=ask.now)
        )
        await self._note(ask, person_id)

    async def complete_email(self, ask: Ask) -> None:
        """POST /email-changes/complete"""
        body = await ask.read(EmailProof)
        person_id = await self._worker.run(partial(self._emails.complete, body.token, now=ask.now))
        await self._note(ask, person_id)

    async def _note(self, ask: Ask, person_id: str) -> None:
        person = await self._worker.run(lambda: self._people.show(person_id))
        ask.notes.principal = person.principal

    def routes(self) -> list[Route]:
        """The rows of this resource."""
        shared: dict[str, Any] = {"tag": "People", "roles": frozenset(), "is_open": True}
        reset = {"token": TOKEN_EXAMPLE, "password": PASSWORD_EXAMPLE}
        return [
            Route(
                name="register",
                method="POST",
                path="/registrations",
                summary="Register",
                about="A mail goes to that address: with a link that makes the account, within 24 "
                "hours, or, where the account or the address is taken, with that. The answer is "
                "the same.",
                handle=self.register,
                body=NewRegistration,
                body_example={
                    "account": "zhang.wei",
                    "email": EMAIL_EXAMPLE,
                    "phone": "8613912345673",
                    "enterprise_name": "Example Couriers",
                    "region": "Beijing",
                },
                status=202,
                problems=(INVALID_VALUE, REGISTRATION_CLOSED, TOO_MANY_ATTEMPTS),
                **shared,
            ),
            Route(
                name="activate",
                method="POST",
                path="/activations",
                summary="Activate an account",
                about="Whoever got the link chooses a password, and the account is there. Whoever "
                "registered owns a new enterprise then, which may subscribe.",
                handle=self.activate,
                body=Activation,
                body_example=reset,
                answer=UserView,
                answer_example=USER_EXAMPLE,
                status=201,
                problems=(INVALID_VALUE, NOT_FOUND, ALREADY_EXISTS),
                **shared,
            ),
            Route(
                name="askForPasswordReset",
                method="POST",
                path="/password-resets",
                summary="Forget a password",
                about="A mail goes to the address of that account, with a link that sets another "
                "password, within an hour. Where there is no such account the answer is the same.",
                handle=self.ask_for_reset,
                body=NewPasswordReset,
                body_example={"name": "zhang.wei"},
                status=202,
                problems=(TOO_MANY_ATTEMPTS,),
                **shared,
            ),
            Route(
                name="completePasswordReset",
                method="POST",
                path="/password-resets/complete",
                summary="Set another password",
                about="By whoever got the link. Every session ends; a second factor stays.",
                handle=self.complete_reset,
                body=PasswordReset,
                body_example=reset,
                status=204,
                problems=(INVALID_VALUE, NOT_FOUND),
                **shared,
            ),
            Route(
                name="completeEmailChange",
                method="POST",
                path="/email-changes/complete",
                summary="Confirm a new email address",
                about="By whoever got the link, logged in or not. Sessions stay; a mail tells the "
                "old address.",
                handle=self.complete_email,
                body=EmailProof,
                body_example={"token": TOKEN_EXAMPLE},
                status=204,
                problems=(INVALID_VALUE, NOT_FOUND, ALREADY_EXISTS),
                **shared,
            ),
        ]
