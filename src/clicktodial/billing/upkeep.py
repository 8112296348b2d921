"""The task of a node that does what time does to pools, and writes the days' exports."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

import structlog

from clicktodial.billing.export import ExportKind, Exports
from clicktodial.billing.sweep import PoolSweep
from clicktodial.storage.error import StorageError

log = structlog.get_logger()


class BillingUpkeep:
    """Runs both, one after the other, on a thread of its own."""

    def __init__(
        self,
        sweep: PoolSweep,
        exports: Exports,
        *,
        kinds: tuple[ExportKind, ...],
        interval_s: float,
        utc: Callable[[], datetime],
    ) -> None:
        self._sweep = sweep
        self._exports = exports
        self._kinds = kinds
        self._interval_s = interval_s
        self._utc = utc

    async def run(self) -> None:
        """Every so often until cancelled, the first time at once; then waits for what runs."""
        loop = asyncio.get_running_loop()
        executor = ThreadPoolExecutor(1, thread_name_prefix="billing")
        try:
            while True:
                await loop.run_in_executor(executor, self.run_once)
                await asyncio.sleep(self._interval_s)
        finally:
            await asyncio.to_thread(executor.shutdown, wait=True, cancel_futures=True)

    def run_once(self) -> None:
        """Both, each whatever becomes of the other; what failed is tried again next time."""
        now = self._utc()
        try:
            self._sweep.run(now)
        except StorageError as error:
            log.error("billing.sweep_failed", error=str(error))
        try:
            self._exports.run(self._kinds, now)
        except (StorageError, OSError) as error:
            log.error("billing.export_failed", error=str(error))
