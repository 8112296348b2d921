"""The pages of this area."""

from clicktodial.domain.principal import PERSON_ROLES
from clicktodial.portal.needs import ConsoleNeeds
from clicktodial.portal.page import Answer, Area, Nav, Page, Section, View, Visit
from clicktodial.portal.text import mark


def create_home_area(needs: ConsoleNeeds) -> Area:
    """Its page."""
    return Area([*HomePages(needs).pages()])


class HomePages:
    """GET /"""

    def __init__(self, needs: ConsoleNeeds) -> None:
        self._needs = needs

    async def show(self, visit: Visit) -> Answer:
        """What matters to this role now."""
        return View("home/home.html")

    def pages(self) -> list[Page]:
        """What is shown."""
        return [
            Page(
                name="home",
                path="/",
                title=mark("Overview"),
                roles=PERSON_ROLES,
                show=self.show,
                nav=Nav(Section.TOP, 0, "layout-dashboard"),
            )
        ]
