"""Numbers to show, and the applications that show them. The tables of migration 0006.

`application_number` (storage.table) is what calls read; numbers of the inventory get there by
being assigned to an enterprise and then to an application.
"""

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    String,
    Table,
    Text,
)

from clicktodial.storage.instant import UtcMillis
from clicktodial.storage.table import (
    IDENTIFIER_CHARACTERS_MAX,
    NUMBER_CHARACTERS_MAX,
    WORD_CHARACTERS_MAX,
    metadata,
)

# Longer than the longest name of a city in use.
CITY_CHARACTERS_MAX = 64

# Changed by compare-and-set on `version`. `trunk` is a name, not a key: a trunk that was removed
# and added again has its numbers back.
sponsor_number = Table(
    "sponsor_number",
    metadata,
    Column("e164", String(NUMBER_CHARACTERS_MAX), primary_key=True),
    Column("kind", String(WORD_CHARACTERS_MAX), nullable=False),
    Column("city", String(CITY_CHARACTERS_MAX), nullable=False),
    Column("region", String(CITY_CHARACTERS_MAX), nullable=False),
    Column("trunk", String(IDENTIFIER_CHARACTERS_MAX)),
    Column("state", String(WORD_CHARACTERS_MAX), nullable=False),
    Column("enterprise_id", ForeignKey("enterprise.id")),
    Column("order_id", String(IDENTIFIER_CHARACTERS_MAX)),
    Column("until", UtcMillis),
    Column("added_at", UtcMillis, nullable=False),
    Column("version", BigInteger, nullable=False),
    Index("sponsor_number_by_place", "state", "city", "e164"),
    Index("sponsor_number_by_enterprise", "enterprise_id", "e164"),
)

# What was decided of it, by whom and why is its work order's to tell.
number_order = Table(
    "number_order",
    metadata,
    Column("id", String(IDENTIFIER_CHARACTERS_MAX), primary_key=True),
    Column("enterprise_id", ForeignKey("enterprise.id"), nullable=False),
    Column("work_order_id", ForeignKey("work_order.id"), nullable=False),
    Column("channel", String(WORD_CHARACTERS_MAX), nullable=False),
    Column("state", String(WORD_CHARACTERS_MAX), nullable=False),
    Column("placed_by", String(IDENTIFIER_CHARACTERS_MAX), nullable=False),
    Column("placed_at", UtcMillis, nullable=False),
    Column("reserved_until", UtcMillis, nullable=False),
    Index("number_order_by_enterprise", "enterprise_id", "id"),
)

number_order_line = Table(
    "number_order_line",
    metadata,
    Column("order_id", ForeignKey("number_order.id"), primary_key=True),
    Column("e164", String(NUMBER_CHARACTERS_MAX), primary_key=True),
    sqlite_with_rowid=False,
)

# `fallback` is a JSON list of cities.
number_pool = Table(
    "number_pool",
    metadata,
    Column("app_id", ForeignKey("application.app_id"), primary_key=True),
    Column("name", String(IDENTIFIER_CHARACTERS_MAX), primary_key=True),
    Column("fallback", Text, nullable=False),
    sqlite_with_rowid=False,
)

# A number that its application may no longer show leaves the pools with it.
number_pool_member = Table(
    "number_pool_member",
    metadata,
    Column("app_id", String(IDENTIFIER_CHARACTERS_MAX), primary_key=True),
    Column("name", String(IDENTIFIER_CHARACTERS_MAX), primary_key=True),
    Column("e164", String(NUMBER_CHARACTERS_MAX), primary_key=True),
    ForeignKeyConstraint(
        ["app_id", "name"], ["number_pool.app_id", "number_pool.name"], ondelete="CASCADE"
    ),
    ForeignKeyConstraint(
        ["app_id", "e164"],
        ["application_number.app_id", "application_number.e164"],
        ondelete="CASCADE",
    ),
    sqlite_with_rowid=False,
)
