"""Reads RTP packets (RFC 3550 5.1), which may be anything at all."""

import struct
from dataclasses import dataclass

_VERSION = 2
_HEADER = struct.Struct(">BBHII")
_EXTENSION_HEADER_BYTES = 4
# No datagram is longer.
PACKET_BYTES_MAX = 65_535


@dataclass(frozen=True, slots=True)
class RtpPacket:
    """What a packet says; padding and extensions are left out."""

    payload_type: int
    marker: bool
    sequence: int
    timestamp: int
    ssrc: int
    payload: bytes


def parse_rtp(data: bytes) -> RtpPacket | None:
    """The packet, or None for what is none: another version, or shorter than it says."""
    if not _HEADER.size <= len(data) <= PACKET_BYTES_MAX:
        return None
    first, second, sequence, timestamp, ssrc = _HEADER.unpack_from(data)
    if first >> 6 != _VERSION:
        return None
    begin, end = _HEADER.size + 4 * (first & 0x0F), len(data)
    if first & 0x10:
        # RFC 3550 5.3.1: the extension's length is in words, after its own four bytes.
        if begin + _EXTENSION_HEADER_BYTES > end:
            return None
        words = int.from_bytes(data[begin + 2 : begin + 4])
        begin += _EXTENSION_HEADER_BYTES + 4 * words
    if first & 0x20:
        # The last byte counts the padding, itself included.
        padding = data[-1]
        if padding == 0:
            return None
        end -= padding
    if begin > end:
        return None
    return RtpPacket(
        payload_type=second & 0x7F,
        marker=bool(second & 0x80),
        sequence=sequence,
        timestamp=timestamp,
        ssrc=ssrc,
        payload=data[begin:end],
    )
