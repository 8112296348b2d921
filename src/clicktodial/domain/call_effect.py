"""What a call's state machine (call.py) asks its shell to do."""

from dataclasses import dataclass
from typing import TypeAlias

from clicktodial.domain.cause import Side
from clicktodial.domain.event import StatusEvent
from clicktodial.domain.media import Codec, MediaDescription
from clicktodial.domain.plan import Prompt


@dataclass(frozen=True, slots=True)
class PlaceLeg:
    """Dial that side, offering these codecs at the relay's address for it."""

    side: Side
    codecs: tuple[Codec, ...]
    dtmf: Codec | None


@dataclass(frozen=True, slots=True)
class HangUpLeg:
    """End that leg in whatever state it is: CANCEL or BYE."""

    side: Side


@dataclass(frozen=True, slots=True)
class SetRemoteMedia:
    """That side's audio goes to this address from now on."""

    side: Side
    media: MediaDescription


@dataclass(frozen=True, slots=True)
class Play:
    """Let that side hear this in place of the other.

    Where it `is_announcement`, PromptEnded is owed to the machine, and MediaFailed where it cannot
    be played; else a prompt that cannot be played is missed, and no more.
    """

    side: Side
    prompt: Prompt
    is_announcement: bool = False


@dataclass(frozen=True, slots=True)
class StopPlaying:
    """Silence whatever the relay plays to that side."""

    side: Side


@dataclass(frozen=True, slots=True)
class StartRecording:
    """Capture both directions from here on."""


@dataclass(frozen=True, slots=True)
class CloseMedia:
    """Release the relay; when `finish_recording`, a RecordingFinished is owed to the machine."""

    finish_recording: bool


@dataclass(frozen=True, slots=True)
class EmitEvent:
    """Append this event to the call, durably, and deliver it."""

    event: StatusEvent


@dataclass(frozen=True, slots=True)
class PersistCall:
    """The call's row changed without an event."""


Effect: TypeAlias = (
    PlaceLeg
    | HangUpLeg
    | SetRemoteMedia
    | Play
    | StopPlaying
    | StartRecording
    | CloseMedia
    | EmitEvent
    | PersistCall
)
