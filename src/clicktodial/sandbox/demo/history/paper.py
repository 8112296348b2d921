"""Papers that are what they say: a picture of one tone, and a page with a line of text."""

import struct
import zlib

WIDTH, HEIGHT = 640, 400


def create_picture(tone: int) -> bytes:
    """A PNG of that grey, 0-255, with a lighter band across, as cards have."""
    rows = []
    for row in range(HEIGHT):
        grey = min(255, tone + 40) if HEIGHT // 5 < row < HEIGHT // 3 else tone
        rows.append(b"\0" + bytes([grey]) * WIDTH)
    header = struct.pack(">IIBBBBB", WIDTH, HEIGHT, 8, 0, 0, 0, 0)
    chunks = (
        (b"IHDR", header),
        (b"IDAT", zlib.compress(b"".join(rows))),
        (b"IEND", b""),
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(name, data) for name, data in chunks)


def create_page(text: str) -> bytes:
    """A PDF of one page with that line of ASCII text."""
    drawn = f"BT /F1 18 Tf 60 720 Td ({text}) Tj ET".encode("ascii")
    objects = (
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R "
        b"/Resources << /Font << /F1 5 0 R >> >> >>",
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(drawn), drawn),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    )
    body, places = b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n", []
    for number, content in enumerate(objects, 1):
        places.append(len(body))
        body += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    count = len(objects) + 1
    tail = b"xref\n0 %d\n0000000000 65535 f \n%strailer\n<< /Size %d /Root 1 0 R >>\n" % (
        count,
        table,
        count,
    )
    return body + tail + b"startxref\n%d\n%%%%EOF\n" % len(body)


def _chunk(name: bytes, data: bytes) -> bytes:
    checksum = zlib.crc32(name + data)
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", checksum)
