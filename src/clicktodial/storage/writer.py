"""The group-commit writer: one thread that commits whatever has gathered, in order.

Theory of operation. The event loop hands over units: a few compiled statements with their
parameters, all or nothing. The thread takes all that wait, runs them as one transaction with
one `executemany` per statement, and resolves their futures with one call to the loop, so that
the price of a commit and of the two thread hops is shared by all that came meanwhile.

    submit() --> waiting --> in a transaction --> committed
                   ^  |            |
                   |  +-> dropped  +--> conflict (that unit alone; the rest is committed)
                   +--- retry -----+

A unit that may be dropped (a call that is to begin) fails when it is not committed in time. It
is dropped before its transaction commits or not at all, so what was told to have failed is
never found in the database. Any other unit is retried until the database takes it.

Statements of a batch run in the order of their ranks and, within one rank, in the order in
which they came. That keeps the order per row as long as a row is made before it is changed.
"""

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from operator import attrgetter
from queue import SimpleQueue
from typing import Any, TypeAlias

import structlog
from sqlalchemy import Engine
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import PoolProxiedConnection

from clicktodial.storage.engine import begin_statement, commit_status_query
from clicktodial.storage.error import StoreConflict, StoreOverloaded, StoreTimeout
from clicktodial.storage.statement import Parameters, Statement

log = structlog.get_logger()

Write: TypeAlias = tuple[Statement, Parameters]

# One transaction holds the write lock that long; more would make a command line wait.
BATCH_UNITS_MAX = 512
# How long gathered writes may wait for another unit to share its commit with. So much of what
# they say is forgotten by a kill: marks whose loss costs a repetition, and how well an ended call
# was heard.
GATHER_S = 0.2
# Backoff while the database refuses everything: locked by another process, or its disk full.
RETRY_FIRST_S = 0.02
RETRY_MAX_S = 1.0
# A database that takes nothing for so long when we stop will not take it any more.
CLOSE_TIMEOUT_S = 10.0


class _Stage(Enum):
    WAITING = auto()
    TAKEN = auto()
    DROPPED = auto()
    DONE = auto()


class _Unit:
    """What is written together. `stage` and `expired` change under the writer's lock only."""

    __slots__ = ("droppable", "error", "expired", "future", "stage", "timer", "writes")

    def __init__(
        self, writes: Sequence[Write], future: asyncio.Future[None], droppable: bool
    ) -> None:
        self.writes = writes
        self.future = future
        self.droppable = droppable
        self.stage = _Stage.WAITING
        self.expired = False
        self.timer: asyncio.TimerHandle | None = None
        self.error: StoreConflict | None = None


@dataclass(slots=True)
class WriterStatistics:
    """Counted since the start; written by the writer's thread, read by anyone."""

    commits: int = 0
    units: int = 0
    retries: int = 0
    conflicts: int = 0
    refused: int = 0
    timed_out: int = 0


class _DatabaseUnavailable(Exception):
    """The whole transaction must be tried again."""


class _BatchRefused(Exception):
    """Some unit of the transaction cannot be written, ever."""


class Writer:
    """Group commit on one connection. All methods are called on the event loop."""

    def __init__(self, engine: Engine, *, queue_max: int, commit_timeout_s: float) -> None:
        self.statistics = WriterStatistics()
        self._engine = engine
        self._begin = begin_statement(engine)
        self._commit_status = commit_status_query(engine)
        self._queue_max = queue_max
        self._commit_timeout_s = commit_timeout_s
        self._loop: asyncio.AbstractEventLoop | None = None
        self._waiting: deque[_Unit] = deque()
        self._gathering: tuple[_Unit, list[Write], asyncio.TimerHandle] | None = None
        self._unresolved = 0
        self._wake_timer: asyncio.TimerHandle | None = None
        self._lock = threading.Lock()
        self._wake: SimpleQueue[None] = SimpleQueue()
        self._woken = False
        self._closing = threading.Event()
        self._abandoned = threading.Event()
        self._thread: threading.Thread | None = None
        self._stopped: asyncio.Future[None] | None = None
        self._connection: PoolProxiedConnection | None = None

    # On the event loop

    def start(self) -> None:
        """Begin to write. Futures belong to the loop that runs now."""
        self._loop = asyncio.get_running_loop()
        self._stopped = self._loop.create_future()
        self._thread = threading.Thread(target=self._run, name="database-writer", daemon=True)
        self._thread.start()

    @property
    def depth(self) -> int:
        """Units that were accepted and are not resolved."""
        return self._unresolved

    def submit(
        self, writes: Sequence[Write], *, droppable: bool = False, wait_s: float = 0
    ) -> asyncio.Future[None]:
        """Write all or nothing, after everything submitted before; within `wait_s` at the
        latest, which gives others the time to share the commit.

        The future fails with StoreConflict when the database refuses this unit. One that is
        `droppable` fails with StoreOverloaded when queue_max units wait, and with StoreTimeout
        when it is not committed in time.
        """
        loop = self._loop
        if loop is None or self._closing.is_set():
            return self._refuse("the writer does not run")
        if droppable and self._unresolved >= self._queue_max:
            return self._refuse()
        future: asyncio.Future[None] = loop.create_future()
        self._release_gathered()
        unit = _Unit(writes, future, droppable)
        if droppable:
            unit.timer = loop.call_later(self._commit_timeout_s, self._drop, unit)
        self._enqueue(unit)
        if wait_s == 0:
            self._wake_up()
        elif self._wake_timer is None and not self._woken:
            self._wake_timer = loop.call_later(wait_s, self._wake_up)
        return future

    def gather(self, statement: Statement, parameters: Parameters) -> asyncio.Future[None]:
        """Write within GATHER_S, sharing a commit; the future is that of all gathered so far."""
        loop = self._loop
        if loop is None or self._closing.is_set():
            return self._refuse("the writer does not run")
        if self._gathering is None:
            writes: list[Write] = []
            unit = _Unit(writes, loop.create_future(), droppable=False)
            self._gathering = unit, writes, loop.call_later(GATHER_S, self._on_gathered)
        unit, writes, _ = self._gathering
        writes.append((statement, parameters))
        if len(writes) >= BATCH_UNITS_MAX:
            self._on_gathered()
        return unit.future

    async def close(self) -> None:
        """Write all that was accepted, then stop. What the database does not take within
        CLOSE_TIMEOUT_S is lost, and its futures fail with StoreTimeout."""
        if self._loop is None or self._thread is None or self._stopped is None:
            return
        self._release_gathered()
        timer = self._loop.call_later(CLOSE_TIMEOUT_S, self._abandoned.set)
        self._closing.set()
        self._wake.put(None)
        await self._stopped
        timer.cancel()
        self._thread.join()

    def _refuse(self, message: str | None = None) -> asyncio.Future[None]:
        self.statistics.refused += 1
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        future.set_exception(StoreOverloaded(message))
        return future

    def _enqueue(self, unit: _Unit) -> None:
        self._unresolved += 1
        self._waiting.append(unit)

    def _wake_up(self) -> None:
        if self._wake_timer is not None:
            self._wake_timer.cancel()
            self._wake_timer = None
        if not self._woken:
            self._woken = True
            self._wake.put(None)

    def _on_gathered(self) -> None:
        self._release_gathered()
        self._wake_up()

    def _release_gathered(self) -> None:
        if self._gathering is not None:
            unit, _, timer = self._gathering
            timer.cancel()
            self._gathering = None
            self._enqueue(unit)

    def _drop(self, unit: _Unit) -> None:
        with self._lock:
            unit.expired = True
            if unit.stage is not _Stage.WAITING:
                # The thread looks once more before it commits, and will tell the outcome.
                return
            unit.stage = _Stage.DROPPED
        if not unit.future.done():
            unit.future.set_exception(StoreTimeout())

    def _resolve(self, units: Iterable[_Unit]) -> None:
        for unit in units:
            self._unresolved -= 1
            if unit.timer is not None:
                unit.timer.cancel()
            if unit.stage is _Stage.DROPPED:
                self.statistics.timed_out += 1
            if unit.future.done():
                continue
            if unit.error is not None:
                unit.future.set_exception(unit.error)
            elif unit.stage is _Stage.DROPPED:
                unit.future.set_exception(StoreTimeout())
            else:
                unit.future.set_result(None)

    # On the writer's thread

    def _run(self) -> None:
        delay_s = RETRY_FIRST_S
        try:
            while not self._is_finished():
                batch = self._take_batch()
                if not batch:
                    self._wait_for_work()
                    continue
                try:
                    self._write(batch)
                    delay_s = RETRY_FIRST_S
                except _DatabaseUnavailable as error:
                    self.statistics.retries += 1
                    log.error("database.unavailable", error=str(error), retry_after_s=delay_s)
                    self._put_back(batch)
                    self._abandoned.wait(delay_s)
                    delay_s = min(delay_s * 2, RETRY_MAX_S)
        finally:
            self._finish()

    def _is_finished(self) -> bool:
        return self._abandoned.is_set() or (self._closing.is_set() and not self._waiting)

    def _wait_for_work(self) -> None:
        self._wake.get()
        # From here on a submit wakes again: what it appended before is found by the next take.
        self._woken = False

    def _take_batch(self) -> list[_Unit]:
        batch: list[_Unit] = []
        dropped: list[_Unit] = []
        waiting = self._waiting
        with self._lock:
            while waiting and len(batch) < BATCH_UNITS_MAX:
                unit = waiting.popleft()
                if unit.stage is _Stage.DROPPED or (unit.droppable and unit.future.cancelled()):
                    dropped.append(unit)
                else:
                    unit.stage = _Stage.TAKEN
                    batch.append(unit)
        if dropped:
            self._tell(dropped)
        return batch

    def _put_back(self, batch: list[_Unit]) -> None:
        """All that is not done waits again, before everything that came later."""
        undone = [unit for unit in batch if unit.stage is not _Stage.DONE]
        with self._lock:
            for unit in undone:
                unit.stage = _Stage.DROPPED if unit.expired else _Stage.WAITING
        self._waiting.extendleft(reversed(undone))

    def _write(self, batch: list[_Unit]) -> None:
        try:
            committed = self._transact(batch)
        except _BatchRefused:
            for unit in batch:
                self._write_alone(unit)
            return
        if not committed:
            # One of them ran out of time meanwhile: again, without it.
            self._put_back(batch)

    def _write_alone(self, unit: _Unit) -> None:
        try:
            if not self._transact([unit]):
                self._put_back([unit])
        except _BatchRefused as error:
            self.statistics.conflicts += 1
            unit.error = StoreConflict()
            unit.error.__cause__ = error.__cause__
            log.warning("database.write_refused", error=str(error))
            unit.stage = _Stage.DONE
            self._tell([unit])

    def _transact(self, batch: list[_Unit]) -> bool:
        """Commit the batch; False, with nothing written, when one of it was dropped meanwhile."""
        dbapi = self._engine.dialect.loaded_dbapi
        try:
            connection = self._connect()
            transaction_id = self._execute(connection, batch)
            with self._lock:
                expired = any(unit.expired for unit in batch)
            if expired:
                connection.rollback()
                return False
            self._commit(connection, transaction_id)
        except (
            dbapi.IntegrityError,
            dbapi.DataError,
            dbapi.ProgrammingError,
            dbapi.NotSupportedError,
            # Not every driver raises its own errors for values that no column can hold.
            ValueError,
            OverflowError,
            TypeError,
            _BatchRefused,
        ) as error:
            self._roll_back()
            raise _BatchRefused(str(error)) from error
        except (dbapi.Error, DBAPIError) as error:
            self._roll_back()
            raise _DatabaseUnavailable(str(error)) from error
        for unit in batch:
            unit.stage = _Stage.DONE
        self.statistics.commits += 1
        self.statistics.units += len(batch)
        self._tell(batch)
        return True

    def _commit(self, connection: DBAPIConnection, transaction_id: str | None) -> None:
        dbapi = self._engine.dialect.loaded_dbapi
        try:
            connection.commit()
        except dbapi.OperationalError as error:
            if transaction_id is None:
                raise
            log.warning("database.commit_in_doubt", error=str(error))
            self._roll_back()
            if not self._was_committed(transaction_id):
                raise

    def _was_committed(self, transaction_id: str) -> bool:
        """Ask until the database answers. Nothing can be told of the units before: one that is
        said to have failed must not be found later. False where we stop without an answer."""
        dbapi = self._engine.dialect.loaded_dbapi
        delay_s = RETRY_FIRST_S
        while not self._abandoned.is_set():
            try:
                cursor = self._connect().cursor()
                cursor.execute(self._commit_status, (transaction_id,))
                (status,) = cursor.fetchone()
                self._connect().rollback()
                if status != "in progress":
                    return bool(status == "committed")
            except dbapi.DataError:
                # A server that took over, and never had that transaction.
                self._roll_back()
                return False
            except (dbapi.Error, DBAPIError) as error:
                log.error("database.unavailable", error=str(error), retry_after_s=delay_s)
                self._roll_back()
            self._abandoned.wait(delay_s)
            delay_s = min(delay_s * 2, RETRY_MAX_S)
        return False

    def _execute(self, connection: DBAPIConnection, batch: list[_Unit]) -> str | None:
        rows: dict[Statement, list[Parameters]] = {}
        for unit in batch:
            for statement, parameters in unit.writes:
                if statement in rows:
                    rows[statement].append(parameters)
                else:
                    rows[statement] = [parameters]
        cursor = connection.cursor()
        cursor.execute(self._begin)
        transaction_id = None
        if self._commit_status is not None:
            row = cursor.fetchone()
            assert row is not None  # the statement has one
            transaction_id = str(row[0])
        for statement in sorted(rows, key=attrgetter("rank")):
            parameter_rows = rows[statement]
            cursor.executemany(statement.sql, parameter_rows)
            if statement.counted and cursor.rowcount != len(parameter_rows):
                raise _BatchRefused("a row was changed by another")
        cursor.close()
        return transaction_id

    def _connect(self) -> Any:
        if self._connection is None:
            self._connection = self._engine.raw_connection()
        return self._connection

    def _roll_back(self) -> None:
        connection = self._connection
        if connection is None:
            return
        try:
            connection.rollback()
        except self._engine.dialect.loaded_dbapi.Error as error:
            log.warning("database.connection_lost", error=str(error))
            connection.invalidate()
            self._connection = None

    def _tell(self, units: list[_Unit]) -> None:
        self._call_loop(lambda: self._resolve(units))

    def _call_loop(self, callback: Callable[[], None]) -> None:
        assert self._loop is not None  # start() set it before this thread began
        try:
            self._loop.call_soon_threadsafe(callback)
        except RuntimeError:
            log.warning("database.loop_closed")  # nobody is left who could be told

    def _finish(self) -> None:
        self._closing.set()
        lost = list(self._waiting)
        self._waiting.clear()
        if lost:
            log.error("database.writes_lost", units=len(lost))
            for unit in lost:
                unit.stage = _Stage.DROPPED
            self._tell(lost)
        if self._connection is not None:
            self._connection.close()
        self._call_loop(self._on_stopped)

    def _on_stopped(self) -> None:
        if self._stopped is not None and not self._stopped.done():
            self._stopped.set_result(None)
