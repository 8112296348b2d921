"""What can happen to a call: the inputs of its state machine (call.py)."""

from dataclasses import dataclass
from typing import TypeAlias

from clicktodial.domain.cause import LegCause, Side
from clicktodial.domain.event import RecordingResult
from clicktodial.domain.media import MediaDescription


@dataclass(frozen=True, slots=True)
class CallStarted:
    """The call is durable and its relay is open."""


@dataclass(frozen=True, slots=True)
class LegRinging:
    """The network says that the phone rings."""

    side: Side


@dataclass(frozen=True, slots=True)
class LegEarlyMedia:
    """The network sends audio before the answer."""

    side: Side
    media: MediaDescription


@dataclass(frozen=True, slots=True)
class LegAnswered:
    """The party picked up."""

    side: Side
    media: MediaDescription


@dataclass(frozen=True, slots=True)
class LegEnded:
    """A leg is over, and not by our hand."""

    side: Side
    cause: LegCause


@dataclass(frozen=True, slots=True)
class ReleaseRequested:
    """The application sent EndCall."""


@dataclass(frozen=True, slots=True)
class ContinueRequested:
    """The application sent Continue."""


@dataclass(frozen=True, slots=True)
class MediaFailed:
    """The relay could not be opened or used, or no packet came from either side for too long."""

    detail: str


@dataclass(frozen=True, slots=True)
class PromptEnded:
    """That side heard an announcement to its end."""

    side: Side


@dataclass(frozen=True, slots=True)
class PlatformStopping:
    """The process is going down and takes its calls with it."""


@dataclass(frozen=True, slots=True)
class RecordingFinished:
    """The recording of an ended call is known."""

    result: RecordingResult


CallInput: TypeAlias = (
    CallStarted
    | LegRinging
    | LegEarlyMedia
    | LegAnswered
    | LegEnded
    | ReleaseRequested
    | ContinueRequested
    | MediaFailed
    | PromptEnded
    | PlatformStopping
    | RecordingFinished
)
