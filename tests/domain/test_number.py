"""Numbers as people write them, and what is no number."""

import re

import phonenumbers
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from clicktodial.domain.number import (
    WRITTEN_CHARACTERS_MAX,
    NumberError,
    PhoneNumber,
    mask_number,
    mask_numbers,
    parse_number,
)


@pytest.mark.parametrize(
    ("written", "e164"),
    [
        ("8613912345673", "+8613912345673"),
        ("+8613912345673", "+8613912345673"),
        ("13912345673", "+8613912345673"),
        ("01052680000", "+861052680000"),
        ("008613912345673", "+8613912345673"),
        ("8613810268653", "+8613810268653"),
        ("861052680000", "+861052680000"),
        ("139 1234 5673", "+8613912345673"),
        ("139-1234-5673", "+8613912345673"),
        ("139.1234.5673", "+8613912345673"),
        ("(010) 5268 0000", "+861052680000"),
        ("+86 (0)10 5268 0000", "+861052680000"),
        (" +86 139 1234 5673 ", "+8613912345673"),
        ("4001100868", "+864001100868"),
        ("+44 20 7946 0958", "+442079460958"),
        ("+1 (212) 555-0123", "+12125550123"),
        ("+390612345678", "+390612345678"),
        ("17951 139 1234 5673", "+8613912345673"),
        ("17951 0139 1234 5673", "+8613912345673"),
        ("+86 17951 010 5268 0000", "+861052680000"),
    ],
)
def test_number_as_people_write_it_is_read(written: str, e164: str) -> None:
    assert parse_number(written) == PhoneNumber(e164=e164, written=written)


def test_national_number_in_another_region_is_read_there() -> None:
    assert parse_number("020 7946 0958", "GB").e164 == "+442079460958"
    assert parse_number("0612345678", "FR").e164 == "+33612345678"


@pytest.mark.parametrize(
    "written",
    [
        "",
        " ",
        "+",
        "+1",
        "12",
        "110",
        "0" * WRITTEN_CHARACTERS_MAX,
        "9" * WRITTEN_CHARACTERS_MAX,
        "1" * (WRITTEN_CHARACTERS_MAX + 1),
        "++8613912345673",
        "+86+13912345673",
        "+999123456789",
        "13912345673 13912345673",
        # A parser that looks for a number in a text finds one in each of these.
        "13912345673\n",
        "13912345673\r\nContact: <sip:x>",
        "\t13912345673",
        "\x0013912345673",
        "13912345673*2",
        "13912345673#1",
        "*13912345673",
        "13912345673;ext=2",
        "13912345673,2",
        "13912345673 ext 2",
        "1/2/3912345673",
        "tel:+8613912345673",
        "sip:13912345673@example.org",
        "1-800-FLOWERS",
        "~13912345673",
        "'13912345673'",
        "<13912345673>",
        "13912345673@",
        "%31%33912345673",
        "\uff11\uff13\uff19\uff11\uff12\uff13\uff14\uff15\uff16\uff17\uff13",
        "\u0661\u0663\u0669\u0661\u0662\u0663\u0664\u0665\u0666\u0667\u0663",
        "139\u20601234\u20605673",
        "139\u20131234\u20135673",
        "\u202e13912345673",
        "not a number",
    ],
)
def test_text_that_is_no_number_is_refused(written: str) -> None:
    with pytest.raises(NumberError, match=r"^not a telephone number$"):
        parse_number(written)


def test_refusal_does_not_repeat_what_was_written() -> None:
    with pytest.raises(NumberError) as refusal:
        parse_number("13912345673 or so")
    assert "139" not in str(refusal.value)


@given(st.text(max_size=40))
@example("+" * 32)
@example("(" * 32)
@example("0" * 31 + "+")
def test_any_text_is_a_number_or_refused(written: str) -> None:
    try:
        number = parse_number(written)
    except NumberError:
        return
    assert re.fullmatch(r"\+[1-9][0-9]{4,14}", number.e164)
    assert number.written == written


@given(st.text(alphabet="0123456789+ ().-", max_size=WRITTEN_CHARACTERS_MAX))
@example("17951 01052680000")
def test_e164_is_read_as_itself(written: str) -> None:
    try:
        number = parse_number(written)
    except NumberError:
        return
    try:
        again = parse_number(number.e164)
    except NumberError:
        # Some plans have numbers that can be dialled from within only; none is another number.
        return
    assert again.e164 == number.e164


@pytest.mark.parametrize(
    ("number", "masked"),
    [
        ("+8613912345673", "+8613*******73"),
        ("8613912345673", "86139******73"),
        ("01052680000", "01052****00"),
        ("+6831234", "********"),
        ("1234567890", "**********"),
        ("12345678901", "12345****01"),
        ("110", "***"),
        ("", ""),
    ],
)
def test_mask_hides_the_middle_or_all(number: str, masked: str) -> None:
    assert mask_number(number) == masked


def test_numbers_within_a_text_are_masked() -> None:
    text = '{"code": 422001, "input": "+8613912345673", "callee": 8613810268653}'
    assert mask_numbers(text) == (
        '{"code": 422001, "input": "+8613*******73", "callee": 86138******53}'
    )


def test_number_as_text_is_masked() -> None:
    assert str(parse_number("8613912345673")) == "+8613*******73"
    assert f"{parse_number('8613912345673')}" == "+8613*******73"


def test_number_in_a_repr_is_masked() -> None:
    assert "12345673" not in repr(parse_number("8613912345673"))


@given(st.from_regex(r"(\+?86)?1[3-9][0-9]{9}", fullmatch=True))
def test_chinese_mobile_number_is_read_as_the_library_reads_it(written: str) -> None:
    by_library = phonenumbers.parse(written, "CN")
    assert phonenumbers.is_possible_number(by_library)
    expected = phonenumbers.format_number(by_library, phonenumbers.PhoneNumberFormat.E164)
    assert parse_number(written).e164 == expected
    assert parse_number(written).written == written


def test_digits_of_a_chinese_mobile_in_another_region_are_read_there() -> None:
    assert parse_number("15551234567", "US").e164 == "+15551234567"
