"""All that is kept of one call, for whoever looks into it: the call, what its application was told,
its recording, what it cost."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import msgspec
from sqlalchemy import Connection, select

from clicktodial.accounts.call_search import ApplicationName
from clicktodial.accounts.scope import require_application
from clicktodial.domain.event import StatusEvent
from clicktodial.domain.identifier import AppId, CallId, RecordingId
from clicktodial.domain.minutes import Charging
from clicktodial.domain.principal import Principal
from clicktodial.domain.quality_timeline import QualityTimeline
from clicktodial.domain.recording import Recording
from clicktodial.domain.wording import worded
from clicktodial.storage import table
from clicktodial.storage.billing_table import cdr, pool
from clicktodial.storage.call_quality import read_timeline
from clicktodial.storage.error import NotFound
from clicktodial.storage.event_codec import decode_event
from clicktodial.storage.history import (
    CallRecord,
    EventRecord,
    read_call,
    render_event_record,
)
from clicktodial.storage.transaction import Transactions

_call, _event, _cdr = table.call.c, table.call_event.c, cdr.c


@dataclass(frozen=True, slots=True)
class ToldEvent:
    """A status event: what became of its delivery, and what it says; None where that cannot be
    read any more."""

    record: EventRecord
    event: StatusEvent | None


@dataclass(frozen=True, slots=True)
class CallCharge:
    """What a call took of its enterprise's pool, and cost besides in millionths of `currency`."""

    charging: Charging
    billed_s: int
    overage_s: int
    price_micros: int
    currency: str | None
    member: str
    department: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CallFile:
    """One call. `charge` is None until it is rated, `recording` where there is no file; the
    `timeline` of its quality is empty until it has ended."""

    call: CallRecord
    events: Sequence[ToldEvent]
    application: ApplicationName
    enterprise_id: str
    recording: Recording | None
    charge: CallCharge | None
    timeline: QualityTimeline


class CallFiles:
    """All methods block. They raise NotFound, also for another's call, and DatabaseUnavailable."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    def show(self, principal: Principal, call_id: str) -> CallFile:
        """All of it."""
        with self._transactions.read() as connection:
            call = read_call(connection, call_id)
            if call is None:
                raise NotFound(worded("there is no call %(call_id)s", call_id=call_id))
            owner = require_application(connection, principal, call.app_id)
            name = connection.execute(
                select(table.application.c.name).where(table.application.c.app_id == call.app_id)
            ).scalar_one()
            return CallFile(
                call=call,
                events=_read_events(connection, call_id),
                application=ApplicationName(call.app_id, name),
                enterprise_id=owner.enterprise_id,
                recording=_read_recording(connection, call),
                charge=_read_charge(connection, call_id),
                timeline=read_timeline(connection, call_id),
            )

    def recording(self, principal: Principal, call_id: str) -> tuple[Recording, str]:
        """Its recording, and the enterprise whose it is."""
        with self._transactions.read() as connection:
            call = read_call(connection, call_id)
            if call is None:
                raise NotFound(worded("there is no call %(call_id)s", call_id=call_id))
            owner = require_application(connection, principal, call.app_id)
            found = _read_recording(connection, call)
            if found is None:
                raise NotFound(worded("call %(call_id)s has no recording", call_id=call_id))
            return found, str(owner.enterprise_id)

    def version(self, call_id: str) -> Hashable:
        """Changes with whatever `show` tells of the call: a cheap question, for who watches."""
        events = select(_event.seq, _event.delivery_state, _event.attempts).where(
            _event.call_id == call_id
        )
        query = select(_call.state, _call.recording_result, _call.legs).where(_call.id == call_id)
        with self._transactions.read() as connection:
            row = connection.execute(query).first()
            told = [tuple(each) for each in connection.execute(events.order_by(_event.seq))]
            return (None if row is None else tuple(row), tuple(told))


def _read_events(connection: Connection, call_id: str) -> list[ToldEvent]:
    query = select(table.call_event).where(_event.call_id == call_id).order_by(_event.seq)
    return [
        ToldEvent(render_event_record(row), _decode_or_none(row.payload))
        for row in connection.execute(query)
    ]


def _decode_or_none(payload: str) -> StatusEvent | None:
    try:
        return decode_event(payload)
    except msgspec.DecodeError:
        return None


def _read_recording(connection: Connection, call: CallRecord) -> Recording | None:
    if call.recording_id is None:
        return None
    columns = table.recording.c
    row = connection.execute(
        select(table.recording).where(
            columns.recording_id == RecordingId(call.recording_id),
            columns.call_id == CallId(call.call_id),
            columns.app_id == AppId(call.app_id),
        )
    ).first()
    return None if row is None else Recording(**row._mapping)


def _read_charge(connection: Connection, call_id: str) -> CallCharge | None:
    query = (
        select(
            _cdr.charging,
            _cdr.billed_s,
            _cdr.overage_s,
            _cdr.price_micros,
            pool.c.currency,
            _cdr.member,
            _cdr.department,
        )
        .outerjoin(pool, pool.c.enterprise_id == _cdr.enterprise_id)
        .where(_cdr.call_id == call_id)
    )
    row = connection.execute(query).first()
    return None if row is None else CallCharge(Charging(row.charging), *row[1:])
