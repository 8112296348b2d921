"""Access tokens of an OpenID provider that the operator runs or trusts."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clicktodial.accounts.public_key import ALGORITHMS, PublicKeys, parse_jwks
from clicktodial.api.oauth.jwks_fetcher import JwksFetcher, JwksUnavailable
from clicktodial.api.oauth.signed_token import (
    SignedToken,
    TokenMalformed,
    audiences,
    check_times,
    read_text,
)
from clicktodial.config import ConfigError, OauthSettings
from clicktodial.domain.access import ALL_SCOPES, AccessScope, known_scopes, parse_scopes
from clicktodial.domain.identifier import AppId
from clicktodial.storage.error import ValueInvalid

# A claim longer than any APPID names none.
_APP_ID_CHARACTERS_MAX = 128


@dataclass(frozen=True, slots=True)
class ExternalToken:
    """What a token of the provider says."""

    app_id: AppId
    scopes: frozenset[AccessScope]
    expires_at: float


class ExternalProvider:
    """The provider of the settings."""

    def __init__(
        self,
        *,
        issuer: str,
        audience: str,
        app_claim: str,
        scopes: frozenset[AccessScope],
        fetcher: JwksFetcher,
        jwks_uri: str | None = None,
        keys: PublicKeys | None = None,
    ) -> None:
        """Its keys are at `jwks_uri`, or are `keys`."""
        self.issuer = issuer
        self._audience = audience
        self._app_claim = app_claim
        self._scopes = scopes
        self._fetcher = fetcher
        self._jwks_uri = jwks_uri
        self._keys = keys or PublicKeys()

    async def check(self, signed: SignedToken, now: float) -> ExternalToken:
        """What the token says. Raises TokenMalformed."""
        keys = await self._find_keys(signed.kid)
        if not signed.is_signed_by(keys.find(signed.kid), ALGORITHMS):
            raise TokenMalformed("its signature is none of the provider's")
        claims = signed.claims
        expires_at = check_times(claims, now)
        if self._audience not in audiences(claims):
            raise TokenMalformed("it is for others")
        return ExternalToken(
            AppId(read_text(claims, self._app_claim, _APP_ID_CHARACTERS_MAX)),
            _scopes_of(claims) & self._scopes,
            expires_at,
        )

    async def _find_keys(self, kid: str | None) -> PublicKeys:
        if self._jwks_uri is None:
            return self._keys
        try:
            # The operator names it: it may well be in a private network.
            return await self._fetcher.find(self._jwks_uri, kid, allows_private_addresses=True)
        except JwksUnavailable as error:
            raise TokenMalformed("the provider's keys cannot be had") from error


def _scopes_of(claims: Mapping[str, Any]) -> frozenset[AccessScope]:
    """RFC 9068 2.2.3; some providers have a list, or call it `scp`."""
    value = claims.get("scope", claims.get("scp", ""))
    names = value.split() if isinstance(value, str) else value
    if not isinstance(names, list):
        return frozenset()
    return known_scopes(name for name in names if isinstance(name, str))


def create_external_provider(
    settings: OauthSettings, fetcher: JwksFetcher
) -> ExternalProvider | None:
    """The provider; None where the settings name none. Raises ConfigError."""
    if settings.external_issuer is None:
        return None
    assert settings.external_audience is not None  # the settings were checked
    keys = None
    if settings.external_jwks_file is not None:
        try:
            text = Path(settings.external_jwks_file).read_bytes()
            keys = parse_jwks(text, skips_unusable=True)
        except (OSError, ValueInvalid) as error:
            raise ConfigError(f"oauth.external_jwks_file: {error}") from error
    return ExternalProvider(
        issuer=settings.external_issuer,
        audience=settings.external_audience,
        app_claim=settings.external_app_claim,
        scopes=parse_scopes(settings.external_scopes) or ALL_SCOPES,
        fetcher=fetcher,
        jwks_uri=settings.external_jwks_uri,
        keys=keys,
    )
