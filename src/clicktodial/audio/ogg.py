"""Ogg pages (RFC 3533) of a stream of packets, for decoders that want a file."""

import struct
import zlib
from collections.abc import Iterable, Iterator

# Of a packet's length in a page's table, in steps of 255: one page holds no more.
PACKET_BYTES_MAX = 255 * 254
_PAGE_HEADER = struct.Struct("<4sBBqIIIB")
_CHECKSUM_AT = 22
_FIRST, _LAST = 0x02, 0x04
_SERIAL = 1
_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
_ALL = 0xFFFF_FFFF


def create_pages(packets: Iterable[tuple[bytes, int]]) -> Iterator[bytes]:
    """A page a packet; with each goes its granule position, the samples up to its end.

    Raises ValueError for a packet that is too long for one page.
    """
    waiting: tuple[bytes, int] | None = None
    number = 0
    for packet in packets:
        if waiting is not None:
            yield _create_page(*waiting, number=number, flags=0 if number else _FIRST)
            number += 1
        waiting = packet
    if waiting is not None:
        yield _create_page(*waiting, number=number, flags=_LAST if number else _FIRST | _LAST)


def _create_page(packet: bytes, granule: int, *, number: int, flags: int) -> bytes:
    if len(packet) > PACKET_BYTES_MAX:
        raise ValueError("the packet is too long for a page")
    lacing = b"\xff" * (len(packet) // 255) + bytes([len(packet) % 255])
    header = _PAGE_HEADER.pack(b"OggS", 0, flags, granule, _SERIAL, number, 0, len(lacing))
    page = bytearray(header + lacing + packet)
    struct.pack_into("<I", page, _CHECKSUM_AT, checksum(page))
    return bytes(page)


def checksum(page: bytes | bytearray) -> int:
    """RFC 3533 6: CRC-32 of the usual polynomial, but of bits in the order that they are written,
    beginning with zero: what zlib computes, backwards."""
    backwards = zlib.crc32(page.translate(_REVERSED), _ALL) ^ _ALL
    return int.from_bytes(backwards.to_bytes(4, "little").translate(_REVERSED), "big")
