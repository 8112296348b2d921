"""Something that speaks the `ng` protocol, as badly as a test wants it to."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

from tests.harness.address import Address

Answer = dict[str, Any] | bytes | None


class FakeNode(asyncio.DatagramProtocol):
    """Answers each request with what `answer` says: an object, bytes as they are, or nothing."""

    def __init__(self, answer: Callable[[dict[str, Any]], Answer]) -> None:
        self.answer = answer
        self.received: list[tuple[bytes, dict[str, Any]]] = []
        self._transport: asyncio.DatagramTransport | None = None

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> "FakeNode":
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(
            lambda: self, local_addr=(host, port)
        )
        return self

    @property
    def address(self) -> Address:
        assert self._transport is not None
        host, port = self._transport.get_extra_info("sockname")
        return host, port

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def datagram_received(self, data: bytes, addr: Address) -> None:
        cookie, _, body = data.partition(b" ")
        request = json.loads(body)
        self.received.append((cookie, request))
        answer = self.answer(request)
        if answer is not None:
            reply = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
            self.send(cookie + b" " + reply, addr)

    def send(self, data: bytes, addr: Address) -> None:
        assert self._transport is not None
        self._transport.sendto(data, addr)
