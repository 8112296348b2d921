"""Enterprises from their intention to their end, documents, work orders."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_ID = sa.String(64)
_WORD = sa.String(32)
_REASON = sa.String(1_000)
_TIME = sa.BigInteger
_NAME = sa.String(200)
_LIVE_ORDER = sa.text("state <> 'archived'")
_LIVE_INTENTION = sa.text("state IN ('reserved', 'assigned', 'engaged')")
_SCHEDULED = sa.text("state = 'scheduled'")
_KEPT = sa.text("removed_at IS NULL")


def upgrade() -> None:
    """The life of each enterprise beside its status, and what it is made of."""
    _extend_enterprise()
    _create_work_order()
    _create_intention()
    _create_papers()
    _create_activation()
    _create_enterprise_change()


def _extend_enterprise() -> None:
    # Enterprises that were made without any of this are in the state that their status says.
    op.add_column("enterprise", sa.Column("state", _WORD, nullable=False, server_default="active"))
    op.execute("UPDATE enterprise SET state = status")
    op.add_column("enterprise", sa.Column("region", _WORD))
    op.add_column("enterprise", sa.Column("account_manager", _ID))
    op.add_column("enterprise", sa.Column("state_since", _TIME))
    op.add_column(
        "enterprise",
        sa.Column("ends_calls", sa.Boolean, nullable=False, server_default=sa.false()),
    )
    op.create_index("enterprise_by_manager", "enterprise", ["account_manager"])


def _create_work_order() -> None:
    op.create_table(
        "work_order",
        sa.Column("id", _ID, primary_key=True),
        sa.Column("kind", _WORD, nullable=False),
        sa.Column("enterprise_id", _ID, sa.ForeignKey("enterprise.id"), nullable=False),
        sa.Column("subject_id", _ID, nullable=False),
        sa.Column("state", _WORD, nullable=False),
        sa.Column("outcome", _WORD),
        sa.Column("assignee", _ID),
        sa.Column("opened_by", _ID, nullable=False),
        sa.Column("opened_at", _TIME, nullable=False),
        sa.Column("decided_by", _ID),
        sa.Column("decided_at", _TIME),
        sa.Column("reason", _REASON),
        sa.Column("archived_at", _TIME),
        sa.Column("previous_id", _ID, sa.ForeignKey("work_order.id"), unique=True),
        sa.Column("details", sa.Text, nullable=False),
    )
    op.create_index(
        "work_order_live",
        "work_order",
        ["kind", "id"],
        sqlite_where=_LIVE_ORDER,
        postgresql_where=_LIVE_ORDER,
    )
    op.create_index("work_order_by_enterprise", "work_order", ["enterprise_id", "id"])
    op.create_index("work_order_by_subject", "work_order", ["kind", "subject_id"])
    op.create_table(
        "work_order_step",
        sa.Column("work_order_id", _ID, sa.ForeignKey("work_order.id"), primary_key=True),
        sa.Column("seq", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("action", _WORD, nullable=False),
        sa.Column("at", _TIME, nullable=False),
        sa.Column("by", _ID, nullable=False),
        sa.Column("why", _REASON, nullable=False),
        sqlite_with_rowid=False,
    )


def _create_intention() -> None:
    op.create_table(
        "intention",
        sa.Column("id", _ID, primary_key=True),
        sa.Column("enterprise_id", _ID, sa.ForeignKey("enterprise.id"), nullable=False),
        sa.Column("enterprise_name", _NAME, nullable=False),
        sa.Column("region", _WORD, nullable=False),
        sa.Column("channel", _WORD, nullable=False),
        sa.Column("contact_encrypted", sa.LargeBinary, nullable=False),
        sa.Column("note", _REASON, nullable=False),
        sa.Column("state", _WORD, nullable=False),
        sa.Column("account_manager", _ID),
        sa.Column("submitted_by", _ID, nullable=False),
        sa.Column("submitted_at", _TIME, nullable=False),
        sa.Column("changed_by", _ID, nullable=False),
        sa.Column("changed_at", _TIME, nullable=False),
        sa.Column("reason", _REASON),
    )
    op.create_index(
        "intention_live",
        "intention",
        ["enterprise_id"],
        unique=True,
        sqlite_where=_LIVE_INTENTION,
        postgresql_where=_LIVE_INTENTION,
    )
    op.create_index("intention_by_manager", "intention", ["account_manager", "state"])


def _create_papers() -> None:
    op.create_table(
        "customer_data",
        sa.Column("enterprise_id", _ID, sa.ForeignKey("enterprise.id"), primary_key=True),
        sa.Column("data_encrypted", sa.LargeBinary, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("changed_by", _ID, nullable=False),
        sa.Column("changed_at", _TIME, nullable=False),
    )
    op.create_table(
        "document",
        sa.Column("id", _ID, primary_key=True),
        sa.Column("enterprise_id", _ID, sa.ForeignKey("enterprise.id"), nullable=False),
        sa.Column("kind", _WORD, nullable=False),
        sa.Column("media_type", _WORD, nullable=False),
        sa.Column("size_bytes", sa.BigInteger, nullable=False),
        sa.Column("sha256", _ID, nullable=False),
        sa.Column("uploaded_by", _ID, nullable=False),
        sa.Column("uploaded_at", _TIME, nullable=False),
        sa.Column("reviewed_at", _TIME),
        sa.Column("removed_by", _ID),
        sa.Column("removed_at", _TIME),
        sa.Column("erased_at", _TIME),
    )
    op.create_index(
        "document_kept",
        "document",
        ["enterprise_id", "kind"],
        sqlite_where=_KEPT,
        postgresql_where=_KEPT,
    )
    op.create_table(
        "qualification_review",
        sa.Column("id", _ID, primary_key=True),
        sa.Column("enterprise_id", _ID, sa.ForeignKey("enterprise.id"), nullable=False),
        sa.Column("work_order_id", _ID, sa.ForeignKey("work_order.id"), nullable=False),
        sa.Column("snapshot_encrypted", sa.LargeBinary),
        sa.Column("submitted_at", _TIME, nullable=False),
    )
    op.create_index(
        "qualification_review_by_enterprise", "qualification_review", ["enterprise_id", "id"]
    )


def _create_activation() -> None:
    op.create_table(
        "activation_step",
        sa.Column("enterprise_id", _ID, sa.ForeignKey("enterprise.id"), primary_key=True),
        sa.Column("step", _WORD, primary_key=True),
        sa.Column("result", _NAME, nullable=False),
        sa.Column("done_by", _ID, nullable=False),
        sa.Column("done_at", _TIME, nullable=False),
    )
    op.create_table(
        "customer_record",
        sa.Column("enterprise_id", _ID, sa.ForeignKey("enterprise.id"), primary_key=True),
        sa.Column("customer_number", _WORD, nullable=False, unique=True),
        sa.Column("created_by", _ID, nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
    )
    op.create_table(
        "product_subscription",
        sa.Column("enterprise_id", _ID, sa.ForeignKey("enterprise.id"), primary_key=True),
        sa.Column("product", _WORD, primary_key=True),
        sa.Column("ordered_by", _ID, nullable=False),
        sa.Column("ordered_at", _TIME, nullable=False),
        sa.Column("ended_at", _TIME),
    )
    op.create_table(
        "service_code",
        sa.Column("code", _WORD, primary_key=True),
        sa.Column("enterprise_id", _ID, sa.ForeignKey("enterprise.id"), nullable=False),
        sa.Column("assigned_by", _ID, nullable=False),
        sa.Column("assigned_at", _TIME, nullable=False),
    )
    op.create_index("service_code_by_enterprise", "service_code", ["enterprise_id"])


def _create_enterprise_change() -> None:
    op.create_table(
        "enterprise_change",
        sa.Column("id", _ID, primary_key=True),
        sa.Column("enterprise_id", _ID, sa.ForeignKey("enterprise.id"), nullable=False),
        sa.Column("kind", _WORD, nullable=False),
        sa.Column("work_order_id", _ID, sa.ForeignKey("work_order.id"), nullable=False),
        sa.Column("state", _WORD, nullable=False),
        sa.Column("reason", _REASON, nullable=False),
        sa.Column("effective_at", _TIME),
        sa.Column("calls", _WORD),
        sa.Column("changes_encrypted", sa.LargeBinary),
        sa.Column("requested_by", _ID, nullable=False),
        sa.Column("requested_at", _TIME, nullable=False),
        sa.Column("carried_out_at", _TIME),
    )
    op.create_index(
        "enterprise_change_due",
        "enterprise_change",
        ["effective_at"],
        sqlite_where=_SCHEDULED,
        postgresql_where=_SCHEDULED,
    )
    op.create_index("enterprise_change_by_enterprise", "enterprise_change", ["enterprise_id", "id"])
