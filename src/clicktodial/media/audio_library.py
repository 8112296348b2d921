"""Audio files of the operator's own, kept in the form that the relay plays.

Each is converted once, when it is added: to one channel, in every codec that can be played, and as
WAV for people to listen to. Files are written whole or not at all, and under one name.
"""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile

from clicktodial.audio.g722 import WIDEBAND_HZ
from clicktodial.domain.wording import worded
from clicktodial.media.g711 import SAMPLE_RATE_HZ, Pcm
from clicktodial.media.prompt import BUILT_IN, PLAYABLE_CODECS, encode_prompt

# Nobody waits longer before a conversation, and no ringing tone needs more to repeat.
AUDIO_SECONDS_MAX = 60
# A minute of stereo at 192 kHz in 24 bits is more than this; speech is far less.
FILE_BYTES_MAX = 20 * 1024 * 1024
AUDIOS_MAX = 200
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")
_FULL_SCALE = 32_767.0
_SUFFIXES = tuple(str(codec.payload_type) for codec in PLAYABLE_CODECS)

Floats = npt.NDArray[np.float64]


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
            raise AudioError(worded("there can be at most %(most)s audio files", most=AUDIOS_MAX))
        samples, rate_hz = _read(source)
        pcm = _quantize(_resample(samples, rate_hz, SAMPLE_RATE_HZ))
        wideband = _quantize(_resample(samples, rate_hz, WIDEBAND_HZ))
        try:
            self._directory.mkdir(parents=True, exist_ok=True)
            wav = self._directory / f"{name}.wav.part"
            soundfile.write(wav, pcm, SAMPLE_RATE_HZ, format="WAV", subtype="PCM_16")
            self._write(name, encode_prompt(pcm, wideband))
            wav.replace(self._directory / f"{name}.wav")
        except OSError as error:
            raise AudioError(
                worded("it cannot be written: %(strerror)s", strerror=error.strerror)
            ) from error
        return Audio(name, len(pcm) / SAMPLE_RATE_HZ)

    def complete(self) -> dict[str, AudioError]:
        """Make what is missing of audio that was added when fewer codecs could be played; what
        went wrong, by name."""
        faults = {}
        for audio in self.list():
            paths = [self._directory / f"{audio.name}.{each}" for each in _SUFFIXES]
            if all(path.exists() for path in paths):
                continue
            try:
                pcm, _ = soundfile.read(self._directory / f"{audio.name}.wav", dtype="int16")
                self._write(audio.name, encode_prompt(pcm))
            except (OSError, soundfile.SoundFileError) as error:
                faults[audio.name] = AudioError(
                    worded("it cannot be converted: %(error)s", error=error)
                )
        return faults

    def has(self, name: str) -> bool:
        """Whether there is one of that name."""
        return self.find(name) is not None

    def find(self, name: str) -> Audio | None:
        """The audio of that name, or None."""
        if not _NAME.fullmatch(name):
            return None
        path = self._directory / f"{name}.{_SUFFIXES[0]}"
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
            raise AudioError(
                worded("it cannot be removed: %(strerror)s", strerror=error.strerror)
            ) from error
        return True

    def _write(self, name: str, coded: dict[str, bytes]) -> None:
        for suffix, data in coded.items():
            part = self._directory / f"{name}.{suffix}.part"
            part.write_bytes(data)
            part.replace(self._directory / f"{name}.{suffix}")


def check_audio_name(name: str) -> None:
    """Raises AudioError for what is no name of an audio of one's own."""
    if not _NAME.fullmatch(name):
        raise AudioError("a name is 1-32 small letters, digits and hyphens")
    if name in BUILT_IN:
        raise AudioError(worded("%(name)s is built in", name=name))


def _read(source: Path) -> tuple[Floats, int]:
    """The file as one channel, and its rate. Raises AudioError."""
    try:
        if source.stat().st_size > FILE_BYTES_MAX:
            raise AudioError(worded("a file has at most %(most)s bytes", most=FILE_BYTES_MAX))
        with soundfile.SoundFile(source) as file:
            rate_hz: int = file.samplerate
            frames_max = AUDIO_SECONDS_MAX * rate_hz
            samples = file.read(frames_max + 1, dtype="float64", always_2d=True)
    except OSError as error:
        raise AudioError(
            worded("it cannot be read: %(strerror)s", strerror=error.strerror)
        ) from error
    except soundfile.SoundFileError as error:
        raise AudioError("it is no audio file that can be read: WAV, MP3, OGG or FLAC") from error
    if len(samples) > frames_max:
        raise AudioError(worded("it is longer than %(most)s seconds", most=AUDIO_SECONDS_MAX))
    if 10 * len(samples) < rate_hz:
        raise AudioError("it is shorter than a tenth of a second")
    return samples.mean(axis=1), rate_hz


def _quantize(samples: Floats) -> Pcm:
    return np.asarray(np.clip(np.round(samples * _FULL_SCALE), -32_768, 32_767), dtype=np.int16)


def _resample(samples: Floats, rate_hz: int, wanted_hz: int) -> Floats:
    """By its spectrum: exact below half the rate, and nothing of what is above folds back."""
    if rate_hz == wanted_hz:
        return samples
    count = round(len(samples) * wanted_hz / rate_hz)
    spectrum = np.fft.rfft(samples)
    kept = np.zeros(count // 2 + 1, dtype=np.complex128)
    shared = min(len(kept), len(spectrum))
    kept[:shared] = spectrum[:shared]
    return np.asarray(np.fft.irfft(kept, count) * (count / len(samples)), dtype=np.float64)
