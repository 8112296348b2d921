"""Which application asks for its events: by the credential of v1, or by an access token."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import structlog

from clicktodial.api.authentication import authenticate
from clicktodial.api.bearer import AccessTokens, TokenInvalid, parse_bearer
from clicktodial.api.management.problem import (
    LIMIT_REACHED,
    NOT_AUTHENTICATED,
    NOT_PERMITTED,
    Refused,
)
from clicktodial.api.management.route import check_active
from clicktodial.api.request_gate import RequestGate
from clicktodial.control.port import Applications
from clicktodial.domain.access import AccessScope
from clicktodial.domain.application import Application

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Admission:
    """Admits applications."""

    applications: Applications
    tokens: AccessTokens
    gate: RequestGate

    async def admit(self, scope: Mapping[str, Any], wanted: AccessScope) -> Application:
        """The application that asks, where it may. Raises Refused and StoreError."""
        application = await self.check(scope, wanted)
        if not self.gate.take(application):
            raise Refused(LIMIT_REACHED, "the application asks faster than it may")
        return application

    async def check(self, scope: Mapping[str, Any], wanted: AccessScope) -> Application:
        """The same of a request that goes on, and is not counted again."""
        application = await self._find(scope, wanted)
        if application is None:
            raise Refused(NOT_AUTHENTICATED)
        if not self.gate.allows(application, scope):
            log.warning("api.address_refused", app_id=application.app_id)
            raise Refused(NOT_AUTHENTICATED)
        check_active(application)
        return application

    async def _find(self, scope: Mapping[str, Any], wanted: AccessScope) -> Application | None:
        headers = scope["headers"]
        token = parse_bearer(headers)
        if token is None:
            return await authenticate(headers, self.applications)
        try:
            grant = await self.tokens.verify(token)
        except TokenInvalid:
            return None
        if wanted not in grant.scopes:
            raise Refused(NOT_PERMITTED, f"the token lacks the scope {wanted}")
        return await self.applications.find(grant.app_id)
