"""The group-commit writer: batches, conflicts, time limits, a database that is away."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import Engine, bindparam, insert, update
from sqlalchemy.pool import PoolProxiedConnection
from tests.storage.support import NOW, count_rows

from clicktodial.storage import table
from clicktodial.storage import writer as writer_module
from clicktodial.storage.engine import open_engine
from clicktodial.storage.error import StoreConflict, StoreOverloaded, StoreTimeout
from clicktodial.storage.migration import migrate_engine
from clicktodial.storage.statement import Statement, compile_statement
from clicktodial.storage.writer import BATCH_UNITS_MAX, Write, Writer

# Enough for two that take their locks crosswise to meet.
ROUNDS = 50
COLUMNS = ("id", "started_at", "heartbeat_at")


@pytest.fixture
async def writer(engine: Engine) -> AsyncIterator[Writer]:
    writer = Writer(engine, queue_max=1000, commit_timeout_s=30)
    writer.start()
    yield writer
    await writer.close()


@pytest.fixture
def insert_node(engine: Engine) -> Statement:
    return compile_statement(insert(table.node), engine.dialect, COLUMNS, rank=0)


def node(statement: Statement, name: str) -> list[Write]:
    return [(statement, (name, 1, 1))]


class WriteLock:
    """Another program that holds the write lock of an SQLite file."""

    def __init__(self, engine: Engine) -> None:
        assert engine.url.database is not None
        self._connection = sqlite3.connect(engine.url.database, isolation_level=None)
        self._connection.execute("BEGIN IMMEDIATE")

    def release(self) -> None:
        self._connection.rollback()
        self._connection.close()


@pytest.fixture
def sqlite_engine(tmp_path: Path) -> Engine:
    engine = open_engine(f"sqlite:///{tmp_path / 'locked.db'}")
    migrate_engine(engine)
    return engine


@pytest.mark.on_every_database
async def test_units_submitted_together_share_commits(
    writer: Writer, insert_node: Statement, engine: Engine
) -> None:
    await asyncio.gather(*(writer.submit(node(insert_node, f"n{i}")) for i in range(200)))
    assert count_rows(engine, "node") == 200
    assert writer.statistics.units == 200
    assert writer.statistics.commits <= 5
    assert writer.depth == 0


@pytest.mark.on_every_database
async def test_more_units_than_a_batch_holds_are_all_committed(
    writer: Writer, insert_node: Statement, engine: Engine
) -> None:
    total = 2 * BATCH_UNITS_MAX + 1
    await asyncio.gather(*(writer.submit(node(insert_node, f"n{i}")) for i in range(total)))
    assert count_rows(engine, "node") == total


@pytest.mark.on_every_database
async def test_poison_unit_in_batch_fails_alone(
    writer: Writer, insert_node: Statement, engine: Engine
) -> None:
    names = ["a", "b", "a", "c"]
    results = await asyncio.gather(
        *(writer.submit(node(insert_node, name)) for name in names), return_exceptions=True
    )
    assert [type(result) for result in results] == [
        type(None),
        type(None),
        StoreConflict,
        type(None),
    ]
    assert count_rows(engine, "node") == 3
    assert writer.statistics.conflicts == 1


@pytest.mark.on_every_database
@pytest.mark.parametrize(
    "poison", [("\udc80", 1, 1), ("x", 2**70, 1), (object(), 1, 1), (None, 1, 1), ("x", 1)]
)
async def test_value_that_no_column_holds_fails_its_unit_alone(
    writer: Writer, insert_node: Statement, engine: Engine, poison: tuple[object, ...]
) -> None:
    good = writer.submit(node(insert_node, "good"))
    bad = writer.submit([(insert_node, poison)])
    also_good = writer.submit(node(insert_node, "also good"))
    with pytest.raises(StoreConflict):
        await bad
    await good
    await also_good
    assert count_rows(engine, "node") == 2


@pytest.mark.on_every_database
async def test_unit_of_two_writes_is_written_whole_or_not_at_all(
    writer: Writer, insert_node: Statement, engine: Engine
) -> None:
    await writer.submit(node(insert_node, "a"))
    with pytest.raises(StoreConflict):
        await writer.submit(node(insert_node, "b") + node(insert_node, "a"))
    assert count_rows(engine, "node") == 1


@pytest.mark.on_every_database
async def test_counted_update_of_no_row_is_a_conflict(writer: Writer, engine: Engine) -> None:
    statement = compile_statement(
        update(table.node)
        .where(table.node.c.id == bindparam("node"))
        .values(heartbeat_at=bindparam("beat")),
        engine.dialect,
        ("beat", "node"),
        rank=1,
    )
    with pytest.raises(StoreConflict):
        await writer.submit([(statement, (1, "absent"))])


async def test_gathered_writes_share_a_future_and_ride_with_the_next_unit(
    writer: Writer, insert_node: Statement, engine: Engine
) -> None:
    futures = {id(writer.gather(*node(insert_node, f"g{i}")[0])) for i in range(3)}
    assert len(futures) == 1
    await writer.submit(node(insert_node, "urgent"))
    assert count_rows(engine, "node") == 4
    assert writer.statistics.commits == 1


async def test_gathered_writes_without_company_are_written_soon(
    writer: Writer, insert_node: Statement, engine: Engine
) -> None:
    await writer.gather(*node(insert_node, "alone")[0])
    assert count_rows(engine, "node") == 1


async def test_waiting_unit_rides_with_an_urgent_one(
    writer: Writer, insert_node: Statement
) -> None:
    patient = writer.submit(node(insert_node, "patient"), wait_s=30)
    await writer.submit(node(insert_node, "urgent"))
    await patient
    assert writer.statistics.commits == 1


async def test_droppable_unit_at_queue_max_is_refused_and_others_are_not(
    engine: Engine, insert_node: Statement
) -> None:
    writer = Writer(engine, queue_max=2, commit_timeout_s=30)
    writer.start()
    accepted = [writer.submit(node(insert_node, f"n{i}"), droppable=True) for i in range(2)]
    with pytest.raises(StoreOverloaded):
        await writer.submit(node(insert_node, "over"), droppable=True)
    accepted.append(writer.submit(node(insert_node, "must")))
    await asyncio.gather(*accepted)
    await writer.close()
    assert count_rows(engine, "node") == 3
    assert writer.statistics.refused == 1


async def test_droppable_unit_in_locked_database_times_out_and_is_never_written(
    sqlite_engine: Engine,
) -> None:
    statement = compile_statement(insert(table.node), sqlite_engine.dialect, COLUMNS, rank=0)
    writer = Writer(sqlite_engine, queue_max=100, commit_timeout_s=0.05)
    writer.start()
    lock = WriteLock(sqlite_engine)
    dropped = writer.submit(node(statement, "dropped"), droppable=True)
    kept = writer.submit(node(statement, "kept"))
    with pytest.raises(StoreTimeout):
        await dropped
    assert not kept.done()
    # The thread that writes tells nobody that it was turned away.
    while writer.statistics.retries == 0:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    lock.release()
    await kept
    await writer.close()
    assert count_rows(sqlite_engine, "node") == 1
    assert writer.statistics.timed_out == 1
    sqlite_engine.dispose()


async def test_cancelled_droppable_unit_is_not_written(sqlite_engine: Engine) -> None:
    statement = compile_statement(insert(table.node), sqlite_engine.dialect, COLUMNS, rank=0)
    writer = Writer(sqlite_engine, queue_max=100, commit_timeout_s=30)
    writer.start()
    cancelled = writer.submit(node(statement, "cancelled"), droppable=True, wait_s=30)
    cancelled.cancel()
    await writer.submit(node(statement, "kept"))
    await writer.close()
    assert count_rows(sqlite_engine, "node") == 1
    sqlite_engine.dispose()


async def test_close_writes_all_that_was_accepted(engine: Engine, insert_node: Statement) -> None:
    writer = Writer(engine, queue_max=1000, commit_timeout_s=30)
    writer.start()
    futures = [writer.submit(node(insert_node, f"n{i}")) for i in range(50)]
    futures.append(writer.gather(*node(insert_node, "gathered")[0]))
    futures.append(writer.submit(node(insert_node, "patient"), wait_s=30))
    await writer.close()
    await asyncio.gather(*futures)
    assert count_rows(engine, "node") == 52


async def test_submit_after_close_fails(engine: Engine, insert_node: Statement) -> None:
    writer = Writer(engine, queue_max=10, commit_timeout_s=30)
    writer.start()
    await writer.close()
    with pytest.raises(StoreOverloaded):
        await writer.submit(node(insert_node, "late"))
    with pytest.raises(StoreOverloaded):
        await writer.gather(*node(insert_node, "late")[0])


async def test_close_while_database_is_locked_gives_up_in_bounded_time(
    sqlite_engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer_module, "CLOSE_TIMEOUT_S", 0.1)
    statement = compile_statement(insert(table.node), sqlite_engine.dialect, COLUMNS, rank=0)
    writer = Writer(sqlite_engine, queue_max=100, commit_timeout_s=30)
    writer.start()
    lock = WriteLock(sqlite_engine)
    lost = writer.submit(node(statement, "lost"))
    await writer.close()
    with pytest.raises(StoreTimeout):
        await lost
    lock.release()
    sqlite_engine.dispose()


def test_statement_with_parameters_in_another_order_is_refused(engine: Engine) -> None:
    with pytest.raises(ValueError, match="parameters"):
        compile_statement(
            update(table.node)
            .where(table.node.c.id == bindparam("node"))
            .values(heartbeat_at=bindparam("beat")),
            engine.dialect,
            ("node", "beat"),
            rank=0,
        )


# What only a server has: a connection that is lost


class LosesConnection:
    """The writer's connection, lost around its next commit: before the server had it, or before
    we heard of it."""

    def __init__(self, connection: PoolProxiedConnection, *, after_commit: bool) -> None:
        self._connection = connection
        self._after_commit = after_commit

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def commit(self) -> None:
        if self._after_commit:
            self._connection.commit()
        self._connection.dbapi_connection.close()  # type: ignore[union-attr]  # it is open
        raise psycopg.OperationalError("server closed the connection unexpectedly")


@pytest.mark.on_postgresql
@pytest.mark.parametrize("after_commit", [False, True])
async def test_commit_without_an_answer_is_written_once(
    writer: Writer, engine: Engine, insert_node: Statement, *, after_commit: bool
) -> None:
    engine.dispose()
    lossy = LosesConnection(engine.raw_connection(), after_commit=after_commit)
    writer._connection = lossy  # type: ignore[assignment]
    await writer.submit(node(insert_node, "a"), droppable=True)
    await writer.submit(node(insert_node, "b"))
    assert count_rows(engine, "node") == 2
    assert (writer.statistics.conflicts, writer.statistics.units) == (0, 2)


@pytest.mark.on_postgresql
async def test_connection_that_the_server_ended_is_made_anew(
    writer: Writer, engine: Engine, insert_node: Statement
) -> None:
    await writer.submit(node(insert_node, "a"))
    with engine.connect() as connection:
        connection.exec_driver_sql(
            "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            " AND backend_type = 'client backend' AND state = 'idle'"
            " AND application_name = 'clicktodial'"
        )
    await writer.submit(node(insert_node, "b"))
    assert count_rows(engine, "node") == 2
    assert writer.statistics.retries == 1


@pytest.mark.on_postgresql
async def test_row_locked_by_another_times_a_droppable_unit_out(
    engine: Engine, insert_node: Statement
) -> None:
    writer = Writer(engine, queue_max=100, commit_timeout_s=0.05)
    writer.start()
    with engine.begin() as holder:
        holder.execute(insert(table.node).values(id="a", started_at=NOW, heartbeat_at=NOW))
        # Whether its insert succeeds is known when the other's transaction ends.
        with pytest.raises(StoreTimeout):
            await writer.submit(node(insert_node, "a"), droppable=True)
        holder.rollback()
    await writer.submit(node(insert_node, "b"))
    await writer.close()
    assert count_rows(engine, "node") == 1


@pytest.mark.on_postgresql
async def test_writers_that_lock_rows_in_another_order_do_not_wait_for_each_other(
    engine: Engine, insert_node: Statement
) -> None:
    beat = compile_statement(
        update(table.node)
        .where(table.node.c.id == bindparam("of"))
        .values(heartbeat_at=bindparam("at")),
        engine.dialect,
        ["at", "of"],
        rank=1,
    )
    writers = [Writer(engine, queue_max=1000, commit_timeout_s=30) for _ in range(2)]
    for each in writers:
        each.start()
    await writers[0].submit([*node(insert_node, "a"), *node(insert_node, "b")])
    orders = [[(beat, (2, name)) for name in names] for names in ("ab", "ba")]
    for _ in range(ROUNDS):
        await asyncio.gather(
            *(each.submit(order) for each, order in zip(writers, orders, strict=True))
        )
    assert [each.statistics.retries for each in writers] == [0, 0]
    for each in writers:
        await each.close()
