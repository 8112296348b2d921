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
_LIVE_ORDER = sa.text("state <> 'archived'")


def upgrade() -> None:
    """The life of each enterprise beside its status, and what it is made of."""
    _extend_enterprise()
    _create_work_order()


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
