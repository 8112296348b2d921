"""How quick support was, for the operator."""

from datetime import timedelta
from enum import StrEnum

from clicktodial.domain.roster import Span
from clicktodial.portal.form import Form
from clicktodial.portal.needs import ConsoleNeeds
from clicktodial.portal.page import Answer, Nav, Page, Section, View, Visit
from clicktodial.portal.support.audience import OPERATOR, TONES
from clicktodial.portal.text import mark


class Period(StrEnum):
    """How far back."""

    MONTH = "month"
    QUARTER = "quarter"
    YEAR = "year"


PERIODS = {
    Period.MONTH: (30, mark("Last 30 days")),
    Period.QUARTER: (91, mark("Last three months")),
    Period.YEAR: (365, mark("Last year")),
}


class StatisticsPages:
    """GET /support/statistics"""

    def __init__(self, needs: ConsoleNeeds) -> None:
        self._needs = needs

    async def show(self, visit: Visit) -> Answer:
        """Of the tickets opened in a period."""
        form = Form(visit.words, {name: [value] for name, value in visit.query.items()})
        period = form.one_of("period", Period, is_required=False) or Period.MONTH
        span = Span(visit.now - timedelta(days=PERIODS[period][0]), visit.now)
        principal, needs, word = visit.principal, self._needs, visit.words.look_up
        told = await needs.worker.run(lambda: needs.ticket_statistics.tell(principal, span))
        ids = [each.assignee for each in told.assignees]
        accounts = await needs.worker.run(lambda: needs.names.accounts(principal, ids))
        opened = sum(each.opened for each in told.priorities)
        context = {
            "form": form,
            "tabs": [
                (visit.link("ticketStatistics", period=each), word(words), each is period)
                for each, (_, words) in PERIODS.items()
            ],
            "told": told,
            "opened": opened,
            "late_responses": sum(each.response.breached for each in told.priorities),
            "late_resolutions": sum(each.resolution.breached for each in told.priorities),
            "accounts": accounts,
            **TONES,
        }
        return View("support/statistics.html", context)

    def pages(self) -> list[Page]:
        """What is shown."""
        return [
            Page(
                name="ticketStatistics",
                path="/support/statistics",
                title=mark("Support in figures"),
                roles=OPERATOR,
                show=self.show,
                operations=("showTicketStatistics",),
                nav=Nav(Section.DESK, 30, "chart-column"),
            )
        ]
