"""Times that people type, as browsers' fields for them write them."""

import re
from datetime import UTC, date, datetime, tzinfo

from clicktodial.portal.form import Form
from clicktodial.portal.text import mark

_MOMENT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}(:[0-9]{2})?", re.ASCII)
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
# Of telephony, and far from what a calendar can count to.
_YEAR_MIN, _YEAR_MAX = 1980, 9_000


def read_moment(
    form: Form, name: str, zone: tzinfo, *, is_required: bool = True
) -> datetime | None:
    """A date and a time of day in somebody's zone, in UTC; None where it is missing or wrong."""
    text = form.text(name, is_required=is_required, characters_max=20)
    if not text:
        return None
    try:
        found = datetime.fromisoformat(text) if _MOMENT.fullmatch(text) else None
    except ValueError:
        found = None
    if found is None or not _YEAR_MIN <= found.year <= _YEAR_MAX:
        form.fail(name, mark("Enter a date and a time."))
        return None
    return found.replace(tzinfo=zone).astimezone(UTC)


def read_day(form: Form, name: str, *, is_required: bool = True) -> date | None:
    """A date; None where it is missing or wrong."""
    text = form.text(name, is_required=is_required, characters_max=20)
    if not text:
        return None
    try:
        found = date.fromisoformat(text) if _DAY.fullmatch(text) else None
    except ValueError:
        found = None
    if found is None or not _YEAR_MIN <= found.year <= _YEAR_MAX:
        form.fail(name, mark("Enter a date."))
        return None
    return found


def write_moment(at: datetime, zone: tzinfo) -> str:
    """The same for the field."""
    return at.astimezone(zone).strftime("%Y-%m-%dT%H:%M")
