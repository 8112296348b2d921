"""Tells applications of their calls: the Notifier of one node.

Theory of operation. Every event is in the outbox table before it is published here, and what
becomes of it is marked there. Memory holds the front of the work only: each application has a
route to the endpoint (scheme, host and port) of its URL, and one more to each endpoint that it
named as the sink of calls; each endpoint has a bounded queue.

A route is either *current* - all that waits of the application is in the queue, and published
events are appended - or *behind*: some of it is in the table alone. While it is behind, a task
loads from the table, oldest first, whenever there is room, until nothing is left; the latest
published events are kept aside and follow what was loaded, so that it catches up however fast
events come. Being behind covers all that is special: events found at the start, more events
than fit, a URL that changed, and replayed events.
"""

import asyncio
import random
import time
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache, partial
from typing import Any

import structlog

from clicktodial.config import NotifySettings
from clicktodial.control.delivery import (
    DeliveryMark,
    DeliveryOutbox,
    DeliveryRoute,
    DeliveryState,
    EventKey,
    Notice,
    PendingEvent,
    Sinks,
)
from clicktodial.control.port import Applications, Clock, EndpointState, StoreError
from clicktodial.domain.application import Application
from clicktodial.domain.event import StatusEvent
from clicktodial.domain.identifier import CallId
from clicktodial.domain.sink import origin_of_url
from clicktodial.notify.endpoint import Endpoint, Rerouted, Undeliverable
from clicktodial.notify.endpoint_queue import EndpointQueue
from clicktodial.notify.format import NotificationFormat, NotificationRequest, SinkFormat
from clicktodial.notify.schedule import (
    PROBE_FIRST_S,
    PROBE_MAX_S,
    CircuitBreaker,
    RetrySchedule,
)
from clicktodial.notify.sender import Attempt, Sender
from clicktodial.notify.signature import message_id, signature_headers

log = structlog.get_logger()

# Events loaded from the table at a time: some hundred kilobytes.
PAGE_EVENTS = 500
# Events kept aside for a route that is behind; what exceeds them is found in the table.
RECENT_EVENTS_MAX = 500
# How often the table is searched for what a failing database kept us from loading. Whoever puts
# events back into it (a replay) says so, and is not left to wait for this.
SWEEP_INTERVAL_S = 60.0
# URLs taken apart once; beyond it only time is lost.
ORIGINS_MAX = 1_024
# Routes to sinks in memory: one names another with each call, if it likes. Some 2 kB each with the
# endpoint. Those that rest are forgotten; events of one too many wait in the table.
SINK_ROUTES_MAX = 2_000
# After a failed read of the table.
_RELOAD_WAIT_S = 1.0
# Longer would hold up the node's stop; what is cut off is delivered again after the restart.
CLOSE_TIMEOUT_S = 5.0


@dataclass(frozen=True, slots=True)
class NotifyTiming:
    """Times that no setting names; shorter in tests. `retry_after_s`: None for the settings'."""

    retry_after_s: Sequence[float] | None = None
    probe_first_s: float = PROBE_FIRST_S
    probe_max_s: float = PROBE_MAX_S
    sweep_interval_s: float = SWEEP_INTERVAL_S
    close_timeout_s: float = CLOSE_TIMEOUT_S


class _MachineClock:
    monotonic_s = staticmethod(time.monotonic)
    utc = staticmethod(partial(datetime.now, UTC))


@dataclass(frozen=True, slots=True)
class SinkDelivery:
    """Where sinks are found, and what is posted to them."""

    sinks: Sinks
    format: SinkFormat


class _Route:
    """Where an application's events go. `loader` is set while the route is behind, `missed`
    while the table holds what was not looked at, `recent` is what was published meanwhile."""

    __slots__ = ("endpoint", "key", "loader", "missed", "recent")

    def __init__(self, key: DeliveryRoute) -> None:
        self.key = key
        self.endpoint: Endpoint | None = None
        self.loader: asyncio.Task[None] | None = None
        self.missed = False
        self.recent: list[StatusEvent] = []

    @property
    def is_idle(self) -> bool:
        """Whether it can be forgotten."""
        return self.loader is None and (self.endpoint is None or self.endpoint.is_idle)


class HttpNotifier:
    """Implements `control.port.Notifier` over HTTP."""

    def __init__(
        self,
        outbox: DeliveryOutbox,
        applications: Applications,
        notification_format: NotificationFormat,
        settings: NotifySettings,
        *,
        clock: Clock | None = None,
        timing: NotifyTiming | None = None,
        sink_delivery: SinkDelivery | None = None,
    ) -> None:
        """Without `sink_delivery` no call has a sink."""
        self._sink_delivery = sink_delivery
        self._outbox = outbox
        self._applications = applications
        self._format = notification_format
        self._settings = settings
        self._clock = clock or _MachineClock()
        self._timing = timing or NotifyTiming()
        self._schedule = RetrySchedule(
            self._timing.retry_after_s or settings.retry_after_s, random.random
        )
        self._sender = Sender(timeout_s=settings.timeout_s)
        self._routes: dict[DeliveryRoute, _Route] = {}
        self._sink_routes = 0
        self._endpoints: dict[str, Endpoint] = {}
        # Settled, but perhaps not yet marked so in the table.
        self._unsaved: set[EventKey] = set()
        self._unsaved_group: list[EventKey] = []
        self._unsaved_future: asyncio.Future[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_closed = False

    async def start(self) -> None:
        """Take up what waits in the table. Raises StoreError."""
        await self.rescan()
        self._own(self._sweep())

    def publish(self, events: Sequence[StatusEvent]) -> None:
        """Deliver events that are durable; each call's in the order of publication."""
        if self._is_closed:
            return  # they wait in the table
        for event in events:
            if not event.is_wanted:
                continue  # its row says so already
            key = DeliveryRoute.of(event)
            route = self._routes.get(key)
            if route is None:
                self._fall_behind(self._route(key))
            elif route.loader is not None:
                if len(route.recent) < RECENT_EVENTS_MAX:
                    route.recent.append(event)
                else:
                    route.missed = True
            elif route.endpoint is None:
                self._own(self._settle_published(route, event))
            elif route.endpoint.queue.room == 0:
                self._fall_behind(route)
            # A sweep may have found and delivered it between its commit and its publication.
            elif (event.line, event.seq) not in self._unsaved:
                route.endpoint.add(PendingEvent(event))

    def request_rescan(self) -> None:
        """Look in the table soon, because another process may have put events back into it."""
        if not self._is_closed:
            self._own(self._rescan_once())

    async def rescan(self) -> None:
        """Look in the table for what waits there and is not known here. Raises StoreError."""
        for key in await self._outbox.routes_with_pending():
            self._fall_behind(self._route(key))

    async def replay(self, call_id: CallId) -> int:
        """Deliver the call's events that were given up once more; returns how many. Raises
        StoreError."""
        events = await self._outbox.revive(call_id)
        for key in {DeliveryRoute.of(event) for event in events}:
            self._fall_behind(self._route(key))
        return len(events)

    def endpoint_states(self) -> list[EndpointState]:
        """How each server that was told something fares."""
        return [
            EndpointState(each.origin, each.queue.breaker.is_open, each.queue.event_count)
            for each in self._endpoints.values()
        ]

    async def close(self) -> None:
        """Finish what is under way, within bounds; the rest stays pending in the table."""
        self._is_closed = True
        loaders = [route.loader for route in self._routes.values() if route.loader is not None]
        tasks = [*self._tasks, *loaders]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        timeout_s = self._timing.close_timeout_s
        await asyncio.gather(*(endpoint.close(timeout_s) for endpoint in self._endpoints.values()))
        self._sender.close()

    # Routes

    def _route(self, key: DeliveryRoute) -> _Route | None:
        """The route; None where it is one too many for now, and its events wait for a sweep."""
        route = self._routes.get(key)
        if route is None:
            if key.sink_origin is not None:
                if self._sink_routes >= SINK_ROUTES_MAX:
                    self._forget_idle()
                if self._sink_routes >= SINK_ROUTES_MAX:
                    log.warning("notification.too_many_sinks", app_id=key.app_id)
                    return None
                self._sink_routes += 1
            route = self._routes[key] = _Route(key)
        return route

    def _forget_idle(self) -> None:
        """Forget the routes to sinks where nothing is to do, and what only they lead to."""
        idle = [
            key
            for key, route in self._routes.items()
            if key.sink_origin is not None and route.is_idle
        ]
        for key in idle:
            del self._routes[key]
        self._sink_routes -= len(idle)
        used = {id(route.endpoint) for route in self._routes.values()}
        for origin, endpoint in list(self._endpoints.items()):
            if endpoint.is_idle and id(endpoint) not in used:
                del self._endpoints[origin]

    def _fall_behind(self, route: _Route | None) -> None:
        if self._is_closed or route is None:
            return
        route.missed = True
        if route.loader is None:
            route.loader = asyncio.create_task(self._catch_up(route))

    async def _catch_up(self, route: _Route) -> None:
        """Load until the route is current again."""
        try:
            while route.missed:
                try:
                    await self._load_page(route)
                except StoreError as error:
                    log.warning(
                        "notification.load_failed", app_id=route.key.app_id, error=str(error)
                    )
                    await asyncio.sleep(_RELOAD_WAIT_S)
        finally:
            route.loader = None

    async def _load_page(self, route: _Route) -> None:
        application = await self._applications.find(route.key.app_id)
        origin = _origin_of(route.key, application)
        await self._direct(route, origin)
        endpoint = route.endpoint
        if endpoint is not None:
            await endpoint.has_room.wait()
        room = PAGE_EVENTS if endpoint is None else endpoint.queue.room
        limit = max(1, min(PAGE_EVENTS, room))
        route.missed = False
        known = self._known(route)
        page = await self._outbox.pending(route.key, limit=limit, known=frozenset(known))
        # A full page says nothing of what comes after it.
        route.missed = route.missed or len(page) >= limit
        known |= self._known(route)
        loaded = {pending.key for pending in page}
        recent, route.recent = route.recent, []
        fresh = [event for event in recent if (event.line, event.seq) not in loaded]
        # They follow their calls' earlier events, which were durable first: after a full page
        # some of those may still be in the table alone.
        follows = [] if route.missed else [PendingEvent(event) for event in fresh]
        route.recent = fresh if route.missed else []
        for pending in (*page, *follows):
            if pending.key in known:
                continue
            if endpoint is None:
                self._settle_unsent(pending, application)
            elif endpoint.queue.room > 0:
                endpoint.add(pending)
            else:
                route.missed = True
                return

    async def _direct(self, route: _Route, origin: str | None) -> None:
        """Make the route lead there; what another endpoint holds is left to the table."""
        old = route.endpoint
        if old is not None and old.origin != origin:
            old.forget(route.key)
            await old.wait_idle(route.key)
        route.endpoint = None if origin is None else self._endpoint(origin)

    def _known(self, route: _Route) -> set[EventKey]:
        here = set() if route.endpoint is None else route.endpoint.queue.keys(route.key)
        return here | self._unsaved

    def _endpoint(self, origin: str) -> Endpoint:
        endpoint = self._endpoints.get(origin)
        if endpoint is None:
            queue = EndpointQueue(
                events_max=self._settings.queue_per_endpoint_max,
                concurrency=self._settings.concurrency_per_endpoint,
                schedule=self._schedule,
                breaker=CircuitBreaker(
                    probe_first_s=self._timing.probe_first_s, probe_max_s=self._timing.probe_max_s
                ),
            )
            endpoint = self._endpoints[origin] = Endpoint(
                origin,
                queue,
                self._clock,
                deliver=self._deliver,
                on_marks=self._save_marks,
                on_rerouted=self._on_rerouted,
            )
        return endpoint

    def _on_rerouted(self, key: DeliveryRoute) -> None:
        self._fall_behind(self._route(key))

    # Deliveries

    async def _deliver(self, endpoint: Endpoint, pending: PendingEvent) -> Attempt:
        event = pending.event
        try:
            application = await self._applications.find(event.app_id)
        except StoreError as error:
            return Attempt(f"the application cannot be looked up: {error}")
        if application is None or _origin_of(pending.route, application) != endpoint.origin:
            raise Rerouted
        try:
            request = await self._render(event, application)
        except StoreError as error:
            return Attempt(f"the sink cannot be looked up: {error}")
        signature = signature_headers(
            message_id(event),
            int(self._clock.utc().timestamp()),
            request.body,
            application.signing_secret,
        )
        return await self._sender.send(
            request, signature, allow_private_addresses=application.allow_private_addresses
        )

    async def _render(self, event: Notice, application: Application) -> NotificationRequest:
        """Raises StoreError, and Undeliverable where nothing may be sent any more."""
        if not isinstance(event, StatusEvent) or event.sink_origin is None:
            return self._format.render(event, application)
        delivery = self._sink_delivery
        sink = None if delivery is None else await delivery.sinks.find(event.call_id)
        if delivery is None or sink is None:
            raise Undeliverable("the sink is not known any more")
        if sink.token is not None and not sink.token.is_good_at(self._clock.utc()):
            raise Undeliverable("the access token of the sink has expired")
        return delivery.format.render(event, sink)

    async def _settle_published(self, route: _Route, event: StatusEvent) -> None:
        """An event of an application that wanted no notifications so far."""
        try:
            application = await self._applications.find(event.app_id)
        except StoreError:
            application = None
        if application is None or event.sink_origin or application.notify_url is not None:
            self._fall_behind(route)
        else:
            self._settle_unsent(PendingEvent(event), application)

    def _settle_unsent(self, pending: PendingEvent, application: Application | None) -> None:
        if application is None:
            state, error = DeliveryState.GIVEN_UP, "the application does not exist"
        else:
            state, error = DeliveryState.NONE, None
        mark = DeliveryMark(
            pending.key, state, pending.attempts, last_error=error, answer=pending.answer
        )
        self._save_marks([mark])

    # Marks

    def _save_marks(self, marks: list[DeliveryMark]) -> None:
        for mark in marks:
            future = self._outbox.mark(mark)
            if future is not self._unsaved_future:
                self._unsaved_future = future
                self._unsaved_group = []
                future.add_done_callback(partial(self._on_saved, self._unsaved_group))
            if mark.state is DeliveryState.PENDING:
                continue
            self._unsaved.add(mark.key)
            self._unsaved_group.append(mark.key)
            if mark.state is DeliveryState.GIVEN_UP:
                line, seq = mark.key
                log.warning(
                    "notification.given_up",
                    line=line,
                    seq=seq,
                    attempts=mark.attempts,
                    error=mark.last_error,
                )

    def _on_saved(self, group: list[EventKey], done: asyncio.Future[None]) -> None:
        self._unsaved.difference_update(group)
        if not done.cancelled() and (error := done.exception()) is not None:
            # They stay pending in the table, and are delivered once more.
            log.error("notification.marks_lost", count=len(group), error=str(error))

    # Tasks

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(self._timing.sweep_interval_s)
            await self._rescan_once()

    async def _rescan_once(self) -> None:
        try:
            await self.rescan()
        except StoreError as error:
            log.warning("notification.sweep_failed", error=str(error))

    def _own(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _origin(application: Application | None) -> str | None:
    """Scheme, host and port of where its notifications go."""
    if application is None or application.notify_url is None:
        return None
    return _origin_of_url(application.notify_url)


def _origin_of(key: DeliveryRoute, application: Application | None) -> str | None:
    """The same of a route."""
    if application is None or key.sink_origin is None:
        return _origin(application)
    return key.sink_origin


_origin_of_url = lru_cache(maxsize=ORIGINS_MAX)(origin_of_url)
