"""The WAV writer, read back by a library."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
import soundfile

from clicktodial.recordings.wav import WAV_BYTES_MAX, WavWriter

FRAMES = np.arange(-500, 500, dtype=np.int16).reshape(500, 2)


def test_frames_written_in_blocks_are_read_back(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    with path.open("wb") as file:
        writer = WavWriter(file, sample_rate_hz=8_000, channels=2, frames=500)
        writer.write(FRAMES[:123])
        writer.write(FRAMES[123:])
        writer.finish()
    pcm, rate = soundfile.read(path, dtype="int16")
    assert rate == 8_000
    assert np.array_equal(pcm, FRAMES)
    assert soundfile.info(path).subtype == "PCM_16"
    assert writer.size_bytes == path.stat().st_size
    assert writer.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_more_frames_than_announced_are_refused(tmp_path: Path) -> None:
    with (tmp_path / "a.wav").open("wb") as file:
        writer = WavWriter(file, sample_rate_hz=8_000, channels=2, frames=499)
        with pytest.raises(ValueError, match="more"):
            writer.write(FRAMES)
        with pytest.raises(ValueError, match="less"):
            writer.finish()


def test_length_that_no_wav_file_holds_is_refused(tmp_path: Path) -> None:
    with (tmp_path / "a.wav").open("wb") as file, pytest.raises(ValueError, match="too long"):
        WavWriter(file, sample_rate_hz=8_000, channels=2, frames=WAV_BYTES_MAX // 4)
