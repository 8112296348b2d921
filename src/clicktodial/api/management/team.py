"""`/team`: the people of one's own enterprise."""

from functools import partial
from typing import Any

from msgspec import UNSET, UnsetType

from clicktodial.accounts.enrolment import Enrolments, Invitation
from clicktodial.accounts.person import TEAM_MAX, People, Person, PersonState
from clicktodial.api.management.problem import (
    CONFLICT,
    INVALID_VALUE,
    NOT_FOUND,
    TOO_MANY_ATTEMPTS,
)
from clicktodial.api.management.route import Ask, Created, Parameter, Route
from clicktodial.api.management.schema import Instant, Strict
from clicktodial.api.management.user_view import (
    EMAIL_EXAMPLE,
    EXAMPLE_ID,
    USER_EXAMPLE,
    USER_ID,
    Email,
    Roles,
    UserView,
    render_user,
)
from clicktodial.api.management.worker import Worker
from clicktodial.domain.principal import Role


class NewInvitation(Strict, frozen=True):
    """Somebody who is asked in."""

    email: Email
    roles: Roles


class InvitationView(Strict, frozen=True):
    """Somebody who was asked in and has not come yet."""

    invitation_id: str
    email: str
    roles: list[Role]
    created_at: Instant
    expires_at: Instant


class Team(Strict, frozen=True):
    """The people of an enterprise, and those who were asked in."""

    users: list[UserView]
    invitations: list[InvitationView]


class MemberChange(Strict, frozen=True):
    """What changes of somebody of the team; roles are given whole."""

    roles: Roles | UnsetType = UNSET
    state: PersonState | UnsetType = UNSET


class TeamResource:
    """The team of whoever asks."""

    def __init__(self, people: People, enrolments: Enrolments, worker: Worker) -> None:
        self._people = people
        self._enrolments = enrolments
        self._worker = worker

    async def show(self, ask: Ask) -> Team:
        """GET"""
        own = _enterprise(ask)

        def read() -> tuple[list[Person], list[Invitation]]:
            people = self._people.list_people(limit=TEAM_MAX, enterprise_id=own)
            return people, self._enrolments.list_invitations(enterprise_id=own, now=ask.now)

        people, invitations = await self._worker.run(read)
        return Team(
            users=[render_user(each) for each in people],
            invitations=[render_invitation(each) for each in invitations],
        )

    async def invite(self, ask: Ask) -> Created:
        """POST .../invitations"""
        body = await ask.read(NewInvitation)
        created = await self._worker.run(
            partial(
                self._enrolments.invite,
                ask.principal,
                email=body.email,
                roles=body.roles,
                enterprise_id=_enterprise(ask),
                now=ask.now,
            )
        )
        view = render_invitation(created.invitation)
        return Created(view, f"/team/invitations/{view.invitation_id}")

    async def revoke(self, ask: Ask) -> None:
        """DELETE .../invitations/{invitation_id}"""
        invitation_id, own = ask.path["invitation_id"], _enterprise(ask)
        await self._worker.run(lambda: self._enrolments.revoke(invitation_id, enterprise_id=own))

    async def change(self, ask: Ask) -> UserView:
        """PATCH of one"""
        body = await ask.read(MemberChange)
        person = await self._worker.run(
            partial(
                self._people.change,
                ask.path["user_id"],
                within=_enterprise(ask),
                roles=None if isinstance(body.roles, UnsetType) else body.roles,
                state=None if isinstance(body.state, UnsetType) else body.state,
            )
        )
        return render_user(person)

    async def remove(self, ask: Ask) -> None:
        """DELETE of one"""
        user_id, own = ask.path["user_id"], _enterprise(ask)
        await self._worker.run(lambda: self._people.remove(user_id, within=own))

    def routes(self) -> list[Route]:
        """The rows of this resource."""
        owner: dict[str, Any] = {"tag": "Team", "roles": frozenset({Role.OWNER})}
        one: dict[str, Any] = owner | {"path": "/team/{user_id}", "parameters": (USER_ID,)}
        return [
            Route(
                name="showTeam",
                method="GET",
                path="/team",
                tag="Team",
                roles=frozenset({Role.OWNER, Role.READER}),
                summary="List the team",
                about=f"The people of one's own enterprise, {TEAM_MAX} at most with those who were "
                "invited.",
                handle=self.show,
                answer=Team,
                answer_example={"users": [USER_EXAMPLE], "invitations": [INVITATION_EXAMPLE]},
            ),
            Route(
                name="invite",
                method="POST",
                path="/team/invitations",
                summary="Invite somebody",
                about="A mail goes there, with a link that makes an account within 24 hours. Of an "
                "address that has an account the answer is the same.",
                handle=self.invite,
                body=NewInvitation,
                body_example={"email": EMAIL_EXAMPLE, "roles": ["developer"]},
                answer=InvitationView,
                answer_example=INVITATION_EXAMPLE,
                status=201,
                problems=(INVALID_VALUE, CONFLICT, NOT_FOUND, TOO_MANY_ATTEMPTS),
                **owner,
            ),
            Route(
                name="revokeInvitation",
                method="DELETE",
                path="/team/invitations/{invitation_id}",
                summary="Take an invitation back",
                about="Its link holds no longer.",
                handle=self.revoke,
                status=204,
                parameters=(
                    Parameter(
                        "invitation_id",
                        "The invitation.",
                        {"type": "string", "maxLength": 64},
                        example=EXAMPLE_ID,
                    ),
                ),
                problems=(NOT_FOUND,),
                **owner,
            ),
            Route(
                name="changeTeamUser",
                method="PATCH",
                summary="Change what somebody of the team may",
                about="Whoever loses a role or is disabled is logged out. At least one owner "
                "stays.",
                handle=self.change,
                body=MemberChange,
                body_example={"roles": ["developer", "finance"]},
                answer=UserView,
                answer_example=USER_EXAMPLE,
                problems=(NOT_FOUND, INVALID_VALUE, CONFLICT),
                **one,
            ),
            Route(
                name="removeTeamUser",
                method="DELETE",
                summary="Remove somebody from the team",
                about="The account is gone, and its address free. At least one owner stays.",
                handle=self.remove,
                status=204,
                problems=(NOT_FOUND, CONFLICT),
                **one,
            ),
        ]


def _enterprise(ask: Ask) -> str:
    own = ask.principal.enterprise_id
    assert own is not None  # the roles are a customer's
    return own


def render_invitation(invitation: Invitation) -> InvitationView:
    """As answered."""
    return InvitationView(
        invitation_id=invitation.invitation_id,
        email=invitation.email,
        roles=sorted(invitation.roles),
        created_at=invitation.created_at,
        expires_at=invitation.expires_at,
    )


INVITATION_EXAMPLE = {
    "invitation_id": EXAMPLE_ID,
    "email": EMAIL_EXAMPLE,
    "roles": ["developer"],
    "created_at": "2026-03-01T12:00:00Z",
    "expires_at": "2026-03-02T12:00:00Z",
}
