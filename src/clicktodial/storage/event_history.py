"""What was told of calls, for the application that owns them: in order, with what became of it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

import msgspec
import structlog
from sqlalchemy import Connection, Row, Select, exists, literal, select, tuple_

from clicktodial.control.delivery import DeliveryAnswer, DeliveryState
from clicktodial.domain.event import StatusEvent
from clicktodial.domain.identifier import AppId
from clicktodial.domain.pool_alert import PoolAlert
from clicktodial.storage import table
from clicktodial.storage.billing_table import pool_notice
from clicktodial.storage.database import Database
from clicktodial.storage.delivery_row import read_answer
from clicktodial.storage.event_codec import decode_event
from clicktodial.storage.instant import UtcMillis
from clicktodial.storage.pool_notice import decode_notice

log = structlog.get_logger()

_columns = table.call_event.c


class EventPlace(NamedTuple):
    """Where an event stands among those of its application."""

    occurred_at: datetime
    call_id: str
    seq: int


@dataclass(frozen=True, slots=True)
class Delivery:
    """What became of a delivery. `delivered_at` and `last_error` are those of the last try,
    `answer` is the last that came; where it waits, `next_attempt_at` is when the next try is
    due."""

    state: DeliveryState
    attempts: int
    next_attempt_at: datetime | None
    delivered_at: datetime | None
    last_error: str | None
    answer: DeliveryAnswer | None


@dataclass(frozen=True, slots=True)
class AlertEntry:
    """An alert of the pool, and what became of its delivery."""

    alert: PoolAlert
    delivery: Delivery


@dataclass(frozen=True, slots=True)
class EventEntry:
    """An event, and what became of its delivery."""

    event: StatusEvent
    delivery: Delivery

    @property
    def place(self) -> EventPlace:
        return EventPlace(self.event.occurred_at, self.event.call_id, self.event.seq)


class EventHistory:
    """Reads events of applications. All raise StoreError."""

    def __init__(self, database: Database) -> None:
        self._reader = database.reader

    async def of_call(
        self, app_id: AppId, call_id: str, *, after_seq: int, limit: int
    ) -> list[EventEntry] | None:
        """Those of the call after that sequence number; None where the application has no such
        call."""
        call = table.call.c
        known = select(exists().where(call.id == call_id, call.app_id == app_id))
        query = (
            select(table.call_event)
            .where(_columns.call_id == call_id, _columns.seq > after_seq)
            .order_by(_columns.seq)
            .limit(limit)
        )

        def read(connection: Connection) -> list[EventEntry] | None:
            if not connection.scalar(known):
                return None
            return _entries(connection, query)

        return await self._reader.run(read)

    async def since(
        self, app_id: AppId, place: EventPlace, *, until: datetime, limit: int
    ) -> list[EventEntry]:
        """Those of the application behind that place, of before `until`."""
        query = behind(select(table.call_event), place)
        query = query.where(_columns.app_id == app_id, _columns.occurred_at < until).limit(limit)
        return await self._reader.run(lambda connection: _entries(connection, query))

    async def alerts(self, app_id: AppId, *, after_seq: int, limit: int) -> list[AlertEntry]:
        """The alerts of its pool that the application was to be told, after that number."""
        columns = pool_notice.c
        query = (
            select(pool_notice)
            .where(columns.app_id == app_id, columns.id > after_seq)
            .order_by(columns.id)
            .limit(limit)
        )

        def read(connection: Connection) -> list[AlertEntry]:
            rows = connection.execute(query).all()
            decoded = ((decode_notice(row), row) for row in rows)
            return [AlertEntry(alert, _delivery(row)) for alert, row in decoded if alert]

        return await self._reader.run(read)


def behind(query: Select[Any], place: EventPlace) -> Select[Any]:
    """In the order of places, which an index of each application gives without sorting."""
    order = (_columns.occurred_at, _columns.call_id, _columns.seq)
    at = literal(place.occurred_at, UtcMillis)
    # The first condition is in the second, and is what the index is entered by.
    return query.where(
        _columns.occurred_at >= place.occurred_at,
        tuple_(*order) > tuple_(at, literal(place.call_id), literal(place.seq)),
    ).order_by(*order)


def _entries(connection: Connection, query: Select[Any]) -> list[EventEntry]:
    entries = (_entry(row) for row in connection.execute(query))
    return [entry for entry in entries if entry is not None]


def _entry(row: Row[Any]) -> EventEntry | None:
    try:
        event = decode_event(row.payload)
    except msgspec.DecodeError:
        # A row that some other program changed must not hide all that come after it.
        log.error("event.unreadable", call_id=row.call_id, seq=row.seq)
        return None
    return EventEntry(event, _delivery(row))


def _delivery(row: Row[Any]) -> Delivery:
    return Delivery(
        state=DeliveryState(row.delivery_state),
        attempts=row.attempts,
        next_attempt_at=row.next_attempt_at,
        delivered_at=row.delivered_at,
        last_error=row.last_error,
        answer=read_answer(row),
    )
