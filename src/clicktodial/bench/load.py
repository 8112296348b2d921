"""Offers calls at a rate, whether or not the platform keeps up, and follows each to its end."""

import asyncio
import base64
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import msgspec

from clicktodial.bench.http_client import FAILED, HttpClient, render_post
from clicktodial.bench.platform import APP_ID, SECRET, SPONSOR
from clicktodial.bench.sink import Notification, NotificationSink

EXPECTED_STATUSES = ["CallingCaller", "CallingCallee", "Connected", "Disconnected"]
_BEGIN_PATH = "/clicktodial/v1/clicktodialbegin"
_RELEASE_PATH = "/clicktodial/v1/clicktodialrelease/"
_CREDENTIAL = base64.b64encode(f"{APP_ID}:{SECRET}".encode()).decode()
_AUTHORIZATION = f"Basic {_CREDENTIAL}"
_RELEASE_BODY = msgspec.json.encode({"APPID": APP_ID, "operation": "EndCall"})
# Each call has its own two numbers, so that no cache makes the numbers cheaper than they are.
_CALLER_BASE = 8613900000000
_CALLEE_BASE = 8613800000000
_CONNECTED = "Connected"
_DISCONNECTED = "Disconnected"
# Below this a timer would come later than the moment it was set for.
_SLEEP_MIN_S = 0.0005


class _BeginResult(msgspec.Struct):
    callidentifier: str


class _BeginAnswer(msgspec.Struct):
    code: str = ""
    result: _BeginResult | None = None


_DECODER = msgspec.json.Decoder(_BeginAnswer)


@dataclass(slots=True)
class OfferedCall:
    """One call, from its request to its last event. Times are of time.perf_counter."""

    callee: str
    sent_at: float
    sent_at_epoch: float
    answered_at: float | None = None
    http_status: int | None = None
    code: str = ""
    call_id: str | None = None
    statuses: list[str] = field(default_factory=list)
    reason: str | None = None
    connected_at: float | None = None
    disconnected_at: float | None = None

    @property
    def is_success(self) -> bool:
        """All events, each once and in order, and an ending as it was asked for."""
        return self.statuses == EXPECTED_STATUSES and self.reason == "HangUp"

    @property
    def failure(self) -> str:
        """What went wrong, in few words."""
        if self.http_status is None:
            return "begin not answered"
        if self.http_status == FAILED:
            return "begin: connection failed"
        if self.call_id is None:
            return f"begin: {self.http_status} {self.code}"
        if self.disconnected_at is None:
            return f"no end after {self.statuses[-1] if self.statuses else 'begin'}"
        if self.statuses != EXPECTED_STATUSES:
            return f"{self.reason} after {'-'.join(self.statuses)}"
        return f"ended by {self.reason}"


class Load:
    """The calls of one measurement.

    Each is released by the application `hold_s` after Connected came; None holds it until
    `release_all`. A call is over when Disconnected came or begin was refused.
    """

    def __init__(self, client: HttpClient, sink: NotificationSink, *, hold_s: float | None) -> None:
        self.calls: list[OfferedCall] = []
        self.late_s: list[float] = []
        self._client = client
        self._hold_s = hold_s
        self._by_id: dict[str, OfferedCall] = {}
        # What came for a call whose begin has not been answered yet.
        self._early: dict[str, list[Notification]] = {}
        self._over_count = 0
        self._connected_count = 0
        self._progress = asyncio.Event()
        sink.on_notification = self._on_notification

    async def offer(self, rate_per_s: float, count: int, *, first_number: int = 0) -> None:
        """Send `count` begin requests, evenly spaced; numbers are counted from the first."""
        start = time.perf_counter()
        for index in range(count):
            due = start + index / rate_per_s
            delay = due - time.perf_counter()
            # Also without a delay: one pass of the loop between any two requests.
            await asyncio.sleep(delay if delay > _SLEEP_MIN_S else 0)
            self.late_s.append(max(0.0, time.perf_counter() - due))
            self._begin(first_number + index)

    async def wait_over(self, timeout_s: float) -> bool:
        """Wait until every call that was offered is over; False where the time ran out."""
        return await self._wait(lambda: self._over_count >= len(self.calls), timeout_s)

    async def wait_connected(self, timeout_s: float) -> bool:
        """Wait until every call that was offered is connected or over."""
        return await self._wait(
            lambda: self._connected_count + self._over_count >= len(self.calls), timeout_s
        )

    @property
    def connected_count(self) -> int:
        """How many calls are connected now."""
        return self._connected_count

    async def release_all(self, rate_per_s: float) -> None:
        """Release the calls that are held, evenly spaced."""
        for call in self.calls:
            if call.connected_at is not None and call.disconnected_at is None:
                self._release(call)
                await asyncio.sleep(1 / rate_per_s)

    async def _wait(self, is_reached: Callable[[], bool], timeout_s: float) -> bool:
        try:
            async with asyncio.timeout(timeout_s):
                while not is_reached():
                    self._progress.clear()
                    await self._progress.wait()
        except TimeoutError:
            return False
        return True

    def _begin(self, number: int) -> None:
        callee = str(_CALLEE_BASE + number)
        body = msgspec.json.encode(
            {
                "APPID": APP_ID,
                "sponsor": SPONSOR,
                "caller": str(_CALLER_BASE + number),
                "callee": callee,
            }
        )
        call = OfferedCall(callee, time.perf_counter(), time.time())
        self.calls.append(call)
        request = render_post("platform", _BEGIN_PATH, _AUTHORIZATION, body)
        self._client.send(request, lambda status, answer: self._on_begun(call, status, answer))

    def _on_begun(self, call: OfferedCall, status: int, answer: bytes) -> None:
        call.answered_at = time.perf_counter()
        call.http_status = status
        try:
            decoded = _DECODER.decode(answer)
        except msgspec.DecodeError:
            decoded = _BeginAnswer()
        call.code = decoded.code
        if status != 200 or decoded.result is None:
            self._count_over()
            return
        call.call_id = decoded.result.callidentifier
        self._by_id[call.call_id] = call
        for notification in self._early.pop(call.call_id, ()):
            self._follow(call, notification)

    def _on_notification(self, notification: Notification) -> None:
        call = self._by_id.get(notification.call_id)
        if call is None:
            self._early.setdefault(notification.call_id, []).append(notification)
        else:
            self._follow(call, notification)

    def _follow(self, call: OfferedCall, notification: Notification) -> None:
        call.statuses.append(notification.status)
        if notification.status == _CONNECTED and call.connected_at is None:
            call.connected_at = notification.received_at
            self._connected_count += 1
            self._progress.set()
            if self._hold_s is not None:
                asyncio.get_running_loop().call_later(self._hold_s, self._release, call)
        elif notification.status == _DISCONNECTED and call.disconnected_at is None:
            call.disconnected_at = notification.received_at
            call.reason = notification.reason
            if call.connected_at is not None:
                self._connected_count -= 1
            self._count_over()

    def _count_over(self) -> None:
        self._over_count += 1
        self._progress.set()

    def _release(self, call: OfferedCall) -> None:
        path = f"{_RELEASE_PATH}{call.call_id}"
        request = render_post("platform", path, _AUTHORIZATION, _RELEASE_BODY)
        # Whether it worked is told by the call's end.
        self._client.send(request, lambda status, answer: None)
