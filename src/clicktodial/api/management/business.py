"""What the resources of the operator's business share."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any, TypeVar

from msgspec import Meta

from clicktodial.accounts.business import Business
from clicktodial.accounts.customer_data import PURPOSE_CHARACTERS_MAX
from clicktodial.api.management.paging import PAGE_PARAMETERS
from clicktodial.api.management.problem import INVALID_PARAMETER, Refused
from clicktodial.api.management.route import Parameter
from clicktodial.api.management.schema import Strict
from clicktodial.api.management.worker import Worker
from clicktodial.storage.business_table import REASON_CHARACTERS_MAX

E = TypeVar("E", bound=StrEnum)

_IDENTIFIER = re.compile(r"[0-9A-Za-z._-]{1,64}")
ENTERPRISE = Parameter("enterprise_id", "The enterprise.", {"type": "string"}, example="default")
PURPOSE = Parameter(
    "purpose",
    "What it is read for; noted with who reads. Required of the operator's people.",
    {"type": "string", "maxLength": PURPOSE_CHARACTERS_MAX},
    example="review",
)
REGION = Parameter("region", "Only those of that region.", {"type": "string", "maxLength": 32})
LIST_PARAMETERS = PAGE_PARAMETERS

ReasonText = Annotated[str, Meta(max_length=REASON_CHARACTERS_MAX)]


class ReasonGiven(Strict, frozen=True):
    """Why."""

    reason: ReasonText = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class BusinessNeeds:
    """What its resources work with."""

    business: Business
    worker: Worker


def word_parameter(name: str, about: str, words: type[StrEnum]) -> Parameter:
    """A query parameter that lists some of these words."""
    each = "|".join(re.escape(word.value) for word in words)
    schema = {"type": "string", "pattern": f"^({each})(,({each}))*$"}
    return Parameter(name, f"{about} Several are parted by commas.", schema)


def parse_words(query: dict[str, str], name: str, words: type[E]) -> frozenset[E]:
    """Those that are listed. Raises Refused."""
    text = query.get(name)
    if text is None:
        return frozenset()
    try:
        return frozenset(words(each) for each in text.split(","))
    except ValueError as error:
        known = ", ".join(word.value for word in words)
        raise Refused(INVALID_PARAMETER, f"{name} is of {known}") from error


def parse_word(query: dict[str, str], name: str, words: type[E]) -> E:
    """The one word, which is required. Raises Refused."""
    try:
        return words(query.get(name, ""))
    except ValueError as error:
        known = ", ".join(word.value for word in words)
        raise Refused(INVALID_PARAMETER, f"{name} is one of {known}") from error


def parse_place(query: dict[str, str]) -> str | None:
    """Where the page begins: behind that identifier; None at the beginning. Raises Refused."""
    text = query.get("cursor")
    if text is not None and not _IDENTIFIER.fullmatch(text):
        raise Refused(INVALID_PARAMETER, "cursor must be what a page said in `next`")
    return text


def cut_page(
    found: Sequence[Any], limit: int, identify: Callable[[Any], str]
) -> tuple[Sequence[Any], str | None]:
    """The page, of one more than `limit` that were asked for, and what `next` says."""
    page = found[:limit]
    return page, identify(page[-1]) if len(found) > limit else None
