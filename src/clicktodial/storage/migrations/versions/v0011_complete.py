"""Alerts of pools to applications."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_ID = sa.String(64)
_WORD = sa.String(32)
_DETAIL = sa.String(256)
_TIME = sa.BigInteger
_COUNTER = sa.BigInteger().with_variant(sa.Integer, "sqlite")
_PENDING = sa.text("delivery_state = 'pending'")


def upgrade() -> None:
    """Change and make the tables."""
    _create_notices()


def _create_notices() -> None:
    op.add_column(
        "application",
        sa.Column("pool_alerts", sa.Boolean, nullable=False, server_default=sa.false()),
    )
    op.create_table(
        "pool_notice",
        sa.Column("id", _COUNTER, primary_key=True),
        sa.Column("app_id", _ID, nullable=False),
        sa.Column("payload", sa.Text, nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("delivery_state", _WORD, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("next_attempt_at", _TIME),
        sa.Column("delivered_at", _TIME),
        sa.Column("last_error", _DETAIL),
        # What was deleted must not lend its number to another: receivers know notices by it.
        sqlite_autoincrement=True,
    )
    op.create_index(
        "pool_notice_pending",
        "pool_notice",
        ["app_id", "id"],
        sqlite_where=_PENDING,
        postgresql_where=_PENDING,
    )
