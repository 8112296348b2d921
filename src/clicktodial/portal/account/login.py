"""Logging in, with a code where there is a second factor, and out."""

from functools import partial

from clicktodial.accounts.error import CodeRequired, CredentialsWrong, TooManyAttempts
from clicktodial.domain.principal import PERSON_ROLES
from clicktodial.portal.form import Form
from clicktodial.portal.needs import ConsoleNeeds
from clicktodial.portal.page import ANYBODY, Action, Answer, Page, Redirect, View, Visit, own_path
from clicktodial.portal.text import mark

# What the management API takes: accounts/session.py compares, and hashes what it is given.
ACCOUNT_CHARACTERS_MAX = 254
CODE_CHARACTERS_MAX = 64


class LoginPages:
    """The way in."""

    def __init__(self, needs: ConsoleNeeds) -> None:
        self._needs = needs

    async def show(self, visit: Visit) -> Answer:
        """GET /login"""
        if visit.session is not None:
            return Redirect(own_path(visit.query.get("next")) or visit.link("home"))
        return self._view(visit.form(next=own_path(visit.query.get("next"))))

    async def log_in(self, visit: Visit) -> Answer:
        """POST /login"""
        form = await visit.read_form()
        account = form.text("account", characters_max=ACCOUNT_CHARACTERS_MAX)
        password = form.secret("password")
        code = form.secret("code", is_required=False, characters_max=CODE_CHARACTERS_MAX)
        if not form.is_valid:
            return self._view(form)
        try:
            new = await self._needs.login_worker.run(
                partial(
                    self._needs.sessions.log_in,
                    account=account,
                    password=password,
                    code=code or None,
                    address=visit.client,
                    now=visit.now,
                )
            )
        except CodeRequired:
            visit.notes.outcome = "code-required"
            return self._view(form, wants_code=True)
        except CredentialsWrong:
            visit.notes.outcome = "wrong-credentials"
            form.refuse(mark("The account, the password or the code is wrong."))
            return self._view(form, wants_code=bool(code))
        except TooManyAttempts as error:
            visit.notes.outcome = "too-many-attempts"
            form.problem = visit.ngettext(
                "Too many attempts. Wait a second, then try again.",
                "Too many attempts. Wait %(num)s seconds, then try again.",
                error.retry_after_s,
            )
            return self._view(form, wants_code=bool(code))
        visit.notes.principal = new.person.principal
        to = own_path(form.text("next", is_required=False, characters_max=4_000))
        return Redirect(to or visit.link("home"), session_token=new.token)

    async def log_out(self, visit: Visit) -> Answer:
        """POST /logout"""
        await visit.read_form()
        await self._needs.worker.run(
            lambda: self._needs.sessions.end(visit.principal.name, visit.session_id)
        )
        return Redirect(
            visit.link("login"), toast=visit.gettext("You are logged out."), session_token=""
        )

    def _view(self, form: Form, *, wants_code: bool = False) -> View:
        status = 200 if form.is_valid and not wants_code else 422
        return View("account/login.html", {"form": form, "wants_code": wants_code}, status)

    def pages(self) -> list[Page]:
        """What is shown."""
        return [
            Page(name="login", path="/login", title=mark("Log in"), roles=ANYBODY, show=self.show)
        ]

    def actions(self) -> list[Action]:
        """What is done."""
        return [
            Action(operation="logIn", path="/login", roles=ANYBODY, handle=self.log_in),
            Action(
                operation="logOut",
                path="/logout",
                roles=PERSON_ROLES,
                handle=self.log_out,
                outlives_enterprise=True,
            ),
        ]
