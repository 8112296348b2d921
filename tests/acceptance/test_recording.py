"""Recording end to end: real RTP from two phones, the file downloaded over the API."""

import asyncio
import hashlib
import io

import numpy as np
import pytest
import soundfile
from tests.harness.client import CALLEE, CALLER
from tests.harness.phone import PhoneState
from tests.harness.stage import ANSWERED, Stage
from tests.harness.tone import decode_alaw, dominant_frequency_hz

pytestmark = pytest.mark.asyncio(loop_scope="session")

CALLER_HZ = 440
CALLEE_HZ = 1000
SPEECH_S = 2.0
APART_S = 1.0
LATE_S = 0.5
TOLERANCE_HZ = 10.0
QUICK_CALLS = 20


async def test_two_tones_are_heard_by_the_other_and_recorded_left_and_right(stage: Stage) -> None:
    caller = await stage.phone(CALLER)
    callee = await stage.phone(CALLEE)
    call = await stage.begin(record=1)
    await call.wait_for("Connected")
    await callee.wait_for(PhoneState.TALKING)
    first = caller.speak(CALLER_HZ, SPEECH_S)
    await asyncio.sleep(APART_S)
    await asyncio.gather(first, callee.speak(CALLEE_HZ, SPEECH_S))
    callee.hang_up()
    end = await call.wait_for_end()
    assert call.statuses == ANSWERED
    assert (end["reason"], end["recordingResult"]) == ("HangUp", "Success")
    assert SPEECH_S <= end["callDuration"] <= round(call.took_s)

    for phone, other_hz in ((caller, CALLEE_HZ), (callee, CALLER_HZ)):
        heard = decode_alaw(phone.heard())
        assert len(heard) > SPEECH_S * 8000 * 0.8
        assert abs(dominant_frequency_hz(heard[-8000:]) - other_hz) < TOLERANCE_HZ

    wav = await call.download(end["recordingId"])
    samples, rate = soundfile.read(io.BytesIO(wav))
    assert samples.shape[1] == 2
    left, right = samples[:, 0], samples[:, 1]
    assert abs(dominant_frequency_hz(left, rate) - CALLER_HZ) < TOLERANCE_HZ
    assert abs(dominant_frequency_hz(right, rate) - CALLEE_HZ) < TOLERANCE_HZ
    # They stand in the file as they began; the relay of a busy machine takes a packet late.
    starts = [int(np.argmax(np.abs(channel) > 0.05)) / rate for channel in (left, right)]
    apart_s = callee.spoke_from - caller.spoke_from
    assert apart_s >= APART_S
    assert abs(starts[1] - starts[0] - apart_s) < LATE_S
    assert abs(len(left) / rate - SPEECH_S - apart_s) < LATE_S

    again = await call.download(end["recordingId"])
    assert hashlib.sha256(again).digest() == hashlib.sha256(wav).digest()


async def test_one_silent_party_leaves_its_channel_silent(stage: Stage) -> None:
    caller = await stage.phone(CALLER)
    callee = await stage.phone(CALLEE)
    call = await stage.begin(record="1")
    await callee.wait_for(PhoneState.TALKING)
    await caller.speak(CALLER_HZ, 1.0)
    await call.release()
    end = await call.wait_for_end()
    assert end["recordingResult"] == "Success"
    samples, rate = soundfile.read(io.BytesIO(await call.download(end["recordingId"])))
    assert abs(dominant_frequency_hz(samples[:, 0], rate) - CALLER_HZ) < TOLERANCE_HZ
    assert dominant_frequency_hz(samples[:, 1], rate) == 0.0


async def test_recorded_call_without_any_audio_says_no_record(stage: Stage) -> None:
    await stage.phone(CALLER)
    callee = await stage.phone(CALLEE)
    call = await stage.begin(record=1)
    await callee.wait_for(PhoneState.TALKING)
    callee.hang_up()
    end = await call.wait_for_end()
    assert end["recordingResult"] == "NoRecord"
    body = {"APPID": "12345678", "recordingId": end["recordingId"]}
    answer = await stage.application.post(f"recordingdownload/{call.call_id}", body)
    assert (answer.status, answer.body["code"]) == (400, "1001005")


async def test_caller_hears_ringback_while_callee_rings(stage: Stage) -> None:
    caller = await stage.phone(CALLER)
    callee = await stage.phone(CALLEE, answers=False)
    await stage.begin()
    await callee.wait_for(PhoneState.RINGING)
    await caller.wait_for_audio(packets=40)
    heard = decode_alaw(caller.heard())
    assert abs(dominant_frequency_hz(heard[:4000]) - 450) < TOLERANCE_HZ
    callee.pick_up()
    await callee.wait_for(PhoneState.TALKING)


async def test_callee_answering_at_once_hears_and_is_recorded_in_every_call(
    stage: Stage,
) -> None:
    # An answer in the same instant as the dialling must not lose the joining. The callee says
    # nothing, so that its address is known from its answer alone.
    for _ in range(QUICK_CALLS):
        caller = await stage.phone(CALLER)
        callee = await stage.phone(CALLEE)
        call = await stage.begin(record=1)
        await call.wait_for("Connected")
        await callee.wait_for(PhoneState.TALKING)
        speech = caller.speak(CALLER_HZ, 5.0)
        await callee.wait_for_audio(packets=5)
        speech.cancel()
        await call.release()
        assert (await call.wait_for_end())["recordingResult"] == "Success"


async def test_recording_of_another_call_or_application_is_refused(stage: Stage) -> None:
    caller = await stage.phone(CALLER)
    callee = await stage.phone(CALLEE)
    call = await stage.begin(record=1)
    await callee.wait_for(PhoneState.TALKING)
    await caller.speak(CALLER_HZ, 0.3)
    callee.hang_up()
    end = await call.wait_for_end()
    await stage.phone(CALLER, refuses_with=486)
    second = await stage.begin()
    await second.wait_for_end()
    body = {"APPID": "12345678", "recordingId": end["recordingId"]}
    answer = await stage.application.post(f"recordingdownload/{second.call_id}", body)
    assert (answer.status, answer.body["code"]) == (400, "1001005")
    answer = await stage.application.post("recordingdownload/0123456789abcdef", body)
    assert (answer.status, answer.body["code"]) == (400, "1001002")
