"""The task of a node that does what time does to pools, sums up what calls came to, and writes the
days' exports."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

import structlog

from clicktodial.billing.export import ExportKind, Exports
from clicktodial.billing.sweep import PoolSweep
from clicktodial.billing.use import UseSums
from clicktodial.storage.error import StorageError

log = structlog.get_logger()


class BillingUpkeep:
    """Runs all, one after the other, on a thread of its own."""

    def __init__(
        self,
        sweep: PoolSweep,
        sums: UseSums,
        exports: Exports,
        *,
        kinds: tuple[ExportKind, ...],
        interval_s: float,
        utc: Callable[[], datetime],
        on_alert: Callable[[], None],
    ) -> None:
        """`on_alert` is told on the loop when there are alerts to deliver."""
        self._sweep = sweep
        self._sums = sums
        self._exports = exports
        self._kinds = kinds
        self._interval_s = interval_s
        self._utc = utc
        self._on_alert = on_alert

    async def run(self) -> None:
        """Every so often until cancelled, the first time at once; then waits for what runs."""
        loop = asyncio.get_running_loop()
        executor = ThreadPoolExecutor(1, thread_name_prefix="billing")
        try:
            while True:
                if await loop.run_in_executor(executor, self.run_once):
                    self._on_alert()
                await asyncio.sleep(self._interval_s)
        finally:
            await asyncio.to_thread(executor.shutdown, wait=True, cancel_futures=True)

    def run_once(self) -> int:
        """Each whatever becomes of the others; what failed is tried again next time. Returns
        how many thresholds were passed."""
        now = self._utc()
        alerts = 0
        try:
            alerts = self._sweep.run(now)
        except StorageError as error:
            log.error("billing.sweep_failed", error=str(error))
        try:
            self._sums.run(now)
        except StorageError as error:
            log.error("billing.sums_failed", error=str(error))
        try:
            self._exports.run(self._kinds, now)
        except (StorageError, OSError) as error:
            log.error("billing.export_failed", error=str(error))
        return alerts
