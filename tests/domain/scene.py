"""One call on a clock that the test turns, and the usual inputs."""

from datetime import UTC, datetime, timedelta
from typing import Any

from clicktodial.domain.call import (
    Call,
    CallPlan,
    CallState,
    Moment,
)
from clicktodial.domain.call_effect import (
    Effect,
    EmitEvent,
)
from clicktodial.domain.call_input import (
    CallInput,
    CallStarted,
    KeyPressed,
    LegAnswered,
    LegEnded,
    RecordingFinished,
)
from clicktodial.domain.cause import (
    HANG_UP_CAUSE,
    Side,
)
from clicktodial.domain.event import RecordingResult, StatusEvent
from clicktodial.domain.identifier import AppId, CallId, RecordingId
from clicktodial.domain.leg import CallQuality, SideQuality
from clicktodial.domain.media import (
    OFFERED_CODECS,
    PCMA,
    PCMU,
    TELEPHONE_EVENT,
    Codec,
    MediaAddress,
    MediaDescription,
)
from clicktodial.domain.number import PhoneNumber
from clicktodial.domain.plan import (
    DEFAULT_OPTIONS,
    CallOptions,
    PresenceProof,
)

STARTED_AT = datetime(2026, 1, 31, 23, 59, 58, 250_000, tzinfo=UTC)
# A monotonic clock starts anywhere; a rule that forgets the offset must fail here.
MONOTONIC_OFFSET_S = 7_000.5
CALLER_MEDIA = MediaDescription(MediaAddress("192.0.2.1", 4000), (PCMU, PCMA), Codec(96, "dtmf"))
CALLEE_MEDIA = MediaDescription(MediaAddress("192.0.2.2", 4002), (PCMU,), TELEPHONE_EVENT)
VIDEO_ONLY = MediaDescription(MediaAddress("192.0.2.3", 4004), (Codec(97, "opus", 48_000),))
RECORDING_ID = RecordingId("recording-1")

CALLER_ENDED = LegEnded(Side.CALLER, HANG_UP_CAUSE)
CALLEE_ENDED = LegEnded(Side.CALLEE, HANG_UP_CAUSE)
CALLER_ANSWERED = LegAnswered(Side.CALLER, CALLER_MEDIA)
CALLEE_ANSWERED = LegAnswered(Side.CALLEE, CALLEE_MEDIA)
KEY = KeyPressed(Side.CALLER, "5")
QUALITY = CallQuality(
    caller=SideQuality(100, 1, 2.0, 4.3, 30.0), callee=SideQuality(90, 10, 20.0, 3.4)
)
_S = CallState


class Scene:
    """A call, a clock that the test turns, and all effects so far."""

    def __init__(
        self,
        *,
        recorded: bool = False,
        application_max_duration_s: int | None = None,
        options: CallOptions = DEFAULT_OPTIONS,
        codecs: tuple[Codec, ...] = OFFERED_CODECS,
        transcodes: bool = False,
        covered_s: int | None = None,
    ) -> None:
        self.elapsed_s = 0.0
        plan = CallPlan(
            call_id=CallId("call-1"),
            app_id=AppId("12345678"),
            sponsor=PhoneNumber("+861052680000", "01052680000"),
            caller=PhoneNumber("+8613912345673", "8613912345673"),
            callee=PhoneNumber("+8613810268653", "+8613810268653"),
            recording_id=RECORDING_ID if recorded else None,
            send_direction=None,
            caller_ring_timeout_s=45,
            callee_ring_timeout_s=60,
            max_duration_s=3600,
            application_max_duration_s=application_max_duration_s,
            options=options,
            codecs=codecs,
            transcodes=transcodes,
            covered_s=covered_s,
        )
        self.call = Call(plan, begun_at=STARTED_AT)
        self.all_effects: list[Effect] = []

    @property
    def now(self) -> Moment:
        return Moment(
            MONOTONIC_OFFSET_S + self.elapsed_s, STARTED_AT + timedelta(seconds=self.elapsed_s)
        )

    def give(self, *inputs: CallInput) -> list[Effect]:
        """Feed the inputs in order; returns the last one's effects."""
        effects: list[Effect] = []
        for call_input in inputs:
            effects = self.call.handle(call_input, self.now)
            self.all_effects += effects
        return effects

    def wait(self, seconds: float) -> list[Effect]:
        """Let time pass in one step, with one timeout at its end."""
        self.elapsed_s += seconds
        effects = self.call.handle_timeout(self.now)
        self.all_effects += effects
        return effects

    @property
    def deadline_in_s(self) -> float | None:
        deadline = self.call.next_deadline()
        return None if deadline is None else deadline - self.now.monotonic_s

    @property
    def events(self) -> list[StatusEvent]:
        return [effect.event for effect in self.all_effects if isinstance(effect, EmitEvent)]


def scene_in(state: CallState, *, recorded: bool = True, **plan: Any) -> Scene:
    """A call that reached the state the usual way, a second in each."""
    if state is CallState.ANNOUNCING:
        plan.setdefault("options", CallOptions(announcement="notice"))
    if state is CallState.PROVING_PRESENCE:
        plan.setdefault("options", CallOptions(presence=PresenceProof.KEY))
    scene = Scene(recorded=recorded or state is CallState.FINISHING, **plan)
    steps: list[CallInput] = [CallStarted(), CALLER_ANSWERED, CALLEE_ANSWERED, CALLEE_ENDED]
    if scene.call.plan.recording_id is not None:
        steps.append(RecordingFinished(RecordingResult.SUCCESS))
    for step in steps:
        if scene.call.state is state:
            break
        scene.give(step)
        scene.elapsed_s += 1.0
    assert scene.call.state is state
    return scene


def state_of(scene: Scene) -> CallState:
    """The state now; a call, so that type checkers do not take it for unchanged."""
    return scene.call.state


def without_event(effects: list[Effect]) -> list[Effect]:
    return [effect for effect in effects if not isinstance(effect, EmitEvent)]
