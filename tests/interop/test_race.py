"""Messages that cross, repeat and fork, with SIPp as the phones."""

import pytest
from tests.harness.client import CALLEE, CALLER
from tests.harness.stage import ANSWERED, CALLER_NOT_ANSWERED, NOT_ANSWERED, Stage
from tests.harness.switch import Direction, Impairment

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_answer_across_cancel_of_released_caller_gets_ack_and_bye(stage: Stage) -> None:
    await stage.sipp("answer_across_cancel.xml", CALLER)
    call = await stage.begin()
    await stage.switch.wait_for(CALLER, Direction.FROM_PHONE, "180 INVITE")
    await call.release()
    await call.wait_for_end()
    await stage.phones_agree()
    assert call.statuses == CALLER_NOT_ANSWERED
    assert not stage.switch.received_by(CALLEE)


async def test_answer_across_cancel_of_abandoned_callee_gets_ack_and_bye(stage: Stage) -> None:
    # Long enough that the callee rings by then on a busy machine too.
    await stage.sipp("answer_then_hang_up.xml", CALLER, pause_ms=1500)
    await stage.sipp("answer_across_cancel.xml", CALLEE)
    call = await stage.begin()
    end = await call.wait_for_end()
    assert (call.statuses, end["reason"]) == (NOT_ANSWERED, "CallerAbandon")
    await stage.phones_agree()


@pytest.mark.parametrize("lost_acks", [1, 3])
async def test_repeated_answer_after_lost_ack_is_acknowledged_again(
    stage: Stage, lost_acks: int
) -> None:
    await stage.sipp("answer.xml", CALLER)
    await stage.sipp("answer_then_hang_up.xml", CALLEE, pause_ms=300)
    stage.switch.drop_next(CALLEE, Direction.TO_PHONE, "ACK", lost_acks)
    call = await stage.begin()
    end = await call.wait_for_end()
    assert (call.statuses, end["reason"]) == (ANSWERED, "HangUp")
    await stage.phones_agree()
    # One for each answer: a slow phone may repeat it once more than was lost.
    answers = stage.switch.labels(CALLEE, Direction.FROM_PHONE).count("200 INVITE")
    acks = stage.switch.labels(CALLEE, Direction.TO_PHONE).count("ACK")
    assert lost_acks + 1 <= acks <= answers


async def test_every_datagram_doubled_changes_nothing(stage: Stage) -> None:
    # SIPp takes a second INVITE that comes after its answer for an unexpected one.
    await stage.sipp("answer.xml", CALLER, patient=True)
    await stage.sipp("answer_then_hang_up.xml", CALLEE, pause_ms=300, patient=True)
    stage.switch.impairment = Impairment(doubled=1.0)
    call = await stage.begin()
    end = await call.wait_for_end()
    assert (call.statuses, end["reason"]) == (ANSWERED, "HangUp")
    await stage.phones_agree()


async def test_lost_bye_of_platform_is_sent_again(stage: Stage) -> None:
    await stage.sipp("answer.xml", CALLER)
    await stage.sipp("answer.xml", CALLEE)
    stage.switch.drop_next(CALLER, Direction.TO_PHONE, "BYE", 2)
    call = await stage.begin()
    await call.wait_for("Connected")
    await call.release()
    await call.wait_for_end()
    await stage.phones_agree()
    assert stage.switch.labels(CALLER, Direction.TO_PHONE).count("BYE") >= 3


async def test_lost_answer_to_bye_of_phone_is_sent_again(stage: Stage) -> None:
    await stage.sipp("answer.xml", CALLER)
    await stage.sipp("answer_then_hang_up.xml", CALLEE, pause_ms=300)
    stage.switch.drop_next(CALLEE, Direction.TO_PHONE, "200 BYE", 2)
    call = await stage.begin()
    await call.wait_for_end()
    await stage.phones_agree()
    assert stage.switch.labels(CALLEE, Direction.TO_PHONE).count("200 BYE") >= 3


async def test_lost_ack_of_refusal_is_sent_again(stage: Stage) -> None:
    # RFC 3261 17.1.1.2: each repeated final response is acknowledged by the transaction.
    await stage.sipp("answer.xml", CALLER)
    await stage.sipp("refuse.xml", CALLEE, status="486 Busy Here")
    stage.switch.drop_next(CALLEE, Direction.TO_PHONE, "ACK", 2)
    call = await stage.begin()
    end = await call.wait_for_end()
    assert (call.statuses, end["reason"]) == (NOT_ANSWERED, "CalleeBusy")
    await stage.phones_agree()
    refusals = stage.switch.labels(CALLEE, Direction.FROM_PHONE).count("486 INVITE")
    assert 3 <= stage.switch.labels(CALLEE, Direction.TO_PHONE).count("ACK") <= refusals


async def test_second_answer_of_fork_gets_ack_and_bye(stage: Stage) -> None:
    await stage.sipp("answer.xml", CALLER)
    await stage.sipp("fork.xml", CALLEE)
    call = await stage.begin()
    await call.wait_for("Connected")
    await stage.switch.wait_for(CALLEE, Direction.FROM_PHONE, "200 BYE")
    assert "Disconnected" not in call.statuses
    await call.release()
    await call.wait_for_end()
    assert call.statuses == ANSWERED
    await stage.phones_agree()
