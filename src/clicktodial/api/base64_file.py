"""A file as base64 inside JSON, in constant memory whatever its length.

The answer's length follows from the file's, so it goes out with Content-Length, piece by piece:
each is read and encoded on a thread and sent before the next is read, which is how a slow
reader slows the reading down.
"""

import asyncio
import base64
import os
from pathlib import Path
from typing import BinaryIO

import structlog
from litestar.types import Receive, Send

from clicktodial.api.response import JSON_CONTENT_TYPE, Headers, start_response

# A multiple of three, so that pieces of base64 join without padding between them; large enough
# that the hop to a thread is lost in the reading, small enough to hold for every download.
PIECE_BYTES = 3 * 128 * 1024
# A reader that takes not one piece in this time is gone, though its connection may stand.
STALLED_AFTER_S = 60.0

log = structlog.get_logger()


class FileTruncated(Exception):
    """The file became shorter while it was sent."""


def base64_bytes(size_bytes: int) -> int:
    """How long so many bytes are in base64."""
    return 4 * -(-size_bytes // 3)


def open_sized(path: Path) -> tuple[BinaryIO, int]:
    """The file, unbuffered, and how long it is. Raises OSError."""
    file = path.open("rb", buffering=0)
    return file, os.fstat(file.fileno()).st_size


async def send_file(
    file: BinaryIO,
    size_bytes: int,
    frame: tuple[bytes, bytes],
    receive: Receive,
    send: Send,
    *,
    headers: Headers = (),
    stalled_after_s: float = STALLED_AFTER_S,
) -> None:
    """Answer 200 with what stands before the text of `frame`, the next `size_bytes` of the file as
    base64, and what stands after it. Raises FileTruncated, when the answer has begun."""
    head, tail = frame
    await start_response(
        send,
        200,
        content_type=JSON_CONTENT_TYPE,
        content_length=len(head) + base64_bytes(size_bytes) + len(tail),
        headers=headers,
    )

    async def send_piece(piece: bytes, *, is_last: bool = False) -> None:
        async with asyncio.timeout(stalled_after_s):
            await send({"type": "http.response.body", "body": piece, "more_body": not is_last})

    disconnection = asyncio.create_task(wait_for_disconnection(receive))
    try:
        await send_piece(head)
        remaining = size_bytes
        while remaining and not disconnection.done():
            size = min(remaining, PIECE_BYTES)
            await send_piece(await asyncio.to_thread(read_encoded, file, size))
            remaining -= size
        if not remaining:
            await send_piece(tail, is_last=True)
    except TimeoutError:
        # Returning without an end makes the server close the connection.
        log.warning("recording.reader_stalled")
    finally:
        disconnection.cancel()
        await asyncio.gather(disconnection, return_exceptions=True)


def read_encoded(file: BinaryIO, size_bytes: int) -> bytes:
    """The next `size_bytes` of an unbuffered file as base64; raises FileTruncated."""
    pieces = []
    missing = size_bytes
    while missing:
        piece = file.read(missing)
        if not piece:
            raise FileTruncated
        pieces.append(piece)
        missing -= len(piece)
    return base64.b64encode(b"".join(pieces) if len(pieces) > 1 else pieces[0])


async def wait_for_disconnection(receive: Receive) -> None:
    """Return when the client is gone. Its body was read to the end, so that the server has nothing
    else to say."""
    while (await receive())["type"] != "http.disconnect":
        pass
