"""Which recordings exist."""

from typing import Any

from sqlalchemy import Connection, Row, select

from clicktodial.domain.identifier import AppId, CallId, RecordingId
from clicktodial.domain.recording import Recording
from clicktodial.storage import table
from clicktodial.storage.database import Database
from clicktodial.storage.instant import to_millis
from clicktodial.storage.statement import compile_statement, insert_if_absent

_COLUMNS = (
    "recording_id",
    "call_id",
    "app_id",
    "key",
    "size_bytes",
    "duration_ms",
    "sha256",
    "created_at",
)


class SqlRecordingCatalog:
    """Implements `control.port.RecordingCatalog`."""

    def __init__(self, database: Database) -> None:
        self._writer = database.writer
        self._reader = database.reader
        dialect = database.engine.dialect
        self._insert = compile_statement(
            insert_if_absent(table.recording, dialect), dialect, _COLUMNS, rank=2, counted=False
        )

    async def add(self, recording: Recording) -> None:
        """Durable on return; adding the same again changes nothing. Raises StoreError."""
        await self._writer.submit(
            [
                (
                    self._insert,
                    (
                        recording.recording_id,
                        recording.call_id,
                        recording.app_id,
                        recording.key,
                        recording.size_bytes,
                        recording.duration_ms,
                        recording.sha256,
                        to_millis(recording.created_at),
                    ),
                )
            ]
        )

    async def find(
        self, recording_id: RecordingId, call_id: CallId, app_id: AppId
    ) -> Recording | None:
        """That recording of that call of that application. Raises StoreError."""
        columns = table.recording.c
        query = select(table.recording).where(
            columns.recording_id == recording_id,
            columns.call_id == call_id,
            columns.app_id == app_id,
        )

        def read(connection: Connection) -> Row[Any] | None:
            return connection.execute(query).first()

        row = await self._reader.run(read)
        return None if row is None else Recording(**row._mapping)
