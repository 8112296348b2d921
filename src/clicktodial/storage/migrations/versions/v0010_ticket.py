"""Support tickets and the roster."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

_ID = sa.String(64)
_WORD = sa.String(32)
_NAME = sa.String(200)
_TIME = sa.BigInteger
_OPEN = sa.text("state NOT IN ('resolved', 'closed')")
_DUE = sa.text("due_at IS NOT NULL")


def upgrade() -> None:
    """Make every table."""
    _create_ticket()
    _create_roster()


def _create_ticket() -> None:
    op.create_table(
        "ticket",
        sa.Column("id", _ID, primary_key=True),
        sa.Column("enterprise_id", _ID, sa.ForeignKey("enterprise.id"), nullable=False),
        sa.Column("subject", _NAME, nullable=False),
        sa.Column("channel", _WORD, nullable=False),
        sa.Column("category", _WORD, nullable=False),
        sa.Column("call_id", _ID),
        sa.Column("contact_encrypted", sa.LargeBinary),
        sa.Column("opened_by", _ID, nullable=False),
        sa.Column("opened_at", _TIME, nullable=False),
        sa.Column("steps", sa.Integer, nullable=False),
        sa.Column("priority", _WORD, nullable=False),
        sa.Column("state", _WORD, nullable=False),
        sa.Column("queue", _WORD, nullable=False),
        sa.Column("assignee", _ID),
        sa.Column("level", sa.Integer, nullable=False),
        sa.Column("due_at", _TIME),
        sa.Column("responded_at", _TIME),
        sa.Column("resolved_at", _TIME),
        sa.Column("is_response_late", sa.Boolean, nullable=False),
        sa.Column("is_resolution_late", sa.Boolean, nullable=False),
        sa.Column("satisfaction", sa.Integer),
    )
    op.create_index("ticket_due", "ticket", ["due_at"], sqlite_where=_DUE, postgresql_where=_DUE)
    op.create_index(
        "ticket_open", "ticket", ["priority", "id"], sqlite_where=_OPEN, postgresql_where=_OPEN
    )
    op.create_index("ticket_by_enterprise", "ticket", ["enterprise_id", "id"])
    op.create_index("ticket_by_opening", "ticket", ["opened_at"])
    op.create_table(
        "ticket_step",
        sa.Column("ticket_id", _ID, sa.ForeignKey("ticket.id"), primary_key=True),
        sa.Column("seq", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("action", _WORD, nullable=False),
        sa.Column("at", _TIME, nullable=False),
        sa.Column("by", _ID, nullable=False),
        sa.Column("is_staff", sa.Boolean, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("details", sa.Text, nullable=False),
        sqlite_with_rowid=False,
    )


def _create_roster() -> None:
    op.create_table(
        "roster_shift",
        sa.Column("id", _ID, primary_key=True),
        sa.Column("line", _WORD, nullable=False),
        sa.Column("contact_encrypted", sa.LargeBinary, nullable=False),
        sa.Column("from_at", _TIME, nullable=False),
        sa.Column("until_at", _TIME, nullable=False),
    )
    op.create_index("roster_shift_by_end", "roster_shift", ["until_at"])
    op.create_table(
        "critical_period",
        sa.Column("id", _ID, primary_key=True),
        sa.Column("name", _NAME, nullable=False),
        sa.Column("from_at", _TIME, nullable=False),
        sa.Column("until_at", _TIME, nullable=False),
        sa.Column("gaps_told_at", _TIME),
    )
    op.create_index("critical_period_by_end", "critical_period", ["until_at"])
