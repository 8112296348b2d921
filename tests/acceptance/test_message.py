"""Messages after a call, end to end: both parties' in the embedded mailbox, once each."""

import asyncio
from typing import Any

import pytest
from tests.harness.client import CALLEE, CALLER, SPONSOR
from tests.harness.phone import PhoneState
from tests.harness.stage import ANSWERED, Stage

pytestmark = pytest.mark.asyncio(loop_scope="session")

TEXT = "{enterprise}: your call by {sponsor} with {other} lasted {duration}."
APP_ID = "12345678"
DELIVERY_TIMEOUT_S = 30


async def mailbox(stage: Stage) -> list[dict[str, Any]]:
    arrived: list[dict[str, Any]] = await stage.platform.command("messages", "mailbox")
    return arrived


async def wait_for_messages(stage: Stage, call_id: str) -> list[dict[str, Any]]:
    """Until both messages of the call are delivered."""
    async with asyncio.timeout(DELIVERY_TIMEOUT_S):
        while True:
            listed = await stage.platform.command("messages", "list", "--call", call_id)
            if [each["state"] for each in listed] == ["delivered", "delivered"]:
                return list(listed)


async def approve(stage: Stage, template_id: str) -> None:
    """A running server takes up what the command line changes, within a second."""
    before = stage.platform.log.count("administration.changed")
    await stage.platform.command("template", "approve", template_id)
    async with asyncio.timeout(DELIVERY_TIMEOUT_S):
        while stage.platform.log.count("administration.changed") == before:  # noqa: ASYNC110
            await asyncio.sleep(0.05)


async def test_recorded_call_with_both_ends_with_both_messages_across_a_restart(
    own_stage: Stage,
) -> None:
    stage = own_stage
    body = {"APPID": APP_ID, "sponsor": SPONSOR, "caller": CALLER, "callee": CALLEE}
    refused = await stage.application.post("clicktodialbegin", body | {"sendDirection": "BOTH"})
    assert (refused.status, refused.body["code"]) == (400, "1001004")
    added = await stage.platform.command("template", "add", APP_ID, "--text", TEXT)
    await approve(stage, added["template_id"])
    await stage.phone(CALLER)
    callee = await stage.phone(CALLEE)
    call = await stage.begin(record=1, sendDirection="BOTH")
    await call.wait_for("Connected")
    await callee.wait_for(PhoneState.TALKING)
    callee.hang_up()
    end = await call.wait_for_end()
    assert call.statuses == ANSWERED
    # Whatever it had come to.
    stage.platform.kill()
    await stage.platform.restart()
    listed = await wait_for_messages(stage, call.call_id)
    assert {each["to"] for each in listed} == {"caller", "callee"}
    arrived = await mailbox(stage)
    assert sorted(each["message_id"] for each in arrived) == sorted(
        each["message_id"] for each in listed
    )
    duration = f"{end['callDuration'] // 60}:{end['callDuration'] % 60:02d}"
    for each in arrived:
        assert each["text"].startswith("default: your call by +86")
        assert each["text"].endswith(f"lasted {duration}.")
        for number in (CALLER, CALLEE):
            assert number[-8:] not in each["text"], "the other's number is shown whole"
    assert SPONSOR[-7:] in arrived[0]["text"]
