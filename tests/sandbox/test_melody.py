"""Melodies spell their number, and nothing else is taken for one."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clicktodial.domain.media import PCMA, PCMU, Codec
from clicktodial.sandbox.melody import (
    IDENTIFY_SAMPLES_MAX,
    PERIOD_SAMPLES,
    SAMPLE_RATE,
    Samples,
    dominant_tones_hz,
    identify_melody,
    melody_digits,
    melody_notes_hz,
    render_melody,
)
from clicktodial.sandbox.speech import (
    BEEP_HZ,
    INFORMATION_TONES_HZ,
    render_announcement,
    render_greeting,
    render_tone,
    speaker_of,
)
from clicktodial.sandbox.voice import decode_audio, encode_audio

CALLER = "8613912345673"
CALLEE = "8613810268653"
DIGITS = st.text("0123456789", min_size=6, max_size=6)


def play(digits: str, start: int, seconds: float) -> Samples:
    whole = np.tile(render_melody(digits), 12)
    return np.asarray(whole[start : start + round(seconds * SAMPLE_RATE)], np.float32)


def tone(frequency_hz: float, seconds: float, amplitude: float = 0.3) -> Samples:
    time_s = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    return (amplitude * np.sin(2 * np.pi * frequency_hz * time_s)).astype(np.float32)


@settings(max_examples=60)
@given(
    digits=DIGITS,
    start=st.integers(0, PERIOD_SAMPLES - 1),
    seconds=st.floats(1.7, 9.0),
    codec=st.sampled_from((PCMA, PCMU)),
)
def test_melody_from_any_point_after_g711_is_identified(
    digits: str, start: int, seconds: float, codec: Codec
) -> None:
    heard = decode_audio(codec, encode_audio(codec, play(digits, start, seconds)))
    found = identify_melody(heard)
    assert found is not None
    assert found.digits == digits


@settings(max_examples=30)
@given(digits=DIGITS, seed=st.integers(0, 2**32 - 1))
def test_melody_with_noise_and_a_tenth_lost_is_identified(digits: str, seed: int) -> None:
    random = np.random.default_rng(seed)
    heard = play(digits, int(random.integers(PERIOD_SAMPLES)), 5.0)
    heard = heard + random.normal(0, 0.005, len(heard)).astype(np.float32)
    packets = heard.reshape(-1, 160)
    packets[random.random(len(packets)) < 0.1] = 0
    found = identify_melody(packets.reshape(-1))
    assert found is not None
    assert found.digits == digits


@pytest.mark.parametrize("digits", ["000000", "555555", "999999", "444444", "050505", "999990"])
def test_melody_with_repeated_notes_is_identified(digits: str) -> None:
    found = identify_melody(play(digits, 4321, 4.0))
    assert found is not None
    assert found.digits == digits


@pytest.mark.parametrize(
    "samples",
    [
        np.zeros(0, np.float32),
        np.zeros(SAMPLE_RATE * 4, np.float32),
        play("345673", 0, 1.5),
        tone(450.0, 4.0),
        tone(440.0, 4.0),
        tone(425.0, 4.0) * (np.arange(4 * SAMPLE_RATE) % (5 * SAMPLE_RATE) < SAMPLE_RATE),
        np.random.default_rng(1).normal(0, 0.1, SAMPLE_RATE * 4).astype(np.float32),
        np.tile(render_greeting(3), 2),
        np.tile(render_announcement(7), 2),
    ],
    ids=[
        "nothing", "silence", "too short", "steady tone", "steady note", "ringing tone", "noise",
        "greeting", "announcement",
    ],
)  # fmt: skip
def test_other_sound_is_no_melody(samples: Samples) -> None:
    assert identify_melody(samples) is None


def test_two_melodies_at_once_are_not_taken_for_either() -> None:
    mixed = play(melody_digits(CALLER), 0, 5.0) + play(melody_digits(CALLEE), 3000, 5.0)
    assert identify_melody(mixed) is None


def test_melody_after_long_other_sound_is_identified() -> None:
    heard = np.concatenate([tone(450.0, 1.0), np.zeros(5000, np.float32), play("268653", 0, 4.0)])
    found = identify_melody(heard)
    assert found is not None
    assert found.digits == "268653"


def test_audio_over_the_limit_is_judged_by_its_end() -> None:
    heard = np.concatenate([play("111111", 0, 3.0), play("268653", 0, 12.5)])
    assert len(heard) > IDENTIFY_SAMPLES_MAX
    found = identify_melody(heard)
    assert found is not None
    assert found.digits == "268653"


def test_melody_of_a_number_is_its_last_six_digits() -> None:
    assert melody_digits(CALLER) == "345673"
    assert melody_digits("+86 (138) 1026-8653") == "268653"
    assert melody_digits("42") == "000042"


def test_phones_of_the_demo_play_in_different_registers() -> None:
    assert max(melody_notes_hz(CALLER)) < max(melody_notes_hz(CALLEE)) / 2


def test_melody_never_clips_and_loops_without_a_click() -> None:
    period = render_melody("345673")
    assert len(period) == PERIOD_SAMPLES
    assert float(np.abs(period).max()) <= 0.5
    assert abs(float(period[0])) < 0.01
    assert abs(float(period[-1])) < 0.01


def test_notes_of_a_melody_lead_its_spectrum() -> None:
    tones = dominant_tones_hz(play("268653", 0, 8.0))
    notes = melody_notes_hz(CALLEE)
    assert tones
    assert all(min(abs(heard - note) for note in notes) < 4 for heard in tones[:4])


def test_silence_has_no_tones() -> None:
    assert dominant_tones_hz(np.zeros(SAMPLE_RATE, np.float32)) == ()
    assert dominant_tones_hz(np.zeros(0, np.float32)) == ()


def test_greeting_ends_with_its_beep() -> None:
    greeting = render_greeting(speaker_of(CALLER))
    assert dominant_tones_hz(greeting[-3600:-400])[0] == pytest.approx(BEEP_HZ, abs=5)
    assert float(np.abs(greeting).max()) < 0.6


def test_announcement_opens_with_the_information_tones() -> None:
    announcement = render_announcement(0)
    for index, expected_hz in enumerate(INFORMATION_TONES_HZ):
        part = announcement[index * 1600 : (index + 1) * 1600]
        assert dominant_tones_hz(part)[0] == pytest.approx(expected_hz, abs=6)


def test_tone_has_its_frequency() -> None:
    assert dominant_tones_hz(render_tone(700.0, 1.0)) == (700,)
