"""The pages of this area."""

from clicktodial.portal.needs import ConsoleNeeds
from clicktodial.portal.page import Area
from clicktodial.portal.team.team import TeamPages


def create_team_area(needs: ConsoleNeeds) -> Area:
    """Its pages and actions."""
    team = TeamPages(needs)
    return Area([*team.pages()], [*team.actions()])
