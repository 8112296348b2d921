"""Enterprises from intention to end, documents, work orders. The tables of migration 0005."""

from sqlalchemy import Column, ForeignKey, Index, Integer, String, Table, Text, text

from clicktodial.storage.instant import UtcMillis
from clicktodial.storage.table import (
    IDENTIFIER_CHARACTERS_MAX,
    WORD_CHARACTERS_MAX,
    metadata,
)

REASON_CHARACTERS_MAX = 1_000

LIVE_ORDER = text("state <> 'archived'")

# Never changed once archived; `details` is a JSON object of texts.
work_order = Table(
    "work_order",
    metadata,
    Column("id", String(IDENTIFIER_CHARACTERS_MAX), primary_key=True),
    Column("kind", String(WORD_CHARACTERS_MAX), nullable=False),
    Column("enterprise_id", ForeignKey("enterprise.id"), nullable=False),
    Column("subject_id", String(IDENTIFIER_CHARACTERS_MAX), nullable=False),
    Column("state", String(WORD_CHARACTERS_MAX), nullable=False),
    Column("outcome", String(WORD_CHARACTERS_MAX)),
    Column("assignee", String(IDENTIFIER_CHARACTERS_MAX)),
    Column("opened_by", String(IDENTIFIER_CHARACTERS_MAX), nullable=False),
    Column("opened_at", UtcMillis, nullable=False),
    Column("decided_by", String(IDENTIFIER_CHARACTERS_MAX)),
    Column("decided_at", UtcMillis),
    Column("reason", String(REASON_CHARACTERS_MAX)),
    Column("archived_at", UtcMillis),
    Column("previous_id", ForeignKey("work_order.id"), unique=True),
    Column("details", Text, nullable=False),
    Index("work_order_live", "kind", "id", sqlite_where=LIVE_ORDER, postgresql_where=LIVE_ORDER),
    Index("work_order_by_enterprise", "enterprise_id", "id"),
    Index("work_order_by_subject", "kind", "subject_id"),
)

# Append-only.
work_order_step = Table(
    "work_order_step",
    metadata,
    Column("work_order_id", ForeignKey("work_order.id"), primary_key=True),
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("action", String(WORD_CHARACTERS_MAX), nullable=False),
    Column("at", UtcMillis, nullable=False),
    Column("by", String(IDENTIFIER_CHARACTERS_MAX), nullable=False),
    Column("why", String(REASON_CHARACTERS_MAX), nullable=False),
    sqlite_with_rowid=False,
)
