"""Exports that somebody asked for, and the version that a node runs."""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0016"
branch_labels = None
depends_on = None

_ID, _WORD, _AT = sa.String(64), sa.String(32), sa.BigInteger


def upgrade() -> None:
    """Make the table and the column."""
    op.create_table(
        "export_order",
        sa.Column("id", _ID, primary_key=True),
        sa.Column("enterprise_id", _ID, nullable=False),
        sa.Column("kind", _WORD, nullable=False),
        sa.Column("since", _AT, nullable=False),
        sa.Column("until", _AT, nullable=False),
        sa.Column("asked_by", _ID, nullable=False),
        sa.Column("asked_at", _AT, nullable=False),
        sa.Column("state", _WORD, nullable=False),
        sa.Column("row_count", sa.BigInteger, nullable=False),
        sa.Column("row_total", sa.BigInteger),
        sa.Column("size_bytes", sa.BigInteger),
        sa.Column("sha256", sa.String(256)),
        sa.Column("failure", _WORD),
        sa.Column("changed_at", _AT, nullable=False),
    )
    op.create_index("export_order_by_time", "export_order", ["asked_at", "id"])
    op.create_index("export_order_by_state", "export_order", ["state", "asked_at"])
    op.add_column("node", sa.Column("version", _ID))
