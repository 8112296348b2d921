"""Nobody is rung for a caller who is not there: real phones, with keys and without."""

import asyncio

import numpy as np
import pytest
import pytest_asyncio
from tests.harness.client import CALLEE, CALLER
from tests.harness.phone import PhoneState
from tests.harness.stage import ANSWERED, CALLER_NOT_ANSWERED, Stage
from tests.harness.tone import decode_alaw, dominant_frequency_hz
from tests.media.speech import Pcm, sentence, silence, speak

from clicktodial.domain.media import PCMA
from clicktodial.sandbox.voice import encode_audio

pytestmark = pytest.mark.asyncio(loop_scope="session")

CALLEE_HZ = 1_000
TOLERANCE_HZ = 10.0
# More than a busy machine takes for all that comes before the key; and hardly any.
LONG_PROOF_S = 30
SHORT_PROOF_S = 2
# The promise is a second; what a busy machine needs comes on top.
TAKEN_UP_WITHIN_S = 20.0
POLL_S = 0.05
# Of the prompt: enough to be heard.
LISTENED_PACKETS = 20


@pytest_asyncio.fixture(loop_scope="session")
async def stage(own_stage: Stage) -> Stage:
    return own_stage


async def want_proof(stage: Stage, presence: str, *, within_s: int) -> None:
    """Of each caller from now on."""
    told = stage.platform.log.count("administration.changed")
    app_id = stage.application.app_id
    await stage.platform.command(
        *("app", "set-options", app_id, "--presence", presence),
        *("--presence-timeout", str(within_s)),
    )
    async with asyncio.timeout(TAKEN_UP_WITHIN_S):
        # Another process tells it, in its log.
        while stage.platform.log.count("administration.changed") == told:  # noqa: ASYNC110
            await asyncio.sleep(POLL_S)


async def test_callee_is_rung_once_the_caller_has_pressed_a_key(stage: Stage) -> None:
    await want_proof(stage, "key", within_s=LONG_PROOF_S)
    caller = await stage.phone(CALLER, has_keys=True)
    callee = await stage.phone(CALLEE, has_keys=True)
    call = await stage.begin()
    await caller.wait_for(PhoneState.TALKING)
    # It hears what is wanted of it, and meanwhile nobody is rung.
    await caller.wait_for_audio(LISTENED_PACKETS)
    assert callee.state is PhoneState.IDLE
    assert call.statuses == CALLER_NOT_ANSWERED[:1]
    await caller.press("5")
    await callee.wait_for(PhoneState.TALKING)
    await call.wait_for("Connected")
    before = len(caller.heard())
    await callee.speak(CALLEE_HZ, 0.6)
    heard = decode_alaw(caller.heard()[before:])
    # Neither the prompt nor its ending stands in the way.
    assert abs(dominant_frequency_hz(heard) - CALLEE_HZ) < TOLERANCE_HZ
    # A key in a conversation is the parties' own.
    await caller.press("#")
    await call.release()
    end = await call.wait_for_end()
    assert (call.statuses, end["reason"]) == (ANSWERED, "HangUp")


async def test_caller_that_presses_nothing_is_hung_up_and_nobody_is_rung(stage: Stage) -> None:
    await want_proof(stage, "key", within_s=SHORT_PROOF_S)
    caller = await stage.phone(CALLER, has_keys=True)
    callee = await stage.phone(CALLEE, has_keys=True)
    call = await stage.begin()
    await caller.wait_for(PhoneState.OVER)
    end = await call.wait_for_end()
    assert (call.statuses, end["reason"]) == (CALLER_NOT_ANSWERED, "CallerNoAnswer")
    assert end["callDuration"] == 0
    assert callee.sip_received == []
    shown = await stage.platform.command("calls", "show", call.call_id)
    assert shown["call"]["sip_text"] == "No key was pressed"
    assert shown["call"]["stage"] == "calling-caller"


def alaw(*parts: Pcm) -> bytes:
    """What a phone sends of that."""
    return encode_audio(PCMA, (np.concatenate(parts) / 32_768).astype(np.float32))


async def test_callee_is_rung_once_a_person_was_heard_to_answer(stage: Stage) -> None:
    await want_proof(stage, "machine-detection", within_s=LONG_PROOF_S)
    caller = await stage.phone(CALLER)
    callee = await stage.phone(CALLEE)
    call = await stage.begin()
    await caller.wait_for(PhoneState.TALKING)
    assert callee.state is PhoneState.IDLE
    hello = caller.say(alaw(silence(0.3), speak(0.5), silence(5)))
    await callee.wait_for(PhoneState.TALKING)
    await call.wait_for("Connected")
    hello.cancel()
    await call.release()
    assert (await call.wait_for_end())["reason"] == "HangUp"


async def test_voicemail_calls_nobody(stage: Stage) -> None:
    await want_proof(stage, "machine-detection", within_s=LONG_PROOF_S)
    caller = await stage.phone(CALLER)
    callee = await stage.phone(CALLEE)
    call = await stage.begin()
    await caller.wait_for(PhoneState.TALKING)
    recital = caller.say(alaw(silence(0.3), sentence(12), silence(5)))
    await caller.wait_for(PhoneState.OVER)
    recital.cancel()
    end = await call.wait_for_end()
    assert (call.statuses, end["reason"]) == (CALLER_NOT_ANSWERED, "CallerNoAnswer")
    assert end["callDuration"] == 0
    assert callee.sip_received == []
    shown = await stage.platform.command("calls", "show", call.call_id)
    assert shown["call"]["sip_text"] == "Answered by a machine"
