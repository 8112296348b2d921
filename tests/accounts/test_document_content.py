"""What is taken for a document, and what is not, whatever it is called."""

import random
import struct
import tracemalloc
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.accounts.paper import (
    JPEG_END,
    JPEG_SCAN,
    PNG_END,
    PNG_SIGNATURE,
    SIDE,
    jpeg,
    jpeg_frame,
    jpeg_segment,
    pdf,
    png,
    png_chunk,
    png_header,
)

from clicktodial.accounts.document_content import (
    DOCUMENT_BYTES_MAX,
    JPEG_SEGMENTS_MAX,
    PIXELS_A_SIDE_MAX,
    PIXELS_A_SIDE_MIN,
    PNG_CHUNKS_MAX,
    DocumentRefused,
    MediaType,
    inspect_document,
)

ZIP = b"PK\x03\x04" + bytes(26) + b"PK\x05\x06" + bytes(18)
HTML = b"<script>alert(1)</script>"


@pytest.mark.parametrize(
    ("content", "media_type"),
    [
        (png(), MediaType.PNG),
        (png(further=png_chunk(b"tEXt", b"Title\x00card")), MediaType.PNG),
        (jpeg(), MediaType.JPEG),
        (jpeg(frame=jpeg_frame(marker=0xC2), scans=JPEG_SCAN * 3), MediaType.JPEG),
        (pdf(), MediaType.PDF),
        (pdf(tail=b"\r\n"), MediaType.PDF),
    ],
    ids=["png", "png-with-text", "jpeg", "progressive-jpeg", "pdf", "pdf-with-blanks"],
)
def test_document_is_known_by_its_content(content: bytes, media_type: MediaType) -> None:
    inspected = inspect_document(content)
    assert (inspected.media_type, inspected.content) == (media_type, content)


@pytest.mark.parametrize(
    ("colour", "depth", "bits"),
    [(0, 1, 1), (0, 16, 16), (2, 8, 24), (2, 16, 48), (3, 2, 2), (4, 8, 16), (6, 8, 32)],
)
def test_png_of_each_colour_has_the_data_of_its_size(colour: int, depth: int, bits: int) -> None:
    header = png_header(depth=depth, colour=colour)
    raw_bytes = SIDE * (1 + (SIDE * bits + 7) // 8)
    inspect_document(png(header=header, raw_bytes=raw_bytes))
    for wrong in (raw_bytes - 1, raw_bytes + 1):
        with pytest.raises(DocumentRefused):
            inspect_document(png(header=header, raw_bytes=wrong))


def test_interlaced_png_has_the_data_of_its_passes() -> None:
    # Of 64 by 64 pixels in RGB: seven passes, PNG 8.1.
    passes = [(8, 8), (8, 8), (16, 8), (16, 16), (32, 16), (32, 32), (64, 32)]
    raw_bytes = sum(rows * (1 + 3 * columns) for columns, rows in passes)
    inspect_document(png(header=png_header(interlace=1), raw_bytes=raw_bytes))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"PK\x03\x04",
        HTML,
        b"GIF89a" + bytes(100),
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        # Something before the beginning, or behind the end.
        b" " + pdf(),
        HTML + png(),
        png(tail=ZIP),
        pdf(tail=ZIP),
        pdf(tail=HTML),
        # Names of parts that are not what they must be.
        PNG_SIGNATURE + PNG_END,
        PNG_SIGNATURE + png_header() + PNG_END,
        png(further=png_chunk(b"EVIL", b"x")),
        png(header=png_header(depth=3)),
        png(header=png_header(colour=5)),
        png(header=png_header(interlace=2)),
        png(header=png_chunk(b"IHDR", bytes(12))),
        png(further=png_header()),
        PNG_SIGNATURE + png_header() + png_chunk(b"IDAT", b"no zlib") + PNG_END,
        # Pictures without a picture, or with two.
        b"\xff\xd8" + JPEG_END,
        b"\xff\xd8\xff\xd9",
        jpeg(frame=b""),
        jpeg(frame=jpeg_frame() * 2),
        jpeg(frame=jpeg_frame(marker=0xC3)),
        jpeg(frame=jpeg_segment(0xC0, b"\x08")),
        jpeg(scans=b""),
        b"\xff\xd8\xff" + bytes(100),
        # Papers that act, hide something, or are none.
        b"%PDF-1.7\n%%EOF\n",
        b"%PDF-9.9\n" + pdf()[9:],
        pdf(catalog=b"/Type /Catalog /Pages 2 0 R /OpenAction << /S /JavaScript /JS (x) >>"),
        pdf(catalog=b"/Type /Catalog /Pages 2 0 R /OpenAction << /S /Launch /F (x) >>"),
        pdf(catalog=b"/Type /Catalog /Names << /EmbeddedFiles 4 0 R >>"),
        pdf(catalog=b"/Type /Catalog /Encrypt 9 0 R"),
        pdf(catalog=b"/Type /Catalog /#4aavaScript 9 0 R"),
        pdf().replace(b"xref\n0 4", b"xxxx\n0 4"),
    ],
    ids=lambda content: f"{zlib.crc32(content):08x}",
)
def test_what_is_no_document_is_refused(content: bytes) -> None:
    with pytest.raises(DocumentRefused):
        inspect_document(content)


@pytest.mark.parametrize("content", [png(), jpeg(), pdf()], ids=["png", "jpeg", "pdf"])
def test_document_that_is_cut_off_anywhere_is_refused(content: bytes) -> None:
    for length in range(len(content.rstrip())):
        with pytest.raises(DocumentRefused):
            inspect_document(content[:length])


@pytest.mark.parametrize("at", range(8, len(png()), 7))
def test_png_with_a_changed_byte_is_refused(at: int) -> None:
    content = bytearray(png())
    content[at] ^= 0x55
    with pytest.raises(DocumentRefused):
        inspect_document(bytes(content))


def test_what_a_telephone_appends_to_a_jpeg_is_cut_off() -> None:
    inspected = inspect_document(jpeg(tail=jpeg() + ZIP))
    assert inspected.content == jpeg()


@pytest.mark.parametrize(
    ("width", "height"),
    [
        (PIXELS_A_SIDE_MAX + 1, 64),
        (64, PIXELS_A_SIDE_MAX + 1),
        (PIXELS_A_SIDE_MAX, PIXELS_A_SIDE_MAX),
        (PIXELS_A_SIDE_MIN - 1, 64),
        (0, 64),
    ],
)
def test_picture_out_of_bounds_is_refused(width: int, height: int) -> None:
    for content in (
        png(header=png_header(width, height), raw_bytes=10),
        jpeg(frame=jpeg_frame(width, height)),
    ):
        with pytest.raises(DocumentRefused, match=r"pixels a side|too large"):
            inspect_document(content)


def test_largest_side_is_taken() -> None:
    raw_bytes = 64 * (1 + 3 * PIXELS_A_SIDE_MAX)
    inspect_document(png(header=png_header(PIXELS_A_SIDE_MAX, 64), raw_bytes=raw_bytes))
    inspect_document(jpeg(frame=jpeg_frame(64, PIXELS_A_SIDE_MAX)))


def test_png_that_claims_more_than_is_unpacked_is_refused() -> None:
    # Within the sides, and 16 bits a sample: twice what a picture may unpack to.
    header = png_header(8_000, 8_000, depth=16, colour=6)
    with pytest.raises(DocumentRefused, match="too large"):
        inspect_document(png(header=header, raw_bytes=10))


def test_bomb_is_refused_without_being_unpacked() -> None:
    packer = zlib.compressobj(9)
    bomb = b"".join(packer.compress(bytes(1_000_000)) for _ in range(200)) + packer.flush()
    content = PNG_SIGNATURE + png_header() + png_chunk(b"IDAT", bomb) + PNG_END
    tracemalloc.start()
    with pytest.raises(DocumentRefused, match="more than those of its size"):
        inspect_document(content)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1_000_000


def test_file_of_countless_parts_is_refused() -> None:
    parts = png_chunk(b"tEXt", b"") * PNG_CHUNKS_MAX
    with pytest.raises(DocumentRefused, match="too many parts"):
        inspect_document(PNG_SIGNATURE + png_header() + parts + PNG_END)
    segments = jpeg_segment(0xFE, b"") * JPEG_SEGMENTS_MAX
    with pytest.raises(DocumentRefused, match="too many parts"):
        inspect_document(b"\xff\xd8" + segments + JPEG_END)


@pytest.mark.parametrize(
    "content",
    [
        # Each makes a careless search begin anew at each of its millions of bytes.
        b"\xff\xd8" + jpeg_frame() + JPEG_SCAN + b"\xff" * 8_000_000 + b"\x00",
        b"\xff\xd8" + b"\xff" * 8_000_000,
        b"%PDF-1.7\n" + b"stream\n" * 1_000_000 + pdf()[9:],
        b"%PDF-1.7\n" + b"/" * 8_000_000 + pdf()[9:],
        b"%PDF-1.7\n" + b"/#41" * 2_000_000 + pdf()[9:],
        pdf(tail=b"\n" * 8_000_000 + b"x"),
    ],
    ids=["fill-in-scan", "fill", "streams", "slashes", "escapes", "blanks"],
)
def test_file_made_to_take_long_is_refused_soon(content: bytes) -> None:
    with pytest.raises(DocumentRefused):
        inspect_document(content)


def test_data_that_unpack_a_thousandfold_are_counted_soon() -> None:
    side = 5_000
    raw_bytes = side * (1 + 3 * side)
    inspect_document(png(header=png_header(side, side), raw_bytes=raw_bytes))


def test_file_beyond_the_bound_is_refused() -> None:
    padding = DOCUMENT_BYTES_MAX - len(png()) - len(png_chunk(b"tEXt", b""))
    largest = png(further=png_chunk(b"tEXt", bytes(padding)))
    assert len(largest) == DOCUMENT_BYTES_MAX
    inspect_document(largest)
    with pytest.raises(DocumentRefused, match="at most"):
        inspect_document(largest + b"x")


@given(st.sampled_from([png(), jpeg(), pdf()]), st.integers(0, 2**32), st.integers(1, 8))
def test_damage_is_refused_or_harmless_and_never_anything_else(
    content: bytes, seed: int, count: int
) -> None:
    damaged = bytearray(content)
    drawn = random.Random(seed)
    for _ in range(count):
        damaged[drawn.randrange(len(damaged))] = drawn.randrange(256)
    try:
        inspect_document(bytes(damaged))
    except DocumentRefused:
        return


@given(st.sampled_from([PNG_SIGNATURE, b"\xff\xd8\xff", b"%PDF-1.7\n"]), st.binary(max_size=300))
def test_noise_behind_a_beginning_is_refused(beginning: bytes, noise: bytes) -> None:
    with pytest.raises(DocumentRefused):
        inspect_document(beginning + noise)


def test_length_of_a_part_beyond_the_file_is_refused() -> None:
    content = PNG_SIGNATURE + struct.pack(">I", 2**31) + b"IHDR" + bytes(20)
    with pytest.raises(DocumentRefused, match="cut off"):
        inspect_document(content)
