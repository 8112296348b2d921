"""The ear of the tests: what it takes for a tone."""

import numpy as np
import pytest
from tests.harness.tone import SAMPLE_RATE, create_tone, decode_alaw, dominant_frequency_hz


@pytest.mark.parametrize("frequency_hz", [350, 440, 1000, 3000])
def test_tone_over_alaw_is_heard_as_itself(frequency_hz: int) -> None:
    samples = decode_alaw(create_tone(frequency_hz, 0.5))
    assert len(samples) == SAMPLE_RATE // 2
    assert dominant_frequency_hz(samples) == pytest.approx(frequency_hz, abs=4)


def test_louder_of_two_tones_is_the_dominant_one() -> None:
    mixed = decode_alaw(create_tone(440, 0.5)) + 0.5 * decode_alaw(create_tone(1000, 0.5))
    assert dominant_frequency_hz(mixed) == pytest.approx(440, abs=4)


def test_silence_has_no_frequency() -> None:
    assert dominant_frequency_hz(np.zeros(800)) == 0.0
    assert dominant_frequency_hz(decode_alaw(b"\xd5" * 800)) == 0.0
