"""Sinks of calls as rows: where events go, and the token that opens the door there, sealed."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from datetime import datetime

import structlog
from sqlalchemy import Connection, Dialect, insert, select, update
from sqlalchemy.exc import SQLAlchemyError

from clicktodial.control.port import StoreError
from clicktodial.domain.identifier import CallId
from clicktodial.domain.sink import EventSink, SinkToken
from clicktodial.storage.database import Database
from clicktodial.storage.engine import FOR_WRITING
from clicktodial.storage.error import SecretUnreadable
from clicktodial.storage.instant import to_millis
from clicktodial.storage.secret import SecretVault, sink_token_place
from clicktodial.storage.statement import compile_statement
from clicktodial.storage.table import call_sink
from clicktodial.storage.writer import Write

log = structlog.get_logger()

# A call has some four events within minutes: without these each would cost a read. With a token
# of the greatest length, 8 kB each.
SINKS_KEPT_MAX = 2_000
# A token that has expired opens nothing; for so long at most it is kept nevertheless.
FORGET_INTERVAL_S = 600
# Rows that one transaction changes: calls wait for no more than that.
BATCH_ROWS = 500
_COLUMNS = ("call_id", "url", "token_encrypted", "token_expires_at")


class SinkWrites:
    """Statements of the transaction that makes a call."""

    def __init__(self, dialect: Dialect, vault: SecretVault) -> None:
        self._vault = vault
        # After the call's row, which it refers to.
        self._insert = compile_statement(insert(call_sink), dialect, _COLUMNS, rank=1)

    def write(self, call_id: CallId, sink: EventSink) -> Write:
        """To be written with the call."""
        token = sink.token
        if token is None:
            return self._insert, (call_id, sink.url, None, None)
        sealed = self._vault.seal(token.value.encode(), sink_token_place(call_id))
        return self._insert, (call_id, sink.url, sealed, to_millis(token.expires_at))


class SqlSinks:
    """Implements `control.delivery.Sinks`."""

    def __init__(self, database: Database, vault: SecretVault) -> None:
        self._engine = database.engine
        self._reader = database.reader
        self._vault = vault
        self._kept: OrderedDict[CallId, EventSink] = OrderedDict()

    async def find(self, call_id: CallId) -> EventSink | None:
        """See control.delivery.Sinks."""
        kept = self._kept.get(call_id)
        if kept is not None:
            return kept
        sink = await self._reader.run(lambda connection: self._read(connection, call_id))
        if sink is not None:
            self._kept[call_id] = sink
            if len(self._kept) > SINKS_KEPT_MAX:
                self._kept.popitem(last=False)
        return sink

    def _read(self, connection: Connection, call_id: CallId) -> EventSink | None:
        row = connection.execute(select(call_sink).where(call_sink.c.call_id == call_id)).first()
        if row is None:
            return None
        if row.token_expires_at is None:
            return EventSink(row.url)
        if row.token_encrypted is None:
            # It was forgotten since it had expired, and is not to be taken for one never given.
            return EventSink(row.url, SinkToken("", row.token_expires_at))
        try:
            value = self._vault.open(row.token_encrypted, sink_token_place(call_id)).decode()
        except SecretUnreadable as error:
            raise StoreError(str(error)) from error
        return EventSink(row.url, SinkToken(value, row.token_expires_at))

    async def run(self, utc: Callable[[], datetime]) -> None:
        """Forget what has expired every FORGET_INTERVAL_S until cancelled."""
        while True:
            try:
                await asyncio.to_thread(self.forget_expired, utc())
            except SQLAlchemyError as error:
                log.error("call_sink.not_forgotten", error=str(error))
            await asyncio.sleep(FORGET_INTERVAL_S)

    def forget_expired(self, now: datetime) -> int:
        """Delete the tokens that expired before then; returns how many."""
        columns = call_sink.c
        due = (
            select(columns.call_id)
            .where(columns.token_encrypted.is_not(None), columns.token_expires_at <= now)
            .limit(BATCH_ROWS)
        )
        forgotten = 0
        while True:
            with (
                self._engine.connect().execution_options(**{FOR_WRITING: True}) as connection,
                connection.begin(),
            ):
                call_ids = list(connection.scalars(due))
                if call_ids:
                    connection.execute(
                        update(call_sink)
                        .where(columns.call_id.in_(call_ids))
                        .values(token_encrypted=None)
                    )
            forgotten += len(call_ids)
            if len(call_ids) < BATCH_ROWS:
                return forgotten
