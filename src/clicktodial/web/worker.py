"""Blocking work - the database, files - on threads of its own, bounded."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from clicktodial.control.error import Overloaded

T = TypeVar("T")

# People and scripts administer; two threads are far more than the database lets write at once,
# and one slow listing does not hold up a change.
THREADS = 2
# What takes a millisecond or two each; so many mean that the database hangs.
WAITING_MAX = 100


class Worker:
    """Runs blocking functions one or two at a time."""

    def __init__(self) -> None:
        self._executor = ThreadPoolExecutor(THREADS, thread_name_prefix="management")
        self._waiting = 0

    async def run(self, work: Callable[[], T]) -> T:
        """The function's result, or what it raises; Overloaded where WAITING_MAX wait already."""
        if self._waiting >= WAITING_MAX:
            raise Overloaded
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._executor, work)
        finally:
            self._waiting -= 1

    async def close(self) -> None:
        """Drop what waits, and wait for what runs without holding up the loop."""
        await asyncio.to_thread(self._executor.shutdown, wait=True, cancel_futures=True)
