"""The console as a whole: its areas, their pages, and how one finds the way among them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote, urlencode

from clicktodial.domain.principal import Principal
from clicktodial.portal.account.area import create_account_area
from clicktodial.portal.application.area import create_application_area
from clicktodial.portal.audit.area import create_audit_area
from clicktodial.portal.business.area import create_business_area
from clicktodial.portal.call.area import create_call_area
from clicktodial.portal.home.area import create_home_area
from clicktodial.portal.home.standing import StandingCard
from clicktodial.portal.member.area import create_member_area
from clicktodial.portal.message.area import create_message_area
from clicktodial.portal.money.area import create_money_area
from clicktodial.portal.needs import ConsoleNeeds
from clicktodial.portal.number.area import create_number_area
from clicktodial.portal.operation.area import create_operation_area
from clicktodial.portal.page import BASE_PATH, Action, Area, Page, Section
from clicktodial.portal.protection.area import create_protection_area
from clicktodial.portal.style import create_style_area
from clicktodial.portal.support.area import create_support_area
from clicktodial.portal.team.area import create_team_area
from clicktodial.portal.user.area import create_user_area

# A line for each area; the order is of no matter.
AREAS: tuple[Callable[[ConsoleNeeds], Area], ...] = (
    create_account_area,
    create_business_area,
    create_application_area,
    create_call_area,
    create_member_area,
    create_number_area,
    create_protection_area,
    create_team_area,
    create_operation_area,
    create_user_area,
    create_support_area,
    create_money_area,
    create_message_area,
    create_audit_area,
)


@dataclass(frozen=True, slots=True)
class NavItem:
    """A line of the side navigation."""

    page: Page
    href: str
    label: str
    icon: str


class Console:
    """All pages and actions, by their names."""

    def __init__(self, areas: Sequence[Area]) -> None:
        self.pages = [page for area in areas for page in area.pages]
        self.actions = [action for area in areas for action in area.actions]
        self._page_by_name = {page.name: page for page in self.pages}
        paths: list[tuple[str, str]] = [(page.name, page.path) for page in self.pages]
        paths += [(action.name or action.operation, action.path) for action in self.actions]
        self._path_by_name = dict(paths)
        # A page and what its form does may have one name, where they have one path.
        if len(self._path_by_name) != len(set(paths)):
            raise ValueError("two pages or actions have the same name")

    def link(self, name: str, /, **values: object) -> str:
        """The address of a page or an action. Of `values`, those that its path does not name
        are the query; None leaves one out. Raises KeyError for what there is not."""
        path, query = self._path_by_name[name], {}
        for key, value in values.items():
            if f"{{{key}}}" in path:
                path = path.replace(f"{{{key}}}", quote(str(value), safe=""))
            elif value is not None and value != "":
                query[key] = str(value)
        if "{" in path:
            raise KeyError(f"{name} needs more: {path}")
        return BASE_PATH + path + (f"?{urlencode(query)}" if query else "")

    def navigation(self, principal: Principal) -> Mapping[Section, Sequence[NavItem]]:
        """What somebody sees at the side, by section, in order."""
        items: dict[Section, list[NavItem]] = {}
        for page in sorted(self._in_navigation(principal), key=_order):
            assert page.nav is not None
            item = NavItem(page, self.link(page.name), page.nav.label or page.title, page.nav.icon)
            items.setdefault(page.nav.section, []).append(item)
        return {section: items[section] for section in Section if section in items}

    def nearest_in_navigation(self, page: Page | Action) -> str:
        """The name of the page of the navigation under which a page stands."""
        found: Page | None = page if isinstance(page, Page) else None
        while found is not None and found.nav is None:
            found = self._page_by_name.get(found.parent)
        return "" if found is None else found.name

    def parents(self, page: Page | Action) -> Sequence[Page]:
        """The pages above it, the highest first."""
        above: list[Page] = []
        name = page.parent if isinstance(page, Page) else ""
        while name:
            above.insert(0, self._page_by_name[name])
            name = above[0].parent
        return above

    def _in_navigation(self, principal: Principal) -> Iterator[Page]:
        for page in self.pages:
            roles = page.nav and (page.nav.roles or page.roles)
            if roles and principal.has_any(roles):
                yield page


def create_console(needs: ConsoleNeeds) -> Console:
    """The console with all its areas."""
    areas = [create(needs) for create in AREAS]
    if needs.shows_style_guide:
        areas.append(create_style_area())
    cards = [*StandingCard(needs).cards(), *(card for area in areas for card in area.cards)]
    return Console([create_home_area(cards), *areas])


def _order(page: Page) -> tuple[int, str]:
    assert page.nav is not None
    return page.nav.order, page.name
