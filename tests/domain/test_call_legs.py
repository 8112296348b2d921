"""Which codecs the legs are offered and speak, and what is kept of them."""

from dataclasses import replace
from datetime import timedelta

import pytest
from tests.domain.scene import (
    CALLEE_ENDED,
    CALLEE_MEDIA,
    CALLER_ANSWERED,
    CALLER_MEDIA,
    KEY,
    QUALITY,
    STARTED_AT,
    Scene,
    scene_in,
    state_of,
    without_event,
)

from clicktodial.domain.call import CallState
from clicktodial.domain.call_effect import PersistCall, PlaceLeg, SetRemoteMedia
from clicktodial.domain.call_input import (
    CallStarted,
    LegAnswered,
    LegEarlyMedia,
    LegMediaChanged,
    LegRinging,
    LegRouted,
    QualityMeasured,
    RecordingFinished,
    SignalsTraced,
)
from clicktodial.domain.cause import EndReason, Side
from clicktodial.domain.event import RecordingResult
from clicktodial.domain.leg import LegRecord, TracedMessage
from clicktodial.domain.media import (
    G722,
    OPUS,
    PCMA,
    PCMU,
    TELEPHONE_EVENT,
    MediaAddress,
    MediaDescription,
    SrtpKey,
)
from clicktodial.domain.plan import CallOptions, PresenceProof

_S = CallState
CALLER, CALLEE = Side.CALLER, Side.CALLEE
WIDE = (OPUS, G722, PCMA)
KEYS = (SrtpKey(1, "AES_CM_128_HMAC_SHA1_80", "inline:secret"),)


def description(*codecs: object) -> MediaDescription:
    return MediaDescription(MediaAddress("192.0.2.1", 4000), codecs, TELEPHONE_EVENT)  # type: ignore[arg-type]


def place_callee(scene: Scene, *codecs: object) -> PlaceLeg:
    """The caller answers with these."""
    effects = scene.give(LegAnswered(CALLER, description(*codecs)))
    [placed] = [effect for effect in effects if isinstance(effect, PlaceLeg)]
    return placed


def test_caller_is_offered_what_the_plan_has() -> None:
    scene = Scene(codecs=WIDE)
    assert without_event(scene.give(CallStarted())) == [PlaceLeg(CALLER, WIDE, TELEPHONE_EVENT)]


def test_callee_is_offered_the_callers_choice_alone_where_nothing_transcodes() -> None:
    scene = scene_in(_S.CALLING_CALLER, codecs=WIDE)
    assert place_callee(scene, G722, PCMA).codecs == (G722,)


def test_callee_is_offered_the_callers_choice_first_where_the_relay_transcodes() -> None:
    scene = scene_in(_S.CALLING_CALLER, codecs=WIDE, transcodes=True)
    theirs = replace(PCMA, payload_type=98)
    assert place_callee(scene, theirs).codecs == (theirs, OPUS, G722)


def test_codec_that_the_plan_does_not_have_is_none() -> None:
    scene = scene_in(_S.CALLING_CALLER, codecs=(PCMA,))
    scene.give(LegAnswered(CALLER, description(G722)))
    assert scene.call.end is not None
    assert scene.call.end.reason is EndReason.CALLER_FAILURE


@pytest.mark.parametrize(("transcodes", "joined"), [(False, False), (True, True)])
def test_callee_with_another_codec_is_joined_only_where_the_relay_transcodes(
    transcodes: bool, joined: bool
) -> None:
    scene = scene_in(_S.CALLING_CALLER, recorded=False, codecs=WIDE, transcodes=transcodes)
    place_callee(scene, OPUS)
    early = scene.give(LegEarlyMedia(CALLEE, description(PCMA)))
    assert any(isinstance(effect, SetRemoteMedia) for effect in early) == joined
    scene.give(LegAnswered(CALLEE, description(PCMA)))
    assert (state_of(scene) is _S.CONNECTED) == joined
    if joined:
        assert scene.call.codecs == {CALLER: OPUS, CALLEE: PCMA}


def test_caller_that_changes_its_codec_before_its_proof_is_followed() -> None:
    options = CallOptions(presence=PresenceProof.KEY)
    scene = scene_in(_S.PROVING_PRESENCE, options=options, codecs=WIDE)
    scene.give(LegMediaChanged(CALLER, description(G722)))
    [placed] = [effect for effect in scene.give(KEY) if isinstance(effect, PlaceLeg)]
    assert placed.codecs == (G722,)


# Records


def test_legs_of_a_whole_call_are_kept() -> None:
    scene = Scene()
    scene.give(CallStarted())
    scene.elapsed_s = 2.0
    scene.give(LegRinging(CALLER))
    scene.elapsed_s = 3.0
    answer = replace(CALLER_MEDIA, crypto=KEYS)
    scene.give(LegRinging(CALLER), LegAnswered(CALLER, answer, "second", "call-id-2"))
    scene.elapsed_s = 5.0
    scene.give(LegRinging(CALLER), LegAnswered(CALLEE, CALLEE_MEDIA, "first", "call-id-3"))
    at = {second: STARTED_AT + timedelta(seconds=second) for second in (0, 2, 3, 5)}
    assert scene.call.legs == {
        CALLER: LegRecord(
            trunk="second",
            sip_call_id="call-id-2",
            placed_at=at[0],
            ringing_at=at[2],
            answered_at=at[3],
            codec="PCMU",
            is_encrypted=True,
        ),
        CALLEE: LegRecord(
            trunk="first",
            sip_call_id="call-id-3",
            placed_at=at[3],
            answered_at=at[5],
            codec="PCMU",
        ),
    }


def test_leg_that_was_never_placed_has_no_record() -> None:
    scene = scene_in(_S.CALLING_CALLER)
    scene.give(LegRinging(CALLEE), LegRouted(CALLEE, "trunk", "call-id"))
    assert CALLEE not in scene.call.legs


def test_route_of_a_leg_that_was_not_answered_is_kept() -> None:
    scene = scene_in(_S.CALLING_CALLEE)
    assert scene.give(LegRouted(CALLEE, "third", "call-id-4")) == []
    record = scene.call.legs[CALLEE]
    assert (record.trunk, record.sip_call_id) == ("third", "call-id-4")


def test_route_of_a_leg_that_was_hung_up_is_kept_and_asks_for_nothing() -> None:
    scene = scene_in(_S.ENDED)
    assert scene.give(LegRouted(CALLEE, "last", "call-id-9")) == []
    assert scene.call.legs[CALLEE].trunk == "last"


def test_change_of_codec_is_kept() -> None:
    scene = scene_in(_S.CONNECTED)
    scene.give(LegMediaChanged(CALLEE, description(PCMA)))
    assert scene.call.legs[CALLEE].codec == "PCMA"
    assert scene.call.codecs[CALLEE] == PCMA
    assert scene.call.codecs[CALLER] == PCMU


def test_change_that_names_no_codec_changes_nothing() -> None:
    scene = scene_in(_S.CONNECTED)
    before = repr(scene.call)
    assert scene.give(LegMediaChanged(CALLEE, description())) == []
    assert repr(scene.call) == before


def test_quality_of_a_recorded_call_is_written_with_its_end() -> None:
    scene = scene_in(_S.FINISHING)
    assert scene.give(QualityMeasured(QUALITY)) == []
    scene.give(RecordingFinished(RecordingResult.SUCCESS, caller_silence_s=3, callee_silence_s=0))
    caller, callee = scene.call.legs[CALLER], scene.call.legs[CALLEE]
    assert (caller.quality, callee.quality) == (QUALITY.caller, QUALITY.callee)
    assert (caller.silence_s, callee.silence_s) == (3, 0)


def test_quality_that_comes_after_the_end_is_written_after_it() -> None:
    scene = scene_in(_S.CONNECTED, recorded=False)
    scene.give(CALLEE_ENDED)
    assert scene.events[-1].is_terminal
    assert scene.give(QualityMeasured(QUALITY)) == [PersistCall()]
    assert scene.call.legs[CALLER].quality == QUALITY.caller


def test_messages_that_were_traced_are_written_after_the_end() -> None:
    scene = scene_in(_S.CONNECTED, recorded=False)
    scene.give(CALLEE_ENDED)
    messages = (TracedMessage(at_ms=1, is_sent=True, line="INVITE sip:x SIP/2.0"),)
    assert scene.give(SignalsTraced({CALLEE: messages})) == [PersistCall()]
    assert scene.call.legs[CALLEE].trace == messages
    assert scene.call.legs[CALLER].trace is None


def test_late_answers_leave_the_records_of_a_call_alone() -> None:
    scene = scene_in(_S.CONNECTED, recorded=False)
    answered_at = scene.call.legs[CALLER].answered_at
    assert answered_at is not None
    scene.give(CALLEE_ENDED)
    scene.give(LegRinging(CALLER), LegMediaChanged(CALLER, CALLEE_MEDIA))
    assert scene.call.legs[CALLER].answered_at == answered_at
    assert scene.call.legs[CALLER].ringing_at is None


def test_answer_alone_makes_a_record() -> None:
    scene = scene_in(_S.CALLING_CALLER)
    scene.give(CALLER_ANSWERED)
    assert scene.call.legs[CALLER].answered_at == scene.now.utc
