"""Runs imports beside the server's calls: one at a time, on a thread of its own, few waiting."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import IO

import structlog

from clicktodial.accounts.table_import import ImportOrder, TableImport
from clicktodial.control.error import Overloaded
from clicktodial.storage.error import StorageError

log = structlog.get_logger()

# Of 20 MB each, on disk. Whoever comes then may come again when one is done.
WAITING_MAX = 8
RETRY_AFTER_S = 10


class ImportRunner:
    """Takes files, and owns them until they are imported."""

    def __init__(self, importing: TableImport, utc: Callable[[], datetime]) -> None:
        self._importing = importing
        self._utc = utc
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="import")
        self._waiting = 0
        self._closed = False

    @property
    def has_room(self) -> bool:
        """Whether another file would be taken."""
        return self._waiting < WAITING_MAX and not self._closed

    async def start(self) -> None:
        """Tell of the jobs that died with the process before. Raises DatabaseUnavailable."""
        await asyncio.to_thread(self._importing.interrupt_open, now=self._utc())

    async def submit(self, order: ImportOrder, file: IO[bytes]) -> str:
        """Import the file, and close it; returns the job's identifier. Raises Overloaded where
        too many wait, DatabaseUnavailable, and then the file stays the caller's."""
        if not self.has_room:
            raise Overloaded(retry_after_s=RETRY_AFTER_S)
        self._waiting += 1
        try:
            job_id = await asyncio.to_thread(self._importing.create, order, now=self._utc())
            done = asyncio.get_running_loop().run_in_executor(
                self._executor, self._run, job_id, order, file
            )
        except BaseException:
            self._waiting -= 1
            raise
        done.add_done_callback(lambda _: self._on_done(file))
        return job_id

    async def close(self) -> None:
        """End the one that runs after the batch that it writes, and begin no other."""
        self._closed = True
        self._importing.stop()
        await asyncio.to_thread(self._executor.shutdown, wait=True, cancel_futures=True)

    def _on_done(self, file: IO[bytes]) -> None:
        self._waiting -= 1
        file.close()

    def _run(self, job_id: str, order: ImportOrder, file: IO[bytes]) -> None:
        try:
            self._importing.run(job_id, order, file)
        except StorageError as error:
            # Nobody waits for it. The job says that it runs until this node starts again.
            log.error("import.lost", job_id=job_id, error=str(error))
