"""What the platform carries: trunks, calls of the last hours, notifications that were given up."""

from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy import insert
from tests.portal.world import ACME, World

from clicktodial.domain.call import CallState
from clicktodial.domain.cause import EndReason, Side
from clicktodial.domain.event import CallStatus
from clicktodial.domain.leg import LegRecord
from clicktodial.domain.trunk import Trunk, TrunkCredentials
from clicktodial.storage import table
from clicktodial.storage.instant import to_millis
from clicktodial.storage.leg_codec import encode_legs

CALLS = 60
LEGS = {Side.CALLER: LegRecord(trunk="north"), Side.CALLEE: LegRecord(trunk="south")}
# As carriers answer them.
_STATUSES = {EndReason.CALLEE_BUSY: 486, EndReason.CALLER_FAILURE: 503}
_REASONS = (EndReason.HANG_UP, EndReason.HANG_UP, EndReason.CALLEE_BUSY, EndReason.CALLER_FAILURE)


def seed_operation(world: World, enterprise_id: str) -> dict[str, str]:
    """Three trunks that no call goes by, and calls of the last two hours."""
    if enterprise_id == ACME:
        _add_trunks(world)
        app_id = world.ids[ACME]["app_id"]
        for number in range(CALLS):
            _add_call(world, app_id, number)
    return {"trunk": "north"}


def _add_trunks(world: World) -> None:
    # They carry no number that anybody calls, and are asked nothing.
    quiet = Trunk("", "127.0.0.9", 5060, prefixes=("+999",), options_interval_s=0)
    for trunk in (
        replace(quiet, name="north", channels_max=60, calls_per_second_max=20),
        replace(quiet, name="south", priority=200),
        replace(quiet, name="west", credentials=TrunkCredentials("west", "secret")),
    ):
        world.administration.add_trunk(trunk)
    world.administration.set_trunk_enabled("west", enabled=False)


def _add_call(world: World, app_id: str, number: int) -> None:
    """Two minutes apart, the last of them within this minute."""
    begun_at = world.now - timedelta(minutes=2 * number)
    reason = _REASONS[number % len(_REASONS)]
    is_joined = reason is EndReason.HANG_UP
    call_id = f"{to_millis(begun_at):012x}{number:020x}"
    row = {
        "id": call_id, "node_id": "another", "app_id": app_id,
        "sponsor_e164": "+861052680000", "sponsor_written": "01052680000",
        "caller_e164": "+8613912345673", "caller_written": "8613912345673",
        "callee_e164": "+8613810268653", "callee_written": "8613810268653",
        "begun_at": begun_at, "state": CallState.ENDED,
        "connected_at": begun_at + timedelta(seconds=9) if is_joined else None,
        "ended_at": begun_at + timedelta(seconds=60), "duration_s": 51 if is_joined else 0,
        "reason": reason, "sip_status": _STATUSES.get(reason), "event_count": 1,
        "legs": encode_legs(LEGS),
    }  # fmt: skip
    with world.engine.begin() as connection:
        connection.execute(insert(table.call).values(row))
        if number < 3:
            connection.execute(
                insert(table.call_event).values(_given_up(call_id, app_id, begun_at))
            )


def _given_up(call_id: str, app_id: str, at: datetime) -> dict[str, object]:
    return {
        "call_id": call_id, "seq": 1, "app_id": app_id, "status": CallStatus.CALLING_CALLER,
        "occurred_at": at, "payload": "{}", "attempts": 8, "delivery_state": "given_up",
        "last_error": "HTTP 503", "answer_status": 503, "answered_at": at,
        "answer_text": '{"error": "the database is down"}',
    }  # fmt: skip
