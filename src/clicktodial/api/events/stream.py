"""A stream of an application's events, as server-sent events (WHATWG HTML 9.2).

Each stream looks into the database, whichever node an event is of: a stream that is open costs
one short read a second. It ends when its client goes, when the application may ask no longer, or
when the node stops; the client comes again with Last-Event-ID and misses nothing.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

import msgspec
import structlog
from litestar.types import Receive, Scope, Send

from clicktodial.api.events.admission import Admission
from clicktodial.api.events.view import parse_cursor, render_cursor, render_event
from clicktodial.api.management.problem import LIMIT_REACHED, Refused
from clicktodial.control.port import StoreError
from clicktodial.domain.access import AccessScope
from clicktodial.domain.application import Application
from clicktodial.domain.identifier import AppId
from clicktodial.storage.event_history import EventEntry, EventHistory, EventPlace
from clicktodial.web.request import find_header

log = structlog.get_logger()

# Events are told in the order of their times once nothing earlier can still come: a commit takes
# milliseconds, and this is a hundred times as long.
SETTLED_AFTER = timedelta(seconds=2)
# Each holds a connection, and one read a second of the node's one reader.
STREAMS_MAX = 200
STREAMS_OF_APPLICATION_MAX = 5
POLL_INTERVAL_S = 1.0
# Proxies close what is silent, the shortest after 30 s.
HEARTBEAT_S = 15.0
# A client that does not read for so long is gone, or may come again.
SEND_TIMEOUT_S = 30.0
_PAGE_EVENTS = 100
_HEARTBEAT = b":\n\n"
_HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),
]


class EventStreams:
    """All streams of a node."""

    def __init__(
        self,
        history: EventHistory,
        admission: Admission,
        utc: Callable[[], datetime],
        *,
        poll_interval_s: float = POLL_INTERVAL_S,
        heartbeat_s: float = HEARTBEAT_S,
    ) -> None:
        self._history = history
        self._admission = admission
        self._utc = utc
        self._poll_interval_s = poll_interval_s
        self._heartbeat_s = heartbeat_s
        self._stopping = asyncio.Event()
        self._open: Counter[AppId] = Counter()

    async def close(self) -> None:
        """End every stream; their connections close by themselves."""
        self._stopping.set()

    async def serve(self, scope: Scope, receive: Receive, send: Send, after: str | None) -> None:
        """GET /events/v1/stream. Raises Refused and StoreError before anything is sent."""
        application = await self._admission.admit(scope, AccessScope.EVENTS_READ)
        place = self._begin(scope, after)
        async with self._take(application):
            await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
            gone = asyncio.create_task(_wait_gone(receive))
            try:
                await self._run(application.app_id, place, scope, send, gone)
                if not gone.done():
                    await send({"type": "http.response.body", "body": b"", "more_body": False})
            except TimeoutError:
                # Left without an end, the server cuts the connection off.
                log.info("events.client_stalled", app_id=application.app_id)
            finally:
                gone.cancel()

    def _begin(self, scope: Scope, after: str | None) -> EventPlace:
        """Behind the last event that the client had; else from now on."""
        last = find_header(scope["headers"], b"last-event-id")
        if last is not None:
            return parse_cursor(last.decode("latin-1"))
        if after is not None:
            return parse_cursor(after)
        return EventPlace(self._utc() - SETTLED_AFTER, "", 0)

    @asynccontextmanager
    async def _take(self, application: Application) -> AsyncIterator[None]:
        app_id = application.app_id
        if self._open.total() >= STREAMS_MAX or self._open[app_id] >= STREAMS_OF_APPLICATION_MAX:
            raise Refused(LIMIT_REACHED, "there are too many streams")
        self._open[app_id] += 1
        try:
            yield
        finally:
            self._open[app_id] -= 1
            if not self._open[app_id]:
                del self._open[app_id]

    async def _run(
        self,
        app_id: AppId,
        place: EventPlace,
        scope: Scope,
        send: Send,
        gone: "asyncio.Task[None]",
    ) -> None:
        loop = asyncio.get_running_loop()
        # At once: the client sees that it is connected, and from where it may come again.
        await _send(send, b"retry: 1000\nid: %b\n\n" % render_cursor(place).encode())
        silent_since = loop.time()
        while not self._stopping.is_set() and not gone.done():
            try:
                await self._admission.check(scope, AccessScope.EVENTS_READ)
                page = await self._history.since(
                    app_id, place, until=self._utc() - SETTLED_AFTER, limit=_PAGE_EVENTS
                )
            except Refused:
                return
            except StoreError as error:
                log.error("events.read_failed", error=str(error))
                page = []
            if page:
                place = page[-1].place
                await _send(send, b"".join(_render(entry) for entry in page))
                silent_since = loop.time()
            elif loop.time() - silent_since >= self._heartbeat_s:
                await _send(send, _HEARTBEAT)
                silent_since = loop.time()
            if len(page) < _PAGE_EVENTS:
                await self._wait(gone)

    async def _wait(self, gone: "asyncio.Task[None]") -> None:
        stopping = asyncio.create_task(self._stopping.wait())
        await asyncio.wait(
            (stopping, gone), timeout=self._poll_interval_s, return_when=asyncio.FIRST_COMPLETED
        )
        stopping.cancel()


def _render(entry: EventEntry) -> bytes:
    view = render_event(entry)
    data = msgspec.json.encode(view)  # has no line breaks
    return b"id: %b\nevent: status\ndata: %b\n\n" % (view.cursor.encode(), data)


async def _send(send: Send, chunk: bytes) -> None:
    async with asyncio.timeout(SEND_TIMEOUT_S):
        await send({"type": "http.response.body", "body": chunk, "more_body": True})


async def _wait_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
