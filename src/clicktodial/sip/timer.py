"""Timer values of RFC 3261 table 4, and the engine's one queue of deadlines."""

from collections.abc import Iterator
from dataclasses import dataclass
from heapq import heapify, heappop, heappush, heapreplace
from typing import Protocol

# Below this many entries, looking for dead ones costs more than they do.
COMPACTION_ENTRIES_MIN = 1024


@dataclass(frozen=True, slots=True)
class Timers:
    """T1, T2 and T4 of RFC 3261 17.1.1.1 in seconds; every other timer derives from them."""

    t1_s: float = 0.5
    t2_s: float = 4.0
    t4_s: float = 5.0

    @property
    def transaction_timeout_s(self) -> float:
        """64*T1: timers B, D, F, H, J, L and M over UDP."""
        return 64 * self.t1_s

    def longer_interval_s(self, interval_s: float) -> float:
        """The retransmission interval after this one: doubled, up to T2 (timers E and G)."""
        return min(2 * interval_s, self.t2_s)


class Timed(Protocol):
    """Something with one deadline. Both attributes belong to DeadlineQueue."""

    deadline: float | None
    queued_at: float | None

    def handle_timeout(self, now: float) -> None: ...


class DeadlineQueue:
    """A heap of deadlines with lazy cancellation.

    Most deadlines are cancelled or postponed long before they are due, so changing one writes
    an attribute only; its heap entry is corrected when it comes to the top. Each item has at
    most one entry that counts (`queued_at`); an entry that an earlier one replaced is skipped.
    """

    __slots__ = ("_cancelled", "_entries", "_sequence")

    def __init__(self) -> None:
        self._entries: list[tuple[float, int, Timed]] = []
        self._sequence = 0
        self._cancelled = 0

    def __len__(self) -> int:
        return len(self._entries)

    def arm(self, item: Timed, at: float) -> None:
        """Set the item's deadline, instead of any that it had."""
        item.deadline = at
        if item.queued_at is None or at < item.queued_at:
            item.queued_at = at
            self._sequence += 1
            heappush(self._entries, (at, self._sequence, item))

    def cancel(self, item: Timed) -> None:
        """The item has no deadline any more."""
        if item.deadline is None:
            return
        item.deadline = None
        self._cancelled += 1
        if self._cancelled > max(COMPACTION_ENTRIES_MIN, len(self._entries) // 2):
            self._compact()

    def next_deadline(self) -> float | None:
        """The earliest deadline."""
        entries = self._entries
        while entries:
            at, _, item = entries[0]
            if item.queued_at != at:
                heappop(entries)
            elif item.deadline is None:
                item.queued_at = None
                heappop(entries)
            elif item.deadline > at:
                item.queued_at = item.deadline
                self._sequence += 1
                heapreplace(entries, (item.deadline, self._sequence, item))
            else:
                return at
        return None

    def take_due(self, now: float) -> Iterator[Timed]:
        """Each item whose deadline has passed, in order; it has none when it is handed out."""
        while (at := self.next_deadline()) is not None and at <= now:
            item = heappop(self._entries)[2]
            item.deadline = None
            item.queued_at = None
            yield item

    def _compact(self) -> None:
        """Drop the entries that hold on to what is over."""
        self._cancelled = 0
        live: list[tuple[float, int, Timed]] = []
        for entry in self._entries:
            at, _, item = entry
            if item.queued_at != at:
                continue
            if item.deadline is None:
                item.queued_at = None
                continue
            live.append(entry)
        heapify(live)
        self._entries = live
