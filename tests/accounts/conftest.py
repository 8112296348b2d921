"""A migrated database for the use cases."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine
from tests.accounts.business import Business

from clicktodial.storage.engine import open_engine
from clicktodial.storage.migration import migrate
from clicktodial.storage.transaction import Transactions


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite file, to be copied: migrating anew for every test is slow."""
    path = tmp_path_factory.mktemp("migrated") / "clicktodial.db"
    migrate(f"sqlite:///{path}")
    return path


@pytest.fixture
def engine(migrated_file: Path, tmp_path: Path) -> Iterator[Engine]:
    """A database of the test's own, with tables."""
    path = tmp_path / "clicktodial.db"
    shutil.copy(migrated_file, path)
    engine = open_engine(f"sqlite:///{path}", "normal")
    yield engine
    engine.dispose()


@pytest.fixture
def transactions(engine: Engine) -> Transactions:
    return Transactions(engine)


@pytest.fixture
def business(transactions: Transactions, tmp_path: Path) -> Business:
    return Business(transactions, tmp_path / "documents")
