"""What became of calls, for the operator's eyes."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, Engine, Row, Select, literal, select, tuple_
from sqlalchemy.exc import OperationalError

from clicktodial.control.delivery import DeliveryAnswer, DeliveryState
from clicktodial.domain.call import CallState, EndedBy, EndStage
from clicktodial.domain.cause import EndReason, LegOutcome, Side
from clicktodial.domain.event import CallStatus
from clicktodial.domain.leg import LegRecord
from clicktodial.domain.quality_timeline import QualityTimeline
from clicktodial.domain.wording import worded
from clicktodial.storage import table
from clicktodial.storage.call_quality import read_timeline
from clicktodial.storage.delivery_row import read_answer
from clicktodial.storage.error import DatabaseUnavailable, NotFound
from clicktodial.storage.instant import UtcMillis
from clicktodial.storage.leg_codec import decode_legs

# More than anybody reads in a terminal.
RECENT_MAX = 1_000


class CallPlace(NamedTuple):
    """Where a call stands among those of its application."""

    begun_at: datetime
    call_id: str


@dataclass(frozen=True, slots=True)
class CallRecord:
    """One call. Numbers are E.164; what concerns the end is None while the call lives."""

    call_id: str
    app_id: str
    node_id: str
    state: CallState
    sponsor: str
    caller: str
    callee: str
    begun_at: datetime
    connected_at: datetime | None
    ended_at: datetime | None
    duration_s: int
    reason: EndReason | None
    ended_by: EndedBy | None
    stage: EndStage | None
    leg_outcome: LegOutcome | None
    sip_status: int | None
    sip_text: str | None
    q850: int | None
    reason_header: str | None
    recording_id: str | None
    recording_result: str | None
    legs: dict[Side, LegRecord]

    @property
    def place(self) -> CallPlace:
        return CallPlace(self.begun_at, self.call_id)


@dataclass(frozen=True, slots=True)
class EventRecord:
    """One event of a call, and what became of its delivery."""

    seq: int
    status: CallStatus
    occurred_at: datetime
    delivery_state: DeliveryState
    attempts: int
    next_attempt_at: datetime | None
    delivered_at: datetime | None
    last_error: str | None
    answer: DeliveryAnswer | None


def calls_of_application(app_id: str, before: CallPlace | None) -> Select[Any]:
    """By time within the application, which its index gives without sorting."""
    columns = table.call.c
    query = select(table.call).where(columns.app_id == app_id)
    if before is not None:
        place = tuple_(columns.begun_at, columns.id)
        query = query.where(place < tuple_(literal(before.begun_at, UtcMillis), before.call_id))
    return query.order_by(columns.begun_at.desc(), columns.id.desc())


class CallHistory:
    """Blocking reads, for the operator. All raise DatabaseUnavailable."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def recent_calls(
        self, *, limit: int, app_id: str | None = None, before: CallPlace | None = None
    ) -> list[CallRecord]:
        """The newest calls first, at most RECENT_MAX; of an application, those `before` a place
        in that order."""
        query = select(table.call).order_by(table.call.c.id.desc())
        if app_id is not None:
            query = calls_of_application(app_id, before)
        try:
            with self._engine.connect() as connection:
                rows = connection.execute(query.limit(min(limit, RECENT_MAX)))
                return [render_call_record(row) for row in rows]
        except OperationalError as error:
            raise DatabaseUnavailable(str(error.orig)) from error

    def application_of(self, call_id: str) -> str | None:
        """The application whose call it is; None where there is no such call."""
        query = select(table.call.c.app_id).where(table.call.c.id == call_id)
        try:
            with self._engine.connect() as connection:
                return connection.execute(query).scalar()
        except OperationalError as error:
            raise DatabaseUnavailable(str(error.orig)) from error

    def call(self, call_id: str) -> tuple[CallRecord, list[EventRecord]]:
        """One call and its events in order. Raises NotFound."""
        try:
            with self._engine.connect() as connection:
                call, events = read_call(connection, call_id), read_events(connection, call_id)
        except OperationalError as error:
            raise DatabaseUnavailable(str(error.orig)) from error
        if call is None:
            raise NotFound(worded("there is no call %(call_id)s", call_id=call_id))
        return call, events

    def timeline(self, call_id: str) -> tuple[CallRecord, QualityTimeline]:
        """One call, and how it sounded. Raises NotFound."""
        try:
            with self._engine.connect() as connection:
                call, timeline = read_call(connection, call_id), read_timeline(connection, call_id)
        except OperationalError as error:
            raise DatabaseUnavailable(str(error.orig)) from error
        if call is None:
            raise NotFound(worded("there is no call %(call_id)s", call_id=call_id))
        return call, timeline


def read_call(connection: Connection, call_id: str) -> CallRecord | None:
    """One call, within the caller's transaction; None where there is no such call."""
    row = connection.execute(select(table.call).where(table.call.c.id == call_id)).first()
    return None if row is None else render_call_record(row)


def read_events(connection: Connection, call_id: str) -> list[EventRecord]:
    """A call's events in order, within the caller's transaction."""
    events = table.call_event.c
    query = select(table.call_event).where(events.call_id == call_id).order_by(events.seq)
    return [render_event_record(row) for row in connection.execute(query)]


def render_call_record(row: Row[Any]) -> CallRecord:
    """A row of `call`."""
    return CallRecord(
        call_id=row.id,
        app_id=row.app_id,
        node_id=row.node_id,
        state=CallState(row.state),
        sponsor=row.sponsor_e164,
        caller=row.caller_e164,
        callee=row.callee_e164,
        begun_at=row.begun_at,
        connected_at=row.connected_at,
        ended_at=row.ended_at,
        duration_s=row.duration_s,
        reason=None if row.reason is None else EndReason(row.reason),
        ended_by=None if row.ended_by is None else EndedBy(row.ended_by),
        stage=None if row.stage is None else EndStage(row.stage),
        leg_outcome=None if row.leg_outcome is None else LegOutcome(row.leg_outcome),
        sip_status=row.sip_status,
        sip_text=row.sip_text,
        q850=row.q850,
        reason_header=row.reason_header,
        recording_id=row.recording_id,
        recording_result=row.recording_result,
        legs=decode_legs(row.legs),
    )


def render_event_record(row: Row[Any]) -> EventRecord:
    """A row of `call_event`."""
    return EventRecord(
        seq=row.seq,
        status=CallStatus(row.status),
        occurred_at=row.occurred_at,
        delivery_state=DeliveryState(row.delivery_state),
        attempts=row.attempts,
        next_attempt_at=row.next_attempt_at,
        delivered_at=row.delivered_at,
        last_error=row.last_error,
        answer=read_answer(row),
    )
