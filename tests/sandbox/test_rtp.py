"""RTP packets and telephone-events on the wire."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clicktodial.sandbox.rtp import (
    KEYS,
    KeyEvent,
    RtpPacket,
    parse_key,
    parse_packet,
    serialize_key,
    serialize_packet,
)

PACKETS = st.builds(
    RtpPacket,
    payload_type=st.sampled_from((0, 8, 96, 101, 127)),
    marker=st.booleans(),
    sequence=st.integers(0, 2**16 - 1),
    timestamp=st.integers(0, 2**32 - 1),
    ssrc=st.integers(0, 2**32 - 1),
    payload=st.binary(max_size=320),
)


@given(packet=PACKETS)
def test_packet_survives_the_wire(packet: RtpPacket) -> None:
    assert parse_packet(serialize_packet(*packet)) == packet


@given(data=st.binary(max_size=200))
def test_any_bytes_are_read_or_refused_without_error(data: bytes) -> None:
    packet = parse_packet(data)
    if packet is not None:
        assert len(packet.payload) <= len(data) - 12


def test_known_bytes_are_read() -> None:
    packet = parse_packet(bytes.fromhex("80881234 00000140 deadbeef d5d5".replace(" ", "")))
    assert packet == RtpPacket(8, True, 0x1234, 320, 0xDEADBEEF, b"\xd5\xd5")


def test_packet_with_csrc_extension_and_padding_keeps_only_its_payload() -> None:
    header = bytes.fromhex("b208000100000002000000030000000400000005bede0001aabbccdd")
    packet = parse_packet(header + b"hello" + b"\x00\x00\x03")
    assert packet is not None
    assert packet.payload == b"hello"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        bytes(11),
        bytes(12),
        bytes.fromhex("80c80006" "0000000000000000" "00000000"),
        bytes.fromhex("8f080001" "0000000200000003"),
        bytes.fromhex("90080001" "0000000200000003" "bede"),
        bytes.fromhex("90080001" "0000000200000003" "bedeffff"),
        bytes.fromhex("a0080001" "0000000200000003" "ff"),
    ],
    ids=[
        "empty", "short", "version 0", "RTCP sender report", "CSRC beyond the end",
        "cut extension", "extension beyond the end", "padding beyond the payload",
    ],
)  # fmt: skip
def test_what_is_no_rtp_is_refused(data: bytes) -> None:
    assert parse_packet(data) is None


@given(key=st.sampled_from(KEYS), ended=st.booleans(), duration=st.integers(0, 65535))
def test_key_survives_the_wire(key: str, ended: bool, duration: int) -> None:
    event = KeyEvent(key, ended, duration)
    assert parse_key(serialize_key(event)) == event


def test_key_1_is_spelled_as_rfc_4733_says() -> None:
    assert serialize_key(KeyEvent("1", True, 1280)) == bytes((1, 0x80 | 10, 0x05, 0x00))


@pytest.mark.parametrize("payload", [b"", b"\x01\x0a\x00", b"\x10\x0a\x00\xa0"])
def test_what_is_no_key_is_refused(payload: bytes) -> None:
    assert parse_key(payload) is None
