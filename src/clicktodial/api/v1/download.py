"""recordingdownload: a file as base64 inside JSON, in constant memory whatever its length.

The answer's length follows from the file's, so it goes out with Content-Length, piece by piece:
each is read and encoded on a thread and sent before the next is read, which is how a slow
reader slows the reading down.
"""

import asyncio
import base64
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import BinaryIO, TypeAlias

import structlog
from litestar.types import Receive, Send

from clicktodial.api.response import JSON_CONTENT_TYPE, start_response
from clicktodial.api.v1.error import (
    CALL_ID_ERROR,
    RECORDING_ID_ERROR,
    SERVICE_UNAVAILABLE,
    Refused,
)
from clicktodial.api.v1.mapping import render_download_frame
from clicktodial.control.port import RecordingCatalog
from clicktodial.domain.identifier import AppId, CallId, RecordingId
from clicktodial.domain.recording import Recording

# A multiple of three, so that pieces of base64 join without padding between them; large enough
# that the hop to a thread is lost in the reading, small enough to hold for every download.
PIECE_BYTES = 3 * 128 * 1024
# Each download holds about 2 MB and a connection. More of them must wait their turn.
DOWNLOADS_MAX = 64
DOWNLOAD_RETRY_AFTER_S = 10
# A reader that takes not one piece in this time is gone, though its connection may stand.
STALLED_AFTER_S = 60.0

log = structlog.get_logger()

IsKnownCall: TypeAlias = Callable[[CallId, AppId], Awaitable[bool]]


class RecordingTruncated(Exception):
    """The file became shorter while it was sent."""


class RecordingDownload:
    """Finds recordings and sends them."""

    stalled_after_s = STALLED_AFTER_S

    def __init__(
        self,
        *,
        recordings: RecordingCatalog,
        is_known_call: IsKnownCall,
        root: Path,
    ) -> None:
        self._recordings = recordings
        self._is_known_call = is_known_call
        self._root = root
        self._active = 0

    async def send(
        self,
        app_id: AppId,
        call_id: CallId,
        recording_id: RecordingId | None,
        receive: Receive,
        send: Send,
    ) -> None:
        """Answer with the recording, or raise Refused before anything is sent."""
        if self._active >= DOWNLOADS_MAX:
            raise Refused(SERVICE_UNAVAILABLE, retry_after_s=DOWNLOAD_RETRY_AFTER_S)
        self._active += 1
        try:
            recording = await self._find(app_id, call_id, recording_id)
            file = await self._open(recording)
            try:
                await self._send_file(file, recording, receive, send)
            finally:
                file.close()
        finally:
            self._active -= 1

    async def _find(
        self, app_id: AppId, call_id: CallId, recording_id: RecordingId | None
    ) -> Recording:
        recording = None
        if recording_id is not None:
            recording = await self._recordings.find(recording_id, call_id, app_id)
        if recording is None:
            is_known = await self._is_known_call(call_id, app_id)
            raise Refused(RECORDING_ID_ERROR if is_known else CALL_ID_ERROR)
        return recording

    async def _open(self, recording: Recording) -> BinaryIO:
        try:
            file, size = await asyncio.to_thread(_open_sized, self._root / recording.key)
        except OSError as error:
            log.error(
                "recording.missing",
                recording_id=recording.recording_id,
                key=recording.key,
                error=str(error),
            )
            raise Refused(RECORDING_ID_ERROR) from error
        if size != recording.size_bytes:
            file.close()
            log.error(
                "recording.damaged",
                recording_id=recording.recording_id,
                key=recording.key,
                size_bytes=size,
                size_bytes_expected=recording.size_bytes,
            )
            raise Refused(RECORDING_ID_ERROR)
        return file

    async def _send_file(
        self, file: BinaryIO, recording: Recording, receive: Receive, send: Send
    ) -> None:
        head, tail = render_download_frame()
        encoded_bytes = 4 * -(-recording.size_bytes // 3)
        await start_response(
            send,
            200,
            content_type=JSON_CONTENT_TYPE,
            content_length=len(head) + encoded_bytes + len(tail),
        )
        disconnection = asyncio.create_task(_wait_for_disconnection(receive))
        try:
            await self._send_piece(send, head)
            remaining = recording.size_bytes
            while remaining and not disconnection.done():
                size = min(remaining, PIECE_BYTES)
                await self._send_piece(send, await asyncio.to_thread(_read_encoded, file, size))
                remaining -= size
            if not remaining:
                await self._send_piece(send, tail, is_last=True)
        except TimeoutError:
            # Returning without an end makes the server close the connection.
            log.warning("recording.reader_stalled", recording_id=recording.recording_id)
        finally:
            disconnection.cancel()
            await asyncio.gather(disconnection, return_exceptions=True)

    async def _send_piece(self, send: Send, piece: bytes, *, is_last: bool = False) -> None:
        async with asyncio.timeout(self.stalled_after_s):
            await send({"type": "http.response.body", "body": piece, "more_body": not is_last})


def _open_sized(path: Path) -> tuple[BinaryIO, int]:
    file = path.open("rb", buffering=0)
    return file, os.fstat(file.fileno()).st_size


def _read_encoded(file: BinaryIO, size_bytes: int) -> bytes:
    """The next `size_bytes` of an unbuffered file as base64; raises RecordingTruncated."""
    pieces = []
    missing = size_bytes
    while missing:
        piece = file.read(missing)
        if not piece:
            raise RecordingTruncated
        pieces.append(piece)
        missing -= len(piece)
    return base64.b64encode(b"".join(pieces) if len(pieces) > 1 else pieces[0])


async def _wait_for_disconnection(receive: Receive) -> None:
    # The body was read to its end, so the server has nothing else to say.
    while (await receive())["type"] != "http.disconnect":
        pass
