"""Calls of every outcome."""

from datetime import timedelta

from sqlalchemy import insert
from tests.api.support import SECRET
from tests.portal.world import ACME, BRAVO, World

from clicktodial.domain.call import CallState
from clicktodial.domain.call_plan import EndedBy, EndStage
from clicktodial.domain.cause import EndReason, Side
from clicktodial.domain.event import CallStatus
from clicktodial.domain.leg import LegRecord, SideQuality
from clicktodial.storage import table
from clicktodial.storage.administration import NewApplication
from clicktodial.storage.leg_codec import encode_legs

LEG = LegRecord(
    trunk="main",
    codec="PCMA",
    quality=SideQuality(packets=1_500, packets_lost=3, jitter_ms=4.2, mos=4.3),
)


def seed_calls(world: World, enterprise_id: str) -> dict[str, str]:
    """An application and two pages of its calls, of every outcome, the newest under way."""
    app_id = {ACME: "11111111", BRAVO: "22222222"}[enterprise_id]
    world.administration.create_application(
        NewApplication(
            app_id=app_id,
            secret=SECRET,
            name=f"{enterprise_id.title()} dispatch",
            enterprise_id=enterprise_id,
            sponsors=("01052680000",),
        )
    )
    reasons = list(EndReason)
    for number in range(40):
        add_call(world, f"{app_id}{number:024x}", app_id, number, reasons[number % len(reasons)])
    return {"app_id": app_id, "call_id": f"{app_id}{0:024x}"}


def add_call(world: World, call_id: str, app_id: str, number: int, reason: EndReason) -> None:
    """A call that ended for that reason, so many half hours ago; the first still goes on."""
    begun_at = world.now - timedelta(minutes=30 * number + 5)
    is_live, is_joined = number == 0, reason is EndReason.HANG_UP
    seconds = (number * 37) % 600 + 5 if is_joined and not is_live else 0
    legs = {Side.CALLER: LEG, Side.CALLEE: LEG}
    ended_at = begun_at + timedelta(seconds=20 + seconds)
    row = {
        "id": call_id, "node_id": "another", "app_id": app_id,
        "sponsor_e164": "+861052680000", "sponsor_written": "01052680000",
        "caller_e164": "+8613912345673", "caller_written": "8613912345673",
        "callee_e164": f"+8613810268{number:03}", "callee_written": f"8613810268{number:03}",
        "begun_at": begun_at, "state": CallState.CONNECTED if is_live else CallState.ENDED,
        "connected_at": begun_at + timedelta(seconds=20) if is_joined else None,
        "ended_at": None if is_live else ended_at, "duration_s": seconds,
        "reason": None if is_live else reason,
        "ended_by": None if is_live else EndedBy.CALLEE,
        "stage": None if is_live else EndStage.CONNECTED if is_joined else EndStage.CALLING_CALLEE,
        "sip_text": None if is_live else "Normal call clearing", "event_count": 2,
        "legs": encode_legs(legs),
    }  # fmt: skip
    statuses = [
        CallStatus.CALLING_CALLER,
        CallStatus.CONNECTED if is_live else CallStatus.DISCONNECTED,
    ]
    with world.engine.begin() as connection:
        connection.execute(insert(table.call).values(row))
        for seq, status in enumerate(statuses, 1):
            event = {
                "call_id": call_id, "seq": seq, "app_id": app_id, "status": status,
                "occurred_at": begun_at, "payload": "{}", "attempts": 1,
                "delivery_state": "delivered", "delivered_at": begun_at,
            }  # fmt: skip
            connection.execute(insert(table.call_event).values(event))
