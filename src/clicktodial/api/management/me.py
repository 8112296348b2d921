"""`/me`: what people do with their own accounts."""

from collections.abc import Callable
from functools import partial
from typing import Annotated, Any, TypeVar

from msgspec import Meta

from clicktodial.accounts.own_email import OwnEmails
from clicktodial.accounts.own_password import Passwords
from clicktodial.accounts.person import People, Person
from clicktodial.accounts.second_factor import SecondFactors
from clicktodial.api.management.problem import (
    CONFLICT,
    INVALID_VALUE,
    TOO_MANY_ATTEMPTS,
    WRONG_CREDENTIALS,
)
from clicktodial.api.management.route import Ask, Route
from clicktodial.api.management.schema import Strict, WrittenNumber
from clicktodial.api.management.user_view import (
    EMAIL_EXAMPLE,
    PASSWORD_EXAMPLE,
    USER_EXAMPLE,
    Code,
    Email,
    NewPassword,
    Password,
    UserView,
    render_user,
)
from clicktodial.api.management.worker import Worker
from clicktodial.domain.principal import PERSON_ROLES

T = TypeVar("T")


class Me(Strict, frozen=True):
    """Whoever asks."""

    user: UserView
    phone: Annotated[str, Meta(description="In E.164.")] | None


class MeChange(Strict, frozen=True):
    """What people change of themselves."""

    phone: WrittenNumber


class PasswordChange(Strict, frozen=True):
    """Another password."""

    old_password: Password
    new_password: NewPassword


class OwnPassword(Strict, frozen=True):
    """The password, once more: a session that is left open is not enough."""

    password: Password


class OwnCode(Strict, frozen=True):
    """A code of the new second factor."""

    code: Code


class TotpSecret(Strict, frozen=True):
    """What an authenticator app is given (RFC 6238): `uri` as a picture, or `secret` typed."""

    secret: str
    uri: str


class RecoveryCodes(Strict, frozen=True):
    """To be kept on paper: each is taken once, in place of a code of the app."""

    recovery_codes: list[str]


class NewEmail(Strict, frozen=True):
    """Another address of mail, and the password once more."""

    password: Password
    email: Email


class MeResource:
    """The account of whoever asks."""

    def __init__(
        self,
        people: People,
        passwords: Passwords,
        emails: OwnEmails,
        factors: SecondFactors,
        login_worker: Worker,
        worker: Worker,
    ) -> None:
        """`login_worker` is the one that hashes passwords."""
        self._people = people
        self._passwords = passwords
        self._emails = emails
        self._factors = factors
        self._login_worker = login_worker
        self._worker = worker

    async def show(self, ask: Ask) -> Me:
        """GET"""
        return await self._show(ask.principal.name)

    async def change(self, ask: Ask) -> Me:
        """PATCH"""
        body = await ask.read(MeChange)
        own = ask.principal.name
        await self._worker.run(lambda: self._people.set_phone(own, body.phone))
        return await self._show(own)

    async def change_password(self, ask: Ask) -> None:
        """PUT .../password"""
        body = await ask.read(PasswordChange)
        await self._login_worker.run(
            partial(
                self._passwords.change,
                ask.principal.name,
                old=body.old_password,
                new=body.new_password,
                now=ask.now,
            )
        )

    async def change_email(self, ask: Ask) -> None:
        """POST .../email"""
        body = await ask.read(NewEmail)
        await self._login_worker.run(
            partial(
                self._emails.ask,
                ask.principal.name,
                password=body.password,
                email=body.email,
                now=ask.now,
            )
        )

    async def begin_totp(self, ask: Ask) -> TotpSecret:
        """POST .../totp"""
        new = await self._login_worker.run(await self._with_password(ask, self._factors.begin))
        return TotpSecret(secret=new.secret, uri=new.uri)

    async def turn_totp_on(self, ask: Ask) -> RecoveryCodes:
        """PUT .../totp"""
        code = (await ask.read(OwnCode)).code
        own = ask.principal.name
        codes = await self._worker.run(lambda: self._factors.turn_on(own, code=code, now=ask.now))
        return RecoveryCodes(recovery_codes=codes)

    async def renew_codes(self, ask: Ask) -> RecoveryCodes:
        """POST .../totp/recovery-codes"""
        codes = await self._login_worker.run(
            await self._with_password(ask, self._factors.renew_codes)
        )
        return RecoveryCodes(recovery_codes=codes)

    async def turn_totp_off(self, ask: Ask) -> None:
        """POST .../totp/disable"""
        await self._login_worker.run(await self._with_password(ask, self._factors.turn_off))

    async def _with_password(self, ask: Ask, work: Callable[..., T]) -> Callable[[], T]:
        body = await ask.read(OwnPassword)
        return partial(work, ask.principal.name, password=body.password, now=ask.now)

    async def _show(self, person_id: str) -> Me:
        def read() -> tuple[Person, str | None]:
            return self._people.show(person_id), self._people.phone(person_id)

        person, phone = await self._worker.run(read)
        return Me(user=render_user(person), phone=phone)

    def routes(self) -> list[Route]:
        """The rows of this resource."""
        shared: dict[str, Any] = {"tag": "People", "roles": PERSON_ROLES, "is_personal": True}
        example = {"user": USER_EXAMPLE, "phone": "+8613912345673"}
        me: dict[str, Any] = shared | {"path": "/me", "answer": Me, "answer_example": example}
        with_password: dict[str, Any] = shared | {
            "method": "POST",
            "body": OwnPassword,
            "body_example": {"password": PASSWORD_EXAMPLE},
            "problems": (WRONG_CREDENTIALS, TOO_MANY_ATTEMPTS, CONFLICT),
        }
        codes: dict[str, Any] = {
            "answer": RecoveryCodes,
            "answer_example": {"recovery_codes": ["ABCD-EFGH-IJKL-MNOP"]},
        }
        return [
            Route(
                name="showMe",
                method="GET",
                summary="Read one's own account",
                about="Who asks, and what their roles are.",
                handle=self.show,
                **me,
            ),
            Route(
                name="changeMe",
                method="PATCH",
                summary="Change one's own account",
                about="The telephone number.",
                handle=self.change,
                body=MeChange,
                body_example={"phone": "8613912345673"},
                problems=(INVALID_VALUE,),
                **me,
            ),
            Route(
                name="changePassword",
                method="PUT",
                path="/me/password",
                summary="Change one's own password",
                about="Every session ends, the one that asks too, and a mail tells of it.",
                handle=self.change_password,
                body=PasswordChange,
                body_example={
                    "old_password": PASSWORD_EXAMPLE,
                    "new_password": "a hundred blue umbrellas",
                },
                status=204,
                problems=(INVALID_VALUE, WRONG_CREDENTIALS, TOO_MANY_ATTEMPTS),
                **shared,
            ),
            Route(
                name="changeEmail",
                method="POST",
                path="/me/email",
                summary="Change one's own email address",
                about="A mail goes to the new address, with a link that makes it the account's, "
                "within 24 hours, or, where it has an account, with that; the answer is the same. "
                "Another mail tells the old address of it.",
                handle=self.change_email,
                body=NewEmail,
                body_example={"password": PASSWORD_EXAMPLE, "email": EMAIL_EXAMPLE},
                status=202,
                problems=(INVALID_VALUE, WRONG_CREDENTIALS, TOO_MANY_ATTEMPTS),
                **shared,
            ),
            Route(
                name="beginTotp",
                path="/me/totp",
                summary="Begin a second factor",
                about="Answers with the secret for an authenticator app. It is asked for at "
                "logins only once a code of it was shown.",
                handle=self.begin_totp,
                answer=TotpSecret,
                answer_example={
                    "secret": "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP",
                    "uri": "otpauth://totp/Click%20to%20Dial%3Azhang.wei?"
                    "secret=JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP&issuer=Click%20to%20Dial",
                },
                **with_password,
            ),
            Route(
                name="turnTotpOn",
                method="PUT",
                path="/me/totp",
                summary="Turn the second factor on",
                about="By a code of the new secret. Answers with recovery codes, once.",
                handle=self.turn_totp_on,
                body=OwnCode,
                body_example={"code": "123456"},
                problems=(WRONG_CREDENTIALS, CONFLICT),
                **codes,
                **shared,
            ),
            Route(
                name="renewRecoveryCodes",
                path="/me/totp/recovery-codes",
                summary="Get other recovery codes",
                about="Those of before hold no longer.",
                handle=self.renew_codes,
                **codes,
                **with_password,
            ),
            Route(
                name="turnTotpOff",
                path="/me/totp/disable",
                summary="Turn the second factor off",
                about="A mail tells of it.",
                handle=self.turn_totp_off,
                status=204,
                **with_password,
            ),
        ]
