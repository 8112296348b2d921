"""Calls and their events, made durable together."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime

from sqlalchemy import Connection, Dialect, bindparam, exists, insert, select, update

from clicktodial.control.port import FoundCall
from clicktodial.domain.call import Call, CallState
from clicktodial.domain.event import StatusEvent
from clicktodial.domain.identifier import AppId, CallId
from clicktodial.domain.minutes import Hold
from clicktodial.domain.quality_timeline import QualityTimeline
from clicktodial.storage import table
from clicktodial.storage.call_quality import QualityWrites
from clicktodial.storage.call_row import (
    PLAN_COLUMNS,
    PROGRESS_COLUMNS,
    plan_parameters,
    progress_parameters,
)
from clicktodial.storage.call_sink import SinkWrites
from clicktodial.storage.charge_writes import ChargeWrites, settle
from clicktodial.storage.claim_writes import ClaimWrites
from clicktodial.storage.database import Database
from clicktodial.storage.event_codec import EVENT_COLUMNS, event_parameters
from clicktodial.storage.instant import to_millis
from clicktodial.storage.leg_codec import encode_legs
from clicktodial.storage.message_row import (
    compile_message_insert,
    compile_message_queue,
    message_parameters,
    queue_parameters,
)
from clicktodial.storage.once import OnceWrites
from clicktodial.storage.secret import SecretVault
from clicktodial.storage.statement import Parameters, Statement, compile_statement
from clicktodial.storage.writer import Write

# The longest that a change waits for others to share its commit. A commit costs several times
# what it writes; nobody who is told of a ringing phone notices so short a time.
UPDATE_WAIT_S = 0.002
_ENDED = CallState.ENDED.value


class SqlCallStore:
    """Implements `control.port.CallStore` for the calls of one node."""

    def __init__(
        self, database: Database, *, node_id: str, vault: SecretVault | None = None
    ) -> None:
        """`vault` seals what opens the sinks of calls; without it there are none."""
        self._writer = database.writer
        self._reader = database.reader
        self._node_id = node_id
        dialect = database.engine.dialect
        self._insert_call = compile_statement(
            insert(table.call), dialect, PLAN_COLUMNS + PROGRESS_COLUMNS, rank=0
        )
        self._update_call = _compile_update(dialect)
        self._update_legs = _compile_legs_update(dialect)
        self._insert_event = compile_event_insert(dialect)
        self._insert_message = compile_message_insert(dialect)
        self._queue_messages = compile_message_queue(dialect)
        self._claiming = ClaimWrites(dialect)
        self._sinks = None if vault is None else SinkWrites(dialect, vault)
        self._once = OnceWrites(dialect)
        self._charging = ChargeWrites(dialect)
        self._quality = QualityWrites(dialect)
        # Calls of which it is not known yet whether they hold more.
        self._extending: dict[CallId, asyncio.Future[None]] = {}

    def create(self, call: Call, events: Sequence[StatusEvent]) -> asyncio.Future[None]:
        """Insert the call and its first events, and count its claims. Fails with
        StoreOverloaded, StoreTimeout or StoreConflict, after any of which the call is not in the
        database and never will be."""
        parameters = plan_parameters(call, self._node_id) + progress_parameters(call)
        writes = [(self._insert_call, parameters), *self._event_writes(events)]
        for planned in call.plan.messages:
            writes.append((self._insert_message, message_parameters(call, planned)))
        if call.plan.claims:
            writes += self._claiming.writes(call.plan.claims)
        if call.plan.sink is not None:
            assert self._sinks is not None  # whoever lets calls have sinks gives the vault
            writes.append(self._sinks.write(call.plan.call_id, call.plan.sink))
        if call.plan.once is not None:
            plan, once = call.plan, call.plan.once
            writes.append(self._once.write(plan.app_id, plan.call_id, once))
        if call.charge is not None:
            writes += self._charging.reserve(call.plan.call_id, call.charge, call.begun_at)
        return self._writer.submit(writes, droppable=True)

    def update(self, call: Call, events: Sequence[StatusEvent]) -> asyncio.Future[None]:
        """Change the call and append the events. Fails only with StoreConflict, when another
        process has ended the call: it told the terminal event, and these must not be told.

        Of a call whose terminal event was appended before, only what is kept of its legs changes,
        within the writer's GATHER_S; that fails with nothing.
        """
        extending = self._extending.get(call.plan.call_id)
        if extending is not None and call.state is CallState.ENDED:
            # What the call holds is settled when it is known. Nothing is told before that.
            return self._update_after(extending, call, events)
        return self._update(call, events)

    def extend(self, call: Call, more: Sequence[Hold]) -> asyncio.Future[None]:
        """Hold more, and add it to the call's charge; fails as `create` does."""
        call_id, charge = call.plan.call_id, call.charge
        assert charge is not None  # only a call that is charged has anything to extend
        now = datetime.now(UTC)
        writes = self._charging.extend(call_id, charge, more, now)
        done = self._writer.submit(writes, droppable=True)
        self._extending[call_id] = done

        def on_done(extended: asyncio.Future[None]) -> None:
            del self._extending[call_id]
            if not extended.cancelled() and extended.exception() is None:
                charge.add(more)

        done.add_done_callback(on_done)
        # A shield: the write is under way, whatever becomes of who waits for it.
        return asyncio.shield(done)

    def keep_timeline(self, call_id: CallId, timeline: QualityTimeline) -> asyncio.Future[None]:
        """See control.port.CallStore. Written within the writer's GATHER_S."""
        return self._writer.gather(*self._quality.write(call_id, timeline))

    def _update_after(
        self, extending: asyncio.Future[None], call: Call, events: Sequence[StatusEvent]
    ) -> asyncio.Future[None]:
        told: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def on_updated(updated: asyncio.Future[None]) -> None:
            if told.done():
                return
            error = updated.exception()
            if error is None:
                told.set_result(None)
            else:
                told.set_exception(error)

        # Its callbacks run in order: what is held was added to the charge by the first.
        extending.add_done_callback(
            lambda _: self._update(call, events).add_done_callback(on_updated)
        )
        return told

    def _update(self, call: Call, events: Sequence[StatusEvent]) -> asyncio.Future[None]:
        if call.state is CallState.ENDED and not events:
            legs = encode_legs(call.legs) if call.legs else None
            # Nobody waits for it: it shares a commit with the marks of what was delivered.
            return self._writer.gather(self._update_legs, (legs, call.plan.call_id, self._node_id))
        parameters = (*progress_parameters(call), call.plan.call_id, _ENDED)
        writes = [(self._update_call, parameters), *self._event_writes(events)]
        if call.plan.messages and events and events[-1].is_terminal:
            writes.append((self._queue_messages, _queue_parameters(call, events[-1])))
        if call.state is CallState.ENDED:
            writes += self._ending_writes(call, events[-1].occurred_at)
        return self._writer.submit(writes, wait_s=UPDATE_WAIT_S)

    def _ending_writes(self, call: Call, at: datetime) -> list[Write]:
        call_id, charge = call.plan.call_id, call.charge
        if charge is None:
            return [self._charging.note_free(call_id)]
        settled = settle(charge, call.duration_s, connected=call.connected_at is not None)
        return self._charging.settle(call_id, charge, settled, at)

    async def is_known(self, call_id: CallId, app_id: AppId) -> bool:
        """Whether that application ever had that call. Raises StoreError."""
        query = select(exists().where(table.call.c.id == call_id, table.call.c.app_id == app_id))
        return bool(await self._reader.run(lambda connection: connection.scalar(query)))

    async def find_open(self, app_id: AppId, caller: str, callee: str) -> list[FoundCall]:
        """See control.port.CallStore."""
        columns = table.call.c
        # Of the application the calls that are open are few, and those that are over many: an
        # expression keeps a planner from the index of the latter.
        query = select(columns.id, columns.node_id).where(
            table.OPEN_CALL,
            columns.state != CallState.FINISHING.value,
            columns.app_id + "" == app_id,
            columns.caller_e164 == caller,
            columns.callee_e164 == callee,
        )

        def read(connection: Connection) -> list[FoundCall]:
            return [
                FoundCall(CallId(row.id), row.node_id == self._node_id)
                for row in connection.execute(query)
            ]

        return await self._reader.run(read)

    def _event_writes(self, events: Sequence[StatusEvent]) -> list[Write]:
        return [(self._insert_event, event_parameters(event)) for event in events]


def _queue_parameters(call: Call, end: StatusEvent) -> Parameters:
    was_connected = call.connected_at is not None
    at_millis = to_millis(end.occurred_at)
    return queue_parameters(call.plan.call_id, was_connected=was_connected, at_millis=at_millis)


def compile_event_insert(dialect: Dialect) -> Statement:
    """Appends an event; takes EVENT_COLUMNS."""
    return compile_statement(insert(table.call_event), dialect, EVENT_COLUMNS, rank=3)


def _compile_legs_update(dialect: Dialect) -> Statement:
    # Whoever ended the call, its legs were this node's.
    statement = (
        update(table.call)
        .where(table.call.c.id == bindparam("call_id"), table.call.c.node_id == bindparam("node"))
        .values(legs=bindparam("new_legs"))
    )
    names = ["new_legs", "call_id", "node"]
    # Gathered with others' writes, which must not fail with it.
    return compile_statement(statement, dialect, names, rank=2, counted=False)


def _compile_update(dialect: Dialect) -> Statement:
    # An ended call stays as it ended: changes of a process that was taken for dead are refused.
    statement = (
        update(table.call)
        .where(table.call.c.id == bindparam("call_id"), table.call.c.state != bindparam("ended"))
        .values({name: bindparam(f"new_{name}") for name in PROGRESS_COLUMNS})
    )
    names = [*(f"new_{name}" for name in PROGRESS_COLUMNS), "call_id", "ended"]
    return compile_statement(statement, dialect, names, rank=1)
