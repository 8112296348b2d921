"""What holds for a call whatever happens to it, in whatever order."""

from collections import Counter
from datetime import UTC, datetime, timedelta

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from clicktodial.domain.call import Call, CallPlan, CallState, CallStateError, Moment
from clicktodial.domain.call_effect import (
    CloseMedia,
    Effect,
    EmitEvent,
    HangUpLeg,
    Listen,
    PauseRecording,
    PersistCall,
    PlaceLeg,
    Play,
    ResumeRecording,
    SetMuted,
    SetPatient,
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
    MuteRequested,
    PlatformStopping,
    PromptEnded,
    QualityMeasured,
    RecordingFinished,
    RecordingPauseRequested,
    ReleaseRequested,
    ServiceWithdrawn,
    VoiceJudged,
)
from clicktodial.domain.cause import LegCause, LegOutcome, Side
from clicktodial.domain.event import CallStatus, RecordingResult, StatusEvent
from clicktodial.domain.identifier import AppId, CallId, RecordingId
from clicktodial.domain.leg import CallQuality, SideQuality
from clicktodial.domain.media import (
    G722,
    PCMA,
    PCMU,
    Codec,
    MediaAddress,
    MediaDescription,
    MediaDirection,
)
from clicktodial.domain.number import PhoneNumber
from clicktodial.domain.plan import (
    HOLD_PROMPT,
    PRESENCE_PROMPT,
    RINGBACK_PROMPT,
    WARNING_PROMPT,
    AnswerVerdict,
    CallOptions,
    PresenceProof,
    Prompt,
    Ringback,
)

STARTED_AT = datetime(2026, 1, 1, tzinfo=UTC)
PROGRESS = [
    CallState.INITIATING, CallState.CALLING_CALLER, CallState.PROVING_PRESENCE,
    CallState.CALLING_CALLEE, CallState.ANNOUNCING, CallState.CONNECTED, CallState.FINISHING,
    CallState.ENDED,
]  # fmt: skip

CONNECTED = PROGRESS.index(CallState.CONNECTED)

sides = st.sampled_from(Side)
media = st.sampled_from([(PCMA,), (PCMU, PCMA), (Codec(18, "G729"),), ()]).map(
    lambda codecs: MediaDescription(MediaAddress("192.0.2.1", 4000), codecs)
)
causes = st.sampled_from(LegOutcome).map(LegCause)
QUALITY = CallQuality(SideQuality(1, 0, 0.0, None), SideQuality(0, 0, 0.0, None))
progress: st.SearchStrategy[CallInput] = st.one_of(
    st.just(CallStarted()),
    st.builds(LegRinging, sides),
    st.builds(LegEarlyMedia, sides, media),
    st.builds(LegAnswered, sides, media),
    st.builds(LegRouted, sides, st.none() | st.just("trunk"), st.none() | st.just("id")),
    st.builds(PromptEnded, sides),
)
wishes: st.SearchStrategy[CallInput] = st.one_of(
    st.builds(MuteRequested, sides, st.booleans()),
    st.builds(HoldRequested, sides, st.booleans()),
    st.builds(HoldRequested, sides, st.booleans()),
    st.builds(RecordingPauseRequested, st.booleans()),
    st.builds(
        LegMediaChanged,
        sides,
        st.builds(
            MediaDescription,
            st.just(MediaAddress("192.0.2.7", 4000)),
            st.just((PCMA,)),
            direction=st.sampled_from(MediaDirection),
        ),
    ),
)
proofs: st.SearchStrategy[CallInput] = st.one_of(
    st.builds(KeyPressed, sides, st.sampled_from("0#D")),
    st.builds(VoiceJudged, sides, st.sampled_from(AnswerVerdict)),
    st.builds(VoiceJudged, st.just(Side.CALLER), st.sampled_from(AnswerVerdict)),
)
endings: st.SearchStrategy[CallInput] = st.one_of(
    st.builds(LegEnded, sides, causes),
    st.builds(ReleaseRequested, st.booleans(), st.integers(0, 100)),
    st.just(ContinueRequested()),
    st.just(MediaFailed("detail")),
    st.just(PlatformStopping()),
    st.just(ServiceWithdrawn()),
    st.just(QualityMeasured(QUALITY)),
    st.builds(RecordingFinished, st.sampled_from(RecordingResult)),
)


options = st.builds(
    CallOptions,
    warning_before_end_s=st.integers(0, 250),
    warning_to=st.frozensets(sides),
    ringback=st.sampled_from(Ringback),
    announcement=st.none() | st.just("notice"),
    announcement_to=st.frozensets(sides, min_size=1),
    presence=st.sampled_from(PresenceProof),
    presence_timeout_s=st.integers(1, 60),
)
NOTICE = Prompt("notice")


class CallMachine(RuleBasedStateMachine):
    """Any inputs, any waits; a model of the legs and the relay checks each effect."""

    def __init__(self) -> None:
        super().__init__()
        self.elapsed_s = 0.0
        self.live: set[Side] = set()
        self.placed: Counter[Side] = Counter()
        self.ended_legs: Counter[Side] = Counter()
        self.closed = 0
        self.played: Counter[tuple[Side, Prompt]] = Counter()
        self.playing: dict[Side, Prompt] = {}
        self.listening: set[Side] = set()
        self.is_proven = False
        self.muted: set[Side] = set()
        self.asked_muted: set[Side] = set()
        self.asked_held: set[Side] = set()
        self.is_patient = False
        self.is_paused = False
        self.recordings = 0
        self.events: list[StatusEvent] = []
        self.furthest = 0

    @initialize(
        recorded=st.booleans(),
        cut_off=st.none() | st.integers(1, 100),
        options=options,
        transcodes=st.booleans(),
        steps=st.integers(0, 6),
    )
    def begin(
        self,
        recorded: bool,
        cut_off: int | None,
        options: CallOptions,
        transcodes: bool,
        steps: int,
    ) -> None:
        self.options = options
        number = PhoneNumber("+8613912345673", "13912345673")
        self.call = Call(
            CallPlan(
                call_id=CallId("c"),
                app_id=AppId("a"),
                sponsor=number,
                caller=number,
                callee=number,
                recording_id=RecordingId("r") if recorded else None,
                send_direction=None,
                caller_ring_timeout_s=45,
                callee_ring_timeout_s=60,
                max_duration_s=200,
                application_max_duration_s=cut_off,
                options=options,
                codecs=(G722, PCMA, PCMU),
                transcodes=transcodes,
            ),
            begun_at=STARTED_AT,
        )
        # Most runs would end before they came to where there is most to go wrong.
        for _ in range(steps):
            self.go_on()

    def now(self) -> Moment:
        return Moment(500.0 + self.elapsed_s, STARTED_AT + timedelta(seconds=self.elapsed_s))

    @rule(call_input=progress | proofs | wishes | endings)
    def give(self, call_input: CallInput) -> None:
        before = repr(self.call)
        was_ended = self.call.state is CallState.ENDED
        proves = self.proves(call_input)
        try:
            effects = self.call.handle(call_input, self.now())
        except CallStateError:
            assert repr(self.call) == before
            return
        if was_ended and not isinstance(call_input, LegRouted | QualityMeasured):
            assert effects == []
            assert repr(self.call) == before
        self.is_proven |= proves
        match call_input:
            case LegEnded(side) if side in self.live:
                self.live.discard(side)
                self.ended_legs[side] += 1
            case PromptEnded(side) if side in self.playing and not self.playing[side].repeats:
                del self.playing[side]
            case MuteRequested(side, muted):
                (self.asked_muted.add if muted else self.asked_muted.discard)(side)
            case HoldRequested(side, held):
                (self.asked_held.add if held else self.asked_held.discard)(side)
        self.check(effects)

    def proves(self, call_input: CallInput) -> bool:
        """Whether this shows a person, by what the options ask for."""
        if self.call.state is not CallState.PROVING_PRESENCE:
            return False
        match self.options.presence, call_input:
            case ((PresenceProof.KEY | PresenceProof.KEY_AND_DETECTION), KeyPressed(Side.CALLER)):
                return True
            case PresenceProof.MACHINE_DETECTION, VoiceJudged(Side.CALLER, AnswerVerdict.HUMAN):
                return True
        return False

    @rule(side=sides)
    def answer_well(self, side: Side) -> None:
        self.give(LegAnswered(side, MediaDescription(MediaAddress("192.0.2.9", 6), (PCMA,))))

    # What brings a call further.
    @precondition(lambda self: PROGRESS.index(self.call.state) < CONNECTED)
    @rule()
    def go_on(self) -> None:
        answer = MediaDescription(MediaAddress("192.0.2.9", 6), (PCMA,))
        match self.call.state:
            case CallState.INITIATING:
                self.give(CallStarted())
            case CallState.CALLING_CALLER:
                self.give(LegAnswered(Side.CALLER, answer))
            case CallState.PROVING_PRESENCE if self.options.presence.needs_key:
                self.give(KeyPressed(Side.CALLER, "1"))
            case CallState.PROVING_PRESENCE:
                self.give(VoiceJudged(Side.CALLER, AnswerVerdict.HUMAN))
            case CallState.CALLING_CALLEE:
                self.give(LegAnswered(Side.CALLEE, answer))
            case CallState.ANNOUNCING:
                for side in self.options.announcement_to:
                    self.give(PromptEnded(side))

    @precondition(lambda self: self.call.state is CallState.PROVING_PRESENCE)
    @rule(proof=proofs)
    def prove(self, proof: CallInput) -> None:
        self.give(proof)

    @precondition(lambda self: self.call.state is CallState.CONNECTED)
    @rule(wish=wishes)
    def wish(self, wish: CallInput) -> None:
        self.give(wish)

    @precondition(lambda self: WARNING_PROMPT in self.playing.values())
    @rule()
    def hear_the_warning_out(self) -> None:
        for side in [each for each, prompt in self.playing.items() if prompt == WARNING_PROMPT]:
            self.give(PromptEnded(side))
            assert (self.playing.get(side) == HOLD_PROMPT) == (side in self.asked_held)

    @rule(seconds=st.floats(0, 70, allow_nan=False))
    def wait(self, seconds: float) -> None:
        self.elapsed_s += seconds
        self.check(self.call.handle_timeout(self.now()))

    @rule()
    def wait_for_the_deadline(self) -> None:
        deadline = self.call.next_deadline()
        if deadline is not None:
            self.elapsed_s = max(self.elapsed_s, deadline - 500.0 + 1e-6)
            self.check(self.call.handle_timeout(self.now()))

    def check(self, effects: list[Effect]) -> None:
        for effect in effects:
            assert self.closed == 0 or isinstance(effect, EmitEvent | PersistCall)
            match effect:
                case PlaceLeg(side):
                    assert effect.codecs
                    assert side is Side.CALLER or self.may_ring_callee()
                    assert not self.listening
                    self.placed[side] += 1
                    self.live.add(side)
                case HangUpLeg(side):
                    assert side in self.live
                    self.live.discard(side)
                    self.ended_legs[side] += 1
                case Play(side, prompt):
                    self.check_play(effect)
                    self.playing[side] = prompt
                    self.played[side, prompt] += 1
                case StopPlaying(side):
                    assert self.playing.pop(side).repeats
                case Listen(side):
                    assert not self.listening
                    self.listening.add(side)
                case StopListening(side):
                    self.listening.remove(side)
                case SetMuted(side, muted):
                    assert muted != (side in self.muted)
                    (self.muted.add if muted else self.muted.remove)(side)
                case SetPatient(patient):
                    assert patient != self.is_patient
                    self.is_patient = patient
                case StartRecording():
                    self.recordings += 1
                case PauseRecording() | ResumeRecording():
                    assert self.recordings == 1
                    assert self.is_paused == isinstance(effect, ResumeRecording)
                    self.is_paused = not self.is_paused
                case CloseMedia():
                    self.closed += 1
                    self.playing.clear()
                    assert effect.finish_recording == (self.recordings == 1)
                case EmitEvent():
                    if effect.event.status is CallStatus.CALLING_CALLEE:
                        assert self.may_ring_callee()
                    self.events.append(effect.event)
                case _:
                    pass

    def may_ring_callee(self) -> bool:
        return self.is_proven or self.options.presence is PresenceProof.NONE

    def check_play(self, play: Play) -> None:
        """Whether that may be played to that side now."""
        state, side, options = self.call.state, play.side, self.options
        if play.prompt == PRESENCE_PROMPT:
            assert state is CallState.PROVING_PRESENCE and side is Side.CALLER
            assert play.is_required and options.presence.needs_key
        elif play.prompt == NOTICE:
            assert state is CallState.ANNOUNCING and side in options.announcement_to
            assert play.is_required and play.tells_end
        elif play.prompt == WARNING_PROMPT:
            assert state is CallState.CONNECTED and side in options.warning_to
            assert play.tells_end == (side in self.asked_held)
        elif play.prompt == HOLD_PROMPT:
            assert state is CallState.CONNECTED and side in self.asked_held
            # Whoever waits is apart before it hears so.
            assert self.muted == set(Side)
        elif state is CallState.ANNOUNCING:
            assert play.prompt == RINGBACK_PROMPT and side not in options.announcement_to
        else:
            assert play.prompt == RINGBACK_PROMPT and side is Side.CALLER
            assert state is CallState.CALLING_CALLEE
            assert options.ringback is not Ringback.NETWORK

    @invariant()
    def state_never_goes_back(self) -> None:
        position = PROGRESS.index(self.call.state)
        assert position >= self.furthest
        self.furthest = position

    @invariant()
    def events_are_gapless_ordered_and_end_once(self) -> None:
        assert [event.seq for event in self.events] == list(range(1, len(self.events) + 1))
        assert self.call.event_count == len(self.events)
        statuses = [event.status for event in self.events]
        assert statuses == sorted(statuses, key=list(CallStatus).index)
        assert len(set(statuses)) == len(statuses)
        assert all(not event.is_terminal for event in self.events[:-1])
        told = bool(self.events) and self.events[-1].is_terminal
        assert told == (self.call.state is CallState.ENDED)

    @invariant()
    def legs_are_placed_once_and_over_once(self) -> None:
        assert all(count == 1 for count in self.placed.values())
        assert all(self.ended_legs[side] <= self.placed[side] for side in Side)
        if self.call.state in (CallState.FINISHING, CallState.ENDED):
            assert not self.live
            assert self.ended_legs == self.placed

    @invariant()
    def media_is_closed_exactly_when_the_call_is_over(self) -> None:
        over = self.call.state in (CallState.FINISHING, CallState.ENDED)
        assert self.closed == int(over)
        assert self.recordings <= 1
        assert self.played[Side.CALLER, RINGBACK_PROMPT] <= 2
        for side in Side:
            assert self.played[side, NOTICE] <= 1
            # Once before the application's cut-off, and once more where Continue lifted that.
            assert self.played[side, WARNING_PROMPT] <= 2

    @invariant()
    def joined_parties_hear_each_other_unless_something_else_was_asked_for(self) -> None:
        if self.call.state is not CallState.CONNECTED:
            return
        assert not self.listening
        assert self.muted == (set(Side) if self.asked_held else self.asked_muted)
        assert self.is_patient or not self.asked_held
        for side in Side:
            heard = self.playing.get(side)
            if side in self.asked_held:
                assert heard in (HOLD_PROMPT, WARNING_PROMPT)
            else:
                assert heard in (None, WARNING_PROMPT)
        wanted = self.options.announcement_to if self.options.announcement else frozenset()
        assert {side for side in Side if self.played[side, NOTICE]} == set(wanted)

    @invariant()
    def nothing_is_muted_held_or_paused_but_between_joined_parties(self) -> None:
        if self.call.state is not CallState.CONNECTED:
            conversation = self.call.conversation
            assert not conversation.muted and not conversation.held
            assert not conversation.is_recording_paused
            assert self.closed or not self.muted

    @invariant()
    def nobody_is_listened_to_but_for_a_proof(self) -> None:
        proving = self.call.state is CallState.PROVING_PRESENCE
        assert self.closed or self.listening == ({Side.CALLER} if proving else set())

    @invariant()
    def every_state_but_the_first_and_last_has_a_deadline(self) -> None:
        waits = self.call.next_deadline() is not None
        assert waits == (self.call.state not in (CallState.INITIATING, CallState.ENDED))

    @invariant()
    def end_is_known_exactly_when_over(self) -> None:
        over = self.call.state in (CallState.FINISHING, CallState.ENDED)
        assert (self.call.end is not None) == over
        assert self.call.duration_s >= 0
        assert self.call.duration_s == 0 or self.call.connected_at is not None

    def teardown(self) -> None:
        # Whatever happened, waiting alone brings every call that started to its end.
        if self.call.state is CallState.INITIATING:
            return
        for _ in range(5):
            self.wait_for_the_deadline()
        assert self.call.state is CallState.ENDED
        assert sum(event.is_terminal for event in self.events) == 1


CallMachine.TestCase.settings = settings(max_examples=500, stateful_step_count=30)
TestCallInvariants = CallMachine.TestCase
