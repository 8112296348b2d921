"""What a customer has to show before the service is opened: data and documents.

The list is that of click-to-dial-v1 2, "Customer Data Preparation".
"""

import re
from collections.abc import Collection
from dataclasses import dataclass, fields
from enum import StrEnum


class DocumentKind(StrEnum):
    """What a document is."""

    CERTIFICATE = "certificate"
    REPRESENTATIVE_ID_FRONT = "representative-id-front"
    REPRESENTATIVE_ID_BACK = "representative-id-back"
    HANDLER_ID_FRONT = "handler-id-front"
    HANDLER_ID_BACK = "handler-id-back"
    OTHER = "other"


REQUIRED_DOCUMENTS = tuple(kind for kind in DocumentKind if kind is not DocumentKind.OTHER)
# A side of a card has one photo, and a new one takes its place; there may be several certificates
# and letters of authority.
SEVERAL_MAX = 10
_SEVERAL = frozenset({DocumentKind.CERTIFICATE, DocumentKind.OTHER})


def is_single(kind: DocumentKind) -> bool:
    """Whether a new one replaces the one before."""
    return kind not in _SEVERAL


@dataclass(frozen=True, slots=True)
class CustomerData:
    """Who the customer is. An empty text is what is not known yet; phones are in E.164."""

    legal_name: str = ""
    certificate_number: str = ""
    representative_name: str = ""
    representative_id_number: str = ""
    representative_phone: str = ""
    handler_name: str = ""
    handler_id_number: str = ""
    handler_email: str = ""
    handler_phone: str = ""

    def __repr__(self) -> str:
        # Reprs end up in tracebacks, and those in logs.
        return "CustomerData(...)"


DATA_FIELDS = tuple(field.name for field in fields(CustomerData))


def find_missing(data: CustomerData, documents: Collection[DocumentKind]) -> tuple[str, ...]:
    """The names of data and of documents that are still to be given; none where it is complete."""
    return (
        *(name for name in DATA_FIELDS if not getattr(data, name)),
        *(kind for kind in REQUIRED_DOCUMENTS if kind not in documents),
    )


_RESIDENT_ID = re.compile(r"[0-9]{17}[0-9X]", re.ASCII)
# GB 11643-1999 (ISO 7064 MOD 11-2): a weight for each of 17 digits, and the check characters.
_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_CHECK_CHARACTERS = "10X98765432"


def is_misspelled_resident_id(id_number: str) -> bool:
    """Whether it has the form of a Chinese resident's number and not its check character. A
    passport's number has another form."""
    if not _RESIDENT_ID.fullmatch(id_number):
        return False
    total = sum(weight * int(digit) for weight, digit in zip(_WEIGHTS, id_number[:17], strict=True))
    return _CHECK_CHARACTERS[total % 11] != id_number[17]
