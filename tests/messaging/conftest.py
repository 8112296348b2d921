"""A migrated database for the tests of messages."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from clicktodial.storage.engine import open_engine
from clicktodial.storage.migration import migrate_engine
from clicktodial.storage.transaction import Transactions


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    """A migrated database."""
    engine = open_engine(f"sqlite:///{tmp_path / 'clicktodial.db'}", "normal")
    migrate_engine(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def transactions(engine: Engine) -> Transactions:
    """Transactions on it."""
    return Transactions(engine)
