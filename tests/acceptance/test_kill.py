"""SIGKILL at any point, and a start again on the same data.

Every call has exactly one terminal event, the events of a call arrive in order and none is lost.
Delivery is at least once: what is told twice bears the same webhook-id and the same body.
"""

import asyncio
from typing import Any

import aiohttp
import pytest
from tests.harness.address import format_address
from tests.harness.client import APP_ID, CALLEE, CALLER, SECRET, SPONSOR, PlacedCall
from tests.harness.phone import Phone, PhoneState
from tests.harness.platform import READY_TIMEOUT_S, Platform
from tests.harness.process import OwnedProcess
from tests.harness.sink import EVENT_TIMEOUT_S, Behaviour, RefuseAll, basic_credential
from tests.harness.stage import (
    ANSWERED,
    CALLER_NOT_ANSWERED,
    NOT_ANSWERED,
    Stage,
    sequence_numbers,
)

pytestmark = pytest.mark.asyncio(loop_scope="session")

KILLS = 3
CALLS_PER_KILL = 4
DURABLE_TIMEOUT_S = 20
DUPLICATES = 100


async def _kill_and_restart(stage: Stage) -> None:
    stage.platform.kill()
    await stage.platform.restart()


def _check_told_once_in_order(call: PlacedCall, statuses: list[str]) -> None:
    by_id: dict[str, bytes] = {}
    for delivery in call.deliveries:
        body = by_id.setdefault(delivery.webhook_id, delivery.body)
        assert body == delivery.body, "one webhook-id, two bodies"
    firsts = list(dict.fromkeys(sequence_numbers(call)))
    assert firsts == list(range(1, len(statuses) + 1))
    told = list(dict.fromkeys((one.webhook_id, one.status) for one in call.deliveries))
    assert [status for _, status in told] == statuses


async def _connected(stage: Stage, *, record: int = 0) -> tuple[PlacedCall, Phone, Phone]:
    caller = await stage.phone(CALLER)
    callee = await stage.phone(CALLEE)
    call = await stage.begin(record=record)
    await call.wait_for("Connected")
    await callee.wait_for(PhoneState.TALKING)
    return call, caller, callee


async def test_kill_in_calling_caller_ends_as_other(own_stage: Stage) -> None:
    caller = await own_stage.phone(CALLER, answers=False)
    call = await own_stage.begin()
    await call.wait_for("CallingCaller")
    await caller.wait_for(PhoneState.RINGING)
    await _kill_and_restart(own_stage)
    end = await call.wait_for_end()
    assert end["reason"] == "Other"
    assert end["callDuration"] == 0
    _check_told_once_in_order(call, CALLER_NOT_ANSWERED)


async def test_kill_in_calling_callee_ends_as_other(own_stage: Stage) -> None:
    await own_stage.phone(CALLER)
    callee = await own_stage.phone(CALLEE, answers=False)
    call = await own_stage.begin()
    await call.wait_for("CallingCallee")
    await callee.wait_for(PhoneState.RINGING)
    await _kill_and_restart(own_stage)
    end = await call.wait_for_end()
    assert end["reason"] == "Other"
    _check_told_once_in_order(call, NOT_ANSWERED)


async def test_kill_in_connected_ends_as_other_and_refuses_a_release(own_stage: Stage) -> None:
    call, caller, _ = await _connected(own_stage)
    await _kill_and_restart(own_stage)
    end = await call.wait_for_end()
    assert end["reason"] == "Other"
    assert isinstance(end["callDuration"], int)
    _check_told_once_in_order(call, ANSWERED)
    assert (await call.release()).body["code"] == "1001003"
    assert caller.state is PhoneState.TALKING


async def test_kill_with_undelivered_disconnected_keeps_its_reason(own_stage: Stage) -> None:
    call, _, callee = await _connected(own_stage)
    own_stage.sink.behaviour = RefuseAll()
    callee.hang_up()
    await own_stage.sink.wait_until(
        lambda _: "Disconnected" in own_stage.sink.requested(call.call_id)
    )
    own_stage.platform.kill()
    own_stage.sink.behaviour = Behaviour()
    await own_stage.platform.restart()
    end = await call.wait_for_end()
    assert end["reason"] == "HangUp"
    _check_told_once_in_order(call, ANSWERED)


async def test_kill_while_endpoint_is_down_delivers_all_in_order_later(own_stage: Stage) -> None:
    await own_stage.sink.stop()
    await own_stage.phone(CALLER)
    callee = await own_stage.phone(CALLEE)
    call = await own_stage.begin()
    await callee.wait_for(PhoneState.TALKING)
    await _wait_durable(own_stage, call, "connected")
    await _kill_and_restart(own_stage)
    await own_stage.sink.start()
    await call.wait_for_end()
    _check_told_once_in_order(call, ANSWERED)


async def _wait_durable(stage: Stage, call: PlacedCall, state: str) -> None:
    """Wait until the database says so; nobody is told while the endpoint is down."""
    async with asyncio.timeout(DURABLE_TIMEOUT_S):
        while True:
            shown = await stage.platform.command("calls", "show", call.call_id)
            if shown["call"]["state"] == state:
                return


async def test_kill_while_recording_says_what_became_of_it(own_stage: Stage) -> None:
    call, caller, callee = await _connected(own_stage, record=1)
    await asyncio.gather(caller.speak(440, 0.5), callee.speak(1000, 0.5))
    await _kill_and_restart(own_stage)
    end = await call.wait_for_end()
    assert end["reason"] == "Other"
    assert end["recordingResult"] in {"Success", "NoRecord", "Fail"}
    assert end["recordingId"]
    if end["recordingResult"] == "Success":
        assert (await call.download(end["recordingId"])).startswith(b"RIFF")
    _check_told_once_in_order(call, ANSWERED)


async def test_kill_at_once_after_begin_keeps_the_call(own_stage: Stage) -> None:
    # The answer to begin is sent only after the call is durable.
    await own_stage.phone(CALLER, answers=False)
    call = await own_stage.begin()
    await _kill_and_restart(own_stage)
    end = await call.wait_for_end()
    assert end["reason"] == "Other"
    _check_told_once_in_order(call, CALLER_NOT_ANSWERED)


async def test_repeated_kills_with_live_calls_end_each_once(own_stage: Stage) -> None:
    killed: list[tuple[PlacedCall, list[str]]] = []
    for _ in range(KILLS):
        for _ in range(CALLS_PER_KILL):
            call, _, _ = await _connected(own_stage)
            killed.append((call, ANSWERED))
        caller = await own_stage.phone(CALLER, answers=False)
        ringing = await own_stage.begin()
        killed.append((ringing, CALLER_NOT_ANSWERED))
        await caller.wait_for(PhoneState.RINGING)
        await _kill_and_restart(own_stage)
    for call, statuses in killed:
        assert (await call.wait_for_end())["reason"] == "Other"
        _check_told_once_in_order(call, statuses)
    # A start without anything open tells nothing new; what was told may be told once more.
    told = {one.webhook_id for one in own_stage.sink.deliveries}
    await _kill_and_restart(own_stage)
    call, _, callee = await _connected(own_stage)
    callee.hang_up()
    await call.wait_for_end()
    new = {one.webhook_id for one in own_stage.sink.deliveries} - told
    assert new == {one.webhook_id for one in call.deliveries}


async def test_start_again_during_first_run_is_refused(own_stage: Stage) -> None:
    first = own_stage.platform
    second = OwnedProcess(
        first.process.arguments, log_stem=own_stage.directory / "second", is_forked=True
    )
    try:
        assert await second.wait(READY_TIMEOUT_S) != 0
    finally:
        second.kill_group()
    assert first.is_running


# Messages after calls

TEXT = "{enterprise}: your call by {sponsor} with {other} lasted {duration}."
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


async def test_kill_after_a_call_with_messages_brings_each_once(
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
    # Whatever it had come to with them.
    await _kill_and_restart(stage)
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


async def _begin_once(
    platform: Platform, session: aiohttp.ClientSession
) -> tuple[str, bool] | None:
    """Begin by a key: the call, and whether it is told once more; None where the server died."""
    url = f"http://{format_address(platform.http)}/clicktodial/v1/clicktodialbegin"
    headers = {
        "Idempotency-Key": '"one of many"',
        "Authorization": basic_credential(APP_ID, SECRET),
    }
    body = {"APPID": APP_ID, "sponsor": SPONSOR, "caller": CALLER, "callee": CALLEE}
    try:
        async with session.post(url, json=body, headers=headers) as response:
            assert response.status == 200, await response.text()
            told = await response.json()
            is_replayed = response.headers.get("Idempotent-Replayed") == "true"
    except aiohttp.ClientError:
        return None
    return told["result"]["callidentifier"], is_replayed


async def _list_calls(platform: Platform) -> set[str]:
    calls = await platform.command("calls", "list", "--app-id", APP_ID, "--limit", "100")
    return {call["call_id"] for call in calls}


async def test_kill_amid_a_hundred_begins_of_one_key_leaves_one_call(own_stage: Stage) -> None:
    """And a hundred more after it are answered as the first."""
    platform = own_stage.platform
    await own_stage.phone(CALLER, answers=False)
    others = await _list_calls(platform)
    connector = aiohttp.TCPConnector(limit=DUPLICATES)
    timeout = aiohttp.ClientTimeout(total=EVENT_TIMEOUT_S)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
        asking = [asyncio.create_task(_begin_once(platform, session)) for _ in range(DUPLICATES)]
        # Some have an answer; others are on their way, or not even sent.
        await asyncio.wait(asking, return_when=asyncio.FIRST_COMPLETED)
        platform.kill()
        before = [told for told in await asyncio.gather(*asking) if told is not None]
        await platform.restart()
        again = await asyncio.gather(*(_begin_once(platform, session) for _ in range(DUPLICATES)))
    after = [told for told in again if told is not None]
    assert before
    assert [is_replayed for _, is_replayed in after] == [True] * DUPLICATES
    told = {call_id for call_id, _ in (*before, *after)}
    assert len(told) == 1
    assert await _list_calls(platform) - others == told
