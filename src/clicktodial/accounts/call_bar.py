"""Ends the running calls of enterprises that were suspended or cancelled with that policy.

Each node does so for the calls that it runs, when it learns of an administrative change: the one
that made it at once, the others within a second. A request that was admitted just before may
still be arriving; its call is found by a second look, after the longest that one may take.
"""

import asyncio
from contextlib import suppress
from typing import Protocol

import structlog

from clicktodial.accounts.enterprise import find_barred_enterprises
from clicktodial.storage.error import DatabaseUnavailable
from clicktodial.storage.transaction import Transactions

log = structlog.get_logger()

# Of one query, whatever the database takes.
ENTERPRISES_A_QUERY = 500
RETRY_AFTER_S = 1.0


class LiveCalls(Protocol):
    """The calls that this node runs."""

    @property
    def live_enterprises(self) -> list[str]:
        """Those with calls."""

    def end_calls_of(self, enterprise_id: str) -> int:
        """End the calls of that enterprise; returns how many there were."""


class CallBar:
    """A task of the node."""

    def __init__(
        self, transactions: Transactions, calls: LiveCalls, *, arrival_timeout_s: float
    ) -> None:
        """`arrival_timeout_s` is how long a request may take to arrive."""
        self._transactions = transactions
        self._calls = calls
        self._arrival_timeout_s = arrival_timeout_s
        self._noticed = asyncio.Event()

    def notice(self) -> None:
        """Something was administered."""
        self._noticed.set()

    async def run(self) -> None:
        """Until it is cancelled."""
        again_after_s: float | None = None
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._noticed.wait(), again_after_s)
            is_first_look = self._noticed.is_set()
            self._noticed.clear()
            again_after_s = self._arrival_timeout_s if is_first_look else None
            try:
                await self.look()
            except DatabaseUnavailable as error:
                log.error("calls.not_barred", error=str(error))
                await asyncio.sleep(RETRY_AFTER_S)
                self._noticed.set()

    async def look(self) -> None:
        """End what is to end now. Raises DatabaseUnavailable."""
        live = self._calls.live_enterprises
        for at in range(0, len(live), ENTERPRISES_A_QUERY):
            barred = await asyncio.to_thread(self._find, live[at : at + ENTERPRISES_A_QUERY])
            for enterprise_id in barred:
                ended = self._calls.end_calls_of(enterprise_id)
                log.info("enterprise.calls_ended", enterprise_id=enterprise_id, calls=ended)

    def _find(self, enterprise_ids: list[str]) -> list[str]:
        with self._transactions.read() as connection:
            return find_barred_enterprises(connection, enterprise_ids)
