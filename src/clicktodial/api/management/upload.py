"""Bodies that are files: to disk as they come, and never longer than they may be."""

import asyncio
from typing import IO

from litestar.types import Receive

from clicktodial.api.management.problem import BODY_TOO_LONG, Refused
from clicktodial.web.request import ClientDisconnected

# A hop to a thread for each piece, so that a slow disk does not hold up calls.
PIECE_BYTES = 256 * 1024
UPLOAD_MEDIA = "application/octet-stream"


async def write_body(receive: Receive, file: IO[bytes], *, bytes_max: int) -> None:
    """The whole body, to the file. Raises Refused or ClientDisconnected."""
    size_bytes, has_more, waiting = 0, True, b""
    while has_more:
        message = await receive()
        if message["type"] != "http.request":
            raise ClientDisconnected
        chunk, has_more = message["body"], message["more_body"]
        size_bytes += len(chunk)
        if size_bytes > bytes_max:
            # What is still to come is not read: it may be without end.
            raise Refused(BODY_TOO_LONG, f"a file has at most {bytes_max} bytes", is_last=has_more)
        waiting += chunk
        if len(waiting) >= PIECE_BYTES or not has_more:
            await asyncio.to_thread(file.write, waiting)
            waiting = b""
    await asyncio.to_thread(file.flush)
