"""Calls and their events, made durable together."""

import asyncio
from collections.abc import Sequence

from sqlalchemy import Dialect, bindparam, exists, insert, select, update

from clicktodial.domain.call import Call, CallState
from clicktodial.domain.event import StatusEvent
from clicktodial.domain.identifier import AppId, CallId
from clicktodial.storage import table
from clicktodial.storage.call_row import (
    PLAN_COLUMNS,
    PROGRESS_COLUMNS,
    plan_parameters,
    progress_parameters,
)
from clicktodial.storage.claim_writes import ClaimWrites
from clicktodial.storage.database import Database
from clicktodial.storage.event_codec import EVENT_COLUMNS, event_parameters
from clicktodial.storage.leg_codec import encode_legs
from clicktodial.storage.statement import Statement, compile_statement
from clicktodial.storage.writer import Write

# The longest that a change waits for others to share its commit. A commit costs several times
# what it writes; nobody who is told of a ringing phone notices so short a time.
UPDATE_WAIT_S = 0.002


class SqlCallStore:
    """Implements `control.port.CallStore` for the calls of one node."""

    def __init__(self, database: Database, *, node_id: str) -> None:
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
        self._claiming = ClaimWrites(dialect)

    def create(self, call: Call, events: Sequence[StatusEvent]) -> asyncio.Future[None]:
        """Insert the call and its first events, and count its claims. Fails with
        StoreOverloaded, StoreTimeout or StoreConflict, after any of which the call is not in the
        database and never will be."""
        parameters = plan_parameters(call, self._node_id) + progress_parameters(call)
        writes = [(self._insert_call, parameters), *self._event_writes(events)]
        if call.plan.claims:
            writes += self._claiming.writes(call.plan.claims)
        return self._writer.submit(writes, droppable=True)

    def update(self, call: Call, events: Sequence[StatusEvent]) -> asyncio.Future[None]:
        """Change the call and append the events. Fails only with StoreConflict, when another
        process has ended the call: it told the terminal event, and these must not be told.

        Of a call whose terminal event was appended before, only what is kept of its legs changes.
        """
        if call.state is CallState.ENDED and not events:
            legs = encode_legs(call.legs) if call.legs else None
            writes = [(self._update_legs, (legs, call.plan.call_id, self._node_id))]
            return self._writer.submit(writes, wait_s=UPDATE_WAIT_S)
        parameters = (*progress_parameters(call), call.plan.call_id, CallState.ENDED.value)
        writes = [(self._update_call, parameters), *self._event_writes(events)]
        return self._writer.submit(writes, wait_s=UPDATE_WAIT_S)

    async def is_known(self, call_id: CallId, app_id: AppId) -> bool:
        """Whether that application ever had that call. Raises StoreError."""
        query = select(exists().where(table.call.c.id == call_id, table.call.c.app_id == app_id))
        return bool(await self._reader.run(lambda connection: connection.scalar(query)))

    def _event_writes(self, events: Sequence[StatusEvent]) -> list[Write]:
        return [(self._insert_event, event_parameters(event)) for event in events]


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
    return compile_statement(statement, dialect, ["new_legs", "call_id", "node"], rank=2)


def _compile_update(dialect: Dialect) -> Statement:
    # An ended call stays as it ended: changes of a process that was taken for dead are refused.
    statement = (
        update(table.call)
        .where(table.call.c.id == bindparam("call_id"), table.call.c.state != bindparam("ended"))
        .values({name: bindparam(f"new_{name}") for name in PROGRESS_COLUMNS})
    )
    names = [*(f"new_{name}" for name in PROGRESS_COLUMNS), "call_id", "ended"]
    return compile_statement(statement, dialect, names, rank=1)
