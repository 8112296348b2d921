"""Both clients at the running platform, and at one whose answers get lost."""

import contextlib
import json
import uuid
from pathlib import Path

import httpx
import pytest
from joserfc.jwk import OKPKey
from tests.client.proxy import LossyProxy

from clicktodial.client import (
    AsyncCamaraClient,
    AsyncClickToDial,
    CallHasEnded,
    CallStatus,
    CallStatusChanged,
    CamaraClient,
    CamaraReason,
    CamaraStatus,
    ClickToDial,
    ClientSecret,
    Conflict,
    EndReason,
    InvalidRequest,
    NotAnswered,
    NotAuthenticated,
    NotFound,
    PrivateKey,
    RecordingResult,
    RetryPolicy,
    StatusNotification,
)
from clicktodial.client.testing import REQUEST_TIMEOUT_S, PhoneKind, Sandbox

# The answers are lost at once: nothing is won by waiting long.
QUICK = RetryPolicy(first_wait_s=0.05)
BEGIN = "/clicktodial/v1/clicktodialbegin"
CALLS = "/click-to-dial/v0.2rc1/calls"


def calls_of(sandbox: Sandbox, caller: str) -> list[str]:
    """Which calls the platform has of that caller, by its management API."""
    answer = httpx.get(
        f"{sandbox.base_url}/management/v1/calls",
        auth=(sandbox.app_id, sandbox.secret),
        timeout=REQUEST_TIMEOUT_S,
    )
    assert answer.status_code == 200, answer.text
    return [one["call_id"] for one in answer.json()["calls"] if one["caller"] == caller]


def test_v1_call_is_begun_told_watched_and_its_recording_had(clicktodial_sandbox: Sandbox) -> None:
    sandbox = clicktodial_sandbox
    with sandbox.client() as client:
        callee = sandbox.phone(PhoneKind.HANGS_UP)
        call_id = client.begin(
            sponsor=sandbox.sponsor, caller=sandbox.phone(), callee=callee, record=True
        )
        events = list(client.watch_call(call_id))
        assert [event.status for event in events] == list(CallStatus)
        assert [event.seq for event in events] == [1, 2, 3, 4]
        last = events[-1]
        assert (last.reason, last.callee) == (EndReason.HANG_UP, callee)
        assert last.recording_result is RecordingResult.SUCCESS
        assert last.recording_id is not None
        assert client.download_recording(call_id, last.recording_id).startswith(b"RIFF")

        told = sandbox.inbox.wait_for(call_id, CallStatus.DISCONNECTED)
        assert isinstance(told, StatusNotification)
        assert (told.id, told.reason, told.recording_id) == (
            last.id, last.reason, last.recording_id,
        )  # fmt: skip
        assert [one.status for one in sandbox.inbox.of_call(call_id)] == list(CallStatus)
        with pytest.raises(CallHasEnded):
            client.release(call_id)
        with pytest.raises(NotFound):
            client.download_recording(call_id, "another")
        # Its delivery goes on meanwhile.
        assert [one.seq for one in client.call_events(call_id, after=3)] == [4]


async def test_async_client_does_the_same(clicktodial_sandbox: Sandbox) -> None:
    sandbox = clicktodial_sandbox
    async with sandbox.async_client() as client:
        call_id = await client.begin(
            sponsor=sandbox.sponsor, caller=sandbox.phone(PhoneKind.BUSY), callee=sandbox.phone()
        )
        events = [event async for event in client.watch_call(call_id)]
        assert [event.reason for event in events] == [None, EndReason.CALLER_BUSY]
        with pytest.raises(CallHasEnded):
            await client.release(call_id)
        assert events[-1].id in {event.id async for event in client.call_events(call_id)}
        async with contextlib.aclosing(client.follow("0..0")) as following:
            # From the very first on, whosever test it is of.
            assert (await anext(following)).seq == 1


def test_camara_call_by_private_key_jwt(clicktodial_sandbox: Sandbox, tmp_path: Path) -> None:
    sandbox = clicktodial_sandbox
    key = OKPKey.generate_key("Ed25519", {"kid": "sdk"})
    jwks = tmp_path / "jwks.json"
    jwks.write_text(json.dumps({"keys": [key.as_dict(private=False)]}))
    sandbox.command("app", "set-keys", sandbox.app_id, "--jwks", str(jwks))
    proof = PrivateKey(sandbox.app_id, key.as_dict(private=True))
    with CamaraClient(sandbox.base_url, proof, timeout_s=REQUEST_TIMEOUT_S) as client:
        caller, callee = sandbox.phone(), sandbox.phone(PhoneKind.HANGS_UP)
        call = client.create_call(
            caller=caller, callee=callee, recording=True, sink=sandbox.inbox.url
        )
        assert (call.caller, call.callee) == (caller, callee)
        with pytest.raises(Conflict) as caught:
            client.create_call(caller=caller, callee=callee, correlator="of-mine")
        assert (caught.value.code, caught.value.correlator) == ("ALREADY_EXISTS", "of-mine")
        told = sandbox.inbox.wait_for(call.call_id, CamaraStatus.DISCONNECTED)
        assert isinstance(told, CallStatusChanged)
        assert told.reason is CamaraReason.HANG_UP
        assert client.get_call(call.call_id).status is CamaraStatus.DISCONNECTED
        recording = client.get_recording(call.call_id)
        assert (recording.content_type, recording.content[:4]) == ("audio/wav", b"RIFF")
        with pytest.raises(InvalidRequest) as refused:
            client.create_call(caller="8613912345673", callee=callee)
        assert refused.value.code == "INVALID_PHONE_NUMBER"
        with pytest.raises(NotFound):
            client.get_call(str(uuid.uuid4()))


def test_lost_answers_place_one_v1_call(clicktodial_sandbox: Sandbox, proxy: LossyProxy) -> None:
    sandbox = clicktodial_sandbox
    caller = sandbox.phone(PhoneKind.RINGS_ON)
    with ClickToDial(
        proxy.url, sandbox.app_id, sandbox.secret, retries=QUICK, timeout_s=REQUEST_TIMEOUT_S
    ) as client:
        proxy.lose_first(3, "POST", BEGIN)
        call_id = client.begin(sponsor=sandbox.sponsor, caller=caller, callee=sandbox.phone())
        assert proxy.lost == 3
        # The end was reached by the try whose answer was lost.
        proxy.lose_first(1, "POST", "/clicktodial/v1/clicktodialrelease/")
        client.release(call_id)
        assert proxy.lost == 4
        sandbox.inbox.wait_for(call_id, CallStatus.DISCONNECTED)
        assert calls_of(sandbox, caller) == [call_id]

        proxy.loses = lambda number, method, path: True
        with pytest.raises(NotAnswered):
            client.release(call_id)
        assert proxy.lost == 4 + QUICK.attempts


async def test_lost_answers_place_one_camara_call(
    clicktodial_sandbox: Sandbox, proxy: LossyProxy
) -> None:
    sandbox = clicktodial_sandbox
    async with AsyncCamaraClient(
        proxy.url,
        ClientSecret(sandbox.app_id, sandbox.secret),
        retries=QUICK,
        timeout_s=REQUEST_TIMEOUT_S,
    ) as client:
        caller = sandbox.phone(PhoneKind.RINGS_ON)
        proxy.lose_first(2, "POST", CALLS)
        # A second call between the two would be refused: there was none.
        call = await client.create_call(caller=caller, callee=sandbox.phone())
        assert proxy.lost == 2
        proxy.lose_first(1, "DELETE", CALLS)
        await client.terminate_call(call.call_id)
        with pytest.raises(CallHasEnded):
            await client.terminate_call(call.call_id)
        ended = await client.get_call(call.call_id)
        assert ended.status in (CamaraStatus.DISCONNECTED, CamaraStatus.FAILED)
        assert proxy.asked.count(("POST", "/oauth/token")) == 1


def test_followed_stream_that_breaks_misses_nothing(
    clicktodial_sandbox: Sandbox, proxy: LossyProxy
) -> None:
    sandbox = clicktodial_sandbox
    with ClickToDial(proxy.url, sandbox.app_id, sandbox.secret) as client:
        call_id = client.begin(
            sponsor=sandbox.sponsor, caller=sandbox.phone(), callee=sandbox.phone(PhoneKind.BUSY)
        )
        first, *_ = client.watch_call(call_id)
        # From behind the first event of the call on, and broken behind the next.
        proxy.lose_first(1, "GET", "/events/v1/stream")
        with contextlib.closing(client.follow(first.cursor)) as following:
            seen: list[CallStatus] = []
            while len(seen) < 2:
                event = next(following)
                if event.call_id == call_id:
                    seen.append(event.status)
    assert seen == [CallStatus.CALLING_CALLEE, CallStatus.DISCONNECTED]
    assert proxy.lost == 1


async def test_wrong_secret_is_told_of_by_both_apis(clicktodial_sandbox: Sandbox) -> None:
    sandbox = clicktodial_sandbox
    async with AsyncClickToDial(sandbox.base_url, sandbox.app_id, "wrong") as client:
        with pytest.raises(NotAuthenticated):
            await client.release("any")
    async with AsyncCamaraClient(sandbox.base_url, ClientSecret(sandbox.app_id, "w")) as client:
        with pytest.raises(NotAuthenticated) as caught:
            await client.get_call(str(uuid.uuid4()))
    assert caught.value.code == "invalid_client"
