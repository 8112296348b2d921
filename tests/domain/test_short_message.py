"""Short messages: alphabets, lengths, and where a long text may be cut."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clicktodial.domain.short_message import (
    PART_SEPTETS_MAX,
    PART_UCS2_OCTETS_MAX,
    PARTS_MAX,
    SEPTETS_MAX,
    UCS2_OCTETS_MAX,
    Alphabet,
    count_parts,
    find_alphabet,
    join_parts,
    split_text,
)

# TS 23.038 6.2.1, read off the table column by column, and its extension.
GSM7_SAMPLE = {"@": b"\x00", "£": b"\x01", "_": b"\x11", "Ξ": b"\x1a", "¡": b"\x40", "à": b"\x7f"}
EXTENSION = "\f^{}\\[~]|€"
GSM7_TEXT = st.text(alphabet="@£$ΔΦ _abcXYZ019?'ü\n" + EXTENSION, max_size=600)
ANY_TEXT = st.text(
    alphabet=st.characters(exclude_categories=["Cs"]) | st.sampled_from("😀🚀中文{€a"),
    max_size=400,
)


@pytest.mark.parametrize(("char", "septets"), GSM7_SAMPLE.items())
def test_characters_have_the_septets_of_the_standard(char: str, septets: bytes) -> None:
    (part,) = split_text(char, 0)
    assert (part.alphabet, part.content) == (Alphabet.GSM7, septets)


def test_euro_sign_takes_two_septets() -> None:
    (part,) = split_text("€", 0)
    assert part.content == b"\x1b\x65"


def test_text_that_fits_has_no_header() -> None:
    (part,) = split_text("a" * SEPTETS_MAX, 7)
    assert part.header == b""
    (part,) = split_text("中" * (UCS2_OCTETS_MAX // 2), 7)
    assert (part.alphabet, part.header) == (Alphabet.UCS2, b"")


def test_one_character_more_makes_two_parts_with_headers() -> None:
    first, second = split_text("a" * (SEPTETS_MAX + 1), 0x1FF)
    assert (len(first.content), len(second.content)) == (PART_SEPTETS_MAX, 8)
    # TS 23.040 9.2.3.24.1: length, element 0, its length, reference, how many, which.
    assert first.header == bytes((5, 0, 3, 0xFF, 2, 1))
    assert second.header == bytes((5, 0, 3, 0xFF, 2, 2))


def test_extension_character_at_the_end_of_a_part_moves_to_the_next() -> None:
    first, second = split_text("a" * (PART_SEPTETS_MAX - 1) + "€" + "b" * 20, 1)
    assert first.content == b"a" * (PART_SEPTETS_MAX - 1)
    assert second.content.startswith(b"\x1b\x65b")


def test_surrogate_pair_at_the_end_of_a_part_moves_to_the_next() -> None:
    units = PART_UCS2_OCTETS_MAX // 2
    first, second = split_text("中" * (units - 1) + "😀" * 3, 1)
    assert len(first.content) == PART_UCS2_OCTETS_MAX - 2
    assert second.content.decode("utf-16-be") == "😀" * 3


def test_more_parts_than_an_octet_counts_are_refused() -> None:
    with pytest.raises(ValueError, match="256"):
        split_text("a" * (PART_SEPTETS_MAX * PARTS_MAX + 1), 0)


@given(GSM7_TEXT | ANY_TEXT, st.integers(min_value=0))
def test_parts_joined_are_the_text_and_each_stands_alone(text: str, reference: int) -> None:
    parts = split_text(text, reference)
    assert join_parts(parts) == text
    assert len(parts) == count_parts(text)
    alphabet = find_alphabet(text)
    for number, part in enumerate(parts, 1):
        assert part.alphabet is alphabet
        # Each is read without the others: a cut character would not be.
        join_parts((part,))
        if len(parts) > 1:
            assert part.content
            assert part.header == bytes((5, 0, 3, reference % 256, len(parts), number))
            limit = PART_SEPTETS_MAX if alphabet is Alphabet.GSM7 else PART_UCS2_OCTETS_MAX
            assert len(part.content) <= limit
