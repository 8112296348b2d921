"""Databases for tests: a migrated SQLite file, made once per process since migrating anew for every
test is slow, or a database of the run's own PostgreSQL server.

A test that is given the fixture `database_url` speaks to SQLite. Marked `on_every_database`, it is
run once with each kind; `pytest --every-database` runs all such tests so.
"""

import contextlib
import functools
import tempfile
from collections.abc import Callable, Iterator
from enum import StrEnum
from pathlib import Path
from typing import TypeAlias

import pytest

from clicktodial.storage.migration import migrate

FILE_NAME = "clicktodial.db"
# Puts rows into the database of a URL; leaves no connection open.
Furnish: TypeAlias = Callable[[str], None]


class DatabaseKind(StrEnum):
    """What a test speaks to."""

    SQLITE = "sqlite"
    POSTGRESQL = "postgresql"


def place_database(path: Path) -> Path:
    """Put one with all tables and no rows there, in a directory as private as the platform's."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.write_bytes(_make_file())
    return path


@contextlib.contextmanager
def open_database(
    kind: DatabaseKind, request: pytest.FixtureRequest, *, furnish: Furnish | None = None
) -> Iterator[str]:
    """The URL of a database of the test's own, with all tables and what `furnish` puts there."""
    if kind is DatabaseKind.POSTGRESQL:
        # Only who needs the server starts it.
        with request.getfixturevalue("postgresql_server").database() as url:
            if furnish is not None:
                furnish(url)
            yield url
        return
    # A directory for each: what a connection that is still open wrote beside the file of one must
    # not be taken for the log of the next.
    directory = tempfile.mkdtemp(dir=request.getfixturevalue("tmp_path"))
    path = Path(directory) / FILE_NAME
    path.write_bytes(_make_file(furnish))
    yield f"sqlite:///{path}"


@contextlib.contextmanager
def open_empty_database(kind: DatabaseKind, request: pytest.FixtureRequest) -> Iterator[str]:
    """The URL of a database without tables."""
    if kind is DatabaseKind.POSTGRESQL:
        with request.getfixturevalue("postgresql_server").empty_database() as url:
            yield url
        return
    yield f"sqlite:///{request.getfixturevalue('tmp_path') / FILE_NAME}"


@functools.cache
def _make_file(furnish: Furnish | None = None) -> bytes:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / FILE_NAME
        if furnish is None:
            migrate(f"sqlite:///{path}")
        else:
            path.write_bytes(_make_file())
            furnish(f"sqlite:///{path}")
        return path.read_bytes()
