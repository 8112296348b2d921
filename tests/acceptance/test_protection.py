"""Every rule that refuses a begin, on the running program, with its code of v1."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import aiohttp
import pytest
import pytest_asyncio
from tests.harness.address import format_address
from tests.harness.client import APP_ID, CALLEE, CALLER, SPONSOR, Answer
from tests.harness.stage import Stage, lend, open_stage

pytestmark = pytest.mark.asyncio(loop_scope="session")

TOKEN = "operator-token-of-a-test"
ENTERPRISE = "/enterprises/default"
NOTHING = {
    "members_only": False,
    "member_calls_per_day": None,
    "callee_calls_per_day": None,
    "quiet_hours": None,
}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def guarded_stage(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    tables = {"management": {"token": TOKEN}}
    async with open_stage(tmp_path_factory.mktemp("platform"), tables) as stage:
        yield stage


@pytest_asyncio.fixture(loop_scope="session")
async def stage(guarded_stage: Stage, tmp_path: Path) -> AsyncIterator[Stage]:
    async with lend(guarded_stage, tmp_path) as lent:
        yield lent


async def manage(stage: Stage, method: str, path: str, body: Any) -> Any:
    """A request of the operator's, which must succeed."""
    url = f"http://{format_address(stage.platform.http)}/management/v1{path}"
    headers = {"Authorization": f"Bearer {TOKEN}"}
    async with (
        aiohttp.ClientSession() as http,
        http.request(method, url, json=body, headers=headers) as response,
    ):
        assert response.status < 300, await response.text()
        return await response.json() if response.content_type == "application/json" else None


async def begin(stage: Stage, *, caller: str = CALLER, callee: str = CALLEE) -> Answer:
    body = {"APPID": APP_ID, "sponsor": SPONSOR, "caller": caller, "callee": callee}
    return await stage.application.post("clicktodialbegin", body)


async def refused(stage: Stage, code: str, description: str, **parties: str) -> None:
    """A begin is refused so as soon as the running node has taken the rule up, in place of the
    rule before it."""
    wanted = {"code": code, "description": description}
    deadline = datetime.now(UTC) + timedelta(seconds=20)
    while (answer := await begin(stage, **parties)).body != wanted:
        assert datetime.now(UTC) < deadline, answer
        if answer.status == 200:
            call_id = answer.body["result"]["callidentifier"]
            body = {"APPID": APP_ID, "operation": "EndCall"}
            await stage.application.post(f"clicktodialrelease/{call_id}", body)
    assert answer.status == 403


async def test_caller_that_is_no_member(stage: Stage) -> None:
    await manage(stage, "PATCH", f"{ENTERPRISE}/protection", {"members_only": True})
    words = "Number not authorized: the caller is no member of the enterprise"
    await refused(stage, "0001007", words)
    await manage(stage, "POST", f"{ENTERPRISE}/members", {"number": CALLER})
    assert (await begin(stage)).status == 200
    await manage(stage, "PATCH", f"{ENTERPRISE}/protection", NOTHING)


async def test_cap_of_a_member(stage: Stage) -> None:
    member = await manage(
        stage, "POST", f"{ENTERPRISE}/members", {"number": "13912345699", "calls_per_day": 1}
    )
    await refused(stage, "0001009", "Traffic Control Failure", caller="13912345699")
    await manage(stage, "DELETE", f"{ENTERPRISE}/members/{member['member_id']}", None)


async def test_blacklisted_callee(stage: Stage) -> None:
    await manage(stage, "POST", "/blacklist", {"number": "+8613700", "is_prefix": True})
    await refused(stage, "0001008", "User In Blacklist", callee="13700000001")
    await refused(stage, "0001008", "User In Blacklist", caller="13700000001")


@pytest.mark.parametrize("path", ["/do-not-call", f"{ENTERPRISE}/do-not-call"])
async def test_callee_on_a_do_not_call_list(stage: Stage, path: str) -> None:
    entry = await manage(stage, "POST", path, {"number": "13800000002"})
    words = "User In Blacklist: the callee is on a do-not-call list"
    await refused(stage, "0001008", words, callee="13800000002")
    await manage(stage, "DELETE", f"{path}/{entry['entry_id']}", None)
    assert (await begin(stage, callee="13800000002")).status == 200


async def test_callee_that_was_called_as_often_as_it_may_be(stage: Stage) -> None:
    await manage(stage, "PATCH", f"{ENTERPRISE}/protection", {"callee_calls_per_day": 1})
    words = "Traffic Control Failure: the callee was called as often as it may be"
    await refused(stage, "0001009", words, callee="13800000003")
    await manage(stage, "PATCH", f"{ENTERPRISE}/protection", NOTHING)


async def test_quiet_hours_where_the_callee_is(stage: Stage) -> None:
    there = datetime.now(ZoneInfo("Asia/Shanghai"))
    # Half a day around now, so that no minute that passes meanwhile is another answer.
    hours = {
        "since": f"{there - timedelta(hours=6):%H:%M}",
        "until": f"{there + timedelta(hours=6):%H:%M}",
    }
    await manage(stage, "PATCH", f"{ENTERPRISE}/protection", {"quiet_hours": hours})
    words = "Traffic Control Failure: it is a quiet hour where the callee is"
    await refused(stage, "0001009", words)
    exception = f"{ENTERPRISE}/protection/applications/{APP_ID}"
    await manage(stage, "PATCH", exception, {"ignores_quiet_hours": True})
    deadline = datetime.now(UTC) + timedelta(seconds=20)
    while (await begin(stage)).status != 200:
        assert datetime.now(UTC) < deadline, "the exception was never taken up"
    await manage(stage, "PATCH", f"{ENTERPRISE}/protection", NOTHING)
