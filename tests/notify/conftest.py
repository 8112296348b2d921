"""Fixtures of the notification tests."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.harness.database import place_database
from tests.notify.support import ApplicationServer, Stack, create_application, open_server

APP = "app"


@pytest.fixture
async def server() -> AsyncIterator[ApplicationServer]:
    async with open_server() as server:
        yield server


@pytest.fixture
async def stack(tmp_path: Path, server: ApplicationServer) -> AsyncIterator[Stack]:
    """An open stack with one application, `app`, at the server."""
    stack = Stack(place_database(tmp_path / "clicktodial.db"))
    stack.applications.put(create_application(APP, server.url))
    await stack.open()
    yield stack
    await stack.close()
