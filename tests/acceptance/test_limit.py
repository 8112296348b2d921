"""What happens at the limits that the settings draw."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from tests.harness.client import CALLEE, CALLER, SPONSOR, PlacedCall
from tests.harness.phone import PhoneState
from tests.harness.sink import EVENT_TIMEOUT_S
from tests.harness.stage import ANSWERED, Stage, lend, open_stage

pytestmark = pytest.mark.asyncio(loop_scope="session")

MAX_DURATION_S = 2
DEAD_AFTER_S = 5
POLL_S = 0.05
BODY = {"APPID": "12345678", "sponsor": SPONSOR, "caller": CALLER, "callee": CALLEE}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def narrow_stage(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    tables = {"calls": {"live_max": 1, "max_duration_s": MAX_DURATION_S}}
    async with open_stage(tmp_path_factory.mktemp("platform"), tables) as stage:
        yield stage


@pytest_asyncio.fixture(loop_scope="session")
async def stage(narrow_stage: Stage, tmp_path: Path) -> AsyncIterator[Stage]:
    async with lend(narrow_stage, tmp_path) as lent:
        yield lent


async def begin_when_there_is_room(stage: Stage) -> PlacedCall:
    """That a call is over is told a moment before the relay has let go of it."""
    async with asyncio.timeout(EVENT_TIMEOUT_S):
        # Another process lets go of it.
        while (answer := await stage.application.post("clicktodialbegin", BODY)).status == 503:  # noqa: ASYNC110
            await asyncio.sleep(POLL_S)
    assert answer.status == 200, answer
    return stage.application.calls[answer.body["result"]["callidentifier"]]


async def test_call_at_its_maximum_duration_is_ended(stage: Stage) -> None:
    caller = await stage.phone(CALLER)
    callee = await stage.phone(CALLEE)
    call = await stage.begin()
    end = await call.wait_for_end()
    assert call.statuses == ANSWERED
    assert end["reason"] == "Other"
    assert MAX_DURATION_S <= end["callDuration"] <= round(call.took_s)
    await caller.wait_for(PhoneState.OVER)
    await callee.wait_for(PhoneState.OVER)


async def test_begin_at_limit_of_live_calls_is_503_until_one_ended(stage: Stage) -> None:
    caller = await stage.phone(CALLER, answers=False)
    call = await begin_when_there_is_room(stage)
    await caller.wait_for(PhoneState.RINGING)
    refused = await stage.application.post("clicktodialbegin", BODY)
    assert refused.status == 503
    assert refused.body == {"code": "0000002", "description": "Service unavailable"}
    assert int(refused.headers["retry-after"]) >= 1
    await call.release()
    await call.wait_for_end()
    await stage.phone(CALLER, refuses_with=486)
    call = await begin_when_there_is_room(stage)
    assert (await call.wait_for_end())["reason"] == "CallerBusy"


async def test_connected_call_without_any_audio_is_ended_after_the_limit(tmp_path: Path) -> None:
    async with open_stage(tmp_path, {"media": {"dead_after_s": DEAD_AFTER_S}}) as stage:
        await stage.phone(CALLER)
        callee = await stage.phone(CALLEE)
        call = await stage.begin()
        end = await call.wait_for_end(6 * DEAD_AFTER_S)
        assert (call.statuses, end["reason"]) == (ANSWERED, "Other")
        assert end["callDuration"] >= DEAD_AFTER_S - 1
        await callee.wait_for(PhoneState.OVER)
