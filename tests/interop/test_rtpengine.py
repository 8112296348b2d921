"""Whole calls whose audio rtpengine relays, between phones of baresip."""

import asyncio
import io
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import numpy as np
import pytest
import pytest_asyncio
import soundfile
from tests.harness.address import format_address
from tests.harness.baresip import Baresip, StartPhone, open_phones
from tests.harness.client import CALLEE, CALLER
from tests.harness.phone import PhoneState
from tests.harness.platform import Tables
from tests.harness.rtpengine import Rtpengine
from tests.harness.stage import ANSWERED, Stage, lend, open_stage
from tests.harness.tone import Samples, decode_alaw, dominant_frequency_hz

pytestmark = pytest.mark.asyncio(loop_scope="module")

CALLER_HZ = 700
CALLEE_HZ = 1100
TOLERANCE_HZ = 10.0
TALK_S = 2.0
# Disconnected is sent at most 5 s after hang-up, and what is changed is taken up within a second;
# what a busy machine needs comes on top.
RESULT_WITHIN_S = 30.0
TAKEN_UP_WITHIN_S = 20.0
POLL_S = 0.05
TOKEN = "a-token-for-this-test"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def daemon(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Rtpengine]:
    logs = tmp_path_factory.mktemp("rtpengine")
    daemon = Rtpengine(logs / "shared", logs)
    try:
        yield await daemon.start()
    finally:
        daemon.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def relayed_stage(
    daemon: Rtpengine, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Stage]:
    """A platform with that daemon as its relay, which offers every codec."""
    tables: Tables = {
        "media": {
            "driver": "rtpengine",
            "rtpengine": [daemon.name],
            "rtpengine_dir": str(daemon.directory),
            "codecs": ["PCMA", "PCMU", "G722", "OPUS"],
        },
        "metrics": {"token": TOKEN},
    }
    async with open_stage(tmp_path_factory.mktemp("platform"), tables) as stage:
        yield stage


@pytest_asyncio.fixture(loop_scope="module")
async def stage(relayed_stage: Stage, tmp_path: Path) -> AsyncIterator[Stage]:
    async with lend(relayed_stage, tmp_path) as lent:
        yield lent


@pytest_asyncio.fixture(loop_scope="module")
async def start_phone(stage: Stage, tmp_path: Path) -> AsyncIterator[StartPhone]:
    async with open_phones(stage.switch, tmp_path) as start:
        yield start


def measure_hz(samples: Samples, rate: int) -> float:
    """Of a second away from either end, where a call has settled."""
    channel = samples if samples.ndim == 1 else samples[:, 0]
    start = max(0, len(channel) // 2 - rate // 2)
    return dominant_frequency_hz(channel[start : start + rate], rate)


async def change(stage: Stage, *command: str) -> None:
    """An administrative command, until the platform has taken up what it did."""
    told = stage.platform.log.count("administration.changed")
    await stage.platform.command(*command)
    async with asyncio.timeout(TAKEN_UP_WITHIN_S):
        # Another process tells it, in its log.
        while stage.platform.log.count("administration.changed") == told:  # noqa: ASYNC110
            await asyncio.sleep(POLL_S)


async def talk(stage: Stage, caller: Baresip, callee: Baresip) -> tuple[Samples, int]:
    """A recorded call that the callee ends: each heard the other. Returns the recording, which is
    no longer than the call was."""
    call = await stage.begin(record=1)
    await call.wait_for("Connected")
    await callee.wait_for("CALL_ESTABLISHED")
    await asyncio.sleep(TALK_S)  # the conversation
    await callee.command("hangup")
    end = await call.wait_for_end(RESULT_WITHIN_S)
    await caller.wait_for("CALL_CLOSED")
    assert call.statuses == ANSWERED
    assert (end["reason"], end["recordingResult"]) == ("HangUp", "Success")
    for phone, other_hz in ((caller, CALLEE_HZ), (callee, CALLER_HZ)):
        samples, rate = phone.heard()
        assert len(samples) > TALK_S * rate * 0.8
        assert abs(measure_hz(samples, rate) - other_hz) < TOLERANCE_HZ
    recording, rate = soundfile.read(io.BytesIO(await call.download(end["recordingId"])))
    assert len(recording) / rate <= call.took_s
    return np.asarray(recording), rate


def check_recording(recording: Samples, rate: int) -> None:
    """The caller left, the callee right, for as long as they talked at least."""
    for channel, spoken_hz in ((0, CALLER_HZ), (1, CALLEE_HZ)):
        assert abs(measure_hz(recording[:, [channel]], rate) - spoken_hz) < TOLERANCE_HZ
    assert len(recording) / rate > TALK_S - 0.7


@pytest.mark.parametrize(
    ("caller_codec", "callee_codec"),
    [
        ("PCMA/8000/1", "PCMA/8000/1"),
        ("PCMA/8000/1", "opus/48000/2"),
        ("G722/16000/1", "PCMU/8000/1"),
    ],
    ids=lambda codec: codec.partition("/")[0],
)
async def test_both_hear_the_other_and_are_recorded_whatever_each_speaks(
    stage: Stage, start_phone: StartPhone, caller_codec: str, callee_codec: str
) -> None:
    caller = await start_phone(CALLER, CALLER_HZ, codecs=(caller_codec,))
    callee = await start_phone(CALLEE, CALLEE_HZ, codecs=(callee_codec,))
    check_recording(*await talk(stage, caller, callee))


async def test_callee_behind_a_trunk_of_srtp_speaks_to_a_caller_in_clear(
    stage: Stage, start_phone: StartPhone
) -> None:
    target = format_address(stage.switch.address)
    options = (
        "--target",
        target,
        "--priority",
        "0",
        "--prefix",
        f"+{CALLEE}",
        "--srtp",
        "required",
    )
    await change(stage, "trunk", "add", "secure", *options)
    try:
        caller = await start_phone(CALLER, CALLER_HZ)
        callee = await start_phone(CALLEE, CALLEE_HZ, srtp="srtp-mand")
        check_recording(*await talk(stage, caller, callee))
    finally:
        await change(stage, "trunk", "remove", "secure")


async def test_fleet_shows_in_the_metrics_and_leaves_nothing_behind(
    stage: Stage, daemon: Rtpengine
) -> None:
    url = f"http://{format_address(stage.platform.http)}/metrics"
    headers = {"Authorization": f"Bearer {TOKEN}"}
    async with aiohttp.ClientSession() as client, client.get(url, headers=headers) as answer:
        page = await answer.text()
    assert f'clicktodial_relay_node_up{{node="{daemon.name}"}} 1.0' in page
    assert f'clicktodial_relay_sessions{{node="{daemon.name}"}} 0.0' in page
    for folder in ("pcaps", "metadata", "tmp"):
        assert list((daemon.directory / folder).iterdir()) == []


async def test_callee_is_rung_once_the_caller_has_pressed_a_key(stage: Stage) -> None:
    """The key is heard in a copy of the caller's stream that rtpengine sends us."""
    await change(stage, "app", "set-options", stage.application.app_id, "--presence", "key")
    caller = await stage.phone(CALLER, has_keys=True)
    callee = await stage.phone(CALLEE)
    call = await stage.begin()
    await caller.wait_for_audio(packets=10)
    assert callee.state is PhoneState.IDLE
    await caller.press("5")
    await callee.wait_for(PhoneState.TALKING)
    await call.wait_for("Connected")
    await callee.speak(CALLEE_HZ, 0.5)
    assert abs(dominant_frequency_hz(decode_alaw(caller.heard())[-3000:]) - CALLEE_HZ) < 20
    await call.release()
    assert (await call.wait_for_end(RESULT_WITHIN_S))["reason"] == "HangUp"
    await change(stage, "app", "set-options", stage.application.app_id, "--presence", "none")


async def test_killed_platform_makes_recordings_of_what_rtpengine_captured(
    stage: Stage, daemon: Rtpengine
) -> None:
    caller, callee = await stage.phone(CALLER), await stage.phone(CALLEE)
    call = await stage.begin(record=1)
    await call.wait_for("Connected")
    await callee.wait_for(PhoneState.TALKING)
    await asyncio.gather(caller.speak(CALLER_HZ, 1.0), callee.speak(CALLEE_HZ, 1.0))
    await asyncio.to_thread(stage.platform.kill)
    await stage.platform.restart()
    end = await call.wait_for_end(RESULT_WITHIN_S)
    assert end["recordingResult"] == "Success"
    recording, rate = soundfile.read(io.BytesIO(await call.download(end["recordingId"])))
    for channel, spoken_hz in ((0, CALLER_HZ), (1, CALLEE_HZ)):
        assert abs(measure_hz(recording[:, [channel]], rate) - spoken_hz) < TOLERANCE_HZ
    for folder in ("pcaps", "metadata", "tmp"):
        assert list((daemon.directory / folder).iterdir()) == []


async def test_calls_of_a_node_that_dies_end_and_none_is_taken_until_it_is_back(
    stage: Stage, daemon: Rtpengine
) -> None:
    await stage.phone(CALLER)
    callee = await stage.phone(CALLEE)
    call = await stage.begin()
    await call.wait_for("Connected")
    daemon.kill()
    end = await call.wait_for_end(RESULT_WITHIN_S)
    assert end["reason"] == "Other"
    await callee.wait_for(PhoneState.OVER)
    await daemon.start()
    async with asyncio.timeout(RESULT_WITHIN_S):
        while "relay.node_up" not in stage.platform.log.rpartition("relay.node_down")[2]:  # noqa: ASYNC110
            await asyncio.sleep(POLL_S)
    await stage.phone(CALLER)
    callee = await stage.phone(CALLEE)
    call = await stage.begin()
    await callee.wait_for(PhoneState.TALKING)
    callee.hang_up()
    assert (await call.wait_for_end(RESULT_WITHIN_S))["reason"] == "HangUp"
