"""Hears one side through a copy of its stream, which rtpengine sends to a socket of ours."""

import asyncio
from collections.abc import Callable
from typing import Any

from clicktodial.control.port import Heard
from clicktodial.domain.media import MediaDescription
from clicktodial.media.tap import Tap


class Listening(asyncio.DatagramProtocol):
    """Feeds a tap with packets and time until it is closed. What does not come from
    `source_port` is not rtpengine's."""

    def __init__(
        self, media: MediaDescription, on_heard: Callable[[Heard], None], *, judges_answer: bool
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._tap = Tap(media, judges_answer=judges_answer, now=self._loop.time())
        self._on_heard = on_heard
        self.source_port = 0
        self._transport: asyncio.BaseTransport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._is_closed = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """There is a socket, and time begins to pass."""
        self._transport = transport
        self._arm()

    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:
        """A packet came."""
        if addr[1] == self.source_port and not self._is_closed:
            self._tell(self._tap.receive(data, self._loop.time()))

    def close(self) -> None:
        """Hear nothing any more."""
        self._is_closed = True
        if self._timer is not None:
            self._timer.cancel()
        if self._transport is not None:
            self._transport.close()

    def _arm(self) -> None:
        deadline = self._tap.next_deadline()
        if deadline is not None and not self._is_closed:
            # Packets put it off; it is looked at again when it comes, and not with each of them.
            self._timer = self._loop.call_at(deadline, self._on_timer)

    def _on_timer(self) -> None:
        self._tell(self._tap.handle_timeout(self._loop.time()))
        self._arm()

    def _tell(self, heard: list[Heard]) -> None:
        for each in heard:
            if not self._is_closed:
                self._on_heard(each)
