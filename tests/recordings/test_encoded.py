"""Compressed recordings: as loud, as long and in the same places as the exact one."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
import soundfile
from tests.recordings.synthetic import RATE_HZ, START_US, Packet, Times, write_capture

from clicktodial.media.g711 import encode_g711
from clicktodial.recordings.encoded import EncodedWriter
from clicktodial.recordings.render import Rendered, RenderJob, render_recording

SIZE = 160
SECONDS = 20
LOUDNESS_DB_MAX = 0.1
# Between the channels nothing moves; both move by what a codec looks ahead.
SHIFT_MS_MAX = 5.0


def speak(seed: int, level: float) -> Times:
    """Noise in bursts, in the band of a telephone, like syllables."""
    random = np.random.default_rng(seed)
    count = SECONDS * RATE_HZ
    spectrum = np.fft.rfft(random.standard_normal(count))
    frequency = np.fft.rfftfreq(count, 1 / RATE_HZ)
    spectrum[(frequency < 300) | (frequency > 3000)] = 0
    syllables = np.repeat(random.random(count // 1600) > 0.4, 1600)
    noise = np.fft.irfft(spectrum) * syllables
    return np.asarray(level * noise / np.abs(noise).max())


def packets_of(speech: Times, ssrc: int) -> list[Packet]:
    coded = encode_g711((speech * 32767).astype(np.int16), "PCMA")
    return [
        Packet(
            START_US + (index + 1) * 20_000, index, index * SIZE, coded[at : at + SIZE], ssrc=ssrc
        )
        for index, at in enumerate(range(0, len(coded), SIZE))
    ]


def render(directory: Path, suffix: str) -> tuple[Rendered, Times]:
    target = directory / f"recording{suffix}"
    job = RenderJob(
        write_capture(directory / "caller.rtp", packets_of(speak(1, 0.5), 1)),
        write_capture(directory / "callee.rtp", packets_of(speak(2, 0.1), 2)),
        START_US / 1e6,
        str(target),
    )
    rendered = render_recording(job)
    samples, rate = soundfile.read(target)
    assert rate == RATE_HZ
    return rendered, np.asarray(samples)


def shift_samples(one: Times, other: Times) -> int:
    """How much later the other is, by their correlation."""
    size = 2 * len(one)
    product = np.fft.rfft(other, size) * np.conj(np.fft.rfft(one, size))
    lag = int(np.argmax(np.fft.irfft(product)))
    return lag if lag < len(one) else lag - size


@pytest.mark.parametrize("suffix", [".ogg", ".mp3"])
def test_compressed_recording_is_as_loud_and_in_place_and_much_smaller(
    tmp_path: Path, suffix: str
) -> None:
    exact, wav = render(tmp_path, ".wav")
    rendered, samples = render(tmp_path, suffix)
    assert rendered.duration_ms == exact.duration_ms
    assert not rendered.findings
    assert abs(len(samples) - len(wav)) <= RATE_HZ // 100
    for channel in (0, 1):
        loudness_db = 20 * np.log10(samples[:, channel].std() / wav[:, channel].std())
        assert abs(loudness_db) < LOUDNESS_DB_MAX
        count = min(len(samples), len(wav))
        shift = shift_samples(wav[:count, channel], samples[:count, channel])
        assert abs(shift) * 1000 / RATE_HZ < SHIFT_MS_MAX
    assert rendered.size_bytes < exact.size_bytes / 3


@pytest.mark.parametrize("suffix", [".ogg", ".mp3"])
def test_what_is_told_of_a_compressed_file_is_true(tmp_path: Path, suffix: str) -> None:
    rendered, _ = render(tmp_path, suffix)
    content = (tmp_path / f"recording{suffix}").read_bytes()
    assert rendered.size_bytes == len(content)
    assert rendered.sha256 == hashlib.sha256(content).hexdigest()


def test_other_than_the_announced_number_of_frames_is_refused(tmp_path: Path) -> None:
    with (tmp_path / "some.ogg").open("w+b") as file:
        writer = EncodedWriter(file, suffix=".ogg", sample_rate_hz=8000, channels=2, frames=10)
        with pytest.raises(ValueError, match="more"):
            writer.write(np.zeros((11, 2), np.int16))
        with pytest.raises(ValueError, match="less"):
            writer.finish()
