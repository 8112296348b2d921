"""What servers answered to notifications; alerts of an application in their order."""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns, and make the index."""
    for outbox in ("call_event", "pool_notice"):
        op.add_column(outbox, sa.Column("answer_status", sa.Integer))
        op.add_column(outbox, sa.Column("answered_at", sa.BigInteger))
        op.add_column(outbox, sa.Column("answer_text", sa.String(200)))
    op.create_index("pool_notice_by_application", "pool_notice", ["app_id", "id"])
