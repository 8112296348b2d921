"""What concerns support: its use cases, and the rows of its resources."""

from dataclasses import dataclass
from datetime import timedelta

from clicktodial.accounts.roster import Rosters
from clicktodial.accounts.ticket import Tickets
from clicktodial.accounts.ticket_desk import TicketDesk
from clicktodial.accounts.ticket_statistics import TicketStatistics
from clicktodial.accounts.ticket_store import SupportPolicy
from clicktodial.api.management.problem import INVALID_VALUE
from clicktodial.api.management.roster import RosterResource
from clicktodial.api.management.route import Ask, Route
from clicktodial.api.management.span import parse_span, span_parameters
from clicktodial.api.management.ticket import TicketResource
from clicktodial.api.management.ticket_view import TicketStatisticsView, render_statistics
from clicktodial.api.management.worker import Worker
from clicktodial.config import SupportSettings
from clicktodial.domain.principal import Role
from clicktodial.storage.secret import SecretVault
from clicktodial.storage.transaction import Transactions

STATISTICS_LAST = timedelta(days=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class SupportNeeds:
    """The use cases of support."""

    tickets: Tickets
    rosters: Rosters
    statistics: TicketStatistics
    desk: TicketDesk


def create_support_needs(
    transactions: Transactions, vault: SecretVault, settings: SupportSettings, *, region: str
) -> SupportNeeds:
    """All of them, on one database. `region` is that of telephone numbers."""
    policy = SupportPolicy.from_settings(settings)
    return SupportNeeds(
        tickets=Tickets(transactions, vault, policy, region=region),
        rosters=Rosters(transactions, vault, region=region, operator_email=settings.operator_email),
        statistics=TicketStatistics(transactions),
        desk=TicketDesk(transactions, policy.hours),
    )


def create_support_routes(needs: SupportNeeds, worker: Worker) -> list[Route]:
    """The rows of what concerns support."""
    return [
        *TicketResource(needs.tickets, worker).routes(),
        *StatisticsResource(needs.statistics, worker).routes(),
        *RosterResource(needs.rosters, worker).routes(),
    ]


class StatisticsResource:
    """How quick support was, for the operator."""

    def __init__(self, statistics: TicketStatistics, worker: Worker) -> None:
        self._statistics = statistics
        self._worker = worker

    async def show(self, ask: Ask) -> TicketStatisticsView:
        """GET"""
        begins = ask.now - STATISTICS_LAST
        span = parse_span(ask.query, begins=begins, lasts=STATISTICS_LAST)
        told = await self._worker.run(lambda: self._statistics.tell(ask.principal, span))
        return render_statistics(told, from_at=span.from_at, until_at=span.until_at)

    def routes(self) -> list[Route]:
        """The row of this resource."""
        return [
            Route(
                name="showTicketStatistics",
                method="GET",
                path="/ticket-statistics",
                tag="Tickets",
                summary="Read how quick support was",
                about="Of the tickets that were opened within a time: how long first responses and "
                "resolutions took, by priority, and who missed targets.",
                roles=frozenset({Role.OPERATOR}),
                handle=self.show,
                query=span_parameters("30 days ago, and for 30 days,"),
                answer=TicketStatisticsView,
                problems=(INVALID_VALUE,),
            )
        ]
