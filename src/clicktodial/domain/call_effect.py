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

    Where it `is_required` and cannot be played, MediaFailed is owed to the machine; else it is
    missed, and no more. Where it `tells_end`, PromptEnded is owed, and at once where it is missed.
    """

    side: Side
    prompt: Prompt
    is_required: bool = False
    tells_end: bool = False


@dataclass(frozen=True, slots=True)
class StopPlaying:
    """Silence whatever the relay plays to that side."""

    side: Side


@dataclass(frozen=True, slots=True)
class Listen:
    """Tell the machine of that side's keys and, where it `judges_answer`, of who seems to speak.

    Where the relay cannot, MediaFailed is owed.
    """

    side: Side
    judges_answer: bool


@dataclass(frozen=True, slots=True)
class StopListening:
    """Nobody wants to know more of that side."""

    side: Side


@dataclass(frozen=True, slots=True)
class SetMuted:
    """Whether the other side, and the recording, hear that side. MediaFailed is owed where the
    relay cannot: whoever was told that nobody hears must not be heard."""

    side: Side
    muted: bool


@dataclass(frozen=True, slots=True)
class SetPatient:
    """Whether the silence of both sides is to be expected."""

    patient: bool


@dataclass(frozen=True, slots=True)
class StartRecording:
    """Capture both directions from here on."""


@dataclass(frozen=True, slots=True)
class PauseRecording:
    """Capture nothing. MediaFailed is owed where the relay cannot, as of SetMuted."""


@dataclass(frozen=True, slots=True)
class ResumeRecording:
    """Capture again."""


@dataclass(frozen=True, slots=True)
class CloseMedia:
    """Release the relay; when `finish_recording`, a RecordingFinished is owed to the machine."""

    finish_recording: bool


@dataclass(frozen=True, slots=True)
class EmitEvent:
    """Append this event to the call, durably, and deliver it."""

    event: StatusEvent


@dataclass(frozen=True, slots=True)
class ExtendMinutes:
    """Hold more minutes for the call; MinutesExtended or MinutesRefused is owed."""


@dataclass(frozen=True, slots=True)
class PersistCall:
    """The call's row changed without an event."""


Effect: TypeAlias = (
    PlaceLeg
    | HangUpLeg
    | SetRemoteMedia
    | Play
    | StopPlaying
    | Listen
    | StopListening
    | SetMuted
    | SetPatient
    | StartRecording
    | PauseRecording
    | ResumeRecording
    | CloseMedia
    | EmitEvent
    | PersistCall
    | ExtendMinutes
)
