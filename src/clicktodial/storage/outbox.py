"""The outbox: which events wait to be delivered, and what became of the others."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TypeVarTuple

import msgspec
import structlog
from sqlalchemy import Connection, Dialect, Select, bindparam, null, select, update

from clicktodial.control.delivery import (
    DeliveryMark,
    DeliveryRoute,
    DeliveryState,
    EventKey,
    PendingEvent,
)
from clicktodial.domain.event import StatusEvent
from clicktodial.domain.identifier import AppId, CallId
from clicktodial.domain.pool_alert import is_pool_line
from clicktodial.storage import table
from clicktodial.storage.billing_table import PENDING_NOTICE, pool_notice
from clicktodial.storage.database import Database
from clicktodial.storage.delivery_row import (
    MARK_COLUMNS,
    WAITING,
    mark_parameters,
    read_answer,
)
from clicktodial.storage.event_codec import decode_event
from clicktodial.storage.node_registry import read_heartbeats
from clicktodial.storage.peer import Peers
from clicktodial.storage.pool_notice import compile_notice_mark, read_pending_notices
from clicktodial.storage.statement import Statement, compile_statement

log = structlog.get_logger()

__all__ = ["DeliveryMark", "DeliveryState", "Outbox", "PendingEvent"]

Columns = TypeVarTuple("Columns")


def _now() -> datetime:
    return datetime.now(UTC)


class Outbox:
    """Implements `control.delivery.DeliveryOutbox` on the events of `call_event` and the alerts of
    `pool_notice`.

    Nodes of one database each deliver the events of their own calls, so that those of a call are
    told once and in order. What dead nodes left, and alerts, one of the living delivers.
    """

    def __init__(
        self,
        database: Database,
        *,
        peers: Peers | None = None,
        utc: Callable[[], datetime] = _now,
    ) -> None:
        """Without `peers` all that waits is this outbox's."""
        self._peers = peers
        self._utc = utc
        self._writer = database.writer
        self._reader = database.reader
        self._mark = _compile_mark(database.engine.dialect)
        self._mark_notice = compile_notice_mark(database.engine.dialect, MARK_COLUMNS)

    def mark(self, mark: DeliveryMark) -> asyncio.Future[None]:
        """Durable soon, together with others, whose future it shares."""
        line, seq = mark.key
        values = mark_parameters(mark)
        if is_pool_line(line):
            return self._writer.gather(self._mark_notice, (*values, seq))
        return self._writer.gather(self._mark, (*values, line, seq))

    async def routes_with_pending(self) -> list[DeliveryRoute]:
        """Those of which events wait."""
        columns = table.call_event.c
        of_calls = select(columns.app_id, columns.sink_origin).where(table.PENDING_EVENT)
        of_pools = select(pool_notice.c.app_id, null()).where(PENDING_NOTICE)

        def read(connection: Connection) -> list[DeliveryRoute]:
            share = self._share(connection)
            own = share.narrow(of_calls)
            rows = connection.execute(own.union(of_pools) if share.is_heir else own.distinct())
            return [DeliveryRoute(AppId(row.app_id), row.sink_origin) for row in rows]

        return await self._reader.run(read)

    async def pending(
        self, route: DeliveryRoute, *, limit: int, known: frozenset[EventKey]
    ) -> list[PendingEvent]:
        """The oldest `limit` events of the route that wait and are not `known`, in order: alerts
        of its application's pool, then calls as they began, each call's events by sequence
        number."""
        query = _pending_query(route).limit(limit + len(known))

        def read(connection: Connection) -> list[PendingEvent]:
            share = self._share(connection)
            events = []
            if route.sink_origin is None and share.is_heir:
                events = _read_alerts(connection, route.app_id, known=known, limit=limit)
            for row in connection.execute(share.narrow(query)):
                if len(events) == limit:
                    break
                if (row.call_id, row.seq) in known:
                    continue
                event = _decode_or_none(row.payload)
                if event is None:
                    log.error("outbox.event_unreadable", call_id=row.call_id, seq=row.seq)
                    continue
                events.append(
                    PendingEvent(event, row.attempts, row.next_attempt_at, read_answer(row))
                )
            return events

        return await self._reader.run(read)

    def _share(self, connection: Connection) -> "_Share":
        peers = self._peers
        if peers is None:
            return _Share("", frozenset(), is_heir=True)
        others = peers.others(read_heartbeats(connection), self._utc())
        return _Share(peers.node_id, others, is_heir=peers.is_heir(others))

    async def revive(self, call_id: CallId) -> list[StatusEvent]:
        """Make the call's events that were given up wait again, as if never tried; returns them
        in order. Raises StoreError."""
        columns = table.call_event.c
        query = (
            select(columns.payload)
            .where(columns.call_id == call_id)
            .where(columns.delivery_state == DeliveryState.GIVEN_UP.value)
            .order_by(columns.seq)
        )

        def read(connection: Connection) -> list[StatusEvent]:
            events = (_decode_or_none(payload) for payload in connection.scalars(query))
            return [event for event in events if event is not None]

        events = await self._reader.run(read)
        if events:
            await self._writer.submit(
                [(self._mark, (*_REVIVED, event.call_id, event.seq)) for event in events]
            )
        return events


class _Share:
    """Which calls' events are this node's to deliver."""

    def __init__(self, node_id: str, others: frozenset[str], *, is_heir: bool) -> None:
        self._node_id = node_id
        self._others = others
        self.is_heir = is_heir

    def narrow(self, events: Select[*Columns]) -> Select[*Columns]:
        """Of the events those. A node that is alone asks as if there were no nodes."""
        if not self._others:
            return events
        node_id = table.call.c.node_id
        own = node_id.not_in(sorted(self._others)) if self.is_heir else node_id == self._node_id
        return events.join(table.call, table.call.c.id == table.call_event.c.call_id).where(own)


def _read_alerts(
    connection: Connection, app_id: AppId, *, known: frozenset[EventKey], limit: int
) -> list[PendingEvent]:
    return [
        PendingEvent(*each)
        for each in read_pending_notices(connection, app_id, known=known, limit=limit)
    ]


def _decode_or_none(payload: str) -> StatusEvent | None:
    # A row that some other program changed must not hold up all that come after it.
    try:
        return decode_event(payload)
    except msgspec.DecodeError:
        return None


_REVIVED = tuple(WAITING[name] for name in MARK_COLUMNS)


def _pending_query(
    route: DeliveryRoute,
) -> Select[tuple[str, int, str, int, datetime, int, datetime, str]]:
    columns = table.call_event.c
    return (
        select(
            columns.call_id,
            columns.seq,
            columns.payload,
            columns.attempts,
            columns.next_attempt_at,
            columns.answer_status,
            columns.answered_at,
            columns.answer_text,
        )
        .where(table.PENDING_EVENT, columns.app_id == route.app_id)
        .where(columns.sink_origin.is_not_distinct_from(route.sink_origin))
        .order_by(columns.call_id, columns.seq)
    )


def _compile_mark(dialect: Dialect) -> Statement:
    columns = table.call_event.c
    statement = (
        update(table.call_event)
        .where(columns.call_id == bindparam("key_call"), columns.seq == bindparam("key_seq"))
        .values({name: bindparam(f"new_{name}") for name in MARK_COLUMNS})
    )
    names = [*(f"new_{name}" for name in MARK_COLUMNS), "key_call", "key_seq"]
    return compile_statement(statement, dialect, names, rank=4)
