"""What the pages of applications share: who may what, words, and how changes are made."""

from collections.abc import Callable, Mapping
from enum import StrEnum

from clicktodial.domain.application import ApplicationStatus, Capability
from clicktodial.domain.principal import Role
from clicktodial.portal.form import Form
from clicktodial.portal.needs import ConsoleNeeds
from clicktodial.portal.page import View, Visit
from clicktodial.portal.text import mark
from clicktodial.storage.administration import ApplicationDetail
from clicktodial.storage.error import Conflict, NotFound, ValueInvalid

CHANGING = frozenset({Role.OWNER, Role.DEVELOPER, Role.OPERATOR})
READING = CHANGING | {Role.READER, Role.ACCOUNT_MANAGER, Role.SUPPORT}
CREATING = CHANGING | {Role.ACCOUNT_MANAGER}

STATUS_WORDS = {
    ApplicationStatus.ACTIVE: mark("Active"),
    ApplicationStatus.DISABLED: mark("Disabled"),
}
CAPABILITY_WORDS: Mapping[Capability, tuple[str, str]] = {
    Capability.CLICK_TO_DIAL: (mark("Calls"), mark("Connect two people.")),
    Capability.RECORDING: (mark("Recording"), mark("Record calls and download what was said.")),
    Capability.MESSAGES: (mark("Messages"), mark("Send messages after calls.")),
}


class Tab(StrEnum):
    """The pages of one application."""

    OVERVIEW = "application"
    KEYS = "applicationKeys"
    SERVER = "applicationServer"
    OPTIONS = "applicationOptions"
    NUMBERS = "applicationNumbers"
    LIMITS = "applicationLimits"
    REFERENCE = "applicationReference"


TAB_WORDS = {
    Tab.OVERVIEW: mark("Overview"),
    Tab.KEYS: mark("Keys"),
    Tab.SERVER: mark("Server and network"),
    Tab.OPTIONS: mark("Call settings"),
    Tab.NUMBERS: mark("Numbers"),
    Tab.LIMITS: mark("Limits"),
    Tab.REFERENCE: mark("API"),
}


class ApplicationDeskPages:
    """One application: found for whoever asks, shown under its tabs, and changed."""

    def __init__(self, needs: ConsoleNeeds) -> None:
        self._needs = needs

    async def find(self, visit: Visit) -> ApplicationDetail:
        """The application of the path. Raises NotFound, also for another's."""
        app_id, desk = visit.path["app_id"], self._needs.application_desk
        detail = await self._needs.worker.run(lambda: desk.show(visit.principal, app_id))
        visit.notes.enterprise_id = detail.enterprise_id
        return detail

    async def do(self, work: Callable[[], object], form: Form) -> bool:
        """Change something, which holds on this node from now on; False where it was refused,
        which the form says then. What is not there stays an error."""
        try:
            await self._needs.worker.run(work)
        except NotFound:
            raise
        except (ValueInvalid, Conflict) as error:
            form.refuse_as(error)
            return False
        await self._needs.take_up_changes()
        return True

    def view(
        self,
        visit: Visit,
        detail: ApplicationDetail,
        tab: Tab,
        template: str,
        status: int = 200,
        **context: object,
    ) -> View:
        """A page of the application."""
        word = visit.words.look_up
        shared = {
            "application": detail,
            "may_change": visit.may(CHANGING),
            "status_words": word(STATUS_WORDS[detail.status]),
            "tabs": [
                (visit.link(each, app_id=detail.app_id), word(words), each is tab)
                for each, words in TAB_WORDS.items()
            ],
        }
        return View(f"application/{template}.html", shared | context, status)


def capability_options(visit: Visit) -> list[tuple[str, str, str]]:
    """Boxes to tick."""
    word = visit.words.look_up
    return [(each, word(words), word(hint)) for each, (words, hint) in CAPABILITY_WORDS.items()]
