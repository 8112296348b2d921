"""A real browser that looks at the console, and fails on what a person would be annoyed by."""

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Self, TypeAlias

from playwright.async_api import Browser, BrowserContext, Page, Playwright, expect

from clicktodial.domain.principal import Role
from clicktodial.portal import session_cookie as cookie
from clicktodial.portal.page import BASE_PATH

Axe: TypeAlias = Literal["all", "colours", "nothing"]

CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # A microphone that beeps, and nobody to ask for it; who has no other network has this one.
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
    "--allow-loopback-in-peer-connection",
)
WIDE, NARROW = 1440, 390
HEIGHTS = {WIDE: 900, NARROW: 844}
# The machine may be busy; what is waited for is an event.
TIMEOUT_MS = 30_000
expect.set_options(timeout=TIMEOUT_MS)
AXE = Path(__file__).with_name("vendor") / "axe.js"
# What its viewer of PDFs is made of.
_BROWSERS_OWN = ("chrome-extension://", "chrome://resources/")
_SERIOUS = ("serious", "critical")
# In the other theme only colours are others; all rules take half a second a page.
_COLOURS = ["color-contrast", "link-in-text-block"]
_FIND = """async (rules) => {
  const runOnly = rules.length ? {type: "rule", values: rules} : undefined;
  const found = await axe.run(document, {resultTypes: ["violations"], runOnly});
  return found.violations.map(({id, impact, nodes}) => [id, impact, nodes.map(n => n.html)]);
}"""


class PageFaulty(AssertionError):
    """The page has what no page may have."""


@dataclass
class Tab:
    """A page of the browser, and what went wrong in it."""

    page: Page
    origin: str
    faults: list[str] = field(default_factory=list)
    # What is expected to fail, as a part of its address.
    expected: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        self.page.set_default_timeout(TIMEOUT_MS)
        self.page.on("console", lambda message: self._hear(message.type, message.text))
        self.page.on("pageerror", lambda error: self.faults.append(f"script: {error}"))
        self.page.on("requestfailed", lambda request: self._fail(request.url, request.failure))
        self.page.on("request", lambda request: self._ask(request.url))
        self.page.on("response", lambda response: self._answer(response.url, response.status))

    def _hear(self, kind: str, text: str) -> None:
        # What failed to load is told with its status by `_answer`.
        if kind in ("error", "warning") and "Failed to load resource" not in text:
            self.faults.append(f"{kind}: {text}")

    def _fail(self, url: str, failure: str | None) -> None:
        # A stream ends when its page does.
        if failure != "net::ERR_ABORTED":
            self.faults.append(f"{url}: {failure}")

    def _ask(self, url: str) -> None:
        if not url.startswith((self.origin, "data:", "blob:", *_BROWSERS_OWN)):
            self.faults.append(f"a request to somebody else: {url}")

    def _answer(self, url: str, status: int) -> None:
        if status >= 400 and not any(part in url for part in self.expected):
            self.faults.append(f"{url}: HTTP {status}")

    async def open(self, path: str) -> Page:
        """The page at a path below BASE_PATH, all loaded."""
        await self.page.goto(self.origin + BASE_PATH + path, wait_until="load")
        return self.page

    async def check(self, axe: Axe = "all") -> None:
        """That nothing went wrong, nothing stands out at the side, and everybody can use it."""
        wide = await self.page.evaluate(
            "() => [document.documentElement.scrollWidth, document.documentElement.clientWidth]"
        )
        if wide[0] > wide[1]:
            self.faults.append(f"it is {wide[0]} pixels wide, on {wide[1]}")
        if axe != "nothing":
            rules = _COLOURS if axe == "colours" else []
            self.faults += [f"{each}" for each in await self._run_axe(rules)]
        if self.faults:
            raise PageFaulty("\n".join([self.page.url, *self.faults]))

    async def _run_axe(self, rules: list[str]) -> list[Any]:
        # Not as a script of the page: its policy allows none.
        if not await self.page.evaluate("() => 'axe' in window"):
            await self.page.evaluate(AXE.read_text(encoding="utf-8") + ";0")
        found = await self.page.evaluate(_FIND, rules)
        return [each for each in found if each[1] in _SERIOUS]


class Browsing:
    """Opens tabs of people in a browser that is started once."""

    def __init__(self, browser: Browser, origin: str, tokens: dict[Role, str]) -> None:
        self.browser = browser
        self.origin = origin
        self._tokens = tokens

    @classmethod
    async def start(cls, playwright: Playwright, origin: str, tokens: dict[Role, str]) -> Self:
        """Start a browser; `tokens` are of people's sessions."""
        browser = await playwright.chromium.launch(
            executable_path=CHROMIUM, args=list(ARGUMENTS), headless=True
        )
        return cls(browser, origin, tokens)

    @asynccontextmanager
    async def tab(
        self,
        role: Role | None = None,
        *,
        token: str | None = None,
        language: str = "en",
        theme: str = "light",
        width: int = WIDE,
    ) -> AsyncIterator[Tab]:
        """A tab of somebody with that role, or of whose session has that token; of neither, of
        nobody who is logged in."""
        context = await self.browser.new_context(
            viewport={"width": width, "height": HEIGHTS[width]},
            locale=language,
            timezone_id="Asia/Shanghai",
            reduced_motion="reduce",
        )
        await self._keep(context, cookie.LANGUAGE, language)
        await self._keep(context, cookie.THEME, theme)
        if token is None and role is not None:
            token = self._tokens[role]
        if token is not None:
            await self._keep(context, cookie.SESSION, token)
        try:
            yield Tab(await context.new_page(), self.origin)
        finally:
            await context.close()

    async def _keep(self, context: BrowserContext, name: str, value: str) -> None:
        await context.add_cookies(
            [
                {
                    "name": name,
                    "value": value,
                    "domain": self.origin.split("/")[2].split(":")[0],
                    "path": BASE_PATH,
                    "httpOnly": True,
                    "sameSite": "Lax",
                }
            ]
        )

    async def close(self) -> None:
        """End the browser."""
        await self.browser.close()
