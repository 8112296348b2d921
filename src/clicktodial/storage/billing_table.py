"""Minutes, packages, the ledger and what calls cost. The tables of migration 0008, and of
0020 what somebody asks to be exported.

A row of `ledger_entry` is one balanced transaction: a column for each account, and the database
checks that they balance. Whoever appends one has moved the balances of its lot by that, for a
trigger of migration 0008 does it; no program writes the balances. Rows of the ledger, of `cdr`
and of `tariff` are never changed nor deleted, which triggers see to.
"""

from datetime import UTC, datetime

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from clicktodial.control.delivery import ANSWER_CHARACTERS_MAX
from clicktodial.storage.instant import UtcMillis
from clicktodial.storage.table import (
    DETAIL_CHARACTERS_MAX,
    IDENTIFIER_CHARACTERS_MAX,
    NAME_CHARACTERS_MAX,
    NUMBER_CHARACTERS_MAX,
    URL_CHARACTERS_MAX,
    WORD_CHARACTERS_MAX,
    metadata,
)

# What has no end is valid until then, so that one comparison serves both.
FOREVER = datetime(9999, 1, 1, tzinfo=UTC)
CURRENCY_CHARACTERS = 3

# The accounts of a lot in seconds: what came in stands on the first, where it is on the others.
SECOND_ACCOUNTS = ("granted_s", "available_s", "reserved_s", "consumed_s", "expired_s")
# And in money: what the enterprise owes, and what it owes it for.
MONEY_ACCOUNTS = ("owed_micros", "package_micros", "overage_micros")
ACCOUNTS = SECOND_ACCOUNTS + MONEY_ACCOUNTS
_SECONDS_BALANCE = "granted_s = available_s + reserved_s + consumed_s + expired_s"
_MONEY_BALANCES = "owed_micros = package_micros + overage_micros"
OF_A_CALL = text("call_id IS NOT NULL")
OF_NO_CALL = text("call_id IS NULL")


def _accounts() -> list[Column[int]]:
    return [Column(name, BigInteger, nullable=False, server_default="0") for name in ACCOUNTS]


tariff = Table(
    "tariff",
    metadata,
    Column("id", String(IDENTIFIER_CHARACTERS_MAX), primary_key=True),
    Column("unit_s", Integer, nullable=False),
    Column("minimum_s", Integer, nullable=False),
    Column("free_below_s", Integer, nullable=False),
    Column("legs", Integer, nullable=False),
    Column("created_at", UtcMillis, nullable=False),
)

# An enterprise without a row here pays nothing, and its calls add to their CDRs alone.
pool = Table(
    "pool",
    metadata,
    Column("enterprise_id", ForeignKey("enterprise.id"), primary_key=True),
    Column("tariff_id", ForeignKey("tariff.id"), nullable=False),
    # Of all its money, for good: sums of it mean something.
    Column("currency", String(CURRENCY_CHARACTERS), nullable=False),
    Column("alert_percents", Text, nullable=False),
    Column("alert_emails", Text, nullable=False),
    Column("has_caps", Boolean, nullable=False),
    Column("created_at", UtcMillis, nullable=False),
)

package = Table(
    "package",
    metadata,
    Column("id", String(IDENTIFIER_CHARACTERS_MAX), primary_key=True),
    Column("enterprise_id", ForeignKey("pool.enterprise_id"), nullable=False),
    Column("kind", String(WORD_CHARACTERS_MAX), nullable=False),
    Column("name", String(NAME_CHARACTERS_MAX), nullable=False),
    Column("seconds", BigInteger, nullable=False),
    Column("price_micros", BigInteger, nullable=False),
    Column("micros_per_minute", BigInteger, nullable=False),
    Column("valid_from", UtcMillis, nullable=False),
    Column("valid_until", UtcMillis, nullable=False),
    Column("carry_months", Integer, nullable=False),
    Column("sold_by", String(IDENTIFIER_CHARACTERS_MAX), nullable=False),
    Column("created_at", UtcMillis, nullable=False),
    Column("ended_at", UtcMillis),
    Index("package_by_enterprise", "enterprise_id", "id"),
)

# What was granted at once: a one-off package once, a monthly one each month.
package_lot = Table(
    "package_lot",
    metadata,
    Column("id", String(IDENTIFIER_CHARACTERS_MAX), primary_key=True),
    Column("package_id", ForeignKey("package.id"), nullable=False),
    Column("enterprise_id", ForeignKey("pool.enterprise_id"), nullable=False),
    Column("period", String(WORD_CHARACTERS_MAX), nullable=False),
    Column("is_overage", Boolean, nullable=False),
    Column("micros_per_minute", BigInteger, nullable=False),
    Column("valid_from", UtcMillis, nullable=False),
    Column("valid_until", UtcMillis, nullable=False),
    *_accounts(),
    UniqueConstraint("package_id", "period", name="package_lot_once"),
    CheckConstraint(_SECONDS_BALANCE, name="package_lot_balances"),
    CheckConstraint(
        "available_s >= 0 AND reserved_s >= 0 AND consumed_s >= 0 AND expired_s >= 0",
        name="package_lot_not_below_zero",
    ),
    # No column that a call changes: it must cost no call anything.
    Index("package_lot_in_order", "enterprise_id", "is_overage", "valid_until", "id"),
)

ledger_entry = Table(
    "ledger_entry",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("kind", String(WORD_CHARACTERS_MAX), nullable=False),
    Column("enterprise_id", String(IDENTIFIER_CHARACTERS_MAX), nullable=False),
    Column("lot_id", ForeignKey("package_lot.id"), nullable=False),
    Column("call_id", String(IDENTIFIER_CHARACTERS_MAX)),
    Column("occurred_at", UtcMillis, nullable=False),
    *_accounts(),
    Column("context", Text),
    CheckConstraint(_SECONDS_BALANCE, name="ledger_entry_balances"),
    CheckConstraint(_MONEY_BALANCES, name="ledger_entry_money_balances"),
    Index(
        "ledger_entry_of_call",
        "call_id",
        "lot_id",
        sqlite_where=OF_A_CALL,
        postgresql_where=OF_A_CALL,
    ),
    Index(
        "ledger_entry_of_lot",
        "lot_id",
        sqlite_where=OF_NO_CALL,
        postgresql_where=OF_NO_CALL,
    ),
)

cap = Table(
    "usage_cap",
    metadata,
    Column("id", String(IDENTIFIER_CHARACTERS_MAX), primary_key=True),
    Column("enterprise_id", ForeignKey("pool.enterprise_id"), nullable=False),
    Column("scope", String(WORD_CHARACTERS_MAX), nullable=False),
    Column("key", String(IDENTIFIER_CHARACTERS_MAX), nullable=False),
    Column("period", String(WORD_CHARACTERS_MAX), nullable=False),
    Column("limit_s", BigInteger, nullable=False),
    UniqueConstraint("enterprise_id", "scope", "key", "period", name="usage_cap_once"),
)

cap_usage = Table(
    "cap_usage",
    metadata,
    Column("cap_id", String(IDENTIFIER_CHARACTERS_MAX), primary_key=True),
    # Of a cap for each of them any department's name, which may be longer than a cap's own key.
    Column("key", String(NAME_CHARACTERS_MAX), primary_key=True),
    Column("period", String(WORD_CHARACTERS_MAX), primary_key=True),
    Column("used_s", BigInteger, nullable=False),
    Column("limit_s", BigInteger, nullable=False),
    CheckConstraint("used_s >= 0", name="cap_usage_not_below_zero"),
    sqlite_with_rowid=False,
)

pool_alert = Table(
    "pool_alert",
    metadata,
    Column("enterprise_id", ForeignKey("pool.enterprise_id"), primary_key=True),
    Column("percent", Integer, primary_key=True, autoincrement=False),
    Column("raised_at", UtcMillis, nullable=False),
)

# Append-only but for its delivery columns: the outbox of alerts, beside that of calls' events.
PENDING_NOTICE = text("delivery_state = 'pending'")
pool_notice = Table(
    "pool_notice",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("app_id", String(IDENTIFIER_CHARACTERS_MAX), nullable=False),
    Column("payload", Text, nullable=False),
    Column("created_at", UtcMillis, nullable=False),
    Column("delivery_state", String(WORD_CHARACTERS_MAX), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("next_attempt_at", UtcMillis),
    Column("delivered_at", UtcMillis),
    Column("last_error", String(DETAIL_CHARACTERS_MAX)),
    Column("answer_status", Integer),
    Column("answered_at", UtcMillis),
    Column("answer_text", String(ANSWER_CHARACTERS_MAX)),
    Index(
        "pool_notice_pending",
        "app_id",
        "id",
        sqlite_where=PENDING_NOTICE,
        postgresql_where=PENDING_NOTICE,
    ),
    Index("pool_notice_by_application", "app_id", "id"),
    sqlite_autoincrement=True,
)

# What is copied of the call's row, under the same names.
CALL_COLUMNS = (
    "node_id",
    "app_id",
    "sponsor_e164",
    "caller_e164",
    "callee_e164",
    "recording_id",
    "recording_result",
    "send_direction",
    "begun_at",
    "connected_at",
    "ended_at",
    "duration_s",
    "reason",
    "ended_by",
    "stage",
    "leg_outcome",
    "sip_status",
    "q850",
    "legs",
)

SUMMED = ("calls", "connected", "duration_s", "billed_s", "overage_s", "price_micros")
FAILED_CALL = text("reason <> 'HangUp'")

cdr = Table(
    "cdr",
    metadata,
    Column("call_id", String(IDENTIFIER_CHARACTERS_MAX), primary_key=True),
    Column("enterprise_id", String(IDENTIFIER_CHARACTERS_MAX), nullable=False),
    Column("node_id", String(IDENTIFIER_CHARACTERS_MAX), nullable=False),
    Column("app_id", String(IDENTIFIER_CHARACTERS_MAX), nullable=False),
    Column("sponsor_e164", String(NUMBER_CHARACTERS_MAX), nullable=False),
    Column("caller_e164", String(NUMBER_CHARACTERS_MAX), nullable=False),
    Column("callee_e164", String(NUMBER_CHARACTERS_MAX), nullable=False),
    Column("recording_id", String(IDENTIFIER_CHARACTERS_MAX)),
    Column("recording_result", String(WORD_CHARACTERS_MAX)),
    Column("send_direction", String(WORD_CHARACTERS_MAX)),
    Column("begun_at", UtcMillis, nullable=False),
    Column("connected_at", UtcMillis),
    Column("ended_at", UtcMillis, nullable=False),
    Column("duration_s", Integer, nullable=False),
    Column("reason", String(WORD_CHARACTERS_MAX), nullable=False),
    Column("ended_by", String(WORD_CHARACTERS_MAX)),
    Column("stage", String(WORD_CHARACTERS_MAX)),
    Column("leg_outcome", String(WORD_CHARACTERS_MAX)),
    Column("sip_status", Integer),
    Column("q850", Integer),
    Column("legs", Text),
    Column("member", String(IDENTIFIER_CHARACTERS_MAX), nullable=False),
    Column("department", String(NAME_CHARACTERS_MAX)),
    Column("tariff_id", String(IDENTIFIER_CHARACTERS_MAX), nullable=False),
    Column("legs_counted", Integer, nullable=False),
    Column("rated_s", BigInteger, nullable=False),
    Column("billed_s", BigInteger, nullable=False),
    Column("overage_s", BigInteger, nullable=False),
    Column("price_micros", BigInteger, nullable=False),
    Column("lots", Text, nullable=False),
    # domain.minutes.Charging. What is not charged has no tariff: its identifier is empty.
    Column("charging", String(WORD_CHARACTERS_MAX), nullable=False, server_default="rated"),
    Index("cdr_by_enterprise", "enterprise_id", "ended_at", "call_id"),
    # By who called, who was called, and the number that both saw.
    Index("cdr_by_caller", "caller_e164", "app_id", "begun_at", "call_id"),
    Index("cdr_by_callee", "callee_e164", "app_id", "begun_at", "call_id"),
    Index("cdr_by_sponsor", "sponsor_e164", "app_id", "begun_at", "call_id"),
    # Of what most calls come to, no index: whoever looks for it finds it anywhere.
    Index(
        "cdr_by_failure",
        "app_id",
        "reason",
        "begun_at",
        "call_id",
        sqlite_where=FAILED_CALL,
        postgresql_where=FAILED_CALL,
    ),
    sqlite_with_rowid=False,
)

# What CDRs come to, of which their statements and charts are made without them: of all that ended
# before the mark. `begins_at` lies in the day, of the time zone of the mark, on which they ended;
# a day that is over has one row for each application and department, and those whose CDRs came
# late. `department` is empty where there is none. See billing.use.
cdr_sum = Table(
    "cdr_sum",
    metadata,
    Column("enterprise_id", String(IDENTIFIER_CHARACTERS_MAX), primary_key=True),
    Column("begins_at", UtcMillis, primary_key=True),
    Column("app_id", String(IDENTIFIER_CHARACTERS_MAX), primary_key=True),
    Column("department", String(NAME_CHARACTERS_MAX), primary_key=True),
    *(Column(name, BigInteger, nullable=False) for name in SUMMED),
    sqlite_with_rowid=False,
)

# One row: CDRs that ended before `upto` are in the sums, days before `merged_upto` are merged. A
# CDR that is written later is added to the sums by a trigger.
cdr_sum_mark = Table(
    "cdr_sum_mark",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("zone", String(NAME_CHARACTERS_MAX), nullable=False),
    Column("upto", UtcMillis, nullable=False),
    Column("merged_upto", UtcMillis, nullable=False),
)

# Files that were made of CDRs, under the data directory.
export_file = Table(
    "export_file",
    metadata,
    Column("id", String(IDENTIFIER_CHARACTERS_MAX), primary_key=True),
    Column("enterprise_id", String(IDENTIFIER_CHARACTERS_MAX), nullable=False),
    Column("kind", String(WORD_CHARACTERS_MAX), nullable=False),
    Column("period", String(WORD_CHARACTERS_MAX), nullable=False),
    Column("path", String(URL_CHARACTERS_MAX), nullable=False),
    Column("row_count", BigInteger, nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("sha256", String(DETAIL_CHARACTERS_MAX), nullable=False),
    Column("created_at", UtcMillis, nullable=False),
    UniqueConstraint("enterprise_id", "kind", "period", name="export_file_once"),
)

# Files of a span that somebody asked for (billing/export_order.py).
export_order = Table(
    "export_order",
    metadata,
    Column("id", String(IDENTIFIER_CHARACTERS_MAX), primary_key=True),
    Column("enterprise_id", String(IDENTIFIER_CHARACTERS_MAX), nullable=False),
    Column("kind", String(WORD_CHARACTERS_MAX), nullable=False),
    Column("since", UtcMillis, nullable=False),
    Column("until", UtcMillis, nullable=False),
    Column("asked_by", String(IDENTIFIER_CHARACTERS_MAX), nullable=False),
    Column("asked_at", UtcMillis, nullable=False),
    Column("state", String(WORD_CHARACTERS_MAX), nullable=False),
    Column("row_count", BigInteger, nullable=False),
    Column("row_total", BigInteger),
    Column("size_bytes", BigInteger),
    Column("sha256", String(DETAIL_CHARACTERS_MAX)),
    Column("failure", String(WORD_CHARACTERS_MAX)),
    Column("changed_at", UtcMillis, nullable=False),
    Index("export_order_by_time", "asked_at", "id"),
    Index("export_order_by_state", "state", "asked_at"),
)

TABLES = (
    tariff,
    pool,
    package,
    package_lot,
    ledger_entry,
    cap,
    cap_usage,
    pool_alert,
    pool_notice,
    cdr,
    cdr_sum,
    cdr_sum_mark,
    export_file,
    export_order,
)
IMMUTABLE = (ledger_entry, cdr, tariff)
