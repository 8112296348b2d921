"""Muting, holding, pausing, and releasing on conditions, in the states that have them."""

from dataclasses import replace

import pytest
from tests.domain.scene import (
    CALLEE_ANSWERED,
    CALLEE_ENDED,
    CALLER_ANSWERED,
    CALLER_MEDIA,
    Scene,
    scene_in,
    state_of,
)

from clicktodial.domain.call import CallState, CallStateError, ReleaseConditionNotMet
from clicktodial.domain.call_effect import (
    Effect,
    PauseRecording,
    Play,
    ResumeRecording,
    SetMuted,
    SetPatient,
    StopPlaying,
)
from clicktodial.domain.call_input import (
    CallStarted,
    HoldRequested,
    LegMediaChanged,
    MuteRequested,
    PromptEnded,
    RecordingPauseRequested,
    ReleaseRequested,
)
from clicktodial.domain.cause import Side
from clicktodial.domain.media import UNSPECIFIED_HOST, MediaAddress, MediaDirection
from clicktodial.domain.plan import HOLD_PROMPT, WARNING_PROMPT, CallOptions, Prompt

_S = CallState
CALLER, CALLEE = Side.CALLER, Side.CALLEE


def connected(options: CallOptions | None = None) -> Scene:
    return scene_in(_S.CONNECTED, options=options or CallOptions())


def mute(scene: Scene, side: Side, muted: bool = True) -> list[Effect]:
    return scene.give(MuteRequested(side, muted))


def hold(scene: Scene, side: Side, held: bool = True) -> list[Effect]:
    return scene.give(HoldRequested(side, held))


@pytest.mark.parametrize("side", Side)
def test_muting_asks_the_relay_once_each_way(side: Side) -> None:
    scene = connected()
    assert mute(scene, side) == [SetMuted(side, True)]
    assert mute(scene, side) == []
    assert scene.call.conversation.muted == {side}
    assert mute(scene, side, False) == [SetMuted(side, False)]
    assert mute(scene, side, False) == []
    assert scene.call.conversation.muted == frozenset()


@pytest.mark.parametrize("side", Side)
def test_held_side_hears_the_prompt_and_neither_hears_the_other(side: Side) -> None:
    scene = connected()
    both = [SetMuted(CALLER, True), SetMuted(CALLEE, True), SetPatient(True)]
    assert hold(scene, side) == [*both, Play(side, HOLD_PROMPT)]
    assert hold(scene, side) == []
    assert scene.call.conversation.held == {side}
    assert scene.call.conversation.muted == frozenset()
    assert hold(scene, side, False) == [
        StopPlaying(side),
        SetMuted(CALLER, False),
        SetMuted(CALLEE, False),
        SetPatient(False),
    ]
    assert hold(scene, side, False) == []


def test_own_audio_is_what_a_held_side_hears() -> None:
    scene = connected(CallOptions(hold_audio="music"))
    assert hold(scene, CALLEE)[-1] == Play(CALLEE, Prompt("music", repeats=True))


def test_side_that_was_muted_stays_muted_after_hold() -> None:
    scene = connected()
    mute(scene, CALLER)
    assert SetMuted(CALLER, True) not in hold(scene, CALLEE)
    assert SetMuted(CALLER, False) not in hold(scene, CALLEE, False)
    assert scene.call.conversation.muted == {CALLER}


def test_mute_that_is_lifted_during_hold_is_lifted_after_it() -> None:
    scene = connected()
    mute(scene, CALLER)
    hold(scene, CALLEE)
    assert mute(scene, CALLER, False) == []
    assert mute(scene, CALLEE) == []
    effects = hold(scene, CALLEE, False)
    assert SetMuted(CALLER, False) in effects
    assert SetMuted(CALLEE, False) not in effects


def test_both_may_be_held_and_are_apart_until_neither_is() -> None:
    scene = connected()
    hold(scene, CALLER)
    assert hold(scene, CALLEE) == [Play(CALLEE, HOLD_PROMPT)]
    assert hold(scene, CALLER, False) == [StopPlaying(CALLER)]
    assert SetMuted(CALLER, False) in hold(scene, CALLEE, False)


def test_warning_to_a_held_side_is_followed_by_the_hold_prompt() -> None:
    scene = connected(CallOptions(warning_before_end_s=10, warning_to=frozenset(Side)))
    hold(scene, CALLER)
    assert scene.wait(3590) == [
        Play(CALLER, WARNING_PROMPT, tells_end=True),
        Play(CALLEE, WARNING_PROMPT),
    ]
    assert scene.give(PromptEnded(CALLER)) == [Play(CALLER, HOLD_PROMPT)]
    # A second one for the same prompt would start it anew.
    assert scene.give(PromptEnded(CALLER)) == []


def test_hold_that_ends_during_the_warning_lets_it_be_heard() -> None:
    scene = connected(CallOptions(warning_before_end_s=10))
    hold(scene, CALLER)
    scene.wait(3590)
    assert StopPlaying(CALLER) not in hold(scene, CALLER, False)
    assert scene.give(PromptEnded(CALLER)) == []


def test_hold_that_begins_during_the_warning_replaces_it() -> None:
    scene = connected(CallOptions(warning_before_end_s=10))
    scene.wait(3590)
    assert hold(scene, CALLER)[-1] == Play(CALLER, HOLD_PROMPT)
    assert scene.give(PromptEnded(CALLER)) == []


@pytest.mark.parametrize(
    "held",
    [
        replace(CALLER_MEDIA, direction=MediaDirection.SEND),
        replace(CALLER_MEDIA, direction=MediaDirection.NONE),
        replace(CALLER_MEDIA, direction=MediaDirection.RECEIVE),
        replace(CALLER_MEDIA, address=MediaAddress(UNSPECIFIED_HOST, 4000)),
    ],
)
def test_party_that_holds_by_its_own_phone_makes_the_relay_patient(held: object) -> None:
    scene = connected()
    assert scene.give(LegMediaChanged(CALLER, held)) == [SetPatient(True)]  # type: ignore[arg-type]
    assert scene.give(LegMediaChanged(CALLER, CALLER_MEDIA)) == [SetPatient(False)]


def test_relay_is_patient_until_no_hold_of_any_kind_is_left() -> None:
    scene = connected()
    scene.give(LegMediaChanged(CALLER, replace(CALLER_MEDIA, direction=MediaDirection.SEND)))
    assert SetPatient(True) not in hold(scene, CALLER)
    assert SetPatient(False) not in hold(scene, CALLER, False)
    assert scene.give(LegMediaChanged(CALLER, CALLER_MEDIA)) == [SetPatient(False)]


def test_caller_may_hold_while_the_callee_rings() -> None:
    scene = scene_in(_S.CALLING_CALLEE)
    held = replace(CALLER_MEDIA, direction=MediaDirection.SEND)
    assert scene.give(LegMediaChanged(CALLER, held)) == [SetPatient(True)]


def test_recording_is_paused_and_resumed_once_each() -> None:
    scene = connected()
    assert scene.give(RecordingPauseRequested(True)) == [PauseRecording()]
    assert scene.give(RecordingPauseRequested(True)) == []
    assert scene.call.conversation.is_recording_paused
    assert scene.give(RecordingPauseRequested(False)) == [ResumeRecording()]
    assert scene.give(RecordingPauseRequested(False)) == []


def test_call_that_is_not_recorded_has_nothing_to_pause() -> None:
    scene = scene_in(_S.CONNECTED, recorded=False)
    before = repr(scene.call)
    with pytest.raises(CallStateError):
        scene.give(RecordingPauseRequested(True))
    assert repr(scene.call) == before


def test_end_of_the_call_ends_all_of_it() -> None:
    scene = connected()
    mute(scene, CALLEE)
    hold(scene, CALLER)
    scene.give(RecordingPauseRequested(True))
    scene.give(CALLEE_ENDED)
    conversation = scene.call.conversation
    assert (conversation.muted, conversation.held) == (frozenset(), frozenset())
    assert not conversation.is_recording_paused


# Release on conditions


@pytest.mark.parametrize("state", [_S.CALLING_CALLER, _S.CALLING_CALLEE, _S.ANNOUNCING])
def test_release_only_unconnected_ends_a_call_that_is_not_joined(state: CallState) -> None:
    scene = scene_in(state, recorded=False)
    scene.give(ReleaseRequested(only_unconnected=True))
    assert state_of(scene) is _S.ENDED


def test_release_only_unconnected_leaves_joined_parties_alone() -> None:
    scene = connected()
    before = repr(scene.call)
    with pytest.raises(ReleaseConditionNotMet):
        scene.give(ReleaseRequested(only_unconnected=True))
    assert repr(scene.call) == before


def test_release_after_seconds_counts_from_begin_until_the_joining() -> None:
    scene = Scene()
    scene.give(CallStarted())
    scene.elapsed_s = 9.999
    with pytest.raises(ReleaseConditionNotMet):
        scene.give(ReleaseRequested(after_s=10))
    scene.elapsed_s = 10.0
    scene.give(ReleaseRequested(after_s=10))
    assert state_of(scene) is _S.ENDED


def test_release_after_seconds_counts_from_the_joining_once_there_is_one() -> None:
    scene = Scene()
    scene.give(CallStarted(), CALLER_ANSWERED)
    scene.elapsed_s = 30.0
    scene.give(CALLEE_ANSWERED)
    scene.elapsed_s = 39.0
    with pytest.raises(ReleaseConditionNotMet):
        scene.give(ReleaseRequested(after_s=10))
    scene.elapsed_s = 40.0
    scene.give(ReleaseRequested(after_s=10))
    assert state_of(scene) is _S.ENDED


def test_release_of_a_call_that_is_hardly_begun_waits_as_well() -> None:
    with pytest.raises(ReleaseConditionNotMet):
        Scene().give(ReleaseRequested(after_s=1))
