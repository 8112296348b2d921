"""Reads the voice packets of a capture file: pcap, Ethernet or bare IP, UDP, RTP.

A capture does not say which codec a payload type stands for, and need not: PCMU, PCMA and G.722
have types of their own (RFC 3551 table 4), and of those that are given by and by a relay carries
two, Opus and telephone-event, whose payloads are of four bytes.

What is in a capture came from strangers. Every length is checked before it is followed, and what
does not hold is left out. A file that was cut short, as a killed process leaves it, is read up to
there; one that is broken in its middle is refused, since what follows would be lost in silence.
"""

import struct
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from clicktodial.audio.opus import CLOCK_HZ, measure_packets

# A day at 20 ms a packet, the longest call that the settings allow.
PACKETS_MAX = 4_500_000
# Those packets with all their headers come to 1 GiB.
CAPTURE_BYTES_MAX = 2 * 1024**3
# 200 ms in one packet; phones use 10-60 ms.
PAYLOAD_BYTES_MAX = 1_600
TICK_US = 125
TICK_HZ = 8_000
PCMU_PAYLOAD_TYPE = 0
PCMA_PAYLOAD_TYPE = 8
G722_PAYLOAD_TYPE = 9
# What stands for Opus in a table, whichever type it had in the packets.
OPUS_PAYLOAD_TYPE = 96
WIDEBAND_PAYLOAD_TYPES = (G722_PAYLOAD_TYPE, OPUS_PAYLOAD_TYPE)
OPUS_TICKS = CLOCK_HZ // TICK_HZ
_DYNAMIC_PAYLOAD_TYPE_MIN = 96
# Twice what an event has, and less than any word in Opus.
_EVENT_BYTES_MAX = 8
_NO_VOICE_PAYLOAD_TYPE = 127

_FILE_HEADER_BYTES = 24
_RECORD_HEADER_BYTES = 16
# No more fits an IP packet and its link header.
_RECORD_BYTES_MAX = 65_535 + 14
_BYTE_ORDERS = {b"\xd4\xc3\xb2\xa1": "<", b"\xa1\xb2\xc3\xd4": ">"}
# LINKTYPE_ETHERNET and LINKTYPE_RAW of the pcap registry, with the bytes before the IP header.
_LINK_HEADER_BYTES = {1: 14, 101: 0}
_IPV6_HEADER_BYTES = 40
_UDP = 17
_UDP_HEADER_BYTES = 8
_RTP_HEADER_BYTES = 12
_MICROSECONDS = 1_000_000

Bytes = npt.NDArray[np.uint8]
Integers = npt.NDArray[np.int64]


class CaptureError(Exception):
    """The file is not a capture that can be read."""


@dataclass(frozen=True, slots=True)
class PacketTable:
    """Voice packets in the order of their arrival: arrays of one length, a row a packet.

    `arrival_us` is microseconds since 1970; `offset` and `length` say where in `data` the
    payload is. It plays for `duration` ticks of 8 kHz, and `timestamp` counts `clock` to a tick.
    """

    data: Bytes
    arrival_us: Integers
    ssrc: npt.NDArray[np.uint32]
    sequence: npt.NDArray[np.uint16]
    timestamp: npt.NDArray[np.uint32]
    payload_type: Bytes
    offset: Integers
    length: Integers
    duration: Integers

    @property
    def spoken_us(self) -> Integers:
        """When each packet's first sample was spoken, had the network taken no time."""
        return self.arrival_us - self.duration * TICK_US

    @property
    def clock(self) -> Integers:
        """How much the timestamp grows in a tick."""
        return np.where(self.payload_type == OPUS_PAYLOAD_TYPE, OPUS_TICKS, 1)

    @property
    def is_wideband(self) -> bool:
        """Whether any of it was spoken in more than a telephone's band."""
        return bool(np.isin(self.payload_type, WIDEBAND_PAYLOAD_TYPES).any())

    def payloads(self, rows: Integers) -> list[bytes]:
        """Those of these rows."""
        places = zip(self.offset[rows].tolist(), self.length[rows].tolist(), strict=True)
        return [self.data[offset : offset + length].tobytes() for offset, length in places]

    def __len__(self) -> int:
        return len(self.offset)


def read_captures(paths: Sequence[Path]) -> PacketTable:
    """The packets of several files that continue one another; of one it stays mapped, not loaded.

    Raises as `read_capture`.
    """
    tables = [read_capture(path) for path in paths]
    if len(tables) == 1:
        return tables[0]
    if sum(len(table.data) for table in tables) > CAPTURE_BYTES_MAX:
        raise CaptureError("the captures are too long")
    begins = np.cumsum([0, *(len(table.data) for table in tables[:-1])])
    return PacketTable(
        data=np.concatenate([table.data for table in tables]),
        arrival_us=np.concatenate([table.arrival_us for table in tables]),
        ssrc=np.concatenate([table.ssrc for table in tables]),
        sequence=np.concatenate([table.sequence for table in tables]),
        timestamp=np.concatenate([table.timestamp for table in tables]),
        payload_type=np.concatenate([table.payload_type for table in tables]),
        offset=np.concatenate(
            [table.offset + begin for table, begin in zip(tables, begins, strict=True)]
        ),
        length=np.concatenate([table.length for table in tables]),
        duration=np.concatenate([table.duration for table in tables]),
    )


def read_capture(path: Path) -> PacketTable:
    """Index the voice packets of a file, which stays mapped, not loaded.

    Raises CaptureError, or OSError where the file cannot be opened.
    """
    size = path.stat().st_size
    if not _FILE_HEADER_BYTES <= size <= CAPTURE_BYTES_MAX:
        raise CaptureError(f"a capture of {size} bytes")
    data: Bytes = np.memmap(path, dtype=np.uint8, mode="r").view(np.ndarray)
    order = _BYTE_ORDERS.get(data[:4].tobytes())
    if order is None:
        raise CaptureError("not a pcap file")
    (link_type,) = struct.unpack_from(f"{order}I", data.data, 20)
    link_bytes = _LINK_HEADER_BYTES.get(link_type)
    if link_bytes is None:
        raise CaptureError(f"link type {link_type}")
    start, length = _walk_records(data, order)
    arrival_us = _read_arrivals(data, start, order)
    return _parse_voice(data, arrival_us, start, start + length, link_bytes)


def _walk_records(data: Bytes, order: str) -> tuple[Integers, Integers]:
    """Where each record's packet begins, and how many bytes it has."""
    starts, lengths = array("q"), array("q")
    read_length = struct.Struct(f"{order}I").unpack_from
    buffer = data.data
    offset, size = _FILE_HEADER_BYTES, len(data)
    while offset + _RECORD_HEADER_BYTES <= size and len(starts) < PACKETS_MAX:
        (length,) = read_length(buffer, offset + 8)
        offset += _RECORD_HEADER_BYTES
        if length > _RECORD_BYTES_MAX:
            raise CaptureError(f"a record of {length} bytes at {offset}")
        if offset + length > size:
            break
        starts.append(offset)
        lengths.append(length)
        offset += length
    return np.array(starts, dtype=np.int64), np.array(lengths, dtype=np.int64)


def _read_arrivals(data: Bytes, start: Integers, order: str) -> Integers:
    header = start - _RECORD_HEADER_BYTES
    seconds, fraction = (_read_word(data, header + skip, 4, order) for skip in (0, 4))
    return seconds * _MICROSECONDS + fraction


def _read_word(data: Bytes, at: Integers, size: int, order: str = ">") -> Integers:
    """The unsigned integer of `size` bytes at each of those places."""
    value = np.zeros(len(at), dtype=np.int64)
    for index in range(size):
        position = index if order == ">" else size - 1 - index
        value = (value << 8) | data[at + position]
    return value


def _parse_voice(
    data: Bytes, arrival_us: Integers, start: Integers, end: Integers, link_bytes: int
) -> PacketTable:
    """Follow IP, UDP and RTP headers, keeping at each step what is long enough for the next."""
    rows = np.arange(len(start), dtype=np.int64)
    rows, rtp, end = _find_rtp(data, rows, start + link_bytes, end)
    first = data[rtp].astype(np.int64)
    wire_type = data[rtp + 1] & 0x7F
    header = _RTP_HEADER_BYTES + 4 * (first & 0x0F)
    # RFC 3550 5.3.1: the extension's length is in words, after its own four bytes.
    extended = ((first & 0x10) != 0) & (rtp + header + 4 <= end)
    header[extended] += 4 + 4 * _read_word(data, rtp[extended] + header[extended] + 2, 2)
    # RFC 3550 5.1: the last byte of a padded packet counts the padding.
    padding = np.where((first & 0x20) != 0, data[end - 1], 0)
    length = end - rtp - header - padding
    keep = (first >> 6 == 2) & (length >= 1) & (length <= PAYLOAD_BYTES_MAX)
    rtp, header, length, rows = rtp[keep], header[keep], length[keep], rows[keep]
    payload_type = _find_codecs(wire_type[keep], length)
    duration = _measure_durations(data, rtp + header, length, payload_type)
    voice = duration > 0
    rtp = rtp[voice]
    return PacketTable(
        data=data,
        arrival_us=arrival_us[rows[voice]],
        ssrc=_read_word(data, rtp + 8, 4).astype(np.uint32),
        sequence=_read_word(data, rtp + 2, 2).astype(np.uint16),
        timestamp=_read_word(data, rtp + 4, 4).astype(np.uint32),
        payload_type=payload_type[voice],
        offset=rtp + header[voice],
        length=length[voice],
        duration=duration[voice],
    )


def _find_codecs(payload_type: Bytes, length: Integers) -> Bytes:
    """The types with those that stand for Opus made one; see the module's text."""
    found = payload_type.copy()
    for value in np.unique(payload_type[payload_type >= _DYNAMIC_PAYLOAD_TYPE_MIN]):
        these = payload_type == value
        is_opus = int(length[these].max()) > _EVENT_BYTES_MAX
        found[these] = OPUS_PAYLOAD_TYPE if is_opus else _NO_VOICE_PAYLOAD_TYPE
    return found


def _measure_durations(
    data: Bytes, offset: Integers, length: Integers, payload_type: Bytes
) -> Integers:
    """In ticks; 0 for what is no voice."""
    octets = np.isin(payload_type, (PCMU_PAYLOAD_TYPE, PCMA_PAYLOAD_TYPE, G722_PAYLOAD_TYPE))
    duration = np.where(octets, length, 0)
    opus = np.flatnonzero(payload_type == OPUS_PAYLOAD_TYPE)
    at = offset[opus]
    second = np.where(length[opus] > 1, data[np.minimum(at + 1, len(data) - 1)], 0)
    duration[opus] = measure_packets(data[at], second.astype(np.uint8)) // OPUS_TICKS
    return duration


def _find_rtp(
    data: Bytes, rows: Integers, ip: Integers, end: Integers
) -> tuple[Integers, Integers, Integers]:
    """The rows that hold a UDP packet of at least an RTP header, where that begins and ends."""
    rows, ip, end = _keep(ip + _IPV6_HEADER_BYTES <= end, rows, ip, end)
    version = data[ip] >> 4
    is_v4, is_v6 = version == 4, version == 6
    header = np.where(is_v4, 4 * (data[ip] & 0x0F).astype(np.int64), _IPV6_HEADER_BYTES)
    protocol = np.where(is_v4, data[ip + 9], data[ip + 6])
    udp = ip + header
    fits = udp + _UDP_HEADER_BYTES + _RTP_HEADER_BYTES <= end
    rows, udp, end = _keep((is_v4 | is_v6) & (protocol == _UDP) & fits, rows, udp, end)
    udp_end = udp + _read_word(data, udp + 4, 2)
    fits = (udp_end <= end) & (udp_end >= udp + _UDP_HEADER_BYTES + _RTP_HEADER_BYTES)
    return _keep(fits, rows, udp + _UDP_HEADER_BYTES, udp_end)


def _keep(
    which: npt.NDArray[np.bool_], first: Integers, second: Integers, third: Integers
) -> tuple[Integers, Integers, Integers]:
    return first[which], second[which], third[which]
