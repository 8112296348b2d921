"""A migrated database for the use cases."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine
from tests.accounts.business import Business

from clicktodial.storage.administration import Administration, NewApplication
from clicktodial.storage.engine import open_engine
from clicktodial.storage.secret import SecretVault
from clicktodial.storage.transaction import Transactions


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    """A database of the test's own, with tables."""
    engine = open_engine(database_url, "normal")
    yield engine
    engine.dispose()


@pytest.fixture
def transactions(engine: Engine) -> Transactions:
    return Transactions(engine)


@pytest.fixture
def administration(engine: Engine) -> Administration:
    """Two customers with an application each."""
    administration = Administration(engine, SecretVault(bytes(range(32))), region="CN")
    for enterprise_id, app_id in (("acme", "acme-app"), ("bell", "bell-app")):
        administration.create_enterprise(enterprise_id)
        new = NewApplication(app_id=app_id, secret="S", enterprise_id=enterprise_id)
        administration.create_application(new)
    return administration


@pytest.fixture
def business(transactions: Transactions, tmp_path: Path) -> Business:
    return Business(transactions, tmp_path / "documents")
