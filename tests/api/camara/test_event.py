"""Events of calls, told as CloudEvents in structured mode to the sink that the call named."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select
from tests.api.camara.document import validate_event
from tests.api.camara.support import (
    CALLEE,
    CALLER,
    MUTE_APP,
    PATIENCE_S,
    UNPLACEABLE,
    CamaraNode,
    Told,
)
from tests.harness.phone import PhoneState

from clicktodial.storage.table import call_sink

pytestmark = pytest.mark.asyncio(loop_scope="module")

TOKEN = "ya29.A0AR"


def credential(expires_at: datetime | None = None) -> dict[str, str]:
    expires_at = expires_at or datetime.now(UTC) + timedelta(hours=1)
    return {
        "credentialType": "ACCESSTOKEN",
        "accessToken": TOKEN,
        "accessTokenExpiresUtc": expires_at.isoformat(),
        "accessTokenType": "bearer",
    }


async def begin(node: CamaraNode, **more: Any) -> str:
    created = await node.create(**{"sink": f"{node.sink.url}/sink?of=us"} | more)
    assert created.status == 201, created
    return str(created.json["callId"])


def check(told: Told, node: CamaraNode, call_id: str, caller: str = CALLER) -> dict[str, Any]:
    """What every event must be; returns its data."""
    validate_event(told.event)
    assert told.headers["content-type"] == "application/cloudevents+json"
    assert told.path == "/sink?of=us"
    assert told.event["type"] == "org.camaraproject.click-to-dial.v0.status-changed"
    assert told.event["specversion"] == "1.0"
    assert told.event["datacontenttype"] == "application/json"
    assert told.event["source"] == "http://localhost:8080/click-to-dial"
    data: dict[str, Any] = told.event["data"]
    assert data["callId"] == call_id
    assert (data["caller"], data["callee"]) == (caller, CALLEE)
    assert data["timestamp"] == told.event["time"]
    # "Present iff state=disconnected", both.
    is_disconnected = told.state == "disconnected"
    assert ("reason" in data["status"]) == is_disconnected
    assert ("callDuration" in data) == is_disconnected
    return data


async def test_conversation_is_told_step_by_step(node: CamaraNode) -> None:
    """The document: "the access token is used as a Bearer token in the `Authorization` header
    during event delivery"."""
    await node.phone(CALLER)
    callee = await node.phone(CALLEE)
    call_id = await begin(node, sinkCredential=credential())
    await node.sink.wait_for(call_id, "callingCaller", "callingCallee", "connected")
    await callee.wait_for(PhoneState.TALKING)
    callee.hang_up()
    states = ("callingCaller", "callingCallee", "connected", "disconnected")
    last = await node.sink.wait_for(call_id, *states)
    for told in node.sink.of_call(call_id):
        check(told, node, call_id)
        assert told.headers["authorization"] == f"Bearer {TOKEN}"
    assert last.event["data"]["status"]["reason"] == "hangUp"
    assert last.event["data"]["callDuration"].isdigit()
    assert "recordingResult" not in last.event["data"]
    ids = [told.event["id"] for told in node.sink.of_call(call_id)]
    assert len(set(ids)) == len(ids)
    assert await node.status(call_id) == "disconnected"


@pytest.mark.parametrize(
    ("caller", "callee", "reason"),
    [
        ({"refuses_with": 486}, None, "callerBusy"),
        ({"refuses_with": 603}, None, "callerBusy"),
        ({"refuses_with": 404}, None, "callerFailure"),
        ({"refuses_with": 480}, None, "callerNoAnswer"),
        ({}, {"refuses_with": 486}, "calleeBusy"),
        ({}, {"refuses_with": 404}, "calleeFailure"),
    ],
    ids=str,
)
async def test_party_that_does_not_answer_is_the_reason(
    node: CamaraNode, caller: dict[str, Any], callee: dict[str, Any] | None, reason: str
) -> None:
    """The document: "A disconnection reason is provided (e.g., `hangUp`, `callerBusy`,
    `calleeBusy`, etc.)"."""
    await node.phone(CALLER, **caller)
    if callee is not None:
        await node.phone(CALLEE, **callee)
    call_id = await begin(node, recordingEnabled=True)
    on_the_way = ["callingCaller"] if callee is None else ["callingCaller", "callingCallee"]
    last = await node.sink.wait_for(call_id, *on_the_way, "disconnected")
    data = check(last, node, call_id)
    assert data["status"]["reason"] == reason
    assert data["callDuration"] == "0"
    # "This field is mandatory when recording is enabled and the call is finished."
    assert data["recordingResult"] == "noRecord"
    assert "authorization" not in last.headers
    assert await node.status(call_id) == "disconnected"


async def test_caller_that_hangs_up_while_the_callee_rings_abandons(node: CamaraNode) -> None:
    caller = await node.phone(CALLER)
    await node.phone(CALLEE, answers=False)
    call_id = await begin(node)
    await node.sink.wait_for(call_id, "callingCaller", "callingCallee")
    await caller.wait_for(PhoneState.TALKING)
    caller.hang_up()
    last = await node.sink.wait_for(call_id, "callingCaller", "callingCallee", "disconnected")
    assert check(last, node, call_id)["status"]["reason"] == "callerAbandon"


async def test_call_terminated_by_the_client_is_disconnected(node: CamaraNode) -> None:
    """The document: "The call session has ended (e.g. one party hung up, or terminated by
    client)."."""
    await node.phone(CALLER, answers=False)
    call_id = await begin(node)
    assert (await node.request("DELETE", f"/calls/{call_id}")).status == 204
    last = await node.sink.wait_for(call_id, "callingCaller", "disconnected")
    assert check(last, node, call_id)["status"]["reason"] == "other"


async def test_call_that_could_not_be_placed_has_failed(node: CamaraNode) -> None:
    """The document: "The call session failed to establish"."""
    call_id = await begin(node, caller=UNPLACEABLE)
    last = await node.sink.wait_for(call_id, "callingCaller", "failed")
    data = check(last, node, call_id, caller=UNPLACEABLE)
    assert data["status"] == {"state": "failed"}
    assert await node.status(call_id) == "failed"


# Delivery


async def test_failed_delivery_is_repeated_in_order(node: CamaraNode) -> None:
    """The document: "Callback delivery failure does not roll back or cancel a successfully created
    call session"."""
    failed: set[str] = set()

    def fail_once(event: dict[str, Any]) -> int:
        is_new = event["id"] not in failed
        failed.add(event["id"])
        return 503 if is_new else 204

    node.sink.status_of = fail_once
    await node.phone(CALLER, refuses_with=486)
    call_id = await begin(node)
    await node.sink.wait_for(call_id, "callingCaller", "disconnected")
    tried = [told.state for told in node.sink.told if told.call_id == call_id]
    assert tried == ["callingCaller", "callingCaller", "disconnected", "disconnected"]


async def test_nothing_is_sent_with_a_token_that_has_expired(node: CamaraNode) -> None:
    """The document: "An absolute (UTC) timestamp at which the token shall be considered
    expired."."""
    expires_at = datetime.now(UTC) + timedelta(seconds=1)
    refused: list[datetime] = []

    def refuse(event: dict[str, Any]) -> int:
        refused.append(datetime.now(UTC))
        return 503

    node.sink.status_of = refuse
    await node.phone(CALLER, answers=False)
    call_id = await begin(node, sinkCredential=credential(expires_at))
    await node.sink.wait_until(lambda: bool(refused))
    # The next try is due a second later: the token is no good by then.
    async with asyncio.timeout(PATIENCE_S):
        while (events := (await node.manage("GET", f"/calls/{call_id}"))["events"])[0][
            "delivery"
        ] == "pending":
            pass
    assert events[0]["delivery"] == "given_up"
    assert events[0]["last_error"] == "the access token of the sink has expired"
    assert all(moment < expires_at for moment in refused)


async def test_private_address_is_refused_where_the_operator_does_not_allow_it(
    node: CamaraNode,
) -> None:
    token = node.tokens.give(MUTE_APP)
    await node.phone(CALLER, refuses_with=486)
    call_id = await begin(node, token=token)
    async with asyncio.timeout(PATIENCE_S):
        while not (event := (await node.manage("GET", f"/calls/{call_id}"))["events"][0])[
            "attempts"
        ]:
            pass
    assert "not one of the public Internet" in event["last_error"]
    assert not [told for told in node.sink.told if told.call_id == call_id]


async def test_token_is_sealed_and_forgotten_when_it_expires(node: CamaraNode) -> None:
    await node.phone(CALLER, answers=False)
    call_id = await begin(node, sinkCredential=credential())
    with node.database.engine.connect() as connection:
        row = connection.execute(select(call_sink).where(call_sink.c.call_id == call_id)).one()
    assert row.url == f"{node.sink.url}/sink?of=us"
    assert TOKEN.encode() not in row.token_encrypted
    for path in node.data_dir.rglob("*.db*"):
        assert TOKEN.encode() not in path.read_bytes()


async def test_application_with_a_server_of_its_own_is_told_there_of_v1_alone(
    node: CamaraNode,
) -> None:
    await node.phone(CALLER, refuses_with=486)
    call_id = await begin(node)
    await node.sink.wait_for(call_id, "callingCaller", "disconnected")
    assert {told.path for told in node.sink.told if told.call_id == call_id} == {"/sink?of=us"}
