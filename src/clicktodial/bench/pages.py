"""How fast the pages of the console are where much is known, and how large.

A real server runs on the database of `bench.scale`. Whoever looks opens all pages that their role
may open: those of the registry that need no identifier, and of the others the first to which a
link leads. Lists are opened further in, too, and with the filters that cost most. Then all of them
are asked for in turns, so that what one page left in memory is as old as it is for people.
"""

import math
import re
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import cast
from urllib.parse import urljoin, urlsplit

import aiohttp

from clicktodial.bench.error import BenchError
from clicktodial.bench.page_data import Visitor, list_visitors, prepare
from clicktodial.bench.placement import choose_placement
from clicktodial.bench.platform import serve_platform
from clicktodial.bench.process_usage import run_time_s
from clicktodial.bench.scale import LARGE_NAME, Report, ScaleOptions, Tell, build_once
from clicktodial.config import load_settings
from clicktodial.portal.console import Console, create_console
from clicktodial.portal.needs import ConsoleNeeds
from clicktodial.portal.page import BASE_PATH, Page
from clicktodial.portal.session_cookie import SESSION
from clicktodial.storage.engine import open_engine

LIMIT_MS = 100.0
FIRST_VIEW_BYTES_MAX = 300_000
# A page for engineers, which is not there unless it is asked for.
_LEFT_OUT = frozenset({"style"})
# Nobody waits so long; what takes longer is told as failed.
_TIMEOUT_S = 60.0
_TIMED_OUT = 0
# Of one page, further places that links lead to: the next page, a filter.
_VARIANTS_MAX = 3
_HREF = re.compile(r'(?:href|src)="([^"#]+)"')
_URL = re.compile(r'url\("?([^)"]+)"?\)')

# What is asked of lists beside what links lead to. `{callee}` and `{member}` are numbers of the
# enterprise that the visitor looks at, `{sponsor}` is in all of its calls.
VARIANTS: Mapping[str, Sequence[str]] = {
    "calls": (
        "number={callee}",
        "number={member}",
        "number={sponsor}",
        "number=13700000000",
        "reason=CalleeBusy",
        "reason=Other",
        "reason=CallerAbandon",
        "reason=HangUp",
        "number={member}&reason=CalleeFailure",
        "number={sponsor}&reason=CallerAbandon",
        "period=month",
        "period=month&reason=CallerAbandon",
        "state=live",
        "application={app}",
        "application={app}&number={sponsor}",
        "application={app}&reason=CallerAbandon",
    ),
    "members": ("search=nobody", "search=wang+wei", "search=139999", "search=S1000007"),
    "audit": (
        "operation=takeTotp",
        "operation=logIn",
        "operation=rotateSigningKey",
        "since=2026-03-01&until=2026-03-01",
        "until=2026-02-01",
    ),
    "messages": ("state=failed", "state=skipped", "state=queued"),
    "orderNumbers": ("region=North", "city=City+39", "kind=mobile"),
    "inventory": ("state=retired", "kind=mobile", "state=free&city=City+39"),
    "customers": ("name=nobody", "name=wang", "region=South&state=active", "state=cancelled"),
    "users": ("enterprise=e-0", "account=person-3", "enterprise=nobody"),
    "ticketQueue": ("desk=late", "desk=past", "priority=emergency", "desk=past&state=resolved"),
    "workOrders": ("show=decided", "queue=templates", "whose=mine"),
    "traffic": ("span=day", "span=week", "span=month"),
}

_SETTINGS = """\
[http]
host = "127.0.0.1"
port = 0

[sip]
host = "127.0.0.1"
port = 0

[media]
host = "127.0.0.1"
port_min = 30000
port_max = 30100
sessions_max = 10

[storage]
data_dir = "{directory}"

[database]
url = "sqlite:///{path}"

[log]
level = "warning"
"""


@dataclass(frozen=True, slots=True)
class PagesOptions:
    """What is measured: each page so many `turns`. `only` are names of pages, which are
    found by links on these alone; none: all."""

    scale: ScaleOptions
    command: Sequence[str]
    turns: int = 20
    limit_ms: float = LIMIT_MS
    only: frozenset[str] = frozenset()
    is_pinned: bool = True


@dataclass(slots=True)
class Probe:
    """An address, and what became of asking for it. `times_s` are without the first one.

    It is asked for as htmx asks for the block `part`, where there is one.
    """

    visitor: str
    page: str
    path: str
    is_file: bool = False
    part: str = ""
    first_s: float = 0.0
    times_s: list[float] = field(default_factory=list)
    cpu_s: list[float] = field(default_factory=list)
    size: int = 0
    first_view: int = 0
    status: int = 0

    @property
    def p50_ms(self) -> float:
        return _nearest(self.times_s, 0.5) * 1_000

    @property
    def p95_ms(self) -> float:
        return _nearest(self.times_s, 0.95) * 1_000

    @property
    def cpu_ms(self) -> float:
        """What the server worked meanwhile, half the times: it does not follow how busy the machine
        is otherwise."""
        return _nearest(self.cpu_s, 0.5) * 1_000

    @property
    def max_ms(self) -> float:
        return max(self.times_s) * 1_000


@dataclass(slots=True)
class PagesReport:
    """What was measured, the slowest first. `unseen` are pages that no link led to."""

    probes: list[Probe]
    unseen: list[str]
    limit_ms: float

    @property
    def failures(self) -> list[Probe]:
        """Those that were too slow, too large, or did not answer as a page does."""
        return [
            probe
            for probe in self.probes
            if probe.status != 200
            or probe.p95_ms > self.limit_ms
            or probe.first_view > FIRST_VIEW_BYTES_MAX
        ]


async def measure_pages(options: PagesOptions, tell: Tell) -> PagesReport:
    """Build what is not there, serve it, and ask. Raises BenchError."""
    directory = options.scale.directory
    assert directory is not None
    path = directory / LARGE_NAME
    build_once(path, options.scale, Report(tell))
    config = directory / "pages.toml"
    config.write_text(_SETTINGS.format(directory=directory / "data", path=path.absolute()))
    tell("filling in what pages need")
    engine = open_engine(f"sqlite:///{path}", "normal")
    tokens = prepare(load_settings(config, {}), engine, options.scale, datetime.now(UTC))
    engine.dispose()
    placement = choose_placement(is_pinned=options.is_pinned)
    async with serve_platform(options.command, config, placement) as platform:
        base = f"http://{platform.http_host}:{platform.http_port}"
        return await _measure(options, base, platform.process.pid, tokens, tell)


async def _measure(
    options: PagesOptions, base: str, pid: int, tokens: Mapping[str, str], tell: Tell
) -> PagesReport:
    console = create_console(cast(ConsoleNeeds, _Nothing()))
    probes: list[Probe] = []
    reached: set[str] = set()
    async with AsyncExitStack() as stack:
        browsers: dict[str, _Browser] = {}
        for visitor in list_visitors(options.scale):
            session = await stack.enter_async_context(
                aiohttp.ClientSession(
                    base_url=base,
                    cookies={SESSION: tokens[visitor.name]},
                    cookie_jar=aiohttp.CookieJar(unsafe=True),
                    timeout=aiohttp.ClientTimeout(_TIMEOUT_S),
                    headers={"Accept-Encoding": "gzip"},
                    auto_decompress=False,
                )
            )
            browser = browsers[visitor.name] = _Browser(session)
            found = await _explore(console, browser, visitor, options)
            reached |= {probe.page for probe in found}
            probes += found
            tell(f"{visitor.name} opened {len(found)} addresses")
        for turn in range(options.turns):
            tell(f"turn {turn + 1} of {options.turns}")
            for probe in probes:
                if probe.status != 200:
                    continue
                before_s = run_time_s(pid)
                probe.times_s.append(await browsers[probe.visitor].ask(probe))
                probe.cpu_s.append(run_time_s(pid) - before_s)
    for probe in probes:
        probe.times_s = probe.times_s or [probe.first_s]
        probe.cpu_s = probe.cpu_s or [0.0]
    probes.sort(key=lambda probe: -probe.p95_ms)
    reached |= _LEFT_OUT
    unseen = [page.name for page in console.pages if page.roles and page.name not in reached]
    return PagesReport(probes, [] if options.only else unseen, options.limit_ms)


class _Nothing:
    """Areas keep their needs for later, and ask nothing of them when they are made."""

    def __getattr__(self, name: str) -> "_Nothing":
        return self


class _Browser:
    """One visitor's connection."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session
        self._assets: dict[str, int] = {}
        self.text = ""

    async def ask(self, probe: Probe) -> float:
        """Seconds until the page was there, or until a file began to come."""
        headers = {"HX-Request": "true", "HX-Target": probe.part} if probe.part else {}
        began = time.perf_counter()
        try:
            async with self._session.get(
                probe.path, headers=headers, allow_redirects=False
            ) as answer:
                if probe.is_file:
                    body = await answer.content.readany()
                    answer.close()
                else:
                    body = await answer.read()
        except TimeoutError:
            probe.status, self.text = _TIMED_OUT, ""
            return time.perf_counter() - began
        except aiohttp.ClientError as error:
            raise BenchError(f"{probe.page} does not answer: {error!r}") from error
        taken = time.perf_counter() - began
        probe.status, probe.size = answer.status, len(body)
        self.text = body.decode(errors="replace") if not probe.is_file else ""
        return taken

    async def weigh(self, text: str) -> int:
        """The bytes of all files that a page loads, as they come over the wire."""
        total = 0
        for reference in _assets_of(text):
            total += await self._weigh_asset(reference)
        return total

    async def _weigh_asset(self, path: str) -> int:
        if path not in self._assets:
            self._assets[path] = 0
            async with self._session.get(path, allow_redirects=False) as answer:
                body = await answer.read()
            size = len(body)
            if urlsplit(path).path.endswith(".css"):
                async with self._session.get(
                    path, headers={"Accept-Encoding": "identity"}
                ) as answer:
                    style = (await answer.read()).decode(errors="replace")
                for reference in set(_URL.findall(style)):
                    if not reference.startswith("data:"):
                        size += await self._weigh_asset(urljoin(path, reference))
            self._assets[path] = size
        return self._assets[path]


def _assets_of(text: str) -> set[str]:
    paths = {urlsplit(found)._replace(fragment="").geturl() for found in _HREF.findall(text)}
    return {path for path in paths if path.startswith(f"{BASE_PATH}/static/")}


async def _explore(
    console: Console, browser: _Browser, visitor: Visitor, options: PagesOptions
) -> list[Probe]:
    """Open all that the visitor may, following links; each is the first time."""
    names = _numbers(visitor, options.scale)
    finder = _Finder(
        [
            page
            for page in console.pages
            if visitor.role in page.roles
            and page.name not in _LEFT_OUT
            and (not options.only or page.name in options.only)
        ]
    )
    waiting: list[Probe] = []
    known: set[str] = set()
    counts: dict[tuple[str, str], int] = {}

    def note(page: Page, path: str, part: str = "") -> None:
        # One of each path, and a few of its queries.
        place = (page.name, "?" if "?" in path else "")
        most = 1 if "?" not in path else _VARIANTS_MAX
        if part + path in known or counts.get(place, 0) >= most:
            return
        known.add(part + path)
        counts[place] = counts.get(place, 0) + 1
        waiting.append(Probe(visitor.name, page.name, path, page.is_file, part))

    for page in finder.pages:
        # A file without a filter may be too much: links lead to those that may be had.
        if "{" not in page.path and not page.is_file:
            note(page, BASE_PATH + page.path)
        for query in VARIANTS.get(page.name, ()):
            path = f"{BASE_PATH}{page.path}?{query.format(**names)}"
            known.add(path)
            waiting.append(Probe(visitor.name, page.name, path))
            if page.name == "calls":
                waiting.append(Probe(visitor.name, page.name, path, part="sums"))
    opened: list[Probe] = []
    while waiting:
        probe = waiting.pop(0)
        probe.first_s = await browser.ask(probe)
        opened.append(probe)
        text = browser.text
        if probe.status == 200 and not probe.is_file and not probe.part:
            probe.first_view = probe.size + await browser.weigh(text)
        for path in _links_of(text):
            page_found = finder.find(path)
            if page_found is not None:
                note(page_found, path)
    return opened


def _numbers(visitor: Visitor, options: ScaleOptions) -> dict[str, str]:
    enterprise = visitor.enterprise_id or "e-0"
    number = int(enterprise.removeprefix("e-"))
    half = options.cdrs // 2
    call = half - half % 10 if number == 0 else half - half % options.enterprises + number
    callee = call * 104729 % max(options.cdrs // 10, 1)
    return {
        "callee": f"139{callee:08}",
        "member": f"13{number * options.members:09}",
        "sponsor": f"010526{number:05}",
        "app": f"app-{number}",
    }


def _links_of(text: str) -> Iterable[str]:
    for reference in _HREF.findall(text):
        path = reference.replace("&amp;", "&")
        if path.startswith(f"{BASE_PATH}/"):
            yield path


class _Finder:
    """Tells which page an address is of."""

    def __init__(self, pages: Sequence[Page]) -> None:
        # What names more of the path comes first.
        self.pages = sorted(pages, key=lambda page: page.path.count("{"))
        self._patterns = [
            (re.compile(BASE_PATH + re.sub(r"\\{\w+\\}", "[^/]+", re.escape(page.path))), page)
            for page in self.pages
        ]

    def find(self, path: str) -> Page | None:
        """The page; None for none of these."""
        place = urlsplit(path).path
        return next((page for form, page in self._patterns if form.fullmatch(place)), None)


def _nearest(times: Sequence[float], share: float) -> float:
    """The quantile by the nearest rank."""
    ordered = sorted(times)
    return ordered[max(math.ceil(len(ordered) * share) - 1, 0)]


def tabulate(report: PagesReport, most: int) -> list[tuple[str, ...]]:
    """The rows that are shown: those that failed, and the slowest of the others."""
    failures = report.failures
    others = [probe for probe in report.probes if probe not in failures]
    return [
        (
            probe.visitor,
            probe.page,
            probe.path.removeprefix(BASE_PATH) + (f" #{probe.part}" if probe.part else ""),
            f"{probe.p50_ms:.0f}",
            f"{probe.p95_ms:.0f}",
            f"{probe.max_ms:.0f}",
            f"{probe.first_s * 1_000:.0f}",
            f"{probe.cpu_ms:.1f}",
            f"{probe.size / 1_000:.1f}",
            f"{probe.first_view / 1_000:.0f}" if probe.first_view else "",
            "" if probe.status == 200 else str(probe.status),
        )
        for probe in [*failures, *others[: max(most - len(failures), 0)]]
    ]


COLUMNS = (
    "who", "page", "address", "p50 ms", "p95 ms", "max ms", "first ms", "CPU ms", "kB",
    "first view kB", "status",
)  # fmt: skip
