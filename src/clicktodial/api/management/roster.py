"""`/roster` and `/critical-periods`: who is on call, and when it matters most."""

from datetime import UTC, timedelta
from functools import partial
from typing import Annotated, Any

from msgspec import Meta

from clicktodial.accounts.roster import LineRoster, NewShift, Rosters
from clicktodial.api.management.problem import CONFLICT, INVALID_VALUE, NOT_FOUND
from clicktodial.api.management.route import Ask, Created, Parameter, Route
from clicktodial.api.management.schema import Instant, Strict
from clicktodial.api.management.span import parse_span, span_parameters
from clicktodial.api.management.worker import Worker
from clicktodial.domain.principal import Role
from clicktodial.domain.roster import Line, Shift, Span
from clicktodial.domain.support_clock import CriticalPeriod
from clicktodial.storage.people_table import EMAIL_CHARACTERS_MAX
from clicktodial.storage.table import NAME_CHARACTERS_MAX, NUMBER_CHARACTERS_MAX

ROSTER_LASTS = timedelta(days=14)
_OPERATOR = frozenset({Role.OPERATOR})
_READERS = frozenset({Role.SUPPORT, Role.ACCOUNT_MANAGER, Role.OPERATOR})
_Name = Annotated[str, Meta(min_length=1, max_length=NAME_CHARACTERS_MAX)]
_EXAMPLE_ID = "019a3f6e8b5c7d2e9f00112233445566"


class NewShiftBody(Strict, frozen=True):
    """Somebody's turn to be called."""

    line: Line
    name: _Name
    phone: Annotated[str, Meta(min_length=1, max_length=NUMBER_CHARACTERS_MAX)]
    email: Annotated[str, Meta(max_length=EMAIL_CHARACTERS_MAX)]
    from_at: Instant
    until_at: Instant


class ShiftView(Strict, frozen=True):
    """Somebody's turn."""

    shift_id: str
    name: str
    phone: str
    email: str
    from_at: Instant
    until_at: Instant


class SpanView(Strict, frozen=True):
    """From and until."""

    from_at: Instant
    until_at: Instant


class LineView(Strict, frozen=True):
    """One line's shifts; when nobody is on call, and when more than one."""

    line: Line
    shifts: list[ShiftView]
    gaps: list[SpanView]
    overlaps: list[SpanView]


class RosterView(Strict, frozen=True):
    """Both lines within a time."""

    from_at: Instant
    until_at: Instant
    lines: list[LineView]


class NewCriticalPeriod(Strict, frozen=True):
    """A festival ahead."""

    name: _Name
    from_at: Instant
    until_at: Instant


class CriticalPeriodView(Strict, frozen=True):
    """A critical period."""

    period_id: str
    name: str
    from_at: Instant
    until_at: Instant


class CriticalPeriodList(Strict, frozen=True):
    """Critical periods, the latest first."""

    critical_periods: list[CriticalPeriodView]


class RosterResource:
    """The roster and critical periods: the operator's, to be read by whoever must call."""

    def __init__(self, rosters: Rosters, worker: Worker) -> None:
        self._rosters = rosters
        self._worker = worker

    async def show(self, ask: Ask) -> RosterView:
        """GET of the roster"""
        span = parse_span(ask.query, begins=ask.now, lasts=ROSTER_LASTS)
        lines = await self._worker.run(lambda: self._rosters.show(ask.principal, span))
        return RosterView(
            from_at=span.from_at,
            until_at=span.until_at,
            lines=[_render_line(each) for each in lines],
        )

    async def add_shift(self, ask: Ask) -> Created:
        """POST of a shift: its line as it is then, around it"""
        body = await ask.read(NewShiftBody)
        span = _span(body)
        new = NewShift(
            line=body.line, name=body.name, phone=body.phone, email=body.email, span=span
        )
        principal, now = ask.principal, ask.now
        shift_id = await self._worker.run(partial(self._rosters.add_shift, principal, new, now))
        lines = await self._worker.run(lambda: self._rosters.show(principal, span))
        line = next(each for each in lines if each.line is body.line)
        return Created(_render_line(line), f"/roster/shifts/{shift_id}")

    async def remove_shift(self, ask: Ask) -> None:
        """DELETE of a shift"""
        shift_id = ask.path["shift_id"]
        await self._worker.run(lambda: self._rosters.remove_shift(ask.principal, shift_id, ask.now))

    async def list_periods(self, ask: Ask) -> CriticalPeriodList:
        """GET of the critical periods"""
        periods = await self._worker.run(lambda: self._rosters.list_periods(ask.principal))
        return CriticalPeriodList(critical_periods=[_render_period(each) for each in periods])

    async def add_period(self, ask: Ask) -> Created:
        """POST of a critical period"""
        body = await ask.read(NewCriticalPeriod)
        span = _span(body)
        period_id = await self._worker.run(
            lambda: self._rosters.add_period(ask.principal, body.name, span, ask.now)
        )
        view = CriticalPeriodView(
            period_id=period_id, name=body.name, from_at=span.from_at, until_at=span.until_at
        )
        return Created(view, f"/critical-periods/{period_id}")

    async def end_period(self, ask: Ask) -> None:
        """DELETE of a critical period"""
        period_id = ask.path["period_id"]
        await self._worker.run(lambda: self._rosters.end_period(ask.principal, period_id, ask.now))

    def routes(self) -> list[Route]:
        """The rows of this resource."""
        shared: dict[str, Any] = {"tag": "Roster"}
        of_operator = shared | {"roles": _OPERATOR}
        return [
            Route(
                name="showRoster",
                method="GET",
                path="/roster",
                summary="Read the roster",
                about="Who of the second and third line is on call, when nobody is, and when more "
                "than one.",
                roles=_READERS,
                handle=self.show,
                query=span_parameters("now, and for 14 days,"),
                answer=RosterView,
                problems=(INVALID_VALUE,),
                **shared,
            ),
            Route(
                name="addShift",
                method="POST",
                path="/roster/shifts",
                summary="Put somebody on the roster",
                about="Answers the line within that shift, so that overlaps show at once.",
                handle=self.add_shift,
                body=NewShiftBody,
                body_example={
                    "line": "second-line",
                    "name": "Li Wei",
                    "phone": "13912345673",
                    "email": "li.wei@example.com",
                    "from_at": "2027-02-05T00:00:00Z",
                    "until_at": "2027-02-05T08:00:00Z",
                },
                status=201,
                answer=LineView,
                problems=(CONFLICT, INVALID_VALUE),
                **of_operator,
            ),
            Route(
                name="removeShift",
                method="DELETE",
                path="/roster/shifts/{shift_id}",
                summary="Take somebody off the roster",
                about="A shift that runs ends now; one that is over is kept.",
                handle=self.remove_shift,
                status=204,
                parameters=(_parameter("shift_id", "The shift."),),
                problems=(NOT_FOUND, CONFLICT),
                **of_operator,
            ),
            Route(
                name="listCriticalPeriods",
                method="GET",
                path="/critical-periods",
                summary="List critical periods",
                about="Festivals, the latest first.",
                roles=_READERS,
                handle=self.list_periods,
                answer=CriticalPeriodList,
                **shared,
            ),
            Route(
                name="addCriticalPeriod",
                method="POST",
                path="/critical-periods",
                summary="Add a critical period",
                about="In it, clocks of emergencies and of what is high run twice as fast and "
                "around the clock.",
                handle=self.add_period,
                body=NewCriticalPeriod,
                body_example={
                    "name": "Spring Festival",
                    "from_at": "2027-02-05T00:00:00Z",
                    "until_at": "2027-02-12T00:00:00Z",
                },
                status=201,
                answer=CriticalPeriodView,
                problems=(CONFLICT, INVALID_VALUE),
                **of_operator,
            ),
            Route(
                name="endCriticalPeriod",
                method="DELETE",
                path="/critical-periods/{period_id}",
                summary="Take a critical period away",
                about="One that runs ends now; one that is over is kept.",
                handle=self.end_period,
                status=204,
                parameters=(_parameter("period_id", "The critical period."),),
                problems=(NOT_FOUND, CONFLICT),
                **of_operator,
            ),
        ]


def _parameter(name: str, about: str) -> Parameter:
    return Parameter(name, about, {"type": "string", "maxLength": 64}, example=_EXAMPLE_ID)


def _span(body: NewShiftBody | NewCriticalPeriod) -> Span:
    return Span(body.from_at.astimezone(UTC), body.until_at.astimezone(UTC))


def _render_line(line: LineRoster) -> LineView:
    return LineView(
        line=line.line,
        shifts=[_render_shift(each) for each in line.shifts],
        gaps=[_render_span(each) for each in line.gaps],
        overlaps=[_render_span(each) for each in line.overlaps],
    )


def _render_shift(shift: Shift) -> ShiftView:
    return ShiftView(
        shift_id=shift.shift_id,
        name=shift.name,
        phone=shift.phone,
        email=shift.email,
        from_at=shift.span.from_at,
        until_at=shift.span.until_at,
    )


def _render_span(span: Span) -> SpanView:
    return SpanView(from_at=span.from_at, until_at=span.until_at)


def _render_period(period: CriticalPeriod) -> CriticalPeriodView:
    return CriticalPeriodView(
        period_id=period.period_id,
        name=period.name,
        from_at=period.from_at,
        until_at=period.until_at,
    )
