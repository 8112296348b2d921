"""First tables."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_ID = sa.String(64)
_NUMBER = sa.String(32)
_WORD = sa.String(32)
_NAME = sa.String(200)
_URL = sa.String(2048)
_DETAIL = sa.String(256)
_TIME = sa.BigInteger
_OPEN_CALL = sa.text("state <> 'ended'")
_PENDING_EVENT = sa.text("delivery_state = 'pending'")


def upgrade() -> None:
    """Make every table, and the one row of `administration`."""
    _create_accounts()
    _create_network()
    _create_call()
    _create_call_event()
    _create_recording()
    administration = op.create_table(
        "administration",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("version", sa.BigInteger, nullable=False),
    )
    op.bulk_insert(administration, [{"id": 1, "version": 1}])


def _create_accounts() -> None:
    op.create_table(
        "enterprise",
        sa.Column("id", _ID, primary_key=True),
        sa.Column("name", _NAME, nullable=False),
        sa.Column("status", _WORD, nullable=False),
    )
    op.create_table(
        "application",
        sa.Column("app_id", _ID, primary_key=True),
        sa.Column("enterprise_id", _ID, sa.ForeignKey("enterprise.id"), nullable=False),
        sa.Column("name", _NAME, nullable=False),
        sa.Column("status", _WORD, nullable=False),
        sa.Column("secret_encrypted", sa.LargeBinary, nullable=False),
        sa.Column("signing_secret_encrypted", sa.LargeBinary, nullable=False),
        sa.Column("notify_url", _URL),
        sa.Column("allow_private_addresses", sa.Boolean, nullable=False),
        sa.Column("max_duration_s", sa.Integer),
        sa.Column("created_at", _TIME, nullable=False),
    )
    op.create_table(
        "application_number",
        sa.Column("app_id", _ID, sa.ForeignKey("application.app_id"), primary_key=True),
        sa.Column("e164", _NUMBER, primary_key=True),
    )


def _create_network() -> None:
    op.create_table(
        "trunk",
        sa.Column("name", _ID, primary_key=True),
        sa.Column("host", _NAME, nullable=False),
        sa.Column("port", sa.Integer, nullable=False),
        sa.Column("transport", _WORD, nullable=False),
        sa.Column("priority", sa.Integer, nullable=False),
        sa.Column("domain", _NAME),
        sa.Column("answer_timeout_s", sa.Integer, nullable=False),
        sa.Column("enabled", sa.Boolean, nullable=False),
    )
    op.create_table(
        "node",
        sa.Column("id", _ID, primary_key=True),
        sa.Column("started_at", _TIME, nullable=False),
        sa.Column("heartbeat_at", _TIME, nullable=False),
    )


def _create_call() -> None:
    op.create_table(
        "call",
        sa.Column("id", _ID, primary_key=True),
        sa.Column("node_id", _ID, nullable=False),
        sa.Column("app_id", _ID, nullable=False),
        sa.Column("sponsor_e164", _NUMBER, nullable=False),
        sa.Column("sponsor_written", _NUMBER, nullable=False),
        sa.Column("caller_e164", _NUMBER, nullable=False),
        sa.Column("caller_written", _NUMBER, nullable=False),
        sa.Column("callee_e164", _NUMBER, nullable=False),
        sa.Column("callee_written", _NUMBER, nullable=False),
        sa.Column("recording_id", _ID),
        sa.Column("send_direction", _WORD),
        sa.Column("begun_at", _TIME, nullable=False),
        sa.Column("state", _WORD, nullable=False),
        sa.Column("connected_at", _TIME),
        sa.Column("ended_at", _TIME),
        sa.Column("duration_s", sa.Integer, nullable=False),
        sa.Column("reason", _WORD),
        sa.Column("ended_by", _WORD),
        sa.Column("stage", _WORD),
        sa.Column("leg_outcome", _WORD),
        sa.Column("sip_status", sa.Integer),
        sa.Column("sip_text", _DETAIL),
        sa.Column("q850", sa.Integer),
        sa.Column("recording_result", _WORD),
        sa.Column("event_count", sa.Integer, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "call_open", "call", ["node_id"], sqlite_where=_OPEN_CALL, postgresql_where=_OPEN_CALL
    )
    op.create_index("call_by_application", "call", ["app_id", "begun_at"])


def _create_call_event() -> None:
    op.create_table(
        "call_event",
        sa.Column("call_id", _ID, sa.ForeignKey("call.id"), primary_key=True),
        sa.Column("seq", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("app_id", _ID, nullable=False),
        sa.Column("status", _WORD, nullable=False),
        sa.Column("occurred_at", _TIME, nullable=False),
        sa.Column("payload", sa.Text, nullable=False),
        sa.Column("delivery_state", _WORD, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("next_attempt_at", _TIME),
        sa.Column("delivered_at", _TIME),
        sa.Column("last_error", _DETAIL),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "call_event_pending",
        "call_event",
        ["app_id", "call_id", "seq"],
        sqlite_where=_PENDING_EVENT,
        postgresql_where=_PENDING_EVENT,
    )


def _create_recording() -> None:
    op.create_table(
        "recording",
        sa.Column("recording_id", _ID, primary_key=True),
        sa.Column("call_id", _ID, nullable=False),
        sa.Column("app_id", _ID, nullable=False),
        sa.Column("key", _URL, nullable=False),
        sa.Column("size_bytes", sa.BigInteger, nullable=False),
        sa.Column("duration_ms", sa.BigInteger, nullable=False),
        sa.Column("sha256", _ID, nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
    )
