"""recordingdownload: finds the recording of a call, and sends it as base64 inside JSON."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import BinaryIO, TypeAlias

import structlog
from litestar.types import Receive, Send

from clicktodial.api.base64_file import STALLED_AFTER_S, open_sized, send_file
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

# Each download holds about 2 MB and a connection. More of them must wait their turn.
DOWNLOADS_MAX = 64
DOWNLOAD_RETRY_AFTER_S = 10

log = structlog.get_logger()

IsKnownCall: TypeAlias = Callable[[CallId, AppId], Awaitable[bool]]


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
                await send_file(
                    file,
                    recording.size_bytes,
                    render_download_frame(),
                    receive,
                    send,
                    stalled_after_s=self.stalled_after_s,
                )
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
            file, size = await asyncio.to_thread(open_sized, self._root / recording.key)
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
