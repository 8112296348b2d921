"""Support tickets and the roster. The tables of migration 0010, and files of tickets of 0020."""

from sqlalchemy import (
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    text,
)

from clicktodial.storage.instant import UtcMillis
from clicktodial.storage.table import (
    IDENTIFIER_CHARACTERS_MAX,
    NAME_CHARACTERS_MAX,
    WORD_CHARACTERS_MAX,
    metadata,
)

OPEN_TICKET = text("state NOT IN ('resolved', 'closed')")
DUE_TICKET = text("due_at IS NOT NULL")

# What the steps make of it, for searching: written with each step. `steps` is how many there are,
# and what a change is compared with. `contact_encrypted` is whom to talk to, where no person of the
# portal opened it: JSON of accounts.ticket_store.Contact.
ticket = Table(
    "ticket",
    metadata,
    Column("id", String(IDENTIFIER_CHARACTERS_MAX), primary_key=True),
    Column("enterprise_id", ForeignKey("enterprise.id"), nullable=False),
    Column("subject", String(NAME_CHARACTERS_MAX), nullable=False),
    Column("channel", String(WORD_CHARACTERS_MAX), nullable=False),
    Column("category", String(WORD_CHARACTERS_MAX), nullable=False),
    Column("call_id", String(IDENTIFIER_CHARACTERS_MAX)),
    Column("contact_encrypted", LargeBinary),
    Column("opened_by", String(IDENTIFIER_CHARACTERS_MAX), nullable=False),
    Column("opened_at", UtcMillis, nullable=False),
    Column("steps", Integer, nullable=False),
    Column("priority", String(WORD_CHARACTERS_MAX), nullable=False),
    Column("state", String(WORD_CHARACTERS_MAX), nullable=False),
    Column("queue", String(WORD_CHARACTERS_MAX), nullable=False),
    Column("assignee", String(IDENTIFIER_CHARACTERS_MAX)),
    Column("level", Integer, nullable=False),
    Column("due_at", UtcMillis),
    Column("responded_at", UtcMillis),
    Column("resolved_at", UtcMillis),
    Column("is_response_late", Boolean, nullable=False),
    Column("is_resolution_late", Boolean, nullable=False),
    Column("satisfaction", Integer),
    Index("ticket_due", "due_at", sqlite_where=DUE_TICKET, postgresql_where=DUE_TICKET),
    Index("ticket_open", "priority", "id", sqlite_where=OPEN_TICKET, postgresql_where=OPEN_TICKET),
    Index(
        "ticket_pressing",
        "due_at",
        "id",
        sqlite_where=OPEN_TICKET,
        postgresql_where=OPEN_TICKET,
    ),
    Index("ticket_by_enterprise", "enterprise_id", "id"),
    Index("ticket_by_opening", "opened_at"),
)

# Append-only. `details` is JSON: of domain.ticket.Step what the action needs.
ticket_step = Table(
    "ticket_step",
    metadata,
    Column("ticket_id", ForeignKey("ticket.id"), primary_key=True),
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("action", String(WORD_CHARACTERS_MAX), nullable=False),
    Column("at", UtcMillis, nullable=False),
    Column("by", String(IDENTIFIER_CHARACTERS_MAX), nullable=False),
    Column("is_staff", Boolean, nullable=False),
    Column("text", Text, nullable=False),
    Column("details", Text, nullable=False),
    sqlite_with_rowid=False,
)

# Files that came with a step (accounts/ticket_attachment.py); their content is in the store of
# documents, sealed, under the same identifier.
ticket_attachment = Table(
    "ticket_attachment",
    metadata,
    Column("id", String(IDENTIFIER_CHARACTERS_MAX), primary_key=True),
    Column("ticket_id", ForeignKey("ticket.id"), nullable=False),
    Column("seq", Integer, nullable=False),
    Column("name", String(NAME_CHARACTERS_MAX), nullable=False),
    Column("media_type", String(WORD_CHARACTERS_MAX), nullable=False),
    Column("size_bytes", Integer, nullable=False),
    Column("sha256", String(IDENTIFIER_CHARACTERS_MAX), nullable=False),
    Column("created_at", UtcMillis, nullable=False),
    Column("erased_at", UtcMillis),
    Index("ticket_attachment_by_ticket", "ticket_id", "id"),
)

# Whom to call. `contact_encrypted` is JSON of accounts.roster.ShiftContact.
roster_shift = Table(
    "roster_shift",
    metadata,
    Column("id", String(IDENTIFIER_CHARACTERS_MAX), primary_key=True),
    Column("line", String(WORD_CHARACTERS_MAX), nullable=False),
    Column("contact_encrypted", LargeBinary, nullable=False),
    Column("from_at", UtcMillis, nullable=False),
    Column("until_at", UtcMillis, nullable=False),
    Index("roster_shift_by_end", "until_at"),
)

# Festivals. `gaps_told_at` is when the operator was told of gaps of its roster.
critical_period = Table(
    "critical_period",
    metadata,
    Column("id", String(IDENTIFIER_CHARACTERS_MAX), primary_key=True),
    Column("name", String(NAME_CHARACTERS_MAX), nullable=False),
    Column("from_at", UtcMillis, nullable=False),
    Column("until_at", UtcMillis, nullable=False),
    Column("gaps_told_at", UtcMillis),
    Index("critical_period_by_end", "until_at"),
)
