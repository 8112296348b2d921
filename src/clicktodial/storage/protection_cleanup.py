"""Forgets what counts for nothing any more: histories of callees, counts of days that are over,
entries of lists that have expired, and keys of begins of before yesterday."""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta

import structlog
from sqlalchemy import Engine, Table, delete, select
from sqlalchemy.exc import SQLAlchemyError

from clicktodial.storage.database import Database
from clicktodial.storage.engine import FOR_WRITING
from clicktodial.storage.member_table import call_count, callee_window, number_list
from clicktodial.storage.once_table import once_request

log = structlog.get_logger()

INTERVAL_S = 600
# Rows that one transaction deletes: calls wait for no more than that.
BATCH_ROWS = 500
# Of a busy enterprise, a history for each of its callees expires each day.
BATCHES_MAX = 1_000
# A list's entry can be looked up for a while after it has expired.
LIST_KEPT = timedelta(days=30)


class ProtectionCleanup:
    """Every node runs it; what one deleted the others do not find."""

    def __init__(self, database: Database, utc: Callable[[], datetime]) -> None:
        self._engine = database.engine
        self._utc = utc

    async def run(self) -> None:
        """Clean up every INTERVAL_S until cancelled."""
        while True:
            try:
                await asyncio.to_thread(clean_up, self._engine, self._utc())
            except SQLAlchemyError as error:
                log.error("protection.cleanup_failed", error=str(error))
            await asyncio.sleep(INTERVAL_S)


def clean_up(engine: Engine, now: datetime) -> int:
    """Delete what had expired by then, in batches; returns how many rows."""
    return (
        _delete_expired(engine, callee_window, now)
        + _delete_expired(engine, call_count, now)
        + _delete_expired(engine, number_list, now - LIST_KEPT)
        + _delete_expired(engine, once_request, now)
    )


def _delete_expired(engine: Engine, table: Table, before: datetime) -> int:
    deleted = 0
    for _ in range(BATCHES_MAX):
        with (
            engine.connect().execution_options(**{FOR_WRITING: True}) as connection,
            connection.begin(),
        ):
            keys = list(table.primary_key)
            rows = connection.execute(
                select(*keys).where(table.c.expires_at <= before).limit(BATCH_ROWS)
            ).all()
            for row in rows:
                # Compared once more: a call may have made it live again meanwhile.
                where = [column == value for column, value in zip(keys, row, strict=True)]
                gone = connection.execute(delete(table).where(*where, table.c.expires_at <= before))
                deleted += gone.rowcount
        if len(rows) < BATCH_ROWS:
            break
    return deleted
