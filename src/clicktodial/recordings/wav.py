"""Writes WAV files, block by block, with a digest of what was written."""

import hashlib
import struct
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

_HEADER = struct.Struct("<4sI4s4sIHHIIHH4sI")
_PCM = 1
_FORMAT_BYTES = 16
_SAMPLE_BYTES = 2
# What RIFF counts in 32 bits; a day of stereo at 8 kHz is 2.8 GB, at 16 kHz it is more.
WAV_BYTES_MAX = 2**32 - 1


def wav_bytes(frames: int, channels: int) -> int:
    """How long the file of so many frames is."""
    return _HEADER.size + frames * channels * _SAMPLE_BYTES


class WavWriter:
    """PCM of 16 bits. How many frames will come must be known first, so that no byte of the
    file is written twice and the digest is that of the file."""

    def __init__(self, file: BinaryIO, *, sample_rate_hz: int, channels: int, frames: int) -> None:
        """Write the header. Raises ValueError for more than a WAV file holds."""
        frame_bytes = channels * _SAMPLE_BYTES
        data_bytes = frames * frame_bytes
        if wav_bytes(frames, channels) > WAV_BYTES_MAX:
            raise ValueError("too long for a WAV file")
        self._file = file
        self._digest = hashlib.sha256()
        self._channels = channels
        self._frames_due = frames
        self.size_bytes = 0
        header = _HEADER.pack(
            *(b"RIFF", data_bytes + _HEADER.size - 8, b"WAVE", b"fmt ", _FORMAT_BYTES, _PCM),
            *(channels, sample_rate_hz, sample_rate_hz * frame_bytes, frame_bytes),
            *(_SAMPLE_BYTES * 8, b"data", data_bytes),
        )
        self._write(header)

    @property
    def sha256(self) -> str:
        """Hexadecimal, of everything that was written."""
        return self._digest.hexdigest()

    def write(self, block: npt.NDArray[np.int16]) -> None:
        """Append frames, shape (frames, channels). Raises ValueError for more than announced."""
        frames, channels = block.shape
        if channels != self._channels or frames > self._frames_due:
            raise ValueError("more than was announced")
        self._frames_due -= frames
        self._write(block.astype("<i2", copy=False).tobytes())

    def finish(self) -> None:
        """Raises ValueError where fewer frames came than were announced."""
        if self._frames_due:
            raise ValueError("less than was announced")

    def _write(self, data: bytes) -> None:
        self._file.write(data)
        self._digest.update(data)
        self.size_bytes += len(data)
