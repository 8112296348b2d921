"""Lists in pages: so many at most, and a cursor that says where the next page begins."""

import re
from datetime import UTC, datetime
from typing import Any

from clicktodial.api.management.problem import INVALID_PARAMETER, Refused
from clicktodial.api.management.route import Parameter
from clicktodial.storage.history import CallPlace
from clicktodial.storage.instant import from_millis, to_millis

PAGE_DEFAULT = 20
# A page of calls is some 50 kB then; whoever wants more asks again.
PAGE_MAX = 100
# Milliseconds of 1970 to 9999, then the identifier.
_CURSOR = re.compile(r"([0-9]{1,15})-([0-9A-Za-z_-]{1,64})")
_IDENTIFIER = re.compile(r"[0-9A-Za-z_-]{1,64}")
_MILLIS_MAX = to_millis(datetime(9999, 12, 31, tzinfo=UTC))

_LIMIT_SCHEMA: dict[str, Any] = {
    "type": "integer",
    "minimum": 1,
    "maximum": PAGE_MAX,
    "default": PAGE_DEFAULT,
}
PAGE_PARAMETERS = (
    Parameter("limit", "How many at most.", _LIMIT_SCHEMA),
    Parameter("cursor", "`next` of the page before.", {"type": "string", "maxLength": 100}),
)


def parse_limit(query: dict[str, str]) -> int:
    """The size of the page that is asked for. Raises Refused."""
    text = query.get("limit", str(PAGE_DEFAULT))
    if not re.fullmatch("[0-9]{1,4}", text) or not 1 <= int(text) <= PAGE_MAX:
        raise Refused(INVALID_PARAMETER, f"limit must be between 1 and {PAGE_MAX}")
    return int(text)


def parse_cursor(query: dict[str, str]) -> CallPlace | None:
    """Where the page begins; None at the beginning. Raises Refused."""
    text = query.get("cursor")
    if text is None:
        return None
    match = _CURSOR.fullmatch(text)
    if match is None or int(match[1]) > _MILLIS_MAX:
        raise Refused(INVALID_PARAMETER, "cursor must be what a page said in `next`")
    return CallPlace(from_millis(int(match[1])), match[2])


def render_cursor(place: CallPlace) -> str:
    """The inverse."""
    return f"{to_millis(place.begun_at)}-{place.call_id}"


def parse_identifier_cursor(query: dict[str, str]) -> str | None:
    """Behind which identifier the page begins; None at the beginning. Raises Refused."""
    text = query.get("cursor")
    if text is not None and not _IDENTIFIER.fullmatch(text):
        raise Refused(INVALID_PARAMETER, "cursor must be what a page said in `next`")
    return text
