"""Databases for the tests of storage."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine
from tests.harness.database import place_database

from clicktodial.storage.database import Database
from clicktodial.storage.engine import open_engine


@pytest.fixture
def migrated_file(tmp_path: Path) -> Path:
    """A migrated SQLite file of the test's own."""
    return place_database(tmp_path / "clicktodial.db")


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
