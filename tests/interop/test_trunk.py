"""Fail-over between two trunks: before any ringing, and never after it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from tests.harness.address import Address, allocate_host
from tests.harness.client import CALLEE, CALLER
from tests.harness.phone import PhoneState
from tests.harness.stage import ANSWERED, CALLER_NOT_ANSWERED, Stage, lend, open_stage

pytestmark = pytest.mark.asyncio(loop_scope="session")

# A trunk that does say something says it sooner, however busy the machine is. Within 64*T1, after
# which the leg would end.
ANSWER_TIMEOUT_S = 5


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def patient_stage(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    directory = tmp_path_factory.mktemp("platform")
    async with open_stage(directory, backup_after_s=ANSWER_TIMEOUT_S) as stage:
        yield stage


@pytest_asyncio.fixture(loop_scope="session")
async def stage(patient_stage: Stage, tmp_path: Path) -> AsyncIterator[Stage]:
    async with lend(patient_stage, tmp_path) as lent:
        yield lent


async def _ends_by_release(stage: Stage) -> None:
    call = await stage.begin()
    await call.wait_for("Connected")
    await call.release()
    await call.wait_for_end()
    assert call.statuses == ANSWERED
    await stage.phones_agree()


async def test_503_before_ringing_goes_to_second_trunk(stage: Stage) -> None:
    await stage.sipp("refuse.xml", CALLER, status="503 Service Unavailable")
    await stage.sipp("answer.xml", CALLER, switch=stage.backup)
    await stage.sipp("answer.xml", CALLEE)
    await _ends_by_release(stage)


async def test_503_for_callee_goes_to_second_trunk(stage: Stage) -> None:
    await stage.sipp("answer.xml", CALLER)
    await stage.sipp("refuse.xml", CALLEE, status="503 Service Unavailable")
    await stage.sipp("answer.xml", CALLEE, switch=stage.backup)
    await _ends_by_release(stage)


async def test_silent_trunk_is_left_for_second(stage: Stage) -> None:
    nobody: Address = (allocate_host(), 9)
    await stage.switch.connect(CALLER, nobody)
    await stage.sipp("answer.xml", CALLER, switch=stage.backup)
    await stage.sipp("answer.xml", CALLEE)
    await _ends_by_release(stage)


async def test_late_answer_of_trunk_that_was_left_gets_ack_and_bye(stage: Stage) -> None:
    late = await stage.phone(CALLER, rings=False, answers=False)
    await stage.sipp("answer.xml", CALLER, switch=stage.backup)
    await stage.sipp("answer.xml", CALLEE)
    call = await stage.begin()
    await call.wait_for("Connected")
    late.pick_up()
    await late.wait_for(PhoneState.OVER)
    methods = [one.data.split(b" ")[0] for one in late.sip_received]
    assert methods[-2:] == [b"ACK", b"BYE"]
    assert call.statuses == ANSWERED[:-1]
    await call.release()
    await call.wait_for_end()
    await stage.phones_agree()


async def test_503_of_both_trunks_ends_as_failure(stage: Stage) -> None:
    await stage.sipp("refuse.xml", CALLER, status="503 Service Unavailable")
    await stage.sipp("refuse.xml", CALLER, status="503 Service Unavailable", switch=stage.backup)
    call = await stage.begin()
    end = await call.wait_for_end()
    assert (call.statuses, end["reason"]) == (CALLER_NOT_ANSWERED, "CallerFailure")
    await stage.phones_agree()


async def test_503_after_ringing_ends_without_second_trunk(stage: Stage) -> None:
    await stage.sipp("ring_then_refuse.xml", CALLER, status="503 Service Unavailable")
    call = await stage.begin()
    end = await call.wait_for_end()
    assert (call.statuses, end["reason"]) == (CALLER_NOT_ANSWERED, "CallerFailure")
    await stage.phones_agree()
    assert not stage.backup.datagrams


async def test_busy_ends_without_second_trunk(stage: Stage) -> None:
    await stage.sipp("refuse.xml", CALLER, status="486 Busy Here")
    call = await stage.begin()
    end = await call.wait_for_end()
    assert (call.statuses, end["reason"]) == (CALLER_NOT_ANSWERED, "CallerBusy")
    await stage.phones_agree()
    assert not stage.backup.datagrams
