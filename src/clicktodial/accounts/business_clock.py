"""What the operator's business does by the clock: changes whose day has come, data whose time is
over."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime

import structlog

from clicktodial.accounts.enterprise_change import DUE_MAX, EnterpriseChanges
from clicktodial.accounts.erasure import PersonalDataEraser
from clicktodial.storage.error import StorageError

log = structlog.get_logger()

# A change is in force so long after its time at most; one indexed read each.
CHANGES_INTERVAL_S = 5.0
# Retention is counted in days; a look walks the directory of documents.
ERASURE_EVERY = 720  # of the above: an hour


class BusinessClock:
    """A task of the node; several nodes may do the same at once."""

    def __init__(
        self,
        changes: EnterpriseChanges,
        eraser: PersonalDataEraser,
        utc: Callable[[], datetime],
        take_up_changes: Callable[[], Awaitable[None]],
    ) -> None:
        """`take_up_changes` makes what was changed hold on this node at once."""
        self._changes = changes
        self._eraser = eraser
        self._utc = utc
        self._take_up_changes = take_up_changes
        self._looks = 0

    async def run(self) -> None:
        """Until it is cancelled."""
        while True:
            try:
                looked_at = await self.look()
            except (StorageError, OSError) as error:
                log.error("business.clock_failed", error=str(error))
                looked_at = 0
            if looked_at < DUE_MAX:
                await asyncio.sleep(CHANGES_INTERVAL_S)

    async def look(self) -> int:
        """Do what is due; returns how many changes were. Raises StorageError or OSError."""
        carried_out = await asyncio.to_thread(self._changes.carry_out_due, self._utc())
        if carried_out:
            await self._take_up_changes()
        if self._looks % ERASURE_EVERY == 0:
            await asyncio.to_thread(self._eraser.erase_due, self._utc())
        self._looks += 1
        return carried_out
