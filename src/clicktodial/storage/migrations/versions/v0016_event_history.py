"""Events of an application in their order."""

from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the index."""
    op.create_index(
        "call_event_by_application", "call_event", ["app_id", "occurred_at", "call_id", "seq"]
    )
