"""Numbers to show, and the applications that show them."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_ID = sa.String(64)
_NUMBER = sa.String(32)
_WORD = sa.String(32)
_CITY = sa.String(64)
_TIME = sa.BigInteger


def upgrade() -> None:
    """Keys, limits and capabilities of applications; inventory, orders and pools of numbers."""
    _extend_application()
    _create_inventory()
    _create_orders()
    _create_pools()


def _extend_application() -> None:
    # Applications of before may do what all could do.
    capabilities = "click-to-dial,recording,messages"
    with op.batch_alter_table("application") as application:
        application.add_column(sa.Column("old_secret_encrypted", sa.LargeBinary))
        application.add_column(sa.Column("old_secret_until", _TIME))
        application.add_column(
            sa.Column("capabilities", sa.Text, nullable=False, server_default=capabilities)
        )
        application.add_column(
            sa.Column("allow_list", sa.Text, nullable=False, server_default="[]")
        )
        application.add_column(sa.Column("limits", sa.Text, nullable=False, server_default="{}"))
    op.create_index("application_by_enterprise", "application", ["enterprise_id", "app_id"])
    op.create_index("application_number_by_number", "application_number", ["e164"])


def _create_inventory() -> None:
    op.create_table(
        "sponsor_number",
        sa.Column("e164", _NUMBER, primary_key=True),
        sa.Column("kind", _WORD, nullable=False),
        sa.Column("city", _CITY, nullable=False),
        sa.Column("region", _CITY, nullable=False),
        sa.Column("trunk", _ID),
        sa.Column("state", _WORD, nullable=False),
        sa.Column("enterprise_id", _ID, sa.ForeignKey("enterprise.id")),
        sa.Column("order_id", _ID),
        sa.Column("until", _TIME),
        sa.Column("added_at", _TIME, nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
    )
    op.create_index("sponsor_number_by_place", "sponsor_number", ["state", "city", "e164"])
    op.create_index("sponsor_number_by_enterprise", "sponsor_number", ["enterprise_id", "e164"])


def _create_orders() -> None:
    op.create_table(
        "number_order",
        sa.Column("id", _ID, primary_key=True),
        sa.Column("enterprise_id", _ID, sa.ForeignKey("enterprise.id"), nullable=False),
        sa.Column("work_order_id", _ID, sa.ForeignKey("work_order.id"), nullable=False),
        sa.Column("channel", _WORD, nullable=False),
        sa.Column("state", _WORD, nullable=False),
        sa.Column("placed_by", _ID, nullable=False),
        sa.Column("placed_at", _TIME, nullable=False),
        sa.Column("reserved_until", _TIME, nullable=False),
    )
    op.create_index("number_order_by_enterprise", "number_order", ["enterprise_id", "id"])
    op.create_table(
        "number_order_line",
        sa.Column("order_id", _ID, sa.ForeignKey("number_order.id"), primary_key=True),
        sa.Column("e164", _NUMBER, primary_key=True),
        sqlite_with_rowid=False,
    )


def _create_pools() -> None:
    op.create_table(
        "number_pool",
        sa.Column("app_id", _ID, sa.ForeignKey("application.app_id"), primary_key=True),
        sa.Column("name", _ID, primary_key=True),
        sa.Column("fallback", sa.Text, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "number_pool_member",
        sa.Column("app_id", _ID, primary_key=True),
        sa.Column("name", _ID, primary_key=True),
        sa.Column("e164", _NUMBER, primary_key=True),
        sa.ForeignKeyConstraint(
            ["app_id", "name"], ["number_pool.app_id", "number_pool.name"], ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["app_id", "e164"],
            ["application_number.app_id", "application_number.e164"],
            ondelete="CASCADE",
        ),
        sqlite_with_rowid=False,
    )
