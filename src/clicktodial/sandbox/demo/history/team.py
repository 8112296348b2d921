"""The people of the past: each was invited, and followed the link of the invitation."""

from datetime import timedelta

from clicktodial.domain.principal import OPERATOR_PRINCIPAL
from clicktodial.sandbox.demo.history.cast import CUSTOMERS, STAFF, Part
from clicktodial.sandbox.demo.history.desk import Desk

# Whoever did not come yet.
_INVITED = "new.hire@harbour.example"


def add_people(desk: Desk, enterprise_id: str, password: str) -> None:
    """The enterprise's and the operator's, all with that password; and one who is only invited."""
    for part in CUSTOMERS:
        _add(desk, part, enterprise_id, password)
    for part in STAFF:
        _add(desk, part, None, password)
    for hours, account in enumerate(sorted(desk.people), 1):
        # Where and when each was there last.
        desk.sessions.log_in(
            account=account,
            password=password,
            code=None,
            address=f"203.0.113.{20 + hours}",
            now=desk.ago(hours=hours * 3),
        )
    desk.enrolments.invite(
        desk.who("demo"),
        email=_INVITED,
        roles=[CUSTOMERS[1].role],
        enterprise_id=enterprise_id,
        now=desk.ago(hours=2),
    )


def _add(desk: Desk, part: Part, enterprise_id: str | None, password: str) -> None:
    place = "staff" if enterprise_id is None else "harbour"
    created = desk.enrolments.invite(
        OPERATOR_PRINCIPAL,
        email=f"{part.account}@{place}.example",
        roles=[part.role],
        enterprise_id=enterprise_id,
        regions=part.regions,
        account=part.account,
        now=desk.began,
    )
    desk.people[part.account] = desk.enrolments.activate(
        created.token, password=password, now=desk.began + timedelta(hours=1)
    )
