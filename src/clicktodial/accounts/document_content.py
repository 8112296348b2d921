"""What an uploaded document is, by its content and nothing else: PDF, JPEG or PNG.

Nothing is decoded or drawn here; the structure is walked, in constant memory and bounded time, so
that what is kept is one whole picture or paper and not also something else. What a browser is
later given is of a type that was proved. Not proved is that a picture shows what it should: people
look at it. A PDF's compressed parts are not unpacked, so that active content may hide in them:
documents are shown only as docs/decisions/0029 says, where it reaches nothing of ours.
"""

import re
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from clicktodial.domain.wording import worded

# A scan of some pages; more is a camera's raw picture.
DOCUMENT_BYTES_MAX = 8 * 1024 * 1024
# A4 in 600 dots an inch is 4960 by 7016; a telephone's largest photo some 12 000 by 9 000.
PIXELS_A_SIDE_MAX = 12_000
PIXELS_MAX = 64_000_000
# Below it nobody can read a card's number.
PIXELS_A_SIDE_MIN = 64
# What a PNG of PIXELS_MAX takes in 8-bit RGBA; its picture data are unpacked to be counted.
PNG_RAW_BYTES_MAX = 4 * PIXELS_MAX
PNG_CHUNKS_MAX = 20_000
JPEG_SEGMENTS_MAX = 10_000
_DEFLATED_PIECE_BYTES = 4_096
_INFLATED_PIECE_BYTES = 65_536


class DocumentRefused(Exception):
    """The file is no document that is taken."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or type(self).__doc__)


class MediaType(StrEnum):
    """What is taken."""

    PDF = "application/pdf"
    JPEG = "image/jpeg"
    PNG = "image/png"


@dataclass(frozen=True, slots=True)
class InspectedDocument:
    """A file that was found to be one; `content` is what is kept of it."""

    media_type: MediaType
    content: bytes


def inspect_document(content: bytes) -> InspectedDocument:
    """What it is. Raises DocumentRefused, whose message says why."""
    if not content:
        raise DocumentRefused("the file is empty")
    if len(content) > DOCUMENT_BYTES_MAX:
        raise DocumentRefused(
            worded("a document has at most %(most)s bytes", most=DOCUMENT_BYTES_MAX)
        )
    if content.startswith(_PNG_SIGNATURE):
        _check_png(content)
        return InspectedDocument(MediaType.PNG, content)
    if content.startswith(b"\xff\xd8\xff"):
        # Telephones append previews and the like behind the picture: that is cut off.
        return InspectedDocument(MediaType.JPEG, content[: _find_jpeg_end(content)])
    if content.startswith(b"%PDF-"):
        _check_pdf(content)
        return InspectedDocument(MediaType.PDF, content)
    raise DocumentRefused("the file is no PDF, JPEG or PNG")


# PNG, third edition (W3C), section 5

_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PNG_HEADER = struct.Struct(">IIBBBBB")
_PNG_CHUNK_HEAD = struct.Struct(">I4s")
# Table 8: the bit depths of each colour type, and its samples a pixel.
_PNG_DEPTHS = {0: {1, 2, 4, 8, 16}, 2: {8, 16}, 3: {1, 2, 4, 8}, 4: {8, 16}, 6: {8, 16}}
_PNG_SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
# 8.1: Adam7's passes, by first column, first row, and the steps of both.
_ADAM7 = (
    (0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)
)  # fmt: skip


def _check_png(content: bytes) -> None:
    raw_bytes = 0
    inflating = zlib.decompressobj()
    inflated = 0
    has_data, before = False, b""
    for name, data in _png_chunks(content):
        if not before:
            if name != b"IHDR" or len(data) != _PNG_HEADER.size:
                raise DocumentRefused("the PNG has no header")
            raw_bytes = _png_raw_bytes(data)
        elif name == b"IDAT":
            if has_data and before != b"IDAT":
                raise DocumentRefused("the PNG's data are not in one piece")
            has_data = True
            inflated += _inflate(inflating, data, raw_bytes - inflated)
        elif not name[0] & 0x20 and name not in (b"PLTE", b"IEND"):
            raise DocumentRefused("the PNG has a critical part that is unknown")
        before = name
    if inflated != raw_bytes or not inflating.eof:
        raise DocumentRefused("the PNG's data are not those of its size")


def _png_chunks(content: bytes) -> Iterator[tuple[bytes, memoryview]]:
    """Each with its name, up to the last; the whole file is made of them."""
    view = memoryview(content)
    at = len(_PNG_SIGNATURE)
    for _ in range(PNG_CHUNKS_MAX):
        if at + _PNG_CHUNK_HEAD.size > len(content):
            raise DocumentRefused("the PNG is cut off")
        length, name = _PNG_CHUNK_HEAD.unpack_from(content, at)
        end = at + _PNG_CHUNK_HEAD.size + length
        if end + 4 > len(content):
            raise DocumentRefused("the PNG is cut off")
        data = view[at + _PNG_CHUNK_HEAD.size : end]
        if zlib.crc32(data, zlib.crc32(name)) != int.from_bytes(view[end : end + 4], "big"):
            raise DocumentRefused("the PNG is damaged")
        yield name, data
        at = end + 4
        if name == b"IEND":
            if at != len(content):
                raise DocumentRefused("there is something behind the end of the PNG")
            return
    raise DocumentRefused("the PNG has too many parts")


def _png_raw_bytes(header: memoryview) -> int:
    """How many bytes its picture data unpack to."""
    width, height, depth, colour, compression, filtering, interlace = _PNG_HEADER.unpack(header)
    _check_size(width, height)
    if depth not in _PNG_DEPTHS.get(colour, ()) or compression or filtering or interlace > 1:
        raise DocumentRefused("the PNG has a header that no PNG has")
    bits = depth * _PNG_SAMPLES[colour]
    passes = _ADAM7 if interlace else ((0, 0, 1, 1),)
    raw_bytes = 0
    for first_column, first_row, column_step, row_step in passes:
        columns = -(-(width - first_column) // column_step)
        rows = -(-(height - first_row) // row_step)
        if columns > 0 and rows > 0:
            raw_bytes += rows * (1 + (columns * bits + 7) // 8)
    if raw_bytes > PNG_RAW_BYTES_MAX:
        raise DocumentRefused("the picture is too large")
    return raw_bytes


def _inflate(inflating: "zlib._Decompress", data: memoryview, room: int) -> int:
    """How many bytes come of it, piece by piece, none of them kept."""
    total = 0
    try:
        # In small pieces on this side, too: what is left of one is copied for each that comes.
        for at in range(0, len(data), _DEFLATED_PIECE_BYTES):
            waiting: bytes | memoryview = data[at : at + _DEFLATED_PIECE_BYTES]
            while len(waiting):
                total += len(inflating.decompress(waiting, _INFLATED_PIECE_BYTES))
                waiting = inflating.unconsumed_tail
                if total > room or inflating.unused_data:
                    raise DocumentRefused("the PNG's data are more than those of its size")
    except zlib.error as error:
        raise DocumentRefused("the PNG is damaged") from error
    return total


# ITU-T T.81 annex B

_SOI, _EOI, _SOS = 0xD8, 0xD9, 0xDA
# Baseline, extended sequential and progressive, with Huffman coding: what cameras write.
_FRAMES = frozenset({0xC0, 0xC1, 0xC2})
_NO_FRAMES = frozenset({0xC4, 0xC8, 0xCC})  # DHT, JPG, DAC
_ALONE = frozenset({0x01, *range(0xD0, 0xD8)})
# In the coded data: a marker that is neither a stuffed zero nor a restart.
_CODED_END = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]", re.DOTALL)


def _find_jpeg_end(content: bytes) -> int:
    """Where the picture ends; the file may go on."""
    at = 2
    has_frame = has_scan = False
    for _ in range(JPEG_SEGMENTS_MAX):
        marker, at = _read_marker(content, at)
        if marker == _EOI:
            if not has_scan:
                raise DocumentRefused("the JPEG has no picture")
            return at
        if marker in _ALONE:
            continue
        if marker == _SOI or marker < 0xC0:
            raise DocumentRefused("the JPEG is damaged")
        end = at + int.from_bytes(content[at : at + 2], "big")
        if end < at + 2 or end > len(content):
            raise DocumentRefused("the JPEG is cut off")
        if 0xC0 <= marker <= 0xCF and marker not in _NO_FRAMES:
            if has_frame:
                raise DocumentRefused("the JPEG has several pictures")
            _check_frame(marker, content[at + 2 : end])
            has_frame = True
        at = end
        if marker == _SOS:
            if not has_frame:
                raise DocumentRefused("the JPEG has no size")
            coded = _CODED_END.search(content, at)
            if coded is None:
                raise DocumentRefused("the JPEG is cut off")
            at = coded.start()
            has_scan = True
    raise DocumentRefused("the JPEG has too many parts")


def _read_marker(content: bytes, at: int) -> tuple[int, int]:
    """The marker there, and where it ends. B.1.1.2: any number of fill bytes may go before."""
    if content[at : at + 1] != b"\xff":
        if at < len(content):
            raise DocumentRefused("the JPEG is damaged")
        raise DocumentRefused("the JPEG is cut off")
    while content[at : at + 1] == b"\xff":
        at += 1
    if at >= len(content):
        raise DocumentRefused("the JPEG is cut off")
    return content[at], at + 1


def _check_frame(marker: int, frame: bytes) -> None:
    if marker not in _FRAMES or len(frame) < 6:
        raise DocumentRefused("the JPEG is of a kind that is not taken")
    height, width = struct.unpack_from(">HH", frame, 1)
    _check_size(width, height)


def _check_size(width: int, height: int) -> None:
    if min(width, height) < PIXELS_A_SIDE_MIN:
        raise DocumentRefused(
            worded("a picture has at least %(least)s pixels a side", least=PIXELS_A_SIDE_MIN)
        )
    if max(width, height) > PIXELS_A_SIDE_MAX or width * height > PIXELS_MAX:
        raise DocumentRefused("the picture is too large")


# ISO 32000-2, 7.5

_PDF_HEADER = re.compile(rb"%PDF-(?:1\.[0-7]|2\.0)[\r\n \t%]")
_PDF_END = re.compile(rb"startxref[\r\n \t]+([0-9]{1,10})[\r\n \t]+%%EOF[\r\n \t\x00]*\Z")
_PDF_TAIL_BYTES = 1_024
# A table, or the stream object that stands for one (7.5.4, 7.5.8).
_PDF_CROSS_REFERENCES = re.compile(rb"[\r\n \t]*(?:xref\b|[0-9]{1,10}[ \t]+[0-9]{1,5}[ \t]+obj\b)")
# What acts by itself, carries other files, or cannot be looked into. Names long enough not to
# stand in compressed data by chance, which is why the whole file can be searched for them.
_PDF_ACTIVE = frozenset(
    {
        b"JavaScript",
        b"Launch",
        b"EmbeddedFile",
        b"EmbeddedFiles",
        b"RichMedia",
        b"SubmitForm",
        b"ImportData",
        b"Encrypt",
    }
)
# 7.3.5: any letter of a name may be written as #xx.
_PDF_NAME = re.compile(rb"/((?:[A-Za-z]|#[0-9A-Fa-f]{2}){6,40})")
_PDF_ESCAPE = re.compile(rb"#([0-9A-Fa-f]{2})")


def _check_pdf(content: bytes) -> None:
    if not _PDF_HEADER.match(content):
        raise DocumentRefused("the PDF is of an unknown version")
    end = _PDF_END.search(content, max(0, len(content) - _PDF_TAIL_BYTES))
    if end is None:
        raise DocumentRefused("the PDF is cut off, or something is behind its end")
    if not _PDF_CROSS_REFERENCES.match(content, int(end[1])):
        raise DocumentRefused("the PDF is damaged")
    for name in _PDF_NAME.finditer(content):
        if _unescape(name[1]) in _PDF_ACTIVE:
            raise DocumentRefused("the PDF is encrypted, or has scripts, forms or files in it")


def _unescape(name: bytes) -> bytes:
    return _PDF_ESCAPE.sub(lambda match: bytes((int(match[1], 16),)), name)
