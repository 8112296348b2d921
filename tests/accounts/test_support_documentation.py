"""docs/support.md says of states, goals and limits what the code does."""

import re
from datetime import timedelta
from pathlib import Path

import pytest

from clicktodial.accounts.roster import (
    GAPS_TOLD_BEFORE,
    PERIOD_DAYS_MAX,
    PERIODS_AHEAD_MAX,
    SHIFT_DAYS_MAX,
    SHIFTS_AHEAD_MAX,
)
from clicktodial.accounts.ticket import (
    OPEN_PER_ENTERPRISE_MAX,
    STEPS_MAX,
    STEPS_OF_STAFF,
    TEXT_CHARACTERS_MAX,
)
from clicktodial.accounts.ticket_mail import MAILED_IN_A_ROW_MAX
from clicktodial.accounts.ticket_statistics import BREACHED_LISTED_MAX
from clicktodial.accounts.ticket_watch import POLL_INTERVAL_S
from clicktodial.domain.ticket import GOALS, TicketPriority, TicketState

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="module")
def page() -> str:
    return (DOCS / "support.md").read_text(encoding="utf-8")


def words(time: timedelta) -> str:
    minutes = time // timedelta(minutes=1)
    return f"{minutes // 60} h" if minutes % 60 == 0 else f"{minutes} min"


@pytest.mark.parametrize("priority", list(TicketPriority))
def test_what_is_promised_is_documented(page: str, priority: TicketPriority) -> None:
    goal = GOALS[priority]
    hours = "around the clock" if goal.pace.is_around_the_clock else "business hours"
    tighter = "twice as fast" if goal.pace.is_hurried else "no change"
    if goal.pace.is_hurried and not goal.pace.is_around_the_clock:
        tighter += ", around the clock"
    calls = ", ".join(f"{each.percent} %" for each in goal.thresholds)
    row = (
        f"| `{priority}` | {words(goal.response)} | {words(goal.resolution)} | {hours} "
        f"| {tighter} | {calls} |"
    )
    assert row in page


def test_every_state_is_documented(page: str) -> None:
    documented = set(re.findall(r"^\| `([a-z-]+)` \|", page, re.MULTILINE))
    assert documented >= set(TicketState)


def test_limits_are_documented(page: str) -> None:
    assert timedelta(days=3) == GAPS_TOLD_BEFORE and "Three days before" in page
    assert MAILED_IN_A_ROW_MAX == 5 and "in a row the first five are mailed" in page
    assert POLL_INTERVAL_S == 5 and "within five seconds" in page
    api = " ".join((DOCS / "management-api.md").read_text(encoding="utf-8").split())
    assert (
        f"A text has {TEXT_CHARACTERS_MAX} characters at most, a ticket {STEPS_MAX} steps, "
        f"the last {STEPS_OF_STAFF} of them support's alone, an enterprise "
        f"{OPEN_PER_ENTERPRISE_MAX} open tickets; {SHIFTS_AHEAD_MAX} shifts and "
        f"{PERIODS_AHEAD_MAX} critical periods may be ahead"
    ) in api
    assert f"is of {SHIFT_DAYS_MAX} days at most" in api
    assert f"at most {PERIOD_DAYS_MAX} days, from now on" in api
    assert f"the latest {BREACHED_LISTED_MAX} of those" in api
