"""The tables, as the newest migration leaves them; a test holds the two together."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    false,
    text,
)

from clicktodial.control.delivery import ANSWER_CHARACTERS_MAX
from clicktodial.storage.instant import UtcMillis

# Lengths bound what is stored; PostgreSQL enforces them, SQLite relies on the writers.
IDENTIFIER_CHARACTERS_MAX = 64
NUMBER_CHARACTERS_MAX = 32
WORD_CHARACTERS_MAX = 32
NAME_CHARACTERS_MAX = 200
URL_CHARACTERS_MAX = 2048
DETAIL_CHARACTERS_MAX = 256

# What every application could do before there were capabilities.
CAPABILITIES = "click-to-dial,recording,messages"
OPEN_CALL = text("state <> 'ended'")
PENDING_EVENT = text("delivery_state = 'pending'")
# Of these a pair has one at a time, whichever node is asked (call_plan.CallPlan.api).
SOLE_CALL = text("api = 'camara' AND state NOT IN ('finishing', 'ended')")
# A scheme, a host of 253 characters (RFC 1035 2.3.4) or an address, a port.
ORIGIN_CHARACTERS_MAX = 300

KEPT_TOKEN = text("token_encrypted IS NOT NULL")

metadata = MetaData()

enterprise = Table(
    "enterprise",
    metadata,
    Column("id", String(IDENTIFIER_CHARACTERS_MAX), primary_key=True),
    Column("name", String(NAME_CHARACTERS_MAX), nullable=False),
    Column("status", String(WORD_CHARACTERS_MAX), nullable=False),
    Column("limits", Text, nullable=False, server_default="{}"),
    # Where in its life it is (domain.enterprise); `status` is what of that concerns calls.
    Column("state", String(WORD_CHARACTERS_MAX), nullable=False, server_default="active"),
    Column("region", String(WORD_CHARACTERS_MAX)),
    Column("account_manager", String(IDENTIFIER_CHARACTERS_MAX)),
    Column("state_since", UtcMillis),
    # Whether its running calls end with the status that it has now.
    Column("ends_calls", Boolean, nullable=False, server_default=false()),
    Index("enterprise_by_manager", "account_manager"),
)

application = Table(
    "application",
    metadata,
    Column("app_id", String(IDENTIFIER_CHARACTERS_MAX), primary_key=True),
    Column("enterprise_id", ForeignKey("enterprise.id"), nullable=False),
    Column("name", String(NAME_CHARACTERS_MAX), nullable=False),
    Column("status", String(WORD_CHARACTERS_MAX), nullable=False),
    Column("secret_encrypted", LargeBinary, nullable=False),
    Column("signing_secret_encrypted", LargeBinary, nullable=False),
    Column("notify_url", String(URL_CHARACTERS_MAX)),
    Column("allow_private_addresses", Boolean, nullable=False),
    Column("max_duration_s", Integer),
    Column("created_at", UtcMillis, nullable=False),
    Column("options", Text, nullable=False, server_default="{}"),
    Column("old_secret_encrypted", LargeBinary),
    Column("old_secret_until", UtcMillis),
    Column("capabilities", Text, nullable=False, server_default=CAPABILITIES),
    Column("allow_list", Text, nullable=False, server_default="[]"),
    Column("limits", Text, nullable=False, server_default="{}"),
    Column("scopes", Text),  # of its access tokens at most; null: all that there are
    # Whether it is told when the pool passes a threshold.
    Column("pool_alerts", Boolean, nullable=False, server_default=false()),
    Index("application_by_enterprise", "enterprise_id", "app_id"),
)

application_number = Table(
    "application_number",
    metadata,
    Column("app_id", ForeignKey("application.app_id"), primary_key=True),
    Column("e164", String(NUMBER_CHARACTERS_MAX), primary_key=True),
    Index("application_number_by_number", "e164"),
)

trunk = Table(
    "trunk",
    metadata,
    Column("name", String(IDENTIFIER_CHARACTERS_MAX), primary_key=True),
    Column("host", String(NAME_CHARACTERS_MAX), nullable=False),
    Column("port", Integer, nullable=False),
    Column("transport", String(WORD_CHARACTERS_MAX), nullable=False),
    Column("priority", Integer, nullable=False),
    Column("domain", String(NAME_CHARACTERS_MAX)),
    Column("answer_timeout_s", Integer, nullable=False),
    Column("enabled", Boolean, nullable=False),
    Column("settings", Text, nullable=False, server_default="{}"),
    Column("password_encrypted", LargeBinary),
)

node = Table(
    "node",
    metadata,
    Column("id", String(IDENTIFIER_CHARACTERS_MAX), primary_key=True),
    Column("started_at", UtcMillis, nullable=False),
    Column("heartbeat_at", UtcMillis, nullable=False),
    # Of the program; a node of a version before 0020 says none.
    Column("version", String(IDENTIFIER_CHARACTERS_MAX)),
)

# Not a foreign key to application: a call outlives the application that asked for it.
call = Table(
    "call",
    metadata,
    Column("id", String(IDENTIFIER_CHARACTERS_MAX), primary_key=True),
    Column("node_id", String(IDENTIFIER_CHARACTERS_MAX), nullable=False),
    Column("app_id", String(IDENTIFIER_CHARACTERS_MAX), nullable=False),
    Column("sponsor_e164", String(NUMBER_CHARACTERS_MAX), nullable=False),
    Column("sponsor_written", String(NUMBER_CHARACTERS_MAX), nullable=False),
    Column("caller_e164", String(NUMBER_CHARACTERS_MAX), nullable=False),
    Column("caller_written", String(NUMBER_CHARACTERS_MAX), nullable=False),
    Column("callee_e164", String(NUMBER_CHARACTERS_MAX), nullable=False),
    Column("callee_written", String(NUMBER_CHARACTERS_MAX), nullable=False),
    Column("recording_id", String(IDENTIFIER_CHARACTERS_MAX)),
    Column("send_direction", String(WORD_CHARACTERS_MAX)),
    Column("begun_at", UtcMillis, nullable=False),
    # In whose spelling, and where, its application is told of it (domain.event.CallApi).
    Column("api", String(WORD_CHARACTERS_MAX), nullable=False, server_default="v1"),
    Column("sink_origin", String(ORIGIN_CHARACTERS_MAX)),
    Column("state", String(WORD_CHARACTERS_MAX), nullable=False),
    Column("connected_at", UtcMillis),
    Column("ended_at", UtcMillis),
    Column("duration_s", Integer, nullable=False),
    Column("reason", String(WORD_CHARACTERS_MAX)),
    Column("ended_by", String(WORD_CHARACTERS_MAX)),
    Column("stage", String(WORD_CHARACTERS_MAX)),
    Column("leg_outcome", String(WORD_CHARACTERS_MAX)),
    Column("sip_status", Integer),
    Column("sip_text", String(DETAIL_CHARACTERS_MAX)),
    Column("q850", Integer),
    Column("recording_result", String(WORD_CHARACTERS_MAX)),
    Column("event_count", Integer, nullable=False),
    Column("reason_header", String(DETAIL_CHARACTERS_MAX)),
    Column("legs", Text),
    Index(
        "call_sole",
        "app_id",
        "caller_e164",
        "callee_e164",
        unique=True,
        sqlite_where=SOLE_CALL,
        postgresql_where=SOLE_CALL,
    ),
    Index("call_open", "node_id", sqlite_where=OPEN_CALL, postgresql_where=OPEN_CALL),
    Index("call_by_application", "app_id", "begun_at"),
    sqlite_with_rowid=False,
)

# Append-only but for its delivery columns: this is the outbox.
call_event = Table(
    "call_event",
    metadata,
    Column("call_id", ForeignKey("call.id"), primary_key=True),
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("app_id", String(IDENTIFIER_CHARACTERS_MAX), nullable=False),
    Column("status", String(WORD_CHARACTERS_MAX), nullable=False),
    Column("occurred_at", UtcMillis, nullable=False),
    Column("payload", Text, nullable=False),
    Column("delivery_state", String(WORD_CHARACTERS_MAX), nullable=False),
    Column("attempts", Integer, nullable=False),
    # Where it is delivered; NULL: to the application's own server.
    Column("sink_origin", String(ORIGIN_CHARACTERS_MAX)),
    Column("next_attempt_at", UtcMillis),
    Column("delivered_at", UtcMillis),
    Column("last_error", String(DETAIL_CHARACTERS_MAX)),
    # The last answer that came, whatever became of the tries after it.
    Column("answer_status", Integer),
    Column("answered_at", UtcMillis),
    Column("answer_text", String(ANSWER_CHARACTERS_MAX)),
    Index(
        "call_event_pending",
        "app_id",
        "call_id",
        "seq",
        sqlite_where=PENDING_EVENT,
        postgresql_where=PENDING_EVENT,
    ),
    Index("call_event_by_application", "app_id", "occurred_at", "call_id", "seq"),
    sqlite_with_rowid=False,
)

# Where the events of a call go whose application named a place for them with the call.
call_sink = Table(
    "call_sink",
    metadata,
    Column("call_id", ForeignKey("call.id"), primary_key=True),
    Column("url", String(URL_CHARACTERS_MAX), nullable=False),
    Column("token_encrypted", LargeBinary),
    Column("token_expires_at", UtcMillis),
    Index(
        "call_sink_token",
        "token_expires_at",
        sqlite_where=KEPT_TOKEN,
        postgresql_where=KEPT_TOKEN,
    ),
)

recording = Table(
    "recording",
    metadata,
    Column("recording_id", String(IDENTIFIER_CHARACTERS_MAX), primary_key=True),
    Column("call_id", String(IDENTIFIER_CHARACTERS_MAX), nullable=False),
    Column("app_id", String(IDENTIFIER_CHARACTERS_MAX), nullable=False),
    Column("key", String(URL_CHARACTERS_MAX), nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("duration_ms", BigInteger, nullable=False),
    Column("sha256", String(IDENTIFIER_CHARACTERS_MAX), nullable=False),
    Column("created_at", UtcMillis, nullable=False),
)

# How far what is forgotten of rows that stay has come, by their keys.
retention_mark = Table(
    "retention_mark",
    metadata,
    Column("name", String(WORD_CHARACTERS_MAX), primary_key=True),
    Column("upto", String(IDENTIFIER_CHARACTERS_MAX), nullable=False),
)

# One row. Its version grows with every administrative change, in the change's transaction.
administration = Table(
    "administration",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("version", BigInteger, nullable=False),
)
