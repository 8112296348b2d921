"""The end of recordings that are kept for a time.

A node deletes the recordings of the calls that it placed: the files lie in its own data directory.
The file goes first. What fails between the two is done by the next run, since a file that is gone
already is fine; the other way round a conversation would lie there that nobody knows of.
"""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta

import structlog
from sqlalchemy import delete, select

from clicktodial.recordings.store import RecordingFileError, RecordingFiles
from clicktodial.storage import table
from clicktodial.storage.error import StorageError
from clicktodial.storage.retention import INTERVAL_S, first_identifier
from clicktodial.storage.transaction import Transactions

log = structlog.get_logger()

# Files that go between two transactions, which others wait for no longer than a few milliseconds.
BATCH_FILES = 100

_recording = table.recording.c


class RecordingRetention:
    """Deletes what is older than `kept`."""

    def __init__(
        self,
        transactions: Transactions,
        files: RecordingFiles,
        *,
        node_id: str,
        kept: timedelta,
        utc: Callable[[], datetime],
    ) -> None:
        self._transactions = transactions
        self._files = files
        self._node_id = node_id
        self._kept = kept
        self._utc = utc

    async def run(self) -> None:
        """Every INTERVAL_S until cancelled."""
        while True:
            try:
                await asyncio.to_thread(self.run_once)
            except StorageError as error:
                log.error("recording_retention.failed", error=str(error))
            await asyncio.sleep(INTERVAL_S)

    def run_once(self) -> int:
        """Delete what is due by now; returns how many. Blocking; raises DatabaseUnavailable.

        Where a file cannot be deleted its row stays, for the next run.
        """
        end, after, total = first_identifier(self._utc() - self._kept), "", 0
        while due := self._read(after, end):
            after = due[-1][0]
            gone = [recording_id for recording_id, key in due if self._delete(recording_id, key)]
            with self._transactions.change(concerns_calls=False) as connection:
                connection.execute(delete(table.recording).where(_recording.recording_id.in_(gone)))
            total += len(gone)
        if total:
            log.info("recording_retention.done", recordings=total)
        return total

    def _delete(self, recording_id: str, key: str) -> bool:
        try:
            self._files.delete(key)
        except RecordingFileError as error:
            log.error("recording_retention.kept", recording_id=recording_id, error=str(error))
            return False
        return True

    def _read(self, after: str, end: str) -> list[tuple[str, str]]:
        """The oldest that are due, of those whose identifiers sort after that one."""
        query = (
            select(_recording.recording_id, _recording.key)
            .join(table.call, table.call.c.id == _recording.call_id)
            .where(_recording.recording_id > after, _recording.recording_id < end)
            .where(table.call.c.node_id == self._node_id)
            .order_by(_recording.recording_id)
            .limit(BATCH_FILES)
        )
        with self._transactions.read() as connection:
            return [tuple(row) for row in connection.execute(query)]
