"""The server's HTTP protocol, held to limits that uvicorn leaves open.

What comes before authentication costs us memory and connections, so here it is bounded: how many
connections there are, how long a request's head is, and how long a request takes to arrive. What
is refused here is answered in the same JSON as everything else.
"""

import asyncio
from http import HTTPStatus

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from clicktodial.api.v1.error import (
    DEFAULT_RETRY_AFTER_S,
    INVALID_INPUT_VALUE,
    SERVICE_UNAVAILABLE,
    Refusal,
)

# A client at rest costs about 5 kB; this many of them, 50 MB.
CONNECTIONS_MAX = 10_000
# Request line and headers. Ours need some 300 bytes; proxies add cookies and traces.
HEAD_BYTES_MAX = 16_384
# From the first byte of a request to its last, and from connecting to the first byte.
ARRIVAL_TIMEOUT_S = 30.0


class HeadTooLong(Exception):
    """Request line and headers are longer than HEAD_BYTES_MAX."""


class BoundedHttpProtocol(HttpToolsProtocol):
    """One connection of a client."""

    connections_max = CONNECTIONS_MAX
    arrival_timeout_s = ARRIVAL_TIMEOUT_S

    _is_in_head = False
    _is_arriving = False
    _head_bytes_fed = 0
    _head_bytes_parsed = 0
    _arrival_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        # asyncio declares any transport and gives a stream's one to a stream protocol.
        super().connection_made(transport)
        if len(self.connections) > self.connections_max:
            self._refuse(SERVICE_UNAVAILABLE)
        else:
            self._start_arrival_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_arrival_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        was_in_head = self._is_in_head
        super().data_received(data)
        if was_in_head and self._is_in_head:
            # The parser gathers a header until it is whole, so count what it is given.
            self._head_bytes_fed += len(data)
            if self._head_bytes_fed > HEAD_BYTES_MAX and not self.transport.is_closing():
                self._refuse(INVALID_INPUT_VALUE)
        # What is no request at all, such as empty lines, has stopped the keep-alive timer too.
        is_at_rest = self.cycle is None or self.cycle.response_complete
        if not (self._is_arriving or is_at_rest):
            self._stop_arrival_timer()
        elif self._arrival_timer is None:
            self._start_arrival_timer()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._is_in_head = self._is_arriving = True
        self._head_bytes_fed = self._head_bytes_parsed = 0

    def on_url(self, url: bytes) -> None:
        self._check_head(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._check_head(len(name) + len(value))
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._is_in_head = False
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._is_arriving = False
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        self._refuse(INVALID_INPUT_VALUE)

    def _check_head(self, added: int) -> None:
        self._head_bytes_parsed += added
        if self._head_bytes_parsed > HEAD_BYTES_MAX:
            # Out of the parser's callback, this ends as a request that it cannot read.
            raise HeadTooLong

    def _refuse(self, refusal: Refusal) -> None:
        head = [
            f"HTTP/1.1 {refusal.status} {HTTPStatus(refusal.status).phrase}",
            "content-type: application/json",
            f"content-length: {len(refusal.body)}",
            "connection: close",
        ]
        if refusal is SERVICE_UNAVAILABLE:
            head.append(f"retry-after: {DEFAULT_RETRY_AFTER_S}")
        self.transport.write("\r\n".join([*head, "", ""]).encode() + refusal.body)
        self.transport.close()

    def _start_arrival_timer(self) -> None:
        self._arrival_timer = self.loop.call_later(self.arrival_timeout_s, self.transport.close)

    def _stop_arrival_timer(self) -> None:
        if self._arrival_timer is not None:
            self._arrival_timer.cancel()
            self._arrival_timer = None
