"""The controller of one live call: it feeds the state machine and carries out its effects.

Effects that need no answer from outside (hanging up, appending events) are carried out at once,
in the order given. Effects on the relay, and the dialling that needs an address of it, go
through one queue per call, so that they keep their order while the loop serves other calls; a
leg that is hung up before its turn to be dialled is never dialled.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TypeAlias, assert_never

import structlog

from clicktodial.control.port import (
    Admission,
    Answered,
    AnswerJudged,
    CallStore,
    Capture,
    Clock,
    DigitHeard,
    DigitReceived,
    EarlyMedia,
    Ended,
    Heard,
    Leg,
    LegEvent,
    LegPlan,
    MediaChanged,
    Minutes,
    NoAdmission,
    NoMinutes,
    Notifier,
    NoTracer,
    OfferAnswered,
    Offered,
    OfferRefused,
    Recorder,
    Relay,
    RelayError,
    RelaySession,
    Ringing,
    SignalTracer,
    StoreConflict,
    StoreError,
    Telephony,
    TrunkForecaster,
)
from clicktodial.control.quality_sampler import QualitySampler
from clicktodial.control.renegotiation import MediaRenegotiation, MediaStep
from clicktodial.domain.call import Call, CallPlan, CallState, CallStateError, Moment
from clicktodial.domain.call_effect import (
    CloseMedia,
    Effect,
    EmitEvent,
    ExtendMinutes,
    HangUpLeg,
    Listen,
    PauseRecording,
    PersistCall,
    PlaceLeg,
    Play,
    ResumeRecording,
    SetMuted,
    SetPatient,
    SetRemoteMedia,
    StartRecording,
    StopListening,
    StopPlaying,
)
from clicktodial.domain.call_input import (
    CallInput,
    CallStarted,
    KeyPressed,
    LegAnswered,
    LegEarlyMedia,
    LegEnded,
    LegRinging,
    LegRouted,
    MediaFailed,
    MinutesExtended,
    MinutesRefused,
    PromptEnded,
    QualityMeasured,
    RecordingFinished,
    SignalsTraced,
    VoiceJudged,
)
from clicktodial.domain.cause import Side
from clicktodial.domain.event import RecordingResult, StatusEvent
from clicktodial.domain.leg import CallQuality, SideQuality, TracedMessage
from clicktodial.domain.media import MediaDescription
from clicktodial.domain.minutes import Charge
from clicktodial.domain.quality_timeline import QualityTimeline

log = structlog.get_logger()

# Others may take what was just seen to be left. Whoever loses so often in a row competes for the
# last seconds of a pool, and may as well be told that there are none.
HOLD_TRIES = 4


@dataclass(frozen=True, slots=True)
class _OpenRelay:
    """Have ports ready by the time that the call is durable."""


@dataclass(frozen=True, slots=True)
class _RunStep:
    """A step of a renegotiation."""

    run: MediaStep


_RelayEffect: TypeAlias = (
    _OpenRelay
    | _RunStep
    | PlaceLeg
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
)


@dataclass(frozen=True, slots=True)
class CallDependencies:
    """What every controller needs; one instance serves all calls of a node."""

    clock: Clock
    telephony: Telephony
    relay: Relay
    recorder: Recorder
    store: CallStore
    notifier: Notifier
    forecaster: TrunkForecaster
    on_quality: Callable[[CallQuality], None] = lambda _quality: None
    quality_interval_s: int = 0  # how often to read how a call sounds; 0: at its end alone
    admission: Admission = field(default_factory=NoAdmission)
    minutes: Minutes = field(default_factory=NoMinutes)
    tracer: SignalTracer = field(default_factory=NoTracer)


class CallController:
    """Drives one call from its creation to its last effect.

    `on_over(controller)` is called once, when the call has ended and nothing of it is left to do.
    """

    __slots__ = (
        "_extension",
        "_legs",
        "_loop",
        "_needs",
        "_on_over",
        "_queue",
        "_recording_failed",
        "_renegotiation",
        "_sampler",
        "_timer",
        "_timer_at",
        "_told_over",
        "_worker",
        "call",
        "session",
    )

    def __init__(
        self,
        plan: CallPlan,
        needs: CallDependencies,
        on_over: Callable[["CallController"], None],
        charge: Charge | None = None,
    ) -> None:
        self._needs = needs
        self._on_over = on_over
        self._loop = asyncio.get_running_loop()
        self.call = Call(plan, begun_at=needs.clock.utc(), charge=charge)
        self._extension: asyncio.Task[None] | None = None
        self._legs: dict[Side, Leg | None] = {}
        self.session: RelaySession | None = None
        self._renegotiation: MediaRenegotiation | None = None
        self._queue: deque[_RelayEffect] = deque()
        self._worker: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at: float | None = None
        self._recording_failed = False
        self._told_over = False
        self._sampler: QualitySampler | None = None

    def begin(self) -> asyncio.Future[None]:
        """Make the call durable and, once it is, start it.

        The future is the store's: it fails with StoreError when there will be no such call.
        """
        effects = self.call.handle(CallStarted(), self._now())
        events = [effect.event for effect in effects if isinstance(effect, EmitEvent)]
        created = self._needs.store.create(self.call, events)

        def on_created(done: asyncio.Future[None]) -> None:
            if done.cancelled() or done.exception() is not None:
                self._carry_out(self.call.abandon())
                return
            self._needs.notifier.publish(events)
            if self.call.state is CallState.ENDED:  # the platform began to stop meanwhile
                return
            self._carry_out([effect for effect in effects if not isinstance(effect, EmitEvent)])

        created.add_done_callback(on_created)
        self._queue.append(_OpenRelay())
        self._start_worker()
        return created

    def feed(self, call_input: CallInput) -> None:
        """Hand an input to the state machine and carry out what follows."""
        try:
            effects = self.call.handle(call_input, self._now())
        except CallStateError:
            # A fault of ours or of an adapter; the call goes on as it was.
            log.exception("call.input_refused", call_id=self.call.plan.call_id)
            return
        self._carry_out(effects)

    def request(self, call_input: CallInput) -> None:
        """The same of an input that may come in any state; raises CallStateError, and the call
        goes on as it was, where this state has no place for it."""
        self._carry_out(self.call.handle(call_input, self._now()))

    @property
    def is_over(self) -> bool:
        """Whether the call has ended and none of its effects is still under way."""
        return (
            self.call.state is CallState.ENDED
            and self._worker is None
            and self._extension is None
            and not self._queue
        )

    @property
    def timeline(self) -> QualityTimeline:
        """How the call has sounded by now; empty where that is not read."""
        return () if self._sampler is None else self._sampler.timeline()

    def _now(self) -> Moment:
        clock = self._needs.clock
        return Moment(clock.monotonic_s(), clock.utc())

    # Time

    def _arm_timer(self) -> None:
        deadline = self.call.next_deadline()
        if deadline == self._timer_at:
            return
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._timer_at = deadline
        if deadline is not None:
            delay = max(0.0, deadline - self._needs.clock.monotonic_s())
            self._timer = self._loop.call_later(delay, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        self._timer_at = None
        self._carry_out(self.call.handle_timeout(self._now()))

    # Effects

    def _carry_out(self, effects: list[Effect]) -> None:
        events: list[StatusEvent] = []
        persist = False
        for effect in effects:
            match effect:
                case EmitEvent():
                    events.append(effect.event)
                case PersistCall():
                    persist = True
                case ExtendMinutes():
                    self._start_extension()
                case HangUpLeg():
                    self._hang_up(effect.side)
                case PlaceLeg():
                    self._legs[effect.side] = None
                    self._queue.append(effect)
                case _:
                    self._queue.append(effect)
        if events or persist:
            self._persist(events)
        if self._sampler is None and self.call.state is CallState.CONNECTED:
            self._start_sampling()
        if self._queue:
            self._start_worker()
        self._arm_timer()
        if self.is_over:
            self._finish()

    def _start_sampling(self) -> None:
        interval_s = self._needs.quality_interval_s
        if interval_s:
            self._sampler = QualitySampler(self, self._needs.clock, interval_s)

    def _start_worker(self) -> None:
        if self._worker is None:
            self._worker = self._loop.create_task(self._work())
            self._worker.add_done_callback(self._on_worker_done)

    def _persist(self, events: list[StatusEvent]) -> None:
        if events and events[-1].is_terminal:
            self._log_end()
        saved = self._needs.store.update(self.call, events)

        def on_saved(done: asyncio.Future[None]) -> None:
            if not done.cancelled() and done.exception() is None and events:
                self._needs.notifier.publish(events)

        saved.add_done_callback(on_saved)

    def _log_end(self) -> None:
        call = self.call
        assert call.end is not None
        log.info(
            "call.ended",
            call_id=call.plan.call_id,
            reason=call.end.reason.value,
            by=call.end.by.value,
            stage=call.end.stage.value,
            sip_status=call.end.cause.sip_status if call.end.cause else None,
            duration_s=call.duration_s,
        )

    def _hang_up(self, side: Side) -> None:
        leg = self._legs.pop(side, None)
        if leg is not None:
            self._note_route(side, leg)
            end = self.call.end
            leg.hang_up(q850=None if end is None or end.cause is None else end.cause.q850)

    async def _work(self) -> None:
        while self._queue:
            effect = self._queue.popleft()
            try:
                await self._carry_out_on_relay(effect)
            except RelayError as error:
                self.feed(MediaFailed(str(error)))

    def _on_worker_done(self, worker: asyncio.Task[None]) -> None:
        self._worker = None
        if worker.cancelled():
            return
        fault = worker.exception()
        if fault is not None:
            log.error("call.fault", call_id=self.call.plan.call_id, exc_info=fault)
            self.feed(MediaFailed("internal fault"))
        if self._queue:
            # Asked for after the worker had looked last, and before it was done.
            self._start_worker()
        elif self.is_over:
            self._finish()

    def _finish(self) -> None:
        if self._told_over:
            return
        self._told_over = True
        end = self.call.end
        reason = None if end is None else end.reason
        self._needs.tracer.finish(self.call.plan.call_id, reason, self._on_traced)
        self._on_over(self)

    def _on_traced(self, messages: Mapping[Side, tuple[TracedMessage, ...]]) -> None:
        self.feed(SignalsTraced(messages))

    async def _carry_out_on_relay(self, effect: _RelayEffect) -> None:
        match effect:
            case CloseMedia():
                await self._close_media(effect.finish_recording)
            case _OpenRelay():
                await self._open_session()
            case PlaceLeg():
                await self._place(effect)
            case SetRemoteMedia():
                session = await self._open_session()
                await session.set_remote(effect.side, effect.media)
            case Play():
                await self._play(effect)
            case StopPlaying():
                await self._stop_playing(effect)
            case StartRecording() | PauseRecording() | ResumeRecording():
                await self._record(effect)
            case _RunStep():
                await effect.run()
            case Listen() | StopListening() | SetMuted() | SetPatient():
                await self._attend(effect)
            case _:
                assert_never(effect)

    async def _attend(self, effect: Listen | StopListening | SetMuted | SetPatient) -> None:
        session = await self._open_session()
        match effect:
            case Listen(side, judges_answer):
                on_heard = partial(self._on_heard, side)
                await session.listen(side, on_heard, judges_answer=judges_answer)
            case SetMuted(side, muted):
                await session.set_muted(side, muted=muted)
            case StopListening(side):
                with self._missed("listening.not_stopped"):
                    await session.stop_listening(side)
            case SetPatient(patient):
                with self._missed("relay.not_patient"):
                    await session.set_patient(patient=patient)
            case _:
                assert_never(effect)

    @contextmanager
    def _missed(self, event: str) -> Generator[None]:
        """What the relay cannot do here is no reason to end a call."""
        try:
            yield
        except RelayError:
            log.exception(event, call_id=self.call.plan.call_id)

    def _on_heard(self, side: Side, heard: Heard) -> None:
        match heard:
            case DigitHeard(digit):
                self.feed(KeyPressed(side, digit))
            case AnswerJudged(verdict):
                self.feed(VoiceJudged(side, verdict))
            case _:
                assert_never(heard)

    async def _play(self, effect: Play) -> None:
        session, side = await self._open_session(), effect.side
        on_end = partial(self._on_prompt_ended, side) if effect.tells_end else None
        try:
            await session.play(side, effect.prompt, on_end)
        except RelayError:
            if effect.is_required:
                # Nobody may talk who was not told what was to be told.
                raise
            # A missing tone is no reason to end a call.
            log.exception("prompt.failed", call_id=self.call.plan.call_id)
            if on_end is not None:
                on_end()

    async def _stop_playing(self, effect: StopPlaying) -> None:
        session = await self._open_session()
        with self._missed("prompt.failed"):
            await session.stop_playing(effect.side)

    def _on_prompt_ended(self, side: Side) -> None:
        self.feed(PromptEnded(side))

    async def _open_session(self) -> RelaySession:
        if self.session is None:
            self.session = await self._needs.relay.open(self.call.plan.call_id, self._on_dead)
        return self.session

    def _on_dead(self, detail: str) -> None:
        self.feed(MediaFailed(detail))

    async def _place(self, effect: PlaceLeg) -> None:
        if effect.side not in self._legs:
            return
        session = await self._open_session()
        address = await session.local_address(effect.side)
        crypto = await session.local_crypto(effect.side)
        if effect.side not in self._legs:  # hung up while we asked for the address
            return
        side, plan = effect.side, self.call.plan
        leg_plan = LegPlan(
            destination=plan.number(side).e164,
            shown=plan.shown(side),
            offer=MediaDescription(address, effect.codecs, effect.dtmf, crypto=crypto),
            hides_number=plan.options.hides_number,
            ring_timeout_s=plan.ring_timeout_s(side),
            preferred_trunk=plan.preferred_trunk(side),
            owner=(plan.call_id, side),
            web_phone=plan.web_phone(side),
        )
        self._legs[side] = self._needs.telephony.place(
            leg_plan, lambda event: self._on_leg_event(side, event)
        )

    def _note_route(self, side: Side, leg: Leg) -> None:
        """Tell the machine which way a leg took that is over, where no answer has told it."""
        if self.call.legs[side].answered_at is None:
            # Nothing follows from it, so that it may be told while effects are carried out.
            self.call.handle(LegRouted(side, leg.trunk_name, leg.sip_call_id), self._now())

    def _on_leg_event(self, side: Side, event: LegEvent) -> None:
        match event:
            case Ringing():
                self.feed(LegRinging(side))
            case EarlyMedia():
                self.feed(LegEarlyMedia(side, event.media))
            case Answered():
                self._on_leg_answered(side, event)
            case Ended():
                leg = self._legs.pop(side, None)
                if leg is not None:
                    self._note_route(side, leg)
                self.feed(LegEnded(side, event.cause))
            case DigitReceived():
                self.feed(KeyPressed(side, event.digit))
            case Offered():
                leg = self._legs.get(side)
                if leg is not None:
                    self._renegotiate().on_offered(side, leg, event)
            case OfferAnswered():
                self._renegotiate().on_reoffer_answered(side, event.media)
            case OfferRefused():
                self._renegotiate().on_reoffer_refused(side, event.sip_status)
            case MediaChanged():
                self._renegotiate().on_changed(side, event.media)
            case _:
                assert_never(event)

    def _on_leg_answered(self, side: Side, event: Answered) -> None:
        leg = self._legs.get(side)
        if leg is None:
            return  # hung up, and its answer was on its way
        self.feed(LegAnswered(side, event.media, leg.trunk_name, leg.sip_call_id))

    # Minutes

    def _start_extension(self) -> None:
        self._extension = self._loop.create_task(self._extend_minutes())
        self._extension.add_done_callback(self._on_extension_done)

    async def _extend_minutes(self) -> None:
        """Hold more, and tell the machine. What the database does not answer is a refusal: the
        call lasts as long as what is held."""
        charge = self.call.charge
        assert charge is not None  # else the machine has nothing to extend
        for _ in range(HOLD_TRIES):
            try:
                more = await self._needs.minutes.plan_more(charge, self._needs.clock.utc())
                if not more or self.call.state is not CallState.CONNECTED:
                    break
                await self._needs.store.extend(self.call, more)
            except StoreConflict:
                continue
            except StoreError as error:
                log.error("minutes.not_extended", call_id=self.call.plan.call_id, error=str(error))
                break
            self.feed(MinutesExtended(charge.covered_s))
            return
        self.feed(MinutesRefused())

    def _on_extension_done(self, extension: asyncio.Task[None]) -> None:
        self._extension = None
        if not extension.cancelled() and extension.exception() is not None:
            # The call goes on to the end of what is held, as if refused.
            log.error("call.fault", call_id=self.call.plan.call_id, exc_info=extension.exception())
        if self.is_over:
            self._finish()

    # For the renegotiation

    def find_leg(self, side: Side) -> Leg | None:
        """The leg of that side while it lives."""
        return self._legs.get(side)

    def enqueue(self, step: MediaStep) -> None:
        """Run it after whatever the relay was asked before."""
        self._queue.append(_RunStep(step))
        self._start_worker()

    def _renegotiate(self) -> MediaRenegotiation:
        if self._renegotiation is None:
            self._renegotiation = MediaRenegotiation(self)
        return self._renegotiation

    # Recording and the end

    async def _record(self, effect: StartRecording | PauseRecording | ResumeRecording) -> None:
        session = await self._open_session()
        if self._recording_failed:
            return  # there is nothing to pause
        if isinstance(effect, PauseRecording):
            # What the parties were told is not recorded must not be: else the call ends.
            await session.pause_recording()
            return
        try:
            if isinstance(effect, StartRecording):
                await session.start_recording()
            else:
                await session.resume_recording()
        except RelayError:
            # The parties go on talking; the application is told that the recording failed.
            log.exception("recording.not_started", call_id=self.call.plan.call_id)
            self._recording_failed = True

    async def _tell_quality(self, session: RelaySession) -> None:
        call_id = self.call.plan.call_id
        try:
            quality = await session.quality()
        except RelayError as error:
            # A session that the relay ended by itself, for want of packets, tells nothing more.
            log.info("call.quality_unknown", call_id=call_id, detail=str(error))
            return
        self._needs.on_quality(quality)
        if self._sampler is not None:
            self._sampler.note(quality)
        self.feed(QualityMeasured(quality))
        log.info(
            "call.quality",
            call_id=call_id,
            **_quality_fields(Side.CALLER, quality.caller),
            **_quality_fields(Side.CALLEE, quality.callee),
        )

    def _keep_timeline(self) -> None:
        timeline = self.timeline
        if timeline:
            kept = self._needs.store.keep_timeline(self.call.plan.call_id, timeline)
            # The writer tells what it lost.
            kept.add_done_callback(lambda done: done.cancelled() or done.exception())

    async def _close_session(self, session: RelaySession) -> Capture | None:
        try:
            return await session.close()
        except RelayError:
            log.exception("relay.not_closed", call_id=self.call.plan.call_id)
            return None

    async def _close_media(self, finish_recording: bool) -> None:
        session, self.session = self.session, None
        if self._renegotiation is not None:
            self._renegotiation.close()
        if self._sampler is not None:
            self._sampler.stop()
        capture = None
        if session is not None and self.call.connected_at is not None:
            # Commands take effect in the order given: both in one round trip to the relay, since
            # the task begins when the question has been asked.
            closing = self._loop.create_task(self._close_session(session))
            try:
                await self._tell_quality(session)
                self._keep_timeline()
            finally:
                capture = await closing
        elif session is not None:
            capture = await self._close_session(session)
        plan = self.call.plan
        if not finish_recording or plan.recording_id is None:
            return
        if capture is None or self._recording_failed:
            self.feed(RecordingFinished(RecordingResult.FAIL))
            return
        outcome = await self._needs.recorder.finish(
            plan.recording_id, plan.call_id, plan.app_id, capture
        )
        self.feed(
            RecordingFinished(outcome.result, outcome.caller_silence_s, outcome.callee_silence_s)
        )


def _quality_fields(side: Side, quality: SideQuality) -> dict[str, float | None]:
    return {
        f"{side}_packets": quality.packets,
        f"{side}_lost": quality.packets_lost,
        f"{side}_jitter_ms": round(quality.jitter_ms, 1),
        f"{side}_mos": None if quality.mos is None else round(quality.mos, 2),
    }
