"""What the relay plays: tones, made at start-up as raw files in every codec that it can play."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from clicktodial.audio.g722 import encode_g722
from clicktodial.audio.resample import double_rate
from clicktodial.domain.media import G722, PCMA, PCMU
from clicktodial.media.g711 import SAMPLE_RATE_HZ, Pcm, encode_g711

# RTPProxy plays what has a payload type of its own (RFC 3551 table 4).
PLAYABLE_CODECS = (PCMA, PCMU, G722)
# Loud enough to be noticed, 16 dB below full scale so that it does not startle.
_TONE_PEAK = 5_000
# Of the tone that tells who waits that the other is still there: 14 dB quieter.
_QUIET_PEAK = 1_000
# A tone that starts or stops at full swing clicks.
_RAMP_S = 0.01


@dataclass(frozen=True, slots=True)
class Tone:
    """A cadence: frequencies that sound one after the other, each `on_s`, and then silence, in
    seconds, so many times."""

    frequencies_hz: tuple[int, ...]
    on_s: float
    off_s: float
    count: int = 1
    peak: int = _TONE_PEAK

    @property
    def duration_s(self) -> float:
        return self.count * (len(self.frequencies_hz) * self.on_s + self.off_s)


# The ringing tone of the specification's country (ITU-T E.180, supplement 2: China).
RINGBACK = Tone((450,), on_s=1.0, off_s=4.0)
# Two short beeps, as coin telephones gave them: heard over speech, and over before a word is lost.
WARNING = Tone((1400,), on_s=0.15, off_s=0.15, count=2)
# Rising, as a question does. What a phone echoes of it is no beep of a machine: each is short.
PRESENCE = Tone((660, 880, 1100), on_s=0.12, off_s=1.64)
HOLD = Tone((440,), on_s=0.25, off_s=4.75, peak=_QUIET_PEAK)
# In place of whoever is muted; no name of a prompt, and no audio of one's own can have it.
HUSH = Tone((0,), on_s=1.0, off_s=0.0, peak=0)
HUSH_NAME = "_hush"
BUILT_IN = {"ringback": RINGBACK, "warning": WARNING, "presence": PRESENCE, "hold": HOLD}


def create_tone(tone: Tone) -> Pcm:
    """The whole cadence, which may be played in a loop."""
    time_s = np.arange(round(tone.on_s * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    ramp = np.clip(time_s / _RAMP_S, 0, 1)
    envelope = tone.peak * ramp * ramp[::-1]
    sounds = [envelope * np.sin(2 * np.pi * hz * time_s) for hz in tone.frequencies_hz]
    silence = np.zeros(round(tone.off_s * SAMPLE_RATE_HZ))
    period = np.concatenate([*sounds, silence])
    return np.tile(period, tone.count).astype(np.int16)


def encode_prompt(pcm: Pcm, wideband: Pcm | None = None) -> dict[str, bytes]:
    """The audio in each codec that can be played, by payload type: RTPProxy looks for such
    suffixes. `wideband` is the same at 16 kHz, where it is known to be more."""
    doubled = double_rate(pcm) if wideband is None else wideband
    coded = {codec: encode_g711(pcm, codec.name) for codec in (PCMA, PCMU)}
    coded[G722] = encode_g722(doubled)
    return {str(codec.payload_type): data for codec, data in coded.items()}


def write_prompt(directory: Path, name: str, pcm: Pcm) -> None:
    """Write `<name>.<payload type>` for each codec that can be played."""
    for suffix, data in encode_prompt(pcm).items():
        (directory / f"{name}.{suffix}").write_bytes(data)
