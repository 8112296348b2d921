"""Points in time as the database keeps them: whole milliseconds since 1970, UTC.

An integer means the same in SQLite and PostgreSQL, sorts, and has exactly the precision that
click-to-dial-v1 4.2 wants of a timeStamp.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import BigInteger, Dialect
from sqlalchemy.types import TypeDecorator

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAY_MS = 86_400_000


def to_millis(instant: datetime) -> int:
    """Milliseconds since 1970 of an aware time, finer parts cut off."""
    since = instant - _EPOCH
    return since.days * _DAY_MS + since.seconds * 1000 + since.microseconds // 1000


def to_millis_or_none(instant: datetime | None) -> int | None:
    """As `to_millis`, with None for None."""
    return None if instant is None else to_millis(instant)


def from_millis(millis: int) -> datetime:
    """The inverse of `to_millis`, exact to the millisecond."""
    return _EPOCH + timedelta(milliseconds=millis)


class UtcMillis(TypeDecorator[datetime]):
    """A column of aware UTC times."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        return to_millis_or_none(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        return None if value is None else from_millis(value)
