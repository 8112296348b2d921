"""Events on their way to applications: what waits, and what became of each.

The outbox is the table of events itself, and beside it that of alerts; this is what its keeper and
the deliverer share.
"""

import asyncio
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol, TypeAlias

from clicktodial.domain.event import StatusEvent
from clicktodial.domain.identifier import AppId, CallId
from clicktodial.domain.pool_alert import PoolAlert

# What an application is told, and how it is named: by its line and its place there.
Notice: TypeAlias = StatusEvent | PoolAlert
EventKey: TypeAlias = tuple[str, int]


class DeliveryState(StrEnum):
    """What became of an event. NONE: its application wants no notifications."""

    PENDING = "pending"
    DELIVERED = "delivered"
    GIVEN_UP = "given_up"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class PendingEvent:
    """An event to deliver. `attempts` were made; the next is not due before `next_attempt_at`."""

    event: Notice
    attempts: int = 0
    next_attempt_at: datetime | None = None

    @property
    def key(self) -> EventKey:
        return self.event.line, self.event.seq


@dataclass(frozen=True, slots=True)
class DeliveryMark:
    """What became of one event, or of one attempt while it stays PENDING."""

    key: EventKey
    state: DeliveryState
    attempts: int
    next_attempt_at: datetime | None = None
    delivered_at: datetime | None = None
    last_error: str | None = None


class DeliveryOutbox(Protocol):
    """The durable side of delivery. Reads raise StoreError."""

    def mark(self, mark: DeliveryMark) -> asyncio.Future[None]:
        """Durable soon, together with others, whose future it shares."""

    async def applications_with_pending(self) -> list[AppId]:
        """Applications of which events wait."""

    async def pending(
        self, app_id: AppId, *, limit: int, known: frozenset[EventKey]
    ) -> list[PendingEvent]:
        """The oldest `limit` events of the application that wait and are not `known`, in order:
        alerts of its pool, then calls as they began, each call's events by sequence number."""

    async def revive(self, call_id: CallId) -> list[StatusEvent]:
        """Make the call's events that were given up wait again, as if never tried; returns them
        in order. Raises StoreError."""
