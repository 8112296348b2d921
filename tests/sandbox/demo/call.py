"""A demonstrated call as it ought to go, to be spoiled by tests."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from clicktodial.sandbox.demo.evidence import Evidence, Pool, Recording, Scenario
from clicktodial.sandbox.demo.journal import Entry
from clicktodial.sandbox.melody import SAMPLE_RATE, melody_digits, render_melody

SCENARIO = Scenario()
BEGAN_AT = datetime(2024, 5, 1, 8, 0, 0, tzinfo=UTC)
CALL_ID = "A010B020"
STATUSES = ("CallingCaller", "CallingCallee", "Connected", "Disconnected")
DURATION_S = 6


def entry(at_s: float, event: str, source: str = "carrier", **fields: Any) -> Entry:
    return Entry(source, BEGAN_AT + timedelta(seconds=at_s), event, fields)


def notification(at_s: float, status: str) -> Entry:
    told: dict[str, Any] = {"APPID": "12345678", "status": status}
    if status == "Disconnected":
        told |= {"reason": "HangUp", "callDuration": DURATION_S, "recordingResult": "Success"}
    return entry(
        at_s, "notification", "application server", callidentifier=CALL_ID, notification=told
    )


def source(melody: str | None, seconds: float) -> dict[str, Any]:
    return {"melody": melody, "seconds": seconds, "packets": round(seconds * 50), "lost": 0}


def phone_entries(number: str, heard: Sequence[dict[str, Any]], start_s: float) -> list[Entry]:
    identity = {"phone": number, "shown": "+861052680000", "call": f"sip-{number}"}

    def sip(at_s: float, direction: str, label: str, status: int | None = None) -> Entry:
        message = f"{label} sip:+{number}@127.0.0.1\r\n"
        return entry(
            at_s,
            "sip",
            direction=direction,
            label=label,
            status=status,
            call=f"sip-{number}",
            sdp=label in ("INVITE", "200 OK"),
            message=message,
        )

    packets = sum(each["packets"] for each in heard)
    return [
        sip(start_s, "received", "INVITE"),
        entry(start_s + 0.001, "ringing", **identity),
        sip(start_s + 0.001, "sent", "180 Ringing", 180),
        entry(start_s + 1.0, "answered", **identity, codec="PCMA"),
        sip(start_s + 1.0, "sent", "200 OK", 200),
        sip(start_s + 1.01, "received", "ACK"),
        entry(start_s + 3.5, "hears", **identity, melody="123456"),
        sip(8.0, "received", "BYE"),
        entry(8.0, "ended", **identity, by="other", answered=True, seconds=7.0),
        entry(8.1, "heard", **identity, packets=packets, lost=0, sources=list(heard)),
    ]


MESSAGES = ("You spoke with +8613*******53.", "You spoke with +8613*******73.")


def create_recording(left: str = SCENARIO.caller, right: str = SCENARIO.callee) -> Recording:
    channels = [np.tile(render_melody(melody_digits(number)), 4) for number in (left, right)]
    samples = np.stack(channels, axis=1)[: DURATION_S * SAMPLE_RATE]
    return Recording(b"RIFF", np.asarray(samples, np.float32), SAMPLE_RATE)


def create_entries() -> list[Entry]:
    caller, callee = SCENARIO.caller, SCENARIO.callee
    heard_by_caller = [source(None, 1.0), source(melody_digits(callee), 6.0)]
    heard_by_callee = [source(melody_digits(caller), 6.0)]
    times = (0.01, 1.02, 2.03, 8.01)
    told = [notification(at_s, status) for at_s, status in zip(times, STATUSES, strict=True)]
    entries = [
        *phone_entries(caller, heard_by_caller, 0.01),
        *phone_entries(callee, heard_by_callee, 1.02),
        *told,
    ]
    return sorted(entries, key=lambda each: each.at)


def create_evidence(
    entries: Sequence[Entry] | None = None,
    recording: Recording | None = None,
    messages: Sequence[str] | None = None,
    pool_after: Pool | None = None,
) -> Evidence:
    return Evidence(
        SCENARIO,
        CALL_ID,
        create_entries() if entries is None else entries,
        recording or create_recording(),
        MESSAGES if messages is None else messages,
        Pool(available_s=36_000, reserved_s=0, consumed_s=0),
        pool_after or Pool(available_s=35_940, reserved_s=0, consumed_s=60),
    )
