"""The event history at the running server: followed, read, told once more."""

import asyncio
import json

import aiohttp
import pytest
from tests.harness.address import format_address
from tests.harness.client import APP_ID, CALLER, SECRET
from tests.harness.sink import EVENT_TIMEOUT_S, basic_credential
from tests.harness.stage import CALLER_NOT_ANSWERED, Stage

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def read_statuses(response: aiohttp.ClientResponse, call_id: str, count: int) -> list[str]:
    """So many statuses of that call, off a stream."""
    statuses: list[str] = []
    while len(statuses) < count:
        line = await response.content.readline()
        assert line, "the stream ended"
        if line.startswith(b"data: "):
            event = json.loads(line.removeprefix(b"data: "))
            if event["call_id"] == call_id:
                statuses.append(event["status"])
    return statuses


async def test_call_is_followed_read_and_told_once_more(stage: Stage) -> None:
    await stage.phone(CALLER, refuses_with=486)
    base = f"http://{format_address(stage.platform.http)}/events/v1"
    headers = {"Authorization": basic_credential(APP_ID, SECRET)}
    timeout = aiohttp.ClientTimeout(total=2 * EVENT_TIMEOUT_S)
    async with aiohttp.ClientSession(headers=headers, timeout=timeout) as session:
        async with session.get(f"{base}/stream") as response:
            assert response.status == 200
            await response.content.readline()  # it is open
            call = await stage.begin()
            statuses = await read_statuses(response, call.call_id, len(CALLER_NOT_ANSWERED))
        assert statuses == CALLER_NOT_ANSWERED
        await call.wait_for("Disconnected")

        # What became of a delivery is written a moment after it.
        async with asyncio.timeout(EVENT_TIMEOUT_S):
            states: set[str] = set()
            while states != {"delivered"}:
                async with session.get(f"{base}/calls/{call.call_id}") as response:
                    page = await response.json()
                states = {event["delivery"]["state"] for event in page["events"]}
        assert [event["status"] for event in page["events"]] == CALLER_NOT_ANSWERED

        told = len(call.deliveries)
        wanted = {"call_id": call.call_id, "seq": 1, "with_delivered": True}
        async with session.post(f"{base}/replays", json=wanted) as response:
            assert await response.json() == {"replayed": 1, "next": None}
        async with asyncio.timeout(EVENT_TIMEOUT_S):
            # The sink tells of a first delivery only.
            while len(call.deliveries) == told:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        assert call.deliveries[-1].webhook_id == f"{call.call_id}-1"
