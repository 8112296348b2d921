"""Who is on call, and when it matters most."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from clicktodial.accounts.roster import PERIOD_DAYS_MAX, SHIFT_DAYS_MAX, LineRoster, NewShift
from clicktodial.domain.roster import Line, Shift, Span
from clicktodial.domain.support_clock import CriticalPeriod
from clicktodial.portal.form import Form
from clicktodial.portal.label import label_of
from clicktodial.portal.moment import read_moment, write_moment
from clicktodial.portal.needs import ConsoleNeeds
from clicktodial.portal.page import Action, Answer, Nav, Page, Redirect, Section, View, Visit
from clicktodial.portal.support.audience import OPERATOR, STAFF
from clicktodial.portal.text import mark
from clicktodial.storage.error import Conflict, ValueInvalid
from clicktodial.storage.people_table import EMAIL_CHARACTERS_MAX
from clicktodial.storage.table import NUMBER_CHARACTERS_MAX

SHOWN_AHEAD = timedelta(days=14)
# What a shift lasts where nobody says otherwise.
_SHIFT = timedelta(hours=8)


@dataclass(frozen=True, slots=True, kw_only=True)
class LineView:
    """A line: who is on call now, and what comes."""

    line: Line
    now: tuple[Shift, ...]
    roster: LineRoster


class RosterPages:
    """GET /support/roster, and what the operator does there."""

    def __init__(self, needs: ConsoleNeeds) -> None:
        self._needs = needs

    async def show(self, visit: Visit) -> Answer:
        """Both lines for two weeks, and the critical periods."""
        return await self._view(visit, visit.form())

    async def add_shift(self, visit: Visit) -> Answer:
        """POST /support/roster/shifts"""
        form = await visit.read_form()
        line = form.one_of("line", Line)
        name, phone = form.text("name"), form.text("phone", characters_max=NUMBER_CHARACTERS_MAX)
        email = form.text("email", characters_max=EMAIL_CHARACTERS_MAX)
        span = _read_span(visit, form, "shift")
        if not form.is_valid or line is None or span is None:
            return await self._view(visit, form)
        new = NewShift(line=line, name=name, phone=phone, email=email, span=span)
        add = partial(self._needs.rosters.add_shift, visit.principal, new, visit.now)
        return await self._do(visit, form, add, mark("The shift is on the roster."))

    async def remove_shift(self, visit: Visit) -> Answer:
        """POST /support/roster/shifts/{shift_id}/remove"""
        form, shift_id = await visit.read_form(), visit.path["shift_id"]
        remove = partial(self._needs.rosters.remove_shift, visit.principal, shift_id, visit.now)
        return await self._do(visit, form, remove, mark("The shift is off the roster."))

    async def add_period(self, visit: Visit) -> Answer:
        """POST /support/critical-periods"""
        form = await visit.read_form()
        name, span = form.text("period_name"), _read_span(visit, form, "period")
        if not form.is_valid or span is None:
            return await self._view(visit, form)
        add = partial(self._needs.rosters.add_period, visit.principal, name, span, visit.now)
        return await self._do(visit, form, add, mark("The critical period is entered."))

    async def end_period(self, visit: Visit) -> Answer:
        """POST /support/critical-periods/{period_id}/end"""
        form, period_id = await visit.read_form(), visit.path["period_id"]
        end = partial(self._needs.rosters.end_period, visit.principal, period_id, visit.now)
        return await self._do(visit, form, end, mark("The critical period is taken away."))

    async def _do(self, visit: Visit, form: Form, work: Callable[[], object], toast: str) -> Answer:
        try:
            await self._needs.worker.run(work)
        except (ValueInvalid, Conflict) as error:
            form.refuse_as(error)
            return await self._view(visit, form)
        return Redirect(visit.link("roster"), toast=visit.gettext(toast))

    async def _view(self, visit: Visit, form: Form) -> View:
        needs, now, zone = self._needs, visit.now, visit.local.zone
        wanted = Span(now, now + SHOWN_AHEAD)

        def read() -> tuple[list[LineRoster], list[CriticalPeriod]]:
            rosters = needs.rosters.show(visit.principal, wanted)
            return rosters, needs.rosters.list_periods(visit.principal)

        rosters, periods = await needs.worker.run(read)
        begins = write_moment(now.replace(minute=0) + timedelta(hours=1), zone)
        ends = write_moment(now.replace(minute=0) + timedelta(hours=1) + _SHIFT, zone)
        form.fill(line=Line.SECOND, shift_from=begins, shift_until=ends)
        context = {
            "form": form,
            "lines": [
                LineView(
                    line=each.line,
                    now=tuple(s for s in each.shifts if s.span.from_at <= now < s.span.until_at),
                    roster=each,
                )
                for each in rosters
            ],
            "periods": [each for each in periods if each.until_at > now],
            "past_periods": [each for each in periods if each.until_at <= now][:10],
            "may_change": visit.may(OPERATOR),
            "line_options": [(each, visit.words.look_up(label_of(each))) for each in Line],
            "shift_days_max": SHIFT_DAYS_MAX,
            "period_days_max": PERIOD_DAYS_MAX,
        }
        return View("support/roster.html", context, 200 if form.is_valid else 422)

    def pages(self) -> list[Page]:
        """What is shown."""
        return [
            Page(
                name="roster",
                path="/support/roster",
                title=mark("On call"),
                roles=STAFF,
                show=self.show,
                operations=("showRoster", "listCriticalPeriods"),
                nav=Nav(Section.DESK, 20, "calendar"),
            )
        ]

    def actions(self) -> list[Action]:
        """What is done."""
        rows = (
            ("addShift", "/support/roster/shifts", self.add_shift),
            ("removeShift", "/support/roster/shifts/{shift_id}/remove", self.remove_shift),
            ("addCriticalPeriod", "/support/critical-periods", self.add_period),
            ("endCriticalPeriod", "/support/critical-periods/{period_id}/end", self.end_period),
        )
        return [
            Action(operation=operation, path=path, roles=OPERATOR, handle=handle)
            for operation, path, handle in rows
        ]


def _read_span(visit: Visit, form: Form, name: str) -> Span | None:
    begins = read_moment(form, f"{name}_from", visit.local.zone)
    ends = read_moment(form, f"{name}_until", visit.local.zone)
    if begins is None or ends is None:
        return None
    if ends <= begins:
        form.fail(f"{name}_until", mark("It must end after it begins."))
        return None
    return Span(begins, ends)
