"""What the overview says of calls."""

from collections.abc import Mapping
from typing import Any

from clicktodial.accounts.call_search import CallFilter
from clicktodial.portal.call.list import READERS, tone_of
from clicktodial.portal.needs import ConsoleNeeds
from clicktodial.portal.page import Card, Visit

NEWEST = 6


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
                "newest": needs.call_search.find(principal, CallFilter(), limit=NEWEST).calls,
            }

        found = await needs.worker.run(read)
        bars = [(visit.local.time(hour.at, "short"), hour.begun) for hour in found["day"].hours]
        return {**found, "bars": bars, "tone": tone_of}

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
