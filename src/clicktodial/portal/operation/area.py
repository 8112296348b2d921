"""The pages of this area."""

from clicktodial.portal.needs import ConsoleNeeds
from clicktodial.portal.operation.endpoint import EndpointPages
from clicktodial.portal.operation.export import ExportPages
from clicktodial.portal.operation.node import NodePages
from clicktodial.portal.operation.traffic import TrafficPages
from clicktodial.portal.operation.trunk import TrunkPages
from clicktodial.portal.operation.wall import WallPages
from clicktodial.portal.page import Area


def create_operation_area(needs: ConsoleNeeds) -> Area:
    """Its pages and actions."""
    trunks, endpoints, exports = TrunkPages(needs), EndpointPages(needs), ExportPages(needs)
    return Area(
        [
            *WallPages(needs).pages(),
            *TrafficPages(needs).pages(),
            *trunks.pages(),
            *NodePages(needs).pages(),
            *endpoints.pages(),
            *exports.pages(),
        ],
        [*trunks.actions(), *endpoints.actions(), *exports.actions()],
    )
