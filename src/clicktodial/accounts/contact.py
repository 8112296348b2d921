"""Checks of what people say about themselves. Each raises ValueInvalid and repeats nothing of it:
what is refused ends up in answers and logs."""

import re
from dataclasses import dataclass

import msgspec

from clicktodial.domain.customer import is_misspelled_resident_id
from clicktodial.domain.email import EmailError, parse_email
from clicktodial.domain.number import NumberError, parse_number
from clicktodial.domain.wording import worded
from clicktodial.storage.error import ValueInvalid
from clicktodial.storage.table import NAME_CHARACTERS_MAX, WORD_CHARACTERS_MAX

_PAPER_NUMBER = re.compile(r"[0-9A-Z][0-9A-Z-]{3,31}")


def check_text(text: str, what: str, *, characters_max: int = NAME_CHARACTERS_MAX) -> str:
    """Printable, on one line, not empty, without blanks around it."""
    text = text.strip()
    if not 0 < len(text) <= characters_max or not text.isprintable():
        raise ValueInvalid(
            worded(
                "%(what)s must be 1-%(characters_max)s printable characters",
                what=what,
                characters_max=characters_max,
            )
        )
    return text


def check_note(text: str, what: str, *, characters_max: int, is_required: bool = False) -> str:
    """As `check_text`, with line breaks; perhaps empty."""
    text = text.strip()
    if is_required and not text:
        raise ValueInvalid(worded("%(what)s is required", what=what))
    if len(text) > characters_max or not text.replace("\n", "").isprintable():
        raise ValueInvalid(
            worded(
                "%(what)s must be at most %(characters_max)s printable characters",
                what=what,
                characters_max=characters_max,
            )
        )
    return text


def check_email(text: str, what: str = "the email address") -> str:
    """An address that mail can be sent to."""
    try:
        return parse_email(text.strip())
    except EmailError as error:
        raise ValueInvalid(worded("%(what)s must be NAME@HOST", what=what)) from error


def check_phone(written: str, what: str, region: str) -> str:
    """The number in E.164."""
    try:
        return parse_number(written.strip(), region).e164
    except NumberError as error:
        raise ValueInvalid(worded("%(what)s is not a telephone number", what=what)) from error


def check_region(text: str) -> str:
    """The name of one of the operator's regions."""
    text = check_text(text, "the region", characters_max=WORD_CHARACTERS_MAX)
    if "," in text:
        raise ValueInvalid("a region has no comma")
    return text


def check_paper_number(text: str, what: str) -> str:
    """The number of a certificate."""
    text = text.strip().upper()
    if not _PAPER_NUMBER.fullmatch(text):
        raise ValueInvalid(worded("%(what)s must be 4-32 letters, digits or hyphens", what=what))
    return text


def check_id_number(text: str, what: str) -> str:
    """The number of a person's identity card or passport."""
    text = check_paper_number(text, what)
    if is_misspelled_resident_id(text):
        raise ValueInvalid(worded("%(what)s has a wrong check character", what=what))
    return text


@dataclass(frozen=True, slots=True)
class Contact:
    """Whom to talk to; the phone in E.164."""

    person: str
    phone: str
    email: str

    def __repr__(self) -> str:
        return "Contact(...)"


def check_contact(contact: Contact, region: str) -> Contact:
    """The same, as it is kept."""
    return Contact(
        person=check_text(contact.person, "the contact person"),
        phone=check_phone(contact.phone, "the contact's phone", region),
        email=check_email(contact.email, "the contact's email"),
    )


def encode_contact(contact: Contact) -> bytes:
    """As it is sealed."""
    return msgspec.json.encode(contact)


def decode_contact(encoded: bytes) -> Contact:
    """The inverse."""
    return msgspec.json.decode(encoded, type=Contact)
