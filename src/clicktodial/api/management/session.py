"""`/sessions`: logging in and out."""

from functools import partial
from typing import Annotated, Any

from msgspec import UNSET, Meta, UnsetType

from clicktodial.accounts.session import SessionDetail, Sessions
from clicktodial.api.management.problem import (
    CODE_REQUIRED,
    NOT_FOUND,
    TOO_MANY_ATTEMPTS,
    WRONG_CREDENTIALS,
)
from clicktodial.api.management.route import Ask, Created, Parameter, Route
from clicktodial.api.management.schema import Instant, Strict
from clicktodial.api.management.user_view import (
    EXAMPLE_ID,
    PASSWORD_EXAMPLE,
    USER_EXAMPLE,
    Code,
    Password,
    UserView,
    render_user,
)
from clicktodial.api.management.worker import Worker
from clicktodial.domain.principal import PERSON_ROLES

CURRENT = "current"

_Account = Annotated[
    str, Meta(min_length=1, max_length=254, description="The account, or its email.")
]
_SessionToken = Annotated[
    str, Meta(description="To be shown as `Authorization: Bearer`. It is told this once.")
]


class Login(Strict, frozen=True):
    """Who logs in; `code` where there is a second factor."""

    account: _Account
    password: Password
    code: Code | UnsetType = UNSET


class SessionView(Strict, frozen=True):
    """A session: when it began, when it was last used, when it ends at the latest, from where it
    was begun, and whether it is the one that asks."""

    session_id: str
    created_at: Instant
    seen_at: Instant
    expires_at: Instant
    address: str
    is_current: bool


class BegunSession(Strict, frozen=True):
    """A session that began."""

    token: _SessionToken
    session: SessionView
    user: UserView


class SessionList(Strict, frozen=True):
    """Those of whoever asks."""

    sessions: list[SessionView]


class SessionResource:
    """Sessions of people."""

    def __init__(self, sessions: Sessions, login_worker: Worker, worker: Worker) -> None:
        """`login_worker` is the one that hashes passwords."""
        self._sessions = sessions
        self._login_worker = login_worker
        self._worker = worker

    async def log_in(self, ask: Ask) -> Created:
        """POST"""
        body = await ask.read(Login)
        new = await self._login_worker.run(
            partial(
                self._sessions.log_in,
                account=body.account,
                password=body.password,
                code=None if isinstance(body.code, UnsetType) else body.code,
                address=ask.client,
                now=ask.now,
            )
        )
        ask.notes.principal = new.person.principal
        session_id = new.detail.session_id
        answer = BegunSession(
            token=new.token,
            session=_render(new.detail, session_id),
            user=render_user(new.person),
        )
        return Created(answer, f"/sessions/{session_id}")

    async def list_all(self, ask: Ask) -> SessionList:
        """GET"""
        details = await self._worker.run(
            lambda: self._sessions.list_sessions(ask.principal.name, ask.now)
        )
        return SessionList(sessions=[_render(each, ask.session_id) for each in details])

    async def end(self, ask: Ask) -> None:
        """DELETE of one"""
        named = ask.path["session_id"]
        session_id = ask.session_id if named == CURRENT else named
        await self._worker.run(lambda: self._sessions.end(ask.principal.name, session_id))

    async def end_others(self, ask: Ask) -> None:
        """DELETE of all others"""
        await self._worker.run(
            lambda: self._sessions.end_others(ask.principal.name, ask.session_id)
        )

    def routes(self) -> list[Route]:
        """The rows of this resource."""
        own: dict[str, Any] = {"tag": "People", "roles": PERSON_ROLES, "is_personal": True}
        return [
            Route(
                name="logIn",
                method="POST",
                path="/sessions",
                tag="People",
                roles=frozenset(),
                is_open=True,
                summary="Log in",
                about="With account and password. Where the account has a second factor, the "
                "answer is `code-required` until a code is given with them.",
                handle=self.log_in,
                body=Login,
                body_example={"account": "zhang.wei", "password": PASSWORD_EXAMPLE},
                answer=BegunSession,
                answer_example={
                    "token": "s_Zm9yIGV4YW1wbGUgb25seSwgbm8gdG9rZW4gYXQgYWxs",
                    "session": _EXAMPLE,
                    "user": USER_EXAMPLE,
                },
                status=201,
                problems=(WRONG_CREDENTIALS, CODE_REQUIRED, TOO_MANY_ATTEMPTS),
            ),
            Route(
                name="listSessions",
                method="GET",
                path="/sessions",
                summary="List one's own sessions",
                about="Those that hold, the oldest first.",
                handle=self.list_all,
                answer=SessionList,
                answer_example={"sessions": [_EXAMPLE]},
                **own,
            ),
            Route(
                name="endSession",
                method="DELETE",
                path="/sessions/{session_id}",
                summary="Log out",
                about=f"One of one's own sessions ends; `{CURRENT}` is the one that asks.",
                handle=self.end,
                status=204,
                parameters=(
                    Parameter(
                        "session_id",
                        "The session.",
                        {"type": "string", "maxLength": 64},
                        example=EXAMPLE_ID,
                    ),
                ),
                problems=(NOT_FOUND,),
                **own,
            ),
            Route(
                name="endOtherSessions",
                method="DELETE",
                path="/sessions",
                summary="Log out everywhere else",
                about="All of one's own sessions end, but the one that asks.",
                handle=self.end_others,
                status=204,
                **own,
            ),
        ]


def _render(detail: SessionDetail, current_id: str) -> SessionView:
    return SessionView(
        session_id=detail.session_id,
        created_at=detail.created_at,
        seen_at=detail.seen_at,
        expires_at=detail.expires_at,
        address=detail.address,
        is_current=detail.session_id == current_id,
    )


_EXAMPLE = {
    "session_id": EXAMPLE_ID,
    "created_at": "2026-03-01T12:00:00Z",
    "seen_at": "2026-03-01T12:00:00Z",
    "expires_at": "2026-03-02T00:00:00Z",
    "address": "192.0.2.1",
    "is_current": True,
}
