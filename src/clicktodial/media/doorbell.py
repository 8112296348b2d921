"""Makes RTPProxy close the sockets of deleted sessions.

Its two packet threads let go of a deleted session's sockets only when they next wake up, which a
packet or a new session makes them do. On a quiet machine that is hours later, and with the whole
port range so occupied no new session could be made to wake them. So one session of ours is never
deleted, and a datagram to its RTP and its RTCP port wakes both threads.

It tells, too, when a packet thread is done with what it was at: the thread takes one packet after
the other, and counts those of the doorbell as it does those of calls.

Both its sides are told to be at our socket and nowhere else (the modifier A), so that RTPProxy
ignores whoever else finds the ports: it would take the first to come for a party, and count no
ring of ours any more.
"""

import asyncio
import socket

from clicktodial.control.port import RelayError
from clicktodial.media.channel import CommandChannel

# One ring serves all sessions that were deleted in the meantime.
RING_DELAY_S = 0.02
# Both threads have closed what they held well within this.
RING_SETTLE_S = 0.01
# Packets are counted of sessions that are complete alone: RTP and RTCP of two sides.
PORTS = 4
# The thread comes to a packet within a millisecond, unless the machine stalls.
ANSWER_TIMEOUT_S = 5.0
_ANSWER_POLL_S = 0.001
_NAME = "doorbell"
# The longest that RTPProxy can count: 68 years.
_TTL_S = 2**31 - 1


class Doorbell:
    """Rings soon after it is asked to. Created on the loop that it rings on."""

    def __init__(self, host: str) -> None:
        self._loop = asyncio.get_running_loop()
        self._host = host
        self._port = 0
        self._scheduled: asyncio.TimerHandle | None = None
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setblocking(False)

    async def install(self, channel: CommandChannel) -> None:
        """Open the session that is rung at. Raises RelayError."""
        try:
            self._socket.bind((self._host, 0))
        except OSError as error:
            raise RelayError(f"there is no port to ring from: {error.strerror}") from error
        here = f"{self._host} {self._socket.getsockname()[1]}"
        reply = await channel.request(f"UA {_NAME} {here} b && S ttl={_TTL_S}")
        word = reply.split(" ", 1)[0]
        if not word.isdecimal():
            raise RelayError("the relay gave no port")
        self._port = int(word)
        await channel.request(f"LA {_NAME} {here} b a && S ttl={_TTL_S}")

    def schedule(self) -> None:
        """Ring within RING_DELAY_S."""
        if self._scheduled is None:
            self._scheduled = self._loop.call_later(RING_DELAY_S, self.ring)

    def ring(self) -> None:
        """Wake the packet threads now."""
        if self._scheduled is not None:
            self._scheduled.cancel()
            self._scheduled = None
        for port in (self._port, self._port + 1):
            try:
                self._socket.sendto(b"\0", (self._host, port))
            except OSError:
                # A full buffer means that the threads are awake.
                continue

    async def answer(self, channel: CommandChannel) -> None:
        """Return when the RTP thread has taken a packet that came after this was called. Raises
        RelayError."""
        loop = asyncio.get_running_loop()
        before = await self._count(channel)
        deadline = loop.time() + ANSWER_TIMEOUT_S
        self.ring()
        while await self._count(channel) == before:
            if loop.time() >= deadline:
                raise RelayError("the relay's packets do not move")
            await asyncio.sleep(_ANSWER_POLL_S)

    async def _count(self, channel: CommandChannel) -> str:
        """What the RTP thread has relayed of the doorbell's packets, as RTPProxy writes it: of
        `TTL RECEIVED RECEIVED RELAYED DROPPED` the last but one."""
        reply = await channel.request(f"Q {_NAME} b a")
        return reply.rsplit(" ", 2)[-2]

    def close(self) -> None:
        """Never ring again."""
        if self._scheduled is not None:
            self._scheduled.cancel()
            self._scheduled = None
        self._socket.close()
