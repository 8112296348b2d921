"""Events on their way to applications: what waits, and what became of each.

The outbox is the table of events itself, and beside it that of alerts; this is what its keeper and
the deliverer share.
"""

import asyncio
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple, Protocol, TypeAlias

from clicktodial.domain.event import StatusEvent
from clicktodial.domain.identifier import AppId, CallId
from clicktodial.domain.pool_alert import PoolAlert
from clicktodial.domain.sink import EventSink

# What an application is told, and how it is named: by its line and its place there.
Notice: TypeAlias = StatusEvent | PoolAlert
EventKey: TypeAlias = tuple[str, int]


# Of what a server said when it refused: enough for the sentence that says what is wrong.
ANSWER_CHARACTERS_MAX = 200


class DeliveryState(StrEnum):
    """What became of an event. NONE: its application wants no notifications."""

    PENDING = "pending"
    DELIVERED = "delivered"
    GIVEN_UP = "given_up"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class DeliveryAnswer:
    """What a server answered: `text` is how it began what it said, where it refused."""

    status: int
    at: datetime
    text: str | None = None


@dataclass(frozen=True, slots=True)
class PendingEvent:
    """An event to deliver. `attempts` were made, of which `answer` is the last that the server
    gave; the next is not due before `next_attempt_at`."""

    event: Notice
    attempts: int = 0
    next_attempt_at: datetime | None = None
    answer: DeliveryAnswer | None = None

    @property
    def route(self) -> "DeliveryRoute":
        return DeliveryRoute.of(self.event)

    @property
    def key(self) -> EventKey:
        return self.event.line, self.event.seq


@dataclass(frozen=True, slots=True)
class DeliveryMark:
    """What became of one event, or of one attempt while it stays PENDING. `answer` is the last
    that came; tries that the server did not answer leave it."""

    key: EventKey
    state: DeliveryState
    attempts: int
    next_attempt_at: datetime | None = None
    delivered_at: datetime | None = None
    last_error: str | None = None
    answer: DeliveryAnswer | None = None


class DeliveryRoute(NamedTuple):
    """Events that go one way: to the application's own server, or to sinks of one origin."""

    app_id: AppId
    sink_origin: str | None = None

    @classmethod
    def of(cls, event: Notice) -> "DeliveryRoute":
        """The way of that event."""
        return cls(event.app_id, event.sink_origin if isinstance(event, StatusEvent) else None)


class Sinks(Protocol):
    """Knows the sinks of calls."""

    async def find(self, call_id: CallId) -> EventSink | None:
        """Of one call; None where it has none. Raises StoreError."""


class DeliveryOutbox(Protocol):
    """The durable side of delivery. Reads raise StoreError."""

    def mark(self, mark: DeliveryMark) -> asyncio.Future[None]:
        """Durable soon, together with others, whose future it shares."""

    async def routes_with_pending(self) -> list[DeliveryRoute]:
        """Those of which events wait."""

    async def pending(
        self, route: DeliveryRoute, *, limit: int, known: frozenset[EventKey]
    ) -> list[PendingEvent]:
        """The oldest `limit` events of the route that wait and are not `known`, in order: alerts
        of its application's pool, then calls as they began, each call's events by sequence
        number."""

    async def revive(self, call_id: CallId) -> list[StatusEvent]:
        """Make the call's events that were given up wait again, as if never tried; returns them
        in order. Raises StoreError."""
