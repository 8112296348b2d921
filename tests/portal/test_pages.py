"""Every page there is, opened as people open it: in both languages and themes, wide and narrow."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from tests.portal.browser import NARROW, WIDE, Axe, Browsing
from tests.portal.registry import CONSOLE
from tests.portal.world import ACME, World

from clicktodial import portal
from clicktodial.domain.principal import PERSON_ROLES, Role
from clicktodial.portal.page import BASE_PATH, Page
from clicktodial.portal.text import CHINESE, ENGLISH, Language

PORTAL = Path(portal.__file__).parent
_LINK = re.compile(r"""\blink\(\s*['"](\w+)['"]""")
# Who opens a page: whoever of these may, of the customer's people before the operator's.
_OPENERS = (
    Role.OWNER,
    Role.OPERATOR,
    Role.ACCOUNT_MANAGER,
    Role.REVIEWER,
    Role.SUPPORT,
    Role.DEVELOPER,
    Role.FINANCE,
    Role.READER,
)


def opener_of(page: Page) -> Role | None:
    """Who opens that page; None where nobody need be logged in."""
    return next((role for role in _OPENERS if role in page.roles), None)


def path_of(page: Page, ids: dict[str, str]) -> str:
    """Where it is, with an enterprise's own things in it."""
    path = page.path.format(**ids)
    return f"{path}?{page.example_query}" if page.example_query else path


def pages_by_opener() -> Iterator[tuple[Role | None, list[Page]]]:
    """All pages, by who opens them: one tab for each."""
    for role in (None, *_OPENERS):
        pages = [page for page in CONSOLE.pages if opener_of(page) == role and not page.is_file]
        if pages:
            yield role, pages


# Each language at each width, since words are as wide as they are; each theme in both of them. What
# axe finds depends on both: it looks at one half, and in the second theme at its colours.
_LOOKS: Sequence[tuple[Language, str, int, Axe]] = (
    (ENGLISH, "light", WIDE, "all"),
    (CHINESE, "dark", NARROW, "colours"),
    (CHINESE, "light", WIDE, "nothing"),
    (ENGLISH, "dark", NARROW, "nothing"),
)


@pytest.mark.timeout(240)
@pytest.mark.asyncio(loop_scope="session")
@pytest.mark.parametrize(("language", "theme", "width", "axe"), _LOOKS)
async def test_every_page_is_without_fault(
    browsing: Browsing, world: World, language: Language, theme: str, width: int, axe: Axe
) -> None:
    for role, pages in pages_by_opener():
        async with browsing.tab(role, language=language.code, theme=theme, width=width) as tab:
            for page in pages:
                await tab.open(path_of(page, world.ids[ACME]))
                expected = BASE_PATH + page.path.format(**world.ids[ACME])
                assert expected in tab.page.url, f"{page.name} led to {tab.page.url}"
                await tab.check(axe)


def test_every_page_has_an_opener() -> None:
    for page in CONSOLE.pages:
        assert not page.roles or opener_of(page), page.name
        assert page.roles <= PERSON_ROLES, page.name


def test_every_link_leads_to_a_page_or_an_action_that_there_is() -> None:
    names = {page.name for page in CONSOLE.pages}
    names |= {action.name or action.operation for action in CONSOLE.actions}
    sources = [*PORTAL.rglob("*.html"), *PORTAL.rglob("*.py")]
    linked = {
        (found[1], source.name)
        for source in sources
        for found in _LINK.finditer(source.read_text())
    }
    assert len(linked) > len(names) / 2
    assert {(name, source) for name, source in linked if name not in names} == set()
