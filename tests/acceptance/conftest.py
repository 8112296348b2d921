"""One platform per worker for the tests that can share it, and stages of one's own."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from tests.harness.stage import Stage, allow_time, lend, open_stage


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    allow_time(items, Path(__file__).parent)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def shared_stage(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    """The platform that the tests of this folder share."""
    async with open_stage(tmp_path_factory.mktemp("platform")) as stage:
        yield stage


@pytest_asyncio.fixture(loop_scope="session")
async def stage(shared_stage: Stage, tmp_path: Path) -> AsyncIterator[Stage]:
    """The shared platform, with phones and records of this test only."""
    async with lend(shared_stage, tmp_path) as lent:
        yield lent


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def module_stage(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    """A platform for the tests of one module."""
    async with open_stage(tmp_path_factory.mktemp("platform")) as stage:
        yield stage


@pytest_asyncio.fixture(loop_scope="session")
async def own_stage(module_stage: Stage, tmp_path: Path) -> AsyncIterator[Stage]:
    """A platform that the test may kill, or leave with an endpoint that it has given up on."""
    async with lend(module_stage, tmp_path) as lent:
        yield lent
