"""What can happen to a call: the inputs of its state machine (call.py)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from clicktodial.domain.cause import LegCause, Side
from clicktodial.domain.event import RecordingResult
from clicktodial.domain.leg import CallQuality, TracedMessage
from clicktodial.domain.media import MediaDescription
from clicktodial.domain.plan import AnswerVerdict


@dataclass(frozen=True, slots=True)
class CallStarted:
    """The call is durable and its relay is open."""


@dataclass(frozen=True, slots=True)
class LegRouted:
    """The leg, which was not answered, was dialled through that trunk last; None of what is not
    known."""

    side: Side
    trunk: str | None
    sip_call_id: str | None


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
    """The party picked up, through that trunk; None of what is not known."""

    side: Side
    media: MediaDescription
    trunk: str | None = None
    sip_call_id: str | None = None


@dataclass(frozen=True, slots=True)
class LegMediaChanged:
    """What the answered party does with its audio from now on; its first codec is in use."""

    side: Side
    media: MediaDescription


@dataclass(frozen=True, slots=True)
class LegEnded:
    """A leg is over, and not by our hand."""

    side: Side
    cause: LegCause


@dataclass(frozen=True, slots=True)
class ReleaseRequested:
    """The application wants the call to end, where what it says besides holds.

    `only_unconnected`: the parties are not joined. `after_s`: so long since the joining, or since
    begin in a call that is not joined.
    """

    only_unconnected: bool = False
    after_s: int = 0


@dataclass(frozen=True, slots=True)
class ContinueRequested:
    """The application sent Continue."""


@dataclass(frozen=True, slots=True)
class MuteRequested:
    """What that side says is to be kept from the other and from the recording, or no longer."""

    side: Side
    muted: bool


@dataclass(frozen=True, slots=True)
class HoldRequested:
    """That side is to wait, hearing the hold prompt, or no longer."""

    side: Side
    held: bool


@dataclass(frozen=True, slots=True)
class RecordingPauseRequested:
    """Nothing is to be recorded for a while, or again."""

    paused: bool


@dataclass(frozen=True, slots=True)
class MediaFailed:
    """The relay could not be opened or used, or no packet came from either side for too long."""

    detail: str


@dataclass(frozen=True, slots=True)
class PromptEnded:
    """That side heard a prompt of which this is told to its end."""

    side: Side


@dataclass(frozen=True, slots=True)
class KeyPressed:
    """That side pressed a key, whichever way it was told: one of 0-9, *, #, A-D."""

    side: Side
    digit: str


@dataclass(frozen=True, slots=True)
class VoiceJudged:
    """Who seems to speak on that side."""

    side: Side
    verdict: AnswerVerdict


@dataclass(frozen=True, slots=True)
class PlatformStopping:
    """The process is going down and takes its calls with it."""


@dataclass(frozen=True, slots=True)
class ServiceWithdrawn:
    """The enterprise may use the service no longer, and its running calls end."""


@dataclass(frozen=True, slots=True)
class MinutesExtended:
    """The call may last so long as it now is, counted from the joining."""

    covered_s: int


@dataclass(frozen=True, slots=True)
class MinutesRefused:
    """The call may last no longer than it may already."""


@dataclass(frozen=True, slots=True)
class SignalsTraced:
    """What was kept of the SIP messages of a call that is over."""

    messages: Mapping[Side, tuple[TracedMessage, ...]]


@dataclass(frozen=True, slots=True)
class QualityMeasured:
    """What the relay says of a conversation that is over."""

    quality: CallQuality


@dataclass(frozen=True, slots=True)
class RecordingFinished:
    """The recording of an ended call is known.

    `*_silence_s` is how long that side said nothing in it; None where nobody measured.
    """

    result: RecordingResult
    caller_silence_s: int | None = None
    callee_silence_s: int | None = None


CallInput: TypeAlias = (
    CallStarted
    | LegRouted
    | LegRinging
    | LegEarlyMedia
    | LegAnswered
    | LegMediaChanged
    | LegEnded
    | ReleaseRequested
    | ContinueRequested
    | MuteRequested
    | HoldRequested
    | RecordingPauseRequested
    | MediaFailed
    | PromptEnded
    | KeyPressed
    | VoiceJudged
    | PlatformStopping
    | ServiceWithdrawn
    | MinutesExtended
    | MinutesRefused
    | QualityMeasured
    | SignalsTraced
    | RecordingFinished
)
