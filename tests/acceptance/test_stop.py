"""SIGTERM: the calls are ended on the wire, told to the application, and the exit status is 0."""

import pytest
from tests.harness.client import CALLEE, CALLER
from tests.harness.phone import PhoneState
from tests.harness.stage import ANSWERED, CALLER_NOT_ANSWERED, Stage
from tests.harness.switch import Direction

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_sigterm_without_calls_ends_with_0(own_stage: Stage) -> None:
    assert await own_stage.platform.terminate() == 0


async def test_sigterm_in_connected_byes_both_and_tells_disconnected(own_stage: Stage) -> None:
    caller = await own_stage.phone(CALLER)
    callee = await own_stage.phone(CALLEE)
    call = await own_stage.begin()
    await call.wait_for("Connected")
    await callee.wait_for(PhoneState.TALKING)
    assert await own_stage.platform.terminate() == 0
    assert (caller.state, callee.state) == (PhoneState.OVER, PhoneState.OVER)
    assert call.statuses == ANSWERED
    assert call.deliveries[-1].fields["reason"] == "Other"


async def test_sigterm_while_caller_rings_cancels(own_stage: Stage) -> None:
    caller = await own_stage.phone(CALLER, answers=False)
    call = await own_stage.begin()
    await caller.wait_for(PhoneState.RINGING)
    assert await own_stage.platform.terminate() == 0
    assert caller.state is PhoneState.OVER
    assert "CANCEL" in own_stage.switch.labels(CALLER, Direction.TO_PHONE)
    assert call.statuses == CALLER_NOT_ANSWERED


async def test_sigterm_while_endpoint_is_down_delivers_after_next_start(own_stage: Stage) -> None:
    await own_stage.phone(CALLER)
    callee = await own_stage.phone(CALLEE)
    call = await own_stage.begin()
    await call.wait_for("Connected")
    await callee.wait_for(PhoneState.TALKING)
    await own_stage.sink.stop()
    assert await own_stage.platform.terminate() == 0
    await own_stage.sink.start()
    await own_stage.platform.restart()
    end = await call.wait_for_end()
    assert end["reason"] == "Other"
    assert call.statuses == ANSWERED
