"""What trunks and applications may be given, and the network's own reason of an end."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns; what was there keeps its defaults."""
    with op.batch_alter_table("trunk") as trunk:
        trunk.add_column(sa.Column("settings", sa.Text, nullable=False, server_default="{}"))
        trunk.add_column(sa.Column("password_encrypted", sa.LargeBinary))
    with op.batch_alter_table("application") as application:
        application.add_column(sa.Column("options", sa.Text, nullable=False, server_default="{}"))
    op.add_column("call", sa.Column("reason_header", sa.String(256)))
