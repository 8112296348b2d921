"""A migrated database with an enterprise and its application."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine
from tests.harness.database import DatabaseKind, open_database
from tests.messaging.support import APP_ID, ENTERPRISE

from clicktodial.storage.administration import Administration, NewApplication
from clicktodial.storage.engine import open_engine
from clicktodial.storage.secret import SecretVault
from clicktodial.storage.transaction import Transactions


def furnish(url: str) -> None:
    """Two customers with an application each."""
    engine = open_engine(url, "normal")
    administration = Administration(engine, SecretVault(bytes(32)), region="CN")
    for enterprise_id, app_id in ((ENTERPRISE, APP_ID), ("other", "87654321")):
        administration.create_enterprise(enterprise_id, name=f"{enterprise_id.title()} Couriers")
        administration.create_application(
            NewApplication(app_id=app_id, secret="s" * 32, enterprise_id=enterprise_id)
        )
    engine.dispose()


@pytest.fixture
def database_url(database_kind: DatabaseKind, request: pytest.FixtureRequest) -> Iterator[str]:
    """The URL of a furnished database."""
    with open_database(database_kind, request, furnish=furnish) as url:
        yield url


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    engine = open_engine(database_url, "normal")
    yield engine
    engine.dispose()


@pytest.fixture
def transactions(engine: Engine) -> Transactions:
    return Transactions(engine)
