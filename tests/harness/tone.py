"""Tones as G.711 A-law, and how to tell which tone a piece of audio holds."""

import io

import numpy as np
import soundfile
from numpy.typing import NDArray

SAMPLE_RATE = 8000
PACKET_SAMPLES = 160  # 20 ms, what phones send
_AMPLITUDE = 0.4
_RAW_ALAW = {"format": "RAW", "subtype": "ALAW", "samplerate": SAMPLE_RATE, "channels": 1}

Samples = NDArray[np.float64]


def create_tone(frequency_hz: int, duration_s: float) -> bytes:
    """A sine as A-law, one byte a sample."""
    instants = np.arange(int(duration_s * SAMPLE_RATE)) / SAMPLE_RATE
    encoded = io.BytesIO()
    samples = _AMPLITUDE * np.sin(2 * np.pi * frequency_hz * instants)
    soundfile.write(encoded, samples, SAMPLE_RATE, format="RAW", subtype="ALAW")
    return encoded.getvalue()


def decode_alaw(payload: bytes) -> Samples:
    """Samples in -1..1."""
    samples, _ = soundfile.read(io.BytesIO(payload), **_RAW_ALAW)
    return np.asarray(samples, dtype=np.float64)


def dominant_frequency_hz(samples: Samples, sample_rate: int = SAMPLE_RATE) -> float:
    """The strongest frequency; 0 for silence."""
    if not len(samples) or np.max(np.abs(samples)) < 0.01:
        return 0.0
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(np.argmax(spectrum) * sample_rate / len(samples))
