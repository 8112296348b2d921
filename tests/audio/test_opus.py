"""Opus in an Ogg file around it, against libsndfile's own."""

import io
from typing import Literal

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.audio.opus_stream import encode_opus, read_packets

from clicktodial.audio.ogg import PACKET_BYTES_MAX, checksum, create_pages
from clicktodial.audio.opus import OpusDecoder, decode_run, packet_samples

RATE_HZ = 16_000
TONE_HZ = 440


def tone(seconds: float) -> np.ndarray[tuple[int], np.dtype[np.int16]]:
    time_s = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    return (8_000 * np.sin(2 * np.pi * TONE_HZ * time_s)).astype(np.int16)


def test_checksum_is_that_of_another_writer() -> None:
    file = io.BytesIO()
    soundfile.write(file, tone(0.2), RATE_HZ, format="OGG", subtype="OPUS")
    page = bytearray(file.getvalue())
    end = page.index(b"OggS", 4)
    told = int.from_bytes(page[22:26], "little")
    page[22:26] = bytes(4)
    assert checksum(page[:end]) == told != 0


@given(packets=st.lists(st.binary(max_size=1_000), min_size=1, max_size=20))
def test_pages_hold_the_packets(packets: list[bytes]) -> None:
    pages = list(create_pages((packet, 960 * n) for n, packet in enumerate(packets)))
    assert read_packets(b"".join(pages)) == packets
    assert pages[0][5] & 0x02
    assert pages[-1][5] & 0x04


def test_packet_too_long_for_a_page_is_refused() -> None:
    assert list(create_pages([(bytes(PACKET_BYTES_MAX), 0)]))
    with pytest.raises(ValueError, match="too long"):
        list(create_pages([(bytes(PACKET_BYTES_MAX + 1), 0)]))


@pytest.mark.parametrize(
    ("packet", "samples"),
    [
        (b"\x00", 480),  # SILK, 10 ms
        (b"\x18" + bytes(9), 2_880),  # SILK, 60 ms
        (b"\x78" + bytes(9), 960),  # both, 20 ms
        (b"\x80" + bytes(9), 120),  # CELT, 2.5 ms
        (b"\xf8" + bytes(9), 960),  # CELT, 20 ms
        (b"\xf9" + bytes(9), 1_920),  # two frames alike
        (b"\xfa" + bytes(9), 1_920),  # two frames
        (b"\xfb\x03" + bytes(9), 2_880),  # three
        (b"\xfb\x06" + bytes(9), 5_760),  # 120 ms
        (b"\xfb\x07" + bytes(9), 0),  # more than 120 ms
        (b"\xfb\x00", 0),
        (b"\xfb", 0),
        (b"", 0),
    ],
    ids=lambda each: each.hex() if isinstance(each, bytes) else str(each),
)
def test_packet_tells_how_long_it_plays(packet: bytes, samples: int) -> None:
    assert packet_samples(packet) == samples


@pytest.mark.parametrize("rate_hz", [8_000, 16_000])
def test_run_is_decoded_at_either_rate(rate_hz: Literal[8_000, 16_000]) -> None:
    packets = encode_opus(tone(1.0), RATE_HZ)
    pcm = decode_run(packets, rate_hz)
    assert len(pcm) == sum(map(packet_samples, packets)) * rate_hz // 48_000
    middle = pcm[rate_hz // 4 : rate_hz * 3 // 4]
    assert np.abs(middle).max() == pytest.approx(8_000, rel=0.1)
    assert np.argmax(np.abs(np.fft.rfft(middle))) * 2 == pytest.approx(TONE_HZ, abs=4)


def test_decoder_by_parts_gives_what_a_run_gives() -> None:
    packets = encode_opus(tone(4.0), RATE_HZ)
    decoder = OpusDecoder(16_000)
    parts = [decoder.decode(packets[at : at + 37]) for at in range(0, len(packets), 37)]
    joined, whole = np.concatenate(parts), decode_run(packets, 16_000)
    assert len(joined) == len(whole)
    assert np.abs(joined.astype(int) - whole).max() <= 1


def test_damaged_packet_leaves_the_others_in_their_places() -> None:
    packets = encode_opus(tone(2.0), RATE_HZ)
    for damaged in (b"", b"\xfb\x3f", b"\xfb", packets[50][:1], packets[50][:1] + b"\xff" * 80):
        spoiled = [*packets[:50], damaged, *packets[51:]]
        pcm = decode_run(spoiled, 16_000)
        assert len(pcm) == sum(map(packet_samples, spoiled)) // 3
        tail = pcm[-16_000 // 2 - 800 : -800]
        assert np.abs(tail).max() == pytest.approx(8_000, rel=0.1)


@pytest.mark.parametrize(
    "damaged",
    [
        b"\xf9" + bytes(3),  # two frames alike, of three bytes
        b"\xf8" + bytes(1_276),  # a frame that is too long
        b"\xfa",  # two frames, and no length
        b"\xfa\x05" + bytes(4),  # a length beyond the end
        b"\xfa\xfc",  # half a length
        b"\xfb\x03" + bytes(4),  # three frames alike, of four bytes
        b"\xfb\x43",  # padding of no length
        b"\xfb\x43\xff\x09" + bytes(9),  # more of it than there is
        b"\xfb\x83\x02\x03" + bytes(4),  # lengths beyond the end
        b"\xfb\x83\x02",  # one of two
    ],
    ids=lambda each: f"{each[:4].hex()} of {len(each)}",
)
def test_packet_that_breaks_the_rules_silences_no_other(damaged: bytes) -> None:
    """RFC 6716 3.4. The decoder gives up at such a one."""
    packets = encode_opus(tone(2.0), RATE_HZ)
    assert packet_samples(damaged)
    spoiled = [*packets[:50], damaged, *packets[50:]]
    pcm = decode_run(spoiled, 16_000)
    assert len(pcm) == sum(map(packet_samples, spoiled)) // 3
    assert np.abs(pcm[-8_800:-800]).max() == pytest.approx(8_000, rel=0.1)


def test_packets_that_hold_nothing_are_not_kept() -> None:
    decoder = OpusDecoder(8_000)
    for _ in range(100):
        assert len(decoder.decode([b"\xfb\x00", b""])) == 0
    assert not decoder._before


@given(packets=st.lists(st.binary(max_size=120), max_size=12))
@settings(deadline=None, max_examples=60)
def test_anything_at_all_is_decoded_to_as_many_samples_as_it_says(packets: list[bytes]) -> None:
    assert len(decode_run(packets, 8_000)) == sum(map(packet_samples, packets)) // 6
    decoder = OpusDecoder(8_000)
    for packet in packets:
        assert len(decoder.decode([packet])) == packet_samples(packet) // 6
