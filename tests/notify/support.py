"""Application servers, applications and a stack of storage and notifier on real sockets."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from aiohttp import web
from tests.storage.support import NODE_ID, create_call, create_event

from clicktodial.config import NotifySettings
from clicktodial.control.delivery import DeliveryMark, DeliveryState, Notice
from clicktodial.domain.application import Application, ApplicationStatus, EnterpriseStatus
from clicktodial.domain.call import Call
from clicktodial.domain.event import StatusEvent
from clicktodial.domain.identifier import AppId
from clicktodial.notify.format import NotificationRequest
from clicktodial.notify.notifier import HttpNotifier, NotifyTiming
from clicktodial.storage.call_store import SqlCallStore
from clicktodial.storage.database import Database
from clicktodial.storage.history import CallHistory, EventRecord
from clicktodial.storage.outbox import Outbox

# What must happen soon may take this long on a machine that does other things too.
PATIENCE_S = 20
SIGNING_SECRET = bytes(range(32))
# As long as the tests need a retry to be away, and short enough to wait for.
TIMING = NotifyTiming(
    retry_after_s=(0.02, 0.02, 0.02),
    probe_first_s=0.02,
    probe_max_s=0.05,
    sweep_interval_s=3600,
    close_timeout_s=0.2,
)


@dataclass(frozen=True, slots=True)
class Received:
    """A request as an application server got it."""

    call_id: str
    seq: int
    headers: dict[str, str]
    body: bytes


Answer = Callable[[Received], Awaitable[web.StreamResponse] | web.StreamResponse]


class ApplicationServer:
    """Answers 200 until told otherwise, and remembers what it took (2xx) and was asked."""

    def __init__(self) -> None:
        self.asked: list[Received] = []
        self.taken: list[Received] = []
        self.answer: Answer = lambda received: web.json_response({"code": "0000000"})
        self.url = ""
        self._changed = asyncio.Event()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        fields = json.loads(body)
        received = Received(fields["call"], fields["seq"], dict(request.headers), body)
        self.asked.append(received)
        self._changed.set()
        answer = self.answer(received)
        response = answer if isinstance(answer, web.StreamResponse) else await answer
        if 200 <= response.status < 300:
            self.taken.append(received)
            self._changed.set()
        return response

    async def wait_asked(self, count: int) -> None:
        """Wait until that many requests came."""
        await self._wait(lambda: len(self.asked) >= count)

    async def wait_taken(self, count: int) -> None:
        """Wait until that many were taken."""
        await self._wait(lambda: len(self.taken) >= count)

    def taken_of(self, call: Call) -> list[int]:
        """The sequence numbers of a call in the order in which they were taken."""
        return [received.seq for received in self.taken if received.call_id == call.plan.call_id]

    async def _wait(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not holds():
                self._changed.clear()
                await self._changed.wait()


@asynccontextmanager
async def open_server() -> AsyncIterator[ApplicationServer]:
    """An application server on a free port of the loopback."""
    server = ApplicationServer()
    app = web.Application()
    app.router.add_post("/{rest:.*}", server.handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    server.url = f"http://{host}:{port}"
    try:
        yield server
    finally:
        await runner.cleanup()


class PlainFormat:
    """A small format of its own."""

    def render(self, event: Notice, application: Application) -> NotificationRequest:
        body = json.dumps({"call": event.line, "seq": event.seq}).encode()
        url = f"{application.notify_url}/status/{event.line}"
        return NotificationRequest(url, (("Content-Type", "application/json"),), body)


def create_application(
    app_id: str, notify_url: str | None, *, allow_private_addresses: bool = True
) -> Application:
    """An application that is in order."""
    return Application(
        app_id=AppId(app_id),
        enterprise_id="default",
        enterprise_status=EnterpriseStatus.ACTIVE,
        status=ApplicationStatus.ACTIVE,
        secret="S",
        signing_secret=SIGNING_SECRET,
        sponsors=frozenset(),
        notify_url=notify_url,
        allow_private_addresses=allow_private_addresses,
    )


class ApplicationTable:
    """Applications in memory."""

    def __init__(self) -> None:
        self._applications: dict[AppId, Application] = {}

    def put(self, application: Application) -> None:
        self._applications[application.app_id] = application

    def move(self, app_id: str, notify_url: str | None) -> None:
        self.put(replace(self._applications[AppId(app_id)], notify_url=notify_url))

    async def find(self, app_id: AppId) -> Application | None:
        return self._applications.get(app_id)


class WatchedOutbox(Outbox):
    """Tells when marks have been saved."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.saved = asyncio.Event()

    def mark(self, mark: DeliveryMark) -> asyncio.Future[None]:
        future = super().mark(mark)
        future.add_done_callback(lambda _: self.saved.set())
        return future


@dataclass
class Stack:
    """Storage on a file, and notifiers on it, one at a time."""

    path: Path
    applications: ApplicationTable = field(default_factory=ApplicationTable)
    settings: NotifySettings = field(default_factory=NotifySettings)
    timing: NotifyTiming = TIMING

    async def open(self) -> None:
        """Start as a process does."""
        self.database = Database(f"sqlite:///{self.path}")
        self.database.open()
        self.store = SqlCallStore(self.database, node_id=NODE_ID)
        self.outbox = WatchedOutbox(self.database)
        self.notifier = HttpNotifier(
            self.outbox,
            self.applications,
            PlainFormat(),
            self.settings,
            timing=self.timing,
        )
        await self.notifier.start()

    async def close(self) -> None:
        """Stop as a process does."""
        await self.notifier.close()
        await self.database.close()

    async def store_call(self, app_id: str, events: int) -> tuple[Call, list[StatusEvent]]:
        """Store a call with that many events, and tell nobody."""
        call = create_call(app_id=AppId(app_id))
        told = [create_event(call, seq) for seq in range(1, events + 1)]
        await self.store.create(call, told)
        return call, told

    async def place(self, app_id: str, events: int = 1) -> Call:
        """Store a call with that many events, and publish them."""
        call, told = await self.store_call(app_id, events)
        self.notifier.publish(told)
        return call

    def states(self, call: Call) -> list[DeliveryState]:
        """What became of each event of the call, as the table says."""
        return [record.delivery_state for record in self.records(call)]

    def records(self, call: Call) -> list[EventRecord]:
        """The call's events."""
        return CallHistory(self.database.engine).call(call.plan.call_id)[1]

    async def wait_states(self, call: Call, states: list[DeliveryState]) -> None:
        """Wait until the table says so."""
        await self.wait_until(lambda: self.states(call) == states)

    async def wait_until(self, holds: Callable[[], bool]) -> None:
        """Wait until marks in the table make it hold."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                self.outbox.saved.clear()
                if holds():
                    return
                await self.outbox.saved.wait()
