"""The event history: read by pages, or followed as server-sent events (docs/events.md)."""

import random
from collections.abc import Callable
from urllib.parse import urlencode

import msgspec

from clicktodial.client.connection import Connection, decode, quote_segment, require
from clicktodial.client.error import InvalidAnswer, LimitReached, NotAnswered, Refused, Unavailable
from clicktodial.client.exchange import Emit, Open, Operation, Pause, Read, Request, Shut
from clicktodial.client.model import CallStatus, HistoryAlert, HistoryEvent
from clicktodial.client.refusal import create_refused
from clicktodial.client.retry import RetryPolicy
from clicktodial.client.server_sent_event import EventStreamParser, LineTooLong

_BASE = "/events/v1"
_PAGE_EVENTS = 500
# The platform breaks silence every 15 seconds: after three times as long the connection is dead.
SILENCE_S_MAX = 45.0
# While it cannot be followed it is asked again, ever more seldom, for as long as somebody waits.
FOLLOW_RETRIES = RetryPolicy(first_wait_s=0.5, wait_s_max=30.0)
# A person who watches a call sees no delay, and two requests a second are within every limit.
WATCH_INTERVAL_S = 0.5
# Whatever the stream says of how soon to come again.
_RECONNECT_S_MAX = 30.0


class _Page(msgspec.Struct, frozen=True):
    events: list[HistoryEvent]
    next: str


class _AlertPage(msgspec.Struct, frozen=True):
    alerts: list[HistoryAlert]
    next: str


def read_events(connection: Connection, after: str | None) -> Operation[None]:
    """Emit the HistoryEvents of all calls behind that cursor, up to now."""
    return _read(connection, f"{_BASE}/events", after)


def read_call_events(connection: Connection, call_id: str, after: int) -> Operation[None]:
    """Emit the HistoryEvents of a call behind that seq, up to now."""
    return _read(connection, f"{_BASE}/calls/{quote_segment(call_id)}", str(after))


def read_alerts(connection: Connection, after: int) -> Operation[None]:
    """Emit the HistoryAlerts behind that seq, up to now."""
    while True:
        query = {"limit": _PAGE_EVENTS, "after": after}
        outcome = yield from connection.ask("GET", f"{_BASE}/alerts?{urlencode(query)}")
        page = decode(require(outcome.answer, 200), _AlertPage)
        for alert in page.alerts:
            yield Emit(alert)
        if not page.alerts:
            return
        if page.alerts[-1].seq <= after:
            raise InvalidAnswer("the platform tells of alerts, and not where they end")
        after = page.alerts[-1].seq


def _read(connection: Connection, path: str, after: str | None) -> Operation[None]:
    while True:
        query: dict[str, str | int] = {"limit": _PAGE_EVENTS}
        if after is not None:
            query["after"] = after
        outcome = yield from connection.ask("GET", f"{path}?{urlencode(query)}")
        page = decode(require(outcome.answer, 200), _Page)
        for event in page.events:
            yield Emit(event)
        if not page.events:
            return
        if page.next == after:
            raise InvalidAnswer("the platform tells of events, and not where they end")
        after = page.next


def watch_call(connection: Connection, call_id: str) -> Operation[None]:
    """Emit the HistoryEvents of a call as they come, from its first to its last one."""
    path, after = f"{_BASE}/calls/{quote_segment(call_id)}", 0
    while True:
        outcome = yield from connection.ask("GET", f"{path}?after={after}")
        for event in decode(require(outcome.answer, 200), _Page).events:
            after = event.seq
            yield Emit(event)
            if event.status is CallStatus.DISCONNECTED:
                return
        yield Pause(WATCH_INTERVAL_S)


def follow(
    connection: Connection,
    after: str | None,
    *,
    policy: RetryPolicy = FOLLOW_RETRIES,
    draw: Callable[[], float] = random.random,
) -> Operation[None]:
    """Emit HistoryEvents as they come, behind that cursor or from now on, without an end. Where
    the stream breaks, it is opened again behind what came last. Raises Refused where the platform
    will not be followed."""
    failures, was_renewed, last = 0, False, after
    while True:
        wait_s = 0.0
        try:
            credentials = yield from connection.authority.create_headers()
            headers = {"Accept": "text/event-stream", **credentials}
            if last is not None:
                headers["Last-Event-ID"] = last
            # Silence has its bound, the stream as a whole has none.
            request = Request(
                "GET", f"{connection.base_url}{_BASE}/stream", SILENCE_S_MAX, headers=headers
            )
            answer = yield Open(request)
            is_first = answer.status == 401 and not was_renewed
            if is_first and connection.authority.discard(credentials):
                was_renewed = True
                continue
            if answer.status != 200:
                raise create_refused(answer)
            was_renewed, parser = False, EventStreamParser()
            while piece := (yield Read()):
                failures = 0
                for event in parser.feed(piece):
                    last = event.last_id or last
                    if event.data:
                        yield Emit(_decode_event(event.data))
            wait_s = min(parser.retry_s, _RECONNECT_S_MAX)
        except (NotAnswered, Unavailable, LimitReached) as error:
            failures += 1
            wait_s = (isinstance(error, Refused) and error.retry_after_s) or 0.0
        except LineTooLong as error:
            raise InvalidAnswer("the stream has a line without an end") from error
        yield Shut()
        failures = max(1, failures)
        yield Pause(max(wait_s, policy.wait_s(failures, draw)))


def _decode_event(data: str) -> HistoryEvent:
    try:
        return msgspec.json.decode(data, type=HistoryEvent)
    except msgspec.DecodeError as error:
        raise InvalidAnswer(f"the stream has what is no event: {error}") from error
