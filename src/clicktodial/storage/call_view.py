"""A call as its application sees it, whichever API it was begun with."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, select

from clicktodial.domain.call import CallState, EndedBy, EndStage
from clicktodial.domain.call_plan import was_not_set_up
from clicktodial.domain.cause import LegOutcome, Side
from clicktodial.domain.identifier import AppId, CallId, RecordingId
from clicktodial.storage import table
from clicktodial.storage.database import Database
from clicktodial.storage.leg_codec import decode_legs


@dataclass(frozen=True, slots=True)
class CallView:
    """What is stored of a call. Numbers are E.164 with plus; a call that `was_not_set_up` is
    over (see domain.call_plan). It `is_here` where this node placed it."""

    call_id: CallId
    caller: str
    callee: str
    state: CallState
    begun_at: datetime
    recording_id: RecordingId | None
    was_not_set_up: bool
    is_here: bool


class SqlCallViews:
    """Reads calls of applications."""

    def __init__(self, database: Database, *, node_id: str) -> None:
        self._reader = database.reader
        self._writer = database.writer
        self._node_id = node_id

    async def find(self, call_id: CallId, app_id: AppId) -> CallView | None:
        """The call, where it is that application's. Raises StoreError."""
        columns = table.call.c
        query = select(table.call).where(columns.id == call_id, columns.app_id == app_id)

        def read(connection: Connection) -> CallView | None:
            row = connection.execute(query).first()
            return None if row is None else _view(row, self._node_id)

        return await self._reader.run(read)

    async def find_as_told(self, call_id: CallId, app_id: AppId) -> CallView | None:
        """The same, with all that this node has told the database of it by now. Raises
        StoreError."""
        # Units are written in order: when this one is, that holds nothing, the others are.
        await self._writer.submit([], droppable=True)
        return await self.find(call_id, app_id)


def _view(row: Row[Any], node_id: str) -> CallView:
    return CallView(
        call_id=CallId(row.id),
        caller=row.caller_e164,
        callee=row.callee_e164,
        state=CallState(row.state),
        begun_at=row.begun_at,
        recording_id=None if row.recording_id is None else RecordingId(row.recording_id),
        was_not_set_up=_was_not_set_up(row),
        is_here=row.node_id == node_id,
    )


def _was_not_set_up(row: Row[Any]) -> bool:
    if row.stage is None or row.ended_by is None:
        return False
    leg = decode_legs(row.legs).get(Side.CALLER)
    return was_not_set_up(
        EndStage(row.stage),
        EndedBy(row.ended_by),
        None if row.leg_outcome is None else LegOutcome(row.leg_outcome),
        was_dialled=leg is not None and leg.sip_call_id is not None,
    )
