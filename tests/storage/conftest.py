"""Databases for the tests: an SQLite file always, a PostgreSQL server where one is named."""

import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, text
from tests.harness.database import place_database

from clicktodial.storage.database import Database
from clicktodial.storage.engine import open_engine
from clicktodial.storage.migration import migrate

# A database that the tests may empty, and the psycopg driver installed: the same tests hold there.
POSTGRESQL_URL = os.environ.get("CLICKTODIAL_TEST_POSTGRESQL_URL")


@pytest.fixture
def migrated_file(tmp_path: Path) -> Path:
    """A migrated SQLite file of the test's own."""
    return place_database(tmp_path / "clicktodial.db")


@pytest.fixture(params=["sqlite"] + (["postgresql"] if POSTGRESQL_URL else []))
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a database without tables."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'clicktodial.db'}"
    assert POSTGRESQL_URL is not None
    engine = open_engine(POSTGRESQL_URL)
    with engine.begin() as connection:
        connection.execute(text("DROP SCHEMA public CASCADE"))
        connection.execute(text("CREATE SCHEMA public"))
    engine.dispose()
    return POSTGRESQL_URL


@pytest.fixture
def database_url(empty_url: str) -> str:
    """The URL of a database with tables."""
    if empty_url.startswith("sqlite"):
        place_database(Path(empty_url.removeprefix("sqlite:///")))
    else:
        migrate(empty_url)
    return empty_url


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    """A migrated database, without a writer."""
    engine = open_engine(database_url)
    yield engine
    engine.dispose()


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """An open database."""
    database = Database(database_url)
    database.open()
    yield database
    await database.close()
