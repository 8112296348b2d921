"""Tones and their files."""

from pathlib import Path

import numpy as np
import pytest

from clicktodial.media.g711 import SAMPLE_RATE_HZ, decode_g711, encode_g711
from clicktodial.media.prompt import RINGBACK, create_tone, write_prompt


def test_ringback_is_450_hz_for_one_second_of_five() -> None:
    pcm = create_tone(RINGBACK)
    assert len(pcm) == 5 * SAMPLE_RATE_HZ
    sound, silence = pcm[:SAMPLE_RATE_HZ], pcm[SAMPLE_RATE_HZ:]
    assert np.argmax(np.abs(np.fft.rfft(sound))) == 450
    assert not silence.any()
    # No click where it starts, stops and starts again.
    assert np.abs(np.diff(np.concatenate([pcm, pcm]).astype(int))).max() < 2_000
    assert abs(int(sound[0])) < 10 and abs(int(sound[-1])) < 10


@pytest.mark.parametrize(("suffix", "codec"), [("8", "PCMA"), ("0", "PCMU")])
def test_prompt_files_hold_the_tone_in_each_codec(tmp_path: Path, suffix: str, codec: str) -> None:
    pcm = create_tone(RINGBACK)
    write_prompt(tmp_path, "tone", pcm)
    heard = decode_g711((tmp_path / f"tone.{suffix}").read_bytes(), codec)
    assert len(heard) == len(pcm)
    assert np.abs(heard.astype(int) - pcm).max() < 300


@pytest.mark.parametrize("codec", ["PCMA", "PCMU"])
def test_g711_of_any_byte_round_trips(codec: str) -> None:
    pcm = decode_g711(bytes(range(256)), codec)
    assert np.array_equal(decode_g711(encode_g711(pcm, codec), codec), pcm)


def test_g711_values_are_those_of_the_recommendation() -> None:
    assert decode_g711(b"\xd5\x55\xaa\x2a", "PCMA").tolist() == [8, -8, 32_256, -32_256]
    assert decode_g711(b"\xff\x00\x80", "PCMU").tolist() == [0, -32_124, 32_124]


def test_codec_of_another_name_is_refused() -> None:
    with pytest.raises(KeyError):
        encode_g711(np.zeros(1, dtype=np.int16), "G729")
