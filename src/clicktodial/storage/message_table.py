"""Messages after calls. The tables of migration 0009."""

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
    UniqueConstraint,
    text,
)

from clicktodial.storage.instant import UtcMillis
from clicktodial.storage.table import (
    DETAIL_CHARACTERS_MAX,
    IDENTIFIER_CHARACTERS_MAX,
    NAME_CHARACTERS_MAX,
    WORD_CHARACTERS_MAX,
    metadata,
)

QUEUED_MESSAGE = text("state = 'queued'")
# Which of them failed, or wait, is looked for; that a message arrived is nothing to look for.
UNDELIVERED_MESSAGE = text("state <> 'delivered'")
APPROVED_TEMPLATE = text("state = 'approved'")
UNMATCHED_REPORT = text("message_id IS NULL")

# One row a version. What it says never changes once it is submitted.
message_template = Table(
    "message_template",
    metadata,
    Column("id", String(IDENTIFIER_CHARACTERS_MAX), primary_key=True),
    Column("app_id", ForeignKey("application.app_id"), nullable=False),
    Column("recipient", String(WORD_CHARACTERS_MAX), nullable=False),
    Column("version", Integer, nullable=False),
    Column("state", String(WORD_CHARACTERS_MAX), nullable=False),
    Column("channel", String(WORD_CHARACTERS_MAX), nullable=False),
    Column("subject", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("fixed_values", Text, nullable=False),
    Column("only_connected", Boolean, nullable=False),
    Column("picture_bytes", Integer, nullable=False),
    Column("created_at", UtcMillis, nullable=False),
    Column("created_by", String(NAME_CHARACTERS_MAX), nullable=False),
    Column("work_order_id", String(IDENTIFIER_CHARACTERS_MAX)),
    Column("decided_at", UtcMillis),
    Column("decided_by", String(NAME_CHARACTERS_MAX)),
    Column("reason", String(DETAIL_CHARACTERS_MAX)),
    UniqueConstraint("app_id", "recipient", "version"),
    # One version in use, whatever two reviewers do at once.
    Index(
        "message_template_in_use",
        "app_id",
        "recipient",
        unique=True,
        sqlite_where=APPROVED_TEMPLATE,
        postgresql_where=APPROVED_TEMPLATE,
    ),
)

message_picture = Table(
    "message_picture",
    metadata,
    Column("template_id", ForeignKey("message_template.id"), primary_key=True),
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("media_type", String(WORD_CHARACTERS_MAX), nullable=False),
    Column("content", LargeBinary, nullable=False),
)

# Made with its call and queued with the call's terminal event: this is the outbox of messages.
message = Table(
    "message",
    metadata,
    Column("id", String(IDENTIFIER_CHARACTERS_MAX), primary_key=True),
    Column("call_id", ForeignKey("call.id"), nullable=False),
    Column("app_id", String(IDENTIFIER_CHARACTERS_MAX), nullable=False),
    Column("side", String(WORD_CHARACTERS_MAX), nullable=False),
    Column("template_id", ForeignKey("message_template.id"), nullable=False),
    Column("only_connected", Boolean, nullable=False),
    Column("state", String(WORD_CHARACTERS_MAX), nullable=False),
    Column("created_at", UtcMillis, nullable=False),
    Column("queued_at", UtcMillis),
    Column("channel", String(WORD_CHARACTERS_MAX)),
    Column("subject", Text),
    Column("text", Text),
    Column("gateway", String(WORD_CHARACTERS_MAX)),
    Column("attempts", Integer, nullable=False),
    Column("replays", Integer, nullable=False, server_default="0"),
    Column("next_attempt_at", UtcMillis),
    Column("claimed_by", String(IDENTIFIER_CHARACTERS_MAX)),
    Column("claimed_until", UtcMillis),
    Column("sent_at", UtcMillis),
    Column("settled_at", UtcMillis),
    Column("last_error", String(DETAIL_CHARACTERS_MAX)),
    UniqueConstraint("call_id", "side"),
    Index(
        "message_queued",
        "next_attempt_at",
        sqlite_where=QUEUED_MESSAGE,
        postgresql_where=QUEUED_MESSAGE,
    ),
    Index("message_by_application", "app_id", "id"),
    Index(
        "message_by_state",
        "state",
        "id",
        sqlite_where=UNDELIVERED_MESSAGE,
        postgresql_where=UNDELIVERED_MESSAGE,
    ),
    Index(
        "message_of_application_by_state",
        "app_id",
        "state",
        "id",
        sqlite_where=UNDELIVERED_MESSAGE,
        postgresql_where=UNDELIVERED_MESSAGE,
    ),
)

# What a gateway took of a message, one row a part: what is here is not sent again.
message_part = Table(
    "message_part",
    metadata,
    Column("message_id", ForeignKey("message.id"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("gateway", String(WORD_CHARACTERS_MAX), nullable=False),
    Column("gateway_id", String(NAME_CHARACTERS_MAX), nullable=False),
    Column("state", String(WORD_CHARACTERS_MAX), nullable=False),
    Column("sent_at", UtcMillis, nullable=False),
    Index("message_part_by_gateway", "gateway", "gateway_id"),
)

# Append-only but for the match: a report may come before the answer to what it reports on.
message_report = Table(
    "message_report",
    metadata,
    Column("id", String(IDENTIFIER_CHARACTERS_MAX), primary_key=True),
    Column("gateway", String(WORD_CHARACTERS_MAX), nullable=False),
    Column("gateway_id", String(NAME_CHARACTERS_MAX), nullable=False),
    Column("state", String(WORD_CHARACTERS_MAX), nullable=False),
    Column("detail", String(DETAIL_CHARACTERS_MAX)),
    Column("received_at", UtcMillis, nullable=False),
    Column("message_id", String(IDENTIFIER_CHARACTERS_MAX)),
    Index("message_report_by_message", "message_id"),
    Index(
        "message_report_unmatched",
        "gateway",
        "gateway_id",
        sqlite_where=UNMATCHED_REPORT,
        postgresql_where=UNMATCHED_REPORT,
    ),
)

# The embedded mailbox. The message's identifier is its key, so that none arrives twice.
message_mailbox = Table(
    "message_mailbox",
    metadata,
    Column("message_id", ForeignKey("message.id"), primary_key=True),
    Column("arrived_at", UtcMillis, nullable=False),
    Column("recipient", String(WORD_CHARACTERS_MAX), nullable=False),
    Column("sender", String(WORD_CHARACTERS_MAX), nullable=False),
    Column("channel", String(WORD_CHARACTERS_MAX), nullable=False),
    Column("subject", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("pictures", Integer, nullable=False),
)
