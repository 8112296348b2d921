"""Calls of every outcome, one with all that a call can have, one under way."""

import wave
from datetime import timedelta
from math import pi, sin
from pathlib import Path
from struct import pack

from sqlalchemy import insert
from tests.api.support import SECRET
from tests.portal.world import ACME, BRAVO, World
from tests.storage.support import add_missing_cdrs

from clicktodial.domain.call import CallState
from clicktodial.domain.call_plan import EndedBy, EndStage
from clicktodial.domain.cause import RING_TIMEOUT_CAUSE, EndReason, LegOutcome, Side
from clicktodial.domain.event import CallStatus, StatusEvent
from clicktodial.domain.identifier import AppId, CallId
from clicktodial.domain.leg import LegRecord, SideQuality, TracedMessage
from clicktodial.domain.quality import estimate_mos
from clicktodial.domain.quality_timeline import (
    IntervalQuality,
    QualityInterval,
    QualityTimeline,
)
from clicktodial.storage import table
from clicktodial.storage.administration import NewApplication
from clicktodial.storage.call_quality import encode_timeline
from clicktodial.storage.event_codec import encode_event
from clicktodial.storage.instant import to_millis
from clicktodial.storage.leg_codec import encode_legs
from clicktodial.storage.quality_table import call_quality

SPONSOR = "01052680000"
RATE_HZ = 8_000
RECORDED_S = 12
# The first goes on, the second was recorded.
LIVE, RECORDED = 0, 9
# What passed of a leg, and after how many milliseconds.
_LINES = (
    (0, True, "INVITE sip:+8613*******73@… SIP/2.0", ("CSeq: 1 INVITE",), ("PCMA", "PCMU")),
    (12, False, "SIP/2.0 100 Trying", ("CSeq: 1 INVITE",), ()),
    (240, False, "SIP/2.0 180 Ringing", ("CSeq: 1 INVITE",), ()),
    (2_900, False, "SIP/2.0 486 Busy Here", ("CSeq: 1 INVITE", "Reason: Q.850;cause=17"), ()),
    (2_901, True, "ACK sip:+8613*******73@… SIP/2.0", ("CSeq: 1 ACK",), ()),
)
_JOINED_LINES = (
    *_LINES[:3],
    (2_900, False, "SIP/2.0 200 OK", ("CSeq: 1 INVITE",), ("PCMA",)),
    (2_901, True, "ACK sip:+8613*******73@… SIP/2.0", ("CSeq: 1 ACK",), ()),
    (90_000, True, "BYE sip:+8613*******73@… SIP/2.0", ("CSeq: 2 BYE",), ()),
    (90_020, False, "SIP/2.0 200 OK", ("CSeq: 2 BYE",), ()),
)
# As servers do that validate what they take: with what they did not like.
REFUSED = '{{"detail": "unknown number", "input": "{}"}}'
_REFUSALS = {
    EndReason.CALLER_BUSY: (486, "Busy Here", 17, LegOutcome.BUSY),
    EndReason.CALLEE_BUSY: (486, "Busy Here", 17, LegOutcome.BUSY),
    EndReason.CALLER_NO_ANSWER: (480, "Temporarily Unavailable", 18, LegOutcome.NO_ANSWER),
    EndReason.CALLEE_NO_ANSWER: (None, RING_TIMEOUT_CAUSE.sip_text, 19, LegOutcome.NO_ANSWER),
    EndReason.CALLER_FAILURE: (503, "No trunk", 38, LegOutcome.FAILED),
    EndReason.CALLEE_FAILURE: (404, "Not Found", 1, LegOutcome.FAILED),
}  # fmt: skip


def seed_calls(world: World, enterprise_id: str) -> dict[str, str]:
    """An application and two pages of its calls, of every outcome, the newest under way."""
    app_id = {ACME: "11111111", BRAVO: "22222222"}[enterprise_id]
    world.administration.create_application(
        NewApplication(
            app_id=app_id,
            secret=SECRET,
            name=f"{enterprise_id.title()} dispatch",
            enterprise_id=enterprise_id,
            sponsors=(SPONSOR, "01052680001"),
            notify_url=f"https://{enterprise_id}.example",
        )
    )
    reasons = list(EndReason)
    for number in range(40):
        add_call(world, f"{app_id}{number:024x}", app_id, number, reasons[number % len(reasons)])
    return {
        "app_id": app_id,
        "call_id": f"{app_id}{RECORDED:024x}",
        "live_call_id": f"{app_id}{LIVE:024x}",
    }


def add_call(world: World, call_id: str, app_id: str, number: int, reason: EndReason) -> None:
    """A call that ended for that reason, so many half hours ago; the first still goes on."""
    begun_at = world.now - timedelta(minutes=30 * number + 5)
    is_live, is_joined = number == LIVE, reason is EndReason.HANG_UP
    seconds = (number * 37) % 600 + 5 if is_joined and not is_live else 0
    ended_at = begun_at + timedelta(seconds=20 + seconds)
    status, text, q850, outcome = _REFUSALS.get(reason, (None, "BYE", 16, LegOutcome.HUNG_UP))
    callee = f"8613810268{number:03}"
    side = EndedBy.CALLER if reason.value.startswith("Caller") else EndedBy.CALLEE
    row = {
        "id": call_id, "node_id": "another", "app_id": app_id,
        "sponsor_e164": "+861052680000", "sponsor_written": SPONSOR,
        "caller_e164": "+8613912345673", "caller_written": "8613912345673",
        "callee_e164": f"+{callee}", "callee_written": callee,
        "begun_at": begun_at, "state": CallState.CONNECTED if is_live else CallState.ENDED,
        "connected_at": begun_at + timedelta(seconds=20) if is_joined else None,
        "ended_at": None if is_live else ended_at, "duration_s": seconds,
        "reason": None if is_live else reason,
        "ended_by": None if is_live else side,
        "stage": None if is_live else EndStage.CONNECTED if is_joined else EndStage.CALLING_CALLEE,
        "leg_outcome": None if is_live else outcome, "sip_status": None if is_live else status,
        "sip_text": None if is_live else text, "q850": None if is_live else q850, "event_count": 2,
        "legs": encode_legs(_legs(world, number, is_joined=is_joined)),
        "recording_id": f"r{call_id}" if number == RECORDED else None,
        "recording_result": "Success" if number == RECORDED else None,
    }  # fmt: skip
    statuses = [
        CallStatus.CALLING_CALLER,
        CallStatus.CONNECTED if is_live else CallStatus.DISCONNECTED,
    ]
    with world.engine.begin() as connection:
        connection.execute(insert(table.call).values(row))
        add_missing_cdrs(connection)
        for seq, told in enumerate(statuses, 1):
            event = StatusEvent(
                call_id=CallId(call_id), seq=seq, app_id=AppId(app_id), status=told,
                occurred_at=begun_at, sponsor=SPONSOR, caller="8613912345673", callee=callee,
                reason=reason if told is CallStatus.DISCONNECTED else None,
            )  # fmt: skip
            is_lost = number == RECORDED and seq == 2
            values = {
                "call_id": call_id, "seq": seq, "app_id": app_id, "status": told,
                "occurred_at": begun_at, "payload": encode_event(event),
                "attempts": 12 if is_lost else 1,
                "delivery_state": "given_up" if is_lost else "delivered",
                "delivered_at": None if is_lost else begun_at,
                "last_error": "HTTP 503" if is_lost else None,
                "answer_status": 503 if is_lost else 200,
                "answered_at": begun_at + timedelta(seconds=1),
                "answer_text": REFUSED.format(callee) if is_lost else None,
            }  # fmt: skip
            connection.execute(insert(table.call_event).values(values))
        if is_joined and not is_live:
            kept = {"call_id": call_id, "intervals": encode_timeline(create_timeline(seconds))}
            connection.execute(insert(call_quality).values(kept))
    if number == RECORDED:
        _add_recording(world, call_id, app_id)


def _legs(world: World, number: int, *, is_joined: bool) -> dict[Side, LegRecord]:
    begun_at = world.now - timedelta(minutes=30 * number + 5)
    zero = to_millis(begun_at)
    legs = {}
    for index, side in enumerate(Side):
        placed_at = begun_at + timedelta(seconds=8 * index, milliseconds=40)
        legs[side] = LegRecord(
            trunk="main",
            codec="PCMA" if is_joined else None,
            placed_at=placed_at,
            ringing_at=placed_at + timedelta(seconds=1),
            answered_at=placed_at + timedelta(seconds=6) if is_joined or index == 0 else None,
            quality=SideQuality(
                packets=1_500, packets_lost=3 + 90 * index, jitter_ms=4.2, mos=4.35 - 0.7 * index
            )
            if is_joined
            else None,
            trace=tuple(
                TracedMessage(
                    at_ms=zero + 40 + 8_000 * index + at,
                    is_sent=is_sent,
                    line=line,
                    headers=headers,
                    codecs=codecs,
                    size=500,
                )
                for at, is_sent, line, headers, codecs in (_JOINED_LINES if is_joined else _LINES)
            )
            if number % 2
            else None,
        )
    return legs


def create_timeline(seconds: int) -> QualityTimeline:
    """Of a conversation of so long: the callee in a lift for a minute, the caller mute for some
    of it."""
    timeline = []
    for number in range(seconds // 10):
        lost = 70 if 12 <= number < 18 else number % 3
        jitter_ms = 3.0 + number % 4 + lost / 4
        mos = estimate_mos(codec_name="PCMA", loss_ratio=lost / 500, jitter_ms=jitter_ms)
        callee = IntervalQuality(500 - lost, lost, jitter_ms, None, mos)
        caller = IntervalQuality(500, 0, 2.0, 38.0, 4.41)
        if number in (5, 6, 8):
            caller = IntervalQuality(0, 0, None, 38.0, None)
        timeline.append(QualityInterval(10_000 * (number + 1), caller, callee))
    return tuple(timeline)


def _add_recording(world: World, call_id: str, app_id: str) -> None:
    key = f"2026/11/27/r{call_id}.wav"
    file = Path(world.settings.data_dir) / "recordings" / key
    file.parent.mkdir(parents=True, exist_ok=True)
    # First the one talks, then the other.
    frames = b"".join(
        pack("<hh", *(_voice(frame, side) for side in range(2)))
        for frame in range(RECORDED_S * RATE_HZ)
    )
    with wave.open(str(file), "wb") as sound:
        sound.setparams((2, 2, RATE_HZ, 0, "NONE", "not compressed"))
        sound.writeframes(frames)
    row = {
        "recording_id": f"r{call_id}", "call_id": call_id, "app_id": app_id, "key": key,
        "size_bytes": file.stat().st_size, "duration_ms": RECORDED_S * 1_000, "sha256": "0" * 64,
        "created_at": world.now,
    }  # fmt: skip
    with world.engine.begin() as connection:
        connection.execute(insert(table.recording).values(row))


def _voice(frame: int, side: int) -> int:
    second = frame / RATE_HZ
    if int(second / 2) % 2 != side:
        return 0
    return round(12_000 * sin(2 * pi * 300 * second) * abs(sin(2 * pi * 1.7 * second)))
