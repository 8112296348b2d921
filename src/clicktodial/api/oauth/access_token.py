"""Access tokens: made here (RFC 9068), and verified, whoever made them.

A token whose signature was checked is remembered, so that the next request with it costs a look
into a few dictionaries: whether its key still verifies, whether it was revoked, whether it has
ended, what its application may. Nothing of that is remembered.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog
from joserfc import jwt

from clicktodial.accounts.token_key import TokenKey
from clicktodial.api.bearer import TOKEN_BYTES_MAX, AccessGrant, TokenInvalid
from clicktodial.api.oauth.external_provider import ExternalProvider
from clicktodial.api.oauth.signed_token import (
    SignedToken,
    TokenMalformed,
    audiences,
    check_times,
    read_text,
    read_time,
    take_apart,
)
from clicktodial.api.oauth.token_directory import TokenDirectory
from clicktodial.control.port import Applications
from clicktodial.domain.access import AccessScope, join_scopes, known_scopes
from clicktodial.domain.identifier import AppId, create_call_id

log = structlog.get_logger()

# RFC 9068 2.1
TOKEN_TYPE = "at+jwt"
# About 3 KB each; beyond it the one that was seen first is checked again when it comes.
TOKENS_KNOWN_MAX = 4_096
# Then the signature of another provider's token is checked again, which may have withdrawn its key.
EXTERNAL_CHECKED_FOR_S = 300
_ID_CHARACTERS_MAX = 128


@dataclass(frozen=True, slots=True)
class ProvedToken:
    """What a token that is signed well says. `kid` and `jti` are None of another provider's."""

    app_id: AppId
    scopes: frozenset[AccessScope]
    expires_at: float
    issued_at: float | None = None
    kid: str | None = None
    jti: str | None = None
    checked_at: float = 0.0


@dataclass(frozen=True, slots=True)
class IssuedToken:
    """A token that was made just now."""

    text: str
    jti: str
    expires_in_s: int


class TokenIssuer:
    """Makes access tokens."""

    def __init__(
        self,
        *,
        issuer: str,
        audience: str,
        lifetime_s: int,
        unix_s: Callable[[], float] = time.time,
    ) -> None:
        self._issuer = issuer
        self._audience = audience
        self._lifetime_s = lifetime_s
        self._unix_s = unix_s

    def issue(self, key: TokenKey, app_id: AppId, scopes: frozenset[AccessScope]) -> IssuedToken:
        """A token (RFC 9068 2.2). Takes a millisecond of the processor."""
        now = int(self._unix_s())
        jti = create_call_id()  # as hard to guess, and as little the same as another
        claims = {
            "iss": self._issuer,
            "sub": app_id,
            "aud": self._audience,
            "client_id": app_id,
            "scope": join_scopes(scopes),
            "iat": now,
            "exp": now + self._lifetime_s,
            "jti": jti,
        }
        header = {"alg": key.algorithm, "typ": TOKEN_TYPE, "kid": key.kid}
        text = jwt.encode(header, claims, key.key, algorithms=[key.algorithm])
        return IssuedToken(text, jti, self._lifetime_s)


class TokenVerifier:
    """Implements `api.bearer.AccessTokens`.

    Whether the application and its enterprise are active is for each API to look at, with every
    request, as each has words of its own for it.
    """

    def __init__(
        self,
        directory: TokenDirectory,
        applications: Applications,
        *,
        issuer: str,
        audience: str,
        external: ExternalProvider | None = None,
        unix_s: Callable[[], float] = time.time,
    ) -> None:
        self._directory = directory
        self._applications = applications
        self._issuer = issuer
        self._audience = audience
        self._external = external
        self._unix_s = unix_s
        self._known: dict[str, ProvedToken] = {}

    async def verify(self, token: str) -> AccessGrant:
        """What the token allows now. Raises TokenInvalid, and StoreError where the application
        has to be looked up and the database does not answer."""
        proved = await self.prove(token)
        application = await self._applications.find(proved.app_id)
        if application is None:
            raise TokenInvalid
        return AccessGrant(
            proved.app_id,
            frozenset(proved.scopes & application.scopes),
            datetime.fromtimestamp(proved.expires_at, UTC),
        )

    async def prove(self, token: str) -> ProvedToken:
        """What it says, where it is good now. Raises TokenInvalid and StoreError."""
        proved = self._known.get(token)
        if proved is None or not self._is_good(proved):
            self._known.pop(token, None)
            try:
                proved = await self._check(token)
            except TokenMalformed as error:
                log.info("oauth.token_refused", why=str(error))
                raise TokenInvalid from error
            if not self._is_good(proved):
                raise TokenInvalid
            self._keep(token, proved)
        return proved

    async def prove_own(self, token: str) -> ProvedToken | None:
        """The same of one that was made here; None for any other, and for one that is not good."""
        try:
            proved = await self.prove(token)
        except TokenInvalid:
            return None
        return proved if proved.jti is not None else None

    def _is_good(self, proved: ProvedToken) -> bool:
        if proved.expires_at <= self._unix_s():
            return False
        if proved.kid is None or proved.jti is None:
            return self._unix_s() - proved.checked_at < EXTERNAL_CHECKED_FOR_S
        known = self._directory.find_known(proved.kid)
        return known is not None and not self._directory.is_revoked(proved.jti)

    async def _check(self, token: str) -> ProvedToken:
        if len(token) > TOKEN_BYTES_MAX:
            raise TokenMalformed("it is too long")
        signed = take_apart(token)
        issuer = signed.claims.get("iss")
        if issuer == self._issuer:
            return await self._check_own(signed)
        if self._external is not None and issuer == self._external.issuer:
            found = await self._external.check(signed, self._unix_s())
            return ProvedToken(
                found.app_id, found.scopes, found.expires_at, checked_at=self._unix_s()
            )
        raise TokenMalformed("its issuer is none that is known here")

    async def _check_own(self, signed: SignedToken) -> ProvedToken:
        kid, claims = signed.kid, signed.claims
        # RFC 9068 4: no other token that is signed with the same key may pass for one of these.
        if kid is None or signed.header.get("typ") != TOKEN_TYPE:
            raise TokenMalformed("it is no access token")
        key = await self._directory.find(kid)
        if key is None or not signed.is_signed_by([key.key], [key.algorithm]):
            raise TokenMalformed("its signature is none of ours")
        expires_at = check_times(claims, self._unix_s())
        if self._audience not in audiences(claims):
            raise TokenMalformed("it is for others")
        scope = claims.get("scope", "")
        return ProvedToken(
            AppId(read_text(claims, "client_id", _ID_CHARACTERS_MAX)),
            known_scopes(scope.split()) if isinstance(scope, str) else frozenset(),
            expires_at,
            issued_at=read_time(claims, "iat"),
            kid=kid,
            jti=read_text(claims, "jti", _ID_CHARACTERS_MAX),
        )

    def _keep(self, token: str, proved: ProvedToken) -> None:
        self._known[token] = proved
        if len(self._known) > TOKENS_KNOWN_MAX:
            del self._known[next(iter(self._known))]
