"""How calls end, with SIPp as both phones: the reason told, and the last message on the wire."""

import pytest
from tests.harness.client import CALLEE, CALLER
from tests.harness.stage import ANSWERED, CALLER_NOT_ANSWERED, NOT_ANSWERED, Stage
from tests.harness.switch import Direction

pytestmark = pytest.mark.asyncio(loop_scope="session")

# A caller who hangs up only after the callee was dialled, or has answered, on a busy machine.
TALK_MS = 1500
LONG_TALK_MS = 4000
RING_TIMEOUT_S = 3
# DESIGN: 486/600 busy; 408/480 no answer; a decline is told as busy; all else is failure.
REFUSALS = [
    ("486 Busy Here", "Busy"),
    ("600 Busy Everywhere", "Busy"),
    ("603 Decline", "Busy"),
    ("408 Request Timeout", "NoAnswer"),
    ("480 Temporarily Unavailable", "NoAnswer"),
    ("302 Moved Temporarily", "Failure"),
    ("403 Forbidden", "Failure"),
    ("404 Not Found", "Failure"),
    ("407 Proxy Authentication Required", "Failure"),
    ("410 Gone", "Failure"),
    ("484 Address Incomplete", "Failure"),
    ("488 Not Acceptable Here", "Failure"),
    ("500 Server Internal Error", "Failure"),
    ("604 Does Not Exist Anywhere", "Failure"),
]


async def test_callee_bye_in_connected_ends_as_hang_up(stage: Stage) -> None:
    await stage.sipp("answer.xml", CALLER)
    await stage.sipp("answer_then_hang_up.xml", CALLEE, pause_ms=300)
    call = await stage.begin()
    end = await call.wait_for_end()
    assert (call.statuses, end["reason"]) == (ANSWERED, "HangUp")
    await stage.phones_agree()


async def test_caller_bye_in_connected_ends_as_hang_up(stage: Stage) -> None:
    await stage.sipp("answer_then_hang_up.xml", CALLER, pause_ms=LONG_TALK_MS)
    await stage.sipp("answer.xml", CALLEE)
    call = await stage.begin()
    end = await call.wait_for_end()
    assert (call.statuses, end["reason"]) == (ANSWERED, "HangUp")
    await stage.phones_agree()


async def test_caller_bye_while_callee_rings_ends_as_abandon_and_cancels(stage: Stage) -> None:
    await stage.sipp("answer_then_hang_up.xml", CALLER, pause_ms=TALK_MS)
    await stage.sipp("ring_until_cancelled.xml", CALLEE)
    call = await stage.begin()
    end = await call.wait_for_end()
    assert (call.statuses, end["reason"]) == (NOT_ANSWERED, "CallerAbandon")
    assert end["callDuration"] == 0
    await stage.phones_agree()


@pytest.mark.parametrize(("status", "reason"), REFUSALS)
async def test_refusal_by_callee_ends_with_its_reason(
    stage: Stage, status: str, reason: str
) -> None:
    await stage.sipp("answer.xml", CALLER)
    await stage.sipp("refuse.xml", CALLEE, status=status)
    call = await stage.begin()
    end = await call.wait_for_end()
    assert (call.statuses, end["reason"]) == (NOT_ANSWERED, f"Callee{reason}")
    await stage.phones_agree()


@pytest.mark.parametrize(("status", "reason"), [REFUSALS[0], REFUSALS[4], REFUSALS[7]])
async def test_refusal_by_caller_ends_before_callee_is_dialled(
    stage: Stage, status: str, reason: str
) -> None:
    await stage.sipp("refuse.xml", CALLER, status=status)
    call = await stage.begin()
    end = await call.wait_for_end()
    assert (call.statuses, end["reason"]) == (CALLER_NOT_ANSWERED, f"Caller{reason}")
    await stage.phones_agree()
    assert not stage.switch.received_by(CALLEE)


async def test_refusal_after_ringing_ends_as_callee_busy(stage: Stage) -> None:
    await stage.sipp("answer.xml", CALLER)
    await stage.sipp("ring_then_refuse.xml", CALLEE, status="486 Busy Here", pause_ms=400)
    call = await stage.begin()
    end = await call.wait_for_end()
    assert (call.statuses, end["reason"]) == (NOT_ANSWERED, "CalleeBusy")
    await stage.phones_agree()


async def test_ring_timeout_of_caller_cancels_and_ends_as_no_answer(stage: Stage) -> None:
    await stage.sipp("ring_until_cancelled.xml", CALLER)
    call = await stage.application.begin_with_options({"caller_ring_timeout_s": RING_TIMEOUT_S})
    end = await call.wait_for_end()
    assert (call.statuses, end["reason"]) == (CALLER_NOT_ANSWERED, "CallerNoAnswer")
    await stage.phones_agree()


async def test_ring_timeout_of_callee_cancels_and_ends_as_no_answer(stage: Stage) -> None:
    await stage.sipp("answer.xml", CALLER)
    await stage.sipp("ring_until_cancelled.xml", CALLEE)
    call = await stage.application.begin_with_options({"callee_ring_timeout_s": RING_TIMEOUT_S})
    end = await call.wait_for_end()
    assert (call.statuses, end["reason"]) == (NOT_ANSWERED, "CalleeNoAnswer")
    await stage.phones_agree()


async def test_release_while_caller_rings_cancels(stage: Stage) -> None:
    await stage.sipp("ring_until_cancelled.xml", CALLER)
    call = await stage.begin()
    await stage.switch.wait_for(CALLER, Direction.FROM_PHONE, "180 INVITE")
    assert (await call.release()).status == 200
    end = await call.wait_for_end()
    assert (call.statuses, end["reason"]) == (CALLER_NOT_ANSWERED, "Other")
    await stage.phones_agree()
    # What a slow phone made the platform repeat is told once.
    told = list(dict.fromkeys(stage.switch.labels(CALLER, Direction.TO_PHONE)))
    assert told[-2:] == ["CANCEL", "ACK"]


async def test_release_while_callee_rings_cancels_callee_and_byes_caller(stage: Stage) -> None:
    await stage.sipp("answer.xml", CALLER)
    await stage.sipp("ring_until_cancelled.xml", CALLEE)
    call = await stage.begin()
    await stage.switch.wait_for(CALLEE, Direction.FROM_PHONE, "180 INVITE")
    assert (await call.release()).status == 200
    end = await call.wait_for_end()
    assert (call.statuses, end["reason"]) == (NOT_ANSWERED, "Other")
    await stage.phones_agree()


async def test_release_in_connected_byes_both(stage: Stage) -> None:
    await stage.sipp("answer.xml", CALLER)
    await stage.sipp("answer.xml", CALLEE)
    call = await stage.begin()
    await call.wait_for("Connected")
    assert (await call.release()).status == 200
    end = await call.wait_for_end()
    assert (call.statuses, end["reason"]) == (ANSWERED, "HangUp")
    await stage.phones_agree()


async def test_release_before_any_response_cancels_once_caller_rings(stage: Stage) -> None:
    # RFC 3261 9.1: no CANCEL before a provisional response, so the late ringing must meet it.
    await stage.sipp("ring_until_cancelled.xml", CALLER)
    stage.switch.drop_next(CALLER, Direction.FROM_PHONE, "180 INVITE")
    call = await stage.begin()
    await stage.switch.wait_for(CALLER, Direction.FROM_PHONE, "180 INVITE")
    assert (await call.release()).status == 200
    await call.wait_for_end()
    await stage.phones_agree()
    assert stage.switch.labels(CALLER, Direction.TO_PHONE).count("INVITE") >= 2
