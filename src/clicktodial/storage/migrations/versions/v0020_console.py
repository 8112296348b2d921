"""Exports that somebody asked for, files of tickets, and the version that a node runs."""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

_ID, _WORD, _AT = sa.String(64), sa.String(32), sa.BigInteger


def upgrade() -> None:
    """Make the tables and the column."""
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
    op.create_table(
        "ticket_attachment",
        sa.Column("id", _ID, primary_key=True),
        sa.Column("ticket_id", _ID, sa.ForeignKey("ticket.id"), nullable=False),
        sa.Column("seq", sa.Integer, nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("media_type", _WORD, nullable=False),
        sa.Column("size_bytes", sa.Integer, nullable=False),
        sa.Column("sha256", _ID, nullable=False),
        sa.Column("created_at", _AT, nullable=False),
        sa.Column("erased_at", _AT),
    )
    op.create_index("ticket_attachment_by_ticket", "ticket_attachment", ["ticket_id", "id"])
    op.add_column("node", sa.Column("version", _ID))
