"""The applications that somebody may see, and a new one."""

from clicktodial.accounts.application import Wish
from clicktodial.accounts.application_activity import NO_ACTIVITY
from clicktodial.domain.application import Capability
from clicktodial.domain.principal import STAFF_ROLES
from clicktodial.portal.application.shared import (
    CAPABILITY_WORDS,
    CREATING,
    READING,
    STATUS_WORDS,
    ApplicationDeskPages,
    capability_options,
)
from clicktodial.portal.form import Form
from clicktodial.portal.live import Watch
from clicktodial.portal.needs import ConsoleNeeds
from clicktodial.portal.page import Action, Answer, Nav, Page, Section, View, Visit
from clicktodial.portal.paging import PAGE_SIZE, parse_identifier
from clicktodial.portal.text import mark
from clicktodial.storage.administration import CreatedSecrets
from clicktodial.storage.table import (
    IDENTIFIER_CHARACTERS_MAX,
    NAME_CHARACTERS_MAX,
    URL_CHARACTERS_MAX,
)


class ApplicationListPages(ApplicationDeskPages):
    """GET /applications, GET /applications/new, POST /applications"""

    def __init__(self, needs: ConsoleNeeds) -> None:
        super().__init__(needs)

    async def show(self, visit: Visit) -> Answer:
        """A page of them, with what they do just now."""
        desk, after = self._needs.application_desk, parse_identifier(visit.query.get("after"))

        def read() -> dict[str, object]:
            found = desk.list_applications(visit.principal, after=after, limit=PAGE_SIZE + 1)
            page = found[:PAGE_SIZE]
            activity = self._needs.application_activity
            return {
                "applications": page,
                "activity": activity.show([each.app_id for each in page], visit.now),
                "next": page[-1].app_id if len(found) > PAGE_SIZE else None,
            }

        found = await self._needs.worker.run(read)
        word, following = visit.words.look_up, found.pop("next")
        return View(
            "application/list.html",
            {
                **found,
                "no_activity": NO_ACTIVITY,
                "may_create": visit.may(CREATING),
                "is_staff": visit.may(STAFF_ROLES),
                "status_words": {each: word(text) for each, text in STATUS_WORDS.items()},
                "capability_words": {each: word(text) for each, (text, _) in _capabilities()},
                "first_href": visit.link("applications") if after else "",
                "next_href": visit.link("applications", after=following) if following else "",
            },
        )

    async def watch(self, visit: Visit) -> Watch:
        """How much they call."""
        needs, principal = self._needs, visit.principal
        after = parse_identifier(visit.query.get("after"))

        def ask() -> object:
            ids = needs.application_desk.list_ids(principal, after=after, limit=PAGE_SIZE)
            return needs.application_activity.show(ids, needs.utc())

        whose = (principal.enterprise_id, principal.roles, principal.regions)
        return Watch(("applications", whose, after), ask)

    async def ask(self, visit: Visit) -> Answer:
        """The form of a new one."""
        form = visit.form(capabilities=list(Capability))
        return self._view_new(visit, form)

    async def create(self, visit: Visit) -> Answer:
        """Its keys are shown by the answer, and by nothing else."""
        form = await visit.read_form()
        enterprise_id = visit.principal.enterprise_id
        if enterprise_id is None:
            enterprise_id = form.text("enterprise", characters_max=IDENTIFIER_CHARACTERS_MAX)
        wish = Wish(
            name=form.text("name", characters_max=NAME_CHARACTERS_MAX),
            capabilities=form.all_of("capabilities", Capability),
            notify_url=form.text("server", is_required=False, characters_max=URL_CHARACTERS_MAX)
            or None,
        )
        made: list[CreatedSecrets] = []
        desk = self._needs.application_desk
        if not form.is_valid or not await self.do(
            lambda: made.append(desk.create(visit.principal, enterprise_id, wish)), form
        ):
            return self._view_new(visit, form, 422)
        visit.notes.enterprise_id = enterprise_id
        visit.notes.subjects["app_id"] = made[0].app_id
        return View("application/created.html", {"created": made[0], "name": wish.name})

    def _view_new(self, visit: Visit, form: Form, status: int = 200) -> View:
        context = {
            "form": form,
            "capability_options": capability_options(visit),
            "is_staff": visit.may(STAFF_ROLES),
        }
        return View("application/new.html", context, status)

    def pages(self) -> list[Page]:
        """What is shown."""
        return [
            Page(
                name="applications",
                path="/applications",
                title=mark("Applications"),
                roles=READING,
                show=self.show,
                operations=("listApplications",),
                nav=Nav(Section.CALLING, 40, "blocks"),
                watch=self.watch,
            ),
            Page(
                name="newApplication",
                path="/applications/new",
                title=mark("New application"),
                roles=CREATING,
                show=self.ask,
                operations=("createApplication",),
                parent="applications",
            ),
        ]

    def actions(self) -> list[Action]:
        """What is done."""
        return [
            Action(
                operation="createApplication",
                path="/applications",
                roles=CREATING,
                handle=self.create,
            )
        ]


def _capabilities() -> list[tuple[Capability, tuple[str, str]]]:
    return list(CAPABILITY_WORDS.items())
