"""The pages of this area."""

from clicktodial.portal.call.card import CallCard
from clicktodial.portal.call.control import CallControls
from clicktodial.portal.call.detail import CallDetailPages
from clicktodial.portal.call.list import CallListPages
from clicktodial.portal.call.recording import RecordingPages
from clicktodial.portal.needs import ConsoleNeeds
from clicktodial.portal.page import Area


def create_call_area(needs: ConsoleNeeds) -> Area:
    """Its pages and actions."""
    return Area(
        [
            *CallListPages(needs).pages(),
            *CallDetailPages(needs).pages(),
            *RecordingPages(needs).pages(),
        ],
        CallControls(needs).actions(),
        cards=CallCard(needs).cards(),
    )
