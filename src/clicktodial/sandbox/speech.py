"""Sounds that are like speech: a greeting, an announcement, and the beep after a greeting.

There are no words in them. Vowels are sums of harmonics shaped by two formants, a syllable each,
with the falling pitch of a statement; enough for an ear to say "someone talks", and small enough
to need no samples. The speaker's pitch comes from the phone's number.
"""

from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from clicktodial.sandbox.melody import SAMPLE_RATE, Samples

BEEP_HZ = 1000.0
BEEP_S = 0.5
# ITU-T E.180 special information tone, which opens a network's announcement.
INFORMATION_TONES_HZ = (950.0, 1400.0, 1800.0)
_INFORMATION_TONE_S = 0.2

_SYLLABLE_S = 0.17
_PAUSE_S = 0.16
_GLIDE_S = 0.025
_PITCH_MIN_HZ = 110
_PITCH_STEPS = 10
_PITCH_STEP_HZ = 12
_PITCH_FALL = 0.22
_PEAK = 0.45
# First two formants in Hz of: a e i o u.
_VOWELS = ((730, 1090), (530, 1840), (300, 2290), (570, 840), (330, 870))
_FORMANT_WIDTH_HZ = 110.0
_SECOND_FORMANT = 0.5
# Which vowels, with -1 for a pause between phrases.
_GREETING = (0, 4, 1, -1, 2, 0, 3, 1, 0, -1, 3, 4, 2, 1, 3, 0)
_HELLO = (1, 3)
_ANNOUNCEMENT = (1, 0, 2, -1, 3, 1, 0, 4, 1, -1, 0, 2)
_SPEAKERS_CACHED = 64


def speaker_of(number: str) -> int:
    """Which of the ten speakers that phone has."""
    return sum(int(digit) for digit in number if digit in "0123456789") % _PITCH_STEPS


@lru_cache(maxsize=_SPEAKERS_CACHED)
def render_greeting(speaker: int) -> Samples:
    """A voicemail's greeting, then its beep; -1..1 at 8 kHz."""
    pause = np.zeros(_samples(_PAUSE_S), np.float32)
    return np.concatenate([render_phrases(_GREETING, speaker), pause, render_tone(BEEP_HZ, BEEP_S)])


@lru_cache(maxsize=_SPEAKERS_CACHED)
def render_hello(speaker: int) -> Samples:
    """What a person says who picks up; -1..1 at 8 kHz."""
    return render_phrases(_HELLO, speaker)


@lru_cache(maxsize=_SPEAKERS_CACHED)
def render_announcement(speaker: int) -> Samples:
    """A network's announcement: three rising tones, then speech; -1..1 at 8 kHz."""
    tones = [render_tone(tone_hz, _INFORMATION_TONE_S) for tone_hz in INFORMATION_TONES_HZ]
    return np.concatenate([*tones, render_phrases(_ANNOUNCEMENT, speaker)])


def render_tone(frequency_hz: float, seconds: float) -> Samples:
    """A sine with soft edges."""
    time_s = np.arange(_samples(seconds)) / SAMPLE_RATE
    tone = _PEAK * np.sin(2 * np.pi * frequency_hz * time_s) * _soft_edges(len(time_s))
    return tone.astype(np.float32)


def render_phrases(vowels: tuple[int, ...], speaker: int) -> Samples:
    """Syllables of those vowels, -1 for a pause; -1..1 at 8 kHz."""
    pitch_hz = _PITCH_MIN_HZ + _PITCH_STEP_HZ * speaker
    parts: list[Samples] = []
    for index, vowel in enumerate(vowels):
        if vowel < 0:
            parts.append(np.zeros(_samples(_PAUSE_S), np.float32))
            continue
        # The pitch falls over the whole of it, as in a statement.
        fall = 1 - _PITCH_FALL * index / len(vowels)
        parts.append(_render_syllable(_VOWELS[vowel], pitch_hz * fall))
    return np.concatenate(parts)


def _render_syllable(formants_hz: tuple[int, int], pitch_hz: float) -> Samples:
    count = _samples(_SYLLABLE_S)
    time_s = np.arange(count) / SAMPLE_RATE
    harmonics_hz = pitch_hz * np.arange(1, int(SAMPLE_RATE / 2 / pitch_hz), dtype=np.float64)
    first = _formant_gain(harmonics_hz, formants_hz[0])
    second = _formant_gain(harmonics_hz, formants_hz[1])
    strength = first + _SECOND_FORMANT * second
    waves = np.sin(2 * np.pi * harmonics_hz[:, None] * time_s)
    syllable = (strength[:, None] * waves).sum(axis=0)
    syllable *= _PEAK / np.abs(syllable).max() * _soft_edges(count)
    return np.asarray(syllable, np.float32)


def _formant_gain(
    harmonics_hz: npt.NDArray[np.floating[Any]], formant_hz: float
) -> npt.NDArray[np.float64]:
    gain = 1 / (1 + ((harmonics_hz - formant_hz) / _FORMANT_WIDTH_HZ) ** 2)
    return np.asarray(gain, np.float64)


def _soft_edges(count: int) -> npt.NDArray[np.float64]:
    envelope = np.ones(count)
    edge = _samples(_GLIDE_S)
    envelope[:edge] = np.linspace(0, 1, edge)
    envelope[-edge:] = np.linspace(1, 0, edge)
    return envelope


def _samples(seconds: float) -> int:
    return round(seconds * SAMPLE_RATE)
