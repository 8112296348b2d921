"""Endpoints on the loopback that wait for what should happen, and never sleep instead."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from tests.harness.address import allocate_host

from clicktodial.domain.media import PCMA, MediaAddress, MediaDescription
from clicktodial.sip.aio.endpoint import UDP_ALONE, EventHandler, Listeners, SipEndpoint
from clicktodial.sip.aio.stream import StreamLimits
from clicktodial.sip.event import IncomingInvite, SessionEvent
from clicktodial.sip.sdp import serialize_sdp
from clicktodial.sip.timer import Timers
from clicktodial.sip.uri import bracket_host
from clicktodial.sip.user_agent import Address, Hop, Invitation, Session

T = TypeVar("T")

# Nobody else takes a port of it between a look for a free one and its use.
HOST = allocate_host()
# What is waited for comes at once, unless the machine is very busy.
WAIT_S = 30.0
# Ten times faster than RFC 3261's, so that what times out does so within a test.
FAST = Timers(t1_s=0.05, t2_s=0.4, t4_s=0.5)
OFFER = MediaDescription(MediaAddress(HOST, 20_000), (PCMA,))
ANSWER = MediaDescription(MediaAddress(HOST, 30_000), (PCMA,))
ANSWER_SDP = serialize_sdp(ANSWER)


async def pass_time(seconds: float) -> None:
    """Until the loop's own clock says so: what must not happen has then had its time."""
    loop = asyncio.get_running_loop()
    over = loop.create_future()
    loop.call_later(seconds, over.set_result, None)
    await over


class Log(Generic[T]):
    """Things as they happen, and a wait for the next one that is wanted."""

    def __init__(self, *, wait_s: float = WAIT_S) -> None:
        """`wait_s` is by the loop's own clock."""
        self._wait_s = wait_s
        self.items: list[T] = []
        self._changed = asyncio.Event()

    def add(self, item: T) -> None:
        self.items.append(item)
        self._changed.set()

    async def wait_for(self, wanted: Callable[[T], bool]) -> T:
        """The first item that is wanted, past or future; TimeoutError after a while."""
        async with asyncio.timeout(self._wait_s):
            while True:
                for item in self.items:
                    if wanted(item):
                        return item
                self._changed.clear()
                await self._changed.wait()


@dataclass
class Phone:
    """A called party: does with each call what `behave` says, and logs what it is told."""

    endpoint: SipEndpoint
    sessions: list[Session] = field(default_factory=list)
    events: Log[SessionEvent] = field(default_factory=Log)


def create_invitation(destination: Hop) -> Invitation:
    """An INVITE to that address."""
    uri = f"sip:+8613912345673@{bracket_host(destination[0])}:{destination[1]};user=phone"
    return Invitation(
        request_uri=uri,
        to_uri=uri,
        from_uri="sip:+861052680000@127.0.0.1;user=phone",
        next_hop=destination,
        sdp=serialize_sdp(OFFER),
    )


@asynccontextmanager
async def open_endpoint(
    timers: Timers = FAST,
    *,
    host: str = HOST,
    listeners: Listeners = UDP_ALONE,
    stream_limits: StreamLimits | None = None,
) -> AsyncIterator[SipEndpoint]:
    """A calling endpoint on a free port."""
    endpoint = SipEndpoint(timers=timers, stream_limits=stream_limits)
    await endpoint.start(host, 0, listeners=listeners)
    try:
        yield endpoint
    finally:
        await endpoint.close()


@asynccontextmanager
async def open_phone(
    behave: Callable[[SipEndpoint, Session], None],
    timers: Timers = FAST,
    *,
    host: str = HOST,
    listeners: Listeners = UDP_ALONE,
    stream_limits: StreamLimits | None = None,
) -> AsyncIterator[Phone]:
    """A phone on a free port."""

    def on_invite(session: Session, invite: IncomingInvite) -> EventHandler:
        phone.sessions.append(session)
        phone.events.add(invite)
        behave(phone.endpoint, session)
        return phone.events.add

    phone = Phone(
        SipEndpoint(
            user_agent="phone", timers=timers, on_invite=on_invite, stream_limits=stream_limits
        )
    )
    await phone.endpoint.start(host, 0, listeners=listeners)
    try:
        yield phone
    finally:
        await phone.endpoint.close()


def answer(endpoint: SipEndpoint, session: Session) -> None:
    """Ring and answer at once."""
    endpoint.ring(session)
    endpoint.answer(session, ANSWER_SDP)


def ring(endpoint: SipEndpoint, session: Session) -> None:
    """Ring on."""
    endpoint.ring(session)


def refuse(status: int) -> Callable[[SipEndpoint, Session], None]:
    """Refuse at once."""
    return lambda endpoint, session: endpoint.reject(session, status, "Refused")


class DeadPeer:
    """A socket that takes everything and answers nothing, until it is told to."""

    def __init__(self) -> None:
        self.received: Log[bytes] = Log()
        self.source: Address | None = None
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._socket.bind((HOST, 0))
        asyncio.get_running_loop().add_reader(self._socket.fileno(), self._read)

    @property
    def address(self) -> Address:
        name: Address = self._socket.getsockname()
        return name

    def send(self, data: bytes) -> None:
        """Send to whom a datagram came from, or who was set."""
        assert self.source is not None
        self._socket.sendto(data, self.source)

    def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self._socket.fileno())
        self._socket.close()

    def _read(self) -> None:
        data, self.source = self._socket.recvfrom(65_535)
        self.received.add(data)


@asynccontextmanager
async def open_dead_peer() -> AsyncIterator[DeadPeer]:
    """A dead peer on a free port."""
    peer = DeadPeer()
    try:
        yield peer
    finally:
        peer.close()
