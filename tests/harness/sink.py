"""The application's own server: it takes status notifications, or fails to, as told."""

import asyncio
import base64
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Self

from aiohttp import web
from tests.harness.address import Address, allocate_host, free_port

EVENT_TIMEOUT_S = 30.0
_PATH = "/clicktodial/v1/clicktodialstatusnotify/{call_id}"
_ALERT_PATH = "/clicktodial/events/v1/poolalert"
_LAST = "Disconnected"
# So many notifications are named where one does not come; who reads that has little room.
_TOLD_MAX = 20
_OK = {"code": "0000000", "description": "Success"}
_FAILED = {"code": "0000001", "description": "Internal Service Error"}


@dataclass(frozen=True)
class Delivery:
    """One POST as it arrived; `at` is monotonic seconds."""

    call_id: str
    headers: dict[str, str]
    body: bytes
    at: float
    accepted: bool

    @property
    def fields(self) -> dict[str, Any]:
        decoded: dict[str, Any] = json.loads(self.body)
        return decoded

    @property
    def status(self) -> str:
        return str(self.fields["status"])

    @property
    def webhook_id(self) -> str:
        return self.headers["webhook-id"]


class CallEndedBefore(Exception):
    """The call is over, and what was waited for was not told of it."""


class Behaviour:
    """How the sink answers. The default takes everything."""

    async def answer(self, delivery_number: int) -> int:
        """The HTTP status for the delivery of that number, counted from 1."""
        return 200


@dataclass
class FailFirst(Behaviour):
    """Answers 500 so many times, then takes everything."""

    failures: int

    async def answer(self, delivery_number: int) -> int:
        return 500 if delivery_number <= self.failures else 200


@dataclass
class Hang(Behaviour):
    """Never answers until `released` is set."""

    released: asyncio.Event = field(default_factory=asyncio.Event)

    async def answer(self, delivery_number: int) -> int:
        await self.released.wait()
        return 200


class RefuseAll(Behaviour):
    """Answers 503 to all."""

    async def answer(self, delivery_number: int) -> int:
        return 503


class Sink:
    """A real HTTP server that records what it is told, in order of arrival.

    The address stays the same over `stop` and `start`, so that an endpoint can go and return.
    """

    def __init__(self) -> None:
        self._host = allocate_host()
        self._port = 0
        self._runner: web.AppRunner | None = None
        self._changed = asyncio.Event()
        self.behaviour: Behaviour = Behaviour()
        self.deliveries: list[Delivery] = []
        # What it is told of its pool of minutes: headers in small letters, and what they are of.
        self.alerts: list[tuple[dict[str, str], bytes]] = []
        # Requests that arrived, answered or not.
        self.count = 0
        self._requests: list[tuple[str, str]] = []

    @property
    def address(self) -> Address:
        return self._host, self._port

    @property
    def is_running(self) -> bool:
        return self._runner is not None

    @property
    def url(self) -> str:
        return f"http://{self._host}:{self._port}"

    def reserve(self) -> Self:
        """Take an address without listening on it yet."""
        self._port = free_port(self._host)
        return self

    async def start(self) -> Self:
        """Listen."""
        application = web.Application()
        application.router.add_post(_PATH, self._take)
        application.router.add_post(_ALERT_PATH, self._take_alert)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.5)
        await self._runner.setup()
        site = web.TCPSite(self._runner, self._host, self._port, reuse_address=True)
        await site.start()
        self._port = self._runner.addresses[0][1]
        return self

    async def stop(self) -> None:
        """Close the port: connections are refused from here on."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _take(self, request: web.Request) -> web.Response:
        self.count += 1
        number = self.count
        body = await request.read()
        self._requests.append((request.match_info["call_id"], json.loads(body)["status"]))
        self._changed.set()
        arrived_at = time.monotonic()
        status = await self.behaviour.answer(number)
        delivery = Delivery(
            call_id=request.match_info["call_id"],
            headers={name.lower(): value for name, value in request.headers.items()},
            body=body,
            at=arrived_at,
            accepted=status == 200,
        )
        self.deliveries.append(delivery)
        self._changed.set()
        return web.json_response(_OK if status == 200 else _FAILED, status=status)

    async def _take_alert(self, request: web.Request) -> web.Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.alerts.append((headers, await request.read()))
        self._changed.set()
        return web.Response(status=204)

    async def wait_for_alerts(self, count: int) -> None:
        """Wait until it was told so many."""
        async with asyncio.timeout(EVENT_TIMEOUT_S):
            while len(self.alerts) < count:
                self._changed.clear()
                await self._changed.wait()

    def requested(self, call_id: str) -> list[str]:
        """The status of each notification of that call as its request came, answered or not."""
        return [status for one, status in self._requests if one == call_id]

    def of_call(self, call_id: str) -> list[Delivery]:
        """The accepted deliveries of one call."""
        return [one for one in self.deliveries if one.call_id == call_id and one.accepted]

    async def wait_until(
        self, is_enough: Callable[[list[Delivery]], bool], timeout_s: float = EVENT_TIMEOUT_S
    ) -> None:
        """Wait until the deliveries satisfy the condition; raises TimeoutError telling the last."""
        try:
            async with asyncio.timeout(timeout_s):
                while not is_enough(self.deliveries):
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            last = self.deliveries[-_TOLD_MAX:]
            told = [(one.call_id[-6:], one.status, one.accepted) for one in last]
            raise TimeoutError(f"the last notifications: {told}") from None

    async def wait_for(
        self, call_id: str, status: str, timeout_s: float = EVENT_TIMEOUT_S
    ) -> Delivery:
        """The first accepted notification of that status of that call. Raises CallEndedBefore as
        soon as it cannot come any more: those of a call come in order."""

        def told() -> dict[str, Delivery]:
            return {one.status: one for one in reversed(self.of_call(call_id))}

        try:
            await self.wait_until(lambda _: bool(told().keys() & {status, _LAST}), timeout_s)
        except TimeoutError:
            message = f"no {status} within {timeout_s:g} s of {self._describe(call_id)}"
            raise TimeoutError(message) from None
        if status not in told():
            raise CallEndedBefore(f"{status} was never told of {self._describe(call_id)}")
        return told()[status]

    def _describe(self, call_id: str) -> str:
        """The call, how far it came, and why it ended."""
        accepted = [one.status for one in self.of_call(call_id)]
        ends = [one.fields["reason"] for one in self.of_call(call_id) if one.status == _LAST]
        return f"{call_id}: asked {self.requested(call_id)}, accepted {accepted}, ended as {ends}"

    async def wait_for_end(self, call_id: str, timeout_s: float = EVENT_TIMEOUT_S) -> Delivery:
        """The Disconnected of that call."""
        return await self.wait_for(call_id, _LAST, timeout_s)


def basic_credential(app_id: str, secret: str) -> str:
    """The Authorization header of click-to-dial-v1 3."""
    return "Basic " + base64.b64encode(f"{app_id}:{secret}".encode()).decode()
