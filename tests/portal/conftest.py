"""A console that runs, for all tests of a worker: its enterprises, its people, a browser."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import async_playwright
from tests.harness.address import format_address
from tests.harness.platform import Platform
from tests.portal.browser import Browsing
from tests.portal.seed.all import seed
from tests.portal.world import World

from clicktodial.config import load_settings

# Whichever test is the first waits for the console and for all that it is filled with.
WORLD_TIMEOUT_S = 240
SETTINGS: dict[str, dict[str, Any]] = {
    "console": {"style_guide": True},
    # How a call sounds is seen within the seconds that a test lets it last.
    "media": {"quality_interval_s": 1, "webrtc": True},
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give those that may have to wait for that the time it takes on a busy machine."""
    for item in items:
        is_here = Path(__file__).parent in item.path.parents
        needs_world = is_here and "world" in getattr(item, "fixturenames", ())
        if needs_world and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(WORLD_TIMEOUT_S))


@pytest.fixture(scope="session")
def platform_of_console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """The platform as its user runs it."""
    platform = Platform(tmp_path_factory.mktemp("console"), SETTINGS)
    platform.start()
    yield platform
    platform.close()


@pytest.fixture(scope="session")
def world(platform_of_console: Platform) -> Iterator[World]:
    """What its database has. Tests that change something change what is their own."""
    world = seed(World(load_settings(platform_of_console.config_path)))
    yield world
    world.engine.dispose()


@pytest.fixture(scope="session")
def origin(platform_of_console: Platform) -> str:
    """Where it is reached."""
    return f"http://{format_address(platform_of_console.http)}"


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browsing(origin: str, world: World) -> AsyncIterator[Browsing]:
    """A browser, started once."""
    async with async_playwright() as playwright:
        browsing = await Browsing.start(playwright, origin, world.tokens)
        yield browsing
        await browsing.close()
