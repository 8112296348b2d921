"""Which application asks the authorization server: by an assertion that it signed (private_key_jwt,
RFC 7523 2.2, 3), or, where the settings allow it, by its Secretkey.
"""

import hmac
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

import structlog

from clicktodial.accounts.oauth_client import ClientKeys, OauthClients
from clicktodial.accounts.public_key import ALGORITHMS, PublicKeys
from clicktodial.api.authentication import APP_ID_CHARACTERS_MAX, parse_basic
from clicktodial.api.oauth.error import INVALID_CLIENT, INVALID_REQUEST, OauthRefused
from clicktodial.api.oauth.form import decode_part
from clicktodial.api.oauth.jwks_fetcher import JwksFetcher, JwksUnavailable
from clicktodial.api.oauth.signed_token import (
    LEEWAY_S,
    SignedToken,
    TokenMalformed,
    audiences,
    check_times,
    read_text,
    read_time,
    take_apart,
)
from clicktodial.control.port import Applications
from clicktodial.domain.application import Application
from clicktodial.domain.identifier import AppId
from clicktodial.storage.error import ValueInvalid
from clicktodial.web.request import find_header
from clicktodial.web.worker import Worker

log = structlog.get_logger()

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
# What libraries make when nobody tells them otherwise. An assertion is remembered until it ends, so
# that it is taken once: longer ones would only fill the table.
ASSERTION_LIFETIME_S_MAX = 3_600
_JTI_CHARACTERS_MAX = 256
_NO_SECRET = b"\x00" * 32


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientNeeds:
    """What clients are told from each other by. `audiences` are what an assertion may be for."""

    applications: Applications
    clients: OauthClients
    fetcher: JwksFetcher
    worker: Worker
    audiences: frozenset[str]
    takes_secrets: bool
    unix_s: Callable[[], float] = time.time


class ClientAuthenticator:
    """Proves clients."""

    def __init__(self, needs: ClientNeeds) -> None:
        self._needs = needs

    async def authenticate(
        self, headers: list[tuple[bytes, bytes]], form: Mapping[str, str]
    ) -> Application:
        """The application that asks, of whatever status. Raises OauthRefused: in words that do not
        tell whether there is such an application."""
        basic = any(name == b"authorization" for name, _ in headers)
        methods = (basic, "client_assertion" in form, "client_secret" in form)
        # RFC 6749 2.3: no more than one.
        if sum(methods) > 1:
            raise OauthRefused(INVALID_REQUEST, "the client authenticates in more than one way")
        if "client_assertion" in form or "client_assertion_type" in form:
            return await self._by_assertion(form)
        if basic:
            return await self._by_basic(headers, form)
        if "client_secret" in form and "client_id" in form:
            return await self._by_secret(form["client_id"], form["client_secret"].encode())
        raise OauthRefused(INVALID_CLIENT, "the client does not authenticate")

    # Secrets

    async def _by_basic(
        self, headers: list[tuple[bytes, bytes]], form: Mapping[str, str]
    ) -> Application:
        credentials = parse_basic(find_header(headers, b"authorization"))
        if credentials is None:
            raise OauthRefused(INVALID_CLIENT, "the Authorization header is not to be read")
        app_id = decode_part(credentials[0])
        secret = decode_part(credentials[1].decode("utf-8", "replace"))
        if app_id is None or secret is None or form.get("client_id", app_id) != app_id:
            raise OauthRefused(INVALID_CLIENT, "the Authorization header is not to be read")
        return await self._by_secret(app_id, secret.encode())

    async def _by_secret(self, app_id: str, secret: bytes) -> Application:
        if not self._needs.takes_secrets:
            raise OauthRefused(INVALID_CLIENT, "clients authenticate by private_key_jwt here")
        application = await self._find(app_id)
        expected = _NO_SECRET if application is None else application.secret.encode()
        is_same = hmac.compare_digest(expected, secret)
        old = None if application is None else application.old_secret
        if old is not None:
            is_old = hmac.compare_digest(old.secret.encode(), secret)
            is_same |= is_old and self._needs.unix_s() < old.until.timestamp()
        if application is None or not is_same:
            raise _refused(app_id, "the client or its secret is wrong")
        return application

    # Assertions

    async def _by_assertion(self, form: Mapping[str, str]) -> Application:
        if form.get("client_assertion_type") != ASSERTION_TYPE:
            raise OauthRefused(INVALID_REQUEST, f"client_assertion_type must be {ASSERTION_TYPE}")
        if "client_assertion" not in form:
            raise OauthRefused(INVALID_REQUEST, "client_assertion is missing")
        try:
            signed = take_apart(form["client_assertion"])
            app_id = read_text(signed.claims, "sub", APP_ID_CHARACTERS_MAX)
        except TokenMalformed as error:
            raise OauthRefused(INVALID_CLIENT, f"the assertion: {error}") from error
        # RFC 7521 4.2: it names the same client.
        if form.get("client_id", app_id) != app_id or signed.claims.get("iss") != app_id:
            raise _refused(app_id, "the assertion: iss, sub and client_id are not the same")
        application = await self._find(app_id)
        keys = await self._keys(application, signed.kid)
        if application is None or not signed.is_signed_by(keys.find(signed.kid), ALGORITHMS):
            raise _refused(app_id, "the assertion is not signed by a key of that client")
        await self._use(application.app_id, signed)
        return application

    async def _use(self, app_id: AppId, signed: SignedToken) -> None:
        """Hold it to its bounds, and take it this once. Raises OauthRefused."""
        claims, now = signed.claims, self._needs.unix_s()
        try:
            expires_at = check_times(claims, now)
            issued_at = read_time(claims, "iat")
            if expires_at > now + ASSERTION_LIFETIME_S_MAX + LEEWAY_S:
                raise TokenMalformed(f"exp is more than {ASSERTION_LIFETIME_S_MAX} s away")
            if issued_at is not None and issued_at < now - ASSERTION_LIFETIME_S_MAX - LEEWAY_S:
                raise TokenMalformed(f"iat is more than {ASSERTION_LIFETIME_S_MAX} s ago")
            named = audiences(claims)
            # One that is for others besides could be used here by them.
            if len(named) != 1 or named[0] not in self._needs.audiences:
                raise TokenMalformed("aud is not this server, or not it alone")
            jti = read_text(claims, "jti", _JTI_CHARACTERS_MAX)
        except TokenMalformed as error:
            raise _refused(app_id, f"the assertion: {error}") from error
        # As long as the leeway may still let it pass.
        end = datetime.fromtimestamp(expires_at + LEEWAY_S, UTC)
        use = partial(self._needs.clients.use_assertion, app_id, jti, end)
        if not await self._needs.worker.run(use):
            raise _refused(app_id, "the assertion was used before")

    async def _keys(self, application: Application | None, kid: str | None) -> PublicKeys:
        if application is None:
            return PublicKeys()
        needs = self._needs
        registered: ClientKeys = await needs.worker.run(
            partial(needs.clients.keys, application.app_id)
        )
        if registered.jwks_uri is None:
            try:
                return registered.parse()
            except ValueInvalid as error:
                log.error("oauth.keys_unreadable", app_id=application.app_id, error=str(error))
                return PublicKeys()
        try:
            return await needs.fetcher.find(
                registered.jwks_uri,
                kid,
                allows_private_addresses=application.allow_private_addresses,
            )
        except JwksUnavailable as error:
            raise _refused(application.app_id, "the client's keys cannot be had") from error

    async def _find(self, app_id: str) -> Application | None:
        if len(app_id) > APP_ID_CHARACTERS_MAX or not app_id.isprintable():
            return None
        return await self._needs.applications.find(AppId(app_id))


def _refused(app_id: str, why: str) -> OauthRefused:
    # What stands there is anybody's, but no secret: that is in another place.
    log.info("oauth.client_refused", app_id=app_id[:APP_ID_CHARACTERS_MAX], why=why)
    return OauthRefused(INVALID_CLIENT, why)
