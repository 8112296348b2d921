"""The `ng` control protocol over UDP: a cookie, a blank and a JSON object, each way.

A reply bears its request's cookie, and rtpengine answers a cookie that it has seen with the reply
that it gave (for half a minute at least), so that a request is simply sent again until its reply
comes: it takes effect once. The requests of one session are given one after the other; between
sessions they overtake each other freely.
"""

import asyncio
import itertools
import secrets
from collections import deque
from dataclasses import dataclass, field
from typing import Any, TypeVar

import msgspec
import structlog

from clicktodial.control.port import RelayError

log = structlog.get_logger()

# rtpengine answers in 0.1 ms; a machine that stalls for seconds cannot carry audio anyway.
REPLY_TIMEOUT_S = 5.0
# When a request is sent again, counted from the first time.
RESEND_AFTER_S = (0.2, 0.6, 1.4, 3.0)
# A datagram of some 2 KiB occupies 4 KiB of a socket's buffer of 208 KiB, the usual one.
IN_FLIGHT_MAX = 40
# Some ten requests a call: five hundred calls may arrive at once before one is refused.
REQUESTS_WAITING_MAX = 5_000
# What we ask for takes 2 KiB; the most that a datagram holds is 65,507.
REQUEST_BYTES_MAX = 16_384
# Of what rtpengine says of itself, in logs and messages.
_REASON_CHARACTERS_MAX = 200

Reply = TypeVar("Reply")


class NodeSilentError(RelayError):
    """The relay did not answer in time, or is not there."""


class NodeRefusedError(RelayError):
    """The relay answered with an error."""


class PlainReply(msgspec.Struct, frozen=True):
    """What every reply has. rtpengine adds keys with every release; unknown ones are ignored."""

    result: str
    reason: str = msgspec.field(default="", name="error-reason")
    message: str = ""


@dataclass(slots=True, eq=False)
class _Request:
    cookie: bytes
    datagram: bytes
    future: asyncio.Future[bytes]
    timeout_s: float
    sent_at: float = 0.0
    sent_count: int = 0
    timer: asyncio.TimerHandle | None = field(default=None, repr=False)


class NgChannel(asyncio.DatagramProtocol):
    """Requests to one rtpengine. Everything happens on the loop that it was opened on."""

    def __init__(self, host: str, port: int) -> None:
        self._address = (host, port)
        self._transport: asyncio.DatagramTransport | None = None
        self._loop = asyncio.get_running_loop()
        # No other process, and no earlier one of ours, may ever have used a cookie of ours.
        self._cookies = (f"{secrets.token_hex(8)}_{number}" for number in itertools.count())
        self._waiting: deque[_Request] = deque()
        self._in_flight: dict[bytes, _Request] = {}

    async def open(self) -> None:
        """Make the socket. Raises OSError."""
        self._transport, _ = await self._loop.create_datagram_endpoint(
            lambda: self, remote_addr=self._address
        )

    @property
    def local_address(self) -> tuple[str, int] | None:
        """Where replies come to, while it is open."""
        if self._transport is None:
            return None
        host, port = self._transport.get_extra_info("sockname")
        return host, port

    def close(self) -> None:
        """Fail whatever is pending."""
        if self._transport is not None:
            self._transport.close()
            self._transport = None
        self._fail_all("the relay is closed")

    async def request(
        self,
        command: str,
        arguments: dict[str, Any],
        reply_type: type[Reply],
        *,
        timeout_s: float = REPLY_TIMEOUT_S,
    ) -> Reply:
        """Send a command and read its reply. Raises NodeSilentError, NodeRefusedError, or
        RelayError for a reply that cannot be read and where too many wait."""
        data = await self._send(command, arguments, timeout_s)
        try:
            plain = msgspec.json.decode(data, type=PlainReply)
            if plain.result in ("ok", "pong"):
                return msgspec.json.decode(data, type=reply_type)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            log.warning("relay.unreadable_reply", command=command, error=str(error))
            raise RelayError("the relay's answer cannot be read") from error
        reason = (plain.reason or plain.message or plain.result)[:_REASON_CHARACTERS_MAX]
        raise NodeRefusedError(f"the relay refused to {command}: {reason}")

    def _send(
        self, command: str, arguments: dict[str, Any], timeout_s: float
    ) -> asyncio.Future[bytes]:
        if self._transport is None:
            raise RelayError("the relay is closed")
        if len(self._waiting) >= REQUESTS_WAITING_MAX:
            raise RelayError("the relay is overloaded")
        cookie = next(self._cookies).encode()
        body = msgspec.json.encode({"command": command, **arguments})
        if len(body) > REQUEST_BYTES_MAX:
            raise RelayError("the relay command is too long")
        future: asyncio.Future[bytes] = self._loop.create_future()
        self._waiting.append(_Request(cookie, cookie + b" " + body, future, timeout_s))
        self._send_waiting()
        return future

    def _send_waiting(self) -> None:
        while self._waiting and len(self._in_flight) < IN_FLIGHT_MAX:
            request = self._waiting.popleft()
            if request.future.done():  # who asked has gone
                continue
            self._in_flight[request.cookie] = request
            request.sent_at = self._loop.time()
            self._transmit(request)

    def _transmit(self, request: _Request) -> None:
        """Send it, once more or the first time, or give it up."""
        waited_s = self._loop.time() - request.sent_at
        if waited_s >= request.timeout_s or request.future.done():
            self._finish(request)
            if not request.future.done():
                request.future.set_exception(NodeSilentError("the relay did not answer in time"))
            self._send_waiting()
            return
        if self._transport is not None:
            self._transport.sendto(request.datagram)
        next_s = request.timeout_s
        if request.sent_count < len(RESEND_AFTER_S):
            next_s = min(next_s, RESEND_AFTER_S[request.sent_count])
        request.sent_count += 1
        request.timer = self._loop.call_at(request.sent_at + next_s, self._transmit, request)

    def _finish(self, request: _Request) -> None:
        self._in_flight.pop(request.cookie, None)
        if request.timer is not None:
            request.timer.cancel()

    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:
        """Give a reply to who asked. What has no known cookie is late, or not for us."""
        cookie, _, body = data.partition(b" ")
        request = self._in_flight.get(cookie)
        if request is None:
            return
        self._finish(request)
        if not request.future.done():
            request.future.set_result(body)
        self._send_waiting()

    def error_received(self, exc: Exception) -> None:
        """Nobody listens there: no reply will come to what was sent, and a daemon that starts
        now knows nothing of it."""
        if isinstance(exc, ConnectionRefusedError):
            requests, self._in_flight = list(self._in_flight.values()), {}
            for request in requests:
                self._refuse(request, NodeSilentError("the relay is not running"))
            self._send_waiting()

    def _fail_all(self, reason: str) -> None:
        requests = [*self._in_flight.values(), *self._waiting]
        self._in_flight.clear()
        self._waiting.clear()
        for request in requests:
            self._refuse(request, RelayError(reason))

    def _refuse(self, request: _Request, error: RelayError) -> None:
        self._finish(request)
        if not request.future.done():
            request.future.set_exception(error)
