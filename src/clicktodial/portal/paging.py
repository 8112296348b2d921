"""Lists in pages: a cursor in the address says where a page begins."""

import re
from datetime import UTC, datetime

from clicktodial.storage.history import CallPlace
from clicktodial.storage.instant import from_millis, to_millis

# What fits a screen or two, and is drawn in a few milliseconds.
PAGE_SIZE = 25
_CURSOR = re.compile(r"([0-9]{1,15})-([0-9A-Za-z_-]{1,64})", re.ASCII)
_IDENTIFIER = re.compile(r"[0-9A-Za-z_-]{1,64}", re.ASCII)
_MILLIS_MAX = to_millis(datetime(9999, 12, 31, tzinfo=UTC))


def parse_place(text: str | None) -> CallPlace | None:
    """Where a page of calls begins; None, the first page, for what is no cursor of ours."""
    match = _CURSOR.fullmatch(text or "")
    if match is None or int(match[1]) > _MILLIS_MAX:
        return None
    return CallPlace(from_millis(int(match[1])), match[2])


def render_place(place: CallPlace | None) -> str | None:
    """The inverse."""
    return None if place is None else f"{to_millis(place.begun_at)}-{place.call_id}"


def parse_identifier(text: str | None) -> str | None:
    """Behind which identifier a page begins; None, the first page, for what is none."""
    return text if text and _IDENTIFIER.fullmatch(text) else None
