"""The call's state machine: every row of its table, every ending, every timer."""

from datetime import timedelta

import pytest
from tests.domain.scene import (
    CALLEE_ANSWERED,
    CALLEE_ENDED,
    CALLEE_MEDIA,
    CALLER_ANSWERED,
    CALLER_ENDED,
    CALLER_MEDIA,
    KEY,
    MONOTONIC_OFFSET_S,
    QUALITY,
    RECORDING_ID,
    STARTED_AT,
    VIDEO_ONLY,
    Scene,
    scene_in,
    state_of,
    without_event,
)

from clicktodial.domain.call import (
    ANNOUNCEMENT_DEADLINE_S,
    RECORDING_DEADLINE_S,
    RINGBACK_DELAY_S,
    CallState,
    CallStateError,
    EndedBy,
    EndStage,
)
from clicktodial.domain.call_effect import (
    CloseMedia,
    Effect,
    EmitEvent,
    HangUpLeg,
    PersistCall,
    PlaceLeg,
    Play,
    SetRemoteMedia,
    StartRecording,
    StopPlaying,
)
from clicktodial.domain.call_input import (
    CallInput,
    CallStarted,
    ContinueRequested,
    HoldRequested,
    KeyPressed,
    LegAnswered,
    LegEarlyMedia,
    LegEnded,
    LegMediaChanged,
    LegRinging,
    LegRouted,
    MediaFailed,
    MinutesExtended,
    MinutesRefused,
    MuteRequested,
    PlatformStopping,
    PromptEnded,
    QualityMeasured,
    RecordingFinished,
    RecordingPauseRequested,
    ReleaseRequested,
    ServiceWithdrawn,
    SignalsTraced,
    VoiceJudged,
)
from clicktodial.domain.cause import (
    HANG_UP_CAUSE,
    RELEASE_CAUSE,
    RING_TIMEOUT_CAUSE,
    EndReason,
    LegCause,
    LegOutcome,
    Side,
    cause_of_status,
)
from clicktodial.domain.event import CallStatus, RecordingResult
from clicktodial.domain.media import (
    OFFERED_CODECS,
    PCMU,
    TELEPHONE_EVENT,
    Codec,
)
from clicktodial.domain.plan import (
    RINGBACK_PROMPT,
    AnswerVerdict,
    CallOptions,
    Prompt,
)

# One of each kind, for the pairs that the table does not name.
ALL_INPUTS: list[CallInput] = [
    CallStarted(),
    LegRinging(Side.CALLEE),
    LegEarlyMedia(Side.CALLEE, CALLEE_MEDIA),
    CALLEE_ANSWERED,
    CALLEE_ENDED,
    ReleaseRequested(),
    ContinueRequested(),
    MediaFailed("no packets"),
    PlatformStopping(),
    ServiceWithdrawn(),
    PromptEnded(Side.CALLEE),
    RecordingFinished(RecordingResult.SUCCESS),
    LegRouted(Side.CALLER, "trunk", "sip-call-id"),
    LegMediaChanged(Side.CALLER, CALLER_MEDIA),
    MuteRequested(Side.CALLER, True),
    HoldRequested(Side.CALLER, True),
    RecordingPauseRequested(True),
    KEY,
    VoiceJudged(Side.CALLER, AnswerVerdict.MACHINE),
    QualityMeasured(QUALITY),
    SignalsTraced({}),
    MinutesExtended(240),
    MinutesRefused(),
]

_S = CallState
ANYTIME: set[type] = {
    ContinueRequested,
    ReleaseRequested,
    MediaFailed,
    PlatformStopping,
    ServiceWithdrawn,
}
DIALLED: set[type] = ANYTIME | {LegRouted, LegEnded}
ANSWERED: set[type] = DIALLED | {LegMediaChanged, KeyPressed, VoiceJudged}
OVER: set[type] = {
    LegRouted, LegMediaChanged, LegEnded, PromptEnded, KeyPressed, VoiceJudged, MediaFailed,
    PlatformStopping, ServiceWithdrawn, QualityMeasured, RecordingFinished, MinutesExtended,
    MinutesRefused,
}  # fmt: skip
ACCEPTED: dict[CallState, set[type]] = {
    _S.INITIATING: ANYTIME | {CallStarted},
    _S.CALLING_CALLER: DIALLED | {LegRinging, LegEarlyMedia, LegAnswered},
    _S.PROVING_PRESENCE: ANSWERED,
    _S.CALLING_CALLEE: ANSWERED | {LegRinging, LegEarlyMedia, LegAnswered},
    _S.ANNOUNCING: ANSWERED | {PromptEnded},
    _S.CONNECTED: ANSWERED | {
        PromptEnded, MuteRequested, HoldRequested, RecordingPauseRequested,
        MinutesExtended, MinutesRefused,
    },
    _S.FINISHING: OVER,
    _S.ENDED: OVER | {LegRinging, LegEarlyMedia, SignalsTraced},
}  # fmt: skip


# Announcements


def announced(*sides: Side) -> CallOptions:
    return CallOptions(announcement="notice", announcement_to=frozenset(sides or Side))


def test_announcement_to_both_is_heard_by_both_before_they_are_joined() -> None:
    scene = scene_in(_S.CALLING_CALLEE, options=announced())
    scene.wait(RINGBACK_DELAY_S)
    effects = scene.give(CALLEE_ANSWERED)
    assert effects == [
        StopPlaying(Side.CALLER),
        SetRemoteMedia(Side.CALLEE, CALLEE_MEDIA),
        Play(Side.CALLER, Prompt("notice"), is_required=True, tells_end=True),
        Play(Side.CALLEE, Prompt("notice"), is_required=True, tells_end=True),
    ]
    scene.elapsed_s += 5.0
    assert scene.give(PromptEnded(Side.CALLER)) == []
    assert state_of(scene) is _S.ANNOUNCING
    joined_at = scene.now
    assert without_event(scene.give(PromptEnded(Side.CALLEE))) == [StartRecording()]
    assert state_of(scene) is _S.CONNECTED
    assert scene.call.connected_at == joined_at.utc
    assert scene.events[-1].status is CallStatus.CONNECTED
    # Nobody pays for what was announced.
    scene.elapsed_s += 3.0
    scene.give(CALLEE_ENDED)
    assert scene.call.duration_s == 3


@pytest.mark.parametrize("side", Side)
def test_announcement_to_one_lets_the_other_hear_the_ringing_tone(side: Side) -> None:
    [other] = [each for each in Side if each is not side]
    scene = scene_in(_S.CALLING_CALLEE, recorded=False, options=announced(side))
    effects = scene.give(CALLEE_ANSWERED)
    assert Play(side, Prompt("notice"), is_required=True, tells_end=True) in effects
    assert Play(other, RINGBACK_PROMPT) in effects
    assert without_event(scene.give(PromptEnded(side))) == [StopPlaying(other)]
    assert state_of(scene) is _S.CONNECTED


def test_announcement_that_never_ends_ends_the_call() -> None:
    scene = scene_in(_S.ANNOUNCING)
    scene.wait(ANNOUNCEMENT_DEADLINE_S - 1.5)
    assert state_of(scene) is _S.ANNOUNCING
    scene.wait(1.5)
    assert state_of(scene) is _S.ENDED
    assert scene.call.end is not None
    assert (scene.call.end.reason, scene.call.end.stage) == (
        EndReason.OTHER,
        EndStage.CALLING_CALLEE,
    )


@pytest.mark.parametrize(
    ("ended", "reason"),
    [(CALLER_ENDED, EndReason.CALLER_ABANDON), (CALLEE_ENDED, EndReason.CALLEE_FAILURE)],
)
def test_hang_up_during_the_announcement_ends_a_call_that_was_never_joined(
    ended: LegEnded, reason: EndReason
) -> None:
    scene = scene_in(_S.ANNOUNCING)
    effects = scene.give(ended)
    [other] = [each for each in Side if each is not ended.side]
    assert HangUpLeg(other) in effects
    assert CloseMedia(finish_recording=False) in effects
    assert scene.call.end is not None
    assert (scene.call.end.reason, scene.call.duration_s) == (reason, 0)
    assert scene.events[-1].recording_result is RecordingResult.NO_RECORD


def test_continue_during_the_announcement_lifts_the_cut_off_to_come() -> None:
    scene = scene_in(_S.ANNOUNCING, application_max_duration_s=10)
    scene.give(ContinueRequested(), PromptEnded(Side.CALLER), PromptEnded(Side.CALLEE))
    scene.wait(100.0)
    assert state_of(scene) is _S.CONNECTED


def test_own_audio_stands_for_the_tones() -> None:
    options = CallOptions(ringback_audio="music", warning_audio="voice", warning_before_end_s=10)
    scene = scene_in(_S.CALLING_CALLEE, options=options)
    assert scene.wait(RINGBACK_DELAY_S) == [Play(Side.CALLER, Prompt("music", repeats=True))]
    scene.give(CALLEE_ANSWERED)
    assert scene.wait(3590.0) == [Play(Side.CALLER, Prompt("voice"))]


# The table


@pytest.mark.parametrize("state", CallState)
@pytest.mark.parametrize("call_input", ALL_INPUTS, ids=lambda i: type(i).__name__)
def test_each_input_in_each_state_is_taken_or_raises_and_changes_nothing(
    state: CallState, call_input: CallInput
) -> None:
    scene = scene_in(state)
    if state is CallState.CALLING_CALLER and isinstance(call_input, LegAnswered):
        call_input = CALLER_ANSWERED
    if type(call_input) in ACCEPTED[state]:
        scene.give(call_input)
        return
    before = repr(scene.call)
    with pytest.raises(CallStateError, match=f"{type(call_input).__name__} in {state}"):
        scene.give(call_input)
    assert repr(scene.call) == before


def test_inputs_of_the_table_are_all_inputs_there_are() -> None:
    assert {type(call_input) for call_input in ALL_INPUTS} == set(CallInput.__args__)


@pytest.mark.parametrize(
    ("state", "answer"),
    [(_S.CALLING_CALLER, CALLEE_ANSWERED), (_S.CALLING_CALLEE, CALLER_ANSWERED)],
)
def test_answer_of_the_wrong_side_raises_and_changes_nothing(
    state: CallState, answer: LegAnswered
) -> None:
    scene = scene_in(state)
    before = repr(scene.call)
    with pytest.raises(CallStateError):
        scene.give(answer)
    assert repr(scene.call) == before


# Progress


def test_started_in_initiating_rings_the_caller_with_all_codecs() -> None:
    scene = Scene()
    effects = scene.give(CallStarted())
    assert scene.call.state is CallState.CALLING_CALLER
    assert without_event(effects) == [PlaceLeg(Side.CALLER, OFFERED_CODECS, TELEPHONE_EVENT)]
    assert [event.status for event in scene.events] == [CallStatus.CALLING_CALLER]
    assert scene.deadline_in_s == 45


def test_caller_answer_in_calling_caller_rings_the_callee_with_the_chosen_codec_only() -> None:
    scene = scene_in(CallState.CALLING_CALLER)
    effects = scene.give(CALLER_ANSWERED)
    assert without_event(effects) == [
        SetRemoteMedia(Side.CALLER, CALLER_MEDIA),
        PlaceLeg(Side.CALLEE, (PCMU,), Codec(96, "dtmf")),
    ]
    assert scene.call.media == {Side.CALLER: CALLER_MEDIA}
    assert scene.call.codecs == {Side.CALLER: PCMU}
    assert scene.events[-1].status is CallStatus.CALLING_CALLEE
    assert scene.deadline_in_s == pytest.approx(RINGBACK_DELAY_S)


@pytest.mark.parametrize("recorded", [False, True])
def test_callee_answer_in_calling_callee_joins_the_legs(recorded: bool) -> None:
    scene = scene_in(CallState.CALLING_CALLEE, recorded=recorded)
    scene.elapsed_s = 1.1
    effects = scene.give(CALLEE_ANSWERED)
    joined: list[Effect] = [SetRemoteMedia(Side.CALLEE, CALLEE_MEDIA)]
    assert without_event(effects) == joined + ([StartRecording()] if recorded else [])
    assert scene.call.connected_at == scene.now.utc
    assert scene.events[-1].status is CallStatus.CONNECTED
    assert scene.deadline_in_s == 3600


def test_events_of_a_whole_call_are_complete_ordered_and_as_the_application_wrote() -> None:
    scene = scene_in(CallState.ENDED)
    statuses = [event.status for event in scene.events]
    assert statuses == list(CallStatus)
    assert [event.seq for event in scene.events] == [1, 2, 3, 4]
    times = [event.occurred_at - STARTED_AT for event in scene.events]
    assert times == [timedelta(seconds=seconds) for seconds in (0, 1, 2, 4)]
    for event in scene.events:
        assert (event.call_id, event.app_id) == ("call-1", "12345678")
        assert (event.sponsor, event.caller, event.callee) == (
            "01052680000", "8613912345673", "+8613810268653",
        )  # fmt: skip
        assert event.is_terminal == (event.status is CallStatus.DISCONNECTED)


def test_events_before_the_end_carry_nothing_of_the_end() -> None:
    for event in scene_in(CallState.ENDED).events[:-1]:
        assert event.reason is None
        assert event.call_duration_s is None
        assert event.recording_id is None
        assert event.recording_result is None


@pytest.mark.parametrize("state", [_S.CALLING_CALLER, _S.CALLING_CALLEE])
@pytest.mark.parametrize("side", Side)
def test_ringing_while_calling_asks_for_nothing(state: CallState, side: Side) -> None:
    scene = scene_in(state)
    assert scene.give(LegRinging(side)) == []
    assert scene.call.state is state


@pytest.mark.parametrize("state", [_S.CALLING_CALLER, _S.CALLING_CALLEE])
def test_early_media_of_the_caller_is_for_nobody(state: CallState) -> None:
    scene = scene_in(state)
    assert scene.give(LegEarlyMedia(Side.CALLER, CALLER_MEDIA)) == []


# What the caller hears while the callee rings


def test_ringback_delay_in_calling_callee_starts_the_tone_once() -> None:
    scene = Scene()
    scene.give(CallStarted(), CALLER_ANSWERED)
    assert scene.wait(RINGBACK_DELAY_S - 0.001) == []
    assert scene.wait(0.001) == [Play(Side.CALLER, RINGBACK_PROMPT)]
    assert scene.wait(10) == []


def test_callee_answer_before_the_ringback_delay_plays_and_stops_nothing() -> None:
    scene = Scene()
    scene.give(CallStarted(), CALLER_ANSWERED)
    scene.wait(RINGBACK_DELAY_S / 2)
    assert without_event(scene.give(CALLEE_ANSWERED)) == [SetRemoteMedia(Side.CALLEE, CALLEE_MEDIA)]
    assert scene.wait(RINGBACK_DELAY_S) == []


def test_callee_answer_after_ringback_stops_it_before_the_callee_is_heard() -> None:
    scene = Scene()
    scene.give(CallStarted(), CALLER_ANSWERED)
    scene.wait(RINGBACK_DELAY_S)
    assert without_event(scene.give(CALLEE_ANSWERED)) == [
        StopPlaying(Side.CALLER), SetRemoteMedia(Side.CALLEE, CALLEE_MEDIA),
    ]  # fmt: skip


def test_early_media_after_ringback_replaces_the_tone_once() -> None:
    scene = Scene()
    scene.give(CallStarted(), CALLER_ANSWERED)
    scene.wait(RINGBACK_DELAY_S)
    early = LegEarlyMedia(Side.CALLEE, CALLEE_MEDIA)
    assert scene.give(early) == [
        StopPlaying(Side.CALLER),
        SetRemoteMedia(Side.CALLEE, CALLEE_MEDIA),
    ]
    assert scene.give(early) == [SetRemoteMedia(Side.CALLEE, CALLEE_MEDIA)]
    assert without_event(scene.give(CALLEE_ANSWERED)) == [SetRemoteMedia(Side.CALLEE, CALLEE_MEDIA)]


def test_early_media_before_the_ringback_delay_keeps_the_tone_from_starting() -> None:
    scene = Scene()
    scene.give(CallStarted(), CALLER_ANSWERED)
    assert scene.give(LegEarlyMedia(Side.CALLEE, CALLEE_MEDIA)) == [
        SetRemoteMedia(Side.CALLEE, CALLEE_MEDIA)
    ]
    assert scene.wait(RINGBACK_DELAY_S) == []
    assert without_event(scene.give(CALLEE_ANSWERED)) == [SetRemoteMedia(Side.CALLEE, CALLEE_MEDIA)]


def test_early_media_without_a_codec_of_ours_leaves_the_tone_alone() -> None:
    scene = Scene()
    scene.give(CallStarted(), CALLER_ANSWERED)
    assert scene.give(LegEarlyMedia(Side.CALLEE, VIDEO_ONLY)) == []
    assert scene.wait(RINGBACK_DELAY_S) == [Play(Side.CALLER, RINGBACK_PROMPT)]
    assert scene.give(LegEarlyMedia(Side.CALLEE, VIDEO_ONLY)) == []
    assert StopPlaying(Side.CALLER) in scene.give(CALLEE_ANSWERED)


# Endings


def end_of(scene: Scene) -> tuple[EndReason, EndedBy, EndStage]:
    assert scene.call.end is not None
    return scene.call.end.reason, scene.call.end.by, scene.call.end.stage


@pytest.mark.parametrize(
    ("status", "caller_reason", "callee_reason"),
    [
        (486, EndReason.CALLER_BUSY, EndReason.CALLEE_BUSY),
        (600, EndReason.CALLER_BUSY, EndReason.CALLEE_BUSY),
        (603, EndReason.CALLER_BUSY, EndReason.CALLEE_BUSY),
        (408, EndReason.CALLER_NO_ANSWER, EndReason.CALLEE_NO_ANSWER),
        (480, EndReason.CALLER_NO_ANSWER, EndReason.CALLEE_NO_ANSWER),
        (487, EndReason.CALLER_NO_ANSWER, EndReason.CALLEE_NO_ANSWER),
        (404, EndReason.CALLER_FAILURE, EndReason.CALLEE_FAILURE),
        (503, EndReason.CALLER_FAILURE, EndReason.CALLEE_FAILURE),
    ],
)
def test_refusal_of_a_leg_ends_the_call_with_that_sides_reason(
    status: int, caller_reason: EndReason, callee_reason: EndReason
) -> None:
    cause = cause_of_status(status)
    scene = scene_in(CallState.CALLING_CALLER)
    effects = scene.give(LegEnded(Side.CALLER, cause))
    assert without_event(effects) == [CloseMedia(finish_recording=False)]
    assert end_of(scene) == (caller_reason, EndedBy.CALLER, EndStage.CALLING_CALLER)

    scene = scene_in(CallState.CALLING_CALLEE)
    effects = scene.give(LegEnded(Side.CALLEE, cause))
    assert without_event(effects) == [HangUpLeg(Side.CALLER), CloseMedia(finish_recording=False)]
    assert end_of(scene) == (callee_reason, EndedBy.CALLEE, EndStage.CALLING_CALLEE)
    assert scene.call.end is not None
    assert scene.call.end.cause == cause


def test_caller_hang_up_while_the_callee_rings_abandons_and_cancels() -> None:
    scene = scene_in(CallState.CALLING_CALLEE)
    effects = scene.give(CALLER_ENDED)
    assert without_event(effects) == [HangUpLeg(Side.CALLEE), CloseMedia(finish_recording=False)]
    assert end_of(scene) == (
        EndReason.CALLER_ABANDON, EndedBy.CALLER, EndStage.CALLING_CALLEE,
    )  # fmt: skip


@pytest.mark.parametrize("side", Side)
def test_hang_up_in_connected_ends_the_other_leg(side: Side) -> None:
    scene = scene_in(CallState.CONNECTED, recorded=False)
    effects = scene.give(LegEnded(side, HANG_UP_CAUSE))
    assert without_event(effects) == [HangUpLeg(side.other), CloseMedia(finish_recording=False)]
    assert end_of(scene) == (EndReason.HANG_UP, EndedBy(side.value), EndStage.CONNECTED)
    assert scene.events[-1].call_duration_s == 1


@pytest.mark.parametrize(
    ("call_input", "reason", "by"),
    [
        (ReleaseRequested(), EndReason.OTHER, EndedBy.APPLICATION),
        (MediaFailed("no ports"), EndReason.OTHER, EndedBy.PLATFORM),
        (PlatformStopping(), EndReason.OTHER, EndedBy.PLATFORM),
        (ServiceWithdrawn(), EndReason.OTHER, EndedBy.PLATFORM),
    ],
)
@pytest.mark.parametrize(
    ("state", "live"),
    [
        (_S.INITIATING, []),
        (_S.CALLING_CALLER, [Side.CALLER]),
        (_S.CALLING_CALLEE, [Side.CALLER, Side.CALLEE]),
        (_S.CONNECTED, [Side.CALLER, Side.CALLEE]),
    ],
)
def test_ending_from_outside_hangs_up_every_live_leg(
    state: CallState, live: list[Side], call_input: CallInput, reason: EndReason, by: EndedBy
) -> None:
    scene = scene_in(state, recorded=False)
    effects = scene.give(call_input)
    assert without_event(effects) == [
        *(HangUpLeg(side) for side in live), CloseMedia(finish_recording=False),
    ]  # fmt: skip
    if state is CallState.CONNECTED and isinstance(call_input, ReleaseRequested):
        reason = EndReason.HANG_UP
    assert end_of(scene)[:2] == (reason, by)
    assert scene.call.state is CallState.ENDED
    assert scene.events[-1].reason is reason
    assert scene.call.next_deadline() is None


@pytest.mark.parametrize("state", [_S.CALLING_CALLER, _S.CALLING_CALLEE, _S.CONNECTED])
def test_release_is_kept_in_the_cause(state: CallState) -> None:
    scene = scene_in(state, recorded=False)
    scene.give(ReleaseRequested())
    assert scene.call.end is not None
    assert scene.call.end.cause == RELEASE_CAUSE


@pytest.mark.parametrize("side", Side)
def test_what_the_network_said_of_a_hang_up_is_kept_whole(side: Side) -> None:
    cause = LegCause(LegOutcome.HUNG_UP, None, "BYE", 31, 'Q.850;cause=31;text="Normal"')
    scene = scene_in(_S.CONNECTED, recorded=False)
    scene.give(LegEnded(side, cause))
    assert scene.call.end is not None
    assert (scene.call.end.cause, scene.call.end.by) == (cause, EndedBy(side.value))


def test_media_failure_is_kept_in_the_cause() -> None:
    scene = scene_in(CallState.CONNECTED, recorded=False)
    scene.give(MediaFailed("no packets for 60 s"))
    assert scene.call.end is not None
    assert scene.call.end.cause == LegCause(LegOutcome.FAILED, None, "no packets for 60 s", 41)


@pytest.mark.parametrize(
    ("state", "side", "reason"),
    [
        (_S.CALLING_CALLER, Side.CALLER, EndReason.CALLER_FAILURE),
        (_S.CALLING_CALLEE, Side.CALLEE, EndReason.CALLEE_FAILURE),
    ],
)
def test_answer_without_a_codec_of_ours_fails_that_side_and_hangs_it_up(
    state: CallState, side: Side, reason: EndReason
) -> None:
    scene = scene_in(state)
    effects = scene.give(LegAnswered(side, VIDEO_ONLY))
    assert HangUpLeg(side) in effects
    assert end_of(scene)[0] is reason
    assert scene.call.end is not None
    assert scene.call.end.cause is not None
    assert (scene.call.end.cause.sip_status, scene.call.end.cause.q850) == (488, 65)


@pytest.mark.parametrize(
    ("talked_s", "told_s"), [(0.0, 0), (0.4, 0), (0.6, 1), (59.6, 60), (61.2, 61)]
)
def test_duration_counts_from_the_joining_in_whole_seconds(talked_s: float, told_s: int) -> None:
    scene = scene_in(CallState.CALLING_CALLEE, recorded=False)
    scene.give(CALLEE_ANSWERED)
    scene.elapsed_s += talked_s
    scene.give(CALLER_ENDED)
    assert scene.call.duration_s == scene.events[-1].call_duration_s == told_s


def test_call_never_joined_lasted_no_time() -> None:
    scene = scene_in(CallState.CALLING_CALLEE)
    scene.elapsed_s += 30
    scene.give(CALLEE_ENDED)
    assert scene.events[-1].call_duration_s == 0


# Races


def test_second_ending_after_the_first_changes_nothing() -> None:
    for late in (
        CALLER_ENDED,
        CALLEE_ENDED,
        MediaFailed("late"),
        PlatformStopping(),
        ServiceWithdrawn(),
    ):
        scene = scene_in(CallState.ENDED)
        before = repr(scene.call)
        assert scene.give(late) == []
        assert repr(scene.call) == before


def test_both_parties_hang_up_at_once_ends_once() -> None:
    scene = scene_in(CallState.CONNECTED, recorded=False)
    scene.give(CALLEE_ENDED, CALLER_ENDED)
    assert end_of(scene)[1] is EndedBy.CALLEE
    assert sum(event.is_terminal for event in scene.events) == 1
    assert scene.all_effects.count(HangUpLeg(Side.CALLER)) == 1


def test_leg_that_was_never_placed_cannot_end_the_call() -> None:
    scene = scene_in(CallState.CALLING_CALLER)
    assert scene.give(CALLEE_ENDED) == []
    assert scene.call.state is CallState.CALLING_CALLER


def test_release_in_connected_then_late_bye_in_finishing_waits_for_the_recording() -> None:
    scene = scene_in(CallState.CONNECTED)
    effects = scene.give(ReleaseRequested())
    assert effects[-1] == PersistCall()
    assert scene.give(CALLER_ENDED) == []
    assert not scene.events[-1].is_terminal
    scene.give(RecordingFinished(RecordingResult.SUCCESS))
    assert scene.events[-1].reason is EndReason.HANG_UP


@pytest.mark.parametrize("state", [_S.FINISHING, _S.ENDED])
def test_release_after_the_end_raises(state: CallState) -> None:
    with pytest.raises(CallStateError):
        scene_in(state).give(ReleaseRequested())


# Recording


@pytest.mark.parametrize("result", RecordingResult)
def test_recording_result_in_finishing_is_told_with_the_end(result: RecordingResult) -> None:
    scene = scene_in(CallState.CONNECTED)
    effects = scene.give(CALLEE_ENDED)
    assert effects == [HangUpLeg(Side.CALLER), CloseMedia(finish_recording=True), PersistCall()]
    scene.elapsed_s += 2
    (told,) = scene.give(RecordingFinished(result))
    assert isinstance(told, EmitEvent)
    assert told.event.recording_id == RECORDING_ID
    assert told.event.recording_result is result
    # The two seconds that the file took are no part of the conversation.
    assert told.event.call_duration_s == 1
    assert scene.call.state is CallState.ENDED


def test_recording_that_takes_too_long_is_told_as_failed_in_time() -> None:
    scene = scene_in(CallState.CONNECTED)
    scene.give(CALLEE_ENDED)
    assert scene.deadline_in_s == pytest.approx(RECORDING_DEADLINE_S)
    assert scene.wait(RECORDING_DEADLINE_S - 0.01) == []
    (told,) = scene.wait(0.01)
    assert isinstance(told, EmitEvent)
    assert told.event.recording_result is RecordingResult.FAIL
    assert scene.give(RecordingFinished(RecordingResult.SUCCESS)) == []
    assert scene.call.recording_result is RecordingResult.FAIL


def test_recording_deadline_leaves_time_to_tell_within_five_seconds() -> None:
    assert RECORDING_DEADLINE_S < 5


@pytest.mark.parametrize("state", [_S.INITIATING, _S.CALLING_CALLER, _S.CALLING_CALLEE])
def test_recorded_call_never_joined_ends_at_once_with_no_record(state: CallState) -> None:
    scene = scene_in(state)
    effects = scene.give(ReleaseRequested())
    assert CloseMedia(finish_recording=False) in effects
    assert scene.events[-1].recording_result is RecordingResult.NO_RECORD
    assert scene.events[-1].recording_id == RECORDING_ID


def test_call_without_recording_tells_nothing_of_one() -> None:
    scene = scene_in(CallState.ENDED, recorded=False)
    assert scene.events[-1].recording_result is None
    assert scene.events[-1].recording_id is None


# Time


@pytest.mark.parametrize(
    ("state", "timeout_s", "reason"),
    [
        (_S.CALLING_CALLER, 45, EndReason.CALLER_NO_ANSWER),
        (_S.CALLING_CALLEE, 60, EndReason.CALLEE_NO_ANSWER),
    ],
)
def test_ring_timeout_ends_with_no_answer(
    state: CallState, timeout_s: int, reason: EndReason
) -> None:
    scene = scene_in(state)
    scene.elapsed_s -= 1  # back to the entry of the state
    scene.wait(timeout_s - 0.001)
    assert scene.call.state is state
    effects = scene.wait(0.001)
    assert CloseMedia(finish_recording=False) in effects
    assert end_of(scene)[:2] == (reason, EndedBy.PLATFORM)
    assert scene.call.end is not None
    assert scene.call.end.cause == RING_TIMEOUT_CAUSE


def test_late_timeout_of_ring_and_ringback_together_ends_without_a_tone() -> None:
    scene = scene_in(CallState.CALLING_CALLEE)
    effects = scene.wait(61)
    assert Play(Side.CALLER, RINGBACK_PROMPT) not in effects
    assert scene.call.state is CallState.ENDED


def test_callers_ring_timeout_is_cancelled_by_the_answer() -> None:
    scene = scene_in(CallState.CALLING_CALLER)
    scene.elapsed_s = 44.0
    scene.give(CALLER_ANSWERED)
    scene.wait(RINGBACK_DELAY_S)
    assert scene.wait(2) == []
    assert scene.call.state is CallState.CALLING_CALLEE


def test_platform_maximum_ends_a_connected_call_and_nothing_lifts_it() -> None:
    scene = scene_in(CallState.CONNECTED, recorded=False)
    scene.give(ContinueRequested())
    scene.wait(3599)
    assert scene.call.state is CallState.ENDED
    assert end_of(scene)[:2] == (EndReason.OTHER, EndedBy.PLATFORM)
    assert scene.call.duration_s == 3600


def test_application_maximum_ends_a_connected_call() -> None:
    scene = scene_in(CallState.CONNECTED, recorded=False, application_max_duration_s=120)
    assert scene.deadline_in_s == 119
    scene.wait(119)
    assert end_of(scene)[:2] == (EndReason.OTHER, EndedBy.PLATFORM)


def test_continue_in_connected_lifts_the_applications_maximum_only() -> None:
    scene = scene_in(CallState.CONNECTED, recorded=False, application_max_duration_s=120)
    assert scene.give(ContinueRequested()) == []
    assert scene.deadline_in_s == 3599
    scene.wait(200)
    assert scene.call.state is CallState.CONNECTED


@pytest.mark.parametrize("state", [_S.INITIATING, _S.CALLING_CALLER, _S.CALLING_CALLEE])
def test_continue_before_connected_lifts_the_cut_off_that_would_have_come(
    state: CallState,
) -> None:
    scene = Scene(application_max_duration_s=120)
    for step in (CallStarted(), CALLER_ANSWERED, CALLEE_ANSWERED):
        if scene.call.state is state:
            assert scene.give(ContinueRequested()) == []
        scene.give(step)
    scene.wait(200)
    assert scene.call.state is CallState.CONNECTED


@pytest.mark.parametrize("state", CallState)
def test_timeout_before_any_deadline_changes_nothing(state: CallState) -> None:
    scene = Scene(recorded=True) if state is CallState.INITIATING else scene_in(state)
    if (deadline := scene.call.next_deadline()) is not None:
        scene.elapsed_s = deadline - MONOTONIC_OFFSET_S - 0.0001
    before = repr(scene.call)
    assert scene.wait(0) == []
    assert repr(scene.call) == before


@pytest.mark.parametrize("state", [_S.INITIATING, _S.ENDED])
def test_call_that_waits_for_nothing_has_no_deadline(state: CallState) -> None:
    assert scene_in(state).call.next_deadline() is None
