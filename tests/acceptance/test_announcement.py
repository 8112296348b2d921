"""A call with an announcement, heard on real phones before they hear each other."""

import asyncio
from pathlib import Path

import numpy as np
import pytest
import soundfile
from tests.harness.client import CALLEE, CALLER
from tests.harness.phone import PhoneState
from tests.harness.stage import ANSWERED, open_stage
from tests.harness.tone import decode_alaw, dominant_frequency_hz

pytestmark = pytest.mark.asyncio(loop_scope="session")

NOTICE_HZ = 620
NOTICE_S = 1.5
CALLER_HZ = 440
CALLEE_HZ = 1000
TOLERANCE_HZ = 10.0
TAKEN_UP_WITHIN_S = 20.0
POLL_S = 0.05


async def test_both_hear_the_announcement_and_then_each_other(tmp_path: Path) -> None:
    time_s = np.arange(round(NOTICE_S * 16_000)) / 16_000
    notice = tmp_path / "notice.wav"
    soundfile.write(notice, 0.5 * np.sin(2 * np.pi * NOTICE_HZ * time_s), 16_000)
    async with open_stage(tmp_path) as stage:
        platform = stage.platform
        await platform.command("audio", "add", "notice", str(notice))
        app_id = stage.application.app_id
        await platform.command("app", "set-options", app_id, "--announcement", "notice")
        async with asyncio.timeout(TAKEN_UP_WITHIN_S):
            # Another process tells it, in its log.
            while "administration.changed" not in platform.log:  # noqa: ASYNC110
                await asyncio.sleep(POLL_S)
        caller = await stage.phone(CALLER)
        callee = await stage.phone(CALLEE)
        call = await stage.begin(record=1)
        await callee.wait_for(PhoneState.TALKING)
        # Both talk at once, before anybody may hear it.
        speech = asyncio.gather(caller.speak(CALLER_HZ, 4.0), callee.speak(CALLEE_HZ, 4.0))
        connected = await call.wait_for("Connected")
        await speech
        await call.release()
        end = await call.wait_for_end()
        assert connected is not None
        assert (call.statuses, end["recordingResult"]) == (ANSWERED, "Success")
        for phone, other_hz in ((caller, CALLEE_HZ), (callee, CALLER_HZ)):
            heard = decode_alaw(phone.heard())
            start = int(np.argmax(np.abs(heard) > 1_000))
            first, last = heard[start : start + 8_000], heard[-8_000:]
            assert abs(dominant_frequency_hz(first) - NOTICE_HZ) < TOLERANCE_HZ
            assert abs(dominant_frequency_hz(last) - other_hz) < TOLERANCE_HZ
        # What was said before the joining is not recorded, and not charged.
        assert end["callDuration"] <= round(call.took_s - NOTICE_S)
