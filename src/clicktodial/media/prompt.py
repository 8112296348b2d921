"""What the relay plays: tones, made at start-up as raw files in every codec that we offer."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from clicktodial.domain.media import OFFERED_CODECS
from clicktodial.media.g711 import SAMPLE_RATE_HZ, Pcm, encode_g711

# Loud enough to be noticed, 16 dB below full scale so that it does not startle.
_TONE_PEAK = 5_000
# A tone that starts or stops at full swing clicks.
_RAMP_S = 0.01


@dataclass(frozen=True, slots=True)
class Tone:
    """A cadence: one frequency, sounding and then silent, in seconds, so many times."""

    frequency_hz: int
    on_s: float
    off_s: float
    count: int = 1

    @property
    def duration_s(self) -> float:
        return self.count * (self.on_s + self.off_s)


# The ringing tone of the specification's country (ITU-T E.180, supplement 2: China).
RINGBACK = Tone(frequency_hz=450, on_s=1.0, off_s=4.0)
# Two short beeps, as coin telephones gave them: heard over speech, and over before a word is lost.
WARNING = Tone(frequency_hz=1400, on_s=0.15, off_s=0.15, count=2)
BUILT_IN = {"ringback": RINGBACK, "warning": WARNING}


def create_tone(tone: Tone) -> Pcm:
    """The whole cadence, which may be played in a loop."""
    time_s = np.arange(round(tone.on_s * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    sound = _TONE_PEAK * np.sin(2 * np.pi * tone.frequency_hz * time_s)
    ramp = np.clip(time_s / _RAMP_S, 0, 1)
    silence = np.zeros(round(tone.off_s * SAMPLE_RATE_HZ))
    period = np.concatenate([sound * ramp * ramp[::-1], silence])
    return np.tile(period, tone.count).astype(np.int16)


def encode_prompt(pcm: Pcm) -> dict[str, bytes]:
    """The audio in each codec that we offer, by payload type: RTPProxy looks for such suffixes."""
    return {str(codec.payload_type): encode_g711(pcm, codec.name) for codec in OFFERED_CODECS}


def write_prompt(directory: Path, name: str, pcm: Pcm) -> None:
    """Write `<name>.<payload type>` for each offered codec."""
    for suffix, data in encode_prompt(pcm).items():
        (directory / f"{name}.{suffix}").write_bytes(data)
