"""Administration while the server runs, and the API's refusals as an application meets them."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from tests.harness.client import CALLEE, CALLER, SPONSOR
from tests.harness.phone import PhoneState
from tests.harness.stage import Stage, open_stage

pytestmark = pytest.mark.asyncio(loop_scope="session")

# A running server takes an administrative change up within a second; a loaded machine is late.
EFFECTIVE_WITHIN_S = 20.0
_RETRY_S = 0.05

_BEGIN = {"APPID": "12345678", "sponsor": SPONSOR, "caller": CALLER, "callee": CALLEE}


def _without(name: str) -> dict[str, str]:
    return {key: value for key, value in _BEGIN.items() if key != name}


async def _until(is_so: Callable[[], Awaitable[bool]]) -> None:
    deadline = time.monotonic() + EFFECTIVE_WITHIN_S
    while not await is_so():
        assert time.monotonic() < deadline, "the change did not take effect in time"
        await asyncio.sleep(_RETRY_S)


async def test_application_and_trunk_added_while_running_take_effect(tmp_path: Path) -> None:
    async with open_stage(tmp_path, is_set_up=False) as stage:
        answer = await stage.application.post("clicktodialbegin", _BEGIN)
        assert (answer.status, answer.body["code"]) == (401, "0001002")

        await asyncio.to_thread(stage.application.register)

        async def is_known() -> bool:
            return (await stage.application.post("clicktodialbegin", _BEGIN)).status == 200

        await _until(is_known)

        # Without any trunk the leg ends as if the network were not there.
        call = await stage.begin()
        assert (await call.wait_for_end())["reason"] == "CallerFailure"

        await asyncio.to_thread(stage.platform.add_trunk, "late", stage.switch.address)
        await stage.phone(CALLER, refuses_with=486)

        async def is_routed() -> bool:
            call = await stage.begin()
            return bool((await call.wait_for_end())["reason"] == "CallerBusy")

        await _until(is_routed)


async def _answers(stage: Stage, code: str) -> None:
    """Wait until a begin is refused with that code."""

    async def is_so() -> bool:
        answer = await stage.application.post("clicktodialbegin", _BEGIN)
        return bool(answer.body["code"] == code)

    await _until(is_so)


async def _begins_again(stage: Stage) -> None:
    async def is_so() -> bool:
        await stage.phone(CALLER, refuses_with=486)
        answer = await stage.application.post("clicktodialbegin", _BEGIN)
        return answer.status == 200

    await _until(is_so)


async def test_disabled_then_enabled_application_is_refused_then_taken(stage: Stage) -> None:
    await stage.platform.command("app", "disable", "12345678")
    try:
        await _answers(stage, "0001004")
    finally:
        await stage.platform.command("app", "enable", "12345678")
    await _begins_again(stage)


async def test_suspended_then_resumed_enterprise_is_refused_then_taken(stage: Stage) -> None:
    await stage.platform.command("enterprise", "suspend", "default", "--reason", "unpaid")
    try:
        await _answers(stage, "0001003")
    finally:
        await stage.platform.command("enterprise", "resume", "default", "--reason", "paid")
    await _begins_again(stage)


async def test_removed_then_added_number_is_refused_then_taken(stage: Stage) -> None:
    await stage.platform.command("app", "remove-number", "12345678", SPONSOR)
    try:
        await _answers(stage, "0001007")
    finally:
        await stage.platform.command("app", "add-number", "12345678", SPONSOR)
    await _begins_again(stage)


async def test_rotated_secret_replaces_the_old_one(stage: Stage) -> None:
    old = stage.application.secret
    await stage.platform.command("app", "rotate-secret", "12345678", "--secret", "a-new-one")
    try:
        await _answers(stage, "0001002")
        stage.application.secret = "a-new-one"
        await _begins_again(stage)
    finally:
        stage.application.secret = old
        await stage.platform.command("app", "rotate-secret", "12345678", "--secret", old)
    await _begins_again(stage)


async def test_disabled_then_enabled_trunk_is_left_then_used(stage: Stage) -> None:
    async def ends_as(reason: str) -> bool:
        await stage.phone(CALLER, refuses_with=486)
        return bool((await (await stage.begin()).wait_for_end())["reason"] == reason)

    await stage.platform.command("trunk", "disable", "main")
    try:
        await _until(lambda: ends_as("CallerFailure"))
    finally:
        await stage.platform.command("trunk", "enable", "main")
    await _until(lambda: ends_as("CallerBusy"))


async def test_live_call_outlives_its_disabled_trunk(stage: Stage) -> None:
    await stage.phone(CALLER)
    callee = await stage.phone(CALLEE)
    call = await stage.begin()
    await call.wait_for("Connected")
    await callee.wait_for(PhoneState.TALKING)
    await _change_trunk(stage, "disable")
    try:
        callee.hang_up()
        assert (await call.wait_for_end())["reason"] == "HangUp"
    finally:
        await _change_trunk(stage, "enable")


async def _change_trunk(stage: Stage, verb: str) -> None:
    """Change it, and wait until the running server has taken the change up."""
    taken_up = stage.platform.log.count("administration.changed")
    await stage.platform.command("trunk", verb, "main")

    async def is_taken_up() -> bool:
        return stage.platform.log.count("administration.changed") > taken_up

    await _until(is_taken_up)


@pytest.mark.parametrize(
    ("body", "status", "code", "description"),
    [
        (_without("APPID"), 400, "0001001", "Expected property is missing: APPID"),
        (_without("sponsor"), 400, "0001001", "Expected property is missing: sponsor"),
        (_without("caller"), 400, "0001001", "Expected property is missing: caller"),
        (_without("callee"), 400, "0001001", "Expected property is missing: callee"),
        (_BEGIN | {"APPID": "1"}, 401, "0001002", "No authorization to invoke operation"),
        (_BEGIN | {"x": "y" * 20_000}, 403, "0001005", "Message length is too long"),
        (_BEGIN | {"caller": "12ab"}, 400, "1001001", "Number Format Error"),
        (_BEGIN | {"sendDirection": "X"}, 400, "1001004", "Direction Error"),
        (_BEGIN | {"record": 2}, 400, "1001006", "Invalid Input Value"),
        (b"{", 400, "1001006", "Invalid Input Value"),
        (_BEGIN | {"sponsor": "01052680001"}, 403, "0001007", "Number not authorized"),
    ],
)
async def test_refused_begin_answers_as_the_table_says(
    stage: Stage, body: dict[str, Any] | bytes, status: int, code: str, description: str
) -> None:
    answer = await stage.application.post("clicktodialbegin", body)
    assert (answer.status, answer.body) == (status, {"code": code, "description": description})


@pytest.mark.parametrize("authorization", ["", "Basic", "Basic eDp5", "Bearer x", "Basic !!!"])
async def test_wrong_credential_is_401(stage: Stage, authorization: str) -> None:
    answer = await stage.application.post("clicktodialbegin", _BEGIN, authorization=authorization)
    assert (answer.status, answer.body["code"]) == (401, "0001002")


async def test_release_of_unknown_call_is_call_id_error(stage: Stage) -> None:
    body = {"APPID": "12345678", "operation": "EndCall"}
    answer = await stage.application.post("clicktodialrelease/0123456789abcdef", body)
    assert (answer.status, answer.body["code"]) == (400, "1001002")


async def test_release_of_ended_call_is_operation_error(stage: Stage) -> None:
    await stage.phone(CALLER, refuses_with=486)
    call = await stage.begin()
    await call.wait_for_end()
    answer = await call.release()
    assert (answer.status, answer.body["code"]) == (400, "1001003")


async def test_continue_in_live_call_succeeds_and_changes_nothing(stage: Stage) -> None:
    await stage.phone(CALLER)
    await stage.phone(CALLEE)
    call = await stage.begin()
    await call.wait_for("Connected")
    assert (await call.release("Continue")).body == {"code": "0000000", "description": "Success"}
    assert (await call.release("Hold")).body["code"] == "1001003"
    assert "Disconnected" not in call.statuses
    assert (await call.release()).body == {"code": "0000000", "description": "Success"}
    await call.wait_for_end()
