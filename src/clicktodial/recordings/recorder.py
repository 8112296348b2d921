"""Makes recordings of captures in the background, and tells the truth about the result."""

import re
from datetime import UTC, datetime
from pathlib import Path

import structlog

from clicktodial.config import RecordingSettings
from clicktodial.control.port import Capture, RecordingCatalog, RecordingOutcome, StoreError
from clicktodial.domain.event import RecordingResult
from clicktodial.domain.identifier import AppId, CallId, RecordingId
from clicktodial.domain.recording import Recording
from clicktodial.recordings.render import Rendered, RenderJob
from clicktodial.recordings.worker_pool import WorkerError, WorkerPool

log = structlog.get_logger()

_SAFE_IDENTIFIER = re.compile(r"[0-9A-Za-z_-]{1,64}")


class FileRecorder:
    """Implements control.port.Recorder: `<root>/YYYY/MM/DD/<recording id>.<format>`, stereo at
    8 kHz, or 16 where a side spoke wideband; caller left, callee right; WAV is PCM of 16 bits.

    A capture is deleted once its recording is in the catalog, or when it holds no audio. One
    that failed stays where it is, and `finish` may be asked for it again.
    """

    def __init__(self, root: Path, catalog: RecordingCatalog, settings: RecordingSettings) -> None:
        self._root = root.absolute()
        self._catalog = catalog
        self._format = settings.format
        self._pool = WorkerPool(settings.workers)

    async def start(self) -> None:
        """Start the first worker. Raises OSError."""
        self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
        await self._pool.start()

    async def close(self) -> None:
        """End the workers. What they had not finished fails, and its captures stay."""
        await self._pool.close()

    async def finish(
        self, recording_id: RecordingId, call_id: CallId, app_id: AppId, capture: Capture
    ) -> RecordingOutcome:
        """See control.port.Recorder."""
        if not capture.caller_paths and not capture.callee_paths:
            return RecordingOutcome(RecordingResult.NO_RECORD)
        bound = log.bind(recording_id=recording_id, call_id=call_id)
        if _SAFE_IDENTIFIER.fullmatch(recording_id) is None:
            bound.error("recording.failed", error="the identifier cannot be a file's name")
            return RecordingOutcome(RecordingResult.FAIL)
        created_at = datetime.now(UTC)
        key = _create_key(recording_id, capture.started_at, created_at, self._format)
        try:
            rendered = await self._pool.run(RenderJob.of(capture, str(self._root / key)))
            if rendered.size_bytes:
                recording = _create_recording(
                    recording_id, call_id, app_id, key=key, rendered=rendered, at=created_at
                )
                await self._catalog.add(recording)
        except (WorkerError, StoreError) as error:
            bound.error(
                "recording.failed",
                error=str(error),
                caller_paths=capture.caller_paths,
                callee_paths=capture.callee_paths,
            )
            return RecordingOutcome(RecordingResult.FAIL)
        if rendered.findings:
            # The file is kept, and so are the captures, for whoever has to find out why.
            bound.error("recording.doubtful", findings=rendered.findings)
            return _create_outcome(RecordingResult.FAIL, rendered)
        _delete_capture(capture)
        if not rendered.size_bytes:
            return RecordingOutcome(RecordingResult.NO_RECORD)
        bound.info("recording.published", duration_ms=rendered.duration_ms)
        return _create_outcome(RecordingResult.SUCCESS, rendered)


def _create_outcome(result: RecordingResult, rendered: Rendered) -> RecordingOutcome:
    return RecordingOutcome(result, rendered.caller_silence_s, rendered.callee_silence_s)


def _create_key(
    recording_id: RecordingId, started_at: float | None, now: datetime, suffix: str
) -> str:
    """Named by the day on which the recording started, so that every try names the same."""
    day = now if started_at is None else datetime.fromtimestamp(started_at, UTC)
    return f"{day:%Y/%m/%d}/{recording_id}.{suffix}"


def _create_recording(
    recording_id: RecordingId,
    call_id: CallId,
    app_id: AppId,
    *,
    key: str,
    rendered: Rendered,
    at: datetime,
) -> Recording:
    return Recording(
        recording_id=recording_id,
        call_id=call_id,
        app_id=app_id,
        key=key,
        size_bytes=rendered.size_bytes,
        duration_ms=rendered.duration_ms,
        sha256=rendered.sha256,
        created_at=at,
    )


def _delete_capture(capture: Capture) -> None:
    for path in (*capture.caller_paths, *capture.callee_paths):
        try:
            Path(path).unlink(missing_ok=True)
        except OSError as error:
            log.warning("capture.not_deleted", path=path, error=error.strerror)
