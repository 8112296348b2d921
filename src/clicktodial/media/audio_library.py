"""Audio files of the operator's own, kept in the form that the relay plays.

Each is converted once, when it is added: to one channel of 8 kHz, in every codec that we offer,
and as WAV for people to listen to. Files are written whole or not at all, and under one name.
"""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile

from clicktodial.domain.media import OFFERED_CODECS
from clicktodial.media.g711 import SAMPLE_RATE_HZ, Pcm
from clicktodial.media.prompt import BUILT_IN, encode_prompt

# Nobody waits longer before a conversation, and no ringing tone needs more to repeat.
AUDIO_SECONDS_MAX = 60
# A minute of stereo at 192 kHz in 24 bits is more than this; speech is far less.
FILE_BYTES_MAX = 20 * 1024 * 1024
AUDIOS_MAX = 200
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")
_FULL_SCALE = 32_767.0


class AudioError(Exception):
    """The audio cannot be taken; the message says why."""


@dataclass(frozen=True, slots=True)
class Audio:
    """One of the library."""

    name: str
    duration_s: float


class AudioLibrary:
    """The files below one directory. Blocks while it reads and writes."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    @property
    def directory(self) -> Path:
        """Where `<name>.<payload type>` and `<name>.wav` lie."""
        return self._directory

    def add(self, name: str, source: Path) -> Audio:
        """Convert a file (WAV, MP3, OGG, FLAC), replacing one of that name. Raises AudioError."""
        check_audio_name(name)
        if not self.has(name) and len(self.list()) >= AUDIOS_MAX:
            raise AudioError(f"there can be at most {AUDIOS_MAX} audio files")
        pcm = _read(source)
        try:
            self._directory.mkdir(parents=True, exist_ok=True)
            wav = self._directory / f"{name}.wav.part"
            soundfile.write(wav, pcm, SAMPLE_RATE_HZ, format="WAV", subtype="PCM_16")
            for suffix, data in encode_prompt(pcm).items():
                part = self._directory / f"{name}.{suffix}.part"
                part.write_bytes(data)
                part.replace(self._directory / f"{name}.{suffix}")
            wav.replace(self._directory / f"{name}.wav")
        except OSError as error:
            raise AudioError(f"it cannot be written: {error.strerror}") from error
        return Audio(name, len(pcm) / SAMPLE_RATE_HZ)

    def has(self, name: str) -> bool:
        """Whether there is one of that name."""
        return self.find(name) is not None

    def find(self, name: str) -> Audio | None:
        """The audio of that name, or None."""
        if not _NAME.fullmatch(name):
            return None
        path = self._directory / f"{name}.{OFFERED_CODECS[0].payload_type}"
        try:
            return Audio(name, path.stat().st_size / SAMPLE_RATE_HZ)
        except OSError:
            return None

    def list(self) -> list[Audio]:
        """All of them, by name."""
        found = [self.find(path.stem) for path in sorted(self._directory.glob("*.wav"))]
        return [audio for audio in found if audio is not None]

    def remove(self, name: str) -> bool:
        """Remove one; False where there is none. Raises AudioError."""
        if not self.has(name):
            return False
        try:
            for path in self._directory.glob(f"{name}.*"):
                path.unlink()
        except OSError as error:
            raise AudioError(f"it cannot be removed: {error.strerror}") from error
        return True


def check_audio_name(name: str) -> None:
    """Raises AudioError for what is no name of an audio of one's own."""
    if not _NAME.fullmatch(name):
        raise AudioError("a name is 1-32 small letters, digits and hyphens")
    if name in BUILT_IN:
        raise AudioError(f"{name} is built in")


def _read(source: Path) -> Pcm:
    """The file as one channel of 8 kHz. Raises AudioError."""
    try:
        if source.stat().st_size > FILE_BYTES_MAX:
            raise AudioError(f"a file has at most {FILE_BYTES_MAX} bytes")
        with soundfile.SoundFile(source) as file:
            rate_hz = file.samplerate
            frames_max = AUDIO_SECONDS_MAX * rate_hz
            samples = file.read(frames_max + 1, dtype="float64", always_2d=True)
    except OSError as error:
        raise AudioError(f"it cannot be read: {error.strerror}") from error
    except soundfile.SoundFileError as error:
        raise AudioError("it is no audio file that can be read: WAV, MP3, OGG or FLAC") from error
    if len(samples) > frames_max:
        raise AudioError(f"it is longer than {AUDIO_SECONDS_MAX} seconds")
    if len(samples) < rate_hz // 10:
        raise AudioError("it is shorter than a tenth of a second")
    resampled = _resample(samples.mean(axis=1), rate_hz)
    return np.asarray(np.clip(np.round(resampled * _FULL_SCALE), -32_768, 32_767), dtype=np.int16)


def _resample(samples: npt.NDArray[np.float64], rate_hz: int) -> npt.NDArray[np.float64]:
    """To 8 kHz, by its spectrum: exact below 4 kHz, and nothing of what is above folds back."""
    if rate_hz == SAMPLE_RATE_HZ:
        return samples
    count = round(len(samples) * SAMPLE_RATE_HZ / rate_hz)
    spectrum = np.fft.rfft(samples)
    kept = np.zeros(count // 2 + 1, dtype=np.complex128)
    shared = min(len(kept), len(spectrum))
    kept[:shared] = spectrum[:shared]
    return np.asarray(np.fft.irfft(kept, count) * (count / len(samples)), dtype=np.float64)
