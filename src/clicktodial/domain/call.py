"""The state machine of one call.

Theory of operation. A call is two outgoing legs and a relay between them (RFC 3725, media
anchored). Its shell feeds `handle()` with what happened (a leg rang, answered, ended; the
application released) and `handle_timeout()` with the passing of time, and carries out the
effects that come back, in their order. The machine reads no clock and does no I/O, so every
race is a sequence of inputs that a test can write down.

    INITIATING --start--> CALLING_CALLER --answer--> CALLING_CALLEE --answer--> CONNECTED
                               |                          |  |                     ^ |
                               |                          |  +--> ANNOUNCING ------+ |
                               +------ any ending --------+-----------+--------------+
                                                          |
                                       recorded after CONNECTED? -> FINISHING -> ENDED
                                                    otherwise ------------------> ENDED

ANNOUNCING is passed through where the options name an announcement: both have answered, and hear
it before they hear each other. Nobody is charged before CONNECTED.

Every ending passes through `_end()`, which hangs up the legs that live, closes the media and
emits the one terminal event; a recorded call emits it from FINISHING, when the recording's
result is known or RECORDING_DEADLINE_S has passed. A pair (state, input) that the table does
not name raises CallStateError and changes nothing; inputs that may arrive late by design (a leg
that ends after we hung it up) are named and ignored.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, TypeAlias

from clicktodial.domain.call_effect import (
    CloseMedia,
    Effect,
    EmitEvent,
    HangUpLeg,
    PersistCall,
    PlaceLeg,
    Play,
    SetRemoteMedia,
    StartRecording,
    StopPlaying,
)
from clicktodial.domain.call_input import (
    CallInput,
    CallStarted,
    ContinueRequested,
    LegAnswered,
    LegEarlyMedia,
    LegEnded,
    LegRinging,
    MediaFailed,
    PlatformStopping,
    PromptEnded,
    RecordingFinished,
    ReleaseRequested,
)
from clicktodial.domain.cause import (
    HANG_UP_CAUSE,
    RING_TIMEOUT_CAUSE,
    EndReason,
    LegCause,
    LegOutcome,
    Side,
    reason_of_unanswered,
)
from clicktodial.domain.event import CallStatus, RecordingResult, StatusEvent
from clicktodial.domain.identifier import AppId, CallId, RecordingId
from clicktodial.domain.leg import LegRecord
from clicktodial.domain.media import OFFERED_CODECS, TELEPHONE_EVENT, Codec, MediaDescription
from clicktodial.domain.media import chosen_codec as choose_codec
from clicktodial.domain.number import PhoneNumber
from clicktodial.domain.plan import (
    DEFAULT_OPTIONS,
    CallOptions,
    Prompt,
    Ringback,
)

# A callee that answers at once is never worth a tone; a person notices silence much later.
RINGBACK_DELAY_S = 0.2
# Longer than any audio of the library: it ends by itself, unless the relay has lost it.
ANNOUNCEMENT_DEADLINE_S = 70.0
# Disconnected is promised within 5 s of hang-up; the rest is for writing and sending it.
RECORDING_DEADLINE_S = 4.5


class CallStateError(Exception):
    """The input has no meaning in the call's state."""


class CallState(StrEnum):
    """Where a call stands."""

    INITIATING = "initiating"
    CALLING_CALLER = "callingCaller"
    CALLING_CALLEE = "callingCallee"
    ANNOUNCING = "announcing"
    CONNECTED = "connected"
    FINISHING = "finishing"
    ENDED = "ended"


class SendDirection(StrEnum):
    """To whom a message goes after the call (click-to-dial-v1 4.2)."""

    MO = "MO"
    MT = "MT"
    BOTH = "BOTH"


class EndStage(StrEnum):
    """How far a call had come when it ended."""

    CALLING_CALLER = "calling-caller"
    CALLING_CALLEE = "calling-callee"
    CONNECTED = "connected"


class EndedBy(StrEnum):
    """Who ended a call."""

    CALLER = "caller"
    CALLEE = "callee"
    APPLICATION = "application"
    PLATFORM = "platform"


@dataclass(frozen=True, slots=True)
class CallPlan:
    """What was asked for, with the limits that hold for this call; fixed at begin.

    `application_max_duration_s` is the application's own cut-off, which Continue lifts;
    `max_duration_s` is the platform's, which nothing lifts. Both count from the joining.
    """

    call_id: CallId
    app_id: AppId
    sponsor: PhoneNumber
    caller: PhoneNumber
    callee: PhoneNumber
    recording_id: RecordingId | None
    send_direction: SendDirection | None
    caller_ring_timeout_s: int
    callee_ring_timeout_s: int
    max_duration_s: int
    application_max_duration_s: int | None = None
    options: CallOptions = DEFAULT_OPTIONS

    def shown(self, side: Side) -> str:
        """The number that side is shown, E.164 with plus."""
        return self.options.shown_to(side) or self.sponsor.e164

    def number(self, side: Side) -> PhoneNumber:
        """The number to dial on that side."""
        return self.caller if side is Side.CALLER else self.callee

    def ring_timeout_s(self, side: Side) -> int:
        """How long that side may take from being dialled to answering."""
        return self.caller_ring_timeout_s if side is Side.CALLER else self.callee_ring_timeout_s


@dataclass(frozen=True, slots=True)
class Moment:
    """One instant on both clocks: monotonic for durations, UTC for people."""

    monotonic_s: float
    utc: datetime


@dataclass(frozen=True, slots=True)
class CallEnd:
    """Why, by whom and how far: kept with every call that ended."""

    reason: EndReason
    by: EndedBy
    stage: EndStage
    cause: LegCause | None
    at: datetime


class Timer(StrEnum):
    """What a call can be waiting for."""

    RING = "ring"
    RINGBACK = "ringback"
    APPLICATION_MAX_DURATION = "application-max-duration"
    MAX_DURATION = "max-duration"
    WARNING = "warning"
    ANNOUNCEMENT = "announcement"
    RECORDING = "recording"


@dataclass(slots=True)
class Call:
    """One call. Fields are read by anyone and written by this module only."""

    plan: CallPlan
    begun_at: datetime
    state: CallState = CallState.INITIATING
    connected_at: datetime | None = None
    end: CallEnd | None = None
    duration_s: int = 0
    recording_result: RecordingResult | None = None
    event_count: int = 0
    caller_media: MediaDescription | None = None
    legs: dict[Side, LegRecord] = field(default_factory=dict)
    _connected_monotonic_s: float = 0.0
    _ringback_plays: bool = False
    _is_continued: bool = False
    _announced_to: set[Side] = field(default_factory=set)
    _live_legs: list[Side] = field(default_factory=list)
    _deadlines: dict[Timer, float] = field(default_factory=dict)
    _effects: list[Effect] = field(default_factory=list)

    def handle(self, call_input: CallInput, now: Moment) -> list[Effect]:
        """Take one input; returns what the shell must do, in order.

        Raises CallStateError, and changes nothing, where the input has no meaning.
        """
        handler = _TRANSITIONS.get((self.state, type(call_input)))
        if handler is None:
            raise CallStateError(f"{type(call_input).__name__} in {self.state}")
        handler(self, call_input, now)
        return self._take_effects()

    def abandon(self) -> list[Effect]:
        """End a call that could not be made durable: nobody was told of it, so no event is."""
        if self.state is CallState.ENDED:
            return []
        self.state = CallState.ENDED
        self._deadlines.clear()
        self._live_legs.clear()
        return [CloseMedia(finish_recording=False)]

    def next_deadline(self) -> float | None:
        """When to call `handle_timeout` at the latest, on the monotonic clock; None for never."""
        return min(self._deadlines.values(), default=None)

    def handle_timeout(self, now: Moment) -> list[Effect]:
        """Act on every deadline that has passed."""
        due = [timer for timer, at in self._deadlines.items() if at <= now.monotonic_s]
        for timer in due:
            # An earlier one in this round may have ended the call and cleared the rest.
            if self._deadlines.pop(timer, None) is not None:
                _TIMEOUTS[timer](self, now)
        return self._take_effects()

    def _take_effects(self) -> list[Effect]:
        effects, self._effects = self._effects, []
        return effects

    # Progress

    def _on_started(self, _: CallStarted, now: Moment) -> None:
        self.state = CallState.CALLING_CALLER
        self._place(Side.CALLER, OFFERED_CODECS, TELEPHONE_EVENT, now)
        self._emit(CallStatus.CALLING_CALLER, now)

    def _on_caller_answered(self, answered: LegAnswered, now: Moment) -> None:
        if answered.side is not Side.CALLER:
            raise CallStateError(f"{answered.side} answered in {self.state}")
        codec = choose_codec(answered.media)
        if codec is None:
            self._end_for_codec(Side.CALLER, now)
            return
        self.state = CallState.CALLING_CALLEE
        self.caller_media = answered.media
        self._effects.append(SetRemoteMedia(Side.CALLER, answered.media))
        self._place(Side.CALLEE, (codec,), answered.media.dtmf, now)
        if self.plan.options.ringback is not Ringback.NETWORK:
            self._deadlines[Timer.RINGBACK] = now.monotonic_s + RINGBACK_DELAY_S
        self._emit(CallStatus.CALLING_CALLEE, now)

    def _on_callee_early_media(self, early: LegEarlyMedia, now: Moment) -> None:
        if early.side is not Side.CALLEE or choose_codec(early.media) is None:
            return
        if self.plan.options.ringback is Ringback.TONE:
            return
        self._silence_prompt()
        self._effects.append(SetRemoteMedia(Side.CALLEE, early.media))

    def _on_callee_answered(self, answered: LegAnswered, now: Moment) -> None:
        if answered.side is not Side.CALLEE:
            raise CallStateError(f"{answered.side} answered in {self.state}")
        if choose_codec(answered.media) is None:
            self._end_for_codec(Side.CALLEE, now)
            return
        self._silence_prompt()
        self._deadlines.clear()
        self._effects.append(SetRemoteMedia(Side.CALLEE, answered.media))
        if self.plan.options.announcement is None:
            self._connect(now)
        else:
            self._announce(self.plan.options.announcement, now)

    def _announce(self, audio: str, now: Moment) -> None:
        """Play the announcement; who is not to hear it hears the ringing tone on, not the other."""
        options = self.plan.options
        self.state = CallState.ANNOUNCING
        self._announced_to = set(options.announcement_to)
        self._deadlines[Timer.ANNOUNCEMENT] = now.monotonic_s + ANNOUNCEMENT_DEADLINE_S
        for side in Side:
            if side in options.announcement_to:
                self._effects.append(Play(side, Prompt(audio), is_announcement=True))
            else:
                self._effects.append(Play(side, options.ringback_prompt))

    def _on_prompt_ended(self, ended: PromptEnded, now: Moment) -> None:
        self._announced_to.discard(ended.side)
        if self._announced_to:
            return
        for side in Side:
            if side not in self.plan.options.announcement_to:
                self._effects.append(StopPlaying(side))
        self._deadlines.clear()
        self._connect(now)

    def _connect(self, now: Moment) -> None:
        self.state = CallState.CONNECTED
        self.connected_at = now.utc
        self._connected_monotonic_s = now.monotonic_s
        if self.plan.recording_id is not None:
            self._effects.append(StartRecording())
        self._deadlines[Timer.MAX_DURATION] = now.monotonic_s + self.plan.max_duration_s
        if self.plan.application_max_duration_s is not None and not self._is_continued:
            cut_off = now.monotonic_s + self.plan.application_max_duration_s
            self._deadlines[Timer.APPLICATION_MAX_DURATION] = cut_off
        self._arm_warning(now)
        self._emit(CallStatus.CONNECTED, now)

    def _on_continue(self, _: ContinueRequested, now: Moment) -> None:
        # Before the joining there is no cut-off to lift yet, and it must not be set later.
        self._is_continued = True
        if self._deadlines.pop(Timer.APPLICATION_MAX_DURATION, None) is not None:
            self._arm_warning(now)

    def _arm_warning(self, now: Moment) -> None:
        """Warn before the cut-off that holds now; not in a call that is over sooner."""
        self._deadlines.pop(Timer.WARNING, None)
        cut_offs = (
            self._deadlines.get(Timer.MAX_DURATION),
            self._deadlines.get(Timer.APPLICATION_MAX_DURATION),
        )
        before_end_s = self.plan.options.warning_before_end_s
        warn_at = min(at for at in cut_offs if at is not None) - before_end_s
        if before_end_s and warn_at > now.monotonic_s:
            self._deadlines[Timer.WARNING] = warn_at

    def _place(
        self, side: Side, codecs: tuple[Codec, ...], dtmf: Codec | None, now: Moment
    ) -> None:
        self._live_legs.append(side)
        self._deadlines[Timer.RING] = now.monotonic_s + self.plan.ring_timeout_s(side)
        self._effects.append(PlaceLeg(side, codecs, dtmf))

    def _silence_prompt(self) -> None:
        self._deadlines.pop(Timer.RINGBACK, None)
        if self._ringback_plays:
            self._ringback_plays = False
            self._effects.append(StopPlaying(Side.CALLER))

    # Endings

    def _on_leg_ended(self, ended: LegEnded, now: Moment) -> None:
        if ended.side not in self._live_legs:
            return
        self._live_legs.remove(ended.side)
        by = EndedBy(ended.side.value)
        if self.state is CallState.CONNECTED:
            reason = EndReason.HANG_UP
        elif self.state is not CallState.CALLING_CALLER and ended.side is Side.CALLER:
            reason = EndReason.CALLER_ABANDON
        else:
            reason = reason_of_unanswered(ended.side, ended.cause.outcome)
        self._end(reason, by, ended.cause, now)

    def _end_for_codec(self, side: Side, now: Moment) -> None:
        reason = EndReason.CALLER_FAILURE if side is Side.CALLER else EndReason.CALLEE_FAILURE
        cause = LegCause(LegOutcome.FAILED, 488, "No codec in common", 65)
        self._end(reason, EndedBy(side.value), cause, now)

    def _on_release(self, _: ReleaseRequested, now: Moment) -> None:
        connected = self.state is CallState.CONNECTED
        reason = EndReason.HANG_UP if connected else EndReason.OTHER
        self._end(reason, EndedBy.APPLICATION, None, now)

    def _on_media_failed(self, failed: MediaFailed, now: Moment) -> None:
        cause = LegCause(LegOutcome.FAILED, None, failed.detail, 41)
        self._end(EndReason.OTHER, EndedBy.PLATFORM, cause, now)

    def _on_platform_stopping(self, _: PlatformStopping, now: Moment) -> None:
        cause = LegCause(LegOutcome.FAILED, None, "The platform is stopping", 41)
        self._end(EndReason.OTHER, EndedBy.PLATFORM, cause, now)

    def _on_ring_timeout(self, now: Moment) -> None:
        side = Side.CALLER if self.state is CallState.CALLING_CALLER else Side.CALLEE
        reason = reason_of_unanswered(side, LegOutcome.NO_ANSWER)
        self._end(reason, EndedBy.PLATFORM, RING_TIMEOUT_CAUSE, now)

    def _on_ringback_due(self, now: Moment) -> None:
        self._ringback_plays = True
        self._effects.append(Play(Side.CALLER, self.plan.options.ringback_prompt))

    def _on_announcement_deadline(self, now: Moment) -> None:
        self._on_media_failed(MediaFailed("the announcement did not end"), now)

    def _on_warning_due(self, now: Moment) -> None:
        for side in Side:
            if side in self.plan.options.warning_to:
                self._effects.append(Play(side, self.plan.options.warning_prompt))

    def _on_max_duration(self, now: Moment) -> None:
        cause = LegCause(LegOutcome.HUNG_UP, None, "Maximum duration reached", 16)
        self._end(EndReason.OTHER, EndedBy.PLATFORM, cause, now)

    def _end(self, reason: EndReason, by: EndedBy, cause: LegCause | None, now: Moment) -> None:
        stage = _STAGE_OF_STATE[self.state]
        self.end = CallEnd(reason, by, stage, cause or HANG_UP_CAUSE, now.utc)
        self._deadlines.clear()
        if stage is EndStage.CONNECTED:
            self.duration_s = round(now.monotonic_s - self._connected_monotonic_s)
        self._effects.extend(HangUpLeg(side) for side in self._live_legs)
        self._live_legs.clear()
        recorded = stage is EndStage.CONNECTED and self.plan.recording_id is not None
        self._effects.append(CloseMedia(finish_recording=recorded))
        if recorded:
            self.state = CallState.FINISHING
            self._deadlines[Timer.RECORDING] = now.monotonic_s + RECORDING_DEADLINE_S
            self._effects.append(PersistCall())
        else:
            no_record = RecordingResult.NO_RECORD if self.plan.recording_id else None
            self._finish(no_record, now)

    def _on_recording_finished(self, finished: RecordingFinished, now: Moment) -> None:
        self._finish(finished.result, now)

    def _on_recording_deadline(self, now: Moment) -> None:
        self._finish(RecordingResult.FAIL, now)

    def _finish(self, recording_result: RecordingResult | None, now: Moment) -> None:
        self._deadlines.clear()
        self.recording_result = recording_result
        self.state = CallState.ENDED
        self._emit(CallStatus.DISCONNECTED, now)

    def _ignore(self, _: CallInput, now: Moment) -> None:
        """Late by design; nothing to do."""

    def _emit(self, status: CallStatus, now: Moment) -> None:
        self.event_count += 1
        plan = self.plan
        terminal = status is CallStatus.DISCONNECTED
        self._effects.append(
            EmitEvent(
                StatusEvent(
                    call_id=plan.call_id,
                    seq=self.event_count,
                    app_id=plan.app_id,
                    status=status,
                    occurred_at=now.utc,
                    sponsor=plan.sponsor.written,
                    caller=plan.caller.written,
                    callee=plan.callee.written,
                    reason=self.end.reason if terminal and self.end else None,
                    call_duration_s=self.duration_s if terminal else None,
                    recording_id=plan.recording_id if terminal else None,
                    recording_result=self.recording_result if terminal else None,
                )
            )
        )


_STAGE_OF_STATE = {
    CallState.INITIATING: EndStage.CALLING_CALLER,
    CallState.CALLING_CALLER: EndStage.CALLING_CALLER,
    CallState.CALLING_CALLEE: EndStage.CALLING_CALLEE,
    CallState.ANNOUNCING: EndStage.CALLING_CALLEE,
    CallState.CONNECTED: EndStage.CONNECTED,
}

# Each handler takes its own input type, which the table's key guarantees.
_Handler: TypeAlias = Callable[[Call, Any, Moment], None]

_S = CallState
_TRANSITIONS: dict[tuple[CallState, type], _Handler] = {
    (_S.INITIATING, CallStarted): Call._on_started,
    (_S.INITIATING, ContinueRequested): Call._on_continue,
    (_S.INITIATING, ReleaseRequested): Call._on_release,
    (_S.INITIATING, MediaFailed): Call._on_media_failed,
    (_S.INITIATING, PlatformStopping): Call._on_platform_stopping,
    (_S.CALLING_CALLER, LegRinging): Call._ignore,
    (_S.CALLING_CALLER, LegEarlyMedia): Call._ignore,
    (_S.CALLING_CALLER, LegAnswered): Call._on_caller_answered,
    (_S.CALLING_CALLER, LegEnded): Call._on_leg_ended,
    (_S.CALLING_CALLER, ContinueRequested): Call._on_continue,
    (_S.CALLING_CALLER, ReleaseRequested): Call._on_release,
    (_S.CALLING_CALLER, MediaFailed): Call._on_media_failed,
    (_S.CALLING_CALLER, PlatformStopping): Call._on_platform_stopping,
    (_S.CALLING_CALLEE, LegRinging): Call._ignore,
    (_S.CALLING_CALLEE, LegEarlyMedia): Call._on_callee_early_media,
    (_S.CALLING_CALLEE, LegAnswered): Call._on_callee_answered,
    (_S.CALLING_CALLEE, LegEnded): Call._on_leg_ended,
    (_S.CALLING_CALLEE, ContinueRequested): Call._on_continue,
    (_S.CALLING_CALLEE, ReleaseRequested): Call._on_release,
    (_S.CALLING_CALLEE, MediaFailed): Call._on_media_failed,
    (_S.CALLING_CALLEE, PlatformStopping): Call._on_platform_stopping,
    (_S.ANNOUNCING, PromptEnded): Call._on_prompt_ended,
    (_S.ANNOUNCING, LegEnded): Call._on_leg_ended,
    (_S.ANNOUNCING, ContinueRequested): Call._on_continue,
    (_S.ANNOUNCING, ReleaseRequested): Call._on_release,
    (_S.ANNOUNCING, MediaFailed): Call._on_media_failed,
    (_S.ANNOUNCING, PlatformStopping): Call._on_platform_stopping,
    (_S.CONNECTED, PromptEnded): Call._ignore,
    (_S.CONNECTED, LegEnded): Call._on_leg_ended,
    (_S.CONNECTED, ContinueRequested): Call._on_continue,
    (_S.CONNECTED, ReleaseRequested): Call._on_release,
    (_S.CONNECTED, MediaFailed): Call._on_media_failed,
    (_S.CONNECTED, PlatformStopping): Call._on_platform_stopping,
    (_S.FINISHING, RecordingFinished): Call._on_recording_finished,
    (_S.FINISHING, PromptEnded): Call._ignore,
    (_S.FINISHING, LegEnded): Call._ignore,
    (_S.FINISHING, MediaFailed): Call._ignore,
    (_S.FINISHING, PlatformStopping): Call._ignore,
    (_S.ENDED, LegRinging): Call._ignore,
    (_S.ENDED, LegEarlyMedia): Call._ignore,
    (_S.ENDED, PromptEnded): Call._ignore,
    (_S.ENDED, LegEnded): Call._ignore,
    (_S.ENDED, MediaFailed): Call._ignore,
    (_S.ENDED, PlatformStopping): Call._ignore,
    (_S.ENDED, RecordingFinished): Call._ignore,
}

_TIMEOUTS: dict[Timer, Callable[[Call, Moment], None]] = {
    Timer.RING: Call._on_ring_timeout,
    Timer.RINGBACK: Call._on_ringback_due,
    Timer.APPLICATION_MAX_DURATION: Call._on_max_duration,
    Timer.MAX_DURATION: Call._on_max_duration,
    Timer.WARNING: Call._on_warning_due,
    Timer.ANNOUNCEMENT: Call._on_announcement_deadline,
    Timer.RECORDING: Call._on_recording_deadline,
}
