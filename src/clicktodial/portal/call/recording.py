"""A call's recording: heard, looked at, taken away. Each of them is told to the audit log."""

from clicktodial.portal.call.list import CHANGERS
from clicktodial.portal.needs import ConsoleNeeds
from clicktodial.portal.page import Answer, Clip, Page, View, Visit
from clicktodial.portal.text import mark
from clicktodial.recordings.peaks import PeaksUnreadable, read_peaks
from clicktodial.recordings.store import RecordingFileError
from clicktodial.storage.error import NotFound

MEDIA_TYPES = {"wav": "audio/wav", "ogg": "audio/ogg", "mp3": "audio/mpeg"}
# Bars of the picture: as many as a phone's width has room for.
BARS = 240


class RecordingPages:
    """GET /calls/{call_id}/recording, and its picture"""

    def __init__(self, needs: ConsoleNeeds) -> None:
        self._needs = needs

    async def hear(self, visit: Visit) -> Answer:
        """The file, or the part that the browser asks for."""
        call_id, files = visit.path["call_id"], self._needs.recording_files
        recording, visit.notes.enterprise_id = await self._needs.worker.run(
            lambda: self._needs.call_files.recording(visit.principal, call_id)
        )
        visit.notes.subjects["recording_id"] = recording.recording_id
        suffix = recording.key.rpartition(".")[2]
        return Clip(
            lambda: files.open(recording.key),
            recording.size_bytes,
            f"{recording.recording_id}.{suffix}",
            MEDIA_TYPES[suffix],
            is_attachment="download" in visit.query,
        )

    async def draw(self, visit: Visit) -> Answer:
        """How loud each of the two was over its length."""
        call_id, files = visit.path["call_id"], self._needs.recording_files

        def read() -> tuple[int, list[list[float]]]:
            recording, _ = self._needs.call_files.recording(visit.principal, call_id)
            try:
                with files.open(recording.key) as file:
                    peaks = read_peaks(file, BARS)
            except (RecordingFileError, PeaksUnreadable) as error:
                raise NotFound(f"the recording of call {call_id} cannot be read") from error
            return recording.duration_ms, [list(channel) for channel in peaks]

        duration_ms, peaks = await self._needs.worker.run(read)
        return View(
            "call/waveform.html",
            {"call_id": call_id, "peaks": peaks, "duration_s": round(duration_ms / 1_000)},
        )

    def pages(self) -> list[Page]:
        """What is shown."""
        return [
            Page(
                name="recording",
                path="/calls/{call_id}/recording",
                title=mark("Recording"),
                roles=CHANGERS,
                show=self.hear,
                parent="call",
                is_access=True,
                is_file=True,
            ),
            Page(
                name="waveform",
                path="/calls/{call_id}/waveform",
                title=mark("Waveform of a recording"),
                roles=CHANGERS,
                show=self.draw,
                parent="call",
            ),
        ]
