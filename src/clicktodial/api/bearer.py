"""Who asks: `Authorization: Bearer <token>` (RFC 6750 2.1), for the APIs that want an access token.

Who gives tokens out, and who signed them, is the affair of whoever implements `AccessTokens`.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from clicktodial.domain.identifier import AppId
from clicktodial.web.request import find_header

# A signed token with some claims has about 1,000; ones of providers that add groups, four times
# that. The head of a whole request is bounded besides.
TOKEN_BYTES_MAX = 8_192


class TokenInvalid(Exception):
    """The access token was not given out here, is altered, revoked, or has expired."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or type(self).__doc__)


@dataclass(frozen=True, slots=True)
class AccessGrant:
    """What a token allows: that application, within these scopes, until then (aware UTC)."""

    app_id: AppId
    scopes: frozenset[str]
    expires_at: datetime


class AccessTokens(Protocol):
    """Knows which access tokens are good."""

    async def verify(self, token: str) -> AccessGrant:
        """What the token allows now. Raises TokenInvalid."""


def parse_bearer(headers: Iterable[tuple[bytes, bytes]]) -> str | None:
    """The token of the request; None for anything that is not exactly one such header."""
    header = find_header(headers, b"authorization")
    if header is None:
        return None
    scheme, _, token = header.partition(b" ")
    token = token.strip(b" ")
    # RFC 6750 2.1: a b64token, so no space and nothing beyond ASCII.
    if scheme.lower() != b"bearer" or not token or len(token) > TOKEN_BYTES_MAX:
        return None
    if not token.isascii() or b" " in token:
        return None
    text = token.decode("ascii")
    return text if text.isprintable() else None
