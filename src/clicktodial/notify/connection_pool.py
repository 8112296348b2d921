"""Connections to application servers, each kept for the next request to the same server."""

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Sequence
from functools import cache, lru_cache, partial
from typing import NamedTuple, TypeAlias
from urllib.parse import urlsplit

from aiohappyeyeballs import AddrInfoType, SocketFactoryType, start_connection

from clicktodial.notify.http_connection import AnswerLost, HttpAnswer, HttpConnection

# Over all servers. Each has its own bound, far below; this one protects our file descriptors.
CONNECTIONS_MAX = 4096
KEEPALIVE_S = 60.0
# Names are looked up for new connections only; a burst of them asks once.
DNS_TTL_S = 30.0
# Names and servers remembered; beyond, only time is lost.
SERVERS_MAX = 1024
# RFC 8305 5: how long an address may take before the next one is tried beside it.
_NEXT_ADDRESS_S = 0.25
_DEFAULT_PORTS = {"http": 80, "https": 443}

Resolve: TypeAlias = Callable[[str, int], Awaitable[Sequence[AddrInfoType]]]


class CannotConnect(OSError):
    """No connection to the server could be made."""


class Server(NamedTuple):
    """Where requests go. `authority` is what their Host header says (RFC 9110 7.2)."""

    host: str
    port: int
    is_tls: bool
    authority: str


@lru_cache(SERVERS_MAX)
def parse_server(scheme: str, netloc: str) -> Server:
    """Of a URL that has no credentials. Raises ValueError."""
    default_port = _DEFAULT_PORTS[scheme]
    parts = urlsplit(f"//{netloc}")
    # A name in other letters than ASCII is looked up and told in its ASCII form.
    host = (parts.hostname or "").encode("idna").decode()
    port = parts.port or default_port
    authority = f"[{host}]" if ":" in host else host
    if port != default_port:
        authority = f"{authority}:{port}"
    return Server(host, port, scheme == "https", authority)


async def resolve(host: str, port: int) -> Sequence[AddrInfoType]:
    """The addresses of a name, as every program of this machine sees them. Raises OSError."""
    return await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)


class ConnectionPool:
    """Posts requests, each on an idle connection to its server or on a new one."""

    def __init__(
        self, *, resolve: Resolve = resolve, create_socket: SocketFactoryType | None = None
    ) -> None:
        """`create_socket` makes the socket to an address that `resolve` gave; both may refuse,
        with an OSError."""
        self._resolve = resolve
        self._create_socket = create_socket
        self._addresses: dict[tuple[str, int], tuple[float, Sequence[AddrInfoType]]] = {}
        self._open_count = 0
        # The one used last is used next, so that the others may be closed.
        self._idle: dict[Server, list[HttpConnection]] = {}
        self._sweep_timer: asyncio.TimerHandle | None = None

    async def post(self, server: Server, request: bytes, deadline_s: float) -> HttpAnswer:
        """Send a whole request; its answer. `deadline_s` is a time of the loop.

        Raises CannotConnect, TimeoutError, AnswerLost or AnswerUnreadable.
        """
        connection = self._take_idle(server)
        if connection is not None:
            try:
                return await self._exchange(server, connection, request, deadline_s)
            except AnswerLost:
                pass  # the server has closed it just now; a new one may be better
        async with asyncio.timeout_at(deadline_s):
            connection = await self._connect(server)
        return await self._exchange(server, connection, request, deadline_s)

    def close(self) -> None:
        """Close what is idle."""
        if self._sweep_timer is not None:
            self._sweep_timer.cancel()
        self._close_idle()

    async def _exchange(
        self, server: Server, connection: HttpConnection, request: bytes, deadline_s: float
    ) -> HttpAnswer:
        answer = await connection.post(request, deadline_s)
        if connection.is_open:
            self._keep(server, connection)
        return answer

    # Idle connections

    def _take_idle(self, server: Server) -> HttpConnection | None:
        idle = self._idle.get(server)
        while idle:
            connection = idle.pop()
            if connection.is_open:
                return connection
        return None

    def _keep(self, server: Server, connection: HttpConnection) -> None:
        self._idle.setdefault(server, []).append(connection)
        if self._sweep_timer is None:
            self._arm_sweep()

    def _arm_sweep(self) -> None:
        self._sweep_timer = asyncio.get_running_loop().call_later(KEEPALIVE_S, self._sweep)

    def _sweep(self) -> None:
        self._sweep_timer = None
        self._close_idle(asyncio.get_running_loop().time() - KEEPALIVE_S)
        if self._idle:
            self._arm_sweep()

    def _close_idle(self, unused_since_s: float | None = None) -> int:
        """Close all, or those that were not used since; returns how many."""
        kept: dict[Server, list[HttpConnection]] = {}
        closed = 0
        for server, connections in self._idle.items():
            for connection in connections:
                if not connection.is_open:
                    continue
                if unused_since_s is None or connection.used_at_s <= unused_since_s:
                    connection.close()
                    closed += 1
                else:
                    kept.setdefault(server, []).append(connection)
        self._idle = kept
        return closed

    # New connections

    async def _connect(self, server: Server) -> HttpConnection:
        if self._open_count >= CONNECTIONS_MAX and not self._close_idle():
            raise CannotConnect("too many connections are open")
        try:
            made = await start_connection(
                await self._find_addresses(server),
                happy_eyeballs_delay=_NEXT_ADDRESS_S,
                socket_factory=self._create_socket,
            )
            _, connection = await asyncio.get_running_loop().create_connection(
                partial(HttpConnection, self._on_lost),
                sock=made,
                ssl=_tls_context() if server.is_tls else None,
                server_hostname=server.host if server.is_tls else None,
            )
        except OSError as error:
            raise CannotConnect(str(error)) from error
        self._open_count += 1
        return connection

    def _on_lost(self) -> None:
        self._open_count -= 1

    async def _find_addresses(self, server: Server) -> Sequence[AddrInfoType]:
        key, now_s = (server.host, server.port), asyncio.get_running_loop().time()
        known = self._addresses.get(key)
        if known is not None and now_s < known[0]:
            return known[1]
        addresses = await self._resolve(*key)
        if len(self._addresses) >= SERVERS_MAX:
            self._addresses.clear()
        self._addresses[key] = now_s + DNS_TTL_S, addresses
        return addresses


@cache
def _tls_context() -> ssl.SSLContext:
    """Trusts whom this machine trusts, and wants the server's name in its certificate."""
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    return context
