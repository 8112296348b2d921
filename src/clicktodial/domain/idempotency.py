"""Requests that are to be carried out once, however often they come."""

from dataclasses import dataclass
from datetime import datetime, timedelta

# Whoever tries again does it within minutes; a day covers one that was off for the night.
KEPT_FOR = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class OnceClaim:
    """That an application asks by a key which it has not asked by before, or so long ago that it
    is forgotten `now`. Hashes in hexadecimal: a key may be anything, its owner's secret too.
    """

    key_hash: str
    request_hash: str
    now: datetime

    @property
    def expires_at(self) -> datetime:
        return self.now + KEPT_FOR
