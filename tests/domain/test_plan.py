"""What an application's options make of its calls."""

import pytest
from tests.domain.scene import (
    CALLEE_ANSWERED,
    CALLEE_MEDIA,
    CALLER_ANSWERED,
    Scene,
    without_event,
)

from clicktodial.domain.call import RINGBACK_DELAY_S
from clicktodial.domain.call_effect import Play, SetRemoteMedia, StopPlaying
from clicktodial.domain.call_input import (
    CallStarted,
    ContinueRequested,
    LegEarlyMedia,
    ReleaseRequested,
)
from clicktodial.domain.cause import Side
from clicktodial.domain.plan import RINGBACK_PROMPT, WARNING_PROMPT, CallOptions, Ringback

MAX_DURATION_S = 3600  # of a scene's plan
EARLY = LegEarlyMedia(Side.CALLEE, CALLEE_MEDIA)
JOINED = SetRemoteMedia(Side.CALLEE, CALLEE_MEDIA)
RINGBACK = Play(Side.CALLER, RINGBACK_PROMPT)


def ringing_callee(ringback: Ringback) -> Scene:
    scene = Scene(options=CallOptions(ringback=ringback))
    scene.give(CallStarted(), CALLER_ANSWERED)
    return scene


def connected(
    *, application_max_duration_s: int | None = None, options: CallOptions | None = None
) -> Scene:
    scene = Scene(
        application_max_duration_s=application_max_duration_s,
        options=options or CallOptions(warning_before_end_s=30),
    )
    scene.give(CallStarted(), CALLER_ANSWERED, CALLEE_ANSWERED)
    return scene


def test_number_shown_is_the_sides_own_or_the_sponsor() -> None:
    plan = Scene(options=CallOptions(shown_to_callee="+861052680001")).call.plan
    assert plan.shown(Side.CALLEE) == "+861052680001"
    assert plan.shown(Side.CALLER) == plan.sponsor.e164


# What the caller hears while the callee rings


def test_tone_only_lets_no_early_media_through_and_plays_until_the_answer() -> None:
    scene = ringing_callee(Ringback.TONE)
    assert scene.wait(RINGBACK_DELAY_S) == [RINGBACK]
    assert scene.give(EARLY) == []
    assert without_event(scene.give(CALLEE_ANSWERED)) == [StopPlaying(Side.CALLER), JOINED]


def test_tone_only_with_early_media_before_the_delay_still_plays() -> None:
    scene = ringing_callee(Ringback.TONE)
    assert scene.give(EARLY) == []
    assert scene.wait(RINGBACK_DELAY_S) == [RINGBACK]


def test_network_only_plays_no_tone_and_passes_early_media() -> None:
    scene = ringing_callee(Ringback.NETWORK)
    assert scene.wait(10) == []
    assert scene.give(EARLY) == [JOINED]
    assert without_event(scene.give(CALLEE_ANSWERED)) == [JOINED]


# The warning before the end


def test_warning_before_the_maximum_duration_is_played_once_to_the_caller() -> None:
    scene = connected()
    assert scene.wait(MAX_DURATION_S - 30 - 0.001) == []
    assert scene.wait(0.002) == [Play(Side.CALLER, WARNING_PROMPT)]
    assert scene.wait(29) == []


@pytest.mark.parametrize(
    "sides",
    [frozenset({Side.CALLEE}), frozenset({Side.CALLER, Side.CALLEE}), frozenset[Side]()],
    ids=["callee", "both", "nobody"],
)
def test_warning_is_played_to_the_sides_that_are_named(sides: frozenset[Side]) -> None:
    scene = connected(options=CallOptions(warning_before_end_s=10, warning_to=sides))
    played = scene.wait(MAX_DURATION_S - 10)
    assert played == [Play(side, WARNING_PROMPT) for side in Side if side in sides]


def test_warning_comes_before_the_applications_own_cut_off() -> None:
    scene = connected(application_max_duration_s=100)
    assert scene.wait(70) == [Play(Side.CALLER, WARNING_PROMPT)]


def test_continue_before_the_warning_moves_it_to_the_platforms_maximum() -> None:
    scene = connected(application_max_duration_s=100)
    assert scene.give(ContinueRequested()) == []
    assert scene.wait(100) == []
    assert scene.wait(MAX_DURATION_S - 30 - 100) == [Play(Side.CALLER, WARNING_PROMPT)]


def test_continue_after_the_warning_warns_again_before_the_platforms_maximum() -> None:
    scene = connected(application_max_duration_s=100)
    scene.wait(70)
    scene.give(ContinueRequested())
    assert scene.wait(MAX_DURATION_S - 30 - 70) == [Play(Side.CALLER, WARNING_PROMPT)]


def test_call_shorter_than_the_warning_is_not_warned() -> None:
    scene = connected(application_max_duration_s=20)
    effects = scene.wait(20)
    assert not any(isinstance(effect, Play) for effect in effects)
    assert scene.call.end is not None


def test_release_before_the_warning_leaves_no_warning_behind() -> None:
    scene = connected()
    scene.give(ReleaseRequested())
    assert scene.call.next_deadline() is None
