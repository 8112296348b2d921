"""Small documents that are what they say, made byte by byte."""

import struct
import zlib

SIDE = 64


def png_chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png_header(
    width: int = SIDE, height: int = SIDE, *, depth: int = 8, colour: int = 2, interlace: int = 0
) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlace)
    return png_chunk(b"IHDR", header)


PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
PNG_END = png_chunk(b"IEND", b"")


def png(
    *,
    header: bytes | None = None,
    raw_bytes: int = SIDE * (1 + 3 * SIDE),
    further: bytes = b"",
    tail: bytes = b"",
) -> bytes:
    """A black picture; `raw_bytes` are what its data unpack to."""
    data = png_chunk(b"IDAT", zlib.compress(bytes(raw_bytes)))
    return PNG_SIGNATURE + (header or png_header()) + further + data + PNG_END + tail


def jpeg_segment(marker: int, data: bytes) -> bytes:
    return bytes((0xFF, marker)) + struct.pack(">H", len(data) + 2) + data


def jpeg_frame(width: int = SIDE, height: int = SIDE, marker: int = 0xC0) -> bytes:
    frame = struct.pack(">BHHB", 8, height, width, 1) + b"\x01\x11\x00"
    return jpeg_segment(marker, frame)


JPEG_SCAN = jpeg_segment(0xDA, b"\x01\x01\x00\x00\x3f\x00") + b"\x12\xff\x00\x34\xff\xd0\x56"
JPEG_END = b"\xff\xd9"


def jpeg(*, frame: bytes | None = None, scans: bytes = JPEG_SCAN, tail: bytes = b"") -> bytes:
    """The structure of a picture; its coded data are noise."""
    tables = jpeg_segment(0xDB, bytes(65)) + jpeg_segment(0xC4, bytes(17))
    head = b"\xff\xd8" + jpeg_segment(0xE0, b"JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00")
    return head + tables + (jpeg_frame() if frame is None else frame) + scans + JPEG_END + tail


def pdf(*, catalog: bytes = b"/Type /Catalog /Pages 2 0 R", tail: bytes = b"") -> bytes:
    """One empty page."""
    objects = [
        b"1 0 obj\n<< " + catalog + b" >>\nendobj\n",
        b"2 0 obj\n<< /Type /Pages /Kids [3 0 R] /Count 1 >>\nendobj\n",
        b"3 0 obj\n<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] >>\nendobj\n",
    ]
    body = b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n"
    entries = [b"0000000000 65535 f \n"]
    for each in objects:
        entries.append(b"%010d 00000 n \n" % len(body))
        body += each
    start = len(body)
    body += b"xref\n0 4\n" + b"".join(entries) + b"trailer\n<< /Size 4 /Root 1 0 R >>\n"
    return body + b"startxref\n%d\n%%%%EOF\n" % start + tail
