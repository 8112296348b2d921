"""Posts notifications over HTTP/1.1: pooled connections, bounded answers, no redirects.

What an application does with a notification is its own affair: of its answer we read the status,
and how it began what it said where it refused. All that a client of HTTP can do besides would be
done for nothing, four times a call; what is needed stands in `connection_pool` and
`http_connection`.
"""

import asyncio
import re
from collections.abc import Iterable
from typing import NamedTuple

from clicktodial.control.delivery import ANSWER_CHARACTERS_MAX
from clicktodial.notify.address_guard import create_guarded_socket, resolve_guarded
from clicktodial.notify.connection_pool import (
    CannotConnect,
    ConnectionPool,
    Server,
    parse_server,
)
from clicktodial.notify.format import NotificationRequest

USER_AGENT = "clicktodial"

# Credentials are none of ours to send; what is no ASCII is to be percent-encoded (RFC 3986 2.1).
_URL = re.compile(r"(https?)://([^/?#@\s]+)([/?][!-\"$-~]*)?", re.IGNORECASE)


class Attempt(NamedTuple):
    """What came of a try: `error` is None where the server took it (2xx), `status` where it did
    not answer; `text` is how it began what it said, where it refused."""

    error: str | None
    status: int | None = None
    text: str | None = None


class Sender:
    """Two pools of connections: one that reaches anything, one that reaches public addresses."""

    def __init__(self, *, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._open_pool = ConnectionPool()
        self._guarded_pool = ConnectionPool(
            resolve=resolve_guarded, create_socket=create_guarded_socket
        )

    def close(self) -> None:
        """Close every connection that nothing is sent on."""
        self._open_pool.close()
        self._guarded_pool.close()

    async def send(
        self,
        request: NotificationRequest,
        signature: tuple[tuple[str, str], ...],
        *,
        allow_private_addresses: bool,
    ) -> Attempt:
        """Post it once."""
        pool = self._open_pool if allow_private_addresses else self._guarded_pool
        deadline_s = asyncio.get_running_loop().time() + self._timeout_s
        try:
            server, target = parse_url(request.url)
            message = render_post(server, target, (*request.headers, *signature), request.body)
            answer = await pool.post(server, message, deadline_s)
        except (OSError, ValueError) as error:
            return Attempt(_describe(error))
        status = answer.status
        if answer.is_success:
            return Attempt(None, status)
        return Attempt(f"HTTP {status}", status, describe_body(answer.body) or None)


def parse_url(url: str) -> tuple[Server, str]:
    """The server of an http or https URL, and the target that it is asked for (RFC 9112 3.2.1).
    Raises ValueError."""
    match = _URL.fullmatch(url)
    if match is None:
        raise ValueError("not a URL that notifications can go to")
    scheme, netloc, target = match.groups("")
    if not target.startswith("/"):
        target = f"/{target}"
    return parse_server(scheme.lower(), netloc), target


def render_post(
    server: Server, target: str, headers: Iterable[tuple[str, str]], body: bytes
) -> bytes:
    """A whole request. Raises ValueError where a header is not one line of ASCII."""
    lines = [
        f"POST {target} HTTP/1.1",
        f"Host: {server.authority}",
        f"User-Agent: {USER_AGENT}",
        "Accept: */*",
        *[f"{name}: {value}" for name, value in headers],
        f"Content-Length: {len(body)}",
    ]
    head = "\r\n".join(lines)
    # A line break in a value would begin a header of somebody else's making.
    if head.count("\r") >= len(lines) or head.count("\n") >= len(lines):
        raise ValueError("a header has more than one line")
    return b"%b\r\n\r\n%b" % (head.encode("ascii"), body)


def describe_body(body: bytes) -> str:
    """How it begins, in a line that does nothing to whoever reads it."""
    text = body.decode("utf-8", "replace").strip()
    if not text.isprintable():
        text = "".join(
            each if each.isprintable() else each.encode("unicode_escape").decode() for each in text
        )
    if len(text) <= ANSWER_CHARACTERS_MAX:
        return text
    return f"{text[: ANSWER_CHARACTERS_MAX - 1]}…"


def _describe(error: Exception) -> str:
    """What went wrong, in a line for the operator."""
    if isinstance(error, TimeoutError):
        return "timeout"
    if isinstance(error, CannotConnect):
        return f"cannot connect: {error}"
    return f"{type(error).__name__}: {error}"
