"""Addresses of mail: what may be written to, and the one form in which they are compared."""

import re

# RFC 5321 4.5.3.1.1 and 4.5.3.1.3.
LOCAL_PART_CHARACTERS_MAX = 64
EMAIL_CHARACTERS_MAX = 254
# A dot-atom (RFC 5322 3.2.3): no quoted string and no comment, so that nothing in an address can
# end a header or a command. Nor does it look like an encoded word, which has no place in an address
# (RFC 2047 5): libraries that decode it there would find any character in it.
_LOCAL_PART = re.compile(
    r"(?!.*=\?)[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*"
)
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_DOMAIN = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")


class EmailError(ValueError):
    """The text is no address that mail can be sent to."""

    def __init__(self) -> None:
        super().__init__(self.__doc__)


def parse_email(text: str) -> str:
    """The address in small letters. Raises EmailError.

    Two addresses that differ in case alone are one person's: in theory the part before the at
    sign may tell them apart (RFC 5321 2.4), in practice whoever tried that would take over a
    neighbour's account.
    """
    local, at, domain = text.rpartition("@")
    is_short = len(text) <= EMAIL_CHARACTERS_MAX and len(local) <= LOCAL_PART_CHARACTERS_MAX
    if not (at and is_short and _LOCAL_PART.fullmatch(local) and _DOMAIN.fullmatch(domain)):
        raise EmailError
    return text.lower()
