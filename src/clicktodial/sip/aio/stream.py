"""Connections over TCP and TLS: opened when first needed, used again, kept alive, bounded.

A connection is named by its flow, its far end. What is sent while it opens waits, bounded; when
it fails, before or after it was open, the owner is told, and whatever is sent next opens it anew.
Both ends may speak at any time (RFC 5923): requests of a peer come by connections that we
opened, too.

Those that we opened are pinged with a double line end (RFC 5626 4.4.1) when nothing else was sent
for a while, so that no address translator forgets them and a dead peer is found out by TCP.
"""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from clicktodial.domain.trunk import Transport, TrunkTls
from clicktodial.sip.aio.tls import ClientContexts, TlsListener, create_listener_context
from clicktodial.sip.error import MalformedMessage
from clicktodial.sip.framing import StreamFramer
from clicktodial.sip.uri import Address, Flow

log = structlog.get_logger()

_PING = b"\r\n\r\n"
_PONG = b"\r\n"


@dataclass(frozen=True, slots=True)
class StreamLimits:
    """Bounds of all connections together, and of each.

    `connections_max` counts both directions; beyond it the accepted one that was silent longest
    gives way. `unsent_bytes_max` is what may wait in one for a slow peer: some hundred messages,
    after which it is as good as dead. A message must be whole `message_within_s` after its
    first byte. Routers forget a silent connection after some minutes, NATs after less:
    `keep_alive_s`.
    """

    connections_max: int = 1_000
    unsent_bytes_max: int = 1_048_576
    connect_within_s: float = 4.0
    message_within_s: float = 30.0
    keep_alive_s: float = 25.0


class StreamTransport:
    """All connections of one endpoint."""

    def __init__(
        self,
        *,
        on_message: Callable[[bytes, Flow], None],
        on_failure: Callable[[Flow], None],
        limits: StreamLimits | None = None,
    ) -> None:
        """`on_failure` is told of every connection that is no more, and not from within `send`."""
        self._on_message = on_message
        self._on_failure = on_failure
        self._limits = limits or StreamLimits()
        self._contexts = ClientContexts()
        self._connections: dict[Flow, _Connection] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._servers: list[asyncio.Server] = []
        self._sources: dict[bool, str] = {}
        self._caretaker: asyncio.Task[None] | None = None
        self._is_closed = False

    @property
    def connection_count(self) -> int:
        """Connections that are open or opening."""
        return len(self._connections)

    def set_source(self, host: str) -> None:
        """Open connections of that host's family from there."""
        self._sources[":" in host] = host

    async def listen(self, address: Address, tls: TlsListener | None = None) -> Address:
        """Accept connections; returns where. Raises OSError."""
        context = None if tls is None else create_listener_context(tls)
        transport = Transport.TCP if tls is None else Transport.TLS
        family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        server = await asyncio.get_running_loop().create_server(
            lambda: _Connection(self, None, transport),
            *address,
            family=family,
            ssl=context,
            ssl_handshake_timeout=None if context is None else self._limits.connect_within_s,
        )
        self._servers.append(server)
        name = server.sockets[0].getsockname()
        return str(name[0]), int(name[1])

    def send(self, data: bytes, flow: Flow) -> None:
        """Send by that connection, opening it where there is none."""
        if self._is_closed:
            return
        connection = self._connections.get(flow)
        if connection is None:
            connection = self._open(flow)
            if connection is None:
                return
        connection.send(data)

    async def close(self) -> None:
        """Close all; nobody is told."""
        self._is_closed = True
        for server in self._servers:
            server.close()
        tasks = list(self._tasks)
        if self._caretaker is not None:
            tasks.append(self._caretaker)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        connections = list(self._connections.values())
        self._connections.clear()
        for connection in connections:
            connection.close()

    # For connections

    @property
    def limits(self) -> StreamLimits:
        """The bounds."""
        return self._limits

    def admit(self, connection: "_Connection", flow: Flow) -> bool:
        """Take note of an accepted connection, unless there is no room."""
        if self._is_closed or not self._make_room():
            return False
        self._connections[flow] = connection
        self._take_care()
        return True

    def owns(self, connection: "_Connection", flow: Flow) -> bool:
        """Whether that connection is still the one of its flow."""
        return self._connections.get(flow) is connection

    def receive(self, message: bytes, flow: Flow) -> None:
        """A message came."""
        if not self._is_closed:
            self._on_message(message, flow)

    def forget(self, connection: "_Connection", flow: Flow, error: str) -> None:
        """The connection is no more."""
        if not self.owns(connection, flow):
            return
        del self._connections[flow]
        if not self._is_closed:
            log.info("sip.connection_closed", peer=flow.host, port=flow.port, error=error)
            self._on_failure(flow)

    def _open(self, flow: Flow) -> "_Connection | None":
        loop = asyncio.get_running_loop()
        if not self._make_room():
            log.warning("sip.connections_full", peer=flow.host)
            loop.call_soon(self._on_failure, flow)
            return None
        connection = _Connection(self, flow, flow.transport)
        self._connections[flow] = connection
        task = loop.create_task(self._connect(connection, flow))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        self._take_care()
        return connection

    async def _connect(self, connection: "_Connection", flow: Flow) -> None:
        loop = asyncio.get_running_loop()
        source = self._sources.get(":" in flow.host)
        try:
            async with asyncio.timeout(self._limits.connect_within_s):
                context = None
                if flow.transport is Transport.TLS:
                    tls = flow.tls or TrunkTls()
                    context = await asyncio.to_thread(self._contexts.get, tls)
                await loop.create_connection(
                    lambda: connection,
                    flow.host,
                    flow.port,
                    ssl=context,
                    server_hostname=_server_name(flow) if context is not None else None,
                    local_addr=None if source is None else (source, 0),
                )
        except (OSError, ssl.CertificateError, TimeoutError) as error:
            text = str(error) or type(error).__name__
            log.warning("sip.connect_failed", peer=flow.host, port=flow.port, error=text)
            self.forget(connection, flow, text)

    def _make_room(self) -> bool:
        if len(self._connections) < self._limits.connections_max:
            return True
        accepted = [each for each in self._connections.items() if each[1].is_accepted]
        if not accepted:
            return False
        flow, idlest = min(accepted, key=lambda each: each[1].heard_at)
        self.forget(idlest, flow, "gives way to another")
        idlest.close()
        return True

    def _take_care(self) -> None:
        if self._caretaker is None:
            self._caretaker = asyncio.get_running_loop().create_task(self._run_caretaker())

    async def _run_caretaker(self) -> None:
        """Ping what is silent, and end what began a message and never finishes it."""
        loop = asyncio.get_running_loop()
        limits = self._limits
        interval_s = min(limits.keep_alive_s, limits.message_within_s) / 4
        while True:
            await asyncio.sleep(interval_s)
            for connection in list(self._connections.values()):
                connection.check(loop.time())


def _server_name(flow: Flow) -> str:
    name = flow.tls.server_name if flow.tls is not None else None
    return name or flow.host


class _Connection(asyncio.Protocol):
    """One connection, opened (`flow` is given) or accepted."""

    def __init__(self, owner: StreamTransport, flow: Flow | None, transport: Transport) -> None:
        self._owner = owner
        self._flow = flow
        self._kind = transport
        self._transport: asyncio.Transport | None = None
        self._framer = StreamFramer()
        self._unsent: list[bytes] = []
        self._unsent_bytes = 0
        self._message_since: float | None = None
        self._said_at = 0.0
        self.heard_at = 0.0
        self.is_accepted = flow is None

    def send(self, data: bytes) -> None:
        """Write, or keep until the connection is open; a peer that takes nothing is given up."""
        transport = self._transport
        waiting = self._unsent_bytes if transport is None else transport.get_write_buffer_size()
        if waiting + len(data) > self._owner.limits.unsent_bytes_max:
            log.warning("sip.peer_too_slow", peer=self._flow and self._flow.host)
            # Not from within: who sends is told once it has returned.
            asyncio.get_running_loop().call_soon(self._give_up, "the peer takes nothing")
        elif transport is None:
            self._unsent.append(data)
            self._unsent_bytes += len(data)
        else:
            self._said_at = asyncio.get_running_loop().time()
            transport.write(data)

    def close(self) -> None:
        """Drop the connection, and what was not sent."""
        if self._transport is not None:
            self._transport.abort()

    def check(self, now: float) -> None:
        """What time demands."""
        limits = self._owner.limits
        since = self._message_since
        if since is not None and now - since > limits.message_within_s:
            self._give_up("a message without end")
        elif self._is_silent(now):
            self.send(_PING)

    def _is_silent(self, now: float) -> bool:
        """Whether it is on us to say something."""
        is_ours = not self.is_accepted and self._transport is not None
        return is_ours and now - self._said_at >= self._owner.limits.keep_alive_s

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are no asyncio.Transport by name.
        self._transport = transport  # type: ignore[assignment]  # connected streams only
        self.heard_at = self._said_at = asyncio.get_running_loop().time()
        with contextlib.suppress(OSError, AttributeError):
            transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self._flow is None:
            name = transport.get_extra_info("peername")
            self._flow = Flow(str(name[0]), int(name[1]), self._kind)
            if not self._owner.admit(self, self._flow):
                transport.abort()  # type: ignore[attr-defined]  # as above
            return
        if not self._owner.owns(self, self._flow):
            self.close()  # given up while it opened
            return
        log.info("sip.connected", peer=self._flow.host, port=self._flow.port, transport=self._kind)
        unsent, self._unsent = self._unsent, []
        for data in unsent:
            self.send(data)

    def data_received(self, data: bytes) -> None:
        assert self._flow is not None
        now = asyncio.get_running_loop().time()
        self.heard_at = now
        try:
            messages = self._framer.feed(data)
        except MalformedMessage as error:
            log.warning("sip.stream_malformed", peer=self._flow.host, error=str(error))
            self._give_up(str(error))
            return
        if not self._framer.is_within_message:
            self._message_since = None
        elif messages or self._message_since is None:
            self._message_since = now
        pings, self._framer.pings = self._framer.pings, 0
        if pings and self.is_accepted:
            self.send(_PONG)
        for message in messages:
            self._owner.receive(message, self._flow)

    def connection_lost(self, exc: Exception | None) -> None:
        self._give_up("closed by the peer" if exc is None else str(exc))

    def _give_up(self, error: str) -> None:
        transport, self._transport = self._transport, None
        if transport is not None:
            transport.abort()
        if self._flow is not None:
            self._owner.forget(self, self._flow, error)
