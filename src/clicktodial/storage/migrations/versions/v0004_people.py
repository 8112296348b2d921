"""People, sessions, mail and what was done."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_ID = sa.String(64)
_WORD = sa.String(32)
_NAME = sa.String(200)
_EMAIL = sa.String(254)
_HASH = sa.String(64)
_DETAIL = sa.String(256)
_TIME = sa.BigInteger
_WAITING_MAIL = sa.text("state = 'waiting'")


def upgrade() -> None:
    """Make every table."""
    _create_person()
    _create_enrolment()
    _create_session()
    _create_mail()
    _create_audit()


def _create_person() -> None:
    op.create_table(
        "person",
        sa.Column("id", _ID, primary_key=True),
        sa.Column("account", _ID, nullable=False, unique=True),
        sa.Column("email", _EMAIL, nullable=False, unique=True),
        sa.Column("phone_encrypted", sa.LargeBinary),
        sa.Column("enterprise_id", _ID, sa.ForeignKey("enterprise.id")),
        sa.Column("roles", _NAME, nullable=False),
        sa.Column("regions", _NAME, nullable=False),
        sa.Column("state", _WORD, nullable=False),
        sa.Column("password_hash", _NAME, nullable=False),
        sa.Column("totp_secret_encrypted", sa.LargeBinary),
        sa.Column("is_totp_on", sa.Boolean, nullable=False),
        sa.Column("totp_step", sa.BigInteger, nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("seen_at", _TIME),
    )
    op.create_index("person_by_enterprise", "person", ["enterprise_id"])
    op.create_table(
        "password_reset",
        sa.Column("token_hash", _HASH, primary_key=True),
        sa.Column("person_id", _ID, sa.ForeignKey("person.id"), nullable=False),
        sa.Column("expires_at", _TIME, nullable=False),
    )
    op.create_index("password_reset_by_person", "password_reset", ["person_id"])
    op.create_index("password_reset_by_expiry", "password_reset", ["expires_at"])
    op.create_table(
        "recovery_code",
        sa.Column("person_id", _ID, sa.ForeignKey("person.id"), primary_key=True),
        sa.Column("code_hash", _HASH, primary_key=True),
    )


def _create_enrolment() -> None:
    op.create_table(
        "enrolment",
        sa.Column("id", _ID, primary_key=True),
        sa.Column("token_hash", _HASH, nullable=False, unique=True),
        sa.Column("kind", _WORD, nullable=False),
        sa.Column("account", _ID),
        sa.Column("email", _EMAIL, nullable=False),
        sa.Column("phone_encrypted", sa.LargeBinary),
        sa.Column("enterprise_id", _ID, sa.ForeignKey("enterprise.id")),
        sa.Column("enterprise_name", _NAME),
        sa.Column("region", _WORD),
        sa.Column("roles", _NAME, nullable=False),
        sa.Column("regions", _NAME, nullable=False),
        sa.Column("created_by", _ID, nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("expires_at", _TIME, nullable=False),
    )
    op.create_index("enrolment_by_email", "enrolment", ["email"])
    op.create_index("enrolment_by_enterprise", "enrolment", ["enterprise_id"])
    op.create_index("enrolment_by_expiry", "enrolment", ["expires_at"])


def _create_session() -> None:
    op.create_table(
        "session",
        sa.Column("id", _ID, primary_key=True),
        sa.Column("token_hash", _HASH, nullable=False, unique=True),
        sa.Column("person_id", _ID, sa.ForeignKey("person.id"), nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("seen_at", _TIME, nullable=False),
        sa.Column("expires_at", _TIME, nullable=False),
        sa.Column("address", _ID, nullable=False),
    )
    op.create_index("session_by_person", "session", ["person_id"])
    op.create_index("session_by_expiry", "session", ["expires_at"])
    op.create_table(
        "attempt",
        sa.Column("subject_hash", _HASH, primary_key=True),
        sa.Column("made", sa.Integer, nullable=False),
        sa.Column("last_at", _TIME, nullable=False),
        sa.Column("blocked_until", _TIME, nullable=False),
    )
    op.create_index("attempt_by_time", "attempt", ["last_at"])


def _create_mail() -> None:
    op.create_table(
        "mail",
        sa.Column("id", _ID, primary_key=True),
        sa.Column("recipient", _EMAIL, nullable=False),
        sa.Column("subject", _NAME, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("state", _WORD, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("next_attempt_at", _TIME),
        sa.Column("sent_at", _TIME),
        sa.Column("last_error", _DETAIL),
    )
    op.create_index(
        "mail_waiting",
        "mail",
        ["next_attempt_at"],
        sqlite_where=_WAITING_MAIL,
        postgresql_where=_WAITING_MAIL,
    )


def _create_audit() -> None:
    op.create_table(
        "audit",
        sa.Column("id", _ID, primary_key=True),
        sa.Column("at", _TIME, nullable=False),
        sa.Column("principal", _ID, nullable=False),
        sa.Column("roles", _NAME, nullable=False),
        sa.Column("address", _ID, nullable=False),
        sa.Column("operation", _ID, nullable=False),
        sa.Column("subjects", sa.Text, nullable=False),
        sa.Column("enterprise_id", _ID),
        sa.Column("outcome", _WORD, nullable=False),
    )
    op.create_index("audit_by_enterprise", "audit", ["enterprise_id", "id"])
