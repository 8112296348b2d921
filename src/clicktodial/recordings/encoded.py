"""Writes compressed audio, OGG/Opus and MP3, through libsndfile."""

import hashlib
from typing import BinaryIO

import numpy as np
import numpy.typing as npt
import soundfile

# libsndfile encodes what it is given on its stack: a second at a time is safe and no slower.
_FRAMES_PER_WRITE = 8_000
_FULL_SCALE = 32_768.0
_READ_BYTES = 1 << 20
_CODECS = {".ogg": ("OGG", "OPUS"), ".mp3": ("MP3", "MPEG_LAYER_III")}
ENCODED_SUFFIXES = frozenset(_CODECS)


class EncodedWriter:
    """The same methods as WavWriter. `file` must be readable too: its digest is taken of what
    the encoder made, headers that it went back to included."""

    def __init__(
        self, file: BinaryIO, *, suffix: str, sample_rate_hz: int, channels: int, frames: int
    ) -> None:
        """`suffix` is one of ENCODED_SUFFIXES."""
        container, codec = _CODECS[suffix]
        self._file = file
        self._frames_due = frames
        self._sound = soundfile.SoundFile(
            file, "w", sample_rate_hz, channels, format=container, subtype=codec
        )
        self.size_bytes = 0
        self.sha256 = ""

    def write(self, block: npt.NDArray[np.int16]) -> None:
        """Append frames, shape (frames, channels). Raises ValueError for more than announced."""
        if len(block) > self._frames_due:
            raise ValueError("more than was announced")
        self._frames_due -= len(block)
        for begin in range(0, len(block), _FRAMES_PER_WRITE):
            # As floats: given integers, libsndfile's MP3 encoder loses 3 dB at 8 kHz.
            part = block[begin : begin + _FRAMES_PER_WRITE].astype(np.float32) / _FULL_SCALE
            self._sound.write(part)

    def finish(self) -> None:
        """Raises ValueError where fewer frames came than were announced."""
        self._sound.close()
        if self._frames_due:
            raise ValueError("less than was announced")
        digest = hashlib.sha256()
        self._file.seek(0)
        while piece := self._file.read(_READ_BYTES):
            digest.update(piece)
            self.size_bytes += len(piece)
        self.sha256 = digest.hexdigest()
