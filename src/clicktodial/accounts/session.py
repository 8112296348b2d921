"""Sessions of people who logged in."""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from clicktodial.domain.principal import Principal

# Before every token of a session, so that it is told from a program's credential and from the
# operator's token without a look into the database.
TOKEN_PREFIX = "s_"


@dataclass(frozen=True, slots=True)
class LiveSession:
    """A session that holds, and whose it is."""

    session_id: str
    principal: Principal


class SessionFinder(Protocol):
    """Knows sessions by their tokens."""

    def find(self, token: str, now: datetime) -> LiveSession | None:
        """The session, where it holds; None otherwise. Blocks; raises DatabaseUnavailable."""


class NullSessions:
    """Nobody has logged in."""

    def find(self, token: str, now: datetime) -> LiveSession | None:
        """None."""
        return None
