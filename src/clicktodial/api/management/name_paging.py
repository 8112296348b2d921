"""Pages of what is listed by name or identifier: the cursor is the last of the page before."""

import re
from collections.abc import Callable, Sequence
from typing import TypeVar

from clicktodial.api.management.paging import PAGE_PARAMETERS
from clicktodial.api.management.problem import INVALID_PARAMETER, Refused

T = TypeVar("T")

NAME_PAGE_PARAMETERS = PAGE_PARAMETERS
# Identifiers, names and E.164 numbers; what stands before a number is its plus or its space,
# as which an unescaped plus arrives.
_CURSOR = re.compile(r"[ +]?[0-9A-Za-z._-]{1,64}")


def parse_name_cursor(query: dict[str, str]) -> str | None:
    """Behind what the page begins; None at the beginning. Raises Refused."""
    text = query.get("cursor")
    if text is None:
        return None
    if not _CURSOR.fullmatch(text):
        raise Refused(INVALID_PARAMETER, "cursor must be what a page said in `next`")
    return "+" + text[1:] if text.startswith(" ") else text


def cut_page(
    found: Sequence[T], limit: int, name: Callable[[T], str]
) -> tuple[Sequence[T], str | None]:
    """The page of `limit`, and its `next`, of what was found with one more than that."""
    if len(found) <= limit:
        return found, None
    return found[:limit], name(found[limit - 1])
