"""The numbers of one's own enterprise."""

from clicktodial.accounts.number import NumberDetail
from clicktodial.portal.needs import ConsoleNeeds
from clicktodial.portal.number.shared import (
    OWN_ORDERING,
    OWN_READING,
    RELEASING,
    kind_words,
)
from clicktodial.portal.page import Action, Answer, Nav, Page, Redirect, Section, View, Visit
from clicktodial.portal.paging import PAGE_SIZE
from clicktodial.portal.text import mark

# As numbers are written in requests, spaces and hyphens included.
_NUMBER_CHARACTERS_MAX = 32


class OwnNumberPages:
    """GET /numbers"""

    def __init__(self, needs: ConsoleNeeds) -> None:
        self._needs = needs

    async def show(self, visit: Visit) -> Answer:
        """A page of them, with the applications that may show each."""
        enterprise_id = visit.principal.enterprise_id
        assert enterprise_id is not None  # the roles are a customer's
        after = visit.query.get("after", "")[:_NUMBER_CHARACTERS_MAX] or None
        needs, who = self._needs, visit.principal

        def read() -> tuple[list[NumberDetail], dict[str, str]]:
            found = needs.inventory.list_of_enterprise(
                who, enterprise_id, visit.now, after=after, limit=PAGE_SIZE + 1
            )
            ids = sorted({each for detail in found for each in detail.applications})
            known = needs.administration.show_applications(ids)
            return found, {each.app_id: each.name for each in known}

        found, names = await needs.worker.run(read)
        page = found[:PAGE_SIZE]
        following = page[-1].number.e164 if len(found) > PAGE_SIZE else None
        context = {
            "numbers": page,
            "names": names,
            "kind_words": kind_words(visit),
            "may_order": visit.may(OWN_ORDERING),
            "may_release": visit.may(RELEASING),
            "first_href": visit.link("numbers") if after else "",
            "next_href": visit.link("numbers", after=following) if following else "",
        }
        return View("number/own.html", context)

    async def release(self, visit: Visit) -> Answer:
        """POST /numbers/{number}/release: what refuses it is told on a page of its own."""
        await visit.read_form()
        needs, number = self._needs, visit.path["number"]
        detail = await needs.worker.run(
            lambda: needs.inventory.release(visit.principal, number, visit.now)
        )
        await needs.take_up_changes()
        toast = visit.gettext(
            "%(number)s is given back, and rests until %(day)s.",
            number=detail.number.e164,
            day=visit.local.day(detail.number.until),
        )
        return Redirect(visit.link("numbers"), toast=toast)

    def pages(self) -> list[Page]:
        """What is shown."""
        return [
            Page(
                name="numbers",
                path="/numbers",
                title=mark("Numbers"),
                roles=OWN_READING,
                show=self.show,
                operations=("listEnterpriseNumbers",),
                nav=Nav(Section.CALLING, 50, "hash"),
            )
        ]

    def actions(self) -> list[Action]:
        """What is done."""
        return [
            Action(
                operation="releaseNumber",
                path="/numbers/{number}/release",
                roles=RELEASING,
                handle=self.release,
            )
        ]
