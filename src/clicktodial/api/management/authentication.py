"""Who asks: the operator by a token, or an application by the credential that it has for v1."""

import hmac
from dataclasses import dataclass
from typing import TypeAlias

import structlog
from litestar.types import HTTPScope

from clicktodial.api.authentication import HEADER_BYTES_MAX, authenticate
from clicktodial.api.management.problem import NOT_AUTHENTICATED, Refused
from clicktodial.api.request import find_header
from clicktodial.control.port import Applications
from clicktodial.domain.application import Application

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Operator:
    """Whoever bears the management token."""


Principal: TypeAlias = Operator | Application

_OPERATOR = Operator()


class Authenticator:
    """Reads the Authorization header."""

    def __init__(self, applications: Applications, token: str | None) -> None:
        """Without a `token` nobody is the operator."""
        self._applications = applications
        self._token = None if token is None else token.encode()

    @property
    def has_operator(self) -> bool:
        return self._token is not None

    async def authenticate(self, scope: HTTPScope) -> Principal:
        """Who the header proves, whatever an application's status. Raises Refused, StoreError."""
        header = find_header(scope["headers"], b"authorization")
        scheme, _, credential = (header or b"").partition(b" ")
        kind = scheme.lower()
        if kind == b"bearer" and self._is_token(credential.strip(b" ")):
            return _OPERATOR
        if kind == b"basic":
            application = await authenticate(scope["headers"], self._applications)
            if application is not None:
                return application
        client = scope.get("client")
        log.warning(
            "management.authentication_failed",
            scheme=kind.decode("ascii", "replace") if kind in (b"basic", b"bearer") else None,
            client=client[0] if client else None,
        )
        raise Refused(NOT_AUTHENTICATED)

    def _is_token(self, given: bytes) -> bool:
        if self._token is None or len(given) > HEADER_BYTES_MAX:
            return False
        return hmac.compare_digest(given, self._token)
