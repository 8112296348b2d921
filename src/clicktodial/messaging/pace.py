"""How fast messages may go: evenly, so many a second."""

import asyncio
from collections.abc import Callable


class Pace:
    """Lets one through each 1 / `per_second_max` seconds, in the order in which they came."""

    def __init__(self, per_second_max: int, monotonic_s: Callable[[], float]) -> None:
        self._interval_s = 1 / per_second_max
        self._monotonic_s = monotonic_s
        self._next_at = 0.0

    async def wait(self) -> None:
        """Until it is one's turn."""
        now = self._monotonic_s()
        turn = max(now, self._next_at)
        self._next_at = turn + self._interval_s
        if turn > now:
            await asyncio.sleep(turn - now)
