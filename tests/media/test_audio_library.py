"""Audio of the operator's own: what is taken, and what becomes of it."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from clicktodial.audio.g722 import G722Decoder
from clicktodial.media.audio_library import (
    AUDIO_SECONDS_MAX,
    AUDIOS_MAX,
    FILE_BYTES_MAX,
    AudioError,
    AudioLibrary,
)
from clicktodial.media.g711 import decode_g711


def write_tone(
    path: Path, rate_hz: int = 8_000, *, seconds: float = 1.0, hz: float = 700.0, channels: int = 1
) -> Path:
    time_s = np.arange(round(seconds * rate_hz)) / rate_hz
    tone = 0.4 * np.sin(2 * np.pi * hz * time_s)
    soundfile.write(path, np.column_stack([tone] * channels), rate_hz)
    return path


def strongest_hz(pcm: np.ndarray) -> float:
    return float(np.argmax(np.abs(np.fft.rfft(pcm.astype(float)))) * 8_000 / len(pcm))


@pytest.mark.parametrize("suffix", ["wav", "mp3", "ogg", "flac"])
@pytest.mark.parametrize(("rate_hz", "channels"), [(8_000, 1), (16_000, 2), (48_000, 1)])
def test_file_of_any_kind_sounds_as_it_did(
    tmp_path: Path, suffix: str, rate_hz: int, channels: int
) -> None:
    library = AudioLibrary(tmp_path / "audio")
    source = write_tone(tmp_path / f"tone.{suffix}", rate_hz, channels=channels)
    audio = library.add("notice", source)
    assert abs(audio.duration_s - 1.0) < 0.15  # encoders pad
    assert library.find("notice") == audio
    for payload_type, codec in (("8", "PCMA"), ("0", "PCMU")):
        pcm = decode_g711((tmp_path / f"audio/notice.{payload_type}").read_bytes(), codec)
        assert len(pcm) == round(audio.duration_s * 8_000)
        assert abs(strongest_hz(pcm) - 700) < 3
        middle = pcm[2_000:6_000].astype(float)
        level = np.sqrt(np.mean(middle**2)) / 32_768
        assert abs(20 * np.log10(level / (0.4 / np.sqrt(2)))) < 0.5  # dB


def test_what_is_above_four_kilohertz_does_not_fold_back(tmp_path: Path) -> None:
    source = write_tone(tmp_path / "high.wav", 44_100, hz=5_500)
    AudioLibrary(tmp_path / "audio").add("high", source)
    pcm, _ = soundfile.read(tmp_path / "audio/high.wav")
    assert np.max(np.abs(pcm)) < 0.01


def test_loud_audio_is_clipped_rather_than_wrapped(tmp_path: Path) -> None:
    loud = np.sign(np.sin(np.arange(16_000) * 0.05)).astype(np.float32) * 3
    soundfile.write(tmp_path / "loud.wav", loud, 16_000, subtype="FLOAT")
    AudioLibrary(tmp_path / "audio").add("loud", tmp_path / "loud.wav")
    pcm, _ = soundfile.read(tmp_path / "audio/loud.wav")
    assert np.corrcoef(np.sign(pcm[100:7_900]), np.sign(loud[200:15_800:2]))[0, 1] > 0.9


@pytest.mark.parametrize(
    ("name", "told"),
    [("", "name"), ("Notice", "name"), ("../x", "name"), ("a" * 33, "name"), ("ringback", "built")],
)
def test_name_that_is_none_is_refused(tmp_path: Path, name: str, told: str) -> None:
    library = AudioLibrary(tmp_path / "audio")
    with pytest.raises(AudioError, match=told):
        library.add(name, write_tone(tmp_path / "tone.wav"))
    assert library.list() == []


def test_file_that_is_too_long_too_short_or_no_audio_is_refused(tmp_path: Path) -> None:
    library = AudioLibrary(tmp_path / "audio")
    (tmp_path / "text.wav").write_text("not audio")
    big = tmp_path / "big.wav"
    with big.open("wb") as file:
        file.truncate(FILE_BYTES_MAX + 1)
    empty = tmp_path / "empty.wav"
    # So slow that a tenth of a second is less than a sample.
    soundfile.write(empty, np.zeros(0), 5)
    for path, told in (
        (write_tone(tmp_path / "long.wav", seconds=AUDIO_SECONDS_MAX + 0.1), "longer"),
        (write_tone(tmp_path / "short.wav", seconds=0.05), "shorter"),
        (empty, "shorter"),
        (tmp_path / "text.wav", "no audio file"),
        (tmp_path / "missing.wav", "read"),
        (big, "bytes"),
    ):
        with pytest.raises(AudioError, match=told):
            library.add("notice", path)
    assert library.list() == []


def test_replaced_and_removed_audio(tmp_path: Path) -> None:
    library = AudioLibrary(tmp_path / "audio")
    library.add("b", write_tone(tmp_path / "one.wav"))
    library.add("a", write_tone(tmp_path / "one.wav"))
    library.add("b", write_tone(tmp_path / "two.wav", seconds=2.0))
    assert [(each.name, each.duration_s) for each in library.list()] == [("a", 1.0), ("b", 2.0)]
    assert library.remove("b")
    assert not library.remove("b")
    assert not library.has("b")
    left = sorted(path.name for path in (tmp_path / "audio").iterdir())
    assert left == ["a.0", "a.8", "a.9", "a.wav"]


def test_audio_added_before_a_codec_could_be_played_is_completed(tmp_path: Path) -> None:
    library = AudioLibrary(tmp_path / "audio")
    library.add("notice", write_tone(tmp_path / "tone.wav"))
    library.add("broken", write_tone(tmp_path / "tone.wav"))
    for name in ("notice", "broken"):
        (tmp_path / f"audio/{name}.9").unlink()
    (tmp_path / "audio/broken.wav").write_bytes(b"no audio")
    assert list(library.complete()) == ["broken"]
    coded = (tmp_path / "audio/notice.9").read_bytes()
    assert len(coded) == 8_000
    assert strongest_hz(G722Decoder(8_000).decode([coded])) == 700
    assert library.complete().keys() == {"broken"}


def test_wideband_audio_is_wideband_in_g722(tmp_path: Path) -> None:
    time_s = np.arange(16_000) / 16_000
    source = tmp_path / "wide.wav"
    soundfile.write(source, 0.3 * np.sin(2 * np.pi * 5_000 * time_s), 16_000)
    AudioLibrary(tmp_path / "audio").add("wide", source)
    pcm = G722Decoder(16_000).decode([(tmp_path / "audio/wide.9").read_bytes()])
    assert 2 * strongest_hz(pcm) == 5_000


def test_library_does_not_grow_without_end(tmp_path: Path) -> None:
    library = AudioLibrary(tmp_path / "audio")
    (tmp_path / "audio").mkdir()
    for number in range(AUDIOS_MAX):
        for suffix in ("wav", "8", "0"):
            (tmp_path / f"audio/n{number}.{suffix}").write_bytes(b"x")
    with pytest.raises(AudioError, match="at most"):
        library.add("one-more", write_tone(tmp_path / "tone.wav"))
    library.add("n7", write_tone(tmp_path / "tone.wav"))
