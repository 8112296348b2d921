"""Pictures of the pages, for docs/images and for whoever looks at them: `make screenshots`.

Without arguments those that the documentation shows, of the demonstration's history at one time for
ever (exhibition.py); names after it are those of the pictures to make. `--all FOLDER [NAME...]`
makes every page of the tests' own data, or those that are named, wide and narrow, light and dark,
in both languages.
"""

import asyncio
import io
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image
from playwright.async_api import async_playwright
from tests.harness.address import format_address
from tests.harness.platform import Platform
from tests.portal.browser import NARROW, WIDE, Browsing
from tests.portal.conftest import SETTINGS
from tests.portal.exhibition import NOW, Exhibition, open_exhibition
from tests.portal.registry import CONSOLE
from tests.portal.seed.all import seed
from tests.portal.sight import find_sights
from tests.portal.test_pages import opener_of, path_of
from tests.portal.world import ACME, World

from clicktodial.config import load_settings
from clicktodial.portal.page import Page

IMAGES = Path(__file__).resolve().parents[2] / "docs" / "images"
# Enough of them for a page of flat colours.
_COLOURS = 256
_BELOW = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class Shot:
    """A picture: whose session opens what, how it looks, and what stands at its top.

    Braces of the path are names of sight.py.
    """

    picture: str
    path: str
    account: str = ""
    language: str = "en"
    theme: str = "light"
    width: int = WIDE
    top: str = ""


SHOWN = (
    Shot(picture="login", path="/login", width=NARROW),
    Shot(picture="home", path="/", account="demo"),
    Shot(picture="calls", path="/calls?period=month", account="demo"),
    Shot(picture="call", path="/calls/{recorded_call}", account="demo", theme="dark"),
    Shot(picture="recording", path="/calls/{recorded_call}", account="demo", top="#recording"),
    Shot(picture="try", path="/try/calls/{live_call}", account="demo"),
    Shot(picture="centre", path="/centre", account="luo.cheng"),
    Shot(picture="reference", path="/applications/20260001/api", account="lin.yue"),
    Shot(picture="members", path="/members", account="demo"),
    Shot(picture="pool", path="/pool", account="zhao.min"),
    Shot(picture="statement", path="/money/default/statements/2026-10", account="zhao.min"),
    Shot(picture="wall", path="/wall", account="operator", theme="dark"),
    Shot(picture="traffic", path="/traffic", account="operator"),
    Shot(picture="review", path="/work-orders/{review}", account="reviewer"),
    Shot(picture="queue", path="/support/queue", account="support"),
    Shot(picture="ticket", path="/support/tickets/{ticket}", account="support"),
    Shot(
        picture="home-phone", path="/", account="demo", language="zh-CN", theme="dark", width=NARROW
    ),
    Shot(
        picture="call-phone",
        path="/calls/{recorded_call}",
        account="demo",
        language="zh-CN",
        theme="dark",
        width=NARROW,
    ),
)


async def main(arguments: Sequence[str]) -> int:
    """Take pictures of all that is asked for."""
    with tempfile.TemporaryDirectory() as folder:
        if arguments[:1] == ["--all"]:
            await _take_all(Path(folder), Path(arguments[1]), arguments[2:])
        else:
            await _take_shown(Path(folder), arguments)
    return 0


async def _take_shown(folder: Path, names: Sequence[str]) -> None:
    await asyncio.to_thread(IMAGES.mkdir, parents=True, exist_ok=True)
    shots = [each for each in SHOWN if not names or each.picture in names]
    async with open_exhibition(folder) as exhibition, async_playwright() as playwright:
        browsing = await Browsing.start(playwright, exhibition.origin, {})
        sights = await asyncio.to_thread(find_sights, exhibition.settings)
        for shot in shots:
            await asyncio.to_thread(exhibition.tongue.speak, shot.language)
            picture = await _take(browsing, exhibition, shot, sights)
            file = IMAGES / f"console-{shot.picture}.png"
            await asyncio.to_thread(file.write_bytes, _compress(picture))
        await browsing.close()


async def _take(
    browsing: Browsing, exhibition: Exhibition, shot: Shot, sights: dict[str, str]
) -> bytes:
    async with browsing.tab(
        token=exhibition.tokens.get(shot.account),
        language=shot.language,
        theme=shot.theme,
        width=shot.width,
    ) as tab:
        await tab.page.clock.set_fixed_time(NOW)
        page = await tab.open(shot.path.format(**sights))
        if shot.top:
            await page.locator(shot.top).evaluate("each => window.scrollTo(0, each.offsetTop - 28)")
        # Whatever the page fetches by itself is there, and so are the letters.
        await page.wait_for_function("() => !document.querySelector('[hx-trigger*=load]')")
        await page.evaluate("() => document.fonts.ready")
        await tab.check("nothing")
        if not shot.account:
            # A card in the middle of nothing: no more of that than a little.
            last = await page.locator(".preferences").evaluate(
                "each => each.getBoundingClientRect().bottom"
            )
            await page.set_viewport_size({"width": shot.width, "height": round(last) + _BELOW})
        return await page.screenshot()


def _compress(picture: bytes) -> bytes:
    """The same with as few colours as do."""
    few = (
        Image.open(io.BytesIO(picture)).convert("RGB").quantize(_COLOURS, dither=Image.Dither.NONE)
    )
    file = io.BytesIO()
    few.save(file, "PNG", optimize=True)
    return file.getvalue()


async def _take_all(folder: Path, target: Path, names: Sequence[str]) -> None:
    platform = Platform(folder, SETTINGS)
    platform.start()
    try:
        world = seed(World(load_settings(platform.config_path)))
        async with async_playwright() as playwright:
            origin = f"http://{format_address(platform.http)}"
            browsing = await Browsing.start(playwright, origin, world.tokens)
            await asyncio.to_thread(target.mkdir, parents=True, exist_ok=True)
            for page in CONSOLE.pages:
                if not page.is_file and (not names or page.name in names):
                    await _take_page(browsing, world, page, target)
            await browsing.close()
        world.engine.dispose()
    finally:
        platform.close()


async def _take_page(browsing: Browsing, world: World, page: Page, target: Path) -> None:
    for language, theme, width in (
        ("en", "light", WIDE),
        ("zh-CN", "dark", WIDE),
        ("zh-CN", "light", NARROW),
        ("en", "dark", NARROW),
    ):
        async with browsing.tab(
            opener_of(page), language=language, theme=theme, width=width
        ) as tab:
            opened = await tab.open(path_of(page, world.ids[ACME]))
            # The whole page, with its frame around all of it.
            height = await opened.evaluate("() => document.documentElement.scrollHeight")
            await opened.set_viewport_size({"width": width, "height": height})
            await opened.screenshot(path=target / f"{page.name}-{width}-{theme}.png")


if __name__ == "__main__":
    raise SystemExit(asyncio.run(main(sys.argv[1:])))
