"""What holds for a call whatever happens to it, in whatever order."""

from collections import Counter
from datetime import UTC, datetime, timedelta

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from clicktodial.domain.call import Call, CallPlan, CallState, CallStateError, Moment
from clicktodial.domain.call_effect import (
    CloseMedia,
    Effect,
    EmitEvent,
    HangUpLeg,
    PlaceLeg,
    Play,
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
from clicktodial.domain.cause import LegCause, LegOutcome, Side
from clicktodial.domain.event import CallStatus, RecordingResult, StatusEvent
from clicktodial.domain.identifier import AppId, CallId, RecordingId
from clicktodial.domain.media import PCMA, PCMU, Codec, MediaAddress, MediaDescription
from clicktodial.domain.number import PhoneNumber
from clicktodial.domain.plan import RINGBACK_PROMPT, WARNING_PROMPT, CallOptions, Ringback

STARTED_AT = datetime(2026, 1, 1, tzinfo=UTC)
PROGRESS = [
    CallState.INITIATING, CallState.CALLING_CALLER, CallState.CALLING_CALLEE,
    CallState.ANNOUNCING, CallState.CONNECTED, CallState.FINISHING, CallState.ENDED,
]  # fmt: skip

sides = st.sampled_from(Side)
media = st.sampled_from([(PCMA,), (PCMU, PCMA), (Codec(9, "G722"),), ()]).map(
    lambda codecs: MediaDescription(MediaAddress("192.0.2.1", 4000), codecs)
)
causes = st.sampled_from(LegOutcome).map(LegCause)
inputs: st.SearchStrategy[CallInput] = st.one_of(
    st.just(CallStarted()),
    st.builds(LegRinging, sides),
    st.builds(LegEarlyMedia, sides, media),
    # Answers are what brings a call further; without weight on them most runs end early.
    st.builds(LegAnswered, sides, media),
    st.builds(LegAnswered, sides, media),
    st.builds(LegEnded, sides, causes),
    st.just(ReleaseRequested()),
    st.just(ContinueRequested()),
    st.just(MediaFailed("detail")),
    st.just(PlatformStopping()),
    st.builds(PromptEnded, sides),
    st.builds(PromptEnded, sides),
    st.builds(RecordingFinished, st.sampled_from(RecordingResult)),
)


options = st.builds(
    CallOptions,
    warning_before_end_s=st.integers(0, 250),
    warning_to=st.frozensets(sides),
    ringback=st.sampled_from(Ringback),
    announcement=st.none() | st.just("notice"),
    announcement_to=st.frozensets(sides, min_size=1),
)


class CallMachine(RuleBasedStateMachine):
    """Any inputs, any waits; a model of the legs and the relay checks each effect."""

    def __init__(self) -> None:
        super().__init__()
        self.elapsed_s = 0.0
        self.live: set[Side] = set()
        self.placed: Counter[Side] = Counter()
        self.ended_legs: Counter[Side] = Counter()
        self.closed = 0
        self.tone = False
        self.tones = 0
        self.warnings: Counter[Side] = Counter()
        self.announced: Counter[Side] = Counter()
        self.waiting: set[Side] = set()
        self.recordings = 0
        self.events: list[StatusEvent] = []
        self.furthest = 0

    @initialize(recorded=st.booleans(), cut_off=st.none() | st.integers(1, 100), options=options)
    def begin(self, recorded: bool, cut_off: int | None, options: CallOptions) -> None:
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
            ),
            begun_at=STARTED_AT,
        )

    def now(self) -> Moment:
        return Moment(500.0 + self.elapsed_s, STARTED_AT + timedelta(seconds=self.elapsed_s))

    @rule(call_input=inputs)
    def give(self, call_input: CallInput) -> None:
        before = repr(self.call)
        was_ended = self.call.state is CallState.ENDED
        try:
            effects = self.call.handle(call_input, self.now())
        except CallStateError:
            assert repr(self.call) == before
            return
        if was_ended:
            assert effects == []
            assert repr(self.call) == before
        if isinstance(call_input, LegEnded) and call_input.side in self.live:
            self.live.discard(call_input.side)
            self.ended_legs[call_input.side] += 1
        self.check(effects)

    @rule(side=sides)
    def answer_well(self, side: Side) -> None:
        self.give(LegAnswered(side, MediaDescription(MediaAddress("192.0.2.9", 6), (PCMA,))))

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
            assert self.closed == 0 or isinstance(effect, EmitEvent) or "Persist" in repr(effect)
            match effect:
                case PlaceLeg():
                    assert effect.codecs
                    self.placed[effect.side] += 1
                    self.live.add(effect.side)
                case HangUpLeg():
                    assert effect.side in self.live
                    self.live.discard(effect.side)
                    self.ended_legs[effect.side] += 1
                case Play(side, prompt) if prompt == WARNING_PROMPT:
                    assert self.call.state is CallState.CONNECTED
                    assert side in self.options.warning_to
                    self.warnings[side] += 1
                case Play(side) if effect.is_announcement:
                    assert self.call.state is CallState.ANNOUNCING
                    assert side in self.options.announcement_to
                    self.announced[side] += 1
                case Play(side) if self.call.state is CallState.ANNOUNCING:
                    assert side not in self.options.announcement_to
                    self.waiting.add(side)
                case StopPlaying(side) if side in self.waiting:
                    assert self.call.state is CallState.CONNECTED
                    self.waiting.discard(side)
                case Play():
                    assert effect == Play(Side.CALLER, RINGBACK_PROMPT)
                    assert self.options.ringback is not Ringback.NETWORK
                    assert not self.tone
                    self.tone = True
                    self.tones += 1
                case StopPlaying():
                    assert self.tone
                    self.tone = False
                case StartRecording():
                    self.recordings += 1
                case CloseMedia():
                    self.closed += 1
                    self.tone = False
                    assert effect.finish_recording == (self.recordings == 1)
                case EmitEvent():
                    self.events.append(effect.event)
                case _:
                    pass

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
        assert self.tones <= 1
        # Once before the application's cut-off, and once more where Continue lifted that.
        assert all(count <= 2 for count in self.warnings.values())
        if self.call.state is CallState.CONNECTED:
            assert not self.tone
            assert not self.waiting
            wanted = self.options.announcement_to if self.options.announcement else frozenset()
            assert self.announced == Counter(wanted)

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


CallMachine.TestCase.settings = settings(max_examples=150, stateful_step_count=25)
TestCallInvariants = CallMachine.TestCase
