"""Begins that came with an Idempotency-Key."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

_ID = sa.String(64)


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "once_request",
        sa.Column("app_id", _ID, primary_key=True),
        sa.Column("key_hash", _ID, primary_key=True),
        sa.Column("request_hash", _ID, nullable=False),
        sa.Column("call_id", _ID, nullable=False),
        sa.Column("answer", sa.LargeBinary),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("once_request_by_end", "once_request", ["expires_at"])
