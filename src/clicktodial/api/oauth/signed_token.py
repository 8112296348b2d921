"""Signed tokens (RFC 7515, 7519): taken apart, checked against keys, and their claims read.

The signatures are joserfc's; here stands which of them count, and what claims must be.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
from joserfc.errors import JoseError
from joserfc.jwk import Key
from joserfc.jws import CompactSignature, extract_compact, validate_compact

# Clocks of others differ from ours by less, or their owners hear of it.
LEEWAY_S = 30
# 2100-01-01: no token lives so long, and no number beyond it is a time.
_TIME_MAX = 4_102_444_800


class TokenMalformed(Exception):
    """It is no signed token, or not a good one; the message says why."""


@dataclass(frozen=True, slots=True)
class SignedToken:
    """A token of which nothing is proved yet."""

    signature: CompactSignature
    header: Mapping[str, Any]
    claims: Mapping[str, Any]

    @property
    def algorithm(self) -> str:
        return str(self.header.get("alg"))

    @property
    def kid(self) -> str | None:
        kid = self.header.get("kid")
        return kid if isinstance(kid, str) else None

    def is_signed_by(self, keys: Iterable[Key], algorithms: Iterable[str]) -> bool:
        """Whether one of the keys made its signature, by one of the algorithms."""
        allowed = list(algorithms)
        if self.algorithm not in allowed:
            return False
        return any(self._is_signed_by(key, allowed) for key in keys)

    def _is_signed_by(self, key: Key, algorithms: list[str]) -> bool:
        try:
            key.check_use("sig")
            key.check_alg(self.algorithm)
            return validate_compact(self.signature, key, algorithms)
        except (JoseError, ValueError, TypeError):
            # A key of another kind than the algorithm's, or a header that nobody knows.
            return False


def take_apart(text: str) -> SignedToken:
    """What it says, unproved. Raises TokenMalformed."""
    try:
        signature = extract_compact(text.encode("ascii"))
        claims = msgspec.json.decode(signature.payload or b"")
    except (JoseError, ValueError, TypeError, RecursionError) as error:
        raise TokenMalformed("it is no signed token") from error
    if not isinstance(claims, dict):
        raise TokenMalformed("it is no signed token")
    return SignedToken(signature, signature.headers(), claims)


def read_time(claims: Mapping[str, Any], name: str) -> float | None:
    """A NumericDate (RFC 7519 2); None where there is none. Raises TokenMalformed."""
    value = claims.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TokenMalformed(f"{name} is no time")
    if not 0 <= value <= _TIME_MAX:
        raise TokenMalformed(f"{name} is no time of these days")
    return float(value)


def read_text(claims: Mapping[str, Any], name: str, characters_max: int) -> str:
    """A text that must be there. Raises TokenMalformed."""
    value = claims.get(name)
    if not isinstance(value, str) or not 0 < len(value) <= characters_max or "\0" in value:
        raise TokenMalformed(
            f"{name} is missing, or no text of {characters_max} characters at most"
        )
    return value


def check_times(claims: Mapping[str, Any], now: float) -> float:
    """That it holds now, as far as it says; returns when it ends. Raises TokenMalformed."""
    expires_at = read_time(claims, "exp")
    if expires_at is None:
        raise TokenMalformed("exp is missing")
    if expires_at <= now - LEEWAY_S:
        raise TokenMalformed("it has expired")
    for name in ("nbf", "iat"):
        begins_at = read_time(claims, name)
        if begins_at is not None and begins_at > now + LEEWAY_S:
            raise TokenMalformed(f"{name} is yet to come")
    return expires_at


def audiences(claims: Mapping[str, Any]) -> list[str]:
    """Whom it is for (RFC 7519 4.1.3). Raises TokenMalformed."""
    value = claims.get("aud")
    found = [value] if isinstance(value, str) else value
    if not isinstance(found, list) or not all(isinstance(each, str) for each in found):
        raise TokenMalformed("aud is missing, or no text")
    return found
