"""G.722 and the doubling of the rate."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clicktodial.audio.g722 import G722Decoder, encode_g722
from clicktodial.audio.resample import double_rate


def tone(frequency_hz: int, rate_hz: int) -> np.ndarray[tuple[int], np.dtype[np.int16]]:
    time_s = np.arange(rate_hz) / rate_hz
    return (8_000 * np.sin(2 * np.pi * frequency_hz * time_s)).astype(np.int16)


def strongest_hz(pcm: np.ndarray[tuple[int], np.dtype[np.int16]]) -> int:
    return int(np.argmax(np.abs(np.fft.rfft(pcm))))


@pytest.mark.parametrize("frequency_hz", [300, 3_000, 6_000])
def test_tone_of_either_band_comes_back(frequency_hz: int) -> None:
    coded = encode_g722(tone(frequency_hz, 16_000))
    assert len(coded) == 8_000
    pcm = G722Decoder(16_000).decode([coded])
    assert len(pcm) == 16_000
    assert strongest_hz(pcm) == frequency_hz
    assert np.abs(pcm[4_000:]).max() == pytest.approx(8_000, rel=0.1)


def test_narrowband_decoder_gives_the_lower_band() -> None:
    pcm = G722Decoder(8_000).decode([encode_g722(tone(440, 16_000))])
    assert len(pcm) == 8_000
    assert strongest_hz(pcm) == 440


def test_stream_in_packets_is_the_stream() -> None:
    coded = encode_g722(tone(440, 16_000))
    decoder = G722Decoder(16_000)
    parts = [decoder.decode([coded[at : at + 160]]) for at in range(0, len(coded), 160)]
    assert np.array_equal(np.concatenate(parts), G722Decoder(16_000).decode([coded]))


@given(payload=st.binary(max_size=400))
def test_any_octets_are_two_samples_each(payload: bytes) -> None:
    assert len(G722Decoder(16_000).decode([payload])) == 2 * len(payload)
    assert len(G722Decoder(8_000).decode([payload])) == len(payload)


@pytest.mark.parametrize("frequency_hz", [100, 1_000, 3_000])
def test_doubled_rate_is_the_same_tone_without_its_image(frequency_hz: int) -> None:
    spectrum = np.abs(np.fft.rfft(double_rate(tone(frequency_hz, 8_000))[800:-800]))
    frequencies = np.fft.rfftfreq(14_400 + 0, 1 / 16_000)
    peak = spectrum.max()
    assert frequencies[np.argmax(spectrum)] == pytest.approx(frequency_hz, abs=2)
    image = np.abs(frequencies - (8_000 - frequency_hz)) < 50
    assert spectrum[image].max() < peak / 300


def test_doubling_nothing_is_nothing() -> None:
    assert len(double_rate(np.zeros(0, np.int16))) == 0
    assert double_rate(np.full(3, 32_767, np.int16)).dtype == np.int16
