"""The pages of this area."""

from clicktodial.portal.needs import ConsoleNeeds
from clicktodial.portal.number.inventory import InventoryPages
from clicktodial.portal.number.order import OrderPages
from clicktodial.portal.number.own import OwnNumberPages
from clicktodial.portal.page import Area, gather_area


def create_number_area(needs: ConsoleNeeds) -> Area:
    """Its pages and actions."""
    return gather_area(
        OwnNumberPages(needs),
        OrderPages(needs),
        InventoryPages(needs),
    )
