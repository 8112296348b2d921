"""Members, and the protection of those who are called. The tables of migration 0007."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    Text,
    UniqueConstraint,
    or_,
)

from clicktodial.storage.instant import UtcMillis
from clicktodial.storage.table import (
    DETAIL_CHARACTERS_MAX,
    IDENTIFIER_CHARACTERS_MAX,
    NAME_CHARACTERS_MAX,
    NUMBER_CHARACTERS_MAX,
    WORD_CHARACTERS_MAX,
    metadata,
)

# As other remarks that people write.
NOTE_CHARACTERS_MAX = DETAIL_CHARACTERS_MAX
# All three as long as they may be, and a little more: small letters may be longer than capitals.
SEARCH_TEXT_CHARACTERS_MAX = 300
# The base64 of a keyed hash.
NUMBER_KEY_CHARACTERS = 44

department = Table(
    "department",
    metadata,
    Column("id", String(IDENTIFIER_CHARACTERS_MAX), primary_key=True),
    Column("enterprise_id", ForeignKey("enterprise.id"), nullable=False),
    Column("name", String(NAME_CHARACTERS_MAX), nullable=False),
    Column("calls_per_day", Integer),
    Column("calls_per_month", Integer),
    Column("created_at", UtcMillis, nullable=False),
    UniqueConstraint("enterprise_id", "name", name="department_once"),
)

member = Table(
    "member",
    metadata,
    Column("id", String(IDENTIFIER_CHARACTERS_MAX), primary_key=True),
    Column("enterprise_id", ForeignKey("enterprise.id"), nullable=False),
    Column("e164", String(NUMBER_CHARACTERS_MAX), nullable=False),
    Column("name", String(NAME_CHARACTERS_MAX), nullable=False),
    Column("department_id", ForeignKey("department.id")),
    Column("employee_id", String(IDENTIFIER_CHARACTERS_MAX), nullable=False),
    Column("note", String(NOTE_CHARACTERS_MAX), nullable=False),
    Column("calls_per_day", Integer),
    Column("calls_per_month", Integer),
    Column("created_at", UtcMillis, nullable=False),
    # Number, employee id and name in small letters, a line each: what a search looks through. In
    # the index, so that it reads nothing else.
    Column("search_text", String(SEARCH_TEXT_CHARACTERS_MAX), nullable=False, server_default=""),
    UniqueConstraint("enterprise_id", "e164", name="member_once"),
    Index("member_in_order", "enterprise_id", "id", "search_text"),
    Index("member_of_department", "department_id", "id"),
)
# Whether an enterprise has any member with a cap of its own is asked at each load of an
# application, and most have none.
_HAS_CAP = or_(member.c.calls_per_day.is_not(None), member.c.calls_per_month.is_not(None))
Index(
    "member_capped",
    member.c.enterprise_id,
    sqlite_where=_HAS_CAP,
    postgresql_where=_HAS_CAP,
)

# Calls that count towards a cap, by whose they are (`m:` or `d:` and the identifier).
call_count = Table(
    "call_count",
    metadata,
    Column("subject", String(IDENTIFIER_CHARACTERS_MAX + 2), primary_key=True),
    Column("period", String(WORD_CHARACTERS_MAX), primary_key=True),
    Column("calls", BigInteger, nullable=False),
    Column("expires_at", UtcMillis, nullable=False),
    Index("call_count_by_expiry", "expires_at"),
    sqlite_with_rowid=False,
)

# When a callee was called lately: a JSON list of milliseconds since 1970. `scope` is the
# enterprise, or empty for the platform. Changed by compare-and-set on `version`.
callee_window = Table(
    "callee_window",
    metadata,
    Column("callee_key", String(NUMBER_KEY_CHARACTERS), primary_key=True),
    Column("scope", String(IDENTIFIER_CHARACTERS_MAX), primary_key=True),
    Column("times_ms", Text, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("expires_at", UtcMillis, nullable=False),
    Index("callee_window_by_expiry", "expires_at"),
    sqlite_with_rowid=False,
)

# Numbers that are not to be called, and exceptions; by a keyed hash, since those on it are the
# ones who want least to be known. `shown` is the number with its middle hidden.
number_list = Table(
    "number_list",
    metadata,
    Column("number_key", String(NUMBER_KEY_CHARACTERS), primary_key=True),
    Column("scope", String(IDENTIFIER_CHARACTERS_MAX), primary_key=True),
    Column("kind", String(WORD_CHARACTERS_MAX), primary_key=True),
    Column("id", String(IDENTIFIER_CHARACTERS_MAX), nullable=False, unique=True),
    Column("shown", String(NUMBER_CHARACTERS_MAX), nullable=False),
    Column("reason", String(DETAIL_CHARACTERS_MAX), nullable=False),
    Column("source", String(DETAIL_CHARACTERS_MAX), nullable=False),
    Column("added_by", String(IDENTIFIER_CHARACTERS_MAX), nullable=False),
    Column("added_at", UtcMillis, nullable=False),
    Column("expires_at", UtcMillis),
    Index("number_list_in_order", "scope", "kind", "id"),
    sqlite_with_rowid=False,
)

# Numbers and prefixes that the operator lets nobody call, nor call from; E.164 with plus.
blacklist = Table(
    "blacklist",
    metadata,
    Column("number", String(NUMBER_CHARACTERS_MAX), primary_key=True),
    Column("is_prefix", Boolean, nullable=False),
    Column("reason", String(DETAIL_CHARACTERS_MAX), nullable=False),
    Column("added_by", String(IDENTIFIER_CHARACTERS_MAX), nullable=False),
    Column("added_at", UtcMillis, nullable=False),
    sqlite_with_rowid=False,
)

enterprise_protection = Table(
    "enterprise_protection",
    metadata,
    Column("enterprise_id", ForeignKey("enterprise.id"), primary_key=True),
    Column("settings", Text, nullable=False),
)

application_protection = Table(
    "application_protection",
    metadata,
    Column("app_id", ForeignKey("application.app_id"), primary_key=True),
    Column("ignores_quiet_hours", Boolean, nullable=False),
    Column("ignores_platform_quiet_hours", Boolean, nullable=False),
)

# One row.
platform_protection = Table(
    "platform_protection",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("settings", Text, nullable=False),
)

# A file of members, or of numbers not to be called, on its way in.
import_job = Table(
    "import_job",
    metadata,
    Column("id", String(IDENTIFIER_CHARACTERS_MAX), primary_key=True),
    Column("node_id", String(IDENTIFIER_CHARACTERS_MAX), nullable=False),
    Column("scope", String(IDENTIFIER_CHARACTERS_MAX), nullable=False),
    Column("kind", String(WORD_CHARACTERS_MAX), nullable=False),
    Column("state", String(WORD_CHARACTERS_MAX), nullable=False),
    Column("is_all_or_nothing", Boolean, nullable=False),
    Column("rows_read", Integer, nullable=False),
    Column("added", Integer, nullable=False),
    Column("changed", Integer, nullable=False),
    Column("unchanged", Integer, nullable=False),
    Column("refused", Integer, nullable=False),
    Column("error", String(DETAIL_CHARACTERS_MAX)),
    Column("created_by", String(IDENTIFIER_CHARACTERS_MAX), nullable=False),
    Column("created_at", UtcMillis, nullable=False),
    Column("finished_at", UtcMillis),
    Index("import_job_in_order", "scope", "kind", "id"),
)

import_problem = Table(
    "import_problem",
    metadata,
    Column("job_id", ForeignKey("import_job.id"), primary_key=True),
    Column("row", Integer, primary_key=True, autoincrement=False),
    Column("problem", String(DETAIL_CHARACTERS_MAX), nullable=False),
    sqlite_with_rowid=False,
)
