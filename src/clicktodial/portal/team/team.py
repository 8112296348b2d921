"""The team: who is there, who is invited, and what they may."""

from collections.abc import Callable
from functools import partial

from clicktodial.accounts.enrolment import Invitation
from clicktodial.accounts.error import TooManyAttempts
from clicktodial.accounts.person import TEAM_MAX, Person, PersonState
from clicktodial.domain.principal import CUSTOMER_ROLES, Role
from clicktodial.portal.account.enrolment import EMAIL_CHARACTERS_MAX
from clicktodial.portal.form import Form
from clicktodial.portal.label import label_of
from clicktodial.portal.needs import ConsoleNeeds
from clicktodial.portal.page import Action, Answer, Nav, Page, Redirect, Section, View, Visit
from clicktodial.portal.text import mark
from clicktodial.storage.error import Conflict, NotFound, ValueInvalid

OWNER = frozenset({Role.OWNER})
# What each may, in a few words.
ROLE_HINTS = {
    Role.OWNER: mark("All of it, the team included."),
    Role.DEVELOPER: mark("Applications, keys, settings of calls, calls."),
    Role.FINANCE: mark("The pool, packages, statements."),
    Role.READER: mark("Looks at everything and changes nothing."),
}


class TeamPages:
    """GET /team and /team/{user_id}, and what is done there."""

    def __init__(self, needs: ConsoleNeeds) -> None:
        self._needs = needs

    async def show(self, visit: Visit) -> Answer:
        """Everybody, and a form for who is to come."""
        return await self._view_all(visit, visit.form(roles=[Role.READER]))

    async def invite(self, visit: Visit) -> Answer:
        """POST /team"""
        form = await visit.read_form()
        email = form.text("email", characters_max=EMAIL_CHARACTERS_MAX)
        roles = self._roles(form)
        work = partial(
            self._needs.enrolments.invite,
            visit.principal,
            email=email,
            roles=roles,
            enterprise_id=_own(visit),
            now=visit.now,
        )
        if not form.is_valid or not await self._try(visit, form, work):
            return await self._view_all(visit, form)
        return Redirect(
            visit.link("team"), toast=visit.gettext("An invitation goes to %(email)s.", email=email)
        )

    async def revoke(self, visit: Visit) -> Answer:
        """POST /team/invitations/{invitation_id}/revoke"""
        await visit.read_form()
        invitation_id, own = visit.path["invitation_id"], _own(visit)
        await self._needs.worker.run(
            lambda: self._needs.enrolments.revoke(invitation_id, enterprise_id=own)
        )
        return Redirect(visit.link("team"), toast=visit.gettext("The invitation is taken back."))

    async def show_one(self, visit: Visit) -> Answer:
        """GET /team/{user_id}"""
        person = await self._find(visit)
        return self._view_one(visit, person, visit.form(roles=sorted(person.roles)))

    async def change(self, visit: Visit) -> Answer:
        """POST /team/{user_id}"""
        form = await visit.read_form()
        roles, state = self._roles(form), form.one_of("state", PersonState)
        work = partial(
            self._needs.people.change,
            visit.path["user_id"],
            within=_own(visit),
            roles=roles,
            state=state,
        )
        if not form.is_valid or not await self._try(visit, form, work):
            return self._view_one(visit, await self._find(visit), form, 422)
        return Redirect(visit.link("team"), toast=visit.gettext("Saved."))

    async def remove(self, visit: Visit) -> Answer:
        """POST /team/{user_id}/remove"""
        form = await visit.read_form()
        user_id, own = visit.path["user_id"], _own(visit)
        person = await self._find(visit)
        work = partial(self._needs.people.remove, user_id, within=own)
        if not await self._try(visit, form, work):
            shown = visit.form(roles=sorted(person.roles))
            shown.problem = form.problem
            return self._view_one(visit, person, shown, 422)
        return Redirect(
            visit.link("team"), toast=visit.gettext("%(name)s is removed.", name=person.account)
        )

    async def _find(self, visit: Visit) -> Person:
        """Somebody of the own team. Raises NotFound."""
        user_id = visit.path["user_id"]
        person = await self._needs.worker.run(lambda: self._needs.people.show(user_id))
        if person.enterprise_id != _own(visit):
            raise NotFound
        return person

    def _roles(self, form: Form) -> frozenset[Role]:
        roles = form.all_of("roles", Role)
        if not roles:
            form.fail("roles", mark("Choose at least one role."))
        return roles

    async def _try(self, visit: Visit, form: Form, work: Callable[[], object]) -> bool:
        try:
            await self._needs.worker.run(work)
        except (ValueInvalid, Conflict) as error:
            form.refuse_as(error)
        except TooManyAttempts as error:
            form.problem = visit.ngettext(
                "Too many attempts. Wait a second, then try again.",
                "Too many attempts. Wait %(num)s seconds, then try again.",
                error.retry_after_s,
            )
        return form.is_valid

    async def _view_all(self, visit: Visit, form: Form) -> View:
        own, needs = _own(visit), self._needs

        def read() -> tuple[list[Person], list[Invitation]]:
            people = needs.people.list_people(limit=TEAM_MAX, enterprise_id=own)
            return people, needs.enrolments.list_invitations(enterprise_id=own, now=visit.now)

        people, invitations = await needs.worker.run(read)
        context = {
            "form": form,
            "people": people,
            "invitations": invitations,
            "role_options": _role_options(visit),
            "may_change": visit.may(OWNER),
        }
        return View("team/list.html", context, 200 if form.is_valid else 422)

    def _view_one(self, visit: Visit, person: Person, form: Form, status: int = 200) -> View:
        context = {
            "person": person,
            "form": form.fill(state=person.state),
            "role_options": _role_options(visit),
            "state_options": [(each, visit.words.look_up(label_of(each))) for each in PersonState],
            "is_self": person.person_id == visit.principal.name,
        }
        return View("team/detail.html", context, status)

    def pages(self) -> list[Page]:
        """What is shown."""
        return [
            Page(
                name="team",
                path="/team",
                title=mark("Team"),
                roles=OWNER | {Role.READER},
                show=self.show,
                operations=("showTeam",),
                nav=Nav(Section.SETTINGS, 10, "users"),
            ),
            Page(
                name="teamUser",
                path="/team/{user_id}",
                title=mark("Somebody of the team"),
                roles=OWNER,
                show=self.show_one,
                operations=("showTeam", "changeTeamUser"),
                parent="team",
            ),
        ]

    def actions(self) -> list[Action]:
        """What is done."""
        return [
            Action(operation="invite", path="/team", roles=OWNER, handle=self.invite),
            Action(
                operation="revokeInvitation",
                path="/team/invitations/{invitation_id}/revoke",
                roles=OWNER,
                handle=self.revoke,
            ),
            Action(
                operation="changeTeamUser",
                path="/team/{user_id}",
                roles=OWNER,
                handle=self.change,
            ),
            Action(
                operation="removeTeamUser",
                path="/team/{user_id}/remove",
                roles=OWNER,
                handle=self.remove,
            ),
        ]


def _own(visit: Visit) -> str:
    own = visit.principal.enterprise_id
    assert own is not None  # the roles are a customer's
    return own


def _role_options(visit: Visit) -> list[tuple[str, str, str]]:
    word = visit.words.look_up
    return [
        (role, word(label_of(role)), word(ROLE_HINTS[role]))
        for role in ROLE_HINTS
        if role in CUSTOMER_ROLES
    ]
