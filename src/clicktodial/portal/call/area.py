"""The pages of this area."""

from clicktodial.portal.call.card import CallCard
from clicktodial.portal.call.control import CallControls
from clicktodial.portal.call.detail import CallDetailPages
from clicktodial.portal.call.list import CallListPages
from clicktodial.portal.call.recording import RecordingPages
from clicktodial.portal.call.trial import TrialPages
from clicktodial.portal.needs import ConsoleNeeds
from clicktodial.portal.page import Area


def create_call_area(needs: ConsoleNeeds) -> Area:
    """Its pages and actions."""
    trial = TrialPages(needs)
    return Area(
        [
            *CallListPages(needs).pages(),
            *CallDetailPages(needs).pages(),
            *RecordingPages(needs).pages(),
            *trial.pages(),
        ],
        [*CallControls(needs, trial).actions(), *trial.actions()],
        cards=CallCard(needs).cards(),
    )
