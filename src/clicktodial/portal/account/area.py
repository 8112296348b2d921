"""The pages of this area."""

from clicktodial.portal.account.enrolment import EnrolmentPages
from clicktodial.portal.account.login import LoginPages
from clicktodial.portal.account.preference import PreferencePages
from clicktodial.portal.account.profile import ProfilePages
from clicktodial.portal.needs import ConsoleNeeds
from clicktodial.portal.page import Area


def create_account_area(needs: ConsoleNeeds) -> Area:
    """Its pages and actions."""
    login, enrolment, profile = LoginPages(needs), EnrolmentPages(needs), ProfilePages(needs)
    return Area(
        [*login.pages(), *enrolment.pages(), *profile.pages()],
        [
            *login.actions(),
            *enrolment.actions(),
            *profile.actions(),
            *PreferencePages(needs).actions(),
        ],
    )
