"""What phones do within a call and before its answer, with SIPp as the phones."""

import pytest
from tests.harness.client import CALLEE, CALLER
from tests.harness.stage import ANSWERED, Stage
from tests.harness.switch import Direction

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.mark.parametrize("holder", [CALLER, CALLEE])
async def test_party_holds_and_resumes_by_every_means(stage: Stage, holder: str) -> None:
    other = CALLEE if holder == CALLER else CALLER
    await stage.sipp("hold_and_resume.xml", holder, pause_ms=200)
    await stage.sipp("answer.xml", other)
    call = await stage.begin()
    end = await call.wait_for_end()
    assert (call.statuses, end["reason"]) == (ANSWERED, "HangUp")
    await stage.phones_agree()
    # Each of the four offers, and nothing of it went to the other party.
    labels = stage.switch.labels(holder, Direction.TO_PHONE)
    assert [label for label in labels if label.startswith("200")][:4] == [
        "200 INVITE", "200 INVITE", "200 UPDATE", "200 INVITE",
    ]  # fmt: skip
    assert stage.switch.labels(other, Direction.TO_PHONE).count("INVITE") == 1


@pytest.mark.parametrize(
    ("wanting", "other", "codec"),
    [
        ("want_new_codec.xml", "follow_new_codec.xml", "PCMU"),
        ("want_refused_codec.xml", "refuse_new_codec.xml", "PCMA"),
    ],
)
async def test_party_that_wants_another_codec_gets_it_where_the_other_agrees(
    stage: Stage, wanting: str, other: str, codec: str
) -> None:
    await stage.sipp(other, CALLER)
    callee = await stage.sipp(wanting, CALLEE)
    call = await stage.begin()
    await callee.wait_sent("CSeq: 10 ACK")
    await call.release()
    end = await call.wait_for_end()
    assert (call.statuses, end["reason"]) == (ANSWERED, "HangUp")
    await stage.phones_agree()
    shown = await stage.platform.command("calls", "show", call.call_id)
    legs = shown["call"]["legs"]
    assert [legs[side]["codec"] for side in ("caller", "callee")] == [codec, codec]


async def test_transfer_is_refused_and_the_call_goes_on(stage: Stage) -> None:
    await stage.sipp("answer.xml", CALLER)
    await stage.sipp("refer.xml", CALLEE, pause_ms=200)
    call = await stage.begin()
    end = await call.wait_for_end()
    assert (call.statuses, end["reason"]) == (ANSWERED, "HangUp")
    await stage.phones_agree()


@pytest.mark.parametrize("reliable", [CALLER, CALLEE])
async def test_party_that_answers_in_a_reliable_response_is_connected(
    stage: Stage, reliable: str
) -> None:
    for number in (CALLER, CALLEE):
        scenario = "answer_reliably.xml" if number == reliable else "answer.xml"
        await stage.sipp(scenario, number)
    call = await stage.begin()
    await call.wait_for("Connected")
    assert "PRACK" in stage.switch.labels(reliable, Direction.TO_PHONE)
    await call.release()
    end = await call.wait_for_end()
    assert (call.statuses, end["reason"]) == (ANSWERED, "HangUp")
    await stage.phones_agree()


async def test_party_that_wants_to_be_refreshed_less_often_is_asked_again(stage: Stage) -> None:
    await stage.sipp("answer.xml", CALLER)
    await stage.sipp("interval_too_small.xml", CALLEE)
    call = await stage.begin()
    await call.wait_for("Connected")
    await call.release()
    await call.wait_for_end()
    assert call.statuses == ANSWERED
    await stage.phones_agree()
