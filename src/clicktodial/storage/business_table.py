"""Enterprises from intention to end, documents, work orders. The tables of migration 0005."""

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
    text,
)

from clicktodial.storage.instant import UtcMillis
from clicktodial.storage.table import (
    IDENTIFIER_CHARACTERS_MAX,
    NAME_CHARACTERS_MAX,
    WORD_CHARACTERS_MAX,
    metadata,
)

# A paragraph.
REASON_CHARACTERS_MAX = 1_000

LIVE_INTENTION = text("state IN ('reserved', 'assigned', 'engaged')")
LIVE_CHANGE = text("state IN ('requested', 'scheduled')")
SCHEDULED = text("state = 'scheduled'")
KEPT = text("removed_at IS NULL")

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
    Index("work_order_by_state", "state", "id"),
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

# `contact_encrypted` is the person to talk to: JSON of accounts.contact.Contact.
intention = Table(
    "intention",
    metadata,
    Column("id", String(IDENTIFIER_CHARACTERS_MAX), primary_key=True),
    Column("enterprise_id", ForeignKey("enterprise.id"), nullable=False),
    Column("enterprise_name", String(NAME_CHARACTERS_MAX), nullable=False),
    Column("region", String(WORD_CHARACTERS_MAX), nullable=False),
    Column("channel", String(WORD_CHARACTERS_MAX), nullable=False),
    Column("contact_encrypted", LargeBinary, nullable=False),
    Column("note", String(REASON_CHARACTERS_MAX), nullable=False),
    Column("state", String(WORD_CHARACTERS_MAX), nullable=False),
    Column("account_manager", String(IDENTIFIER_CHARACTERS_MAX)),
    Column("submitted_by", String(IDENTIFIER_CHARACTERS_MAX), nullable=False),
    Column("submitted_at", UtcMillis, nullable=False),
    Column("changed_by", String(IDENTIFIER_CHARACTERS_MAX), nullable=False),
    Column("changed_at", UtcMillis, nullable=False),
    Column("reason", String(REASON_CHARACTERS_MAX)),
    # An enterprise has one at a time.
    Index(
        "intention_live",
        "enterprise_id",
        unique=True,
        sqlite_where=LIVE_INTENTION,
        postgresql_where=LIVE_INTENTION,
    ),
    Index("intention_by_manager", "account_manager", "state"),
)

# JSON of domain.customer.CustomerData. `version` grows with each change.
customer_data = Table(
    "customer_data",
    metadata,
    Column("enterprise_id", ForeignKey("enterprise.id"), primary_key=True),
    Column("data_encrypted", LargeBinary, nullable=False),
    Column("version", Integer, nullable=False),
    Column("changed_by", String(IDENTIFIER_CHARACTERS_MAX), nullable=False),
    Column("changed_at", UtcMillis, nullable=False),
)

# The row outlives the file, as a record of what there was.
document = Table(
    "document",
    metadata,
    Column("id", String(IDENTIFIER_CHARACTERS_MAX), primary_key=True),
    Column("enterprise_id", ForeignKey("enterprise.id"), nullable=False),
    Column("kind", String(WORD_CHARACTERS_MAX), nullable=False),
    Column("media_type", String(WORD_CHARACTERS_MAX), nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("sha256", String(IDENTIFIER_CHARACTERS_MAX), nullable=False),
    Column("uploaded_by", String(IDENTIFIER_CHARACTERS_MAX), nullable=False),
    Column("uploaded_at", UtcMillis, nullable=False),
    # Since when it is part of a review, which keeps it until all of the enterprise is erased.
    Column("reviewed_at", UtcMillis),
    Column("removed_by", String(IDENTIFIER_CHARACTERS_MAX)),
    Column("removed_at", UtcMillis),
    # Until the file is gone: removing it is tried again.
    Column("erased_at", UtcMillis),
    Index("document_kept", "enterprise_id", "kind", sqlite_where=KEPT, postgresql_where=KEPT),
)

# What was reviewed, as it was then: JSON of accounts.review.Snapshot.
qualification_review = Table(
    "qualification_review",
    metadata,
    Column("id", String(IDENTIFIER_CHARACTERS_MAX), primary_key=True),
    Column("enterprise_id", ForeignKey("enterprise.id"), nullable=False),
    Column("work_order_id", ForeignKey("work_order.id"), nullable=False),
    Column("snapshot_encrypted", LargeBinary),
    Column("submitted_at", UtcMillis, nullable=False),
    Index("qualification_review_by_enterprise", "enterprise_id", "id"),
)

# The account manager's list of what an activation takes.
activation_step = Table(
    "activation_step",
    metadata,
    Column("enterprise_id", ForeignKey("enterprise.id"), primary_key=True),
    Column("step", String(WORD_CHARACTERS_MAX), primary_key=True),
    Column("result", String(NAME_CHARACTERS_MAX), nullable=False),
    Column("done_by", String(IDENTIFIER_CHARACTERS_MAX), nullable=False),
    Column("done_at", UtcMillis, nullable=False),
)

customer_record = Table(
    "customer_record",
    metadata,
    Column("enterprise_id", ForeignKey("enterprise.id"), primary_key=True),
    Column("customer_number", String(WORD_CHARACTERS_MAX), nullable=False, unique=True),
    Column("created_by", String(IDENTIFIER_CHARACTERS_MAX), nullable=False),
    Column("created_at", UtcMillis, nullable=False),
)

product_subscription = Table(
    "product_subscription",
    metadata,
    Column("enterprise_id", ForeignKey("enterprise.id"), primary_key=True),
    Column("product", String(WORD_CHARACTERS_MAX), primary_key=True),
    Column("ordered_by", String(IDENTIFIER_CHARACTERS_MAX), nullable=False),
    Column("ordered_at", UtcMillis, nullable=False),
    Column("ended_at", UtcMillis),
)

# Short codes of the network, an enterprise's while it is a customer.
service_code = Table(
    "service_code",
    metadata,
    Column("code", String(WORD_CHARACTERS_MAX), primary_key=True),
    Column("enterprise_id", ForeignKey("enterprise.id"), nullable=False),
    Column("assigned_by", String(IDENTIFIER_CHARACTERS_MAX), nullable=False),
    Column("assigned_at", UtcMillis, nullable=False),
    Index("service_code_by_enterprise", "enterprise_id"),
)

# What is asked for of a customer's service; `changes_encrypted` is JSON of a modification.
enterprise_change = Table(
    "enterprise_change",
    metadata,
    Column("id", String(IDENTIFIER_CHARACTERS_MAX), primary_key=True),
    Column("enterprise_id", ForeignKey("enterprise.id"), nullable=False),
    Column("kind", String(WORD_CHARACTERS_MAX), nullable=False),
    Column("work_order_id", ForeignKey("work_order.id"), nullable=False),
    Column("state", String(WORD_CHARACTERS_MAX), nullable=False),
    Column("reason", String(REASON_CHARACTERS_MAX), nullable=False),
    Column("effective_at", UtcMillis),
    Column("calls", String(WORD_CHARACTERS_MAX)),
    Column("changes_encrypted", LargeBinary),
    Column("requested_by", String(IDENTIFIER_CHARACTERS_MAX), nullable=False),
    Column("requested_at", UtcMillis, nullable=False),
    Column("carried_out_at", UtcMillis),
    Index(
        "enterprise_change_due",
        "effective_at",
        sqlite_where=SCHEDULED,
        postgresql_where=SCHEDULED,
    ),
    # One of a kind at a time.
    Index(
        "enterprise_change_live",
        "enterprise_id",
        "kind",
        unique=True,
        sqlite_where=LIVE_CHANGE,
        postgresql_where=LIVE_CHANGE,
    ),
    Index("enterprise_change_by_enterprise", "enterprise_id", "id"),
)
