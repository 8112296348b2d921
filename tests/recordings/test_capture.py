"""The reader of captures, fed what strangers may send."""

import contextlib
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.recordings.synthetic import START_US, Packet, frame_packet, frame_rtp, write_capture

from clicktodial.recordings.capture import (
    PAYLOAD_BYTES_MAX,
    CaptureError,
    PacketTable,
    read_capture,
)

PAYLOAD = bytes(range(160))
PACKET = Packet(START_US, 7, 1234, PAYLOAD, ssrc=0xDEADBEEF)


def write_frames(
    path: Path, frames: list[bytes], *, order: str = "<", magic: int = 0xA1B2C3D4, link: int = 1
) -> Path:
    header = struct.pack(f"{order}IHHiIII", magic, 2, 4, 0, 0, 65_535, link)
    records = [
        struct.pack(f"{order}IIII", START_US // 1_000_000, 5, len(frame), len(frame)) + frame
        for frame in frames
    ]
    path.write_bytes(header + b"".join(records))
    return path


def payloads(packets: PacketTable) -> list[bytes]:
    return [
        packets.data[offset : offset + length].tobytes()
        for offset, length in zip(packets.offset, packets.length, strict=True)
    ]


def test_packet_is_read_with_all_its_fields(tmp_path: Path) -> None:
    packets = read_capture(Path(write_capture(tmp_path / "a", [PACKET])))
    assert len(packets) == 1
    assert packets.arrival_us[0] == START_US
    assert packets.ssrc[0] == 0xDEADBEEF
    assert (packets.sequence[0], packets.timestamp[0]) == (7, 1234)
    assert packets.payload_type[0] == 8
    assert payloads(packets) == [PAYLOAD]


def test_file_of_the_other_byte_order_is_read(tmp_path: Path) -> None:
    path = write_frames(tmp_path / "a", [frame_packet(PACKET)], order=">")
    packets = read_capture(path)
    assert payloads(packets) == [PAYLOAD]
    assert packets.arrival_us[0] == START_US // 1_000_000 * 1_000_000 + 5


def test_file_of_bare_ip_packets_is_read(tmp_path: Path) -> None:
    path = write_frames(tmp_path / "a", [frame_packet(PACKET)[14:]], link=101)
    assert payloads(read_capture(path)) == [PAYLOAD]


def test_ipv6_packet_is_read(tmp_path: Path) -> None:
    udp = frame_packet(PACKET)[34:]
    ipv6 = struct.pack(">IHBB", 6 << 28, len(udp), 17, 64) + bytes(32) + udp
    path = write_frames(tmp_path / "a", [bytes(12) + b"\x86\xdd" + ipv6])
    assert payloads(read_capture(path)) == [PAYLOAD]


@pytest.mark.parametrize(
    ("first", "extra", "tail"),
    [
        (0x82, bytes(8), b""),  # two contributing sources
        (0x90, b"\xbe\xde\x00\x02" + bytes(8), b""),  # an extension of two words
        (0xA0, b"", b"\x00\x00\x00\x04"),  # padding of four
        (0xB1, bytes(4) + b"\xbe\xde\x00\x00", b"\x01"),  # all of them
    ],
)
def test_optional_parts_of_the_rtp_header_are_left_out(
    tmp_path: Path, first: int, extra: bytes, tail: bytes
) -> None:
    rtp = struct.pack(">BBHII", first, 0x88, 1, 2, 3) + extra + PAYLOAD + tail
    assert payloads(read_capture(write_frames(tmp_path / "a", [frame_rtp(rtp)]))) == [PAYLOAD]


@pytest.mark.parametrize(
    "rtp",
    [
        b"",
        b"\x80",
        struct.pack(">BBHII", 0x80, 8, 1, 2, 3),  # no payload
        struct.pack(">BBHII", 0x40, 8, 1, 2, 3) + PAYLOAD,  # version 1
        struct.pack(">BBHII", 0x8F, 8, 1, 2, 3) + bytes(20),  # sources beyond the end
        struct.pack(">BBHII", 0x90, 8, 1, 2, 3) + b"\xbe\xde\xff\xff" + PAYLOAD,
        struct.pack(">BBHII", 0xA0, 8, 1, 2, 3) + b"\x05" * 3 + b"\xff",  # padding beyond
        struct.pack(">BBHII", 0x80, 18, 1, 2, 3) + PAYLOAD,  # G.729
        struct.pack(">BBHII", 0x80, 8, 1, 2, 3) + bytes(PAYLOAD_BYTES_MAX + 1),
    ],
    ids=lambda rtp: rtp[:16].hex() or "nothing",
)
def test_what_is_no_voice_packet_is_left_out_and_the_next_is_read(
    tmp_path: Path, rtp: bytes
) -> None:
    path = write_frames(tmp_path / "a", [frame_rtp(rtp), frame_packet(PACKET)])
    assert payloads(read_capture(path)) == [PAYLOAD]


def test_udp_length_beyond_the_record_is_left_out(tmp_path: Path) -> None:
    frame = bytearray(frame_packet(PACKET))
    frame[38:40] = struct.pack(">H", len(PAYLOAD) + 21)
    path = write_frames(tmp_path / "a", [bytes(frame), b"", bytes(60), frame_packet(PACKET)])
    assert payloads(read_capture(path)) == [PAYLOAD]


@pytest.mark.parametrize("cut", [1, 50, 190, 229, 230])
def test_file_cut_short_is_read_up_to_there(tmp_path: Path, cut: int) -> None:
    path = Path(write_capture(tmp_path / "a", [PACKET, PACKET]))
    content = path.read_bytes()
    path.write_bytes(content[: len(content) - cut])
    assert payloads(read_capture(path)) == [PAYLOAD]


@pytest.mark.parametrize(
    "content",
    [b"", b"\xd4\xc3\xb2\xa1", b"RIFF" + bytes(60), bytes(24)],
    ids=["empty", "header cut", "another format", "zeros"],
)
def test_file_that_is_no_capture_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a"
    path.write_bytes(content)
    with pytest.raises(CaptureError):
        read_capture(path)


def test_link_type_of_another_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CaptureError):
        read_capture(write_frames(tmp_path / "a", [], link=105))


def test_record_length_that_is_senseless_is_refused(tmp_path: Path) -> None:
    path = Path(write_capture(tmp_path / "a", [PACKET, PACKET]))
    content = bytearray(path.read_bytes())
    content[24 + 8 : 24 + 12] = b"\xff\xff\xff\x7f"
    path.write_bytes(content)
    with pytest.raises(CaptureError):
        read_capture(path)


def test_capture_of_no_packet_is_empty(tmp_path: Path) -> None:
    assert len(read_capture(Path(write_capture(tmp_path / "a", [])))) == 0


@given(content=st.binary(max_size=2_000), is_pcap=st.booleans())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_garbage_is_refused_or_read_within_bounds(
    tmp_path: Path, content: bytes, is_pcap: bool
) -> None:
    path = tmp_path / "a"
    header = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65_535, 1)
    path.write_bytes(header + content if is_pcap else content)
    with contextlib.suppress(CaptureError):
        check_bounds(read_capture(path))


@given(
    frames=st.lists(st.binary(max_size=120), max_size=20),
    flips=st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), max_size=30),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_flipped_bytes_are_refused_or_read_within_bounds(
    tmp_path: Path, frames: list[bytes], flips: list[tuple[int, int]]
) -> None:
    real = [frame_packet(PACKET)] * 5
    path = write_frames(tmp_path / "a", real + [frame_rtp(frame) for frame in frames])
    content = bytearray(path.read_bytes())
    for at, value in flips:
        content[at % len(content)] = value
    path.write_bytes(content)
    with contextlib.suppress(CaptureError):
        check_bounds(read_capture(path))


def check_bounds(packets: PacketTable) -> None:
    assert np.all(packets.offset >= 24)
    assert np.all(packets.length >= 1)
    assert np.all(packets.offset + packets.length <= len(packets.data))
    assert set(packets.payload_type.tolist()) <= {0, 8}
