"""What carries audio, and what becomes of the captures of a process that died."""

from typing import TypeAlias

from clicktodial.config import Settings
from clicktodial.control.reaper import OpenCall, RecordingFate
from clicktodial.domain.event import RecordingResult
from clicktodial.media.audio_library import AudioLibrary
from clicktodial.media.rtpengine.fleet import RtpengineFleet
from clicktodial.media.rtpio import RtpioRelay
from clicktodial.recordings.recorder import FileRecorder

AnyRelay: TypeAlias = RtpioRelay | RtpengineFleet


def create_relay(settings: Settings, library: AudioLibrary, node_id: str) -> AnyRelay:
    """The driver that the settings name, not started yet."""
    spool_dir = settings.data_dir / "spool"
    if settings.media.driver == "rtpio":
        return RtpioRelay(settings.media, spool_dir, library)
    return RtpengineFleet(settings.media, spool_dir, settings.rtpengine_dir, library, owner=node_id)


def create_recording_fate(relay: AnyRelay, recorder: FileRecorder) -> RecordingFate:
    """Finishes, from what the relay had captured, the recordings of a process that died."""
    captures = relay.recoverable_captures()

    async def finish(call: OpenCall) -> RecordingResult:
        capture = captures.get(call.call_id)
        if capture is None or call.recording_id is None:
            return RecordingResult.NO_RECORD
        outcome = await recorder.finish(call.recording_id, call.call_id, call.app_id, capture)
        return outcome.result

    return finish
