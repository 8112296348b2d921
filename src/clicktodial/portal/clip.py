"""Sends a file, or the part of it that a browser asks for (RFC 9110 14), piece by piece: each is
read on a thread and sent before the next is read, so that a slow reader slows the reading down."""

import asyncio
import re
from collections.abc import AsyncIterator, Mapping
from typing import Any, BinaryIO

from litestar import Response
from litestar.response import Stream

from clicktodial.control.error import Overloaded
from clicktodial.portal.page import Clip

PIECE_BYTES = 256 * 1024
# Each is a connection, an open file and a piece in memory.
CLIPS_MAX = 64
_RANGE = re.compile(rb"bytes=([0-9]{0,15})-([0-9]{0,15})")


class RangeNotSatisfiable(Exception):
    """The file has no such part."""


def parse_range(header: bytes | None, size: int) -> tuple[int, int] | None:
    """The first byte and the one behind the last; None for the whole, also where the header is
    none that we understand (RFC 9110 14.2). Raises RangeNotSatisfiable."""
    match = None if header is None else _RANGE.fullmatch(header.strip())
    if match is None or match[0] == b"bytes=-":
        return None
    first, last = match[1], match[2]
    if not first:
        begin, end = max(0, size - int(last)), size
    else:
        begin, end = int(first), min(size, int(last) + 1 if last else size)
        if last and int(last) < begin:
            return None
    if begin >= end:
        raise RangeNotSatisfiable
    return begin, end


class ClipSender:
    """Sends so many at a time."""

    def __init__(self) -> None:
        self._sending = 0

    async def send(
        self, clip: Clip, range_header: bytes | None, headers: Mapping[str, str]
    ) -> Response[Any]:
        """The answer. Raises Overloaded, and what opening the file does."""
        if self._sending >= CLIPS_MAX:
            raise Overloaded(retry_after_s=5)
        name = re.sub(r"[^A-Za-z0-9._-]", "_", clip.file_name)
        kind = "attachment" if clip.is_attachment else "inline"
        sent = {
            **headers,
            "Content-Disposition": f'{kind}; filename="{name}"',
            "Accept-Ranges": "bytes",
        }
        try:
            part = parse_range(range_header, clip.size)
        except RangeNotSatisfiable:
            sent["Content-Range"] = f"bytes */{clip.size}"
            return Response(b"", status_code=416, media_type="text/plain", headers=sent)
        begin, end = part or (0, clip.size)
        if part is not None:
            sent["Content-Range"] = f"bytes {begin}-{end - 1}/{clip.size}"
        sent["Content-Length"] = str(end - begin)
        file = await asyncio.to_thread(clip.open)
        return Stream(
            self._pieces(file, begin, end),
            status_code=200 if part is None else 206,
            media_type=clip.media_type,
            headers=sent,
        )

    async def _pieces(self, file: BinaryIO, begin: int, end: int) -> AsyncIterator[bytes]:
        self._sending += 1
        try:
            await asyncio.to_thread(file.seek, begin)
            while begin < end:
                piece = await asyncio.to_thread(file.read, min(PIECE_BYTES, end - begin))
                if not piece:
                    return  # it became shorter: the connection ends short of its length
                begin += len(piece)
                yield piece
        finally:
            self._sending -= 1
            file.close()
