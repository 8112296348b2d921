"""Calls of which an application is told at a place that it names with the call."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0011"
branch_labels = None
depends_on = None

_ORIGIN = sa.String(300)
_SOLE = sa.text("api = 'camara' AND state NOT IN ('finishing', 'ended')")
_KEPT = sa.text("token_encrypted IS NOT NULL")


def upgrade() -> None:
    """Add the columns and the table; every call of before is one of v1."""
    op.add_column("call", sa.Column("api", sa.String(32), nullable=False, server_default="v1"))
    op.add_column("call", sa.Column("sink_origin", _ORIGIN))
    op.add_column("call_event", sa.Column("sink_origin", _ORIGIN))
    op.create_index(
        "call_sole",
        "call",
        ["app_id", "caller_e164", "callee_e164"],
        unique=True,
        sqlite_where=_SOLE,
        postgresql_where=_SOLE,
    )
    op.create_table(
        "call_sink",
        sa.Column("call_id", sa.String(64), sa.ForeignKey("call.id"), primary_key=True),
        sa.Column("url", sa.String(2048), nullable=False),
        sa.Column("token_encrypted", sa.LargeBinary),
        sa.Column("token_expires_at", sa.BigInteger),
    )
    op.create_index(
        "call_sink_token",
        "call_sink",
        ["token_expires_at"],
        sqlite_where=_KEPT,
        postgresql_where=_KEPT,
    )
