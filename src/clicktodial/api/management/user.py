"""`/users`: all people, for the operator."""

from functools import partial
from typing import Annotated, Any

from msgspec import UNSET, Meta, UnsetType

from clicktodial.accounts.enrolment import Enrolments
from clicktodial.accounts.own_password import Passwords
from clicktodial.accounts.person import People, PersonState
from clicktodial.accounts.second_factor import SecondFactors
from clicktodial.accounts.session import Sessions
from clicktodial.api.management.paging import (
    PAGE_PARAMETERS,
    parse_identifier_cursor,
    parse_limit,
)
from clicktodial.api.management.problem import CONFLICT, INVALID_VALUE, NOT_FOUND
from clicktodial.api.management.route import Ask, Created, Parameter, Route
from clicktodial.api.management.schema import Identifier, Strict
from clicktodial.api.management.team import (
    INVITATION_EXAMPLE,
    InvitationView,
    render_invitation,
)
from clicktodial.api.management.user_view import (
    EMAIL_EXAMPLE,
    USER_EXAMPLE,
    USER_ID,
    Account,
    Email,
    Regions,
    Roles,
    UserView,
    render_user,
)
from clicktodial.api.management.worker import Worker
from clicktodial.domain.principal import Role

_EnterpriseId = Annotated[
    Identifier, Meta(description="Into that enterprise; without it, into the operator's staff.")
]


class NewUser(Strict, frozen=True):
    """Somebody who is asked in by the operator."""

    email: Email
    roles: Roles
    account: Account | UnsetType = UNSET
    regions: Regions | UnsetType = UNSET
    enterprise_id: _EnterpriseId | UnsetType = UNSET


class UserChange(Strict, frozen=True):
    """What changes of somebody; lists are given whole."""

    roles: Roles | UnsetType = UNSET
    regions: Regions | UnsetType = UNSET
    state: PersonState | UnsetType = UNSET


class UserPage(Strict, frozen=True):
    """Users, the oldest first; `next` is the cursor of the page after, null on the last."""

    users: list[UserView]
    next: str | None


class UserResource:
    """All users."""

    def __init__(
        self,
        people: People,
        enrolments: Enrolments,
        passwords: Passwords,
        factors: SecondFactors,
        sessions: Sessions,
        worker: Worker,
    ) -> None:
        self._people = people
        self._enrolments = enrolments
        self._passwords = passwords
        self._factors = factors
        self._sessions = sessions
        self._worker = worker

    async def list_all(self, ask: Ask) -> UserPage:
        """GET of all"""
        limit, after = parse_limit(ask.query), parse_identifier_cursor(ask.query)
        people = await self._worker.run(
            partial(
                self._people.list_people,
                limit=limit + 1,
                enterprise_id=ask.query.get("enterprise_id"),
                after=after,
            )
        )
        return UserPage(
            users=[render_user(each) for each in people[:limit]],
            next=people[limit - 1].person_id if len(people) > limit else None,
        )

    async def create(self, ask: Ask) -> Created:
        """POST"""
        body = await ask.read(NewUser)
        enterprise_id = None if isinstance(body.enterprise_id, UnsetType) else body.enterprise_id
        created = await self._worker.run(
            partial(
                self._enrolments.invite,
                ask.principal,
                email=body.email,
                roles=body.roles,
                enterprise_id=enterprise_id,
                regions=() if isinstance(body.regions, UnsetType) else body.regions,
                account=None if isinstance(body.account, UnsetType) else body.account,
                now=ask.now,
            )
        )
        ask.notes.enterprise_id = enterprise_id
        view = render_invitation(created.invitation)
        return Created(view, f"/users/invitations/{view.invitation_id}")

    async def show(self, ask: Ask) -> UserView:
        """GET of one"""
        user_id = ask.path["user_id"]
        person = await self._worker.run(lambda: self._people.show(user_id))
        ask.notes.enterprise_id = person.enterprise_id
        return render_user(person)

    async def change(self, ask: Ask) -> UserView:
        """PATCH"""
        body = await ask.read(UserChange)
        person = await self._worker.run(
            partial(
                self._people.change,
                ask.path["user_id"],
                roles=None if isinstance(body.roles, UnsetType) else body.roles,
                regions=None if isinstance(body.regions, UnsetType) else body.regions,
                state=None if isinstance(body.state, UnsetType) else body.state,
            )
        )
        ask.notes.enterprise_id = person.enterprise_id
        return render_user(person)

    async def remove(self, ask: Ask) -> None:
        """DELETE"""
        user_id = ask.path["user_id"]
        await self._worker.run(lambda: self._people.remove(user_id))

    async def send_reset(self, ask: Ask) -> None:
        """POST .../password-reset"""
        user_id = ask.path["user_id"]
        await self._worker.run(lambda: self._passwords.send_reset(user_id, now=ask.now))

    async def take_totp(self, ask: Ask) -> None:
        """DELETE .../totp"""
        user_id = ask.path["user_id"]
        await self._worker.run(lambda: self._factors.take_away(user_id, now=ask.now))

    async def unlock(self, ask: Ask) -> None:
        """POST .../unlock"""
        user_id = ask.path["user_id"]
        await self._worker.run(lambda: self._sessions.unlock(user_id))

    def routes(self) -> list[Route]:
        """The rows of this resource."""
        return [*self._all_routes(), *self._one_routes()]

    def _all_routes(self) -> list[Route]:
        return [
            Route(
                name="listUsers",
                method="GET",
                path="/users",
                tag="Users",
                roles=frozenset({Role.OPERATOR}),
                summary="List users",
                about="All people, or those of one enterprise.",
                handle=self.list_all,
                answer=UserPage,
                answer_example={"users": [USER_EXAMPLE], "next": None},
                query=(
                    *PAGE_PARAMETERS,
                    Parameter("enterprise_id", "Whose.", {"type": "string", "maxLength": 64}),
                ),
            ),
            Route(
                name="createUser",
                method="POST",
                path="/users",
                tag="Users",
                roles=frozenset({Role.OPERATOR, Role.ACCOUNT_MANAGER}),
                summary="Invite somebody into an enterprise or the staff",
                about="A mail goes there, with a link that makes an account within 24 hours. An "
                "account manager invites into the enterprises of their regions alone.",
                handle=self.create,
                body=NewUser,
                body_example={
                    "email": EMAIL_EXAMPLE,
                    "roles": ["owner"],
                    "enterprise_id": "acme",
                },
                answer=InvitationView,
                answer_example=INVITATION_EXAMPLE,
                status=201,
                problems=(INVALID_VALUE, CONFLICT, NOT_FOUND),
            ),
        ]

    def _one_routes(self) -> list[Route]:
        operator: dict[str, Any] = {
            "tag": "Users",
            "roles": frozenset({Role.OPERATOR}),
            "parameters": (USER_ID,),
        }
        one: dict[str, Any] = operator | {"path": "/users/{user_id}"}
        view: dict[str, Any] = {"answer": UserView, "answer_example": USER_EXAMPLE}
        return [
            Route(
                name="showUser",
                method="GET",
                summary="Read a user",
                about="All but the telephone number, which is the user's own.",
                handle=self.show,
                problems=(NOT_FOUND,),
                **view,
                **one,
            ),
            Route(
                name="changeUser",
                method="PATCH",
                summary="Change what a user may",
                about="Whoever loses a role or is disabled is logged out. At least one owner of an "
                "enterprise stays.",
                handle=self.change,
                body=UserChange,
                body_example={"state": "disabled"},
                problems=(NOT_FOUND, INVALID_VALUE, CONFLICT),
                **view,
                **one,
            ),
            Route(
                name="removeUser",
                method="DELETE",
                summary="Remove a user",
                about="The account is gone, and its address free.",
                handle=self.remove,
                status=204,
                problems=(NOT_FOUND, CONFLICT),
                **one,
            ),
            Route(
                name="sendPasswordReset",
                method="POST",
                path="/users/{user_id}/password-reset",
                summary="Help a user to another password",
                about="A mail goes to the user's address, with a link that sets one.",
                handle=self.send_reset,
                status=202,
                problems=(NOT_FOUND,),
                **operator,
            ),
            Route(
                name="unlockUser",
                method="POST",
                path="/users/{user_id}/unlock",
                summary="Let a user try to log in again at once",
                about="Of somebody who typed a wrong password too often, and would have to wait.",
                handle=self.unlock,
                status=204,
                problems=(NOT_FOUND,),
                **operator,
            ),
            Route(
                name="takeTotp",
                method="DELETE",
                path="/users/{user_id}/totp",
                summary="Take a second factor away",
                about="Of somebody who lost it; a mail tells them.",
                handle=self.take_totp,
                status=204,
                problems=(NOT_FOUND,),
                **operator,
            ),
        ]
