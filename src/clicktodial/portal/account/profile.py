"""One's own account: password, second factor, sessions, language and theme."""

from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar
from zoneinfo import available_timezones

from clicktodial.accounts.error import CredentialsWrong, TooManyAttempts
from clicktodial.accounts.second_factor import NewSecret
from clicktodial.domain.principal import PERSON_ROLES
from clicktodial.portal.account.enrolment import EMAIL_CHARACTERS_MAX
from clicktodial.portal.account.qr_code import draw_qr_code
from clicktodial.portal.form import Form
from clicktodial.portal.needs import ConsoleNeeds
from clicktodial.portal.page import Action, Answer, Nav, Page, Redirect, Section, View, Visit
from clicktodial.portal.text import mark
from clicktodial.storage.error import Conflict, ValueInvalid

T = TypeVar("T")

# Codes and recovery codes are shorter.
CODE_CHARACTERS_MAX = 64


class ProfilePages:
    """GET /profile, and what is done there."""

    def __init__(self, needs: ConsoleNeeds) -> None:
        self._needs = needs

    async def show(self, visit: Visit) -> Answer:
        """The account, and its sessions."""
        return await self._view(visit)

    async def _view(self, visit: Visit, **forms: Form) -> View:
        own = visit.principal.name
        needs = self._needs
        person = await needs.worker.run(lambda: needs.people.show(own))
        sessions = await needs.worker.run(lambda: needs.sessions.list_sessions(own, visit.now))
        context: dict[str, Any] = {
            "person": person,
            "sessions": sessions,
            "password_form": forms.get("password_form") or visit.form(),
            "email_form": forms.get("email_form") or visit.form(),
            "factor_form": forms.get("factor_form") or visit.form(),
            "zones": sorted(available_timezones()),
        }
        return View("account/profile.html", context, 422 if forms else 200)

    # The password

    async def change_password(self, visit: Visit) -> Answer:
        """POST /profile/password: every session ends, this one too."""
        form = await visit.read_form()
        old = form.secret("old_password")
        new = form.new_password("new_password")
        work = partial(
            self._needs.passwords.change, visit.principal.name, old=old, new=new, now=visit.now
        )
        if not form.is_valid or not (await self._try(visit, form, work))[0]:
            return await self._view(visit, password_form=form)
        return Redirect(
            visit.link("login"),
            toast=visit.gettext("Your password is changed: log in with the new one."),
            session_token="",
        )

    # The address

    async def change_email(self, visit: Visit) -> Answer:
        """POST /profile/email: a link goes to the new address."""
        form = await visit.read_form()
        email = form.text("email", characters_max=EMAIL_CHARACTERS_MAX)
        password = form.secret("password")
        work = partial(
            self._needs.emails.ask,
            visit.principal.name,
            password=password,
            email=email,
            now=visit.now,
        )
        if not form.is_valid or not (await self._try(visit, form, work))[0]:
            return await self._view(visit, email_form=form)
        return Redirect(
            visit.link("profile"),
            toast=visit.gettext("A link goes to the new address: follow it within 24 hours."),
        )

    # Sessions

    async def end_others(self, visit: Visit) -> Answer:
        """POST /profile/sessions/end"""
        await visit.read_form()
        own, session_id = visit.principal.name, visit.session_id
        await self._needs.worker.run(lambda: self._needs.sessions.end_others(own, session_id))
        return Redirect(visit.link("profile"), toast=visit.gettext("All other sessions are ended."))

    # The second factor

    async def begin_factor(self, visit: Visit) -> Answer:
        """POST /profile/second-factor: shows the secret, once the password was typed."""
        form = await visit.read_form()
        new = await self._with_password(visit, form, self._needs.factors.begin)
        if new is None:
            return await self._view(visit, factor_form=form)
        return _show_secret(visit.form(secret=new.secret, uri=new.uri), new)

    async def turn_factor_on(self, visit: Visit) -> Answer:
        """POST /profile/second-factor/on: by a code of the new secret."""
        form = await visit.read_form()
        code = form.text("code", characters_max=CODE_CHARACTERS_MAX)
        new = NewSecret(form.text("secret"), form.text("uri", characters_max=500))
        codes = None
        if form.is_valid:
            work = partial(
                self._needs.factors.turn_on, visit.principal.name, code=code, now=visit.now
            )
            _, codes = await self._try(visit, form, work, secret="code")
        if codes is None:
            return _show_secret(form, new, 422)
        return View("account/recovery.html", {"codes": codes})

    async def renew_codes(self, visit: Visit) -> Answer:
        """POST /profile/second-factor/recovery-codes"""
        form = await visit.read_form()
        codes = await self._with_password(visit, form, self._needs.factors.renew_codes)
        if codes is None:
            return await self._view(visit, factor_form=form)
        return View("account/recovery.html", {"codes": codes})

    async def turn_factor_off(self, visit: Visit) -> Answer:
        """POST /profile/second-factor/off"""
        form = await visit.read_form()
        await self._with_password(visit, form, self._needs.factors.turn_off)
        if not form.is_valid:
            return await self._view(visit, factor_form=form)
        return Redirect(
            visit.link("profile"), toast=visit.gettext("The second factor is turned off.")
        )

    async def _with_password(self, visit: Visit, form: Form, work: Callable[..., T]) -> T | None:
        """What `work` makes of the password, typed once more; None where the form is wrong."""
        password = form.secret("password")
        if not form.is_valid:
            return None
        bound = partial(work, visit.principal.name, password=password, now=visit.now)
        return (await self._try(visit, form, bound))[1]

    async def _try(
        self, visit: Visit, form: Form, work: Callable[[], T], secret: str = "password"
    ) -> tuple[bool, T | None]:
        """Whether it could be done, and what came of it; what was refused is noted in the form."""
        try:
            return True, await self._needs.login_worker.run(work)
        except CredentialsWrong:
            visit.notes.outcome = "wrong-credentials"
            form.refuse(
                mark("The code is wrong.") if secret == "code" else mark("The password is wrong.")
            )
        except TooManyAttempts as error:
            visit.notes.outcome = "too-many-attempts"
            form.problem = visit.ngettext(
                "Too many attempts. Wait a second, then try again.",
                "Too many attempts. Wait %(num)s seconds, then try again.",
                error.retry_after_s,
            )
        except (ValueInvalid, Conflict) as error:
            form.refuse_as(error)
        return False, None

    def pages(self) -> list[Page]:
        """What is shown."""
        return [
            Page(
                name="profile",
                path="/profile",
                title=mark("Your account"),
                roles=PERSON_ROLES,
                show=self.show,
                operations=("showMe", "listSessions"),
                nav=Nav(Section.SETTINGS, 90, "user-cog"),
            )
        ]

    def actions(self) -> list[Action]:
        """What is done."""
        rows = (
            ("changePassword", "/profile/password", self.change_password),
            ("changeEmail", "/profile/email", self.change_email),
            ("endOtherSessions", "/profile/sessions/end", self.end_others),
            ("beginTotp", "/profile/second-factor", self.begin_factor),
            ("turnTotpOn", "/profile/second-factor/on", self.turn_factor_on),
            ("renewRecoveryCodes", "/profile/second-factor/recovery-codes", self.renew_codes),
            ("turnTotpOff", "/profile/second-factor/off", self.turn_factor_off),
        )
        return [
            Action(
                operation=operation,
                path=path,
                roles=PERSON_ROLES,
                handle=handle,
                outlives_enterprise=True,
            )
            for operation, path, handle in rows
        ]


def _show_secret(form: Form, new: NewSecret, status: int = 200) -> View:
    size, path = draw_qr_code(new.uri)
    context = {"form": form, "secret": new.secret, "uri": new.uri, "size": size, "qr_path": path}
    return View("account/factor.html", context, status)
