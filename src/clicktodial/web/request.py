"""Reading a request off ASGI: its headers and its body, both bounded."""

from collections.abc import Iterable

from litestar.types import HTTPScope, Receive

# How much of a body over the limit is read and thrown away, so that an honest client, which
# reads only when it has sent all, gets to see the refusal. What is longer is cut off.
DISCARDED_BYTES_MAX = 1_048_576


class ClientDisconnected(Exception):
    """The client went away before its request was complete."""


class BodyTooLong(Exception):
    """The body is longer than the limit; `is_drained` says whether it was read to its end."""

    def __init__(self, *, is_drained: bool) -> None:
        super().__init__(self.__doc__)
        self.is_drained = is_drained


def find_header(headers: Iterable[tuple[bytes, bytes]], name: bytes) -> bytes | None:
    """The value of a header; None where it is missing or given more than once."""
    found = [value for key, value in headers if key == name]
    return found[0] if len(found) == 1 else None


def peer_address(scope: HTTPScope) -> str:
    """The address at the other end of the connection; nothing where there is none."""
    client = scope.get("client")
    return client[0] if client else ""


async def read_body(receive: Receive, body_bytes_max: int) -> bytes:
    """The whole body, of at most `body_bytes_max` bytes, however it is framed.

    Never holds more than that and one network read. Raises BodyTooLong or ClientDisconnected.
    """
    body = b""
    while True:
        chunk, has_more = await _read_chunk(receive)
        if len(body) + len(chunk) > body_bytes_max:
            raise BodyTooLong(is_drained=not has_more or await _drain(receive))
        body = body + chunk if body else chunk
        if not has_more:
            return body


async def _read_chunk(receive: Receive) -> tuple[bytes, bool]:
    message = await receive()
    if message["type"] != "http.request":
        raise ClientDisconnected
    return message["body"], message["more_body"]


async def _drain(receive: Receive) -> bool:
    discarded = 0
    while discarded < DISCARDED_BYTES_MAX:
        chunk, has_more = await _read_chunk(receive)
        if not has_more:
            return True
        discarded += len(chunk)
    return False
