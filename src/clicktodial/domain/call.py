"""The state machine of one call.

Theory of operation. A call is two outgoing legs and a relay between them (RFC 3725, media
anchored). Its shell feeds `handle()` with what happened (a leg rang, answered, ended; the
application released) and `handle_timeout()` with the passing of time, and carries out the
effects that come back, in their order. The machine reads no clock and does no I/O, so every
race is a sequence of inputs that a test can write down.

    INITIATING --start--> CALLING_CALLER --answer--> CALLING_CALLEE --answer--> CONNECTED
                               |  |                    ^  |  |                     ^ |
                               |  +-> PROVING_PRESENCE-+  |  +--> ANNOUNCING ------+ |
                               |             |            |           |              |
                               +------ any ending --------+-----------+--------------+
                                                          |
                                       recorded after CONNECTED? -> FINISHING -> ENDED
                                                    otherwise ------------------> ENDED

PROVING_PRESENCE is passed through where the options want to know that a person answered the
caller's phone: the callee is not rung, and nobody is told that it is, before that is shown.
ANNOUNCING is passed through where the options name an announcement: both have answered, and hear
it before they hear each other. Nobody is charged before CONNECTED.

Every ending passes through `_end()`, which hangs up the legs that live, closes the media and
emits the one terminal event; a recorded call emits it from FINISHING, when the recording's
result is known or RECORDING_DEADLINE_S has passed. A pair (state, input) that the table does
not name raises CallStateError and changes nothing; inputs that may arrive late by design (a leg
that ends after we hung it up) are named and ignored.

A call that is charged has minutes held for it before it begins, which cover so many seconds of
conversation. MINUTES_LEAD_S before they run out the machine asks for more (ExtendMinutes). Where
none are left the parties are warned as before any other cut-off, and the call ends when the
minutes do; and so it does where nobody answers, so that no call costs what was not held for it.

What may be done to the parties while they talk (muting, holding) moves no state and stands in
conversation.py; what is kept of each leg is noted here, and written with the call's next change.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple, TypeAlias

from clicktodial.domain.call_effect import (
    CloseMedia,
    Effect,
    EmitEvent,
    ExtendMinutes,
    HangUpLeg,
    Listen,
    PersistCall,
    PlaceLeg,
    Play,
    SetRemoteMedia,
    StartRecording,
    StopListening,
    StopPlaying,
)
from clicktodial.domain.call_input import (
    CallInput,
    CallStarted,
    ContinueRequested,
    HoldRequested,
    KeyPressed,
    LegAnswered,
    LegEarlyMedia,
    LegEnded,
    LegMediaChanged,
    LegRinging,
    LegRouted,
    MediaFailed,
    MinutesExtended,
    MinutesRefused,
    MuteRequested,
    PlatformStopping,
    PromptEnded,
    QualityMeasured,
    RecordingFinished,
    RecordingPauseRequested,
    ReleaseRequested,
    ServiceWithdrawn,
    SignalsTraced,
    VoiceJudged,
)
from clicktodial.domain.call_plan import (
    CallEnd,
    CallPlan,
    EndedBy,
    EndStage,
    SendDirection,
    was_not_set_up,
)
from clicktodial.domain.cause import (
    RELEASE_CAUSE,
    RING_TIMEOUT_CAUSE,
    EndReason,
    LegCause,
    LegOutcome,
    Side,
    reason_of_unanswered,
)
from clicktodial.domain.conversation import Conversation
from clicktodial.domain.event import CallStatus, RecordingResult, StatusEvent
from clicktodial.domain.leg import LegRecord
from clicktodial.domain.media import (
    TELEPHONE_EVENT,
    UNSPECIFIED_HOST,
    Codec,
    MediaDescription,
    MediaDirection,
)
from clicktodial.domain.media import chosen_codec as choose_codec
from clicktodial.domain.minutes import Charge
from clicktodial.domain.plan import (
    AnswerVerdict,
    PresenceProof,
    Prompt,
    Ringback,
)
from clicktodial.domain.wording import worded

# All that is a call's, whichever module of the domain it stands in.
__all__ = [
    "STAGE_OF_STATE",
    "Call",
    "CallEnd",
    "CallPlan",
    "CallState",
    "CallStateError",
    "EndStage",
    "EndedBy",
    "Moment",
    "ReleaseConditionNotMet",
    "SendDirection",
    "Timer",
]

# A callee that answers at once is never worth a tone; a person notices silence much later.
RINGBACK_DELAY_S = 0.2
# Longer than any audio of the library: it ends by itself, unless the relay has lost it.
ANNOUNCEMENT_DEADLINE_S = 70.0
# Q.850's "no answer from user": a phone that answers is not yet a person who does.
_NO_PERSON_Q850 = 19
# Disconnected is promised within 5 s of hang-up; the rest is for writing and sending it.
RECORDING_DEADLINE_S = 4.5


# Time for the database to answer, be it as slow as `database.commit_timeout_s` lets it be, and for
# whoever sees the alert to buy minutes. A warning comes in time beside it.
MINUTES_LEAD_S = 20


class CallStateError(Exception):
    """The input has no meaning in the call's state."""


class ReleaseConditionNotMet(CallStateError):
    """The call is not in what its release was made to depend on."""


class CallState(StrEnum):
    """Where a call stands."""

    INITIATING = "initiating"
    CALLING_CALLER = "callingCaller"
    PROVING_PRESENCE = "provingPresence"
    CALLING_CALLEE = "callingCallee"
    ANNOUNCING = "announcing"
    CONNECTED = "connected"
    FINISHING = "finishing"
    ENDED = "ended"


class Moment(NamedTuple):
    """One instant on both clocks: monotonic for durations, UTC for people.

    A tuple, since one is made for each input: a frozen dataclass takes four times as long."""

    monotonic_s: float
    utc: datetime


class Timer(StrEnum):
    """What a call can be waiting for."""

    RING = "ring"
    RINGBACK = "ringback"
    PRESENCE = "presence"
    APPLICATION_MAX_DURATION = "application-max-duration"
    MAX_DURATION = "max-duration"
    WARNING = "warning"
    ANNOUNCEMENT = "announcement"
    RECORDING = "recording"
    MINUTES = "minutes"
    MINUTES_EXTENSION = "minutes-extension"


@dataclass(slots=True)
class Call:
    """One call. Fields are read by anyone and written by this module only.

    `media` is what each answered side said last of its audio, `codecs` the one that it speaks.
    `charge` is what the call is charged by; the machine does not look at it.
    """

    plan: CallPlan
    begun_at: datetime
    state: CallState = CallState.INITIATING
    connected_at: datetime | None = None
    end: CallEnd | None = None
    duration_s: int = 0
    recording_result: RecordingResult | None = None
    event_count: int = 0
    media: dict[Side, MediaDescription] = field(default_factory=dict)
    codecs: dict[Side, Codec] = field(default_factory=dict)
    legs: dict[Side, LegRecord] = field(default_factory=dict)
    charge: Charge | None = None
    conversation: Conversation = field(init=False)
    _begun_monotonic_s: float = 0.0
    _connected_monotonic_s: float = 0.0
    _ringback_plays: bool = False
    _is_continued: bool = False
    _minutes_are_last: bool = False
    _announced_to: set[Side] = field(default_factory=set)
    _live_legs: list[Side] = field(default_factory=list)
    _deadlines: dict[Timer, float] = field(default_factory=dict)
    _effects: list[Effect] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.conversation = Conversation(self.plan.options.hold_prompt)

    def handle(self, call_input: CallInput, now: Moment) -> list[Effect]:
        """Take one input; returns what the shell must do, in order.

        Raises CallStateError, and changes nothing, where the input has no meaning;
        ReleaseConditionNotMet where a release was asked for on other conditions.
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

    @property
    def was_not_set_up(self) -> bool:
        """Of a call that ended: see call_plan."""
        end = self.end
        if end is None:
            return False
        outcome = None if end.cause is None else end.cause.outcome
        leg = self.legs.get(Side.CALLER)
        was_dialled = leg is not None and leg.sip_call_id is not None
        return was_not_set_up(end.stage, end.by, outcome, was_dialled=was_dialled)

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
        self._begun_monotonic_s = now.monotonic_s
        self._place(Side.CALLER, self.plan.codecs, TELEPHONE_EVENT, now)
        self._emit(CallStatus.CALLING_CALLER, now)

    def _on_caller_answered(self, answered: LegAnswered, now: Moment) -> None:
        if answered.side is not Side.CALLER:
            raise CallStateError(f"{answered.side} answered in {self.state}")
        codec = choose_codec(answered.media, self.plan.codecs)
        if codec is None:
            self._end_for_codec(Side.CALLER, now)
            return
        self._note_answer(answered, codec, now)
        self._effects.append(SetRemoteMedia(Side.CALLER, answered.media))
        if self.plan.options.presence is PresenceProof.NONE:
            self._call_callee(now)
        else:
            self._ask_for_proof(now)

    def _call_callee(self, now: Moment) -> None:
        self.state = CallState.CALLING_CALLEE
        self._place(Side.CALLEE, self._codecs_for_callee(), self.media[Side.CALLER].dtmf, now)
        if self.plan.options.ringback is not Ringback.NETWORK:
            self._deadlines[Timer.RINGBACK] = now.monotonic_s + RINGBACK_DELAY_S
        self._emit(CallStatus.CALLING_CALLEE, now)

    def _codecs_for_callee(self) -> tuple[Codec, ...]:
        """What the caller speaks; what else the relay can turn into that, too."""
        chosen = self.codecs[Side.CALLER]
        if not self.plan.transcodes:
            return (chosen,)
        return (chosen, *(each for each in self.plan.codecs if each.name != chosen.name))

    # Presence of the caller

    def _ask_for_proof(self, now: Moment) -> None:
        options = self.plan.options
        self.state = CallState.PROVING_PRESENCE
        self._deadlines.clear()
        self._deadlines[Timer.PRESENCE] = now.monotonic_s + options.presence_timeout_s
        # Whoever knows the prompt presses before it has begun.
        self._effects.append(Listen(Side.CALLER, options.presence.detects_machines))
        if options.presence.needs_key:
            self._effects.append(Play(Side.CALLER, options.presence_prompt, is_required=True))

    def _on_key_pressed(self, pressed: KeyPressed, now: Moment) -> None:
        if pressed.side is Side.CALLER and self.plan.options.presence.needs_key:
            self._take_proof(now)

    def _on_voice_judged(self, judged: VoiceJudged, now: Moment) -> None:
        presence = self.plan.options.presence
        if judged.side is not Side.CALLER or not presence.detects_machines:
            return
        if judged.verdict is AnswerVerdict.MACHINE:
            self._end_unproven("Answered by a machine", now)
        elif presence.needs_key:
            return  # a person, or one who says nothing: the key will tell
        elif judged.verdict is AnswerVerdict.HUMAN:
            self._take_proof(now)
        else:
            self._end_unproven("Answered, and nobody spoke", now)

    def _take_proof(self, now: Moment) -> None:
        self._deadlines.clear()
        self._effects.append(StopListening(Side.CALLER))
        if self.plan.options.presence.needs_key:
            self._effects.append(StopPlaying(Side.CALLER))
        self._call_callee(now)

    def _on_presence_deadline(self, now: Moment) -> None:
        if self.plan.options.presence.needs_key and self.media[Side.CALLER].dtmf is None:
            self._end_unproven("No key was pressed, and the phone knows no telephone-event", now)
        elif self.plan.options.presence.needs_key:
            self._end_unproven("No key was pressed", now)
        else:
            self._end_unproven("Nobody can say who answered", now)

    def _end_unproven(self, detail: str, now: Moment) -> None:
        cause = LegCause(LegOutcome.NO_ANSWER, None, detail, _NO_PERSON_Q850)
        self._end(EndReason.CALLER_NO_ANSWER, EndedBy.PLATFORM, cause, now)

    # Progress of the callee

    def _on_callee_early_media(self, early: LegEarlyMedia, now: Moment) -> None:
        if early.side is not Side.CALLEE:
            return
        if choose_codec(early.media, self._codecs_for_callee()) is None:
            return
        if self.plan.options.ringback is Ringback.TONE:
            return
        self._silence_prompt()
        self._effects.append(SetRemoteMedia(Side.CALLEE, early.media))

    def _on_callee_answered(self, answered: LegAnswered, now: Moment) -> None:
        if answered.side is not Side.CALLEE:
            raise CallStateError(f"{answered.side} answered in {self.state}")
        codec = choose_codec(answered.media, self._codecs_for_callee())
        if codec is None:
            self._end_for_codec(Side.CALLEE, now)
            return
        self._note_answer(answered, codec, now)
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
                self._effects.append(Play(side, Prompt(audio), is_required=True, tells_end=True))
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
        if self.plan.covered_s is not None:
            self._cover(self.plan.covered_s, now)
        self._arm_warning(now)
        self._emit(CallStatus.CONNECTED, now)

    def _on_continue(self, _: ContinueRequested, now: Moment) -> None:
        # Before the joining there is no cut-off to lift yet, and it must not be set later.
        self._is_continued = True
        if self._deadlines.pop(Timer.APPLICATION_MAX_DURATION, None) is not None:
            self._arm_warning(now)

    def _arm_warning(self, now: Moment) -> None:
        """Warn before the cut-off that holds now; not in a call that is over sooner."""
        before_end_s = self.plan.options.warning_before_end_s
        if not before_end_s:
            return
        self._deadlines.pop(Timer.WARNING, None)
        cut_offs = (
            self._deadlines.get(Timer.MAX_DURATION),
            self._deadlines.get(Timer.APPLICATION_MAX_DURATION),
            self._deadlines.get(Timer.MINUTES) if self._minutes_are_last else None,
        )
        warn_at = min(at for at in cut_offs if at is not None) - before_end_s
        if warn_at > now.monotonic_s:
            self._deadlines[Timer.WARNING] = warn_at

    # Minutes

    def _cover(self, covered_s: int, now: Moment) -> None:
        """The minutes that are held last until then; ask for more in time, where they do not last
        for the longest call."""
        ends_at = self._connected_monotonic_s + covered_s
        self._deadlines[Timer.MINUTES] = ends_at
        self._deadlines.pop(Timer.MINUTES_EXTENSION, None)
        if covered_s < self.plan.max_duration_s:
            ask_at = ends_at - MINUTES_LEAD_S - self.plan.options.warning_before_end_s
            self._deadlines[Timer.MINUTES_EXTENSION] = max(ask_at, now.monotonic_s)

    def _on_minutes_extension_due(self, now: Moment) -> None:
        self._effects.append(ExtendMinutes())

    def _on_minutes_extended(self, extended: MinutesExtended, now: Moment) -> None:
        self._cover(extended.covered_s, now)

    def _on_minutes_refused(self, _: MinutesRefused, now: Moment) -> None:
        self._minutes_are_last = True
        self._arm_warning(now)

    def _on_minutes_used_up(self, now: Moment) -> None:
        cause = LegCause(LegOutcome.HUNG_UP, None, "The minutes of the enterprise are used up", 16)
        self._end(EndReason.OTHER, EndedBy.PLATFORM, cause, now)

    def _place(
        self, side: Side, codecs: tuple[Codec, ...], dtmf: Codec | None, now: Moment
    ) -> None:
        self._live_legs.append(side)
        self.legs[side] = LegRecord(placed_at=now.utc)
        self._deadlines[Timer.RING] = now.monotonic_s + self.plan.ring_timeout_s(side)
        self._effects.append(PlaceLeg(side, codecs, dtmf))

    def _silence_prompt(self) -> None:
        self._deadlines.pop(Timer.RINGBACK, None)
        if self._ringback_plays:
            self._ringback_plays = False
            self._effects.append(StopPlaying(Side.CALLER))

    # While they talk

    def _on_mute(self, asked: MuteRequested, now: Moment) -> None:
        self._effects.extend(self.conversation.mute(asked.side, muted=asked.muted))

    def _on_hold(self, asked: HoldRequested, now: Moment) -> None:
        self._effects.extend(self.conversation.hold(asked.side, held=asked.held))

    def _on_recording_pause(self, asked: RecordingPauseRequested, now: Moment) -> None:
        if self.plan.recording_id is None:
            raise CallStateError("the call is not recorded")
        self._effects.extend(self.conversation.pause_recording(paused=asked.paused))

    def _on_warning_due(self, now: Moment) -> None:
        for side in Side:
            if side in self.plan.options.warning_to:
                prompt = self.plan.options.warning_prompt
                self._effects.extend(self.conversation.warn(side, prompt))

    def _on_prompt_ended_in_conversation(self, ended: PromptEnded, now: Moment) -> None:
        self._effects.extend(self.conversation.on_prompt_ended(ended.side))

    def _on_media_changed(self, changed: LegMediaChanged, now: Moment) -> None:
        side, media = changed.side, changed.media
        if side not in self._live_legs or not media.codecs:
            return
        self.media[side] = media
        self.codecs[side] = media.codecs[0]
        record = self.legs[side]
        record.codec = media.codecs[0].name
        record.is_encrypted = bool(media.crypto)
        holds = media.direction is not MediaDirection.BOTH or media.address.host == UNSPECIFIED_HOST
        self._effects.extend(self.conversation.note_hold_by_party(side, holds=holds))

    # What is kept of the legs

    def _on_leg_routed(self, routed: LegRouted, now: Moment) -> None:
        record = self.legs.get(routed.side)
        if record is not None:
            record.trunk = routed.trunk
            record.sip_call_id = routed.sip_call_id

    def _on_leg_ringing(self, ringing: LegRinging, now: Moment) -> None:
        record = self.legs.get(ringing.side)
        # A fork's, after another has answered, is no news.
        if record is not None and record.ringing_at is None and record.answered_at is None:
            record.ringing_at = now.utc

    def _note_answer(self, answered: LegAnswered, codec: Codec, now: Moment) -> None:
        side = answered.side
        self.media[side] = answered.media
        self.codecs[side] = codec
        record = self.legs[side]
        record.trunk = answered.trunk
        record.sip_call_id = answered.sip_call_id
        record.answered_at = now.utc
        record.codec = codec.name
        record.is_encrypted = bool(answered.media.crypto)

    def _on_quality(self, measured: QualityMeasured, now: Moment) -> None:
        """Told with the end where that is still to come; else written after it."""
        for side, quality in (
            (Side.CALLER, measured.quality.caller),
            (Side.CALLEE, measured.quality.callee),
        ):
            if side in self.legs:
                self.legs[side].quality = quality
        if self.state is CallState.ENDED:
            self._effects.append(PersistCall())

    def _on_signals(self, traced: SignalsTraced, now: Moment) -> None:
        for side, messages in traced.messages.items():
            if side in self.legs:
                self.legs[side].trace = messages
        self._effects.append(PersistCall())

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

    def _on_release(self, asked: ReleaseRequested, now: Moment) -> None:
        connected = self.state is CallState.CONNECTED
        if asked.only_unconnected and connected:
            raise ReleaseConditionNotMet("the parties are joined")
        since = self._connected_monotonic_s if connected else self._begun_monotonic_s
        elapsed_s = 0.0 if self.state is CallState.INITIATING else now.monotonic_s - since
        if elapsed_s < asked.after_s:
            raise ReleaseConditionNotMet(
                worded("it is not %(after_s)s s yet", after_s=asked.after_s)
            )
        reason = EndReason.HANG_UP if connected else EndReason.OTHER
        self._end(reason, EndedBy.APPLICATION, RELEASE_CAUSE, now)

    def _on_media_failed(self, failed: MediaFailed, now: Moment) -> None:
        cause = LegCause(LegOutcome.FAILED, None, failed.detail, 41)
        self._end(EndReason.OTHER, EndedBy.PLATFORM, cause, now)

    def _on_platform_stopping(self, _: PlatformStopping, now: Moment) -> None:
        cause = LegCause(LegOutcome.FAILED, None, "The platform is stopping", 41)
        self._end(EndReason.OTHER, EndedBy.PLATFORM, cause, now)

    def _on_service_withdrawn(self, _: ServiceWithdrawn, now: Moment) -> None:
        cause = LegCause(LegOutcome.FAILED, None, "The enterprise is not active", 21)
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

    def _on_max_duration(self, now: Moment) -> None:
        cause = LegCause(LegOutcome.HUNG_UP, None, "Maximum duration reached", 16)
        self._end(EndReason.OTHER, EndedBy.PLATFORM, cause, now)

    def _end(self, reason: EndReason, by: EndedBy, cause: LegCause, now: Moment) -> None:
        stage = STAGE_OF_STATE[self.state]
        self.end = CallEnd(reason, by, stage, cause, now.utc)
        self._deadlines.clear()
        self.conversation.end()
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
        self.legs[Side.CALLER].silence_s = finished.caller_silence_s
        self.legs[Side.CALLEE].silence_s = finished.callee_silence_s
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
                    was_not_set_up=terminal and self.was_not_set_up,
                    api=plan.api,
                    sink_origin=None if plan.sink is None else plan.sink.origin,
                )
            )
        )


STAGE_OF_STATE = {
    CallState.INITIATING: EndStage.CALLING_CALLER,
    CallState.CALLING_CALLER: EndStage.CALLING_CALLER,
    CallState.PROVING_PRESENCE: EndStage.CALLING_CALLER,
    CallState.CALLING_CALLEE: EndStage.CALLING_CALLEE,
    CallState.ANNOUNCING: EndStage.CALLING_CALLEE,
    CallState.CONNECTED: EndStage.CONNECTED,
    CallState.FINISHING: EndStage.CONNECTED,
    CallState.ENDED: EndStage.CONNECTED,
}

# Each handler takes its own input type, which the table's key guarantees.
_Handler: TypeAlias = Callable[[Call, Any, Moment], None]
_Rows: TypeAlias = dict[type, _Handler]

_S = CallState
# In every state of a call that is not over.
_ANYTIME: _Rows = {
    ContinueRequested: Call._on_continue,
    ReleaseRequested: Call._on_release,
    MediaFailed: Call._on_media_failed,
    PlatformStopping: Call._on_platform_stopping,
    ServiceWithdrawn: Call._on_service_withdrawn,
}
# With a leg at least.
_DIALLED: _Rows = {
    **_ANYTIME,
    LegRouted: Call._on_leg_routed,
    LegEnded: Call._on_leg_ended,
}
# With a party that has answered, who may press keys and move at any moment.
_ANSWERED: _Rows = {
    **_DIALLED,
    LegMediaChanged: Call._on_media_changed,
    KeyPressed: Call._ignore,
    VoiceJudged: Call._ignore,
}
# Late by design.
_OVER: _Rows = {
    LegRouted: Call._on_leg_routed,
    LegMediaChanged: Call._ignore,
    LegEnded: Call._ignore,
    PromptEnded: Call._ignore,
    KeyPressed: Call._ignore,
    VoiceJudged: Call._ignore,
    MediaFailed: Call._ignore,
    PlatformStopping: Call._ignore,
    ServiceWithdrawn: Call._ignore,
    QualityMeasured: Call._on_quality,
    MinutesExtended: Call._ignore,
    MinutesRefused: Call._ignore,
}
_ROWS: dict[CallState, _Rows] = {
    _S.INITIATING: {**_ANYTIME, CallStarted: Call._on_started},
    _S.CALLING_CALLER: {
        **_DIALLED,
        LegRinging: Call._on_leg_ringing,
        LegEarlyMedia: Call._ignore,
        LegAnswered: Call._on_caller_answered,
    },
    _S.PROVING_PRESENCE: {
        **_ANSWERED,
        KeyPressed: Call._on_key_pressed,
        VoiceJudged: Call._on_voice_judged,
    },
    _S.CALLING_CALLEE: {
        **_ANSWERED,
        LegRinging: Call._on_leg_ringing,
        LegEarlyMedia: Call._on_callee_early_media,
        LegAnswered: Call._on_callee_answered,
    },
    _S.ANNOUNCING: {**_ANSWERED, PromptEnded: Call._on_prompt_ended},
    _S.CONNECTED: {
        **_ANSWERED,
        PromptEnded: Call._on_prompt_ended_in_conversation,
        MuteRequested: Call._on_mute,
        HoldRequested: Call._on_hold,
        RecordingPauseRequested: Call._on_recording_pause,
        MinutesExtended: Call._on_minutes_extended,
        MinutesRefused: Call._on_minutes_refused,
    },
    _S.FINISHING: {**_OVER, RecordingFinished: Call._on_recording_finished},
    _S.ENDED: {
        **_OVER,
        LegRinging: Call._ignore,
        LegEarlyMedia: Call._ignore,
        RecordingFinished: Call._ignore,
        SignalsTraced: Call._on_signals,
    },
}
_TRANSITIONS: dict[tuple[CallState, type], _Handler] = {
    (state, kind): handler for state, rows in _ROWS.items() for kind, handler in rows.items()
}

_TIMEOUTS: dict[Timer, Callable[[Call, Moment], None]] = {
    Timer.RING: Call._on_ring_timeout,
    Timer.RINGBACK: Call._on_ringback_due,
    Timer.PRESENCE: Call._on_presence_deadline,
    Timer.APPLICATION_MAX_DURATION: Call._on_max_duration,
    Timer.MAX_DURATION: Call._on_max_duration,
    Timer.WARNING: Call._on_warning_due,
    Timer.ANNOUNCEMENT: Call._on_announcement_deadline,
    Timer.RECORDING: Call._on_recording_deadline,
    Timer.MINUTES: Call._on_minutes_used_up,
    Timer.MINUTES_EXTENSION: Call._on_minutes_extension_due,
}
