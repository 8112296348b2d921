"""Calls by the CAMARA API on a running node, to real phones."""

import pytest
from tests.api.camara.support import CALLEE, CALLER, CamaraNode

LIVE = ("initiating", "callingCaller", "callingCallee", "connected")
pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_call_is_created_shown_and_terminated(node: CamaraNode) -> None:
    await node.phone(CALLER)
    await node.phone(CALLEE)
    created = await node.create()
    assert created.status == 201
    assert created.headers["content-type"] == "application/json"
    call = created.json
    assert call["caller"] == {"number": CALLER}
    assert call["callee"] == {"number": CALLEE}
    # The phones answer at once: it may have come so far before the answer is written.
    assert call["status"] in LIVE
    assert call["recordingEnabled"] is False
    call_id = call["callId"]
    assert await node.wait_status(call_id, "connected") == "connected"
    shown = (await node.request("GET", f"/calls/{call_id}")).json
    assert shown | {"status": ""} == call | {"status": ""}
    ended = await node.request("DELETE", f"/calls/{call_id}")
    assert (ended.status, ended.body) == (204, b"")
    assert await node.status(call_id) == "disconnected"
    again = await node.request("DELETE", f"/calls/{call_id}")
    assert again.outcome == "409 ALREADY_EXISTS"
