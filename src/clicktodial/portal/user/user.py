"""Everybody who may log in: found, invited, changed, helped."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from clicktodial.accounts.enterprise import Enterprise
from clicktodial.accounts.error import TooManyAttempts
from clicktodial.accounts.person import REGIONS_MAX, Person, PersonState
from clicktodial.domain.principal import CUSTOMER_ROLES, STAFF_ROLES, Role
from clicktodial.portal.account.enrolment import EMAIL_CHARACTERS_MAX
from clicktodial.portal.form import Form
from clicktodial.portal.label import label_of
from clicktodial.portal.needs import ConsoleNeeds
from clicktodial.portal.page import Action, Answer, Nav, Page, Redirect, Section, View, Visit
from clicktodial.portal.paging import PAGE_SIZE, parse_identifier
from clicktodial.portal.text import mark
from clicktodial.storage.error import AlreadyExists, Conflict, NotFound, ValueInvalid
from clicktodial.storage.table import (
    IDENTIFIER_CHARACTERS_MAX,
    NAME_CHARACTERS_MAX,
    WORD_CHARACTERS_MAX,
)

OPERATOR = frozenset({Role.OPERATOR})
# What a list below a field shows without scrolling; whoever looks for another types more of it.
OFFERED_MAX = 20
_CUSTOMERS = (Role.OWNER, Role.DEVELOPER, Role.FINANCE, Role.READER)
_STAFF = (Role.OPERATOR, Role.ACCOUNT_MANAGER, Role.REVIEWER, Role.SUPPORT)
_REGIONS_CHARACTERS_MAX = REGIONS_MAX * (WORD_CHARACTERS_MAX + 2)
ROLE_HINTS = {
    Role.OWNER: mark("All of an enterprise, its team included."),
    Role.DEVELOPER: mark("Its applications, keys, call settings and calls."),
    Role.FINANCE: mark("Its pool, packages and statements."),
    Role.READER: mark("Looks at all of an enterprise and changes nothing."),
    Role.OPERATOR: mark("Runs the platform: all of it."),
    Role.ACCOUNT_MANAGER: mark("Customers of some regions, their files and orders."),
    Role.REVIEWER: mark("Decides on papers, numbers and templates."),
    Role.SUPPORT: mark("Tickets, and calls that went wrong."),
}


class UserPages:
    """GET /users, /invite-user and /users/{user_id}, and what is done there."""

    def __init__(self, needs: ConsoleNeeds) -> None:
        self._needs = needs

    async def show_all(self, visit: Visit) -> Answer:
        """GET /users"""
        needs, query = self._needs, visit.query
        form = Form(visit.words, {name: [value] for name, value in query.items()})
        written = form.text("enterprise", is_required=False, characters_max=NAME_CHARACTERS_MAX)
        account = form.text("account", is_required=False, characters_max=EMAIL_CHARACTERS_MAX)
        after = parse_identifier(query.get("after"))

        def read() -> tuple[list[Person], Mapping[str, str], list[Enterprise]]:
            offered = self._offer(visit, written)
            enterprise_id = self._choose(visit, written, offered) if written else None
            people: list[Person] = []
            if account:
                people = self._find_named(account, enterprise_id)
            elif enterprise_id or not written:
                people = needs.people.list_people(
                    limit=PAGE_SIZE + 1, enterprise_id=enterprise_id, after=after
                )
            whose = [each.enterprise_id for each in people if each.enterprise_id]
            return people, needs.names.enterprises(visit.principal, whose), offered

        people, names, offered = await needs.worker.run(read)
        more = people[PAGE_SIZE - 1].person_id if len(people) > PAGE_SIZE else None
        context = {
            "form": form,
            "people": people[:PAGE_SIZE],
            "names": names,
            "offered": offered,
            "is_filtered": bool(account or written),
            "first_href": after and visit.link("users", **{**query, "after": None}),
            "next_href": more and visit.link("users", **{**query, "after": more}),
        }
        return View("user/list.html", context)

    def _offer(self, visit: Visit, written: str) -> list[Enterprise]:
        """Enterprises in whose names that stands, some of them: the list of all has no end."""
        enterprises = self._needs.business.enterprises
        return enterprises.list_enterprises(
            visit.principal, name=written or None, limit=OFFERED_MAX
        )

    def _choose(self, visit: Visit, written: str, offered: Sequence[Enterprise]) -> str | None:
        """The enterprise of that identifier, or of that name, or in whose name alone that
        stands."""
        if self._needs.names.enterprises(visit.principal, [written]):
            return written
        named = [each for each in offered if each.name.lower() == written.lower()] or offered
        return named[0].enterprise_id if len(named) == 1 else None

    def _find_named(self, account: str, enterprise_id: str | None) -> list[Person]:
        try:
            found = self._needs.people.find(account)
        except NotFound:
            return []
        return [found] if enterprise_id in (None, found.enterprise_id) else []

    async def show_new(self, visit: Visit) -> Answer:
        """GET /invite-user"""
        written = visit.query.get("enterprise", "")[:NAME_CHARACTERS_MAX]
        return await self._view_new(visit, visit.form(enterprise=written))

    async def create(self, visit: Visit) -> Answer:
        """POST /invite-user"""
        form = await visit.read_form()
        email = form.text("email", characters_max=EMAIL_CHARACTERS_MAX)
        account = form.text("account", is_required=False, characters_max=IDENTIFIER_CHARACTERS_MAX)
        enterprise_id = await self._read_enterprise(visit, form)
        # What is wrong with the enterprise is to be mended first: whose roles they are is unknown.
        roles = frozenset[Role]()
        if not form.error("enterprise"):
            roles = _roles(form, CUSTOMER_ROLES if enterprise_id else STAFF_ROLES)
        work = partial(
            self._needs.enrolments.invite,
            visit.principal,
            email=email,
            roles=roles,
            regions=_regions(form),
            enterprise_id=enterprise_id,
            account=account or None,
            now=visit.now,
        )
        if not await self._try(visit, form, work):
            return await self._view_new(visit, form)
        toast = visit.gettext("An invitation goes to %(email)s.", email=email)
        return Redirect(visit.link("users"), toast=toast)

    async def _read_enterprise(self, visit: Visit, form: Form) -> str | None:
        """Whose somebody is to be; None: the operator's."""
        written = form.text("enterprise", is_required=False, characters_max=NAME_CHARACTERS_MAX)
        if not written:
            return None
        found = await self._needs.worker.run(
            lambda: self._choose(visit, written, self._offer(visit, written))
        )
        if found is None:
            form.fail("enterprise", mark("Choose one of the enterprises that are offered."))
        return found

    async def show_one(self, visit: Visit) -> Answer:
        """GET /users/{user_id}"""
        person = await self._find(visit)
        return await self._view_one(visit, person, self._fill(visit, person))

    async def change(self, visit: Visit) -> Answer:
        """POST /users/{user_id}"""
        form = await visit.read_form()
        person = await self._find(visit)
        is_staff = person.enterprise_id is None
        work = partial(
            self._needs.people.change,
            person.person_id,
            roles=_roles(form, STAFF_ROLES if is_staff else CUSTOMER_ROLES),
            regions=_regions(form),
            state=form.one_of("state", PersonState),
        )
        if not await self._try(visit, form, work):
            return await self._view_one(visit, person, form)
        return Redirect(self._back(visit, person), toast=visit.gettext("Saved."))

    async def remove(self, visit: Visit) -> Answer:
        """POST /users/{user_id}/remove"""
        form = await visit.read_form()
        person = await self._find(visit)
        work = partial(self._needs.people.remove, person.person_id)
        if not await self._try(visit, form, work):
            shown = self._fill(visit, person)
            shown.problem = form.problem
            return await self._view_one(visit, person, shown)
        toast = visit.gettext("%(name)s is removed.", name=person.account)
        return Redirect(visit.link("users"), toast=toast)

    async def send_reset(self, visit: Visit) -> Answer:
        """POST /users/{user_id}/password-reset"""
        await visit.read_form()
        person = await self._find(visit)
        send = partial(self._needs.passwords.send_reset, person.person_id, now=visit.now)
        await self._needs.worker.run(send)
        toast = visit.gettext("A link that sets a password goes to %(email)s.", email=person.email)
        return Redirect(self._back(visit, person), toast=toast)

    async def take_factor(self, visit: Visit) -> Answer:
        """POST /users/{user_id}/take-factor"""
        await visit.read_form()
        person = await self._find(visit)
        take = partial(self._needs.factors.take_away, person.person_id, now=visit.now)
        await self._needs.worker.run(take)
        toast = visit.gettext("The second factor is off; a mail tells them so.")
        return Redirect(self._back(visit, person), toast=toast)

    async def unlock(self, visit: Visit) -> Answer:
        """POST /users/{user_id}/unlock"""
        await visit.read_form()
        person = await self._find(visit)
        await self._needs.worker.run(partial(self._needs.sessions.unlock, person.person_id))
        toast = visit.gettext("%(name)s may try again at once.", name=person.account)
        return Redirect(self._back(visit, person), toast=toast)

    def _back(self, visit: Visit, person: Person) -> str:
        return visit.link("user", user_id=person.person_id)

    def _fill(self, visit: Visit, person: Person) -> Form:
        return visit.form(
            roles=sorted(person.roles),
            regions=", ".join(sorted(person.regions)),
            state=person.state,
        )

    async def _find(self, visit: Visit) -> Person:
        user_id, people = visit.path["user_id"], self._needs.people
        person = await self._needs.worker.run(lambda: people.show(user_id))
        visit.notes.enterprise_id = person.enterprise_id
        return person

    async def _try(self, visit: Visit, form: Form, work: Callable[[], object]) -> bool:
        if not form.is_valid:
            return False
        try:
            await self._needs.worker.run(work)
        except (ValueInvalid, Conflict, AlreadyExists, NotFound) as error:
            form.refuse_as(error)
        except TooManyAttempts as error:
            form.problem = visit.ngettext(
                "Too many attempts. Wait a second, then try again.",
                "Too many attempts. Wait %(num)s seconds, then try again.",
                error.retry_after_s,
            )
        return form.is_valid

    async def _view_new(self, visit: Visit, form: Form) -> View:
        written = form.value("enterprise")
        offered = await self._needs.worker.run(lambda: self._offer(visit, written))
        context: dict[str, Any] = {
            "form": form,
            "offered": offered,
            "customer_options": _options(visit, _CUSTOMERS),
            "staff_options": _options(visit, _STAFF),
        }
        return View("user/new.html", context, 200 if form.is_valid else 422)

    async def _view_one(self, visit: Visit, person: Person, form: Form) -> View:
        is_staff, administration = person.enterprise_id is None, self._needs.administration
        name = ""
        if person.enterprise_id is not None:
            enterprise_id = person.enterprise_id
            shown = await self._needs.worker.run(
                lambda: administration.show_enterprise(enterprise_id)
            )
            name = shown.name
        word = visit.words.look_up
        context: dict[str, Any] = {
            "person": person,
            "enterprise_name": name,
            "form": form,
            "is_staff": is_staff,
            "is_self": person.person_id == visit.principal.name,
            "role_options": _options(visit, _STAFF if is_staff else _CUSTOMERS),
            "state_options": [(each, word(label_of(each))) for each in PersonState],
        }
        return View("user/detail.html", context, 200 if form.is_valid else 422)

    def pages(self) -> list[Page]:
        """What is shown."""
        return [
            Page(
                name="users",
                path="/users",
                title=mark("Users"),
                roles=OPERATOR,
                show=self.show_all,
                operations=("listUsers",),
                nav=Nav(Section.SYSTEM, 70, "user-cog"),
            ),
            Page(
                name="createUser",
                path="/invite-user",
                title=mark("Invite somebody"),
                roles=OPERATOR,
                show=self.show_new,
                operations=("createUser",),
                parent="users",
            ),
            Page(
                name="user",
                path="/users/{user_id}",
                title=mark("User"),
                roles=OPERATOR,
                show=self.show_one,
                operations=("showUser", "changeUser"),
                parent="users",
            ),
        ]

    def actions(self) -> list[Action]:
        """What is done."""
        one = "/users/{user_id}"
        rows = (
            ("createUser", "/invite-user", self.create),
            ("changeUser", one, self.change),
            ("removeUser", f"{one}/remove", self.remove),
            ("sendPasswordReset", f"{one}/password-reset", self.send_reset),
            ("takeTotp", f"{one}/take-factor", self.take_factor),
            ("unlockUser", f"{one}/unlock", self.unlock),
        )
        return [
            Action(operation=operation, path=path, roles=OPERATOR, handle=handle)
            for operation, path, handle in rows
        ]


def _roles(form: Form, allowed: frozenset[Role]) -> frozenset[Role]:
    roles = form.all_of("roles", Role)
    if not roles or not roles <= allowed:
        form.fail("roles", mark("Choose at least one role, and none of the other kind."))
    return roles


def _regions(form: Form) -> list[str]:
    text = form.text("regions", is_required=False, characters_max=_REGIONS_CHARACTERS_MAX)
    # A Chinese keyboard's comma, too.
    parts = text.replace("\uff0c", ",").split(",")
    return [each.strip() for each in parts if each.strip()]


def _options(visit: Visit, roles: tuple[Role, ...]) -> list[tuple[str, str, str]]:
    word = visit.words.look_up
    return [(role, word(label_of(role)), word(ROLE_HINTS[role])) for role in roles]
