"""What the overview says of calls."""

from collections.abc import Mapping
from typing import Any

from clicktodial.accounts.call_search import CallFilter
from clicktodial.accounts.call_statistics import DayOfCalls
from clicktodial.domain.cause import EndReason
from clicktodial.portal.call.list import READERS, Period, tone_of
from clicktodial.portal.needs import ConsoleNeeds
from clicktodial.portal.page import Card, Visit

NEWEST = 8
# Of nine reasons.
FAILURES_SHOWN = 5


class CallCard:
    """The last day, and the newest calls."""

    def __init__(self, needs: ConsoleNeeds) -> None:
        self._needs = needs

    async def load(self, visit: Visit) -> Mapping[str, Any]:
        """What the template shows."""
        principal, needs = visit.principal, self._needs

        def read() -> Mapping[str, Any]:
            return {
                "live": needs.call_statistics.count_live(principal),
                "day": needs.call_statistics.last_day(principal, visit.now),
                "weeks": needs.call_statistics.last_weeks(principal, visit.now),
                "newest": needs.call_search.find(principal, CallFilter(), limit=NEWEST).calls,
            }

        found = await needs.worker.run(read)
        bars = [(visit.local.time(hour.at, "short"), hour.begun) for hour in found["day"].hours]
        day: DayOfCalls = found["day"]
        failures = [
            (reason, count, visit.link("calls", period=Period.TODAY, reason=reason))
            for reason, count in day.ends.items()
            if reason is not EndReason.HANG_UP
        ]
        return {
            **found,
            "bars": bars,
            "tone": tone_of,
            "failures": failures[:FAILURES_SHOWN],
            "failed": sum(count for _, count, _ in failures),
        }

    def cards(self) -> list[Card]:
        """What the overview has."""
        return [
            Card(
                name="calls",
                order=10,
                roles=READERS,
                template="call/card.html",
                load=self.load,
            )
        ]
