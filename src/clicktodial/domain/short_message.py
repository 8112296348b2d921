"""Text of a short message as a network carries it: alphabets, septets, and parts of long ones.

3GPP TS 23.038 (formerly GSM 03.38) has an alphabet of seven bits, in which some characters are
written as two; whatever it lacks is written in UCS-2. A text that does not fit one short message
is cut into parts, each with a header that says which it is (TS 23.040 9.2.3.24.1). A part never
ends within a character: not between an escape and what it escapes, not within a surrogate pair.
"""

from dataclasses import dataclass
from enum import IntEnum

# TS 23.038 6.2.1; the escape at 0x1B is no character of its own.
_ESCAPE = 0x1B
_BASIC = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ\x1bÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
# TS 23.038 6.2.1.1.
_EXTENSION = {
    "\f": 0x0A, "^": 0x14, "{": 0x28, "}": 0x29, "\\": 0x2F,
    "[": 0x3C, "~": 0x3D, "]": 0x3E, "|": 0x40, "€": 0x65,
}  # fmt: skip
_SEPTETS: dict[str, bytes] = {
    **{char: bytes((code,)) for code, char in enumerate(_BASIC) if code != _ESCAPE},
    **{char: bytes((_ESCAPE, code)) for char, code in _EXTENSION.items()},
}
_CHARACTERS = {septets: char for char, septets in _SEPTETS.items()}

# 140 octets hold 160 septets or 70 UCS-2 units (TS 23.040 9.2.3.16).
SEPTETS_MAX = 160
UCS2_OCTETS_MAX = 140
# The header of a part is 6 octets long: 7 septets with the fill bits, or 3 UCS-2 units.
PART_SEPTETS_MAX = 153
PART_UCS2_OCTETS_MAX = 134
# The header counts parts in an octet.
PARTS_MAX = 255


class Alphabet(IntEnum):
    """How a text is encoded; the value is SMPP's data_coding (SMPP 3.4 5.2.19)."""

    GSM7 = 0
    UCS2 = 8


@dataclass(frozen=True, slots=True)
class ShortMessagePart:
    """What one short message carries: one septet an octet in GSM7, as SMPP wants it."""

    alphabet: Alphabet
    content: bytes
    header: bytes = b""


def find_alphabet(text: str) -> Alphabet:
    """The shorter one that has every character of the text."""
    return Alphabet.GSM7 if all(char in _SEPTETS for char in text) else Alphabet.UCS2


def count_parts(text: str) -> int:
    """How many short messages the text takes."""
    return len(_cut(text, find_alphabet(text)))


def split_text(text: str, reference: int) -> tuple[ShortMessagePart, ...]:
    """The short messages that carry the text. `reference` is what they are joined by at the
    other end, modulo 256. Raises ValueError for more than PARTS_MAX."""
    alphabet = find_alphabet(text)
    pieces = _cut(text, alphabet)
    if len(pieces) == 1:
        return (ShortMessagePart(alphabet, pieces[0]),)
    if len(pieces) > PARTS_MAX:
        raise ValueError(f"the text takes {len(pieces)} short messages")
    return tuple(
        ShortMessagePart(alphabet, piece, bytes((5, 0, 3, reference % 256, len(pieces), number)))
        for number, piece in enumerate(pieces, 1)
    )


def join_parts(parts: tuple[ShortMessagePart, ...]) -> str:
    """The text that the parts carry, in their order."""
    return "".join(_decode(part) for part in parts)


def _cut(text: str, alphabet: Alphabet) -> list[bytes]:
    encoded = [_encode(char, alphabet) for char in text]
    is_gsm7 = alphabet is Alphabet.GSM7
    whole = b"".join(encoded)
    if len(whole) <= (SEPTETS_MAX if is_gsm7 else UCS2_OCTETS_MAX):
        return [whole]
    limit = PART_SEPTETS_MAX if is_gsm7 else PART_UCS2_OCTETS_MAX
    pieces, piece = [], b""
    for char in encoded:
        if len(piece) + len(char) > limit:
            pieces.append(piece)
            piece = b""
        piece += char
    return [*pieces, piece]


def _encode(char: str, alphabet: Alphabet) -> bytes:
    # UTF-16 is what phones take UCS-2 for; a character beyond it is a pair of units.
    return _SEPTETS[char] if alphabet is Alphabet.GSM7 else char.encode("utf-16-be")


def _decode(part: ShortMessagePart) -> str:
    if part.alphabet is Alphabet.UCS2:
        return part.content.decode("utf-16-be")
    text, content = "", part.content
    while content:
        length = 2 if content[0] == _ESCAPE else 1
        text += _CHARACTERS[content[:length]]
        content = content[length:]
    return text
