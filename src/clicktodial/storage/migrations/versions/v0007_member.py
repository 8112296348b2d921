"""Members, and the protection of those who are called."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_ID = sa.String(64)
_WORD = sa.String(32)
_NAME = sa.String(200)
_NUMBER = sa.String(32)
_KEY = sa.String(44)
_DETAIL = sa.String(256)
_TIME = sa.BigInteger
_HAS_CAP = sa.text("calls_per_day IS NOT NULL OR calls_per_month IS NOT NULL")


def upgrade() -> None:
    """Make every table."""
    _create_members()
    _create_counters()
    _create_lists()
    _create_settings()
    _create_imports()


def _create_members() -> None:
    op.create_table(
        "department",
        sa.Column("id", _ID, primary_key=True),
        sa.Column("enterprise_id", _ID, sa.ForeignKey("enterprise.id"), nullable=False),
        sa.Column("name", _NAME, nullable=False),
        sa.Column("calls_per_day", sa.Integer),
        sa.Column("calls_per_month", sa.Integer),
        sa.Column("created_at", _TIME, nullable=False),
        sa.UniqueConstraint("enterprise_id", "name", name="department_once"),
    )
    op.create_table(
        "member",
        sa.Column("id", _ID, primary_key=True),
        sa.Column("enterprise_id", _ID, sa.ForeignKey("enterprise.id"), nullable=False),
        sa.Column("e164", _NUMBER, nullable=False),
        sa.Column("name", _NAME, nullable=False),
        sa.Column("department_id", _ID, sa.ForeignKey("department.id")),
        sa.Column("employee_id", _ID, nullable=False),
        sa.Column("note", _DETAIL, nullable=False),
        sa.Column("calls_per_day", sa.Integer),
        sa.Column("calls_per_month", sa.Integer),
        sa.Column("created_at", _TIME, nullable=False),
        sa.UniqueConstraint("enterprise_id", "e164", name="member_once"),
    )
    op.create_index("member_in_order", "member", ["enterprise_id", "id"])
    op.create_index("member_of_department", "member", ["department_id"])
    op.create_index(
        "member_capped",
        "member",
        ["enterprise_id"],
        sqlite_where=_HAS_CAP,
        postgresql_where=_HAS_CAP,
    )


def _create_counters() -> None:
    op.create_table(
        "call_count",
        sa.Column("subject", sa.String(66), primary_key=True),
        sa.Column("period", _WORD, primary_key=True),
        sa.Column("calls", sa.BigInteger, nullable=False),
        sa.Column("expires_at", _TIME, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("call_count_by_expiry", "call_count", ["expires_at"])
    op.create_table(
        "callee_window",
        sa.Column("callee_key", _KEY, primary_key=True),
        sa.Column("scope", _ID, primary_key=True),
        sa.Column("times_ms", sa.Text, nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("expires_at", _TIME, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("callee_window_by_expiry", "callee_window", ["expires_at"])


def _create_lists() -> None:
    op.create_table(
        "number_list",
        sa.Column("number_key", _KEY, primary_key=True),
        sa.Column("scope", _ID, primary_key=True),
        sa.Column("kind", _WORD, primary_key=True),
        sa.Column("id", _ID, nullable=False, unique=True),
        sa.Column("shown", _NUMBER, nullable=False),
        sa.Column("reason", _DETAIL, nullable=False),
        sa.Column("source", _DETAIL, nullable=False),
        sa.Column("added_by", _ID, nullable=False),
        sa.Column("added_at", _TIME, nullable=False),
        sa.Column("expires_at", _TIME),
        sqlite_with_rowid=False,
    )
    op.create_index("number_list_in_order", "number_list", ["scope", "kind", "id"])
    op.create_table(
        "blacklist",
        sa.Column("number", _NUMBER, primary_key=True),
        sa.Column("is_prefix", sa.Boolean, nullable=False),
        sa.Column("reason", _DETAIL, nullable=False),
        sa.Column("added_by", _ID, nullable=False),
        sa.Column("added_at", _TIME, nullable=False),
        sqlite_with_rowid=False,
    )


def _create_settings() -> None:
    op.create_table(
        "enterprise_protection",
        sa.Column("enterprise_id", _ID, sa.ForeignKey("enterprise.id"), primary_key=True),
        sa.Column("settings", sa.Text, nullable=False),
    )
    op.create_table(
        "application_protection",
        sa.Column("app_id", _ID, sa.ForeignKey("application.app_id"), primary_key=True),
        sa.Column("ignores_quiet_hours", sa.Boolean, nullable=False),
        sa.Column("ignores_platform_quiet_hours", sa.Boolean, nullable=False),
    )
    op.create_table(
        "platform_protection",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("settings", sa.Text, nullable=False),
    )


def _create_imports() -> None:
    op.create_table(
        "import_job",
        sa.Column("id", _ID, primary_key=True),
        sa.Column("node_id", _ID, nullable=False),
        sa.Column("scope", _ID, nullable=False),
        sa.Column("kind", _WORD, nullable=False),
        sa.Column("state", _WORD, nullable=False),
        sa.Column("is_all_or_nothing", sa.Boolean, nullable=False),
        sa.Column("rows_read", sa.Integer, nullable=False),
        sa.Column("added", sa.Integer, nullable=False),
        sa.Column("changed", sa.Integer, nullable=False),
        sa.Column("unchanged", sa.Integer, nullable=False),
        sa.Column("refused", sa.Integer, nullable=False),
        sa.Column("error", _DETAIL),
        sa.Column("created_by", _ID, nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("finished_at", _TIME),
    )
    op.create_index("import_job_in_order", "import_job", ["scope", "kind", "id"])
    op.create_table(
        "import_problem",
        sa.Column("job_id", _ID, sa.ForeignKey("import_job.id"), primary_key=True),
        sa.Column("row", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("problem", _DETAIL, nullable=False),
        sqlite_with_rowid=False,
    )
