"""How calls sounded, from one moment to the next."""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "call_quality",
        sa.Column("call_id", sa.String(64), sa.ForeignKey("call.id"), primary_key=True),
        sa.Column("intervals", sa.LargeBinary, nullable=False),
        sqlite_with_rowid=False,
    )
