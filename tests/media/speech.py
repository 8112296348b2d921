"""Sounds for detectors: voices of noise in syllables, beeps, hum. 8 kHz."""

import numpy as np
import numpy.typing as npt

RATE_HZ = 8_000
SYLLABLE_S = 0.18
GAP_S = 0.04

Pcm = npt.NDArray[np.int16]


def speak(seconds: float, level: float = 4_000, seed: int = 1) -> Pcm:
    """One word without an end: syllables with gaps between, shorter than those between words."""
    count = round(seconds * RATE_HZ)
    sound = np.random.default_rng(seed).normal(0, level, count)
    place = np.arange(count) % round((SYLLABLE_S + GAP_S) * RATE_HZ)
    return limit(np.where(place < SYLLABLE_S * RATE_HZ, sound, 0))


def sentence(words: int, word_s: float = 0.3, gap_s: float = 0.15, level: float = 4_000) -> Pcm:
    """So many words."""
    spoken = [part for n in range(words) for part in (speak(word_s, level, n), silence(gap_s))]
    return np.concatenate(spoken)


def silence(seconds: float) -> Pcm:
    return np.zeros(round(seconds * RATE_HZ), dtype=np.int16)


def hiss(seconds: float, level: float) -> Pcm:
    """Noise that never pauses."""
    return limit(np.random.default_rng(2).normal(0, level, round(seconds * RATE_HZ)))


def beep(seconds: float, frequency_hz: float = 1_000.0, level: float = 8_000) -> Pcm:
    time_s = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    return limit(level * np.sin(2 * np.pi * frequency_hz * time_s))


def vowel(seconds: float, pitch_hz: float = 130.0, level: float = 3_000) -> Pcm:
    """A voice that holds a tone: harmonics of its pitch, which moves a little."""
    time_s = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    phase = 2 * np.pi * pitch_hz * (time_s + 0.004 * np.sin(2 * np.pi * 3 * time_s))
    harmonics = np.arange(1, 20)[:, None]
    return limit((level / harmonics * np.sin(harmonics * phase)).sum(axis=0))


def limit(samples: npt.NDArray[np.float64]) -> Pcm:
    return np.clip(samples, -32_000, 32_000).astype(np.int16)
