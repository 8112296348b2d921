"""Pictures of the pages, for docs/images and for whoever looks at them: `make screenshots`.

Without arguments those that the documentation shows; `--all FOLDER [NAME...]` makes every page, or
those that are named, wide and narrow, light and dark, in both languages.
"""

import asyncio
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from playwright.async_api import async_playwright
from tests.harness.address import format_address
from tests.harness.platform import Platform
from tests.portal.browser import NARROW, WIDE, Browsing
from tests.portal.conftest import SETTINGS
from tests.portal.registry import CONSOLE
from tests.portal.seed.all import seed
from tests.portal.test_pages import opener_of, path_of
from tests.portal.world import ACME, World

from clicktodial.config import load_settings
from clicktodial.portal.page import Page

IMAGES = Path(__file__).resolve().parents[2] / "docs" / "images"
# What the documentation shows: a page, its looks, and the picture's name.
SHOWN = (
    ("login", "en", "light", NARROW, "console-login"),
    ("calls", "en", "light", WIDE, "console-calls"),
    ("calls", "zh-CN", "dark", NARROW, "console-calls-phone"),
    ("call", "en", "dark", WIDE, "console-call"),
    ("home", "en", "light", WIDE, "console-home"),
)


async def main(arguments: Sequence[str]) -> int:
    """Start a console with the tests' data, and take pictures of it."""
    with tempfile.TemporaryDirectory() as folder:
        platform = Platform(Path(folder), SETTINGS)
        platform.start()
        try:
            world = seed(World(load_settings(platform.config_path)))
            async with async_playwright() as playwright:
                origin = f"http://{format_address(platform.http)}"
                browsing = await Browsing.start(playwright, origin, world.tokens)
                if arguments[:1] == ["--all"]:
                    await _take_all(browsing, world, Path(arguments[1]), arguments[2:])
                else:
                    await _take_shown(browsing, world)
                await browsing.close()
            world.engine.dispose()
        finally:
            platform.close()
    return 0


async def _take_shown(browsing: Browsing, world: World) -> None:
    await asyncio.to_thread(IMAGES.mkdir, parents=True, exist_ok=True)
    by_name = {page.name: page for page in CONSOLE.pages}
    for name, language, theme, width, picture in SHOWN:
        page = by_name[name]
        await _take(browsing, world, page, language, theme, width, IMAGES / f"{picture}.png")


async def _take_all(browsing: Browsing, world: World, folder: Path, names: Sequence[str]) -> None:
    await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
    looks = (
        ("en", "light", WIDE),
        ("zh-CN", "dark", WIDE),
        ("zh-CN", "light", NARROW),
        ("en", "dark", NARROW),
    )
    for page in CONSOLE.pages:
        if page.is_file or (names and page.name not in names):
            continue
        for language, theme, width in looks:
            name = f"{page.name}-{width}-{theme}.png"
            await _take(browsing, world, page, language, theme, width, folder / name)


async def _take(
    browsing: Browsing,
    world: World,
    page: Page,
    language: str,
    theme: str,
    width: int,
    file: Path,
) -> None:
    async with browsing.tab(opener_of(page), language=language, theme=theme, width=width) as tab:
        opened = await tab.open(path_of(page, world.ids[ACME]))
        await opened.screenshot(path=file, full_page=True)


if __name__ == "__main__":
    raise SystemExit(asyncio.run(main(sys.argv[1:])))
