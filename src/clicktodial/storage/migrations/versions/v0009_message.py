"""Messages after calls."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_ID = sa.String(64)
_WORD = sa.String(32)
_NAME = sa.String(200)
_DETAIL = sa.String(256)
_TIME = sa.BigInteger


def upgrade() -> None:
    """Make the tables."""
    _create_templates()
    _create_messages()
    _create_reports()
    op.create_table(
        "message_mailbox",
        sa.Column("message_id", _ID, sa.ForeignKey("message.id"), primary_key=True),
        sa.Column("arrived_at", _TIME, nullable=False),
        sa.Column("recipient", _WORD, nullable=False),
        sa.Column("sender", _WORD, nullable=False),
        sa.Column("channel", _WORD, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("pictures", sa.Integer, nullable=False),
    )


def _create_templates() -> None:
    op.create_table(
        "message_template",
        sa.Column("id", _ID, primary_key=True),
        sa.Column("app_id", _ID, sa.ForeignKey("application.app_id"), nullable=False),
        sa.Column("recipient", _WORD, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("state", _WORD, nullable=False),
        sa.Column("channel", _WORD, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("fixed_values", sa.Text, nullable=False),
        sa.Column("only_connected", sa.Boolean, nullable=False),
        sa.Column("picture_bytes", sa.Integer, nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("created_by", _NAME, nullable=False),
        sa.Column("work_order_id", _ID),
        sa.Column("decided_at", _TIME),
        sa.Column("decided_by", _NAME),
        sa.Column("reason", _DETAIL),
        sa.UniqueConstraint("app_id", "recipient", "version"),
    )
    _create_partial_index(
        "message_template_in_use",
        "message_template",
        ["app_id", "recipient"],
        where="state = 'approved'",
        unique=True,
    )
    op.create_table(
        "message_picture",
        sa.Column("template_id", _ID, sa.ForeignKey("message_template.id"), primary_key=True),
        sa.Column("position", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("media_type", _WORD, nullable=False),
        sa.Column("content", sa.LargeBinary, nullable=False),
    )


def _create_messages() -> None:
    op.create_table(
        "message",
        sa.Column("id", _ID, primary_key=True),
        sa.Column("call_id", _ID, sa.ForeignKey("call.id"), nullable=False),
        sa.Column("app_id", _ID, nullable=False),
        sa.Column("side", _WORD, nullable=False),
        sa.Column("template_id", _ID, sa.ForeignKey("message_template.id"), nullable=False),
        sa.Column("only_connected", sa.Boolean, nullable=False),
        sa.Column("state", _WORD, nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("queued_at", _TIME),
        sa.Column("channel", _WORD),
        sa.Column("subject", sa.Text),
        sa.Column("text", sa.Text),
        sa.Column("gateway", _WORD),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("replays", sa.Integer, nullable=False, server_default="0"),
        sa.Column("next_attempt_at", _TIME),
        sa.Column("claimed_by", _ID),
        sa.Column("claimed_until", _TIME),
        sa.Column("sent_at", _TIME),
        sa.Column("settled_at", _TIME),
        sa.Column("last_error", _DETAIL),
        sa.UniqueConstraint("call_id", "side"),
    )
    _create_partial_index(
        "message_queued", "message", ["next_attempt_at"], where="state = 'queued'"
    )
    op.create_index("message_by_application", "message", ["app_id", "id"])


def _create_reports() -> None:
    op.create_table(
        "message_part",
        sa.Column("message_id", _ID, sa.ForeignKey("message.id"), primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("gateway", _WORD, nullable=False),
        sa.Column("gateway_id", _NAME, nullable=False),
        sa.Column("state", _WORD, nullable=False),
        sa.Column("sent_at", _TIME, nullable=False),
    )
    op.create_index("message_part_by_gateway", "message_part", ["gateway", "gateway_id"])
    op.create_table(
        "message_report",
        sa.Column("id", _ID, primary_key=True),
        sa.Column("gateway", _WORD, nullable=False),
        sa.Column("gateway_id", _NAME, nullable=False),
        sa.Column("state", _WORD, nullable=False),
        sa.Column("detail", _DETAIL),
        sa.Column("received_at", _TIME, nullable=False),
        sa.Column("message_id", _ID),
    )
    op.create_index("message_report_by_message", "message_report", ["message_id"])
    _create_partial_index(
        "message_report_unmatched",
        "message_report",
        ["gateway", "gateway_id"],
        where="message_id IS NULL",
    )


def _create_partial_index(
    name: str, table: str, columns: list[str], *, where: str, unique: bool = False
) -> None:
    op.create_index(
        name,
        table,
        columns,
        unique=unique,
        sqlite_where=sa.text(where),
        postgresql_where=sa.text(where),
    )
