"""Finding calls by number and by why they failed; what CDRs come to."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

_ID = sa.String(64)
_NAME = sa.String(200)
_TIME = sa.BigInteger
_FAILED = sa.text("reason <> 'HangUp'")
_SUMMED = ("calls", "connected", "duration_s", "billed_s", "overage_s", "price_micros")
# The offsets of all time zones are whole quarters of an hour: one lies in one day.
_QUARTER_MS = 900_000
# A transaction that writes CDRs of calls which just ended is over long before they are summed up;
# of others it is told under a lock.
_LATE_MS = 300_000


def upgrade() -> None:
    """Make indexes and tables. Sums are made by and by, by the nodes."""
    for name in ("caller", "callee", "sponsor"):
        op.create_index(f"cdr_by_{name}", "cdr", [f"{name}_e164", "app_id", "begun_at", "call_id"])
    op.create_index(
        "cdr_by_failure",
        "cdr",
        ["app_id", "reason", "begun_at", "call_id"],
        sqlite_where=_FAILED,
        postgresql_where=_FAILED,
    )
    op.create_table(
        "cdr_sum",
        sa.Column("enterprise_id", _ID, primary_key=True),
        sa.Column("begins_at", _TIME, primary_key=True),
        sa.Column("app_id", _ID, primary_key=True),
        sa.Column("department", _NAME, primary_key=True),
        *(sa.Column(name, sa.BigInteger, nullable=False) for name in _SUMMED),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "cdr_sum_mark",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("zone", _NAME, nullable=False),
        sa.Column("upto", _TIME, nullable=False),
        sa.Column("merged_upto", _TIME, nullable=False),
    )
    op.execute("INSERT INTO cdr_sum_mark (id, zone, upto, merged_upto) VALUES (1, '', 0, 0)")
    if op.get_bind().dialect.name == "postgresql":
        _create_postgresql_trigger()
    else:
        _create_sqlite_trigger()


def _addition() -> str:
    sums = ", ".join(f"{name} = cdr_sum.{name} + excluded.{name}" for name in _SUMMED)
    return (
        f"INSERT INTO cdr_sum (enterprise_id, begins_at, app_id, department, {', '.join(_SUMMED)})"
        f" VALUES (NEW.enterprise_id, NEW.ended_at - NEW.ended_at % {_QUARTER_MS}, NEW.app_id,"
        " coalesce(NEW.department, ''), 1,"
        " CASE WHEN NEW.connected_at IS NULL THEN 0 ELSE 1 END,"
        " NEW.duration_s, NEW.billed_s, NEW.overage_s, NEW.price_micros)"
        " ON CONFLICT (enterprise_id, begins_at, app_id, department)"
        f" DO UPDATE SET {sums}"
    )


def _create_sqlite_trigger() -> None:
    op.execute(
        "CREATE TRIGGER cdr_late AFTER INSERT ON cdr"
        " WHEN NEW.ended_at < (SELECT upto FROM cdr_sum_mark WHERE id = 1)"
        f" BEGIN {_addition()}; END"
    )


def _create_postgresql_trigger() -> None:
    """Whoever sums up holds the lock of the mark: a late CDR is in what is read under it, or finds
    the mark moved."""
    op.execute(
        "CREATE FUNCTION cdr_late() RETURNS trigger LANGUAGE plpgsql AS $$"
        " DECLARE mark bigint;"
        " BEGIN"
        "  SELECT upto INTO mark FROM cdr_sum_mark WHERE id = 1;"
        "  IF NEW.ended_at >= mark AND NEW.ended_at >="
        f"    extract(epoch FROM clock_timestamp()) * 1000 - {_LATE_MS} THEN RETURN NULL; END IF;"
        "  SELECT upto INTO mark FROM cdr_sum_mark WHERE id = 1 FOR SHARE;"
        f"  IF NEW.ended_at < mark THEN {_addition()}; END IF;"
        "  RETURN NULL;"
        " END $$"
    )
    op.execute(
        "CREATE TRIGGER cdr_late AFTER INSERT ON cdr FOR EACH ROW EXECUTE FUNCTION cdr_late()"
    )
