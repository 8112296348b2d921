"""Times from and until, in queries and bodies."""

from datetime import UTC, datetime, timedelta
from typing import Any

from clicktodial.api.management.problem import INVALID_PARAMETER, Refused
from clicktodial.api.management.route import Parameter
from clicktodial.domain.roster import Span

_INSTANT: dict[str, Any] = {"type": "string", "format": "date-time", "maxLength": 40}


def span_parameters(default: str) -> tuple[Parameter, Parameter]:
    """Both, for the document; `default` is said where they are not given."""
    return (
        Parameter("from", f"The beginning; {default} unless given.", _INSTANT),
        Parameter("until", "The end, which is no part of it.", _INSTANT),
    )


def parse_span(query: dict[str, str], *, begins: datetime, lasts: timedelta) -> Span:
    """What the query says; where it says nothing, from then on for so long. Raises Refused."""
    from_at = _parse(query, "from") or begins
    try:
        until_at = _parse(query, "until") or from_at + lasts
    except OverflowError as error:
        raise Refused(INVALID_PARAMETER, "from is too far away") from error
    return Span(from_at, until_at)


def _parse(query: dict[str, str], name: str) -> datetime | None:
    text = query.get(name)
    if text is None:
        return None
    try:
        instant = datetime.fromisoformat(text)
        if instant.tzinfo is None:
            raise ValueError(text)
        return instant.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise Refused(INVALID_PARAMETER, f"{name} must be a time with its zone") from error
