"""baresip as both phones: real audio through the relay, in both directions."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest
import pytest_asyncio
from tests.harness.baresip import StartPhone, open_phones
from tests.harness.client import CALLEE, CALLER
from tests.harness.stage import ANSWERED, Stage
from tests.harness.tone import Samples, dominant_frequency_hz

pytestmark = pytest.mark.asyncio(loop_scope="session")

CALLER_HZ = 700
CALLEE_HZ = 1100
TOLERANCE_HZ = 10.0
TALK_S = 2.0


@pytest_asyncio.fixture(loop_scope="session")
async def start_phone(stage: Stage, tmp_path: Path) -> AsyncIterator[StartPhone]:
    async with open_phones(stage.switch, tmp_path) as start:
        yield start


def middle_second(samples: Samples, rate: int) -> Samples:
    """A second away from either end, where a call has settled."""
    start = max(0, len(samples) // 2 - rate // 2)
    return samples[start : start + rate]


@pytest.mark.parametrize("codec", ["PCMA/8000/1", "PCMU/8000/1"])
async def test_both_hear_the_other_and_the_application_hears_of_it(
    stage: Stage, start_phone: StartPhone, codec: str
) -> None:
    caller = await start_phone(CALLER, CALLER_HZ, codecs=(codec,))
    callee = await start_phone(CALLEE, CALLEE_HZ, codecs=(codec,))
    call = await stage.begin()
    await call.wait_for("Connected")
    await callee.wait_for("CALL_ESTABLISHED")
    await asyncio.sleep(TALK_S)  # the conversation
    await callee.command("hangup")
    end = await call.wait_for_end()
    await caller.wait_for("CALL_CLOSED")
    assert call.statuses == ANSWERED
    assert end["reason"] == "HangUp"
    for phone, other_hz in ((caller, CALLEE_HZ), (callee, CALLER_HZ)):
        samples, rate = phone.heard()
        assert len(samples) > TALK_S * rate * 0.8
        heard = middle_second(samples, rate)
        assert abs(dominant_frequency_hz(heard, rate) - other_hz) < TOLERANCE_HZ
        assert np.max(np.abs(heard)) > 0.2
