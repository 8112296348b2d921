"""How calls sounded, from one moment to the next. The table of migration 0021."""

from sqlalchemy import Column, ForeignKey, LargeBinary, Table

from clicktodial.storage.table import metadata

# Of the calls that lasted for several readings; see storage.call_quality.
call_quality = Table(
    "call_quality",
    metadata,
    Column("call_id", ForeignKey("call.id"), primary_key=True),
    Column("intervals", LargeBinary, nullable=False),
    sqlite_with_rowid=False,
)
