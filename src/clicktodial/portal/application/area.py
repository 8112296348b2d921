"""The pages of this area."""

from clicktodial.portal.application.audio import AudioPages
from clicktodial.portal.application.detail import ApplicationPages
from clicktodial.portal.application.list import ApplicationListPages
from clicktodial.portal.application.options import OptionPages
from clicktodial.portal.application.pool import PoolPages
from clicktodial.portal.application.reference import ReferencePages
from clicktodial.portal.needs import ConsoleNeeds
from clicktodial.portal.page import Area, gather_area


def create_application_area(needs: ConsoleNeeds) -> Area:
    """Its pages and actions."""
    return gather_area(
        ApplicationListPages(needs),
        ApplicationPages(needs),
        OptionPages(needs),
        PoolPages(needs),
        ReferencePages(needs),
        AudioPages(needs),
    )
