"""The tasks of a node that do what time does to pools, sum up what calls came to, and write the
days' exports and those that somebody asks for."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime

import structlog

from clicktodial.billing.export import ExportKind, Exports
from clicktodial.billing.export_order import ExportOrders
from clicktodial.billing.sweep import PoolSweep
from clicktodial.billing.use import UseSums
from clicktodial.storage.error import StorageError

log = structlog.get_logger()

# An order that another node took, and fell silent with, is found so soon after that.
ORDERS_LOOKED_FOR_S = 10.0


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


class ExportWriter:
    """Writes the files that are asked for, one after the other, on a thread of its own."""

    def __init__(
        self, orders: ExportOrders, utc: Callable[[], datetime], *, dropped_every_s: float
    ) -> None:
        self._orders = orders
        self._utc = utc
        self._dropped_every_s = dropped_every_s
        self._asked = asyncio.Event()

    def look(self) -> None:
        """There is an order: begin now. Called on the loop."""
        self._asked.set()

    async def run(self) -> None:
        """Until cancelled; then what runs is put away at its next page."""
        loop = asyncio.get_running_loop()
        executor = ThreadPoolExecutor(1, thread_name_prefix="export")
        drop_at = loop.time()
        try:
            while True:
                self._asked.clear()
                if loop.time() >= drop_at:
                    await loop.run_in_executor(executor, self._drop)
                    drop_at = loop.time() + self._dropped_every_s
                if not await loop.run_in_executor(executor, self._run_next):
                    with suppress(TimeoutError):
                        await asyncio.wait_for(self._asked.wait(), ORDERS_LOOKED_FOR_S)
        finally:
            self._orders.stop()
            await asyncio.to_thread(executor.shutdown, wait=True, cancel_futures=True)

    def _run_next(self) -> bool:
        try:
            return self._orders.run_next()
        except StorageError as error:
            # It says that it runs until it has been silent long enough; then it is taken anew.
            log.error("export.order_lost", error=str(error))
            return False

    def _drop(self) -> None:
        try:
            self._orders.drop_old(self._utc())
        except (StorageError, OSError) as error:
            log.error("export.orders_not_dropped", error=str(error))
