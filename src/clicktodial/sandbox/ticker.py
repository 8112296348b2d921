"""One 20 ms clock for all phones, in place of a task or a timer each."""

import asyncio
from collections.abc import Callable
from typing import Protocol

from clicktodial.sandbox.talker import PACKET_S

# A process that was held up sends what it owes at once, up to 100 ms, as a phone's jitter buffer
# can take it; what is older is given up, and the phones' clocks jump over it.
CATCH_UP_TICKS_MAX = 5


class Ticking(Protocol):
    """What the ticker drives."""

    def tick(self) -> None:
        """Act for the next 20 ms."""

    def skip(self, ticks: int) -> None:
        """So many ticks were given up."""


class Ticker:
    """Calls every member each 20 ms; the n-th tick is due n * 20 ms after the first, so that
    lateness never adds up. Runs only while it has members."""

    def __init__(
        self, interval_s: float = PACKET_S, catch_up_ticks_max: int = CATCH_UP_TICKS_MAX
    ) -> None:
        """A test may let time run faster; every tick still stands for 20 ms."""
        self.interval_s = interval_s
        self._catch_up_ticks_max = catch_up_ticks_max
        self._members: dict[Ticking, None] = {}
        self._handle: asyncio.TimerHandle | None = None
        self._due = 0.0
        self.ticks_skipped = 0

    def __len__(self) -> int:
        return len(self._members)

    def add(self, member: Ticking) -> None:
        """Tick this member too, from the next tick on."""
        self._members[member] = None
        if self._handle is None:
            loop = asyncio.get_running_loop()
            self._due = loop.time() + self.interval_s
            self._handle = loop.call_at(self._due, self._run)

    def remove(self, member: Ticking) -> None:
        """Tick it no more; nothing happens where it is no member."""
        self._members.pop(member, None)
        if not self._members and self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _run(self) -> None:
        loop = asyncio.get_running_loop()
        owed = 1 + max(0, int((loop.time() - self._due) / self.interval_s))
        skipped = max(0, owed - self._catch_up_ticks_max)
        if skipped:
            self.ticks_skipped += skipped
            self._each(lambda member: member.skip(skipped))
        for _ in range(owed - skipped):
            self._each(lambda member: member.tick())
        self._due += owed * self.interval_s
        # A tick may have removed the last member.
        self._handle = loop.call_at(self._due, self._run) if self._members else None

    def _each(self, act: Callable[[Ticking], None]) -> None:
        for member in tuple(self._members):
            if member in self._members:
                act(member)
