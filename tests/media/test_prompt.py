"""Tones and their files."""

from pathlib import Path

import numpy as np
import pytest

from clicktodial.audio.g722 import G722Decoder
from clicktodial.domain.plan import HOLD_PROMPT, PRESENCE_PROMPT, RINGBACK_PROMPT, WARNING_PROMPT
from clicktodial.media.g711 import SAMPLE_RATE_HZ, decode_g711, encode_g711
from clicktodial.media.prompt import (
    BUILT_IN,
    HOLD,
    HUSH,
    PRESENCE,
    RINGBACK,
    create_tone,
    encode_prompt,
    write_prompt,
)


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


def test_prompt_file_of_g722_holds_the_tone(tmp_path: Path) -> None:
    write_prompt(tmp_path, "tone", create_tone(RINGBACK))
    coded = (tmp_path / "tone.9").read_bytes()
    assert len(coded) == 5 * SAMPLE_RATE_HZ
    heard = G722Decoder(16_000).decode([coded])[: 2 * SAMPLE_RATE_HZ]
    assert np.argmax(np.abs(np.fft.rfft(heard))) == 450


def test_presence_is_three_rising_tones_and_a_pause() -> None:
    pcm = create_tone(PRESENCE)
    assert len(pcm) == round(PRESENCE.duration_s * SAMPLE_RATE_HZ) == 2 * SAMPLE_RATE_HZ
    size = round(PRESENCE.on_s * SAMPLE_RATE_HZ)
    tones = [
        float(np.argmax(np.abs(np.fft.rfft(pcm[n * size : (n + 1) * size])))) / PRESENCE.on_s
        for n in range(3)
    ]
    assert tones == pytest.approx([660, 880, 1_100], abs=9)
    assert not pcm[3 * size :].any()


def test_hold_is_quiet_and_seldom() -> None:
    pcm = create_tone(HOLD)
    assert 0 < np.abs(pcm).max() <= 1_000 < np.abs(create_tone(RINGBACK)).max()
    assert np.count_nonzero(np.abs(pcm) > 10) < len(pcm) / 10


def test_hush_is_silence_in_every_codec() -> None:
    pcm = create_tone(HUSH)
    assert len(pcm) == SAMPLE_RATE_HZ and not pcm.any()
    coded = encode_prompt(pcm)
    assert set(coded) == {"0", "8", "9"}
    assert np.abs(decode_g711(coded["8"], "PCMA")).max() <= 8
    assert np.abs(G722Decoder(16_000).decode([coded["9"]])).max() <= 16


def test_every_built_in_prompt_of_the_plan_is_there() -> None:
    for prompt in (RINGBACK_PROMPT, WARNING_PROMPT, PRESENCE_PROMPT, HOLD_PROMPT):
        assert prompt.audio in BUILT_IN


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
