"""What structs of several resources share: types with their bounds, and how changes are told."""

from datetime import datetime
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta

# Aware UTC, as RFC 3339 writes it.
Instant = Annotated[datetime, Meta(tz=True, extra_json_schema={"format": "date-time"})]
Identifier = Annotated[str, Meta(min_length=1, max_length=64)]
WrittenNumber = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=32,
        description="A telephone number as people write it: E.164 with or without plus, or "
        "national.",
    ),
]


class Strict(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A body or an answer; a property that is not named in it is refused."""


def given_fields(change: msgspec.Struct) -> dict[str, Any]:
    """The properties that a change has, by name."""
    fields = {name: getattr(change, name) for name in change.__struct_fields__}
    return {name: value for name, value in fields.items() if value is not UNSET}
