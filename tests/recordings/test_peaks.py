"""How loud a recording is over its length."""

import io

import numpy as np
import pytest
import soundfile

from clicktodial.recordings import peaks
from clicktodial.recordings.encoded import EncodedWriter
from clicktodial.recordings.peaks import PeaksUnreadable, read_peaks
from clicktodial.recordings.wav import WavWriter

RATE_HZ = 8_000


def audio(suffix: str) -> io.BytesIO:
    """Two seconds: the left loud in the first of them, the right half as loud in the second."""
    time = np.arange(2 * RATE_HZ) / RATE_HZ
    tone = np.sin(2 * np.pi * 300 * time)
    sides = np.stack([tone * (time < 1) * 0.8, tone * (time >= 1) * 0.4], axis=1)
    frames = (sides * 32_767).astype(np.int16)
    file, count = io.BytesIO(), len(frames)
    if suffix == ".wav":
        wav = WavWriter(file, sample_rate_hz=RATE_HZ, channels=2, frames=count)
        wav.write(frames)
        wav.finish()
    else:
        encoded = EncodedWriter(
            file, suffix=suffix, sample_rate_hz=RATE_HZ, channels=2, frames=count
        )
        encoded.write(frames)
        encoded.finish()
    file.seek(0)
    return file


@pytest.mark.parametrize("suffix", [".wav", ".ogg", ".mp3"])
def test_each_channel_is_as_loud_as_it_is(suffix: str) -> None:
    left, right = read_peaks(audio(suffix), 20)
    assert (len(left), len(right)) == (20, 20)
    assert left[3:7] == pytest.approx([0.8] * 4, abs=0.2)
    assert right[13:17] == pytest.approx([0.4] * 4, abs=0.1)
    assert max(left[13:17]) < 0.1 and max(right[3:7]) < 0.1


def test_of_a_long_recording_parts_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peaks, "FRAMES_PER_BUCKET_MAX", 100)
    left, right = read_peaks(audio(".wav"), 4)
    assert left == pytest.approx([0.8, 0.8, 0, 0], abs=0.02)
    assert right == pytest.approx([0, 0, 0.4, 0.4], abs=0.02)


def test_short_recording_has_as_many_peaks_as_frames() -> None:
    file = io.BytesIO()
    soundfile.write(file, np.array([[0.5, 0.0], [0.0, 0.25]]), RATE_HZ, format="WAV")
    file.seek(0)
    assert read_peaks(file, 1_000) == [[0.5, 0.0], [0.0, 0.25]]
    empty = io.BytesIO()
    soundfile.write(empty, np.zeros((0, 2)), RATE_HZ, format="WAV")
    empty.seek(0)
    assert read_peaks(empty, 10) == [[0.0], [0.0]]


def test_what_is_no_audio_is_refused() -> None:
    with pytest.raises(PeaksUnreadable):
        read_peaks(io.BytesIO(b"not audio" * 100), 10)
