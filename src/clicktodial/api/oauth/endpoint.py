"""The endpoints of the authorization server: token (RFC 6749 3.2), introspection (RFC 7662),
revocation (RFC 7009), its keys, and what is told of it (RFC 8414)."""

import functools
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any, TypeAlias

import structlog
from litestar import Request, Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.types import HTTPScope

from clicktodial import __version__
from clicktodial.accounts.public_key import ALGORITHMS
from clicktodial.accounts.token_key import TokenKey, TokenKeys
from clicktodial.api.oauth.access_token import ProvedToken, TokenIssuer, TokenVerifier
from clicktodial.api.oauth.client_authentication import ClientAuthenticator
from clicktodial.api.oauth.error import (
    INVALID_CLIENT,
    INVALID_REQUEST,
    INVALID_SCOPE,
    TOO_MANY_REQUESTS,
    UNAUTHORIZED_CLIENT,
    UNAVAILABLE,
    UNSUPPORTED_GRANT_TYPE,
    OauthRefused,
    render_answer,
)
from clicktodial.api.oauth.form import read_form
from clicktodial.api.oauth.openapi import create_document
from clicktodial.api.oauth.path import (
    DOCUMENT_PATH,
    INTROSPECTION_PATH,
    JWKS_PATH,
    METADATA_PATH,
    OPENID_PATH,
    REVOCATION_PATH,
    TOKEN_PATH,
)
from clicktodial.api.oauth.token_directory import TokenDirectory
from clicktodial.api.request_gate import RequestGate
from clicktodial.control.error import Overloaded
from clicktodial.control.port import Applications, StoreError
from clicktodial.control.rate import TokenBuckets
from clicktodial.domain.access import (
    AccessScope,
    ScopeUnknown,
    join_scopes,
    parse_scopes,
)
from clicktodial.domain.application import Application, ApplicationStatus, EnterpriseStatus
from clicktodial.domain.throttle import network_of
from clicktodial.storage.error import StorageError
from clicktodial.web.request import ClientDisconnected
from clicktodial.web.worker import Worker

log = structlog.get_logger()

# A client needs one token an hour. Each proof costs a signature and a write to the database, so
# that whoever has no key is stopped before that, and one client does not keep others waiting.
REQUESTS_PER_SECOND_OF_ADDRESS = 20
REQUESTS_PER_SECOND_OF_CLIENT = 10
# A key is used the moment it is made: whoever keeps the set looks again for a kid that it has not.
_KEPT_S = 300

Handle: TypeAlias = Callable[[Application, dict[str, str]], Awaitable[Response[bytes]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class OauthNeeds:
    """What the endpoints work with. `client_address` is what requests are counted by."""

    issuer: str
    audience: str
    authenticator: ClientAuthenticator
    token_issuer: TokenIssuer
    verifier: TokenVerifier
    directory: TokenDirectory
    token_keys: TokenKeys
    applications: Applications
    gate: RequestGate
    worker: Worker
    client_address: Callable[[HTTPScope], str]
    takes_secrets: bool
    now: Callable[[], float] = time.monotonic
    utc: Callable[[], datetime] = lambda: datetime.now(UTC)


class AuthorizationServer:
    """What each endpoint does for a client that is proved; each may raise OauthRefused."""

    def __init__(self, needs: OauthNeeds) -> None:
        self._needs = needs

    async def token(self, application: Application, form: dict[str, str]) -> Response[bytes]:
        """POST /oauth/token"""
        grant_type = form.get("grant_type")
        if grant_type is None:
            raise OauthRefused(INVALID_REQUEST, "grant_type is missing")
        if grant_type != "client_credentials":
            raise OauthRefused(UNSUPPORTED_GRANT_TYPE, "grant_type must be client_credentials")
        _require_active(application)
        scopes = _scopes_for(application, form.get("scope"))
        key = await self._signing_key()
        needs = self._needs
        issued = await needs.worker.run(
            partial(needs.token_issuer.issue, key, application.app_id, scopes)
        )
        log.info("oauth.token_issued", app_id=application.app_id, jti=issued.jti)
        return render_answer(
            {
                "access_token": issued.text,
                "token_type": "Bearer",
                "expires_in": issued.expires_in_s,
                "scope": join_scopes(scopes),
            }
        )

    async def introspect(self, application: Application, form: dict[str, str]) -> Response[bytes]:
        """POST /oauth/introspect. A client is told of its own tokens only."""
        _require_active(application)
        proved = await self._own_token(application, form)
        if proved is None:
            return render_answer({"active": False})
        return render_answer(
            {
                "active": True,
                "scope": join_scopes(proved.scopes & application.scopes),
                "client_id": proved.app_id,
                "sub": proved.app_id,
                "token_type": "Bearer",
                "iss": self._needs.issuer,
                "aud": self._needs.audience,
                "iat": None if proved.issued_at is None else int(proved.issued_at),
                "exp": int(proved.expires_at),
                "jti": proved.jti,
            }
        )

    async def revoke(self, application: Application, form: dict[str, str]) -> Response[bytes]:
        """POST /oauth/revoke. RFC 7009 2.2: 200 also for a token that is none."""
        proved = await self._own_token(application, form)
        if proved is not None and proved.jti is not None:
            needs = self._needs
            end = datetime.fromtimestamp(proved.expires_at, UTC)
            await needs.worker.run(partial(needs.token_keys.revoke, proved.jti, end))
            await needs.directory.refresh()
            log.info("oauth.token_revoked", app_id=application.app_id, jti=proved.jti)
        return render_answer({})

    async def _own_token(
        self, application: Application, form: dict[str, str]
    ) -> ProvedToken | None:
        token = form.get("token")
        if token is None:
            raise OauthRefused(INVALID_REQUEST, "token is missing")
        proved = await self._needs.verifier.prove_own(token)
        # Of another client's it is not even told whether it is one.
        return proved if proved is not None and proved.app_id == application.app_id else None

    async def _signing_key(self) -> TokenKey:
        needs = self._needs
        key = needs.directory.signing_key
        if key is None:
            # The first token that is ever asked for.
            await needs.worker.run(lambda: needs.token_keys.ensure(needs.utc()))
            await needs.directory.refresh()
            key = needs.directory.signing_key
        if key is None:
            raise OauthRefused(UNAVAILABLE, "there is no key to sign with")
        return key


def create_oauth_handlers(needs: OauthNeeds) -> list[HTTPRouteHandler]:
    """The routes of the authorization server."""
    server = AuthorizationServer(needs)
    endpoints = (
        (TOKEN_PATH, server.token),
        (INTROSPECTION_PATH, server.introspect),
        (REVOCATION_PATH, server.revoke),
    )
    buckets = TokenBuckets(needs.now)
    return [
        *(_create_endpoint(path, handle, needs, buckets) for path, handle in endpoints),
        *_create_documents(needs),
    ]


def _create_endpoint(
    path: str, handle: Handle, needs: OauthNeeds, buckets: TokenBuckets
) -> HTTPRouteHandler:
    @post(path, status_code=200, name=path)
    async def endpoint(request: Request[Any, Any, Any]) -> Response[bytes]:
        try:
            return await _answer(request, handle, needs, buckets)
        except OauthRefused as refused:
            log.info("oauth.refused", path=path, error=refused.problem.code, why=str(refused))
            return refused.render()
        except Overloaded:
            return OauthRefused(UNAVAILABLE, "the server is overloaded").render()
        except (StoreError, StorageError) as error:
            log.error("oauth.store_failed", path=path, error=str(error))
            return OauthRefused(UNAVAILABLE, "the database does not answer").render()
        except ClientDisconnected:
            return Response(b"", status_code=400, media_type="text/plain")

    return endpoint


async def _answer(
    request: Request[Any, Any, Any], handle: Handle, needs: OauthNeeds, buckets: TokenBuckets
) -> Response[bytes]:
    network = network_of(needs.client_address(request.scope))
    if not buckets.take(f"from {network}", REQUESTS_PER_SECOND_OF_ADDRESS):
        raise OauthRefused(TOO_MANY_REQUESTS, "there are too many requests from there")
    # RFC 6749 2.3.1: secrets have no place in a URI, which logs keep.
    if request.scope["query_string"]:
        raise OauthRefused(INVALID_REQUEST, "parameters are in the body alone")
    form = await read_form(request)
    application = await needs.authenticator.authenticate(list(request.scope["headers"]), form)
    if not needs.gate.allows(application, request.scope):
        log.warning("api.address_refused", app_id=application.app_id)
        raise OauthRefused(INVALID_CLIENT, "the client does not authenticate")
    is_in_time = buckets.take(f"by {application.app_id}", REQUESTS_PER_SECOND_OF_CLIENT)
    if not is_in_time or not needs.gate.take(application):
        raise OauthRefused(TOO_MANY_REQUESTS, "there are too many requests of this client")
    return await handle(application, form)


def _require_active(application: Application) -> None:
    if application.enterprise_status is not EnterpriseStatus.ACTIVE:
        raise OauthRefused(
            UNAUTHORIZED_CLIENT, f"the enterprise is {application.enterprise_status}"
        )
    if application.status is not ApplicationStatus.ACTIVE:
        raise OauthRefused(UNAUTHORIZED_CLIENT, f"the application is {application.status}")


def _scopes_for(application: Application, wanted: str | None) -> frozenset[AccessScope]:
    """RFC 6749 3.3: all that it may have where it names none. Raises OauthRefused."""
    if wanted is None:
        scopes = application.scopes
    else:
        try:
            scopes = parse_scopes(wanted.split(" "))
        except ScopeUnknown as error:
            raise OauthRefused(INVALID_SCOPE, "a scope is none that is known here") from error
    if not scopes or not scopes <= application.scopes:
        raise OauthRefused(INVALID_SCOPE, "the client may not have that scope")
    return scopes


# Documents


def _create_documents(needs: OauthNeeds) -> list[HTTPRouteHandler]:
    document = create_metadata(needs.issuer, takes_secrets=needs.takes_secrets)

    @get([METADATA_PATH, OPENID_PATH], name="oauthMetadata")
    async def metadata() -> Response[bytes]:
        return render_answer(document, max_age_s=_KEPT_S)

    @get(JWKS_PATH, name="oauthJwks")
    async def jwks() -> Response[bytes]:
        keys = [describe_key(key) for key in needs.directory.keys]
        return render_answer({"keys": keys}, max_age_s=_KEPT_S)

    @functools.cache
    def description() -> dict[str, object]:
        # When it is first asked for, as most servers never are.
        return create_document(takes_secrets=needs.takes_secrets, version=__version__)

    @get(DOCUMENT_PATH, name="oauthDocument")
    async def openapi() -> Response[bytes]:
        return render_answer(description(), max_age_s=_KEPT_S)

    return [metadata, jwks, openapi]


def describe_key(key: TokenKey) -> dict[str, object]:
    """The public part (RFC 7517 4)."""
    public = key.key.as_dict(private=False)
    return {**public, "kid": key.kid, "use": "sig", "alg": key.algorithm}


def create_metadata(issuer: str, *, takes_secrets: bool) -> dict[str, object]:
    """RFC 8414 2, and what OpenID Connect Discovery 1.0 3 wants besides."""
    methods = ["private_key_jwt"]
    if takes_secrets:
        methods += ["client_secret_basic", "client_secret_post"]
    authentication: dict[str, object] = {}
    for endpoint in ("token", "introspection", "revocation"):
        authentication[f"{endpoint}_endpoint_auth_methods_supported"] = methods
        authentication[f"{endpoint}_endpoint_auth_signing_alg_values_supported"] = ALGORITHMS
    return {
        "issuer": issuer,
        "token_endpoint": issuer + TOKEN_PATH,
        "introspection_endpoint": issuer + INTROSPECTION_PATH,
        "revocation_endpoint": issuer + REVOCATION_PATH,
        "jwks_uri": issuer + JWKS_PATH,
        "grant_types_supported": ["client_credentials"],
        # Required, and there is none: nobody is sent here with a browser.
        "response_types_supported": [],
        "scopes_supported": sorted(AccessScope),
        **authentication,
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
    }
