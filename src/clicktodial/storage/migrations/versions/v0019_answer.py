"""What servers answered to notifications."""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns."""
    for outbox in ("call_event", "pool_notice"):
        op.add_column(outbox, sa.Column("answer_status", sa.Integer))
        op.add_column(outbox, sa.Column("answered_at", sa.BigInteger))
        op.add_column(outbox, sa.Column("answer_text", sa.String(200)))
