"""getRecording: the audio as base64 inside JSON, made smaller where the document's bound wants it.

A file that fits goes out as it is stored. One that does not is encoded as OGG/Opus while the client
waits, one at a time on a thread of low priority, into a file without a name that is gone with the
answer: nothing is kept that whoever deletes recordings would not know of.
"""

import asyncio
import os
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO

import msgspec
import structlog
from litestar.types import Receive, Send

from clicktodial.api.base64_file import (
    base64_bytes,
    open_sized,
    send_file,
    wait_for_disconnection,
)
from clicktodial.api.camara.error import NOT_FOUND, UNAVAILABLE, Refused
from clicktodial.api.camara.mapping import render_time
from clicktodial.api.response import Headers
from clicktodial.control.port import RecordingCatalog
from clicktodial.domain.identifier import AppId
from clicktodial.domain.recording import Recording
from clicktodial.recordings.compact import (
    COMPACT_SUFFIX,
    CompactError,
    CompactUnwanted,
    write_compact,
)
from clicktodial.storage.call_view import CallView
from clicktodial.web.request import ClientDisconnected

# The document's maxLength of RecordingResource.content, in characters.
CONTENT_CHARACTERS_MAX = 20_971_520
# Each holds about 2 MB and a connection. More of them must wait their turn.
DOWNLOADS_MAX = 64
# To be encoded, with the one that is: each takes a second of a processor for two minutes of audio.
COMPACTIONS_MAX = 4
RETRY_AFTER_S = 10
# Calls go first: see setpriority(2); on Linux it is the thread's own.
_NICE = 10
_CONTENT_TYPES = {".wav": "audio/wav", ".ogg": "audio/ogg", ".mp3": "audio/mpeg"}

log = structlog.get_logger()


class Recordings:
    """Finds recordings and sends them."""

    def __init__(
        self,
        catalog: RecordingCatalog,
        root: Path,
        *,
        content_characters_max: int = CONTENT_CHARACTERS_MAX,
    ) -> None:
        self._catalog = catalog
        self._root = root
        self._content_characters_max = content_characters_max
        self._active = 0
        self._compacting = 0
        self._executor = ThreadPoolExecutor(
            1, thread_name_prefix="recording-compact", initializer=_lower_priority
        )

    async def close(self) -> None:
        """Wait for what is encoded, without holding up the loop."""
        await asyncio.to_thread(self._executor.shutdown, wait=True, cancel_futures=True)

    async def send(
        self, app_id: AppId, call: CallView, headers: Headers, receive: Receive, send: Send
    ) -> None:
        """Answer with the recording, or raise Refused before anything is sent."""
        if self._active >= DOWNLOADS_MAX:
            raise Refused(UNAVAILABLE, retry_after_s=RETRY_AFTER_S)
        self._active += 1
        try:
            recording = await self._find(app_id, call)
            file = await self._open(recording)
            try:
                await self._send(file, recording, headers, receive, send)
            finally:
                file.close()
        finally:
            self._active -= 1

    async def _find(self, app_id: AppId, call: CallView) -> Recording:
        recording = None
        if call.recording_id is not None:
            recording = await self._catalog.find(call.recording_id, call.call_id, app_id)
        if recording is None:
            raise Refused(NOT_FOUND, "The call has no recording, or not yet.")
        return recording

    async def _open(self, recording: Recording) -> BinaryIO:
        key = recording.key
        try:
            file, size = await asyncio.to_thread(open_sized, self._root / key)
        except OSError as error:
            log.error("recording.missing", recording_id=recording.recording_id, error=str(error))
            raise Refused(NOT_FOUND, "The recording is no longer kept.") from error
        if size != recording.size_bytes:
            file.close()
            log.error("recording.damaged", recording_id=recording.recording_id, size_bytes=size)
            raise Refused(NOT_FOUND, "The recording is no longer kept.")
        return file

    async def _send(
        self,
        file: BinaryIO,
        recording: Recording,
        headers: Headers,
        receive: Receive,
        send: Send,
    ) -> None:
        suffix, size = Path(recording.key).suffix, recording.size_bytes
        if base64_bytes(size) <= self._content_characters_max:
            frame = _render_frame(recording, suffix)
            await send_file(file, size, frame, receive, send, headers=headers)
            return
        with tempfile.TemporaryFile(dir=self._root, buffering=0) as compact:
            size = await self._compact(recording, compact, receive)
            compact.seek(0)
            frame = _render_frame(recording, COMPACT_SUFFIX)
            await send_file(compact, size, frame, receive, send, headers=headers)

    async def _compact(self, recording: Recording, target: BinaryIO, receive: Receive) -> int:
        """How long it became. Raises Refused, ClientDisconnected."""
        if self._compacting >= COMPACTIONS_MAX:
            raise Refused(UNAVAILABLE, retry_after_s=RETRY_AFTER_S)
        is_unwanted = threading.Event()
        waiting = asyncio.create_task(wait_for_disconnection(receive))
        waiting.add_done_callback(lambda _: is_unwanted.set())
        self._compacting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(
                self._executor,
                write_compact,
                self._root / recording.key,
                target,
                # Whole groups of base64, so that the text is no longer than that either.
                self._content_characters_max // 4 * 3,
                lambda: not is_unwanted.is_set(),
            )
        except CompactUnwanted as error:
            raise ClientDisconnected from error
        except CompactError as error:
            log.error(
                "recording.not_compacted", recording_id=recording.recording_id, error=str(error)
            )
            raise Refused(NOT_FOUND, "The recording is too long for this API.") from error
        finally:
            self._compacting -= 1
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)


def _lower_priority() -> None:
    os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)


class _Head(msgspec.Struct, rename="camel"):
    call_id: str
    content_type: str
    generated_at: str
    content: str = ""


def _render_frame(recording: Recording, suffix: str) -> tuple[bytes, bytes]:
    """What stands before and after the base64 text of `content`."""
    whole = msgspec.json.encode(
        _Head(
            call_id=recording.call_id,
            content_type=_CONTENT_TYPES[suffix],
            generated_at=render_time(recording.created_at),
        )
    )
    end = b'"}'
    return whole.removesuffix(end), end
