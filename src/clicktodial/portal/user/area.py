"""The pages of this area."""

from clicktodial.portal.needs import ConsoleNeeds
from clicktodial.portal.page import Area
from clicktodial.portal.user.user import UserPages


def create_user_area(needs: ConsoleNeeds) -> Area:
    """Its pages and actions."""
    users = UserPages(needs)
    return Area([*users.pages()], [*users.actions()])
