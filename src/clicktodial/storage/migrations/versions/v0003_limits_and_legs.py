"""What enterprises may use at most, and what is kept of each leg of a call."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns; what was there has no limits, and calls of before have no legs."""
    with op.batch_alter_table("enterprise") as enterprise:
        enterprise.add_column(sa.Column("limits", sa.Text, nullable=False, server_default="{}"))
    op.add_column("call", sa.Column("legs", sa.Text))
