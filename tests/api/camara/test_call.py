"""Calls by the CAMARA API on a running node, to real phones."""

import asyncio
from collections import Counter
from datetime import UTC, datetime

import pytest
import yaml
from sqlalchemy import insert, update
from tests.api.camara.support import (
    APP,
    BARE_APP,
    CALLEE,
    CALLER,
    MUTE_APP,
    OTHER_APP,
    SPONSOR,
    UNREACHABLE,
    CamaraNode,
)

from clicktodial.api.camara.document import V0_1, V0_2_RC1, VERSIONS, Version
from clicktodial.domain.call import CallState
from clicktodial.storage import table

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
    await node.wait_status(call_id, "connected")
    shown = (await node.request("GET", f"/calls/{call_id}")).json
    assert shown | {"status": ""} == call | {"status": ""}
    ended = await node.request("DELETE", f"/calls/{call_id}")
    assert (ended.status, ended.body) == (204, b"")
    assert await node.status(call_id) == "disconnected"
    again = await node.request("DELETE", f"/calls/{call_id}")
    assert again.outcome == "409 ALREADY_EXISTS"


async def test_call_that_another_node_carries_is_not_said_to_have_ended(node: CamaraNode) -> None:
    call_id = "elsewhere"
    row = {
        "id": call_id, "node_id": "another", "app_id": APP, "sponsor_e164": SPONSOR,
        "sponsor_written": SPONSOR, "caller_e164": CALLER, "caller_written": CALLER,
        "callee_e164": CALLEE, "callee_written": CALLEE, "begun_at": datetime.now(UTC),
        "duration_s": 0, "event_count": 1, "state": CallState.CONNECTED,
    }  # fmt: skip
    with node.database.engine.begin() as connection:
        connection.execute(insert(table.call).values(row))
    assert await node.status(call_id) == "connected"
    refused = await node.request("DELETE", f"/calls/{call_id}")
    assert (refused.outcome, refused.headers["retry-after"]) == ("503 UNAVAILABLE", "1")
    with node.database.engine.begin() as connection:
        ended = update(table.call).where(table.call.c.id == call_id)
        connection.execute(ended.values(state=CallState.ENDED, ended_at=datetime.now(UTC)))
    refused = await node.request("DELETE", f"/calls/{call_id}")
    assert refused.outcome == "409 ALREADY_EXISTS"


async def test_address_that_starts_like_another_is_none(node: CamaraNode) -> None:
    url = node.base_url
    async with node.http.get(f"{url}calls/x") as response:
        assert response.status == 404
        assert (await response.json())["code"] == "NOT_FOUND"
        assert response.headers["x-correlator"]


async def test_both_versions_are_one_api(node: CamaraNode) -> None:
    """Release r1.4 (0.1.0) and r2.1 (0.2.0-rc.1) differ in descriptions and examples alone."""
    await node.phone(CALLER, answers=False)
    node.version = V0_1
    call_id = (await node.create()).json["callId"]
    node.version = V0_2_RC1
    assert (await node.request("GET", f"/calls/{call_id}")).status == 200
    assert (await node.create()).outcome == "409 ALREADY_EXISTS"
    assert (await node.request("DELETE", f"/calls/{call_id}")).status == 204


@pytest.mark.parametrize("version", VERSIONS, ids=lambda version: version.name)
async def test_document_is_served_as_it_was_published(node: CamaraNode, version: Version) -> None:
    node.version = version
    answer = await node.request("GET", "/openapi.yaml", token="")
    assert answer.status == 200
    assert answer.headers["content-type"] == "application/yaml"
    document = yaml.safe_load(answer.body)
    assert document["info"]["version"] == version.name
    assert document["servers"][0]["url"] == "{apiRoot}" + version.base_path
    assert b"Copyright the contributors to the project" in answer.body


# "Whether recording is enabled", who may see the call


async def test_call_of_v1_is_seen_and_ended_here(node: CamaraNode) -> None:
    """One identifier names the call in both APIs."""
    await node.phone(CALLER, answers=False)
    begun = await node.v1(
        "clicktodialbegin",
        {"sponsor": SPONSOR, "caller": CALLER, "callee": CALLEE, "record": 1},
    )
    call_id = begun["result"]["callidentifier"]
    shown = await node.request("GET", f"/calls/{call_id}")
    assert shown.json == {
        "callId": call_id,
        "caller": {"number": CALLER},
        "callee": {"number": CALLEE},
        "status": "callingCaller",
        "createdAt": shown.json["createdAt"],
        "recordingEnabled": True,
    }
    # "An active call already exists for the given caller and callee."
    assert (await node.create()).outcome == "409 ALREADY_EXISTS"
    assert (await node.request("DELETE", f"/calls/{call_id}")).status == 204
    assert await node.status(call_id) == "disconnected"


async def test_call_made_here_is_ended_by_v1(node: CamaraNode) -> None:
    await node.phone(CALLER, answers=False)
    call_id = (await node.create()).json["callId"]
    ended = await node.v1(f"clicktodialrelease/{call_id}", {"operation": "EndCall"})
    assert ended["code"] == "0000000"
    assert await node.status(call_id) == "disconnected"
    told = await node.manage("GET", f"/calls/{call_id}")
    # Whoever names no sink is told of nothing, though the application has a server for v1's.
    assert [event["delivery"] for event in told["events"]] == ["none", "none"]


async def test_call_of_another_application_is_not_found(node: CamaraNode) -> None:
    await node.phone(CALLER, answers=False)
    call_id = (await node.create()).json["callId"]
    other = node.tokens.give(OTHER_APP)
    for method, path in (("GET", ""), ("DELETE", ""), ("GET", "/recording")):
        answer = await node.request(method, f"/calls/{call_id}{path}", token=other)
        assert answer.outcome == "404 NOT_FOUND"
    # The pair is another one where another application asks for it.
    both = await node.create(token=other)
    assert both.status == 201
    assert (
        await node.request("DELETE", f"/calls/{both.json['callId']}", token=other)
    ).status == 204


# "An active call already exists for the given caller and callee."


async def test_pair_has_one_call_at_a_time(node: CamaraNode) -> None:
    await node.phone(CALLER, answers=False)
    answers = await asyncio.gather(*(node.create() for _ in range(20)))
    assert Counter(answer.outcome for answer in answers) == {"201": 1, "409 ALREADY_EXISTS": 19}
    # The other way round it is another pair, and so is another callee.
    turned = await node.create(caller=CALLEE, callee=CALLER)
    assert turned.status == 201
    assert (await node.create(callee="+8613810268654")).status == 201


async def test_pair_that_hung_up_may_be_called_at_once(node: CamaraNode) -> None:
    for _ in range(5):
        created = await node.create()
        assert created.outcome == "201"
        assert (await node.request("DELETE", f"/calls/{created.json['callId']}")).status == 204


# Errors of the parties


@pytest.mark.parametrize(
    "number",
    [
        "8613912345673",  # "prefixed with '+'"
        "13912345673",
        "+86 139 1234 5673",
        "+86013912345673",  # one subscription would have two identifiers
        "+0613912345673",
        "+12345",
        "+861391234567312345",
        "+8613912345673\n",
        "+\u0661\u0662\u0663\u0664\u0665\u0666\u0667\u0668",
        "tel:+8613912345673",
        "",
        "+",
    ],
)
async def test_number_that_is_not_e164_is_refused(node: CamaraNode, number: str) -> None:
    """The document: "Caller or callee number is not a valid E.164 phone number."."""
    assert (await node.create(caller=number)).outcome == "422 INVALID_PHONE_NUMBER"
    assert (await node.create(callee=number)).outcome == "422 INVALID_PHONE_NUMBER"


async def test_same_number_twice_is_refused(node: CamaraNode) -> None:
    """The document: "Caller and callee cannot be the same number."."""
    assert (await node.create(callee=CALLER)).outcome == "422 SAME_CALLER_CALLEE"


async def test_recording_that_is_not_the_applications_is_refused(node: CamaraNode) -> None:
    """The document: "Recording is not supported for this call."."""
    token = node.tokens.give(MUTE_APP)
    answer = await node.create(token=token, recordingEnabled=True)
    assert answer.outcome == "422 RECORDING_NOT_SUPPORTED"


async def test_party_that_no_trunk_reaches_is_refused(node: CamaraNode) -> None:
    """The document: "Caller number is currently not reachable or not allowed to start a call." and
    "Callee number is currently not reachable or not allowed to receive a call."."""
    assert (await node.create(caller=UNREACHABLE)).outcome == "422 CALLER_NOT_AVAILABLE"
    assert (await node.create(callee=UNREACHABLE)).outcome == "422 CALLEE_NOT_AVAILABLE"


async def test_party_that_may_not_call_or_be_called_is_refused(node: CamaraNode) -> None:
    rules = "/enterprises/default/protection"
    await node.manage("PATCH", rules, {"members_only": True})
    await node.wait_refused("422 CALLER_NOT_AVAILABLE")
    await node.manage("PATCH", rules, {"members_only": False})
    blacklisted, unwanted = "+8613700000001", "+8613800000002"
    await node.manage("POST", "/blacklist", {"number": "+8613700", "is_prefix": True})
    await node.wait_refused("422 CALLER_NOT_AVAILABLE", caller=blacklisted)
    await node.wait_refused("422 CALLEE_NOT_AVAILABLE", callee=blacklisted)
    await node.manage("POST", "/do-not-call", {"number": unwanted})
    await node.wait_refused("422 CALLEE_NOT_AVAILABLE", callee=unwanted)


async def test_shown_number_is_the_applications_own(node: CamaraNode) -> None:
    await node.phone(CALLER, answers=False)
    call_id = (await node.create()).json["callId"]
    assert (await node.manage("GET", f"/calls/{call_id}"))["sponsor"] == SPONSOR


async def test_application_without_a_number_cannot_call(node: CamaraNode) -> None:
    """The document: "The service is not available for the provided identifier."."""
    token = node.tokens.give(BARE_APP)
    assert (await node.create(token=token)).outcome == "422 SERVICE_NOT_APPLICABLE"
