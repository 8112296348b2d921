"""Telephone numbers: canonical E.164 inside, as the application wrote them outside."""

from dataclasses import dataclass

import phonenumbers

# The specification's own examples are Chinese numbers, with and without 86.
DEFAULT_REGION = "CN"
# E.164 allows 15 digits; people add a prefix and separators. Longer is not a number.
WRITTEN_CHARACTERS_MAX = 32
_VISIBLE_HEAD = 5
_VISIBLE_TAIL = 2


class NumberError(ValueError):
    """The text is not a telephone number."""


@dataclass(frozen=True, slots=True)
class PhoneNumber:
    """A number as the platform dials it and as its owner wrote it."""

    e164: str
    written: str

    def __str__(self) -> str:
        return mask_number(self.e164)


def parse_number(written: str, region: str = DEFAULT_REGION) -> PhoneNumber:
    """Read a number as people write it: `8613912345673`, `+86139...`, `139...`, `01052680000`.

    Raises NumberError for what no numbering plan could dial.
    """
    if len(written) > WRITTEN_CHARACTERS_MAX or not written.isascii():
        raise NumberError("not a telephone number")
    try:
        parsed = phonenumbers.parse(written, region)
    except phonenumbers.NumberParseException as error:
        raise NumberError("not a telephone number") from error
    # An extension or letters would be dialled as something else than was meant.
    if parsed.extension is not None or any(character.isalpha() for character in written):
        raise NumberError("not a telephone number")
    if not phonenumbers.is_possible_number(parsed):
        raise NumberError("not a telephone number")
    e164 = phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)
    return PhoneNumber(e164=e164, written=written)


def mask_number(number: str) -> str:
    """The number with its middle hidden, for logs: `+8613912345673` becomes `+8613*******73`."""
    hidden = len(number) - _VISIBLE_HEAD - _VISIBLE_TAIL
    if hidden <= 0:
        return "*" * len(number)
    return number[:_VISIBLE_HEAD] + "*" * hidden + number[-_VISIBLE_TAIL:]
