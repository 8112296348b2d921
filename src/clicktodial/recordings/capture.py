"""Reads the voice packets of a capture file: pcap, Ethernet or bare IP, UDP, RTP.

What is in a capture came from strangers. Every length is checked before it is followed, and what
does not hold is left out. A file that was cut short, as a killed process leaves it, is read up to
there; one that is broken in its middle is refused, since what follows would be lost in silence.
"""

import struct
from array import array
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

# A day at 20 ms a packet, the longest call that the settings allow.
PACKETS_MAX = 4_500_000
# Those packets with all their headers come to 1 GiB.
CAPTURE_BYTES_MAX = 2 * 1024**3
# 200 ms in one packet; phones use 10-60 ms.
PAYLOAD_BYTES_MAX = 1_600
SAMPLE_US = 125
PCMU_PAYLOAD_TYPE = 0
PCMA_PAYLOAD_TYPE = 8

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
    payload is, one byte a sample.
    """

    data: Bytes
    arrival_us: Integers
    ssrc: npt.NDArray[np.uint32]
    sequence: npt.NDArray[np.uint16]
    timestamp: npt.NDArray[np.uint32]
    payload_type: Bytes
    offset: Integers
    length: Integers

    @property
    def spoken_us(self) -> Integers:
        """When each packet's first sample was spoken, had the network taken no time."""
        return self.arrival_us - self.length * SAMPLE_US

    def __len__(self) -> int:
        return len(self.offset)


def read_capture(path: Path) -> PacketTable:
    """Index the voice packets (PCMA and PCMU) of a file, which stays mapped, not loaded.

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
    payload_type = data[rtp + 1] & 0x7F
    header = _RTP_HEADER_BYTES + 4 * (first & 0x0F)
    # RFC 3550 5.3.1: the extension's length is in words, after its own four bytes.
    extended = ((first & 0x10) != 0) & (rtp + header + 4 <= end)
    header[extended] += 4 + 4 * _read_word(data, rtp[extended] + header[extended] + 2, 2)
    # RFC 3550 5.1: the last byte of a padded packet counts the padding.
    padding = np.where((first & 0x20) != 0, data[end - 1], 0)
    length = end - rtp - header - padding
    voice = (payload_type == PCMA_PAYLOAD_TYPE) | (payload_type == PCMU_PAYLOAD_TYPE)
    keep = (first >> 6 == 2) & voice & (length >= 1) & (length <= PAYLOAD_BYTES_MAX)
    rtp = rtp[keep]
    return PacketTable(
        data=data,
        arrival_us=arrival_us[rows[keep]],
        ssrc=_read_word(data, rtp + 8, 4).astype(np.uint32),
        sequence=_read_word(data, rtp + 2, 2).astype(np.uint16),
        timestamp=_read_word(data, rtp + 4, 4).astype(np.uint32),
        payload_type=payload_type[keep],
        offset=rtp + header[keep],
        length=length[keep],
    )


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
