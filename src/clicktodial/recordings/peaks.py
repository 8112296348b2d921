"""How loud a recording is over its length, for a picture of it."""

from collections.abc import Sequence
from typing import BinaryIO

import numpy as np
import numpy.typing as npt
import soundfile

# More than a picture of a recording has columns.
BUCKETS_MAX = 1_000
# Of a long recording only so much of each part is looked at, so that a picture of four hours costs
# what one of four minutes does: some twenty milliseconds.
FRAMES_PER_BUCKET_MAX = 4_000
_MP3_FRAMES = 1 << 16


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
    count = max(1, min(buckets, sound.frames))
    read = _read_all if sound.format == "MP3" else _read_parts
    return [channel.round(3).tolist() for channel in np.minimum(read(sound, count), 1.0).T]


def _read_parts(sound: soundfile.SoundFile, count: int) -> npt.NDArray[np.float64]:
    step = sound.frames / count
    peaks = np.zeros((count, sound.channels))
    for number in range(count):
        begin, end = round(number * step), round((number + 1) * step)
        if end - begin > FRAMES_PER_BUCKET_MAX:
            sound.seek(begin)
        block = sound.read(min(end - begin, FRAMES_PER_BUCKET_MAX), "float32", always_2d=True)
        if len(block):
            peaks[number] = np.abs(block).max(axis=0)
    return peaks


def _read_all(sound: soundfile.SoundFile, count: int) -> npt.NDArray[np.float64]:
    """MP3 is read in order and in large pieces: in small ones libsndfile decodes it wrongly. Four
    hours take a second and a half."""
    peaks = np.zeros((count, sound.channels))
    frames, done = sound.frames, 0
    while len(block := sound.read(_MP3_FRAMES, "float32", always_2d=True)):
        places = (np.arange(done, done + len(block)) * count) // frames
        np.maximum.at(peaks, np.minimum(places, count - 1), np.abs(block))
        done += len(block)
    return peaks
