"""Minutes, packages, the ledger and what calls cost."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_ID = sa.String(64)
_NUMBER = sa.String(32)
_WORD = sa.String(32)
_NAME = sa.String(200)
_TIME = sa.BigInteger
_MONEY = sa.BigInteger
_CURRENCY = sa.String(3)
_OF_A_CALL = sa.text("call_id IS NOT NULL")
_OF_NO_CALL = sa.text("call_id IS NULL")
_ACCOUNTS = (
    "granted_s",
    "available_s",
    "reserved_s",
    "consumed_s",
    "expired_s",
    "owed_micros",
    "package_micros",
    "overage_micros",
)
_SECONDS_BALANCE = "granted_s = available_s + reserved_s + consumed_s + expired_s"
_IMMUTABLE = ("ledger_entry", "cdr", "tariff")


def upgrade() -> None:
    """Make the tables, and what moves balances and forbids changes."""
    _create_pool()
    _create_package()
    _create_ledger()
    _create_cap()
    _create_cdr()
    _create_export()
    if op.get_bind().dialect.name == "postgresql":
        _create_postgresql_triggers()
    else:
        _create_sqlite_triggers()


def _accounts() -> list[sa.Column[int]]:
    return [
        sa.Column(name, sa.BigInteger, nullable=False, server_default="0") for name in _ACCOUNTS
    ]


def _create_pool() -> None:
    op.create_table(
        "tariff",
        sa.Column("id", _ID, primary_key=True),
        sa.Column("unit_s", sa.Integer, nullable=False),
        sa.Column("minimum_s", sa.Integer, nullable=False),
        sa.Column("free_below_s", sa.Integer, nullable=False),
        sa.Column("legs", sa.Integer, nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
    )
    op.create_table(
        "pool",
        sa.Column("enterprise_id", _ID, sa.ForeignKey("enterprise.id"), primary_key=True),
        sa.Column("tariff_id", _ID, sa.ForeignKey("tariff.id"), nullable=False),
        sa.Column("currency", _CURRENCY, nullable=False),
        sa.Column("alert_percents", sa.Text, nullable=False),
        sa.Column("alert_emails", sa.Text, nullable=False),
        sa.Column("has_caps", sa.Boolean, nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
    )
    op.create_table(
        "pool_alert",
        sa.Column("enterprise_id", _ID, sa.ForeignKey("pool.enterprise_id"), primary_key=True),
        sa.Column("percent", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("raised_at", _TIME, nullable=False),
    )


def _create_package() -> None:
    op.create_table(
        "package",
        sa.Column("id", _ID, primary_key=True),
        sa.Column("enterprise_id", _ID, sa.ForeignKey("pool.enterprise_id"), nullable=False),
        sa.Column("kind", _WORD, nullable=False),
        sa.Column("name", _NAME, nullable=False),
        sa.Column("seconds", sa.BigInteger, nullable=False),
        sa.Column("price_micros", _MONEY, nullable=False),
        sa.Column("micros_per_minute", _MONEY, nullable=False),
        sa.Column("valid_from", _TIME, nullable=False),
        sa.Column("valid_until", _TIME, nullable=False),
        sa.Column("carry_months", sa.Integer, nullable=False),
        sa.Column("sold_by", _ID, nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("ended_at", _TIME),
    )
    op.create_index("package_by_enterprise", "package", ["enterprise_id", "id"])
    op.create_table(
        "package_lot",
        sa.Column("id", _ID, primary_key=True),
        sa.Column("package_id", _ID, sa.ForeignKey("package.id"), nullable=False),
        sa.Column("enterprise_id", _ID, sa.ForeignKey("pool.enterprise_id"), nullable=False),
        sa.Column("period", _WORD, nullable=False),
        sa.Column("is_overage", sa.Boolean, nullable=False),
        sa.Column("micros_per_minute", _MONEY, nullable=False),
        sa.Column("valid_from", _TIME, nullable=False),
        sa.Column("valid_until", _TIME, nullable=False),
        *_accounts(),
        sa.UniqueConstraint("package_id", "period", name="package_lot_once"),
        sa.CheckConstraint(_SECONDS_BALANCE, name="package_lot_balances"),
        sa.CheckConstraint(
            "available_s >= 0 AND reserved_s >= 0 AND consumed_s >= 0 AND expired_s >= 0",
            name="package_lot_not_below_zero",
        ),
    )
    op.create_index(
        "package_lot_in_order", "package_lot", ["enterprise_id", "is_overage", "valid_until", "id"]
    )


def _create_ledger() -> None:
    op.create_table(
        "ledger_entry",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
        sa.Column("kind", _WORD, nullable=False),
        sa.Column("enterprise_id", _ID, nullable=False),
        sa.Column("lot_id", _ID, sa.ForeignKey("package_lot.id"), nullable=False),
        sa.Column("call_id", _ID),
        sa.Column("occurred_at", _TIME, nullable=False),
        *_accounts(),
        sa.Column("context", sa.Text),
        sa.CheckConstraint(_SECONDS_BALANCE, name="ledger_entry_balances"),
        sa.CheckConstraint(
            "owed_micros = package_micros + overage_micros", name="ledger_entry_money_balances"
        ),
    )
    op.create_index(
        "ledger_entry_of_call",
        "ledger_entry",
        ["call_id", "lot_id"],
        sqlite_where=_OF_A_CALL,
        postgresql_where=_OF_A_CALL,
    )
    op.create_index(
        "ledger_entry_of_lot",
        "ledger_entry",
        ["lot_id"],
        sqlite_where=_OF_NO_CALL,
        postgresql_where=_OF_NO_CALL,
    )


def _create_cap() -> None:
    op.create_table(
        "usage_cap",
        sa.Column("id", _ID, primary_key=True),
        sa.Column("enterprise_id", _ID, sa.ForeignKey("pool.enterprise_id"), nullable=False),
        sa.Column("scope", _WORD, nullable=False),
        sa.Column("key", _ID, nullable=False),
        sa.Column("period", _WORD, nullable=False),
        sa.Column("limit_s", sa.BigInteger, nullable=False),
        sa.UniqueConstraint("enterprise_id", "scope", "key", "period", name="usage_cap_once"),
    )
    op.create_table(
        "cap_usage",
        sa.Column("cap_id", _ID, primary_key=True),
        sa.Column("key", _NAME, primary_key=True),
        sa.Column("period", _WORD, primary_key=True),
        sa.Column("used_s", sa.BigInteger, nullable=False),
        sa.Column("limit_s", sa.BigInteger, nullable=False),
        sa.CheckConstraint("used_s >= 0", name="cap_usage_not_below_zero"),
        sqlite_with_rowid=False,
    )


def _create_cdr() -> None:
    op.create_table(
        "cdr",
        sa.Column("call_id", _ID, primary_key=True),
        sa.Column("enterprise_id", _ID, nullable=False),
        sa.Column("node_id", _ID, nullable=False),
        sa.Column("app_id", _ID, nullable=False),
        sa.Column("sponsor_e164", _NUMBER, nullable=False),
        sa.Column("caller_e164", _NUMBER, nullable=False),
        sa.Column("callee_e164", _NUMBER, nullable=False),
        sa.Column("recording_id", _ID),
        sa.Column("recording_result", _WORD),
        sa.Column("send_direction", _WORD),
        sa.Column("begun_at", _TIME, nullable=False),
        sa.Column("connected_at", _TIME),
        sa.Column("ended_at", _TIME, nullable=False),
        sa.Column("duration_s", sa.Integer, nullable=False),
        sa.Column("reason", _WORD, nullable=False),
        sa.Column("ended_by", _WORD),
        sa.Column("stage", _WORD),
        sa.Column("leg_outcome", _WORD),
        sa.Column("sip_status", sa.Integer),
        sa.Column("q850", sa.Integer),
        sa.Column("legs", sa.Text),
        sa.Column("member", _ID, nullable=False),
        sa.Column("department", _NAME),
        sa.Column("tariff_id", _ID, nullable=False),
        sa.Column("legs_counted", sa.Integer, nullable=False),
        sa.Column("rated_s", sa.BigInteger, nullable=False),
        sa.Column("billed_s", sa.BigInteger, nullable=False),
        sa.Column("overage_s", sa.BigInteger, nullable=False),
        sa.Column("price_micros", _MONEY, nullable=False),
        sa.Column("lots", sa.Text, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("cdr_by_enterprise", "cdr", ["enterprise_id", "ended_at", "call_id"])


def _create_export() -> None:
    op.create_table(
        "export_file",
        sa.Column("id", _ID, primary_key=True),
        sa.Column("enterprise_id", _ID, nullable=False),
        sa.Column("kind", _WORD, nullable=False),
        sa.Column("period", _WORD, nullable=False),
        sa.Column("path", sa.String(2048), nullable=False),
        sa.Column("row_count", sa.BigInteger, nullable=False),
        sa.Column("size_bytes", sa.BigInteger, nullable=False),
        sa.Column("sha256", sa.String(256), nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.UniqueConstraint("enterprise_id", "kind", "period", name="export_file_once"),
    )


def _movement() -> str:
    moves = ", ".join(f"{name} = {name} + NEW.{name}" for name in _ACCOUNTS)
    return f"UPDATE package_lot SET {moves} WHERE id = NEW.lot_id"


def _create_sqlite_triggers() -> None:
    op.execute(
        "CREATE TRIGGER ledger_entry_moves_lot AFTER INSERT ON ledger_entry"
        f" BEGIN {_movement()}; END"
    )
    for table in _IMMUTABLE:
        for verb in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER {table}_no_{verb.lower()} BEFORE {verb} ON {table}"
                f" BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
            )


def _create_postgresql_triggers() -> None:
    op.execute(
        "CREATE FUNCTION ledger_entry_moves_lot() RETURNS trigger LANGUAGE plpgsql AS"
        f" $$ BEGIN {_movement()}; RETURN NULL; END $$"
    )
    op.execute(
        "CREATE TRIGGER ledger_entry_moves_lot AFTER INSERT ON ledger_entry"
        " FOR EACH ROW EXECUTE FUNCTION ledger_entry_moves_lot()"
    )
    op.execute(
        "CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN RAISE EXCEPTION '% is append-only', TG_TABLE_NAME"
        " USING ERRCODE = 'restrict_violation'; END $$"
    )
    for table in _IMMUTABLE:
        op.execute(
            f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table}"
            " FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
        )
