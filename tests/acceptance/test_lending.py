"""Tests that share a platform share nothing else: what one leaves does not meet the next."""

from pathlib import Path

import pytest
from tests.harness.client import CALLEE, CALLER, SPONSOR
from tests.harness.phone import PhoneState
from tests.harness.sink import CallEndedBefore, RefuseAll
from tests.harness.stage import ANSWERED, Stage, lend

pytestmark = pytest.mark.asyncio(loop_scope="session")

BODY = {"APPID": "12345678", "sponsor": SPONSOR, "caller": CALLER, "callee": CALLEE}


async def test_calls_that_are_left_are_over_and_ring_no_phone_of_the_next_test(
    shared_stage: Stage, tmp_path: Path
) -> None:
    application = shared_stage.application
    async with lend(shared_stage, tmp_path) as stage:
        # Nobody answers its INVITE, which the platform therefore repeats.
        assert (await application.post("clicktodialbegin", BODY)).status == 200
        # Nobody takes what is told of this one.
        stage.sink.behaviour = RefuseAll()
        await stage.phone(CALLER, answers=False)
        await stage.begin()
        left = list(application.calls.values())
    assert [call.is_over for call in left] == [True, True]
    async with lend(shared_stage, tmp_path) as stage:
        caller, callee = await stage.phone(CALLER), await stage.phone(CALLEE)
        call = await stage.begin()
        await callee.wait_for(PhoneState.TALKING)
        invites = [one for one in stage.switch.received_by(CALLER) if one.label == "INVITE"]
        assert len({one.sip_call_id for one in invites}) == 1
        await call.release()
        await caller.wait_for(PhoneState.OVER)
        await call.wait_for_end()
    assert call.statuses == ANSWERED


async def test_wait_for_what_cannot_come_any_more_is_not_waited_out(
    shared_stage: Stage, tmp_path: Path
) -> None:
    async with lend(shared_stage, tmp_path) as stage:
        await stage.phone(CALLER, refuses_with=486)
        call = await stage.begin()
        with pytest.raises(CallEndedBefore, match=r"Connected was never told.*CallerBusy"):
            await call.wait_for("Connected")
