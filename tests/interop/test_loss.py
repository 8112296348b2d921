"""A network that loses a tenth of all datagrams, each way."""

import asyncio
from collections import Counter
from pathlib import Path

import pytest
from tests.harness.client import CALLEE, CALLER, PlacedCall
from tests.harness.stage import ANSWERED, Stage, open_stage
from tests.harness.switch import Impairment

CALLS = 40
CALLS_PER_S = 10
LOST = 0.1
# What a lost BYE or 200 needs until it got through: a few doublings of T1.
LINGER_MS = 2000
TABLES = {"calls": {"caller_ring_timeout_s": 20, "callee_ring_timeout_s": 20}}


@pytest.mark.parametrize("seed", [1, 2])
async def test_tenth_of_datagrams_lost_each_way_every_call_connects_and_ends_once(
    tmp_path: Path, seed: int
) -> None:
    async with open_stage(tmp_path, TABLES) as stage:
        await stage.sipp("answer.xml", CALLER, calls=CALLS, linger_ms=LINGER_MS, patient=True)
        await stage.sipp(
            "answer_then_hang_up.xml",
            CALLEE,
            calls=CALLS,
            pause_ms=400,
            linger_ms=LINGER_MS,
            patient=True,
        )
        stage.switch.impairment = Impairment(lost=LOST, doubled=0.05, seed=seed)
        calls = [await _begin_paced(stage) for _ in range(CALLS)]
        ends = [await call.wait_for_end() for call in calls]
        assert [call.statuses for call in calls] == [ANSWERED] * CALLS
        assert Counter(end["reason"] for end in ends) == {"HangUp": CALLS}
        assert sum(one.dropped for one in stage.switch.datagrams) > CALLS
        await stage.phones_agree()
        assert await stage.platform.terminate() == 0


async def _begin_paced(stage: Stage) -> PlacedCall:
    await asyncio.sleep(1 / CALLS_PER_S)
    return await stage.begin()
