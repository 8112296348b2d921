"""The pages of this area."""

from clicktodial.portal.business.centre import CentrePages
from clicktodial.portal.business.customer import CustomerPages
from clicktodial.portal.business.intention import IntentionPages
from clicktodial.portal.business.paper import PaperPages
from clicktodial.portal.business.service import ServicePages
from clicktodial.portal.business.work_order import WorkOrderPages
from clicktodial.portal.needs import ConsoleNeeds
from clicktodial.portal.page import Area


def create_business_area(needs: ConsoleNeeds) -> Area:
    """Its pages and actions."""
    centre, work_orders = CentrePages(needs), WorkOrderPages(needs)
    parts = (
        centre,
        IntentionPages(needs),
        PaperPages(needs),
        ServicePages(needs),
        CustomerPages(needs),
        work_orders,
    )
    return Area(
        [page for part in parts for page in part.pages()],
        [action for part in parts for action in part.actions()],
        [*centre.cards(), *work_orders.cards()],
    )
