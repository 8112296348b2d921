"""The pages of this area."""

from clicktodial.portal.needs import ConsoleNeeds
from clicktodial.portal.page import Area
from clicktodial.portal.support.detail import TicketDetailPages
from clicktodial.portal.support.file import TicketFilePages
from clicktodial.portal.support.list import TicketListPages
from clicktodial.portal.support.opening import TicketOpeningPages
from clicktodial.portal.support.roster import RosterPages
from clicktodial.portal.support.statistics import StatisticsPages


def create_support_area(needs: ConsoleNeeds) -> Area:
    """Its pages and actions."""
    opening, detail = TicketOpeningPages(needs), TicketDetailPages(needs)
    lists, roster, statistics = TicketListPages(needs), RosterPages(needs), StatisticsPages(needs)
    return Area(
        [
            *lists.pages(),
            *opening.pages(),
            *detail.pages(),
            *TicketFilePages(needs).pages(),
            *roster.pages(),
            *statistics.pages(),
        ],
        [*opening.actions(), *detail.actions(), *roster.actions()],
    )
