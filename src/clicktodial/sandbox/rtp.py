"""RTP packets (RFC 3550 5.1) and telephone-events in them (RFC 4733 2.3)."""

import struct
from dataclasses import dataclass
from typing import NamedTuple

HEADER_BYTES = 12
_VERSION = 2
_HEADER = struct.Struct("!BBHII")
_EVENT = struct.Struct("!BBH")
_EXTENSION = struct.Struct("!HH")
SEQUENCE_MODULO = 1 << 16
TIMESTAMP_MODULO = 1 << 32

KEYS = "0123456789*#ABCD"
_EVENT_END = 0x80
_EVENT_VOLUME = 10  # -10 dBm0, an ordinary key


class RtpPacket(NamedTuple):
    """One packet, without its CSRC list, extension and padding."""

    payload_type: int
    marker: bool
    sequence: int
    timestamp: int
    ssrc: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class KeyEvent:
    """A telephone-event: a key, whether it is up again, and how long it has been down."""

    key: str
    ended: bool
    duration_samples: int


def serialize_packet(
    payload_type: int, marker: bool, sequence: int, timestamp: int, ssrc: int, payload: bytes
) -> bytes:
    """The bytes of the packet with these fields, in the order of RtpPacket's."""
    second = payload_type | 0x80 if marker else payload_type
    return _HEADER.pack(_VERSION << 6, second, sequence, timestamp, ssrc) + payload


def parse_packet(data: bytes) -> RtpPacket | None:
    """The packet, or None for what is not RTP."""
    if len(data) < HEADER_BYTES:
        return None
    first, second, sequence, timestamp, ssrc = _HEADER.unpack_from(data)
    if first >> 6 != _VERSION:
        return None
    # RFC 5761 4: these payload types are RTCP packet types under another name.
    if 64 <= second & 0x7F <= 95:
        return None
    start = HEADER_BYTES + 4 * (first & 0x0F)
    end = len(data)
    if first & 0x10:
        if start + _EXTENSION.size > end:
            return None
        start += _EXTENSION.size + 4 * _EXTENSION.unpack_from(data, start)[1]
    if first & 0x20:
        end -= data[-1]
    if start > end:
        return None
    return RtpPacket(second & 0x7F, bool(second & 0x80), sequence, timestamp, ssrc, data[start:end])


def serialize_key(event: KeyEvent) -> bytes:
    """The payload of a telephone-event packet."""
    flags = _EVENT_VOLUME | (_EVENT_END if event.ended else 0)
    return _EVENT.pack(KEYS.index(event.key), flags, event.duration_samples)


def parse_key(payload: bytes) -> KeyEvent | None:
    """The telephone-event in a payload, or None where it is not a key."""
    if len(payload) < _EVENT.size:
        return None
    code, flags, duration = _EVENT.unpack_from(payload)
    if code >= len(KEYS):
        return None
    return KeyEvent(KEYS[code], bool(flags & _EVENT_END), duration)
