"""The management API of a running node: what is done with a call is heard on its phones."""

import asyncio
import io
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import pytest
import pytest_asyncio
import soundfile
from tests.harness.address import format_address
from tests.harness.client import CALLEE, CALLER, SPONSOR, PlacedCall
from tests.harness.phone import Phone, PhoneState
from tests.harness.sink import EVENT_TIMEOUT_S, basic_credential
from tests.harness.stage import ANSWERED, Stage, lend, open_stage
from tests.harness.tone import decode_alaw, dominant_frequency_hz

pytestmark = pytest.mark.asyncio(loop_scope="session")

TOKEN = "a-token-for-this-test"
CALLER_HZ = 440
CALLEE_HZ = 1_000
HOLD_HZ = 620
TOLERANCE_HZ = 10.0
SPOKEN_S = 0.6
LISTENED_PACKETS = 25
POLL_S = 0.05
BODY = {"caller": CALLER, "callee": CALLEE, "sponsor": SPONSOR}


class Management:
    """Both kinds of users of the API of one node."""

    def __init__(self, stage: Stage, http: aiohttp.ClientSession) -> None:
        self._stage = stage
        self._http = http

    async def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        as_operator: bool = False,
        credential: str | None = None,
    ) -> tuple[int, Any]:
        """Status and body of the answer."""
        application = self._stage.application
        own = basic_credential(application.app_id, application.secret)
        headers = {"Authorization": credential or (f"Bearer {TOKEN}" if as_operator else own)}
        url = f"http://{format_address(self._stage.platform.http)}/management/v1{path}"
        content = {"data": body} if isinstance(body, bytes) else {"json": body}
        async with self._http.request(method, url, headers=headers, **content) as answer:
            return answer.status, await answer.json(
                content_type=None
            ) if answer.status != 204 else None

    async def begin(self, body: dict[str, Any]) -> PlacedCall:
        """A call that was begun."""
        began_at = time.monotonic()
        status, answer = await self.ask("POST", "/calls", body)
        assert status == 201, answer
        return self._stage.application.note_call(answer["call_id"], began_at)

    async def read(self, call: PlacedCall) -> dict[str, Any]:
        """All of a call."""
        status, answer = await self.ask("GET", f"/calls/{call.call_id}")
        assert status == 200, answer
        return dict(answer)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def managed_stage(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    tables = {"management": {"token": TOKEN}}
    async with open_stage(tmp_path_factory.mktemp("platform"), tables) as opened:
        yield opened


@pytest_asyncio.fixture(loop_scope="session")
async def stage(managed_stage: Stage, tmp_path: Path) -> AsyncIterator[Stage]:
    async with lend(managed_stage, tmp_path) as lent:
        yield lent


@pytest_asyncio.fixture(loop_scope="session")
async def management(stage: Stage) -> AsyncIterator[Management]:
    async with aiohttp.ClientSession() as http:
        yield Management(stage, http)


async def _until(is_so: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(EVENT_TIMEOUT_S):
        # Another process does it.
        while not await is_so():  # noqa: ASYNC110
            await asyncio.sleep(POLL_S)


async def _hears(listener: Phone, speaker: Phone | None, frequency_hz: int) -> bool:
    """Whether that is what comes most; it is what the speaker, where there is one, speaks."""
    before, packets = len(listener.heard()), len(listener.rtp_received)
    if speaker is not None:
        await speaker.speak(frequency_hz, SPOKEN_S)
    await listener.wait_for_audio(packets + LISTENED_PACKETS)
    heard = dominant_frequency_hz(decode_alaw(listener.heard()[before:]))
    return abs(heard - frequency_hz) < TOLERANCE_HZ


async def _misses(listener: Phone, speaker: Phone, frequency_hz: int) -> bool:
    """Whether nothing of what the speaker speaks comes, or other things drown it."""
    before = len(listener.heard())
    await speaker.speak(frequency_hz, SPOKEN_S)
    heard = dominant_frequency_hz(decode_alaw(listener.heard()[before:]))
    return abs(heard - frequency_hz) >= TOLERANCE_HZ


def _render_wav(frequency_hz: int) -> bytes:
    file = io.BytesIO()
    instants = np.arange(2 * 16_000) / 16_000
    soundfile.write(file, 0.4 * np.sin(2 * np.pi * frequency_hz * instants), 16_000, format="WAV")
    return file.getvalue()


async def test_call_is_muted_held_paused_and_released_on_a_condition(
    stage: Stage, management: Management
) -> None:
    status, _ = await management.ask("PUT", "/audio/music", _render_wav(HOLD_HZ), as_operator=True)
    assert status == 200
    status, forecast = await management.ask("POST", "/calls/forecast", BODY)
    assert (status, forecast["is_possible"], forecast["obstacles"]) == (200, True, [])
    assert forecast["callee"]["trunk"] == "main"
    caller = await stage.phone(CALLER)
    callee = await stage.phone(CALLEE)
    options = {"max_duration_s": 120, "hides_number": True, "hold_audio": "music"}
    call = await management.begin(BODY | {"record": True, "options": options})
    await call.wait_for("Connected")
    await callee.wait_for(PhoneState.TALKING)
    assert b"Anonymous" in caller.sip_received[0].data
    path = f"/calls/{call.call_id}"

    status, problem = await management.ask("POST", f"{path}/release", {"only_unconnected": True})
    assert (status, problem["code"]) == (409, "condition-not-met")
    assert await _hears(callee, caller, CALLER_HZ)
    _, trunks = await management.ask("GET", "/trunks", as_operator=True)
    assert [trunk["live"]["channels"] for trunk in trunks["trunks"]] == [2]

    # A trunk that is changed, and even left, keeps the calls that it has.
    for method, suffix, change in (
        ("PATCH", "", {"weight": 2}),
        ("POST", "/disable", None),
        ("POST", "/enable", None),
    ):
        status, trunk = await management.ask(
            method, f"/trunks/main{suffix}", change, as_operator=True
        )
        assert (status, trunk["live"]["channels"]) == (200, 2)

    assert await management.ask("POST", f"{path}/mute", {"side": "caller"}) == (204, None)
    assert await _misses(callee, caller, CALLER_HZ)
    assert await _hears(caller, callee, CALLEE_HZ)
    assert await management.ask("POST", f"{path}/pause-recording") == (204, None)
    url = f"http://{format_address(stage.platform.http)}"
    await stage.platform.command("calls", "hold", call.call_id, "callee", "--url", url)
    assert await _hears(callee, None, HOLD_HZ)
    live = {"muted": ["caller"], "held": ["callee"], "is_recording_paused": True}
    assert (await management.read(call))["live"] == live
    assert await _misses(caller, callee, CALLEE_HZ)

    for command, body in (
        ("resume", {"side": "callee"}),
        ("unmute", {"side": "caller"}),
        ("resume-recording", None),
    ):
        assert await management.ask("POST", f"{path}/{command}", body) == (204, None)
    assert (await management.read(call))["live"] == {
        "muted": [],
        "held": [],
        "is_recording_paused": False,
    }
    assert await _hears(caller, callee, CALLEE_HZ)
    assert await management.ask("POST", f"{path}/release", {"after_s": 1}) == (204, None)
    end = await call.wait_for_end()
    assert (call.statuses, end["reason"], end["recordingResult"]) == (
        ANSWERED,
        "HangUp",
        "Success",
    )

    async def is_all_told() -> bool:
        known = await management.read(call)
        # What came from a side is known, and kept, after the end.
        is_kept = all(known["legs"][side]["quality"] for side in ("caller", "callee"))
        return is_kept and all(event["delivery"] == "delivered" for event in known["events"])

    await _until(is_all_told)
    told = await management.read(call)
    assert (told["state"], told["live"]) == ("ended", None)
    assert [event["status"] for event in told["events"]] == ANSWERED
    assert (told["end"]["reason"], told["end"]["by"]) == ("HangUp", "application")
    assert "the application released the call after" in told["end"]["explanation"]
    for side in ("caller", "callee"):
        leg = told["legs"][side]
        assert (leg["trunk"], leg["codec"], leg["is_encrypted"]) == ("main", "PCMA", False)
        assert leg["sip_call_id"]
        assert leg["placed_at"] < leg["answered_at"]
        assert leg["quality"]["packets"] > 0
    status, page = await management.ask("GET", "/calls?limit=1")
    assert (status, page["calls"][0]["call_id"]) == (200, call.call_id)
    shown = await stage.platform.command("calls", "show", call.call_id)
    assert shown["call"]["legs"]["callee"]["trunk"] == "main"


async def test_limit_of_the_enterprise_holds_within_a_second_for_both_apis(
    stage: Stage, management: Management
) -> None:
    limits = "/enterprises/default/limits"
    caller = await stage.phone(CALLER, answers=False)
    call = await stage.begin()
    await caller.wait_for(PhoneState.RINGING)
    try:
        body = {"live_calls_max": 1}
        assert (await management.ask("PATCH", limits, body, as_operator=True))[0] == 200

        async def is_limited() -> bool:
            status, answer = await management.ask("POST", "/calls/forecast", BODY)
            return status == 200 and not answer["is_possible"]

        await _until(is_limited)
        status, problem = await management.ask("POST", "/calls", BODY)
        assert (status, problem["code"]) == (503, "limit-reached")
        refused = await stage.application.post(
            "clicktodialbegin", BODY | {"APPID": stage.application.app_id}
        )
        assert (refused.status, refused.body["code"]) == (503, "0000002")
        assert "limit" in refused.body["description"]
    finally:
        unlimited = {"live_calls_max": None}
        await management.ask("PATCH", limits, unlimited, as_operator=True)
        await call.release()
    await call.wait_for_end()


async def test_somebody_who_was_invited_gets_in_by_the_mail(
    stage: Stage, management: Management
) -> None:
    body = {"email": "ann@example.com", "roles": ["support"], "account": "ann"}
    assert (await management.ask("POST", "/users", body, as_operator=True))[0] == 201

    async def is_sent() -> bool:
        mails = await stage.platform.command("mail", "list")
        return [(mail["to"], mail["state"]) for mail in mails] == [("ann@example.com", "sent")]

    await _until(is_sent)
    [mail] = await stage.platform.command("mail", "list")
    text = (await stage.platform.command("mail", "show", mail["mail_id"]))["text"]
    token = re.search(r"#(a_[\w-]+)", text)
    assert token is not None
    password = "correct horse battery staple"
    activation = {"token": token[1], "password": password}
    assert (await management.ask("POST", "/activations", activation))[0] == 201
    login = {"account": "ann", "password": password}
    status, answer = await management.ask("POST", "/sessions", login)
    assert status == 201
    credential = f"Bearer {answer['token']}"
    status, me = await management.ask("GET", "/me", credential=credential)
    assert (status, me["user"]["roles"]) == (200, ["support"])
    assert (await management.ask("GET", "/trunks", credential=credential))[0] == 200
    assert (await management.ask("GET", "/audio", credential=credential))[0] == 403
    # Neither what was chosen nor what was told stands in the log.
    for secret in (password, answer["token"], token[1]):
        assert secret not in stage.platform.log


async def test_suspension_holds_from_the_next_request_on_and_ends_running_calls(
    stage: Stage, management: Management
) -> None:
    changes = "/enterprises/default/status-changes"
    begin = BODY | {"APPID": stage.application.app_id}

    async def change(kind: str, **more: str) -> None:
        body = {"kind": kind, "reason": "unpaid", "decides": True, **more}
        status, answer = await management.ask("POST", changes, body, as_operator=True)
        assert (status, answer["state"]) == (201, "done"), answer

    await stage.phone(CALLER)
    await stage.phone(CALLEE)
    call = await stage.begin()
    await call.wait_for("Connected")
    # The call goes on, but the very next request is refused: no poll is waited for.
    await change("suspension", calls="when-ended")
    refused = await stage.application.post("clicktodialbegin", begin)
    assert (refused.status, refused.body["code"]) == (403, "0001003")
    await change("resumption")
    assert (await management.ask("POST", "/calls/forecast", BODY))[0] == 200
    assert call.statuses == ANSWERED[:-1]
    try:
        await change("suspension", calls="at-once")
        end = await call.wait_for_end()
        assert (call.statuses, end["reason"]) == (ANSWERED, "Other")
    finally:
        # By the shell this time, which another process notices.
        await stage.platform.command("enterprise", "resume", "default", "--reason", "paid")

    async def is_served() -> bool:
        return (await management.ask("POST", "/calls/forecast", BODY))[0] == 200

    await _until(is_served)
