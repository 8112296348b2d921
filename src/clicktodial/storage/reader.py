"""Reads, on a thread of their own, so that neither the loop nor the writer waits for them."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from clicktodial.control.port import StoreError
from clicktodial.storage.error import StoreOverloaded

T = TypeVar("T")

# A read takes well under a millisecond: so many mean that the database hangs.
READS_MAX = 1_000


class Reader:
    """Runs functions with a connection, one after another."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="database-reader")
        self._waiting = 0

    async def run(self, read: Callable[[Connection], T]) -> T:
        """The function's result. Raises StoreOverloaded when READS_MAX wait already, and
        StoreError when the database fails."""
        if self._waiting >= READS_MAX:
            raise StoreOverloaded("more reads wait than the database can answer")
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(
                self._executor, self._read, read
            )
        except SQLAlchemyError as error:
            raise StoreError(str(error)) from error
        finally:
            self._waiting -= 1

    def _read(self, read: Callable[[Connection], T]) -> T:
        with self._engine.connect() as connection:
            return read(connection)

    def close(self) -> None:
        """Wait for the read that runs; drop those that wait."""
        self._executor.shutdown(wait=True, cancel_futures=True)
