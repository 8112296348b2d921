"""Ways in, for people who are not in yet: registering, activating, a forgotten password.

Whether there is an account is not told by any of them: what they lead to comes by mail.
"""

from collections.abc import Callable
from functools import partial

from clicktodial.accounts.error import RegistrationClosed, TooManyAttempts
from clicktodial.portal.form import Form
from clicktodial.portal.needs import ConsoleNeeds
from clicktodial.portal.page import ANYBODY, Action, Answer, Page, Redirect, View, Visit
from clicktodial.portal.text import mark
from clicktodial.storage.error import AlreadyExists, NotFound, ValueInvalid

# RFC 5321 allows 254 characters; the others are the management API's bounds.
EMAIL_CHARACTERS_MAX = 254
REGION_CHARACTERS_MAX = 32
TOKEN_CHARACTERS_MAX = 64
ACCOUNT_CHARACTERS_MAX = 64
_NO_LINK = mark("This link does not hold any more: it was used, or it is too old. Ask for another.")


class EnrolmentPages:
    """What is open to anybody."""

    def __init__(self, needs: ConsoleNeeds) -> None:
        self._needs = needs

    # Registering

    async def show_registration(self, visit: Visit) -> Answer:
        """GET /register"""
        return View("account/register.html", {"form": visit.form()})

    async def register(self, visit: Visit) -> Answer:
        """POST /register"""
        form = await visit.read_form()
        work = partial(
            self._needs.enrolments.register,
            enterprise_name=form.text("enterprise_name"),
            account=form.text("account", characters_max=ACCOUNT_CHARACTERS_MAX),
            email=form.text("email", characters_max=EMAIL_CHARACTERS_MAX),
            phone=form.text("phone"),
            enterprise_region=form.text(
                "region", is_required=False, characters_max=REGION_CHARACTERS_MAX
            )
            or None,
            address=visit.client,
            now=visit.now,
        )
        if not form.is_valid or not await self._try(visit, form, work):
            return View("account/register.html", {"form": form}, 422)
        return View("account/mailed.html", {"address": form.value("email"), "is_reset": False})

    # Activating

    async def show_activation(self, visit: Visit) -> Answer:
        """GET /activate: the token is behind the # of the mail's link."""
        return View("account/activate.html", {"form": visit.form()})

    async def activate(self, visit: Visit) -> Answer:
        """POST /activate"""
        form = await visit.read_form()
        token = form.text("token", characters_max=TOKEN_CHARACTERS_MAX)
        account = form.text("account", is_required=False, characters_max=ACCOUNT_CHARACTERS_MAX)
        password = form.new_password("password")
        if form.is_valid:
            work = partial(
                self._needs.enrolments.activate,
                token,
                password=password,
                account=account or None,
                now=visit.now,
            )
            if await self._try(visit, form, work):
                return Redirect(
                    visit.link("login"),
                    toast=visit.gettext("Your account is ready: log in with your password."),
                )
        return View("account/activate.html", {"form": form}, 422)

    # A forgotten password

    async def show_forgotten(self, visit: Visit) -> Answer:
        """GET /forgot"""
        return View("account/forgot.html", {"form": visit.form()})

    async def ask_for_reset(self, visit: Visit) -> Answer:
        """POST /forgot"""
        form = await visit.read_form()
        name = form.text("name", characters_max=EMAIL_CHARACTERS_MAX)
        work = partial(
            self._needs.passwords.ask_for_reset, name, address=visit.client, now=visit.now
        )
        if not form.is_valid or not await self._try(visit, form, work):
            return View("account/forgot.html", {"form": form}, 422)
        return View("account/mailed.html", {"address": "", "is_reset": True})

    async def show_reset(self, visit: Visit) -> Answer:
        """GET /reset-password"""
        return View("account/reset.html", {"form": visit.form()})

    async def complete_reset(self, visit: Visit) -> Answer:
        """POST /reset-password"""
        form = await visit.read_form()
        token = form.text("token", characters_max=TOKEN_CHARACTERS_MAX)
        password = form.new_password("password")
        if form.is_valid:
            work = partial(
                self._needs.passwords.complete_reset, token, password=password, now=visit.now
            )
            if await self._try(visit, form, work):
                return Redirect(
                    visit.link("login"),
                    toast=visit.gettext("Your password is set: log in with it."),
                )
        return View("account/reset.html", {"form": form}, 422)

    # Another address

    async def show_email(self, visit: Visit) -> Answer:
        """GET /change-email"""
        return View("account/change_email.html", {"form": visit.form()})

    async def complete_email(self, visit: Visit) -> Answer:
        """POST /change-email: by whoever got the link, logged in or not; sessions stay."""
        form = await visit.read_form()
        token = form.text("token", characters_max=TOKEN_CHARACTERS_MAX)
        work = partial(self._needs.emails.complete, token, now=visit.now)
        if not form.is_valid or not await self._try(visit, form, work):
            return View("account/change_email.html", {"form": form}, 422)
        return Redirect(
            visit.link("profile" if visit.session else "login"),
            toast=visit.gettext("The new address is that of your account."),
        )

    async def _try(self, visit: Visit, form: Form, work: Callable[[], object]) -> bool:
        """Whether it could be done; what was refused is noted in the form."""
        try:
            await self._needs.login_worker.run(work)
        except (ValueInvalid, AlreadyExists) as error:
            form.refuse_as(error)
        except NotFound:
            form.refuse(_NO_LINK)
        except RegistrationClosed:
            form.refuse(mark("Nobody may register here; people come by invitation."))
        except TooManyAttempts as error:
            visit.notes.outcome = "too-many-attempts"
            form.problem = visit.ngettext(
                "Too many attempts. Wait a second, then try again.",
                "Too many attempts. Wait %(num)s seconds, then try again.",
                error.retry_after_s,
            )
        return form.is_valid

    def pages(self) -> list[Page]:
        """What is shown."""
        return [
            Page(
                name="register",
                path="/register",
                title=mark("Create an account"),
                roles=ANYBODY,
                show=self.show_registration,
            ),
            Page(
                name="activate",
                path="/activate",
                title=mark("Activate your account"),
                roles=ANYBODY,
                show=self.show_activation,
            ),
            Page(
                name="forgot",
                path="/forgot",
                title=mark("Forgot your password?"),
                roles=ANYBODY,
                show=self.show_forgotten,
            ),
            Page(
                name="reset",
                path="/reset-password",
                title=mark("Choose a new password"),
                roles=ANYBODY,
                show=self.show_reset,
            ),
            Page(
                name="confirmEmail",
                path="/change-email",
                title=mark("Confirm your new address"),
                roles=ANYBODY,
                show=self.show_email,
            ),
        ]

    def actions(self) -> list[Action]:
        """What is done."""
        return [
            Action(operation="register", path="/register", roles=ANYBODY, handle=self.register),
            Action(operation="activate", path="/activate", roles=ANYBODY, handle=self.activate),
            Action(
                operation="askForPasswordReset",
                path="/forgot",
                roles=ANYBODY,
                handle=self.ask_for_reset,
            ),
            Action(
                operation="completePasswordReset",
                path="/reset-password",
                roles=ANYBODY,
                handle=self.complete_reset,
            ),
            Action(
                operation="completeEmailChange",
                path="/change-email",
                roles=ANYBODY,
                handle=self.complete_email,
            ),
        ]
