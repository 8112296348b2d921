"""The list of calls: by application, state, time and number, in pages."""

from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import replace
from datetime import date, datetime, time, timedelta
from enum import StrEnum

from clicktodial.accounts.call_search import (
    ApplicationName,
    CallFilter,
    CallSearch,
    CallSums,
    FoundCalls,
)
from clicktodial.control.error import Overloaded
from clicktodial.domain.cause import EndReason
from clicktodial.domain.identifier import AppId
from clicktodial.domain.number import NumberError, parse_number
from clicktodial.domain.principal import Principal, Role
from clicktodial.portal.call.export import render_csv, render_csv_head
from clicktodial.portal.form import Form
from clicktodial.portal.label import label_of
from clicktodial.portal.live import Watch
from clicktodial.portal.local import masked
from clicktodial.portal.needs import ConsoleNeeds
from clicktodial.portal.page import Answer, Download, Nav, Page, Section, View, Visit
from clicktodial.portal.paging import PAGE_SIZE, parse_place, render_place
from clicktodial.portal.text import mark
from clicktodial.storage.error import ValueInvalid
from clicktodial.storage.history import CallPlace, CallRecord

# Those under way that the list shows.
LIVE_MAX = 100
# Each keeps one of the console's threads busy in turns.
EXPORTS_MAX = 4
FIRST_YEAR, LAST_YEAR = 2000, 9000
NONE_FOUND = FoundCalls(calls=(), before=None)

READERS = frozenset(
    {
        Role.OPERATOR,
        Role.OWNER,
        Role.DEVELOPER,
        Role.READER,
        Role.SUPPORT,
    }
)


# Of the customer's people, those who run calls: they may hear what their application may fetch.
CHANGERS = frozenset({Role.OWNER, Role.DEVELOPER})


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
        self._exporting = 0

    async def show(self, visit: Visit) -> Answer:
        """The page, and the block `results` of it for htmx."""
        return await self._show(visit, "calls")

    async def show_numbers(self, visit: Visit) -> Answer:
        """The same with numbers whole: one entry of the audit log tells of all that are shown."""
        return await self._show(visit, "callsNumbers")

    async def _show(self, visit: Visit, page: str) -> Answer:
        form = self._form(visit)
        wanted = self._parse(visit, form)
        search, principal = self._needs.call_search, visit.principal
        before = parse_place(visit.query.get("before"))

        wants_sums = visit.target == "sums"

        def read() -> tuple[list[ApplicationName], FoundCalls | None, FoundCalls, CallSums | None]:
            applications = search.list_applications(principal)
            if not form.is_valid:
                return applications, None, NONE_FOUND, None
            if wants_sums:
                return applications, None, NONE_FOUND, search.add_up(principal, wanted)
            live, found = _find(search, principal, wanted, before)
            return applications, found, live, None

        applications, found, live, sums = await self._needs.worker.run(read)
        shows_numbers = page == "callsNumbers"
        if shows_numbers:
            await self._note(visit, [*live.calls, *(found.calls if found else ())])
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
                "live": live.calls,
                "sums": sums,
                "changers": CHANGERS,
                "wants_sums": not wants_sums,
                "export_href": visit.link("callsCsv", **{**visit.query, "before": None}),
                "tone": tone_of,
                "is_filtered": not wanted.is_any,
                "is_first": before is None,
                "first_href": self._page_href(visit, page, None),
                "next_href": found and found.before and self._page_href(visit, page, found.before),
                "shows_numbers": shows_numbers,
                "show_number": str if shows_numbers else masked,
                "numbers_href": visit.link("callsNumbers", **visit.query),
                "masked_href": visit.link("calls", **visit.query),
            },
            200 if form.is_valid else 422,
        )

    def _page_href(self, visit: Visit, page: str, before: CallPlace | None) -> str:
        return visit.link(page, **{**visit.query, "before": render_place(before)})

    async def _note(self, visit: Visit, calls: Sequence[CallRecord]) -> None:
        """Whose numbers are shown: how many calls, from which to which, and whose."""
        subjects = visit.notes.subjects
        subjects["calls"] = str(len(calls))
        if not calls:
            return
        by_age = sorted(calls, key=lambda each: (each.begun_at, each.call_id))
        subjects["oldest_call_id"] = by_age[0].call_id
        subjects["newest_call_id"] = by_age[-1].call_id
        app_ids = {each.app_id for each in calls}
        found = [await self._needs.applications.find(AppId(each)) for each in app_ids]
        owners = {each.enterprise_id for each in found if each is not None}
        if len(app_ids) == 1:
            subjects["app_id"] = next(iter(app_ids))
        if len(owners) == 1:
            visit.notes.enterprise_id = next(iter(owners))

    async def watch(self, visit: Visit) -> Watch:
        """The states of the calls that the page shows."""
        wanted = self._parse(visit, self._form(visit))
        search, principal = self._needs.call_search, visit.principal
        before = parse_place(visit.query.get("before"))

        def ask() -> object:
            return [
                [(call.call_id, call.state) for call in part.calls]
                for part in _find(search, principal, wanted, before)
            ]

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
        since, until = self._parse_day(visit, form, "from"), self._parse_day(visit, form, "until")
        if until is not None:
            until += timedelta(days=1)
        if period is not None and since is None:
            today = visit.now.astimezone(visit.local.zone).date()
            first = today - timedelta(days=PERIODS[period][0])
            since = datetime.combine(first, time(), visit.local.zone)
        if since is not None and until is not None and until <= since:
            form.fail("until", mark("This is before the first day."))
        return CallFilter(
            app_id=form.text("application", is_required=False, characters_max=64) or None,
            is_live=None if state is None else state is State.LIVE,
            reason=reason,
            number=self._parse_number(form),
            since=since,
            until=until,
        )

    def _parse_day(self, visit: Visit, form: Form, name: str) -> datetime | None:
        """The beginning of the day, where the person is."""
        written = form.text(name, is_required=False, characters_max=10)
        if not written:
            return None
        try:
            day = date.fromisoformat(written)
            # Whatever is computed with it stays a time.
            if not FIRST_YEAR <= day.year <= LAST_YEAR:
                raise ValueError(written)
        except ValueError:
            form.fail(name, mark("This is no day."))
            return None
        return datetime.combine(day, time(), visit.local.zone)

    async def export(self, visit: Visit) -> Answer:
        """GET /calls.csv: all that the filter lets through, with whole numbers."""
        form = self._form(visit)
        wanted = self._parse(visit, form)
        if not form.is_valid:
            raise ValueInvalid("the filter has something that does not fit")
        if self._exporting >= EXPORTS_MAX:
            raise Overloaded(retry_after_s=30)
        pages = self._needs.call_search.stream(visit.principal, wanted)
        first = await self._needs.worker.run(lambda: next(pages, None))
        return Download(self._write(visit, first, pages), "calls.csv", "text/csv; charset=utf-8")

    async def _write(
        self,
        visit: Visit,
        first: Sequence[CallRecord] | None,
        pages: Iterator[Sequence[CallRecord]],
    ) -> AsyncIterator[bytes]:
        self._exporting += 1
        try:
            yield render_csv_head()
            page = first
            while page is not None:
                if page:
                    yield render_csv(page, visit.local.zone)
                page = await self._needs.worker.run(lambda: next(pages, None))
        finally:
            self._exporting -= 1

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
            ),
            Page(
                name="callsNumbers",
                path="/calls/whole/numbers",
                title=mark("Calls with whole numbers"),
                roles=READERS,
                show=self.show_numbers,
                operations=("listCalls",),
                parent="calls",
                is_access=True,
                example_query="period=month",
            ),
            Page(
                name="callsCsv",
                path="/calls.csv",
                title=mark("Calls as a file"),
                roles=READERS,
                show=self.export,
                operations=("listCalls",),
                parent="calls",
                is_access=True,
                is_file=True,
            ),
        ]


def _find(
    search: CallSearch, principal: Principal, wanted: CallFilter, before: CallPlace | None
) -> tuple[FoundCalls, FoundCalls]:
    """Those under way, which stand first, on the first page alone; and a page of the others."""
    live = NONE_FOUND
    if wanted.is_live is not False and wanted.reason is None and before is None:
        live = search.find_live(principal, wanted, limit=LIVE_MAX)
    if wanted.is_live:
        return live, replace(live, calls=())
    ended = replace(wanted, is_live=False)
    return live, search.find(principal, ended, limit=PAGE_SIZE, before=before)
