"""The reader of RTP packets, fed what strangers may send."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clicktodial.media.rtp import PACKET_BYTES_MAX, RtpPacket, parse_rtp

PAYLOAD = bytes(range(20))


def header(first: int = 0x80, second: int = 0x88) -> bytes:
    return struct.pack(">BBHII", first, second, 7, 1234, 0xDEADBEEF)


def test_packet_is_read_with_all_its_fields() -> None:
    expected = RtpPacket(8, True, 7, 1234, 0xDEADBEEF, PAYLOAD)
    assert parse_rtp(header() + PAYLOAD) == expected


@pytest.mark.parametrize(
    ("first", "extra", "tail"),
    [
        (0x82, bytes(8), b""),  # two contributing sources
        (0x90, b"\xbe\xde\x00\x02" + bytes(8), b""),  # an extension of two words
        (0xA0, b"", b"\x00\x00\x00\x04"),  # padding of four
        (0xB1, bytes(4) + b"\xbe\xde\x00\x00", b"\x01"),  # all of them
    ],
)
def test_optional_parts_are_left_out(first: int, extra: bytes, tail: bytes) -> None:
    packet = parse_rtp(header(first) + extra + PAYLOAD + tail)
    assert packet is not None and packet.payload == PAYLOAD


@pytest.mark.parametrize(
    "data",
    [
        b"",
        header()[:-1],
        header(0x40) + PAYLOAD,  # version 1
        header(0x8F) + bytes(20),  # sources beyond the end
        header(0x90) + b"\xbe\xde",  # half an extension
        header(0x90) + b"\xbe\xde\xff\xff" + PAYLOAD,  # an extension beyond the end
        header(0xA0) + PAYLOAD[:-1] + b"\x00",  # padding of nothing
        header(0xA0) + b"\x05" * 3 + b"\xff",  # padding beyond the beginning
        header(0xA0),  # padding without a byte: the header's last
        header() + bytes(PACKET_BYTES_MAX),
    ],
    ids=lambda data: data[:16].hex() or "nothing",
)
def test_what_is_no_packet_is_none(data: bytes) -> None:
    assert parse_rtp(data) is None


@given(data=st.one_of(st.binary(max_size=100), st.binary(max_size=60).map(lambda b: b"\xb3" + b)))
def test_any_bytes_are_none_or_a_part_of_themselves(data: bytes) -> None:
    packet = parse_rtp(data)
    if packet is not None:
        assert packet.payload in data
        assert 0 <= packet.payload_type <= 127
