"""What a network may put around an answer: routes, early audio, long ringing, odd contacts."""

from pathlib import Path

import pytest
from tests.harness.client import CALLEE, CALLER
from tests.harness.sipp import Sipp
from tests.harness.stage import ANSWERED, FAST_T1_MS, Stage, open_stage
from tests.harness.switch import Direction

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_record_route_in_answer_is_followed_by_ack_and_bye(stage: Stage) -> None:
    await stage.sipp("record_route.xml", CALLER)
    await stage.sipp("record_route.xml", CALLEE)
    call = await stage.begin()
    await call.wait_for("Connected")
    await call.release()
    await call.wait_for_end()
    await stage.phones_agree()


async def test_early_media_of_callee_then_answer_connects(stage: Stage) -> None:
    await stage.sipp("answer.xml", CALLER)
    await stage.sipp("early_media.xml", CALLEE, pause_ms=400)
    call = await stage.begin()
    await stage.switch.wait_for(CALLEE, Direction.FROM_PHONE, "183 INVITE")
    assert "Connected" not in call.statuses
    await call.wait_for("Connected")
    await call.release()
    await call.wait_for_end()
    assert call.statuses == ANSWERED
    await stage.phones_agree()


async def test_ringing_longer_than_timer_b_then_answer_connects(stage: Stage) -> None:
    # Timer B is 64*T1; the phone rings twelve times with as many pauses.
    pause_ms = 6 * FAST_T1_MS
    assert 12 * pause_ms > 64 * FAST_T1_MS
    await stage.sipp("answer.xml", CALLER)
    await stage.sipp("ring_long.xml", CALLEE, pause_ms=pause_ms)
    call = await stage.begin()
    await call.wait_for("Connected")
    await call.release()
    await call.wait_for_end()
    assert call.statuses == ANSWERED
    await stage.phones_agree()


async def test_sipp_default_uas_as_trunk_of_both_legs_is_hung_up(tmp_path: Path) -> None:
    # Its Contact says transport=UDP, and it names itself, so that ACK and BYE go there at once.
    sipp = Sipp(tmp_path, "uas", calls=2)
    try:
        await sipp.wait_bound()
        # To it, an OPTIONS is one of its two calls, and a failed one.
        async with open_stage(tmp_path, trunk=sipp.address, options_interval_s=0) as stage:
            call = await stage.begin()
            await call.wait_for("Connected")
            await call.release()
            await call.wait_for_end()
            assert call.statuses == ANSWERED
            await sipp.verdict()
    finally:
        sipp.close()
