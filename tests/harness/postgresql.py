"""PostgreSQL, as Debian packages it: a server of the test run's own, and databases in it.

What a test does with SQL must do the same here. A worker starts one server when the first of its
tests needs it. Each test has a database of its own, which is emptied for the next one: that takes
milliseconds, where copying the files of a migrated one takes a busy disk a second.
"""

import contextlib
import os
import pwd
import re
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import psycopg
from psycopg import sql
from tests.harness.address import allocate_host, free_port
from tests.harness.process import OwnedProcess

from clicktodial.storage.migration import migrate

PACKAGE = "postgresql"
# Debian keeps the programs of each version away from the PATH.
_PROGRAMS = Path("/usr/lib/postgresql")
_USER = "clicktodial"
# Making a cluster takes a second or two; the machine may be busy.
_SETUP_TIMEOUT_S = 60.0
_POLL_S = 0.02
# Whom the server runs as where the tests are root, which it refuses to be.
_UNPRIVILEGED = ("postgres", "nobody")
# Nothing of it outlives the run, so that nothing need be on the disk.
_SETTINGS = (
    "fsync=off",
    "synchronous_commit=off",
    "full_page_writes=off",
    "autovacuum=off",
    "wal_level=minimal",
    "max_wal_senders=0",
    "max_connections=200",
    "unix_socket_directories=",
)

_TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY tablename"
# In place, where ALTER SEQUENCE would make a new file.
_RESTART_SEQUENCES = (
    "SELECT setval(format('%I', sequencename)::regclass, start_value, false) FROM pg_sequences"
)
# How long a server process may take to notice that it is to end.
_END_OTHERS = (
    "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity"
    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    " AND backend_type = 'client backend'"
)
_SHAPE = """
    SELECT
        (SELECT md5(string_agg(concat_ws(' ', c.relname, a.attname, a.atttypid, a.attnotnull), ','
            ORDER BY c.oid, a.attnum))
            FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
            WHERE c.relnamespace = 'public'::regnamespace),
        (SELECT md5(string_agg(concat_ws(' ', tgrelid, tgname, tgenabled), ',' ORDER BY oid))
            FROM pg_trigger),
        (SELECT md5(string_agg(concat_ws(' ', proname, prosrc), ',' ORDER BY oid))
            FROM pg_proc WHERE pronamespace = 'public'::regnamespace)
"""


class PostgresqlServer:
    """One server on a host of its own, for whoever knows its password."""

    def __init__(self) -> None:
        self._programs = _find_programs()
        self._host = allocate_host()
        self._password = secrets.token_urlsafe()
        self._directory = Path(tempfile.mkdtemp(prefix="clicktodial-postgresql-"))
        self._as_user = _unprivileged(self._directory)
        self._port = 0
        self._process: OwnedProcess | None = None
        self._connection: psycopg.Connection | None = None
        self._count = 0
        self._free: list[_MigratedDatabase] = []

    @property
    def log(self) -> str:
        """What it wrote to standard error."""
        assert self._process is not None
        return self._process.errors

    def start(self) -> Self:
        """Make the cluster and start it; returns when it answers."""
        self._make_cluster()
        self._port = free_port(self._host, socket.SOCK_STREAM)
        settings = [f"listen_addresses={self._host}", f"port={self._port}", *_SETTINGS]
        self._process = OwnedProcess(
            [
                *self._as_user,
                *(str(self._programs / "postgres"), "-D", str(self._directory / "data")),
                *(part for setting in settings for part in ("-c", setting)),
            ],
            log_stem=self._directory / "server",
        )
        self._connection = self._connect()
        return self

    def close(self) -> None:
        """End it, however it is, and remove all of it."""
        for database in self._free:
            database.close()
        if self._connection is not None:
            self._connection.close()
        if self._process is not None:
            # Its postmaster ends those that serve connections.
            self._process.stop()
        shutil.rmtree(self._directory)

    @contextlib.contextmanager
    def database(self) -> Iterator[str]:
        """The URL of a database that nobody else has, with all tables and no rows."""
        lent = self._free.pop() if self._free else self._open_migrated()
        try:
            yield self._url(lent.name)
        finally:
            if lent.empty():
                self._free.append(lent)
            else:
                lent.close()
                self._drop(lent.name)

    @contextlib.contextmanager
    def empty_database(self) -> Iterator[str]:
        """The URL of a database without tables that nobody else has."""
        name = self._create()
        try:
            yield self._url(name)
        finally:
            self._drop(name)

    def _open_migrated(self) -> "_MigratedDatabase":
        name = self._create()
        migrate(self._url(name))
        return _MigratedDatabase(name, psycopg.connect(self._url(name), autocommit=True))

    def _url(self, name: str) -> str:
        user = f"{_USER}:{self._password}"
        return f"postgresql://{user}@{self._host}:{self._port}/{name}"

    def _make_cluster(self) -> None:
        password_path = self._directory / "password"
        password_path.write_text(self._password)
        done = subprocess.run(
            [
                *self._as_user,
                str(self._programs / "initdb"),
                f"--pgdata={self._directory / 'data'}",
                f"--username={_USER}",
                f"--pwfile={password_path}",
                # No round of hashing for each of some thousand connections.
                "--auth=password",
                "--encoding=UTF8",
                # Sorts as people do, as most servers are set up to, and not by the bytes.
                *("--locale=C.UTF-8", "--locale-provider=icu", "--icu-locale=en-US"),
                "--no-sync",
                "--no-instructions",
            ],
            cwd=self._directory,
            capture_output=True,
            text=True,
            timeout=_SETUP_TIMEOUT_S,
        )
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"

    def _connect(self) -> psycopg.Connection:
        """Ask until there is an answer: it listens before it serves."""
        assert self._process is not None
        until = time.monotonic() + _SETUP_TIMEOUT_S
        while True:
            try:
                return psycopg.connect(self._url("postgres"), autocommit=True)
            except psycopg.OperationalError:
                assert self._process.is_running, self.log[-4000:]
                assert time.monotonic() < until, self.log[-4000:]
                time.sleep(_POLL_S)

    def _create(self) -> str:
        self._count += 1
        name = f"test_{self._count}"
        self._execute(sql.SQL("CREATE DATABASE {} TEMPLATE template0"), name)
        return name

    def _drop(self, name: str) -> None:
        self._execute(sql.SQL("DROP DATABASE {} WITH (FORCE)"), name)

    def _execute(self, statement: sql.SQL, name: str) -> None:
        assert self._connection is not None
        self._connection.execute(statement.format(sql.Identifier(name)))


class _MigratedDatabase:
    """A database that is brought back to what the migrations made."""

    def __init__(self, name: str, connection: psycopg.Connection) -> None:
        self.name = name
        self._connection = connection
        # Neither what refuses changes nor what counts them, in this connection.
        connection.execute("SET session_replication_role = replica")
        tables = [row[0] for row in connection.execute(_TABLES)]
        self._reset = [
            *(sql.SQL("DELETE FROM {}").format(sql.Identifier(table)) for table in tables),
            sql.SQL(_RESTART_SEQUENCES),
        ]
        self._first_rows = {
            table: rows
            for table in tables
            if (rows := connection.execute(_select_all(table)).fetchall())
        }
        self._shape = self._read_shape()

    def close(self) -> None:
        self._connection.close()

    def empty(self) -> bool:
        """End what others have open there, and put its rows back; False where a test changed more
        than rows."""
        self._connection.execute(_END_OTHERS)
        if self._read_shape() != self._shape:
            return False
        with self._connection.transaction():
            self._connection.execute(sql.SQL("; ").join(self._reset))
            for table, rows in self._first_rows.items():
                marks = sql.SQL(", ").join(sql.Placeholder() * len(rows[0]))
                insert = sql.SQL("INSERT INTO {} VALUES ({})").format(sql.Identifier(table), marks)
                self._connection.cursor().executemany(insert, rows)
        return True

    def _read_shape(self) -> object:
        return self._connection.execute(_SHAPE).fetchone()


def _select_all(table: str) -> sql.Composed:
    return sql.SQL("SELECT * FROM {}").format(sql.Identifier(table))


def _find_programs() -> Path:
    """Where the newest version's programs are."""
    found = [path for path in _PROGRAMS.glob("*/bin") if (path / "initdb").exists()]
    assert found, f"PostgreSQL is missing: apt-get install {PACKAGE}"
    return max(found, key=lambda path: int(re.sub(r"\D", "", path.parent.name) or 0))


def _unprivileged(directory: Path) -> list[str]:
    """What goes before a command so that it is not run as root; `directory` becomes its user's."""
    if os.geteuid() != 0:
        return []
    known = {each.pw_name: each for each in pwd.getpwall()}
    user = next(known[name] for name in _UNPRIVILEGED if name in known)
    os.chown(directory, user.pw_uid, user.pw_gid)
    return ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]
