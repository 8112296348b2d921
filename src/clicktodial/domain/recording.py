"""Recordings: what is kept of a call's audio."""

from dataclasses import dataclass
from datetime import datetime

from clicktodial.domain.identifier import AppId, CallId, RecordingId


@dataclass(frozen=True, slots=True)
class Recording:
    """A published recording. `key` is its path below the store's root; times are UTC."""

    recording_id: RecordingId
    call_id: CallId
    app_id: AppId
    key: str
    size_bytes: int
    duration_ms: int
    sha256: str
    created_at: datetime
