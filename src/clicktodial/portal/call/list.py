"""The list of calls: by application, state, time and number, in pages."""

from datetime import datetime, time, timedelta
from enum import StrEnum

from clicktodial.accounts.call_search import ApplicationName, CallFilter, FoundCalls
from clicktodial.domain.cause import EndReason
from clicktodial.domain.number import NumberError, parse_number
from clicktodial.domain.principal import Role
from clicktodial.portal.form import Form
from clicktodial.portal.label import label_of
from clicktodial.portal.live import Watch
from clicktodial.portal.needs import ConsoleNeeds
from clicktodial.portal.page import Answer, Nav, Page, Section, View, Visit
from clicktodial.portal.paging import PAGE_SIZE, parse_place, render_place
from clicktodial.portal.text import mark
from clicktodial.storage.history import CallPlace, CallRecord

READERS = frozenset(
    {
        Role.OPERATOR,
        Role.OWNER,
        Role.DEVELOPER,
        Role.READER,
        Role.SUPPORT,
    }
)


class State(StrEnum):
    """Whether calls are over."""

    LIVE = "live"
    ENDED = "ended"


class Period(StrEnum):
    """How far back."""

    TODAY = "today"
    WEEK = "week"
    MONTH = "month"


PERIODS = {
    Period.TODAY: (0, mark("Today")),
    Period.WEEK: (6, mark("Last 7 days")),
    Period.MONTH: (29, mark("Last 30 days")),
}
STATES = {State.LIVE: mark("Under way"), State.ENDED: mark("Ended")}


def tone_of(call: CallRecord) -> str:
    """How a call's state looks."""
    match call.reason:
        case None:
            return "busy"
        case EndReason.HANG_UP:
            return "good"
        case EndReason.CALLER_FAILURE | EndReason.CALLEE_FAILURE | EndReason.OTHER:
            return "bad"
        case _:
            return "warn"


class CallListPages:
    """GET /calls"""

    def __init__(self, needs: ConsoleNeeds) -> None:
        self._needs = needs

    async def show(self, visit: Visit) -> Answer:
        """The page, and the block `results` of it for htmx."""
        form = self._form(visit)
        wanted = self._parse(visit, form)
        search, principal = self._needs.call_search, visit.principal
        before = parse_place(visit.query.get("before"))

        def read() -> tuple[list[ApplicationName], FoundCalls | None]:
            applications = search.list_applications(principal)
            if not form.is_valid:
                return applications, None
            return applications, search.find(principal, wanted, limit=PAGE_SIZE, before=before)

        applications, found = await self._needs.worker.run(read)
        word = visit.words.look_up
        return View(
            "call/list.html",
            {
                "form": form,
                "application_options": [(each.app_id, each.name) for each in applications],
                "names": {each.app_id: each.name for each in applications},
                "period_options": [(each, word(words)) for each, (_, words) in PERIODS.items()],
                "state_options": [(each, word(words)) for each, words in STATES.items()],
                "reason_options": [(each, word(label_of(each))) for each in EndReason],
                "found": found,
                "tone": tone_of,
                "is_filtered": not wanted.is_any,
                "is_first": before is None,
                "first_href": self._page_href(visit, None),
                "next_href": found and found.before and self._page_href(visit, found.before),
            },
            200 if form.is_valid else 422,
        )

    def _page_href(self, visit: Visit, before: CallPlace | None) -> str:
        return visit.link("calls", **{**visit.query, "before": render_place(before)})

    async def watch(self, visit: Visit) -> Watch:
        """The states of the calls that the page shows."""
        wanted = self._parse(visit, self._form(visit))
        search, principal = self._needs.call_search, visit.principal
        before = parse_place(visit.query.get("before"))

        def ask() -> object:
            found = search.find(principal, wanted, limit=PAGE_SIZE, before=before)
            return [(call.call_id, call.state) for call in found.calls]

        whose = (principal.enterprise_id, principal.roles, principal.regions)
        return Watch(("calls", whose, wanted, before), ask)

    def _form(self, visit: Visit) -> Form:
        """The filter, which is in the address."""
        return Form(visit.words, {name: [value] for name, value in visit.query.items()})

    def _parse(self, visit: Visit, form: Form) -> CallFilter:
        """The filter of the address; what does not fit is noted in the form."""
        period = form.one_of("period", Period, is_required=False)
        state = form.one_of("state", State, is_required=False)
        reason = form.one_of("reason", EndReason, is_required=False)
        since = None
        if period is not None:
            today = visit.now.astimezone(visit.local.zone).date()
            first = today - timedelta(days=PERIODS[period][0])
            since = datetime.combine(first, time(), visit.local.zone)
        return CallFilter(
            app_id=form.text("application", is_required=False, characters_max=64) or None,
            is_live=None if state is None else state is State.LIVE,
            reason=reason,
            number=self._parse_number(form),
            since=since,
        )

    def _parse_number(self, form: Form) -> str | None:
        written = form.text("number", is_required=False)
        if not written:
            return None
        try:
            return parse_number(written, self._needs.default_region).e164
        except NumberError:
            form.fail("number", mark("This is no telephone number."))
            return None

    def pages(self) -> list[Page]:
        """What is shown."""
        return [
            Page(
                name="calls",
                path="/calls",
                title=mark("Calls"),
                roles=READERS,
                show=self.show,
                operations=("listCalls",),
                nav=Nav(Section.CALLING, 10, "phone"),
                watch=self.watch,
                example_query="period=month",
            )
        ]
