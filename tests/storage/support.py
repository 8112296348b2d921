"""Calls, events and databases for the tests of storage."""

from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, Engine, text

from clicktodial.domain.call import Call, CallPlan, Moment
from clicktodial.domain.cause import EndReason
from clicktodial.domain.event import CallStatus, StatusEvent
from clicktodial.domain.identifier import AppId, create_call_id, create_recording_id
from clicktodial.domain.number import PhoneNumber
from clicktodial.storage.migrations.versions import v0011_complete

APP_ID = AppId("12345678")
NODE_ID = "node-1"
NOW = datetime(2026, 3, 4, 5, 6, 7, 890_000, tzinfo=UTC)
SPONSOR = PhoneNumber("+861052680000", "01052680000")
CALLER = PhoneNumber("+8613912345673", "8613912345673")
CALLEE = PhoneNumber("+8613810268653", "8613810268653")


def at(seconds: float) -> Moment:
    """A moment that many seconds after NOW, on both clocks."""
    return Moment(1000.0 + seconds, NOW + timedelta(seconds=seconds))


def create_call(*, recorded: bool = False, app_id: AppId = APP_ID) -> Call:
    """A call that was just begun."""
    plan = CallPlan(
        call_id=create_call_id(),
        app_id=app_id,
        sponsor=SPONSOR,
        caller=CALLER,
        callee=CALLEE,
        recording_id=create_recording_id() if recorded else None,
        send_direction=None,
        caller_ring_timeout_s=45,
        callee_ring_timeout_s=60,
        max_duration_s=3600,
    )
    return Call(plan, begun_at=NOW)


def create_event(
    call: Call,
    seq: int = 1,
    status: CallStatus = CallStatus.CALLING_CALLER,
    reason: EndReason | None = None,
) -> StatusEvent:
    """An event of the call; counts it in the call."""
    call.event_count = max(call.event_count, seq)
    return StatusEvent(
        call_id=call.plan.call_id,
        seq=seq,
        app_id=call.plan.app_id,
        status=status,
        occurred_at=NOW,
        sponsor=SPONSOR.written,
        caller=CALLER.written,
        callee=CALLEE.written,
        reason=reason,
        call_duration_s=None if reason is None else 0,
    )


def count_rows(engine: Engine, table: str) -> int:
    """How many rows the table has."""
    with engine.connect() as connection:
        return int(connection.execute(text(f"SELECT count(*) FROM {table}")).scalar_one())


def add_missing_cdrs(connection: Connection) -> None:
    """Give every call that is over its CDR, as the platform does: of tests that write calls."""
    connection.execute(text(v0011_complete._INSERT_CDRS))
