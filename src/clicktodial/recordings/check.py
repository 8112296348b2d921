"""Whether a recording is what it says it is: audible, and with both sides in their places.

The time line is computed; this looks at its outcome with simpler means, so that a fault of the
one is not a fault of the other. A packet cannot have been spoken after it came, nor long before:
of the packets of any ten seconds, the one that the network held up least belongs where it came.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from clicktodial.recordings.capture import Integers, PacketTable
from clicktodial.recordings.timeline import SAMPLE_RATE_HZ, Placement

# -50 dBFS: a voice is louder, and what phones send for silence is not.
SPEECH_RMS_MIN = 100.0
# Shorter pauses are part of speaking.
SILENCE_WINDOW_TICKS = SAMPLE_RATE_HZ // 2
_FRAME_TICKS = SAMPLE_RATE_HZ // 50
# -72 dBFS: below what the coarsest step of G.711 around zero makes of a microphone's noise.
SILENT_PEAK = 8
# As long as the time line's own window.
WINDOW_SAMPLES = 10 * SAMPLE_RATE_HZ
# Ten times what the time line promises: beyond it two people answer before they are asked.
OFF_SAMPLES_MAX = SAMPLE_RATE_HZ // 5
# A network may stall for some windows; a channel that is out of place is so in many.
OFF_SHARE_MAX = 0.1


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong with a recording. `detail` is for the operator's log."""

    detail: str


class Meter:
    """Measures one side of a recording as it is made, block by block."""

    def __init__(self, scale: int) -> None:
        """`scale` is samples to a tick of 8 kHz."""
        self.peak = 0
        self.silence_s = 0.0
        self._frame = _FRAME_TICKS * scale
        self._window = SILENCE_WINDOW_TICKS * scale
        self._rate_hz = SAMPLE_RATE_HZ * scale

    def receive(self, block: npt.NDArray[np.int16]) -> None:
        """Blocks but the last are of whole windows."""
        samples = block.astype(np.float64)
        self.peak = max(self.peak, int(np.abs(samples).max(initial=0)))
        for begin in range(0, len(samples), self._window):
            window = samples[begin : begin + self._window]
            if not self._has_speech(window):
                self.silence_s += len(window) / self._rate_hz

    def _has_speech(self, window: npt.NDArray[np.float64]) -> bool:
        whole = len(window) // self._frame * self._frame
        power = np.mean(window[:whole].reshape(-1, self._frame) ** 2, axis=1)
        return bool((power > SPEECH_RMS_MIN**2).any())


def find_silence(peak: int) -> Finding | None:
    """`peak` is the greatest sample of both sides; packets came, or nothing would be looked at."""
    if peak > SILENT_PEAK:
        return None
    return Finding("packets came from the parties and hold nothing but silence")


def find_desynchronisation(
    side: str, packets: PacketTable, placement: Placement, start_us: int
) -> Finding | None:
    """Whether that side's audio lies where it came, in most of its windows."""
    off = _measure_offsets(packets, placement, start_us)
    if not len(off):
        return None
    share = float(np.mean(np.abs(off) > OFF_SAMPLES_MAX))
    if share <= OFF_SHARE_MAX:
        return None
    worst_ms = int(np.abs(off).max()) * 1000 // SAMPLE_RATE_HZ
    return Finding(f"the {side}'s audio is out of place by up to {worst_ms} ms")


def _measure_offsets(packets: PacketTable, placement: Placement, start_us: int) -> Integers:
    """By how many samples each window's least late packet is off its arrival."""
    if not len(placement.row):
        return np.zeros(0, dtype=np.int64)
    arrival = (packets.spoken_us[placement.row] - start_us) * (SAMPLE_RATE_HZ // 1000) // 1000
    lateness = arrival - placement.position
    window = arrival // WINDOW_SAMPLES
    order = np.lexsort((lateness, window))
    first = np.flatnonzero(np.diff(window[order], prepend=window[order][0] - 1))
    return lateness[order][first]
