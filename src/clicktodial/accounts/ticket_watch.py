"""Does what is due with tickets, in the background; several nodes share the work."""

import asyncio
from collections.abc import Callable, Mapping
from datetime import datetime

import structlog

from clicktodial.accounts.roster import Rosters
from clicktodial.accounts.ticket import Tickets
from clicktodial.storage.error import AdministrationError, DatabaseUnavailable, StorageError

log = structlog.get_logger()

# A thirtieth of the shortest wait between two lines; one indexed read each time.
POLL_INTERVAL_S = 5.0
BATCH_MAX = 100
# Counting the open ones, and the rosters of near periods, need not be so fresh.
POLLS_PER_COUNT = 12


class TicketWatch:
    """A task of the node."""

    def __init__(self, tickets: Tickets, rosters: Rosters, utc: Callable[[], datetime]) -> None:
        self._tickets = tickets
        self._rosters = rosters
        self._utc = utc
        self._open: Mapping[str, int] = {}
        self._breached: Mapping[str, int] = {}

    def open_by_priority(self) -> Mapping[str, int]:
        """Open tickets, as they were counted last."""
        return self._open

    def breached_by_priority(self) -> Mapping[str, int]:
        """Those of them that missed a target."""
        return self._breached

    async def run(self) -> None:
        """Until it is cancelled."""
        polls = 0
        while True:
            acted = 0
            try:
                if polls % POLLS_PER_COUNT == 0:
                    await self.take_stock()
                acted = await self.act_on_due()
            except DatabaseUnavailable as error:
                log.error("ticket.database_unavailable", error=str(error))
            polls += 1
            if acted < BATCH_MAX:
                await asyncio.sleep(POLL_INTERVAL_S)

    async def take_stock(self) -> None:
        """Count, and tell of gaps in rosters. Raises DatabaseUnavailable."""
        self._open, self._breached = await asyncio.to_thread(self._tickets.count_open)
        now = self._utc()
        told = await asyncio.to_thread(lambda: self._rosters.tell_gaps(now))
        if told:
            log.warning("roster.gaps_told", periods=told)

    async def act_on_due(self) -> int:
        """Do what is due with some tickets; returns with how many. Raises DatabaseUnavailable."""
        now = self._utc()
        ticket_ids = await asyncio.to_thread(lambda: self._tickets.find_due(now, BATCH_MAX))
        done = 0
        for ticket_id in ticket_ids:
            done += await self._act(ticket_id, now)
        return done

    async def _act(self, ticket_id: str, now: datetime) -> bool:
        try:
            acts = await asyncio.to_thread(self._tickets.act_on_due, ticket_id, now)
        except DatabaseUnavailable:
            raise
        except AdministrationError as error:
            # Another node was quicker, or a mail address of the settings cannot be used.
            log.warning("ticket.not_acted", ticket_id=ticket_id, error=str(error))
            return False
        except StorageError as error:
            # One that cannot be read must not hold up those after it.
            log.error("ticket.unreadable", ticket_id=ticket_id, error=str(error))
            return False
        if acts:
            log.info("ticket.due", ticket_id=ticket_id, acts=acts)
        return True
