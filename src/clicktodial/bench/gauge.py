"""How fast the machine is while it is measured.

A virtual core that shares silicon with a busy neighbour does less in a second of CPU time. The
same small piece of work, timed again and again during a load, tells how much less.
"""

import asyncio
import statistics
import time

# Long enough to be timed well, short enough to delay no notification that is timed.
_WORK_ROUNDS = 4_000
_INTERVAL_S = 0.25


class SpeedGauge:
    """Times the same work at intervals while it is used as a context."""

    def __init__(self) -> None:
        self._seconds: list[float] = []
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "SpeedGauge":
        self._task = asyncio.create_task(self._run())
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})

    @property
    def work_us(self) -> float:
        """CPU time of the work, in microseconds: the median of all times."""
        return statistics.median(self._seconds) * 1e6 if self._seconds else 0.0

    async def _run(self) -> None:
        while True:
            self._seconds.append(time_work())
            await asyncio.sleep(_INTERVAL_S)


def time_work() -> float:
    """CPU seconds of the work now; what other programs take meanwhile is not in it."""
    before = time.thread_time()
    numbers = {str(index): index for index in range(0, _WORK_ROUNDS, 8)}
    total = 0
    for index in range(_WORK_ROUNDS):
        total += numbers.get(str(index), 1)
    return time.thread_time() - before
