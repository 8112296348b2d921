"""One's own account: password, second factor, sessions, language and theme."""

from clicktodial.domain.principal import PERSON_ROLES
from clicktodial.portal.needs import ConsoleNeeds
from clicktodial.portal.page import Answer, Nav, Page, Section, View, Visit
from clicktodial.portal.text import mark


class ProfilePages:
    """GET /profile"""

    def __init__(self, needs: ConsoleNeeds) -> None:
        self._needs = needs

    async def show(self, visit: Visit) -> Answer:
        """The account, and its sessions."""
        own = visit.principal.name
        person = await self._needs.worker.run(lambda: self._needs.people.show(own))
        sessions = await self._needs.worker.run(
            lambda: self._needs.sessions.list_sessions(own, visit.now)
        )
        return View("account/profile.html", {"person": person, "sessions": sessions})

    def pages(self) -> list[Page]:
        """What is shown."""
        return [
            Page(
                name="profile",
                path="/profile",
                title=mark("Your account"),
                roles=PERSON_ROLES,
                show=self.show,
                operations=("showMe", "listSessions"),
                nav=Nav(Section.SETTINGS, 90, "user-cog"),
            )
        ]
