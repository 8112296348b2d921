"""One connection to an application's server, with one request on it at a time.

llhttp (by httptools) reads the answers; of these only the status counts. How a server begins what
it says when it refuses is kept for whoever is to mend it. An answer that is whole leaves the
connection for the next request; whatever else happens costs the connection, and counts by its
status if that was told.
"""

import asyncio
from collections.abc import Callable
from typing import NamedTuple, cast

import httptools

# So much of the answer's body is read to keep the connection, and so much of it kept.
ANSWER_BYTES_MAX = 65_536
# Status line and headers. Servers and proxies add some hundred bytes; the parser has no limit.
HEAD_BYTES_MAX = 65_536
KEPT_BYTES_MAX = 1_024
# RFC 9110 15.2: answers below are followed by the one that counts.
_FINAL_STATUS_MIN = 200


class HttpAnswer(NamedTuple):
    """`body` is how the body began, unless the request was taken (2xx)."""

    status: int
    body: bytes = b""

    @property
    def is_success(self) -> bool:
        return is_success(self.status)


def is_success(status: int) -> bool:
    """RFC 9110 15.3."""
    return 200 <= status < 300


class AnswerLost(ConnectionError):
    """The server closed the connection before it answered."""

    def __init__(self) -> None:
        super().__init__(type(self).__doc__)


class AnswerUnreadable(ConnectionError):
    """The server's answer is not HTTP, or its head is too long."""

    def __init__(self) -> None:
        super().__init__(type(self).__doc__)


class HttpConnection(asyncio.Protocol):
    """A client's end of HTTP/1.1 over TCP or TLS."""

    def __init__(self, on_lost: Callable[[], None]) -> None:
        self.is_open = False
        self.used_at_s = 0.0  # when its last answer came, by the loop's clock
        self._on_lost = on_lost
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._answer: asyncio.Future[HttpAnswer] | None = None  # of the request that is under way
        self._status: int | None = None
        self._body = b""
        self._bytes_left = 0

    async def post(self, request: bytes, deadline_s: float) -> HttpAnswer:
        """Send a whole request; its answer. `deadline_s` is a time of the loop.

        Raises TimeoutError, AnswerLost or AnswerUnreadable.
        """
        assert self._transport is not None and self._answer is None
        loop = asyncio.get_running_loop()
        self._answer = loop.create_future()
        self._status = None
        self._body = b""
        self._bytes_left = HEAD_BYTES_MAX
        timer = loop.call_at(deadline_s, self._on_deadline)
        self._transport.write(request)
        try:
            return await self._answer
        except asyncio.CancelledError:
            self.close()
            raise
        finally:
            timer.cancel()
            self._answer = None
            self.used_at_s = loop.time()

    def close(self) -> None:
        """Close it, whatever is under way."""
        self.is_open = False
        if self._transport is not None:
            self._transport.close()

    # asyncio

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports have asyncio.Transport's methods, but are none of its class.
        self._transport = cast(asyncio.Transport, transport)
        self.is_open = True

    def data_received(self, data: bytes) -> None:
        if self._answer is None:
            self.close()  # nobody asked
            return
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._end(AnswerUnreadable())
            return
        self._bytes_left -= len(data)
        if self._bytes_left < 0:
            self._end(AnswerUnreadable())

    def connection_lost(self, exc: Exception | None) -> None:
        self._end(AnswerLost())
        if self._transport is not None:  # None: it never came to be, as where TLS failed
            self._on_lost()

    # httptools

    def on_message_begin(self) -> None:
        if self._answer is None or self._answer.done():
            self.close()  # one answer too many: what comes next would be taken for another's

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if status >= _FINAL_STATUS_MIN:
            self._status = status
            self._bytes_left = ANSWER_BYTES_MAX

    def on_body(self, data: bytes) -> None:
        status = self._status
        if status is None or is_success(status):
            return
        self._body += data[: KEPT_BYTES_MAX - len(self._body)]

    def on_message_complete(self) -> None:
        if self._status is None:
            return
        if not self._parser.should_keep_alive():
            self.close()
        self._settle()

    def _on_deadline(self) -> None:
        self._end(TimeoutError())

    def _end(self, error: Exception) -> None:
        """The connection is of no more use."""
        self.close()
        self._settle(error)

    def _settle(self, error: Exception | None = None) -> None:
        answer = self._answer
        if answer is None or answer.done():
            return
        if self._status is not None:
            answer.set_result(HttpAnswer(self._status, self._body))
        elif error is not None:
            answer.set_exception(error)
