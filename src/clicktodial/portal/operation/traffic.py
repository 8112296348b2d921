"""Traffic by hour, and why calls failed."""

from collections import Counter
from collections.abc import Callable, Hashable, Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from clicktodial.accounts.traffic import HOUR, Carried, Cause, CountedHour, Hours, add_up
from clicktodial.portal.form import Form
from clicktodial.portal.live import Watch
from clicktodial.portal.needs import ConsoleNeeds
from clicktodial.portal.operation.role import OPERATOR
from clicktodial.portal.page import Answer, Nav, Page, Section, View, Visit
from clicktodial.portal.text import mark

# The commonest causes are what one looks for; behind them come few calls each.
ROWS_MAX = 10
# So many bars can be told apart on a screen; longer spans are drawn by day.
BARS_MAX = 72


class Span(StrEnum):
    """How far back."""

    DAY = "day"
    THREE = "three"
    WEEK = "week"
    MONTH = "month"


SPANS = {
    Span.DAY: (1, mark("Last 24 hours")),
    Span.THREE: (3, mark("Last 3 days")),
    Span.WEEK: (7, mark("Last 7 days")),
    Span.MONTH: (30, mark("Last 30 days")),
}


class Figure(StrEnum):
    """What the chart shows."""

    BEGUN = "begun"
    CONNECTED = "connected"
    MINUTES = "minutes"
    RATIO = "ratio"
    SET_UP = "set_up"


FIGURES = {
    Figure.BEGUN: mark("Calls begun"),
    Figure.CONNECTED: mark("Calls connected"),
    Figure.MINUTES: mark("Minutes talked"),
    Figure.RATIO: mark("Answer-seizure ratio"),
    Figure.SET_UP: mark("Set-up time"),
}


class TrafficPages:
    """GET /traffic"""

    def __init__(self, needs: ConsoleNeeds) -> None:
        self._needs = needs

    async def show(self, visit: Visit) -> Answer:
        """The figures, a chart of one of them, and the causes."""
        form = self._form(visit)
        span, figure = _read(form)
        needs = self._needs

        def read() -> tuple[Hours, Counter[Cause], Sequence[Mapping[str, Any]], dict[str, str]]:
            hours = needs.traffic.hours(_first(span, visit.now), visit.now, visit.now)
            causes = hours.causes()
            by_enterprise = _share(causes, lambda cause: cause.enterprise_id)
            shown = [share["value"] for share in by_enterprise if share["value"] is not None]
            return hours, causes, by_enterprise, needs.administration.name_enterprises(shown)

        hours, causes, by_enterprise, names = await needs.worker.run(read)
        word = visit.words.look_up
        context: dict[str, Any] = {
            "form": form,
            "span_options": [(each, word(words)) for each, (_, words) in SPANS.items()],
            "figure_options": [(each, word(words)) for each, words in FIGURES.items()],
            "figure_label": word(FIGURES[figure]),
            "total": hours.total,
            "missing": hours.missing,
            "known": len(hours.counted),
            "points": _points(visit, hours, span, figure),
            "written": _writer(visit, figure),
            "by_reason": _share(causes, lambda cause: cause.reason),
            "by_status": _share(causes, lambda cause: cause.sip_status),
            "by_trunk": _share(causes, lambda cause: cause.trunk),
            "by_enterprise": by_enterprise,
            "names": names,
            "failures": sum(causes.values()),
        }
        return View("operation/traffic.html", context, 200 if form.is_valid else 422)

    async def watch(self, visit: Visit) -> Watch:
        """How much is counted of what was asked for, and what the newest hour has."""
        span, _ = _read(self._form(visit))
        traffic, utc = self._needs.traffic, self._needs.utc

        def ask() -> object:
            hours = traffic.hours(_first(span, utc()), utc(), utc())
            newest = hours.counted[-1:]
            return hours.missing, newest

        return Watch(("traffic", span), ask)

    def _form(self, visit: Visit) -> Form:
        fields = {name: [value] for name, value in visit.query.items()}
        return Form(visit.words, fields).fill(span=Span.DAY, figure=Figure.BEGUN)

    def pages(self) -> list[Page]:
        """What is shown."""
        return [
            Page(
                name="traffic",
                path="/traffic",
                title=mark("Traffic"),
                roles=OPERATOR,
                show=self.show,
                nav=Nav(Section.SYSTEM, 20, "chart-column"),
                watch=self.watch,
            )
        ]


def _read(form: Form) -> tuple[Span, Figure]:
    span, figure = form.one_of("span", Span), form.one_of("figure", Figure)
    return span or Span.DAY, figure or Figure.BEGUN


def _first(span: Span, now: datetime) -> datetime:
    """The beginning of the first hour; the hour that runs is the last."""
    this_hour = now.replace(minute=0, second=0, microsecond=0)
    return this_hour - timedelta(hours=24 * SPANS[span][0] - 1)


def _points(visit: Visit, hours: Hours, span: Span, figure: Figure) -> list[tuple[str, float]]:
    """A bar for each hour, or each day of a long span, the days being those of who looks."""
    local, is_by_day = visit.local, 24 * SPANS[span][0] > BARS_MAX

    def key(at: datetime) -> Hashable:
        return at.astimezone(local.zone).date() if is_by_day else at

    def name(at: datetime) -> str:
        if is_by_day:
            return local.day(at, "short")
        return local.time(at, "short") if span is Span.DAY else local.moment(at, "short")

    known = {hour.carried.at: hour for hour in hours.counted}
    groups: dict[Hashable, list[CountedHour]] = {}
    at = _first(span, visit.now)
    while at <= visit.now:
        # What is not counted yet has its place.
        hour = known.get(at) or CountedHour(Carried(at))
        groups.setdefault(key(at), []).append(hour)
        at += HOUR
    return [(name(group[0].carried.at), _value(Hours(group), figure)) for group in groups.values()]


def _value(hours: Hours, figure: Figure) -> float:
    total = add_up([each.carried for each in hours.counted])
    match figure:
        case Figure.BEGUN:
            return total.begun
        case Figure.CONNECTED:
            return total.connected
        case Figure.MINUTES:
            return total.talked_s // 60
        case Figure.RATIO:
            return total.answer_seizure_ratio or 0
        case Figure.SET_UP:
            return total.set_up_s or 0


def _writer(visit: Visit, figure: Figure) -> Callable[[float], str]:
    local = visit.local
    match figure:
        case Figure.RATIO:
            return lambda value: local.percent(value)
        case Figure.SET_UP:
            return lambda value: visit.gettext("%(num)s s", num=local.number(round(value, 1)))
        case _:
            return lambda value: local.number(int(value))


def _share(causes: Counter[Cause], key: Callable[[Cause], Any]) -> list[Mapping[str, Any]]:
    """The most frequent values of a key: each with how often it was, and its share of all."""
    counts: Counter[Any] = Counter()
    for cause, count in causes.items():
        counts[key(cause)] += count
    total = sum(counts.values())
    return [
        {"value": value, "count": count, "share": count / total}
        for value, count in counts.most_common(ROWS_MAX)
    ]
