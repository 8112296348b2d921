"""The events that one server is to be told, in order. Pure: time comes in, decisions go out.

Theory of operation. Each call is a line of events of which only the first is ever under way, and
so are the alerts of an application's pool.
Lines move between three places:

    READY (first come, first served) --take--> IN_FLIGHT --delivered--> READY, or gone
      ^                                           |
      +------- WAITING (by due time) <---failed---+

A failed event waits by the schedule and then is given up, whereupon the line goes on with the
next. While the circuit is open, a try that falls due counts as failed without being made, so
that the schedule keeps its length for a server that is down; the probe is the oldest line.
When a probe succeeds, every line that waits is ready at once.

What becomes of an event, or of an attempt, is collected as marks for `take_marks`.
"""

from collections import deque
from datetime import timedelta
from enum import Enum, auto
from heapq import heapify, heappop, heappush
from itertools import count

from clicktodial.control.delivery import (
    DeliveryAnswer,
    DeliveryMark,
    DeliveryRoute,
    DeliveryState,
    EventKey,
    PendingEvent,
)
from clicktodial.domain.call import Moment
from clicktodial.notify.schedule import CircuitBreaker, RetrySchedule

CIRCUIT_OPEN_ERROR = "not tried: the server failed too often"


class _Place(Enum):
    READY = auto()
    WAITING = auto()
    IN_FLIGHT = auto()


class _Line:
    """One call's events by sequence number, or the alerts of an application."""

    __slots__ = ("events", "name", "place", "route")

    def __init__(self, pending: PendingEvent) -> None:
        self.name = pending.event.line
        self.route = pending.route
        self.events = deque([pending])
        self.place = _Place.READY


class EndpointQueue:
    """Lines of calls towards one server, at most `events_max` events in all."""

    def __init__(
        self,
        *,
        events_max: int,
        concurrency: int,
        schedule: RetrySchedule,
        breaker: CircuitBreaker,
    ) -> None:
        self.breaker = breaker
        self._events_max = events_max
        self._concurrency = concurrency
        self._schedule = schedule
        self._lines: dict[str, _Line] = {}
        self._ready: deque[_Line] = deque()
        self._waiting: list[tuple[float, int, _Line]] = []
        self._tie = count()
        self._event_count = 0
        self._in_flight = 0
        self._probe: str | None = None
        self._marks: list[DeliveryMark] = []

    @property
    def event_count(self) -> int:
        return self._event_count

    @property
    def room(self) -> int:
        """How many events may still be added."""
        return max(0, self._events_max - self._event_count)

    def keys(self, route: DeliveryRoute) -> set[EventKey]:
        """The events of that route that are here."""
        return {
            pending.key
            for line in self._lines.values()
            if line.route == route
            for pending in line.events
        }

    def add(self, pending: PendingEvent, now: Moment) -> None:
        """Put the event in its call's line; one that is there already changes nothing."""
        line = self._lines.get(pending.event.line)
        if line is None:
            line = self._lines[pending.event.line] = _Line(pending)
            self._event_count += 1
            self._place(line, now)
        elif _insert(line, pending):
            self._event_count += 1

    def take(self, now: Moment) -> PendingEvent | None:
        """The next event to deliver, of which `delivered`, `failed` or `release` must be told;
        None when nothing may be tried now."""
        if self._waiting:
            self._promote_due(now)
        if self._in_flight >= self._concurrency:
            return None
        if self.breaker.is_open:
            return self._take_probe(now)
        return self._start(self._ready.popleft()) if self._ready else None

    def delivered(
        self, pending: PendingEvent, now: Moment, answer: DeliveryAnswer | None = None
    ) -> None:
        """The server took the event, and answered so."""
        line = self._land(pending)
        if self.breaker.on_success():
            self._probe = None
            self._wake_all()
        self._marks.append(
            DeliveryMark(
                pending.key,
                DeliveryState.DELIVERED,
                pending.attempts + 1,
                delivered_at=now.utc,
                answer=answer,
            )
        )
        self._advance(line, now)

    def failed(
        self,
        pending: PendingEvent,
        error: str,
        now: Moment,
        answer: DeliveryAnswer | None = None,
    ) -> bool:
        """The server did not take it, and answered so if at all; returns whether that opened the
        circuit."""
        line = self._land(pending)
        opened = False
        if self._probe == line.name:
            self._probe = None
            self.breaker.on_probe_failure(now.monotonic_s)
        else:
            opened = self.breaker.on_failure(now.monotonic_s)
        self._retry_or_give_up(line, error, now, answer)
        return opened

    def give_up(self, pending: PendingEvent, error: str, now: Moment) -> None:
        """The event was not tried, and never can be; its call goes on with the next one."""
        line = self._land(pending)
        if self._probe == line.name:
            self._probe = None
            self.breaker.on_probe_lost()
        self._marks.append(
            DeliveryMark(
                pending.key,
                DeliveryState.GIVEN_UP,
                pending.attempts,
                last_error=error,
                answer=pending.answer,
            )
        )
        self._advance(line, now)

    def release(self, pending: PendingEvent) -> None:
        """The event was not tried after all; its call leaves this queue."""
        line = self._land(pending)
        if self._probe == line.name:
            self._probe = None
            self.breaker.on_probe_lost()
        self._event_count -= len(line.events)
        del self._lines[line.name]

    def forget(self, route: DeliveryRoute) -> None:
        """Drop all of that route but what is under way."""
        for line in [line for line in self._lines.values() if line.route == route]:
            kept = 1 if line.place is _Place.IN_FLIGHT else 0
            self._event_count -= len(line.events) - kept
            while len(line.events) > kept:
                line.events.pop()
            if not kept:
                del self._lines[line.name]
        self._ready = deque(line for line in self._ready if line.events)
        self._waiting = [entry for entry in self._waiting if entry[2].events]
        heapify(self._waiting)

    def take_marks(self) -> list[DeliveryMark]:
        """What was decided since the last call."""
        marks, self._marks = self._marks, []
        return marks

    def next_deadline(self) -> float | None:
        """When `take` may give something that it does not give now; None: only after a call of
        another method."""
        if not self._waiting:
            return None
        due = self._waiting[0][0]
        probe_at = self.breaker.probe_at
        if probe_at is not None and self._in_flight < self._concurrency:
            return min(due, probe_at)
        return due

    def _take_probe(self, now: Moment) -> PendingEvent | None:
        if not self.breaker.may_probe(now.monotonic_s):
            while self._ready:
                self._retry_or_give_up(self._ready.popleft(), CIRCUIT_OPEN_ERROR, now)
            return None
        if self._ready:
            line = self._ready.popleft()
        elif self._waiting:
            line = heappop(self._waiting)[2]
        else:
            return None
        self.breaker.on_probe()
        self._probe = line.name
        return self._start(line)

    def _start(self, line: _Line) -> PendingEvent:
        line.place = _Place.IN_FLIGHT
        self._in_flight += 1
        return line.events[0]

    def _land(self, pending: PendingEvent) -> _Line:
        self._in_flight -= 1
        return self._lines[pending.event.line]

    def _retry_or_give_up(
        self, line: _Line, error: str, now: Moment, answer: DeliveryAnswer | None = None
    ) -> None:
        pending = line.events[0]
        answer = answer or pending.answer
        attempts = pending.attempts + 1
        delay_s = self._schedule.delay_s(attempts)
        if delay_s is None:
            self._marks.append(
                DeliveryMark(
                    pending.key,
                    DeliveryState.GIVEN_UP,
                    attempts,
                    last_error=error,
                    answer=answer,
                )
            )
            self._advance(line, now)
            return
        due_at = now.utc + timedelta(seconds=delay_s)
        line.events[0] = PendingEvent(pending.event, attempts, due_at, answer)
        self._marks.append(
            DeliveryMark(
                pending.key,
                DeliveryState.PENDING,
                attempts,
                next_attempt_at=due_at,
                last_error=error,
                answer=answer,
            )
        )
        self._wait(line, now.monotonic_s + delay_s)

    def _advance(self, line: _Line, now: Moment) -> None:
        """Its first event is settled: go on with the next one."""
        line.events.popleft()
        self._event_count -= 1
        if line.events:
            self._place(line, now)
        else:
            del self._lines[line.name]

    def _place(self, line: _Line, now: Moment) -> None:
        due_at = line.events[0].next_attempt_at
        if due_at is None or due_at <= now.utc:
            line.place = _Place.READY
            self._ready.append(line)
        else:
            self._wait(line, now.monotonic_s + (due_at - now.utc).total_seconds())

    def _wait(self, line: _Line, due: float) -> None:
        line.place = _Place.WAITING
        heappush(self._waiting, (due, next(self._tie), line))

    def _promote_due(self, now: Moment) -> None:
        while self._waiting and self._waiting[0][0] <= now.monotonic_s:
            line = heappop(self._waiting)[2]
            line.place = _Place.READY
            self._ready.append(line)

    def _wake_all(self) -> None:
        while self._waiting:
            line = heappop(self._waiting)[2]
            line.place = _Place.READY
            self._ready.append(line)


def _insert(line: _Line, pending: PendingEvent) -> bool:
    """Insert by sequence number, after what is under way; False when it is there already."""
    events = line.events
    seq = pending.event.seq
    if seq > events[-1].event.seq:
        events.append(pending)
        return True
    if any(seq == other.event.seq for other in events):
        return False
    # Only a replayed event comes out of turn, and only ahead of what has not been tried yet.
    position = sum(other.event.seq < seq for other in events)
    if line.place is not _Place.READY:
        position = max(position, 1)
    events.insert(position, pending)
    return True
