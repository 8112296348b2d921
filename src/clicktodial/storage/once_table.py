"""Begins that came with an Idempotency-Key. The table of migration 0015."""

from sqlalchemy import Column, Index, LargeBinary, String, Table

from clicktodial.storage.instant import UtcMillis
from clicktodial.storage.table import IDENTIFIER_CHARACTERS_MAX, metadata

# Hashes are SHA-256 in hexadecimal. `answer` is null where it follows from the call.
once_request = Table(
    "once_request",
    metadata,
    Column("app_id", String(IDENTIFIER_CHARACTERS_MAX), primary_key=True),
    Column("key_hash", String(IDENTIFIER_CHARACTERS_MAX), primary_key=True),
    Column("request_hash", String(IDENTIFIER_CHARACTERS_MAX), nullable=False),
    Column("call_id", String(IDENTIFIER_CHARACTERS_MAX), nullable=False),
    Column("answer", LargeBinary),
    Column("expires_at", UtcMillis, nullable=False),
    Index("once_request_by_end", "expires_at"),
    sqlite_with_rowid=False,
)
