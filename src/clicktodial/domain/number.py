"""Telephone numbers: canonical E.164 inside, as the application wrote them outside."""

import re
from dataclasses import dataclass

import phonenumbers

# The specification's own examples are Chinese numbers, with and without 86.
DEFAULT_REGION = "CN"
# E.164 allows 15 digits; people add a prefix and separators. Longer is not a number.
WRITTEN_CHARACTERS_MAX = 32
# Digits and the separators that people use. What a parser would skip or cut at (`*2`, `/`, an
# extension, a control character) would dial something else than was meant.
_WRITTEN = re.compile(r" *\+?[0-9 ().-]+", re.ASCII)
# Chinese mobile numbers are most of what is dialled. The library reads them the same (a test
# holds the two together) in 35 us, three times a call.
_CHINESE_MOBILE = re.compile(r"(?:\+?86)?(1[3-9][0-9]{9})", re.ASCII)
# As programs write them: with a plus or without, and long enough to be somebody's.
_ANY_NUMBER = re.compile(r"\+?[0-9]{7,}", re.ASCII)
_VISIBLE_HEAD = 5
_VISIBLE_TAIL = 2
# Fewer than this, and trying out finds the rest; such a number is hidden whole.
_HIDDEN_MIN = 4


class NumberError(ValueError):
    """The text is not a telephone number."""


@dataclass(frozen=True, slots=True)
class PhoneNumber:
    """A number as the platform dials it and as its owner wrote it."""

    e164: str
    written: str

    def __str__(self) -> str:
        return mask_number(self.e164)

    def __repr__(self) -> str:
        # Reprs end up in tracebacks, and those in logs.
        return f"PhoneNumber({mask_number(self.e164)!r})"


def parse_number(written: str, region: str = DEFAULT_REGION) -> PhoneNumber:
    """Read a number as people write it: `8613912345673`, `+86139...`, `139...`, `01052680000`.

    Raises NumberError for what no numbering plan could dial.
    """
    if len(written) > WRITTEN_CHARACTERS_MAX or not _WRITTEN.fullmatch(written):
        raise NumberError("not a telephone number")
    if region == "CN" and (mobile := _CHINESE_MOBILE.fullmatch(written)):
        return PhoneNumber(e164=f"+86{mobile[1]}", written=written)
    try:
        parsed = phonenumbers.parse(written, region)
        if parsed.italian_leading_zero:
            # Behind a carrier's prefix (17951) the trunk's zero is left standing. Read again it
            # goes, where it is no part of the number: else one phone had two, and lists hold one.
            parsed = phonenumbers.parse(_format(parsed))
    except phonenumbers.NumberParseException as error:
        raise NumberError("not a telephone number") from error
    if not phonenumbers.is_possible_number(parsed):
        raise NumberError("not a telephone number")
    return PhoneNumber(e164=_format(parsed), written=written)


def _format(parsed: phonenumbers.PhoneNumber) -> str:
    return phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)


def mask_numbers(text: str) -> str:
    """The text with each number in it so hidden that is long enough to be somebody's."""
    return _ANY_NUMBER.sub(lambda found: mask_number(found[0]), text)


def mask_number(number: str) -> str:
    """The number with its middle hidden, for logs: `+8613912345673` becomes `+8613*******73`."""
    hidden = len(number) - _VISIBLE_HEAD - _VISIBLE_TAIL
    if hidden < _HIDDEN_MIN:
        return "*" * len(number)
    return number[:_VISIBLE_HEAD] + "*" * hidden + number[-_VISIBLE_TAIL:]
