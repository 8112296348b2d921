"""The routes of the management API: each a row that says who may, what goes in, what comes out.

Handlers and the OpenAPI document are both made of these rows, so that neither can tell what the
other does not. A request goes the same way everywhere: who asks, may they, what do they say, do it.
"""

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, TypeAlias, TypeVar

import msgspec
import structlog
from litestar import Request, Response, route
from litestar.handlers import HTTPRouteHandler
from litestar.response import Stream
from litestar.types import HTTPScope, Receive

from clicktodial.accounts.audit import DONE, READ, AuditEntry
from clicktodial.api.idempotency import REPLAYED
from clicktodial.api.management.authentication import ANONYMOUS, Authenticator, Identity
from clicktodial.api.management.body import NUL, decode_body, parse_query
from clicktodial.api.management.problem import (
    APPLICATION_DISABLED,
    BASE_PATH,
    BODY_TOO_LONG,
    ENTERPRISE_INACTIVE,
    INTERNAL_ERROR,
    NOT_FOUND,
    NOT_PERMITTED,
    PROBLEM_MEDIA_TYPE,
    Problem,
    Refused,
    refused_by,
)
from clicktodial.control.error import ControlError
from clicktodial.control.port import StoreError
from clicktodial.domain.application import Application, ApplicationStatus, EnterpriseStatus
from clicktodial.domain.number import mask_number
from clicktodial.domain.principal import Principal, Role
from clicktodial.storage.error import StorageError, ValueInvalid
from clicktodial.storage.value import check_identifier
from clicktodial.web.auditor import Auditor
from clicktodial.web.request import BodyTooLong, ClientDisconnected, read_body

T = TypeVar("T")

log = structlog.get_logger()

_PARAMETER = re.compile(r"\{(\w+)\}")
_NO_STORE = {"Cache-Control": "no-store"}
# What refuses somebody, as against what refuses a value: the audit log is told of these.
_REFUSAL_STATUSES = frozenset({401, 403})


@dataclass(slots=True)
class AuditNotes:
    """What a handler adds to the audit log's line of its request: what it was about, whose that
    is, and who asked, where that is known only within (a person who logs in)."""

    subjects: dict[str, str] = field(default_factory=dict)
    enterprise_id: str | None = None
    principal: Principal | None = None
    # Not for the log: what the handler read.
    body: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class Ask:
    """A request that was admitted. `now` is when it came, `client` the address it came from.

    What a handler makes or is about, beyond the parameters of the path, it tells `notes`.
    """

    identity: Identity
    path: dict[str, str]
    query: dict[str, str]
    receive: Receive
    body_bytes_max: int
    now: datetime
    client: str
    notes: AuditNotes = field(default_factory=AuditNotes)
    headers: Sequence[tuple[bytes, bytes]] = ()

    @property
    def principal(self) -> Principal:
        """Who asks."""
        return self.identity.principal

    @property
    def session_id(self) -> str:
        """The session, of a route that is personal."""
        assert self.identity.session_id is not None
        return self.identity.session_id

    @property
    def application(self) -> Application:
        """The program that asks, of a route that is for programs alone."""
        assert self.identity.application is not None
        return self.identity.application

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
        self.notes.body = body
        return decode_body(body, kind)

    @property
    def raw_body(self) -> bytes:
        """The body as it came, of a request that was read."""
        return self.notes.body


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of a path or a query, for the document.

    `example` is one that could be, for whoever walks all routes. Of one that `is_number`, a
    telephone number, the logs get only what `mask_number` leaves.
    """

    name: str
    about: str
    schema: dict[str, Any]
    example: str = ""
    is_number: bool = False


@dataclass(frozen=True, slots=True)
class Created:
    """An answer that tells where the new thing is, below BASE_PATH; one that `is_replayed` was
    given before."""

    answer: object
    location: str
    is_replayed: bool = False


@dataclass(frozen=True, slots=True)
class Download:
    """An answer that is no JSON: a file, in pieces as they come."""

    pieces: AsyncIterator[bytes]
    file_name: str


Method: TypeAlias = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
Handle: TypeAlias = Callable[[Ask], Awaitable[object]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One method at one path below BASE_PATH, whose parameters stand in braces.

    `roles` are those that may ask; one that `is_open` needs no credential, and has none. One that
    `is_personal` is about whoever asks, and needs their session; one that `is_help` asks for help.
    Of those that change something, only these two are for people whose enterprise has come to its
    end. What is another enterprise's is
    `handle`'s to refuse, with NOT_FOUND: roles know no enterprises.
    `handle` returns a struct to be answered, of type `answer`; nothing where there is none; a
    Download where `answer_media` is no JSON.
    `problems` are those that not every route has. A body of `media` other than JSON is read by
    the handler itself.

    The audit log is told of each request that `changes` something, which by default all do but
    GET, and of each person who read what `is_access`: documents, whole numbers. Not of programs
    where `is_recorded`: what they do is recorded as what it is, a call.
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
    answer_media: str = "application/json"
    status: int = 200
    body: Any = None
    is_body_optional: bool = False
    media: str = "application/json"
    body_example: Any = None
    answer_example: Any = None
    parameters: Sequence[Parameter] = ()
    query: Sequence[Parameter] = ()
    problems: Sequence[Problem] = ()
    is_open: bool = False
    is_personal: bool = False
    is_help: bool = False
    changes: bool | None = None
    is_recorded: bool = False
    is_access: bool = False

    @property
    def is_change(self) -> bool:
        """Whether it changes something."""
        return self.method != "GET" if self.changes is None else self.changes


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """What every request passes. `client_address` tells where it comes from, in words;
    `take_up_changes` makes what was changed hold on this node before the answer goes out."""

    authenticator: Authenticator
    take_up_changes: Callable[[], Awaitable[None]]
    auditor: Auditor
    utc: Callable[[], datetime]
    client_address: Callable[[HTTPScope], str]
    body_bytes_max: int


def create_route_handlers(routes: Sequence[Route], gate: Gate) -> list[HTTPRouteHandler]:
    """The rows as handlers of the framework."""
    return [_create_handler(each, gate) for each in routes]


def _create_handler(row: Route, gate: Gate) -> HTTPRouteHandler:
    known = frozenset(parameter.name for parameter in row.query)

    # The framework's own defaults for a status have rules about what is returned.
    @route(
        BASE_PATH + _PARAMETER.sub(r"{\1:str}", row.path),
        http_method=row.method,
        name=row.name,
        status_code=200,
    )
    async def handler(request: Request[Any, Any, Any]) -> Response[Any]:
        client = gate.client_address(request.scope)
        visit = _Visit(row, gate.utc(), client, dict(request.path_params), AuditNotes())
        try:
            answer = await _ask(request, visit, gate, known)
        except Refused as refused:
            return await _refuse(refused, visit, gate)
        except (ControlError, StoreError, StorageError) as error:
            return await _refuse(_translate(error, row.name), visit, gate)
        except ClientDisconnected:
            # Nobody is there to read it.
            log.debug("management.client_disconnected", operation=row.name)
            return Response(b"", status_code=400, media_type="text/plain")
        except Exception:
            # A fault of ours, told as such by the framework: what was changed before it is known.
            if _is_audited(visit):
                entry = _audit_entry(visit, None, INTERNAL_ERROR.code)
                await gate.auditor.note(entry, is_bounded=visit.is_anonymous)
            raise
        if row.is_change and not row.is_recorded:
            await gate.take_up_changes()
        _log_done(visit)
        if _is_audited(visit):
            # Whoever is not known is anybody, as often as they like.
            entry = _audit_entry(visit, answer, DONE if row.is_change else READ)
            await gate.auditor.note(entry, is_bounded=visit.is_anonymous)
        return _render(row, answer)

    return handler


@dataclass(slots=True)
class _Visit:
    """A request on its way through; who asks is known once it is proved."""

    row: Route
    now: datetime
    client: str
    path: dict[str, str]
    notes: AuditNotes
    identity: Identity = ANONYMOUS

    @property
    def principal(self) -> Principal:
        """Who asks, as far as is known."""
        return self.notes.principal or self.identity.principal

    @property
    def is_anonymous(self) -> bool:
        return not self.principal.name

    @property
    def subjects(self) -> Mapping[str, str]:
        """What the path names, as logs may have it."""
        numbers = {each.name for each in self.row.parameters if each.is_number}
        return {
            name: mask_number(value) if name in numbers else value
            for name, value in self.path.items()
        }


async def _ask(
    request: Request[Any, Any, Any], visit: _Visit, gate: Gate, known: frozenset[str]
) -> object:
    row = visit.row
    if not row.is_open:
        visit.identity = await gate.authenticator.authenticate(request.scope, visit.now)
        _admit(row, visit.identity, has_operator=gate.authenticator.has_operator)
    if any(NUL in value for value in visit.path.values()):
        raise Refused(NOT_FOUND)
    return await row.handle(
        Ask(
            visit.identity,
            visit.path,
            parse_query(request.scope["query_string"], known),
            request.receive,
            gate.body_bytes_max,
            visit.now,
            visit.client,
            visit.notes,
            list(request.scope["headers"]),
        )
    )


def _admit(row: Route, identity: Identity, *, has_operator: bool) -> None:
    """Raises Refused unless one of its roles may ask. A program may only where it may call."""
    application = identity.application
    if application is not None:
        if Role.APPLICATION not in row.roles and not has_operator:
            raise Refused(NOT_FOUND)
        check_active(application)
    if not identity.principal.has_any(row.roles):
        raise Refused(NOT_PERMITTED)
    if row.is_personal and identity.session_id is None:
        raise Refused(NOT_PERMITTED, "this is for people who logged in")
    if identity.is_former and row.is_change and not (row.is_personal or row.is_help):
        raise Refused(ENTERPRISE_INACTIVE, "it is cancelled, and nothing of it changes any more")


def check_active(application: Application) -> None:
    """Whether it, and its enterprise, may use the service. Raises Refused."""
    if application.enterprise_status is not EnterpriseStatus.ACTIVE:
        raise Refused(ENTERPRISE_INACTIVE, f"it is {application.enterprise_status}")
    if application.status is not ApplicationStatus.ACTIVE:
        raise Refused(APPLICATION_DISABLED)


def require_sight(ask: Ask, enterprise_id: str, region: str | None = None) -> None:
    """That anything of that enterprise, of that region, is the business of who asks; the audit
    log is told whose it is. Raises Refused: what is another's is not there."""
    if not ask.principal.may_see_enterprise(enterprise_id, region):
        raise Refused(NOT_FOUND)
    ask.notes.enterprise_id = enterprise_id


async def _refuse(refused: Refused, visit: _Visit, gate: Gate) -> Response[bytes]:
    is_refusal = refused.problem.status in _REFUSAL_STATUSES
    if is_refusal or _is_audited(visit):
        entry = _audit_entry(visit, None, refused.problem.code)
        await gate.auditor.note(entry, is_bounded=is_refusal or visit.is_anonymous)
    return render_refused(refused, visit.row.name)


def _is_audited(visit: _Visit) -> bool:
    row = visit.row
    if visit.identity.application is not None:
        return row.is_change and not row.is_recorded
    return row.is_change or row.is_access


def _audit_entry(visit: _Visit, answer: object, outcome: str) -> AuditEntry:
    principal, notes = visit.principal, visit.notes
    made = {"location": answer.location} if isinstance(answer, Created) else {}
    return AuditEntry(
        at=visit.now,
        principal=principal.name,
        roles=tuple(sorted(principal.roles)),
        address=visit.client,
        operation=visit.row.name,
        subjects={**visit.subjects, **made, **notes.subjects},
        enterprise_id=notes.enterprise_id
        or principal.enterprise_id
        or _enterprise_named(visit.path),
        outcome=outcome,
    )


def _enterprise_named(path: Mapping[str, str]) -> str | None:
    """The enterprise of the path, whether there is one or not; None for what cannot be one's."""
    try:
        return check_identifier(path.get("enterprise_id", ""), "the enterprise's identifier")
    except ValueInvalid:
        return None


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


def _log_done(visit: _Visit) -> None:
    """Who changed what; bodies may hold passwords and numbers, names and identifiers do not."""
    if not visit.row.is_change:
        return
    by = visit.principal.name
    log.info("management.done", operation=visit.row.name, by=by, of=dict(visit.subjects))


def _render(row: Route, answer: object) -> Response[Any]:
    if isinstance(answer, Download):
        disposition = f'attachment; filename="{answer.file_name}"'
        return Stream(
            answer.pieces,
            status_code=row.status,
            media_type=row.answer_media,
            headers=_NO_STORE
            | {"Content-Disposition": disposition, "X-Content-Type-Options": "nosniff"},
        )
    if answer is None:
        return Response(b"", status_code=row.status, media_type="text/plain", headers=_NO_STORE)
    headers = dict(_NO_STORE)
    if isinstance(answer, Created):
        headers["Location"] = BASE_PATH + answer.location
        if answer.is_replayed:
            headers |= {name.decode(): text.decode() for name, text in REPLAYED}
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
