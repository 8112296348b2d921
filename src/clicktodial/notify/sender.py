"""Posts notifications over HTTP: pooled connections, bounded answers, no redirects."""

from types import MappingProxyType

import aiohttp
from aiohttp.resolver import ThreadedResolver
from multidict import CIMultiDict
from yarl import URL

from clicktodial.notify.address_guard import GuardedResolver, create_guarded_socket
from clicktodial.notify.format import NotificationRequest

# Over all servers. Each has its own bound, far below; this one protects our file descriptors.
CONNECTIONS_MAX = 4096
KEEPALIVE_S = 60
DNS_TTL_S = 30
# The answer's body says nothing that we need; so much is read to keep the connection.
ANSWER_BYTES_MAX = 65_536
USER_AGENT = "clicktodial"
_HEADER_LINE_BYTES_MAX = 8190

# The session adds no others: User-Agent and Accept are given with each request.
_SKIPPED_HEADERS = frozenset({"Accept-Encoding"})
_FIXED_HEADERS = MappingProxyType({"User-Agent": USER_AGENT, "Accept": "*/*"})
# What the network, the server or the URL can do wrong; TimeoutError comes from the deadline.
_DELIVERY_ERRORS = (aiohttp.ClientError, TimeoutError, OSError, ValueError)


class Sender:
    """Two pools of connections: one that reaches anything, one that reaches public addresses."""

    def __init__(self, *, timeout_s: float, connections_per_host: int) -> None:
        self._timeout = aiohttp.ClientTimeout(total=timeout_s)
        self._connections_per_host = connections_per_host
        self._open_session: aiohttp.ClientSession | None = None
        self._guarded_session: aiohttp.ClientSession | None = None

    def start(self) -> None:
        """Make the pools; on the running loop."""
        self._open_session = self._create_session(
            aiohttp.TCPConnector(
                limit=CONNECTIONS_MAX,
                limit_per_host=self._connections_per_host,
                keepalive_timeout=KEEPALIVE_S,
                ttl_dns_cache=DNS_TTL_S,
            )
        )
        self._guarded_session = self._create_session(
            aiohttp.TCPConnector(
                limit=CONNECTIONS_MAX,
                limit_per_host=self._connections_per_host,
                keepalive_timeout=KEEPALIVE_S,
                ttl_dns_cache=DNS_TTL_S,
                resolver=GuardedResolver(ThreadedResolver()),
                socket_factory=create_guarded_socket,
            )
        )

    async def close(self) -> None:
        """Close every connection."""
        for session in (self._open_session, self._guarded_session):
            if session is not None:
                await session.close()

    async def send(
        self,
        request: NotificationRequest,
        signature: tuple[tuple[str, str], ...],
        *,
        allow_private_addresses: bool,
    ) -> str | None:
        """Post it; None when the server took it (2xx), else what went wrong."""
        session = self._open_session if allow_private_addresses else self._guarded_session
        assert session is not None  # start() came before
        headers = CIMultiDict(_FIXED_HEADERS)
        headers.extend(request.headers)
        headers.extend(signature)
        try:
            try:
                return await self._post(session, request, headers)
            except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError) as error:
                if isinstance(error, aiohttp.ClientConnectorError):
                    raise
                # A kept connection that the server closed just now; a new one may be better.
                return await self._post(session, request, headers)
        except _DELIVERY_ERRORS as error:
            return describe_error(error)

    async def _post(
        self,
        session: aiohttp.ClientSession,
        request: NotificationRequest,
        headers: CIMultiDict[str],
    ) -> str | None:
        url = URL(request.url, encoded=True)
        async with session.post(
            url, data=request.body, headers=headers, allow_redirects=False
        ) as response:
            taken = 200 <= response.status < 300
            await _read_answer(response, taken=taken)
            return None if taken else f"HTTP {response.status}"

    def _create_session(self, connector: aiohttp.TCPConnector) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            skip_auto_headers=_SKIPPED_HEADERS,
            timeout=self._timeout,
            auto_decompress=False,
            trust_env=False,
            max_line_size=_HEADER_LINE_BYTES_MAX,
            max_field_size=_HEADER_LINE_BYTES_MAX,
        )


async def _read_answer(response: aiohttp.ClientResponse, *, taken: bool) -> None:
    """Read the body, which frees the connection; one that is too long or too slow costs it."""
    read_bytes = 0
    try:
        while not response.content.at_eof():
            read_bytes += len(await response.content.readany())
            if read_bytes > ANSWER_BYTES_MAX:
                response.close()
                return
    except (aiohttp.ClientError, TimeoutError):
        # The status line has told all that counts.
        response.close()
        if not taken:
            raise


def describe_error(error: Exception) -> str:
    """What went wrong, in a line for the operator."""
    if isinstance(error, TimeoutError):
        return "timeout"
    if isinstance(error, aiohttp.ClientConnectorError):
        return f"cannot connect: {error.os_error}"
    return f"{type(error).__name__}: {error}"
