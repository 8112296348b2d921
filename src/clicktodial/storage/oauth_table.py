"""Keys of applications and of access tokens, and what is told of tokens. Migration 0014."""

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
)

from clicktodial.storage.instant import UtcMillis
from clicktodial.storage.table import (
    IDENTIFIER_CHARACTERS_MAX,
    URL_CHARACTERS_MAX,
    WORD_CHARACTERS_MAX,
    metadata,
)

# The public keys by which an application proves itself: a JWK set, or where to find one.
oauth_client = Table(
    "oauth_client",
    metadata,
    Column("app_id", ForeignKey("application.app_id"), primary_key=True),
    Column("jwks", Text),
    Column("jwks_uri", String(URL_CHARACTERS_MAX)),
)

# Assertions that were used, until they end: none is taken twice. `jti_hash` is SHA-256 in hex.
oauth_assertion = Table(
    "oauth_assertion",
    metadata,
    Column("app_id", String(IDENTIFIER_CHARACTERS_MAX), primary_key=True),
    Column("jti_hash", String(IDENTIFIER_CHARACTERS_MAX), primary_key=True),
    Column("expires_at", UtcMillis, nullable=False),
    Index("oauth_assertion_by_end", "expires_at"),
)

# One row. Whoever changes the keys or revokes a token counts it up in the same transaction: its
# lock puts those changes into one order, which nodes follow.
oauth_state = Table(
    "oauth_state",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("version", BigInteger, nullable=False),
)

# What access tokens are signed with. The one that is not retired signs; one that is retired still
# verifies until `verifies_until`.
oauth_key = Table(
    "oauth_key",
    metadata,
    Column("kid", String(IDENTIFIER_CHARACTERS_MAX), primary_key=True),
    Column("algorithm", String(WORD_CHARACTERS_MAX), nullable=False),
    Column("private_encrypted", LargeBinary, nullable=False),
    Column("public_jwk", Text, nullable=False),
    Column("created_at", UtcMillis, nullable=False),
    Column("retired_at", UtcMillis),
    Column("verifies_until", UtcMillis),
)

# Access tokens that were revoked, until they would have ended. `version` is that of `oauth_state`.
oauth_revocation = Table(
    "oauth_revocation",
    metadata,
    Column("jti", String(IDENTIFIER_CHARACTERS_MAX), primary_key=True),
    Column("version", BigInteger, nullable=False),
    Column("expires_at", UtcMillis, nullable=False),
    Index("oauth_revocation_by_version", "version"),
    Index("oauth_revocation_by_end", "expires_at"),
)
