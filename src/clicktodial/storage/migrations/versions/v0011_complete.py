"""Alerts of pools to applications, CDRs of all calls, retention, changes of addresses."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_ID = sa.String(64)
_WORD = sa.String(32)
_DETAIL = sa.String(256)
_TIME = sa.BigInteger
_COUNTER = sa.BigInteger().with_variant(sa.Integer, "sqlite")
_PENDING = sa.text("delivery_state = 'pending'")


def upgrade() -> None:
    """Change and make the tables."""
    _create_notices()
    _complete_cdrs()
    _create_email_changes()
    op.create_table(
        "retention_mark",
        sa.Column("name", _WORD, primary_key=True),
        sa.Column("upto", _ID, nullable=False),
    )


def _create_notices() -> None:
    op.add_column(
        "application",
        sa.Column("pool_alerts", sa.Boolean, nullable=False, server_default=sa.false()),
    )
    op.create_table(
        "pool_notice",
        sa.Column("id", _COUNTER, primary_key=True),
        sa.Column("app_id", _ID, nullable=False),
        sa.Column("payload", sa.Text, nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("delivery_state", _WORD, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("next_attempt_at", _TIME),
        sa.Column("delivered_at", _TIME),
        sa.Column("last_error", _DETAIL),
        # What was deleted must not lend its number to another: receivers know notices by it.
        sqlite_autoincrement=True,
    )
    op.create_index(
        "pool_notice_pending",
        "pool_notice",
        ["app_id", "id"],
        sqlite_where=_PENDING,
        postgresql_where=_PENDING,
    )


# Ended calls of enterprises without a pool, of which no CDR was written. The oldest versions kept
# no reason, nor when a call that was never rung ended.
_INSERT_CDRS = """
INSERT INTO cdr (call_id, enterprise_id, node_id, app_id, sponsor_e164, caller_e164, callee_e164,
    recording_id, recording_result, send_direction, begun_at, connected_at, ended_at, duration_s,
    reason, ended_by, stage, leg_outcome, sip_status, q850, legs, member, tariff_id, legs_counted,
    rated_s, billed_s, overage_s, price_micros, lots, charging)
SELECT call.id, coalesce(application.enterprise_id, ''), call.node_id, call.app_id,
    call.sponsor_e164, call.caller_e164, call.callee_e164, call.recording_id,
    call.recording_result, call.send_direction, call.begun_at, call.connected_at,
    coalesce(call.ended_at, call.begun_at), call.duration_s, coalesce(call.reason, 'Other'),
    call.ended_by, call.stage, call.leg_outcome, call.sip_status, call.q850, call.legs,
    call.caller_e164, '', 0, 0, 0, 0, 0, '[]', 'not-charged'
FROM call LEFT JOIN application ON application.app_id = call.app_id
WHERE call.state = 'ended' AND NOT EXISTS (SELECT 1 FROM cdr WHERE cdr.call_id = call.id)
"""


def _complete_cdrs() -> None:
    op.add_column("cdr", sa.Column("charging", _WORD, nullable=False, server_default="rated"))
    op.execute(_INSERT_CDRS)


def _create_email_changes() -> None:
    op.create_table(
        "email_change",
        sa.Column("token_hash", sa.String(64), primary_key=True),
        sa.Column("person_id", _ID, sa.ForeignKey("person.id"), nullable=False),
        sa.Column("email", sa.String(254), nullable=False),
        sa.Column("expires_at", _TIME, nullable=False),
    )
    op.create_index("email_change_by_person", "email_change", ["person_id"])
    op.create_index("email_change_by_expiry", "email_change", ["expires_at"])
