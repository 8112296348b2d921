"""Opens the database. The only module that says anything which only SQLite understands."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, TypeAlias

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError
from sqlalchemy.pool import ConnectionPoolEntry

from clicktodial.storage.error import DatabaseUrlInvalid

Durability: TypeAlias = Literal["full", "normal"]

# Shorter than any commit timeout, so that a lock held elsewhere ends as a retry, not as a hang.
BUSY_TIMEOUT_MS = 900
# As long as the slowest migration of another process may take.
MIGRATION_TIMEOUT_MS = 60_000
# The log is cut back to this after a burst; a reader that stays open can let it grow.
_JOURNAL_BYTES_MAX = 64 * 1024 * 1024
# Execution option of transactions that write: they take the write lock at once, because a
# transaction that read first cannot be upgraded while another one wrote (SQLITE_BUSY_SNAPSHOT).
FOR_WRITING = "for_writing"

# A server that died without a word is noticed within seconds: the writer has one connection, and
# all calls wait for it. Libpq's own limits are minutes.
_CONNECTION: dict[str, str | int] = {
    "connect_timeout": 5,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
    "application_name": "clicktodial",
}
# What the server keeps to. A transaction that waits for a lock for longer ends as a retry, as on
# SQLite; one whose node hangs in its midst lets go of what it locked.
_SESSION = {
    "lock_timeout": BUSY_TIMEOUT_MS,
    "idle_in_transaction_session_timeout": 60_000,
    # Times are integers. Whatever the server takes for local is not to matter elsewhere either.
    "timezone": "UTC",
}

_SQLITE = "sqlite"
_POSTGRESQL = "postgresql"
# Any numbers that no other program uses on this database.
_MIGRATION_LOCK = 7_236_014_200_411
_WRITER_LOCK = 7_236_014_200_412
# A writer that says nothing for so long while it is its turn has died without a word.
_TURN_MS_MAX = 3_000


def open_engine(url: str, durability: Durability = "full") -> Engine:
    """An engine for a `sqlite:///PATH` or `postgresql://...` URL; connects when first used.

    Makes the directory of an SQLite file. Raises DatabaseUrlInvalid.
    """
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise DatabaseUrlInvalid from error
    if parsed.drivername == _SQLITE:
        return _open_sqlite(parsed, durability)
    if parsed.drivername == _POSTGRESQL:
        return _open_postgresql(parsed, durability)
    raise DatabaseUrlInvalid


def _open_postgresql(url: URL, durability: Durability) -> Engine:
    """Raises DatabaseUrlInvalid where the driver is not installed."""
    query = {name: value for name, value in url.query.items() if isinstance(value, str)}
    # What the URL says besides comes later, and so holds.
    options = [f"-c {name}={value}" for name, value in _SESSION.items()]
    if durability == "normal":
        options.append("-c synchronous_commit=off")
    arguments = {name: value for name, value in _CONNECTION.items() if name not in query}
    arguments["options"] = " ".join([*options, query.get("options", "")]).strip()
    try:
        return create_engine(
            url.set(drivername="postgresql+psycopg"),
            paramstyle="format",
            pool_pre_ping=True,
            connect_args=arguments,
        )
    except ImportError as error:
        raise DatabaseUrlInvalid(
            "the driver of PostgreSQL is not installed: pip install 'clicktodial[postgresql]'"
        ) from error


def _open_sqlite(url: URL, durability: Durability) -> Engine:
    if not url.database or url.database == ":memory:":
        # Each connection would have a database of its own.
        raise DatabaseUrlInvalid("the SQLite database must be a file")
    Path(url.database).absolute().parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    engine = create_engine(url, connect_args={"check_same_thread": False})

    @event.listens_for(engine, "connect")
    def configure(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
        # None: the driver begins no transactions by itself; `begin` below does.
        connection.isolation_level = None
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute(f"PRAGMA synchronous={durability.upper()}")
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.execute(f"PRAGMA journal_size_limit={_JOURNAL_BYTES_MAX}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        writing = connection.get_execution_options().get(FOR_WRITING, False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")

    return engine


def begin_statement(engine: Engine) -> str:
    """What begins a transaction of a writer on a bare connection. Where a commit may succeed
    without our hearing of it, it answers with what `commit_status_query` asks by.

    Writers take turns, on PostgreSQL too: each locks what all calls share, such as lots of minutes,
    in the order in which calls came, and two would often wait for each other.
    """
    if engine.dialect.name == _SQLITE:
        return "BEGIN IMMEDIATE"
    return (
        f"SELECT pg_current_xact_id()::text, pg_advisory_xact_lock({_WRITER_LOCK}),"
        f" set_config('idle_in_transaction_session_timeout', '{_TURN_MS_MAX}', true)"
    )


def commit_status_query(engine: Engine) -> str | None:
    """Asks what became of a transaction: "committed", "aborted", "in progress", or nothing where
    the server never knew it. None where a failed commit never succeeded."""
    return None if engine.dialect.name == _SQLITE else "SELECT pg_xact_status(%s::xid8)"


@contextmanager
def migration_transaction(engine: Engine) -> Iterator[Connection]:
    """A transaction that one process has at a time, and for which the others wait."""
    with engine.connect().execution_options(**{FOR_WRITING: True}) as connection:
        is_sqlite = connection.dialect.name == _SQLITE
        if is_sqlite:
            _set_busy_timeout(connection, MIGRATION_TIMEOUT_MS)
        try:
            with connection.begin():
                if not is_sqlite:
                    connection.exec_driver_sql(f"SET LOCAL lock_timeout = {MIGRATION_TIMEOUT_MS}")
                    connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_MIGRATION_LOCK})")
                yield connection
        finally:
            if is_sqlite:
                _set_busy_timeout(connection, BUSY_TIMEOUT_MS)


def _set_busy_timeout(connection: Connection, timeout_ms: int) -> None:
    # On the driver's connection: SQLAlchemy would begin the transaction before the statement.
    cursor = connection.connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout={timeout_ms}")
    cursor.close()
