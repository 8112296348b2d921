"""The pages of this area."""

from clicktodial.portal.audit.list import AuditPages
from clicktodial.portal.needs import ConsoleNeeds
from clicktodial.portal.page import Area


def create_audit_area(needs: ConsoleNeeds) -> Area:
    """Its pages."""
    return Area([*AuditPages(needs).pages()])
