"""A migrated database with an enterprise and its application."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine
from tests.harness.database import place_database
from tests.messaging.support import APP_ID, ENTERPRISE

from clicktodial.storage.administration import Administration, NewApplication
from clicktodial.storage.engine import open_engine
from clicktodial.storage.secret import SecretVault
from clicktodial.storage.transaction import Transactions


@pytest.fixture(scope="session")
def furnished_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """To be copied."""
    path = place_database(tmp_path_factory.mktemp("furnished") / "clicktodial.db")
    engine = open_engine(f"sqlite:///{path}", "normal")
    administration = Administration(engine, SecretVault(bytes(32)), region="CN")
    for enterprise_id, app_id in ((ENTERPRISE, APP_ID), ("other", "87654321")):
        administration.create_enterprise(enterprise_id, name=f"{enterprise_id.title()} Couriers")
        administration.create_application(
            NewApplication(app_id=app_id, secret="s" * 32, enterprise_id=enterprise_id)
        )
    engine.dispose()
    return path


@pytest.fixture
def database_path(furnished_file: Path, tmp_path: Path) -> Path:
    path = tmp_path / "clicktodial.db"
    shutil.copy(furnished_file, path)
    return path


@pytest.fixture
def engine(database_path: Path) -> Iterator[Engine]:
    engine = open_engine(f"sqlite:///{database_path}", "normal")
    yield engine
    engine.dispose()


@pytest.fixture
def transactions(engine: Engine) -> Transactions:
    return Transactions(engine)
