"""Which nodes live, and the calls that the dead ones left open."""

import asyncio
from collections.abc import Callable, Collection
from datetime import datetime
from typing import Any

import structlog
from sqlalchemy import (
    ColumnElement,
    Connection,
    Dialect,
    Row,
    Select,
    bindparam,
    or_,
    select,
    update,
)

from clicktodial import __version__
from clicktodial.control.port import Clock, StoreError
from clicktodial.control.reaper import (
    OpenCall,
    ReapedCall,
    RecordingFate,
    end_open_call,
    may_have_recording,
)
from clicktodial.domain.call import CallState, EndedBy, EndStage
from clicktodial.domain.cause import EndReason
from clicktodial.domain.event import CallApi, RecordingResult, StatusEvent
from clicktodial.domain.identifier import AppId, CallId, RecordingId
from clicktodial.domain.minutes import Charge
from clicktodial.storage import table
from clicktodial.storage.call_store import compile_event_insert
from clicktodial.storage.charge_writes import ChargeWrites, OpenCharges, settle
from clicktodial.storage.database import Database
from clicktodial.storage.error import StoreConflict
from clicktodial.storage.event_codec import event_parameters
from clicktodial.storage.instant import to_millis
from clicktodial.storage.message_row import compile_message_queue, queue_parameters
from clicktodial.storage.minutes import read_open_charges
from clicktodial.storage.peer import HEARTBEAT_INTERVAL_S, Heartbeat, Peers
from clicktodial.storage.statement import (
    Parameters,
    Statement,
    compile_statement,
    insert_if_absent,
)
from clicktodial.storage.table import IDENTIFIER_CHARACTERS_MAX
from clicktodial.storage.writer import Write

log = structlog.get_logger()

# Open calls read at a time; the reaper reads until none is left.
_PAGE_CALLS = 500

_END_COLUMNS = (
    "state",
    "ended_at",
    "duration_s",
    "reason",
    "ended_by",
    "stage",
    "recording_result",
    "event_count",
)


class NodeRegistry:
    """This node among the others of its database."""

    def __init__(
        self,
        database: Database,
        *,
        node_id: str,
        interval_s: int = HEARTBEAT_INTERVAL_S,
        version: str = __version__,
    ) -> None:
        """`version` is that of the program, which the others are told."""
        self._version = version[:IDENTIFIER_CHARACTERS_MAX]
        self._writer = database.writer
        self._reader = database.reader
        self._node_id = node_id
        self._interval_s = interval_s
        self.peers = Peers(node_id, interval_s=interval_s)
        # Dead, and not seen to by this node yet, or not by it to be.
        self._unreaped: set[str] = set()
        dialect = database.engine.dialect
        self._insert_node = compile_statement(
            insert_if_absent(table.node, dialect),
            dialect,
            ("id", "started_at", "heartbeat_at", "version"),
            rank=0,
            counted=False,
        )
        self._restart_node = _compile_node_update(
            dialect, ("started_at", "heartbeat_at", "version")
        )
        self._beat = _compile_node_update(dialect, ("heartbeat_at",))
        self._end_call = _compile_end(dialect)
        self._insert_event = compile_event_insert(dialect)
        self._queue_messages = compile_message_queue(dialect)
        self._charging = ChargeWrites(dialect)

    async def register(self, now: datetime) -> None:
        """Enter this node as living. Call it after `reap`, which needs its predecessor's last
        sign of life."""
        millis = to_millis(now)
        await self._writer.submit(
            [
                (self._insert_node, (self._node_id, millis, millis, self._version)),
                (self._restart_node, (millis, millis, self._version, self._node_id)),
            ]
        )

    async def beat(self, now: datetime) -> None:
        """Say that this node lives. Raises StoreConflict when it was never registered."""
        await self._writer.submit([(self._beat, (to_millis(now), self._node_id))])

    async def run(self, clock: Clock, on_inheritance: Callable[[], None]) -> None:
        """Beat in every interval until cancelled, and put in order what nodes leave that
        die meanwhile; `on_inheritance` is told that there may be events of theirs to deliver."""
        while True:
            try:
                await self.beat(clock.utc())
                if await self.look_around(clock.utc()):
                    on_inheritance()
            except StoreError as error:
                self.peers.look_again()
                log.error("node.heartbeat_failed", error=str(error))
            await asyncio.sleep(self._interval_s)

    async def look_around(self, now: datetime) -> bool:
        """See which other nodes live, and end the calls of those that died, where that is up to
        this node; whether it may have inherited something. Raises StoreError."""
        before = self.peers.living
        self._unreaped |= self.peers.look(await self._reader.run(read_heartbeats), now)
        if not self.peers.is_heir(self.peers.living):
            return False
        if not self._unreaped:
            return bool(before - self.peers.living)
        await self._reap(_open_calls_of(self._unreaped), now, _no_recording_here)
        self._unreaped.clear()
        return True

    async def reap(
        self, now: datetime, recording_fate: RecordingFate, *, own: bool
    ) -> list[StatusEvent]:
        """End the calls that dead processes left open; returns their terminal events, durable.

        Those are the calls of nodes whose last heartbeat is stale and, with `own`,
        those under this node's identifier: right only before this process places its first call
        and when it alone bears the identifier. Raises StoreError.
        """
        query = _open_calls_query(self.peers.stale_before(now), self._node_id if own else None)
        return await self._reap(query, now, recording_fate)

    async def _reap(
        self, query: Select[Any], now: datetime, recording_fate: RecordingFate
    ) -> list[StatusEvent]:
        told: list[StatusEvent] = []
        after = CallId("")
        while calls := await self._open_calls(query, after=after):
            charges = await self._open_charges(calls)
            for call in calls:
                charge = charges.find(call.call_id)
                event = await self._reap_call(call, charge, now, recording_fate)
                if event is not None:
                    told.append(event)
            after = calls[-1].call_id
        return told

    async def _reap_call(
        self, call: OpenCall, charge: Charge | None, now: datetime, recording_fate: RecordingFate
    ) -> StatusEvent | None:
        result = await recording_fate(call) if may_have_recording(call) else None
        reaped = end_open_call(call, result, now)
        queued = queue_parameters(
            call.call_id, was_connected=call.connected_at is not None, at_millis=to_millis(now)
        )
        writes: list[Write] = [
            (self._end_call, _end_parameters(reaped)),
            (self._insert_event, event_parameters(reaped.event)),
            (self._queue_messages, queued),
        ]
        if charge is None:
            writes.append(self._charging.note_free(call.call_id))
        else:
            connected = call.connected_at is not None
            settled = settle(charge, reaped.duration_s, connected=connected)
            writes += self._charging.settle(call.call_id, charge, settled, now)
        try:
            await self._writer.submit(writes)
        except StoreConflict:
            # Its process lives after all, or another node was quicker.
            log.info("call.reaped_by_another", call_id=call.call_id)
            return None
        log.warning("call.reaped", call_id=call.call_id, state=call.state.value)
        return reaped.event

    async def _open_charges(self, calls: list[OpenCall]) -> OpenCharges:
        call_ids = [call.call_id for call in calls]
        return await self._reader.run(lambda connection: read_open_charges(connection, call_ids))

    async def _open_calls(self, query: Select[Any], *, after: CallId) -> list[OpenCall]:
        page = query.where(table.call.c.id > after)

        def read(connection: Connection) -> list[OpenCall]:
            return [_open_call(row) for row in connection.execute(page)]

        return await self._reader.run(read)


def _open_calls_query(stale_before: datetime, own_id: str | None) -> Select[Any]:
    heartbeat_at = table.node.c.heartbeat_at
    dead: list[ColumnElement[bool]] = [heartbeat_at.is_(None), heartbeat_at < stale_before]
    if own_id is not None:
        dead.append(table.call.c.node_id == own_id)
    return _open_calls_where(or_(*dead))


def _open_calls_of(nodes: Collection[str]) -> Select[Any]:
    return _open_calls_where(table.call.c.node_id.in_(sorted(nodes)))


def _open_calls_where(condition: ColumnElement[bool]) -> Select[Any]:
    return (
        select(table.call, table.node.c.heartbeat_at)
        .outerjoin(table.node, table.node.c.id == table.call.c.node_id)
        .where(table.OPEN_CALL, condition)
        .order_by(table.call.c.id)
        .limit(_PAGE_CALLS)
    )


def read_heartbeats(connection: Connection) -> list[Heartbeat]:
    """Of all nodes that there ever were."""
    query = select(table.node.c.id, table.node.c.heartbeat_at)
    return [Heartbeat(*row) for row in connection.execute(query)]


async def _no_recording_here(_: OpenCall) -> RecordingResult:
    # What another node captured lies on its own disk.
    return RecordingResult.NO_RECORD


def _open_call(row: Row[Any]) -> OpenCall:
    return OpenCall(
        call_id=CallId(row.id),
        app_id=AppId(row.app_id),
        node_id=row.node_id,
        state=CallState(row.state),
        sponsor=row.sponsor_written,
        caller=row.caller_written,
        callee=row.callee_written,
        recording_id=None if row.recording_id is None else RecordingId(row.recording_id),
        begun_at=row.begun_at,
        connected_at=row.connected_at,
        ended_at=row.ended_at,
        duration_s=row.duration_s,
        reason=None if row.reason is None else EndReason(row.reason),
        ended_by=None if row.ended_by is None else EndedBy(row.ended_by),
        stage=None if row.stage is None else EndStage(row.stage),
        event_count=row.event_count,
        seen_at=row.heartbeat_at or row.begun_at,
        api=CallApi(row.api),
        sink_origin=row.sink_origin,
    )


def _end_parameters(reaped: ReapedCall) -> Parameters:
    result = reaped.recording_result
    return (
        CallState.ENDED.value,
        to_millis(reaped.ended_at),
        reaped.duration_s,
        reaped.reason.value,
        reaped.ended_by.value,
        reaped.stage.value,
        None if result is None else result.value,
        reaped.event.seq,
        reaped.call.call_id,
        reaped.call.state.value,
        reaped.call.event_count,
    )


def _compile_end(dialect: Dialect) -> Statement:
    # Compare and set: only the call as it was read is ended.
    statement = (
        update(table.call)
        .where(
            table.call.c.id == bindparam("call_id"),
            table.call.c.state == bindparam("old_state"),
            table.call.c.event_count == bindparam("old_event_count"),
        )
        .values({name: bindparam(f"new_{name}") for name in _END_COLUMNS})
    )
    names = [*(f"new_{name}" for name in _END_COLUMNS), "call_id", "old_state", "old_event_count"]
    return compile_statement(statement, dialect, names, rank=1)


def _compile_node_update(dialect: Dialect, columns: tuple[str, ...]) -> Statement:
    statement = (
        update(table.node)
        .where(table.node.c.id == bindparam("node"))
        .values({name: bindparam(f"new_{name}") for name in columns})
    )
    return compile_statement(
        statement, dialect, [*(f"new_{name}" for name in columns), "node"], rank=1
    )
