"""The routes of the management API: each a row that says who may, what goes in, what comes out.

Handlers and the OpenAPI document are both made of these rows, so that neither can tell what the
other does not. A request goes the same way everywhere: who asks, may they, what do they say, do it.
"""

import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal, TypeAlias, TypeVar

import msgspec
import structlog
from litestar import Request, Response, route
from litestar.handlers import HTTPRouteHandler
from litestar.types import Receive

from clicktodial.api.management.authentication import Authenticator, Operator, Principal
from clicktodial.api.management.body import decode_body, parse_query
from clicktodial.api.management.problem import (
    APPLICATION_DISABLED,
    BASE_PATH,
    BODY_TOO_LONG,
    ENTERPRISE_INACTIVE,
    NOT_FOUND,
    NOT_PERMITTED,
    PROBLEM_MEDIA_TYPE,
    Problem,
    Refused,
    refused_by,
)
from clicktodial.api.request import BodyTooLong, ClientDisconnected, read_body
from clicktodial.control.error import ControlError
from clicktodial.control.port import StoreError
from clicktodial.domain.application import Application, ApplicationStatus, EnterpriseStatus
from clicktodial.storage.error import StorageError

T = TypeVar("T")

log = structlog.get_logger()

_PARAMETER = re.compile(r"\{(\w+)\}")
_NO_STORE = {"Cache-Control": "no-store"}


class Role(StrEnum):
    """Who may ask."""

    OPERATOR = "operator"
    APPLICATION = "application"


@dataclass(frozen=True, slots=True)
class Ask:
    """A request that was admitted."""

    principal: Principal
    path: dict[str, str]
    query: dict[str, str]
    receive: Receive
    body_bytes_max: int

    @property
    def application(self) -> Application:
        """Who asks, of a route that is for applications alone."""
        assert isinstance(self.principal, Application)
        return self.principal

    async def read(self, kind: type[T], *, or_empty: T | None = None) -> T:
        """The JSON body as that type; `or_empty` stands for no body at all. Raises Refused."""
        try:
            body = await read_body(self.receive, self.body_bytes_max)
        except BodyTooLong as error:
            raise Refused(
                BODY_TOO_LONG,
                f"it may have {self.body_bytes_max} bytes",
                is_last=not error.is_drained,
            ) from error
        if not body and or_empty is not None:
            return or_empty
        return decode_body(body, kind)


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of a path or a query, for the document."""

    name: str
    about: str
    schema: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Created:
    """An answer that tells where the new thing is, below BASE_PATH."""

    answer: object
    location: str


Method: TypeAlias = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
Handle: TypeAlias = Callable[[Ask], Awaitable[object]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One method at one path below BASE_PATH, whose parameters stand in braces.

    `handle` returns a struct to be answered, of type `answer`; nothing where there is none.
    `problems` are those that not every route has. A body of `media` other than JSON is read by
    the handler itself.
    """

    name: str
    method: Method
    path: str
    tag: str
    summary: str
    about: str
    roles: frozenset[Role]
    handle: Handle
    answer: Any = None
    status: int = 200
    body: Any = None
    is_body_optional: bool = False
    media: str = "application/json"
    body_example: Any = None
    answer_example: Any = None
    parameters: Sequence[Parameter] = ()
    query: Sequence[Parameter] = ()
    problems: Sequence[Problem] = ()


def create_route_handlers(
    routes: Sequence[Route], authenticator: Authenticator, *, body_bytes_max: int
) -> list[HTTPRouteHandler]:
    """The rows as handlers of the framework."""
    return [_create_handler(each, authenticator, body_bytes_max) for each in routes]


def _create_handler(
    row: Route, authenticator: Authenticator, body_bytes_max: int
) -> HTTPRouteHandler:
    known = frozenset(parameter.name for parameter in row.query)

    # The framework's own defaults for a status have rules about what is returned.
    @route(
        BASE_PATH + _PARAMETER.sub(r"{\1:str}", row.path),
        http_method=row.method,
        name=row.name,
        status_code=200,
    )
    async def handler(request: Request[Any, Any, Any]) -> Response[bytes]:
        try:
            principal = await authenticator.authenticate(request.scope)
            _admit(row, principal, has_operator=authenticator.has_operator)
            ask = Ask(
                principal,
                dict(request.path_params),
                parse_query(request.scope["query_string"], known),
                request.receive,
                body_bytes_max,
            )
            answer = await row.handle(ask)
            _log_done(row, ask)
            return _render(row, answer)
        except Refused as refused:
            return render_refused(refused, row.name)
        except (ControlError, StoreError, StorageError) as error:
            return render_refused(_translate(error, row.name), row.name)
        except ClientDisconnected:
            # Nobody is there to read it.
            log.debug("management.client_disconnected", operation=row.name)
            return Response(b"", status_code=400, media_type="text/plain")

    return handler


def _admit(row: Route, principal: Principal, *, has_operator: bool) -> None:
    is_for_operator = Role.OPERATOR in row.roles
    if isinstance(principal, Operator):
        if not is_for_operator:
            raise Refused(NOT_PERMITTED, "this is for applications, with their own credential")
        return
    if is_for_operator and not has_operator and Role.APPLICATION not in row.roles:
        raise Refused(NOT_FOUND)
    if principal.enterprise_status is not EnterpriseStatus.ACTIVE:
        raise Refused(ENTERPRISE_INACTIVE, f"it is {principal.enterprise_status}")
    if principal.status is not ApplicationStatus.ACTIVE:
        raise Refused(APPLICATION_DISABLED)
    if Role.APPLICATION not in row.roles:
        raise Refused(NOT_PERMITTED, "this is for the operator, with the management token")


def _translate(error: Exception, operation: str) -> Refused:
    refused = refused_by(error)
    if refused is None:
        raise error
    if refused.problem.status >= 500:
        log.error(
            "management.failed",
            operation=operation,
            kind=type(error).__name__,
            detail=str(error),
        )
    return refused


def _log_done(row: Route, ask: Ask) -> None:
    """Who changed what; bodies may hold passwords and numbers, names and identifiers do not."""
    if row.method == "GET":
        return
    by = "operator" if isinstance(ask.principal, Operator) else ask.principal.app_id
    log.info("management.done", operation=row.name, by=by, of=ask.path)


def _render(row: Route, answer: object) -> Response[bytes]:
    if answer is None:
        return Response(b"", status_code=row.status, media_type="text/plain", headers=_NO_STORE)
    headers = dict(_NO_STORE)
    if isinstance(answer, Created):
        headers["Location"] = BASE_PATH + answer.location
        answer = answer.answer
    return Response(
        msgspec.json.encode(answer),
        status_code=row.status,
        media_type="application/json",
        headers=headers,
    )


def render_refused(refused: Refused, operation: str) -> Response[bytes]:
    """A problem as an answer, and a line of the log."""
    problem = refused.problem
    log.info("management.refused", operation=operation, code=problem.code, pointer=refused.pointer)
    return Response(
        refused.body,
        status_code=problem.status,
        media_type=PROBLEM_MEDIA_TYPE,
        headers=refused.headers,
    )
