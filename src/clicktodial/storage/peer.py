"""Which other nodes of the database live, as one node sees it.

A node that has beaten its heart of late lives. One that was seen living is dead only when it has
missed several beats under our eyes: after the database was away for a while, all hearts look as if
they had stopped, and none of their calls may be ended for that.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import NamedTuple

HEARTBEAT_INTERVAL_S = 5
# Three beats may be lost to a slow disk before a process counts as dead.
LOOKS_UNTIL_DEAD = 4


class Heartbeat(NamedTuple):
    """A node's last sign of life."""

    node_id: str
    at: datetime


class Peers:
    """The other nodes; told of by `look`, which is called once in each interval of heartbeats."""

    def __init__(self, node_id: str, *, interval_s: int = HEARTBEAT_INTERVAL_S) -> None:
        self.node_id = node_id
        self._stale_after = timedelta(seconds=LOOKS_UNTIL_DEAD * interval_s)
        self._seen: dict[str, tuple[datetime, int]] = {}
        self._living: frozenset[str] = frozenset()

    @property
    def living(self) -> frozenset[str]:
        """Those that live."""
        return self._living

    def look(self, heartbeats: Iterable[Heartbeat], now: datetime) -> frozenset[str]:
        """Take up what the database says; returns those of which it is new that they are dead."""
        living, dead = set(), set()
        for node_id, at in heartbeats:
            if node_id == self.node_id:
                continue
            known = self._seen.get(node_id)
            if known is None:
                unchanged = LOOKS_UNTIL_DEAD if at < self.stale_before(now) else 0
            else:
                unchanged = known[1] + 1 if known[0] == at else 0
            self._seen[node_id] = at, unchanged
            if unchanged < LOOKS_UNTIL_DEAD:
                living.add(node_id)
            elif unchanged == LOOKS_UNTIL_DEAD:
                dead.add(node_id)
        self._living = frozenset(living)
        return frozenset(dead)

    def look_again(self) -> None:
        """The database could not be asked: whoever lived gets the time to say so anew."""
        self._seen = {
            node_id: (at, unchanged if unchanged >= LOOKS_UNTIL_DEAD else 0)
            for node_id, (at, unchanged) in self._seen.items()
        }

    def others(self, heartbeats: Iterable[Heartbeat], now: datetime) -> frozenset[str]:
        """Those that live, with any that have come since the last look."""
        fresh = {node_id for node_id, at in heartbeats if at >= self.stale_before(now)}
        return (self._living | fresh) - {self.node_id}

    def is_heir(self, others: frozenset[str]) -> bool:
        """Whether what dead nodes left is this one's to see to: one of the living has to."""
        return all(self.node_id < other for other in others)

    def stale_before(self, now: datetime) -> datetime:
        """A heart that beat last before has stopped, as far as the clocks agree."""
        return now - self._stale_after
