"""Who answered, from synthetic greetings."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.media.speech import RATE_HZ, Pcm, beep, hiss, limit, sentence, silence, speak, vowel

from clicktodial.control.port import AnswerVerdict
from clicktodial.media.answer_detection import (
    BEEP_SECONDS,
    GREETING_SECONDS_MAX,
    PAUSE_SECONDS,
    SILENCE_SECONDS,
    WORDS_MAX,
    AnswerDetector,
)

HUMAN, MACHINE, SILENCE = AnswerVerdict.HUMAN, AnswerVerdict.MACHINE, AnswerVerdict.SILENCE


def judge(*parts: Pcm) -> tuple[AnswerVerdict | None, float]:
    """The verdict, and after how many seconds of audio it was told."""
    detector = AnswerDetector()
    pcm = np.concatenate(parts)
    for begin in range(0, len(pcm), 160):
        verdict = detector.receive(pcm[begin : begin + 160])
        if verdict is not None:
            return verdict, (begin + 160) / RATE_HZ
    return None, len(pcm) / RATE_HZ


@pytest.mark.parametrize(
    "greeting",
    [speak(0.25), speak(0.7), sentence(3), speak(2.0), vowel(0.5), speak(0.5, level=500)],
    ids=["hm", "hello", "three words", "a sentence", "a vowel", "from afar"],
)
def test_word_or_few_and_a_pause_is_a_person(greeting: Pcm) -> None:
    verdict, after_s = judge(silence(0.5), greeting, silence(2))
    assert verdict is HUMAN
    spoken_s = 0.5 + np.flatnonzero(greeting)[-1] / RATE_HZ
    assert after_s == pytest.approx(spoken_s + PAUSE_SECONDS, abs=0.1)


@pytest.mark.parametrize("quiet_s", [0.0, 0.3, 2.0])
def test_speech_that_goes_on_is_a_machine_as_soon_as_it_is_too_long(quiet_s: float) -> None:
    verdict, after_s = judge(silence(quiet_s), speak(20))
    assert verdict is MACHINE
    # What is loud from the first moment might be noise, until it pauses.
    assert after_s == pytest.approx(quiet_s + GREETING_SECONDS_MAX, abs=0.1 if quiet_s else 0.3)


def test_too_many_short_words_are_a_machine() -> None:
    many, few = (sentence(n, word_s=0.14, gap_s=0.12) for n in (WORDS_MAX + 1, WORDS_MAX))
    assert judge(silence(0.3), many, silence(2))[0] is MACHINE
    assert judge(silence(0.3), few, silence(2))[0] is HUMAN


@pytest.mark.parametrize("frequency_hz", [440, 850, 1_000, 1_400, 2_100, 2_500])
@pytest.mark.parametrize("seconds", [0.25, 1.0])
def test_beep_is_a_machine(frequency_hz: int, seconds: float) -> None:
    verdict, after_s = judge(silence(1), beep(seconds, frequency_hz), silence(2))
    assert verdict is MACHINE
    assert after_s == pytest.approx(1 + BEEP_SECONDS, abs=0.06)


def test_beep_in_noise_is_a_machine() -> None:
    noisy = limit(hiss(1, 300).astype(float) + beep(1))
    assert judge(hiss(1, 300), noisy, hiss(2, 300))[0] is MACHINE


def test_beep_within_speech_that_is_short_is_a_machine() -> None:
    assert judge(speak(0.5), silence(0.4), beep(0.4), silence(2))[0] is MACHINE


@pytest.mark.parametrize(
    "whistle",
    [
        limit(beep(0.8).astype(float) * np.exp(-np.arange(6_400) / 720)),
        limit(beep(0.8).astype(float) * np.geomspace(0.02, 1, 6_400)),
        np.concatenate([beep(0.1, 500.0 + 100 * n) for n in range(6)]),
    ],
    ids=["a plucked string", "one that swells", "one that glides"],
)
def test_tone_that_is_not_steady_is_no_beep(whistle: Pcm) -> None:
    assert judge(silence(0.3), whistle, silence(2))[0] is not MACHINE


@pytest.mark.parametrize("pitch_hz", [90, 130, 220, 330])
def test_voice_that_holds_a_tone_is_no_beep(pitch_hz: int) -> None:
    assert judge(silence(0.3), vowel(0.8, pitch_hz), silence(2))[0] is HUMAN


@pytest.mark.parametrize(
    "quiet",
    [silence(10), hiss(10, 20), hiss(10, 120), hiss(10, 1_500), speak(10, level=60)],
    ids=["nothing", "a line's noise", "a bad line", "a street", "a voice in the next room"],
)
def test_nothing_said_is_silence(quiet: Pcm) -> None:
    verdict, after_s = judge(quiet)
    assert verdict is SILENCE
    assert after_s == pytest.approx(SILENCE_SECONDS, abs=0.05)


def test_clicks_of_a_handset_are_silence() -> None:
    click = np.concatenate([hiss(0.03, 8_000), silence(0.5)])
    assert judge(np.tile(click, 20))[0] is SILENCE


@pytest.mark.parametrize("level", [100, 400, 800])
def test_voice_in_noise_is_judged_as_without(level: int) -> None:
    def over(pcm: Pcm) -> Pcm:
        return limit(pcm.astype(float) + hiss(len(pcm) / RATE_HZ, level))

    assert judge(over(silence(1)), over(speak(0.7)), over(silence(2)))[0] is HUMAN
    assert judge(over(silence(1)), over(speak(5)))[0] is MACHINE


def test_verdict_is_told_once() -> None:
    detector = AnswerDetector()
    assert detector.receive(beep(1)) is MACHINE
    assert detector.receive(beep(1)) is None
    assert detector.receive(silence(10)) is None
    assert detector.verdict is MACHINE


@given(cuts=st.lists(st.integers(0, 700), min_size=1, max_size=80))
@settings(deadline=None, max_examples=30)
def test_audio_in_pieces_of_any_length_is_judged_alike(cuts: list[int]) -> None:
    pcm = np.concatenate([silence(0.4), speak(0.7), silence(2)])
    whole = AnswerDetector()
    whole.receive(pcm)
    detector, begin = AnswerDetector(), 0
    for size in cuts:
        detector.receive(pcm[begin : begin + size])
        begin += size
    detector.receive(pcm[begin:])
    assert detector.verdict is whole.verdict is HUMAN


@given(seed=st.integers(0, 2**32), count=st.integers(0, 60_000))
@settings(deadline=None, max_examples=20)
def test_audio_at_random_comes_to_a_verdict_or_none(seed: int, count: int) -> None:
    pcm = np.random.default_rng(seed).integers(-32_768, 32_767, count, dtype=np.int16)
    assert AnswerDetector().receive(pcm) in {None, *AnswerVerdict}
