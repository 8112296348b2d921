"""Papers that are what they say: pictures of cards, and a page with a line of text."""

import struct
import zlib
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

WIDTH, HEIGHT = 640, 400
_Picture: TypeAlias = npt.NDArray[np.float64]
# Where what stands on the front begins and ends, line by line.
_LINES = ((128, 250), (128, 170), (128, 310), (128, 380), (128, 340))


def create_picture(tone: int, *, is_front: bool = True) -> bytes:
    """A PNG of a card of that hue, 0-359, as identity cards are: on its front a portrait and lines
    of text that cannot be read, on its back an emblem. It is nobody's."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float64)
    card = _paint(tone, 0.93 - 0.06 * (x / WIDTH + y / HEIGHT) + 0.012 * np.sin((x + 2 * y) / 9))
    ink, pale = _paint(tone, 0.38), _paint(tone, 0.70)
    if is_front:
        _fill(card, _box(x, y, (432, 84, 592, 292)), _paint(tone, 0.82))
        within = _box(x, y, (432, 84, 592, 292))
        head = ((x - 512) / 36) ** 2 + ((y - 160) / 45) ** 2 < 1
        shoulders = ((x - 512) / 72) ** 2 + ((y - 292) / 74) ** 2 < 1
        _fill(card, within & (head | shoulders), pale)
        for row, (left, right) in enumerate(_LINES):
            top = 70 + row * 44
            _fill(card, _box(x, y, (48, top, 96, top + 14)), pale)
            _fill(card, _box(x, y, (left, top, right, top + 14)), ink)
        _fill(card, _box(x, y, (48, 336, 96, 352)), pale)
        _fill(card, _box(x, y, (190, 334, 560, 354)), ink)
    else:
        ring = (x - 130) ** 2 + (y - 130) ** 2
        _fill(card, (ring < 74**2) & (ring > 60**2) | (ring < 34**2), pale)
        _fill(card, _box(x, y, (250, 96, 560, 122)), ink)
        _fill(card, _box(x, y, (250, 146, 480, 164)), ink)
        for top in (290, 334):
            _fill(card, _box(x, y, (120, top, 210, top + 14)), pale)
            _fill(card, _box(x, y, (240, top, 500 if top < 300 else 430, top + 14)), ink)
    rows = b"".join(b"\0" + row.tobytes() for row in (card * 255).round().astype(np.uint8))
    header = struct.pack(">IIBBBBB", WIDTH, HEIGHT, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows, 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(name, data) for name, data in chunks)


def _paint(tone: int, light: float | _Picture) -> _Picture:
    """That hue as light as that, 0-1; never vivid."""
    light = np.asarray(light, np.float64)[..., None]
    turned = np.deg2rad(tone - np.array([0, 120, 240]))
    return np.asarray(np.clip(light + 0.07 * np.cos(turned), 0, 1), np.float64)


def _box(x: _Picture, y: _Picture, sides: tuple[int, int, int, int]) -> npt.NDArray[np.bool_]:
    left, top, right, bottom = sides
    return (x >= left) & (x < right) & (y >= top) & (y < bottom)


def _fill(card: _Picture, where: npt.NDArray[np.bool_], paint: _Picture) -> None:
    card[where] = paint.reshape(-1, 3)[0]


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
