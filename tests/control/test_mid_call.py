"""What an application may do to joined parties, and what is refused in other calls."""

from typing import Any

import pytest
from tests.control.conftest import settle

from clicktodial.control.error import (
    CallHasEnded,
    CallNotFound,
    ConditionNotMet,
    NotConnected,
    NotRecorded,
)
from clicktodial.control.port import Answered
from clicktodial.control.service import LiveCall, ReleaseCondition
from clicktodial.domain.call import CallState
from clicktodial.domain.cause import EndReason, Side
from clicktodial.domain.event import RecordingResult
from clicktodial.domain.identifier import CallId
from clicktodial.domain.media import MediaDescription

CALLER, CALLEE = Side.CALLER, Side.CALLEE


async def asks(platform: Any, call_id: CallId) -> None:
    """Each of the three, once."""
    service, application = platform.service, platform.application
    await service.set_muted(application, call_id, CALLER, muted=True)
    await service.set_held(application, call_id, CALLEE, held=True)
    await service.set_recording_paused(application, call_id, paused=True)


async def test_live_call_says_what_holds(platform: Any, answer: MediaDescription) -> None:
    call_id = await platform.connect(answer, record=True)
    nobody: frozenset[Side] = frozenset()
    state = await platform.service.inspect(platform.application, call_id)
    assert state == LiveCall(CallState.CONNECTED, nobody, nobody, is_recording_paused=False)
    done = len(platform.relay.done)
    await asks(platform, call_id)
    await settle()
    assert platform.relay.done[done:] == [
        "set_muted caller True",
        "set_muted callee True",
        "set_patient True",
        "play hold to callee",
        "pause_recording",
    ]
    state = await platform.service.inspect(platform.application, call_id)
    assert state == LiveCall(
        CallState.CONNECTED, frozenset({CALLER}), frozenset({CALLEE}), is_recording_paused=True
    )
    done = len(platform.relay.done)
    await platform.service.set_held(platform.application, call_id, CALLEE, held=False)
    await platform.service.set_recording_paused(platform.application, call_id, paused=False)
    await settle()
    assert platform.relay.done[done:] == [
        "stop_playing callee",
        "set_muted callee False",
        "set_patient False",
        "resume_recording",
    ]


async def test_call_that_rings_has_nothing_to_mute_hold_or_pause(platform: Any) -> None:
    call_id = await platform.begin(record=True)
    service, application = platform.service, platform.application
    with pytest.raises(NotConnected):
        await service.set_muted(application, call_id, CALLER, muted=True)
    with pytest.raises(NotConnected):
        await service.set_held(application, call_id, CALLER, held=False)
    with pytest.raises(NotConnected):
        await service.set_recording_paused(application, call_id, paused=True)
    live = await service.inspect(application, call_id)
    assert live.state is CallState.CALLING_CALLER


async def test_call_that_is_not_recorded_cannot_be_paused(
    platform: Any, answer: MediaDescription
) -> None:
    call_id = await platform.connect(answer)
    with pytest.raises(NotRecorded):
        await platform.service.set_recording_paused(platform.application, call_id, paused=True)
    assert "pause_recording" not in platform.relay.done


async def test_calls_of_nobody_and_calls_that_ended_are_told_apart(
    platform: Any, answer: MediaDescription
) -> None:
    call_id = await platform.connect(answer)
    await platform.service.release(platform.application, call_id)
    await settle()
    for gone, error in ((call_id, CallHasEnded), (CallId("none"), CallNotFound)):
        with pytest.raises(error):
            await platform.service.inspect(platform.application, gone)
        with pytest.raises(error):
            await platform.service.set_muted(platform.application, gone, CALLER, muted=True)
        with pytest.raises(error):
            await platform.service.set_recording_paused(platform.application, gone, paused=True)


@pytest.mark.parametrize("failing", ["set_muted", "pause_recording"])
async def test_relay_that_cannot_keep_a_secret_ends_the_call(
    platform: Any, answer: MediaDescription, failing: str
) -> None:
    call_id = await platform.connect(answer, record=True)
    platform.relay.failing.add(failing)
    await asks(platform, call_id)
    await settle()
    assert platform.notifier.events[-1].reason is EndReason.OTHER
    assert [leg.hung_up for leg in platform.telephony.legs] == [1, 1]


async def test_relay_that_cannot_be_patient_or_play_lets_the_call_go_on(
    platform: Any, answer: MediaDescription
) -> None:
    call_id = await platform.connect(answer)
    platform.relay.failing.update({"set_patient", "play"})
    await platform.service.set_held(platform.application, call_id, CALLEE, held=True)
    await settle()
    assert platform.service.live_count == 1


async def test_recording_that_never_began_has_nothing_to_pause(
    platform: Any, answer: MediaDescription
) -> None:
    platform.relay.failing.update({"start_recording", "pause_recording"})
    call_id = await platform.connect(answer, record=True)
    await platform.service.set_recording_paused(platform.application, call_id, paused=True)
    await settle()
    assert platform.service.live_count == 1


async def test_recording_that_cannot_be_resumed_is_told_as_failed(
    platform: Any, answer: MediaDescription
) -> None:
    call_id = await platform.connect(answer, record=True)
    platform.relay.failing.add("resume_recording")
    for paused in (True, False):
        await platform.service.set_recording_paused(platform.application, call_id, paused=paused)
    await settle()
    await platform.service.release(platform.application, call_id)
    await settle()
    assert platform.notifier.events[-1].recording_result is RecordingResult.FAIL


async def test_warning_to_a_held_party_is_followed_by_the_hold_prompt(
    platform: Any, answer: MediaDescription
) -> None:
    platform.set_options(warning_before_end_s=5)
    call_id = await platform.connect(answer)
    await platform.service.set_held(platform.application, call_id, CALLER, held=True)
    await platform.wait(15.5)
    assert platform.relay.done[-1] == "play warning to caller"
    platform.relay.ends[-1]()
    await settle()
    assert platform.relay.done[-1] == "play hold to caller"


async def test_warning_that_cannot_be_played_does_not_end_the_hold_prompt(
    platform: Any, answer: MediaDescription
) -> None:
    platform.set_options(warning_before_end_s=5)
    call_id = await platform.connect(answer)
    await platform.service.set_held(platform.application, call_id, CALLER, held=True)
    await settle()
    platform.relay.failing_prompts.add("warning")
    await platform.wait(15.5)
    assert platform.relay.done[-1] == "play hold to caller"
    assert platform.relay.done.count("play hold to caller") == 2


async def test_release_on_a_condition_that_does_not_hold_leaves_the_call_alone(
    platform: Any, answer: MediaDescription
) -> None:
    call_id = await platform.connect(answer)
    service, application = platform.service, platform.application
    for condition in (ReleaseCondition(only_unconnected=True), ReleaseCondition(after_s=5)):
        with pytest.raises(ConditionNotMet):
            await service.release(application, call_id, condition)
    assert service.live_count == 1
    await platform.wait(5)
    await service.release(application, call_id, ReleaseCondition(after_s=5))
    await settle()
    assert platform.notifier.events[-1].reason is EndReason.HANG_UP


async def test_release_only_unconnected_wins_or_loses_against_the_answer_whole(
    platform: Any, answer: MediaDescription
) -> None:
    call_id = await platform.begin()
    platform.telephony.legs[0].on_event(Answered(answer))
    await settle()
    condition = ReleaseCondition(only_unconnected=True)
    await platform.service.release(platform.application, call_id, condition)
    # The answer that crossed it comes to a leg that is hung up.
    assert [leg.hung_up for leg in platform.telephony.legs] == [1, 1]
    await settle()
    assert platform.notifier.told == ["CallingCaller", "CallingCallee", "Disconnected"]
