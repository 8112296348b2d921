"""How loud a recording is over its length, for a picture of it."""

from collections.abc import Sequence
from typing import BinaryIO

import numpy as np
import soundfile

BUCKETS_MAX = 1_000
# Of a long recording only so much of each part is looked at, so that a picture of four hours costs
# what one of four minutes does: some twenty milliseconds.
FRAMES_PER_BUCKET_MAX = 4_000


class PeaksUnreadable(Exception):
    """The file is no audio that can be read."""


def read_peaks(file: BinaryIO, buckets: int) -> list[Sequence[float]]:
    """For each channel, so many peaks (0-1) over its length, fewer where it is shorter than that.
    Raises PeaksUnreadable."""
    try:
        with soundfile.SoundFile(file) as sound:
            return _read(sound, min(buckets, BUCKETS_MAX))
    except soundfile.LibsndfileError as error:
        raise PeaksUnreadable(str(error)) from error


def _read(sound: soundfile.SoundFile, buckets: int) -> list[Sequence[float]]:
    frames = sound.frames
    count = max(1, min(buckets, frames))
    step = frames / count
    peaks = np.zeros((count, sound.channels))
    for number in range(count):
        begin, end = round(number * step), round((number + 1) * step)
        if end - begin > FRAMES_PER_BUCKET_MAX:
            sound.seek(begin)
        block = sound.read(min(end - begin, FRAMES_PER_BUCKET_MAX), dtype="float32", always_2d=True)
        if len(block):
            peaks[number] = np.abs(block).max(axis=0)
    return [channel.round(3).tolist() for channel in np.minimum(peaks, 1.0).T]
