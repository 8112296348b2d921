"""Makes a small copy of a recording, where somebody takes no file as long as the whole one."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import soundfile

# A second at 8 kHz: libsndfile encodes what it is given on its stack.
_FRAMES_PER_PIECE = 8_000
COMPACT_SUFFIX = ".ogg"


class CompactError(Exception):
    """The recording cannot be made so small, or not be read."""


class CompactUnwanted(Exception):
    """Nobody waits for it any more."""


@dataclass(frozen=True, slots=True)
class _Quality:
    """A way to encode: `level` is libsndfile's compression, None its own choice. With it a second
    took `bytes_per_s` of speech on both sides, measured, and half as much again for safety."""

    channels: int
    level: float | None
    bytes_per_s: int


# Best first. At 12 and 6 kbit/s Opus is a telephone's voice still; mixed together the sides are
# one channel.
_QUALITIES = (
    _Quality(2, None, 7_700),
    _Quality(2, 1.0, 2_250),
    _Quality(1, 1.0, 1_170),
)


def write_compact(
    source: Path, target: BinaryIO, bytes_max: int, is_wanted: Callable[[], bool]
) -> int:
    """Write the audio as OGG/Opus of at most `bytes_max`, as good as fits; returns how long it is.

    Takes a second for about two minutes of a recording; asks between them whether it still
    `is_wanted`. Raises CompactError, CompactUnwanted.
    """
    try:
        with soundfile.SoundFile(source) as sound:
            duration_s = sound.frames / sound.samplerate
            likely = [each for each in _QUALITIES if duration_s * each.bytes_per_s <= bytes_max]
            # What compresses better than speech usually does may fit all the same.
            for quality in likely or _QUALITIES[-1:]:
                if _encode(sound, target, quality, bytes_max, is_wanted):
                    return target.seek(0, 2)
    except (soundfile.SoundFileError, ValueError) as error:
        raise CompactError(str(error)) from error
    raise CompactError("too long")


def _encode(
    sound: soundfile.SoundFile,
    target: BinaryIO,
    quality: _Quality,
    bytes_max: int,
    is_wanted: Callable[[], bool],
) -> bool:
    """False where it became too long."""
    sound.seek(0)
    target.seek(0)
    target.truncate()
    level = {} if quality.level is None else {"compression_level": quality.level}
    channels = min(quality.channels, sound.channels)
    with soundfile.SoundFile(
        target, "w", sound.samplerate, channels, format="OGG", subtype="OPUS", **level
    ) as made:
        while len(piece := sound.read(_FRAMES_PER_PIECE, dtype="float32", always_2d=True)):
            if not is_wanted():
                raise CompactUnwanted
            if channels == 1:
                piece = piece.mean(axis=1, keepdims=True)
            made.write(piece)
            if target.tell() > bytes_max:
                return False
    return target.seek(0, 2) <= bytes_max
