"""One application server: the shell that carries out what its queue decides."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeAlias

import structlog

from clicktodial.control.delivery import (
    DeliveryAnswer,
    DeliveryMark,
    DeliveryRoute,
    PendingEvent,
)
from clicktodial.control.port import Clock
from clicktodial.domain.call import Moment
from clicktodial.notify.endpoint_queue import EndpointQueue
from clicktodial.notify.sender import Attempt

log = structlog.get_logger()

# Timers of the loop may fire a little early; without this one would fire twice.
_TIMER_SLACK_S = 0.001


class Rerouted(Exception):
    """The event is not for this server any more."""


class Undeliverable(Exception):
    """The event can never be delivered, whatever the server does."""


# Delivers one event; returns what came of it. Raises Rerouted, Undeliverable.
Deliver: TypeAlias = Callable[["Endpoint", PendingEvent], Awaitable[Attempt]]


class Endpoint:
    """Keeps as many deliveries to one server under way as its queue allows."""

    def __init__(
        self,
        origin: str,
        queue: EndpointQueue,
        clock: Clock,
        *,
        deliver: Deliver,
        on_marks: Callable[[list[DeliveryMark]], None],
        on_rerouted: Callable[[DeliveryRoute], None],
    ) -> None:
        self.origin = origin
        self.queue = queue
        # Cleared when the queue is full, set when it is worth while to load some more.
        self.has_room = asyncio.Event()
        self.has_room.set()
        self._refill_room = max(1, queue.room // 4)
        self._clock = clock
        self._deliver = deliver
        self._on_marks = on_marks
        self._on_rerouted = on_rerouted
        self._tasks: dict[asyncio.Task[None], DeliveryRoute] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at: float | None = None
        self._is_closed = False

    def add(self, pending: PendingEvent) -> None:
        """Queue an event and deliver what may be delivered."""
        now = self._now()
        self.queue.add(pending, now)
        self._pump(now)

    @property
    def is_idle(self) -> bool:
        """Whether nothing is lost where it is forgotten, but for whether the server was down."""
        return not self._tasks and not self.queue.event_count

    def forget(self, route: DeliveryRoute) -> None:
        """Drop what waits of that route."""
        self.queue.forget(route)
        self._pump(self._now())

    async def wait_idle(self, route: DeliveryRoute) -> None:
        """Wait until nothing of that route is under way."""
        tasks = [task for task, owner in self._tasks.items() if owner == route]
        if tasks:
            await asyncio.wait(tasks)

    async def close(self, timeout_s: float) -> None:
        """Start nothing more; what is under way after `timeout_s` is cut off and stays pending."""
        self._is_closed = True
        if self._timer is not None:
            self._timer.cancel()
        if not self._tasks:
            return
        _, late = await asyncio.wait(self._tasks, timeout=timeout_s)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)

    def _now(self) -> Moment:
        return Moment(self._clock.monotonic_s(), self._clock.utc())

    def _pump(self, now: Moment) -> None:
        """Deliver what may be delivered, and tell what was decided meanwhile."""
        if self._is_closed:
            self._tell()
            return
        while (pending := self.queue.take(now)) is not None:
            task = asyncio.create_task(self._run(pending))
            self._tasks[task] = pending.route
            task.add_done_callback(self._on_done)
        self._tell()
        self._arm_timer()

    def _on_done(self, task: asyncio.Task[None]) -> None:
        self._tasks.pop(task, None)
        if not task.cancelled():
            fault = task.exception()
            if fault is not None:
                log.error("notification.fault", origin=self.origin, exc_info=fault)

    async def _run(self, pending: PendingEvent) -> None:
        try:
            attempt = await self._deliver(self, pending)
        except Rerouted:
            self.queue.release(pending)
            self._on_rerouted(pending.route)
            self._pump(self._now())
        except Undeliverable as reason:
            now = self._now()
            self.queue.give_up(pending, str(reason), now)
            self._pump(now)
        except BaseException:
            # A fault of ours, or our end; the call must not hold its place for ever.
            now = self._now()
            self.queue.failed(pending, "a fault of the platform", now)
            if not self._is_closed:  # else it stays pending, as if never tried
                self._pump(now)
            raise
        else:
            now = self._now()
            self._settle(pending, attempt, now)
            self._pump(now)

    def _settle(self, pending: PendingEvent, attempt: Attempt, now: Moment) -> None:
        error, status, text = attempt
        answer = None if status is None else DeliveryAnswer(status, now.utc, text)
        if error is None:
            was_open = self.queue.breaker.is_open
            self.queue.delivered(pending, now, answer)
            if was_open:
                log.info("notification.circuit_closed", origin=self.origin)
        elif self.queue.failed(pending, error, now, answer):
            log.warning("notification.circuit_opened", origin=self.origin, error=error)
        else:
            log.info(
                "notification.failed",
                line=pending.event.line,
                seq=pending.event.seq,
                attempts=pending.attempts + 1,
                error=error,
            )

    def _tell(self) -> None:
        marks = self.queue.take_marks()
        if marks:
            self._on_marks(marks)
        room = self.queue.room
        if room == 0:
            self.has_room.clear()
        elif room >= self._refill_room:
            self.has_room.set()

    def _arm_timer(self) -> None:
        deadline = self.queue.next_deadline()
        if deadline == self._timer_at:
            return
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._timer_at = deadline
        if deadline is not None:
            delay_s = max(0.0, deadline - self._clock.monotonic_s()) + _TIMER_SLACK_S
            self._timer = asyncio.get_running_loop().call_later(delay_s, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        self._timer_at = None
        self._pump(self._now())
