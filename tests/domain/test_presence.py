"""Proof that a person answered the caller's phone, before the callee is rung."""

from dataclasses import replace

import pytest
from tests.domain.scene import (
    CALLER_ANSWERED,
    CALLER_ENDED,
    CALLER_MEDIA,
    KEY,
    STARTED_AT,
    Scene,
    scene_in,
    state_of,
    without_event,
)

from clicktodial.domain.call import CallState, EndedBy, EndStage
from clicktodial.domain.call_effect import (
    CloseMedia,
    HangUpLeg,
    Listen,
    PlaceLeg,
    Play,
    SetRemoteMedia,
    StopListening,
    StopPlaying,
)
from clicktodial.domain.call_input import (
    ContinueRequested,
    KeyPressed,
    LegAnswered,
    MediaFailed,
    ReleaseRequested,
    VoiceJudged,
)
from clicktodial.domain.cause import EndReason, LegOutcome, Side
from clicktodial.domain.event import CallStatus
from clicktodial.domain.media import PCMU, Codec
from clicktodial.domain.plan import (
    PRESENCE_PROMPT,
    AnswerVerdict,
    CallOptions,
    PresenceProof,
    Prompt,
)

_S = CallState
ALL_PROOFS = [each for each in PresenceProof if each is not PresenceProof.NONE]


def scene_proving(presence: PresenceProof, **options: object) -> Scene:
    """The caller has answered, and is asked for that proof."""
    scene = scene_in(
        _S.CALLING_CALLER,
        recorded=False,
        options=CallOptions(presence=presence, **options),  # type: ignore[arg-type]  # a test's
    )
    scene.give(CALLER_ANSWERED)
    return scene


def judged(verdict: AnswerVerdict) -> VoiceJudged:
    return VoiceJudged(Side.CALLER, verdict)


def is_over(scene: Scene, text: str) -> bool:
    """Whether the call ended for want of that proof; all of it must be as promised then."""
    end = scene.call.end
    if end is None:
        assert state_of(scene) is _S.PROVING_PRESENCE
        return False
    assert (end.reason, end.by, end.stage) == (
        EndReason.CALLER_NO_ANSWER, EndedBy.PLATFORM, EndStage.CALLING_CALLER,
    )  # fmt: skip
    assert end.cause is not None
    assert (end.cause.outcome, end.cause.sip_text) == (LegOutcome.NO_ANSWER, text)
    assert [event.status for event in scene.events] == [
        CallStatus.CALLING_CALLER, CallStatus.DISCONNECTED,
    ]  # fmt: skip
    assert scene.events[-1].call_duration_s == 0
    assert scene.call.connected_at is None
    assert HangUpLeg(Side.CALLER) in scene.all_effects
    assert scene.all_effects[-2] == CloseMedia(finish_recording=False)
    assert scene.call.next_deadline() is None
    return True


@pytest.mark.parametrize("presence", ALL_PROOFS)
def test_caller_answer_asks_for_proof_and_rings_nobody(presence: PresenceProof) -> None:
    scene = scene_in(_S.CALLING_CALLER, options=CallOptions(presence=presence))
    effects = scene.give(CALLER_ANSWERED)
    listen = Listen(Side.CALLER, judges_answer=presence.detects_machines)
    asked = [Play(Side.CALLER, PRESENCE_PROMPT, is_required=True)] if presence.needs_key else []
    assert effects == [SetRemoteMedia(Side.CALLER, CALLER_MEDIA), listen, *asked]
    assert state_of(scene) is _S.PROVING_PRESENCE
    assert [event.status for event in scene.events] == [CallStatus.CALLING_CALLER]
    assert scene.deadline_in_s == 15


def test_own_prompt_is_repeated_for_as_long_as_was_asked() -> None:
    scene = scene_proving(PresenceProof.KEY, presence_audio="press-one", presence_timeout_s=40)
    prompt = Prompt("press-one", repeats=True)
    assert Play(Side.CALLER, prompt, is_required=True) in scene.all_effects
    assert scene.deadline_in_s == 40


@pytest.mark.parametrize("presence", [PresenceProof.KEY, PresenceProof.KEY_AND_DETECTION])
@pytest.mark.parametrize("digit", ["0", "9", "*", "#", "D"])
def test_any_key_proves_and_rings_the_callee(presence: PresenceProof, digit: str) -> None:
    scene = scene_proving(presence)
    effects = scene.give(KeyPressed(Side.CALLER, digit))
    assert without_event(effects) == [
        StopListening(Side.CALLER),
        StopPlaying(Side.CALLER),
        PlaceLeg(Side.CALLEE, (PCMU,), Codec(96, "dtmf")),
    ]
    assert state_of(scene) is _S.CALLING_CALLEE
    assert scene.events[-1].status is CallStatus.CALLING_CALLEE
    # The callee's ring time counts from here, and the proof's is over.
    scene.wait(0.5)
    assert scene.deadline_in_s == 59.5


def test_second_key_and_late_verdict_change_nothing() -> None:
    scene = scene_proving(PresenceProof.KEY_AND_DETECTION)
    scene.give(KEY)
    assert scene.give(KEY) == []
    assert scene.give(judged(AnswerVerdict.MACHINE)) == []
    assert state_of(scene) is _S.CALLING_CALLEE


def test_human_voice_proves_where_detection_is_all_that_is_wanted() -> None:
    scene = scene_proving(PresenceProof.MACHINE_DETECTION)
    effects = without_event(scene.give(judged(AnswerVerdict.HUMAN)))
    assert effects[0] == StopListening(Side.CALLER)
    assert isinstance(effects[-1], PlaceLeg)
    assert not any(isinstance(effect, StopPlaying) for effect in effects)


@pytest.mark.parametrize(
    ("presence", "verdict", "text"),
    [
        (PresenceProof.KEY, AnswerVerdict.MACHINE, None),
        (PresenceProof.MACHINE_DETECTION, AnswerVerdict.MACHINE, "Answered by a machine"),
        (PresenceProof.MACHINE_DETECTION, AnswerVerdict.SILENCE, "Answered, and nobody spoke"),
        (PresenceProof.KEY_AND_DETECTION, AnswerVerdict.MACHINE, "Answered by a machine"),
        (PresenceProof.KEY_AND_DETECTION, AnswerVerdict.HUMAN, None),
        (PresenceProof.KEY_AND_DETECTION, AnswerVerdict.SILENCE, None),
    ],
)
def test_verdict_ends_the_call_or_leaves_it_to_the_key(
    presence: PresenceProof, verdict: AnswerVerdict, text: str | None
) -> None:
    scene = scene_proving(presence)
    scene.give(judged(verdict))
    assert is_over(scene, text or "") == (text is not None)


def test_key_does_not_prove_where_detection_is_wanted() -> None:
    scene = scene_proving(PresenceProof.MACHINE_DETECTION)
    assert scene.give(KEY) == []
    assert state_of(scene) is _S.PROVING_PRESENCE


def test_keys_and_voices_of_a_side_that_was_not_rung_prove_nothing() -> None:
    scene = scene_proving(PresenceProof.KEY_AND_DETECTION)
    assert scene.give(KeyPressed(Side.CALLEE, "1")) == []
    assert scene.give(VoiceJudged(Side.CALLEE, AnswerVerdict.MACHINE)) == []
    assert state_of(scene) is _S.PROVING_PRESENCE


@pytest.mark.parametrize(
    ("presence", "text"),
    [
        (PresenceProof.KEY, "No key was pressed"),
        (PresenceProof.KEY_AND_DETECTION, "No key was pressed"),
        (PresenceProof.MACHINE_DETECTION, "Nobody can say who answered"),
    ],
)
def test_proof_that_does_not_come_in_time_ends_the_call(presence: PresenceProof, text: str) -> None:
    scene = scene_proving(presence)
    scene.wait(14.999)
    assert not is_over(scene, text)
    scene.wait(0.001)
    assert is_over(scene, text)
    assert scene.give(KEY) == []


def test_phone_that_cannot_tell_keys_is_named_in_the_cause() -> None:
    scene = scene_in(_S.CALLING_CALLER, options=CallOptions(presence=PresenceProof.KEY))
    scene.give(LegAnswered(Side.CALLER, replace(CALLER_MEDIA, dtmf=None)))
    # It may still tell one by SIP INFO.
    assert state_of(scene) is _S.PROVING_PRESENCE
    scene.wait(15)
    assert is_over(scene, "No key was pressed, and the phone knows no telephone-event")


def test_caller_who_hangs_up_without_proof_abandons() -> None:
    scene = scene_proving(PresenceProof.KEY)
    scene.give(CALLER_ENDED)
    end = scene.call.end
    assert end is not None
    assert (end.reason, end.by, end.stage) == (
        EndReason.CALLER_ABANDON, EndedBy.CALLER, EndStage.CALLING_CALLER,
    )  # fmt: skip
    assert not any(
        isinstance(effect, PlaceLeg) and effect.side is Side.CALLEE for effect in scene.all_effects
    )


def test_relay_that_cannot_listen_ends_the_call_unproven() -> None:
    scene = scene_proving(PresenceProof.KEY)
    scene.give(MediaFailed("cannot listen"))
    assert scene.call.end is not None
    assert scene.call.end.reason is EndReason.OTHER
    assert scene.events[-1].occurred_at > STARTED_AT
    assert HangUpLeg(Side.CALLEE) not in scene.all_effects


def test_release_and_continue_are_taken_while_proof_is_awaited() -> None:
    scene = scene_proving(PresenceProof.KEY)
    assert scene.give(ContinueRequested()) == []
    scene.give(ReleaseRequested(only_unconnected=True))
    assert state_of(scene) is _S.ENDED
