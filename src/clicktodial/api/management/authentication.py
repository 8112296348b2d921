"""Who asks: a person by the token of a session, a program by the credential that its application
has for v1, or whoever bears the management token."""

import hmac
from dataclasses import dataclass
from datetime import datetime

import structlog
from litestar.types import HTTPScope

from clicktodial.accounts.session import TOKEN_PREFIX, SessionFinder
from clicktodial.api.authentication import HEADER_BYTES_MAX, authenticate
from clicktodial.api.management.problem import LIMIT_REACHED, NOT_AUTHENTICATED, Refused
from clicktodial.api.management.worker import Worker
from clicktodial.api.request_gate import RequestGate
from clicktodial.control.port import Applications
from clicktodial.domain.application import Application
from clicktodial.domain.principal import OPERATOR_PRINCIPAL, Principal, Role
from clicktodial.web.request import find_header

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Identity:
    """Who was proved to ask: a program has an application, a person a session. Of one who
    `is_former` the enterprise has come to its end."""

    principal: Principal
    application: Application | None = None
    session_id: str | None = None
    is_former: bool = False


ANONYMOUS = Identity(Principal(name="", roles=frozenset()))
_OPERATOR = Identity(OPERATOR_PRINCIPAL)
_APPLICATION_ROLES = frozenset({Role.APPLICATION})


class Authenticator:
    """Reads the Authorization header."""

    def __init__(
        self,
        applications: Applications,
        sessions: SessionFinder,
        worker: Worker,
        token: str | None,
        gate: RequestGate | None = None,
    ) -> None:
        """Without a `token` nobody bears the management token; the operator's people log in.
        `gate` bounds programs."""
        self._gate = gate or RequestGate()
        self._applications = applications
        self._sessions = sessions
        self._worker = worker
        self._token = None if token is None else token.encode()

    @property
    def has_operator(self) -> bool:
        return self._token is not None

    async def authenticate(self, scope: HTTPScope, now: datetime) -> Identity:
        """Who the header proves, whatever an application's status. Raises Refused, StoreError,
        DatabaseUnavailable."""
        header = find_header(scope["headers"], b"authorization")
        scheme, _, credential = (header or b"").partition(b" ")
        kind = scheme.lower()
        identity = None
        if kind == b"bearer":
            identity = await self._find_bearer(credential.strip(b" "), now)
        elif kind == b"basic":
            identity = await self._find_program(scope)
        if identity is not None:
            self._bound(identity.application)
            return identity
        client = scope.get("client")
        log.warning(
            "management.authentication_failed",
            scheme=kind.decode("ascii", "replace") if kind in (b"basic", b"bearer") else None,
            client=client[0] if client else None,
        )
        raise Refused(NOT_AUTHENTICATED)

    async def _find_program(self, scope: HTTPScope) -> Identity | None:
        application = await authenticate(scope["headers"], self._applications)
        if application is None or not self._gate.allows(application, scope):
            return None
        principal = Principal(
            name=application.app_id,
            roles=_APPLICATION_ROLES,
            enterprise_id=application.enterprise_id,
        )
        return Identity(principal, application=application)

    def _bound(self, application: Application | None) -> None:
        if application is not None and not self._gate.take(application):
            raise Refused(LIMIT_REACHED, "the application asks faster than it may")

    async def _find_bearer(self, given: bytes, now: datetime) -> Identity | None:
        if len(given) > HEADER_BYTES_MAX:
            return None
        if self._token is not None and hmac.compare_digest(given, self._token):
            return _OPERATOR
        if not given.startswith(TOKEN_PREFIX.encode()) or not given.isascii():
            return None
        token = given.decode("ascii")
        session = await self._worker.run(lambda: self._sessions.find(token, now))
        if session is None:
            return None
        return Identity(
            session.principal, session_id=session.session_id, is_former=session.is_former
        )
