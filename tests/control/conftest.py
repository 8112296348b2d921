"""A platform whose outside is made of recorders of what was asked, on a virtual clock."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.harness.virtual_time import VirtualTimeLoop

from clicktodial.config import CallsSettings
from clicktodial.control.controller import CallDependencies
from clicktodial.control.error import PoolEmpty
from clicktodial.control.live_call_service import LiveCallService
from clicktodial.control.port import (
    Answered,
    Capture,
    FoundCall,
    Heard,
    LegEvent,
    LegPlan,
    RecordingOutcome,
    RelayError,
    TrunkForecast,
)
from clicktodial.control.service import BeginCall
from clicktodial.domain.application import Application, ApplicationStatus, EnterpriseStatus
from clicktodial.domain.call import Call
from clicktodial.domain.cause import Side
from clicktodial.domain.event import RecordingResult, StatusEvent
from clicktodial.domain.identifier import AppId, CallId, RecordingId
from clicktodial.domain.leg import CallQuality, LegRecord, RecentQuality, SideQuality
from clicktodial.domain.media import (
    OFFERED_CODECS,
    PCMA,
    TELEPHONE_EVENT,
    Codec,
    MediaAddress,
    MediaDescription,
    SrtpKey,
)
from clicktodial.domain.minutes import Charge, Hold
from clicktodial.domain.number import parse_number
from clicktodial.domain.plan import CallOptions, Prompt
from clicktodial.domain.quality_timeline import QualityTimeline

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Every test of this folder runs in virtual time."""
    return {"virtual-time": VirtualTimeLoop}


class LoopClock:
    """Both clocks, from the loop's virtual time."""

    def monotonic_s(self) -> float:
        return asyncio.get_running_loop().time()

    def utc(self) -> datetime:
        return EPOCH + timedelta(seconds=self.monotonic_s())


@dataclass
class FakeLeg:
    plan: LegPlan
    on_event: Callable[[LegEvent], None]
    hung_up: int = 0
    trunk_name: str | None = "trunk"
    sip_call_id: str | None = "sip"
    q850: int | None = None
    decisions: list[str] = field(default_factory=list)
    offers: list[MediaDescription] = field(default_factory=list)
    is_too_late: bool = False  # whatever is answered now

    def reoffer(self, media: MediaDescription) -> None:
        self.offers.append(media)

    def answer_offer(self, codec: Codec) -> bool:
        if self.hung_up or self.is_too_late:
            return False
        self.decisions.append(f"answered {codec.name}")
        return True

    def refuse_offer(self) -> None:
        self.decisions.append("refused")

    def hang_up(self, *, q850: int | None = None) -> None:
        self.hung_up += 1
        self.q850 = q850


@dataclass
class FakeTelephony:
    legs: list[FakeLeg] = field(default_factory=list)
    forecasts: dict[str, TrunkForecast] = field(default_factory=dict)
    preferred: list[str | None] = field(default_factory=list)

    def place(self, plan: LegPlan, on_event: Callable[[LegEvent], None]) -> FakeLeg:
        leg = FakeLeg(plan, on_event)
        self.legs.append(leg)
        return leg

    def forecast(self, destination: str, preferred_trunk: str | None = None) -> TrunkForecast:
        self.preferred.append(preferred_trunk)
        return self.forecasts.get(destination, TrunkForecast("trunk", 1_000))


@dataclass
class FakeRelay:
    """Also its only session; `failing` names the commands that raise RelayError."""

    done: list[str] = field(default_factory=list)
    failing: set[str] = field(default_factory=set)
    failing_once: set[str] = field(default_factory=set)
    failing_prompts: set[str] = field(default_factory=set)
    room: bool = True
    on_dead: Callable[[str], None] | None = None
    ends: list[Callable[[], None]] = field(default_factory=list)
    heard: list[Callable[[Heard], None]] = field(default_factory=list)
    codecs: tuple[Codec, ...] = OFFERED_CODECS
    playable_codecs: tuple[Codec, ...] = OFFERED_CODECS
    can_transcode: bool = False
    crypto: tuple[SrtpKey, ...] = ()
    remote: dict[Side, MediaDescription] = field(default_factory=dict)
    held: dict[str, asyncio.Event] = field(default_factory=dict)
    readings: int = 0

    def has_room(self) -> bool:
        return self.room

    async def open(self, call_id: CallId, on_dead: Callable[[str], None]) -> "FakeRelay":
        await self._do("open")
        self.on_dead = on_dead
        return self

    def hold(self, command: str) -> asyncio.Event:
        """Let the next such command wait for the event."""
        self.held[command] = asyncio.Event()
        return self.held[command]

    async def _do(self, what: str) -> None:
        await asyncio.sleep(0)
        held = self.held.pop(what.split()[0], None)
        if held is not None:
            await held.wait()
        if what.split()[0] in self.failing | self.failing_once:
            self.failing_once.discard(what.split()[0])
            raise RelayError(what)
        self.done.append(what)

    async def local_address(self, side: Side) -> MediaAddress:
        await self._do(f"local_address {side}")
        return MediaAddress("127.0.0.1", 20000 if side is Side.CALLER else 20002)

    async def set_remote(self, side: Side, media: MediaDescription) -> None:
        await self._do(f"set_remote {side}")
        self.remote[side] = media

    async def local_crypto(self, side: Side) -> tuple[SrtpKey, ...]:
        return self.crypto

    async def play(
        self, side: Side, prompt: Prompt, on_end: Callable[[], None] | None = None
    ) -> None:
        if prompt.audio in self.failing_prompts:
            raise RelayError(prompt.audio)
        await self._do(f"play {prompt.audio} to {side}")
        if on_end is not None:
            self.ends.append(on_end)

    async def stop_playing(self, side: Side) -> None:
        await self._do(f"stop_playing {side}")

    async def listen(
        self, side: Side, on_heard: Callable[[Heard], None], *, judges_answer: bool
    ) -> None:
        await self._do(f"listen to {side}{' and judge' if judges_answer else ''}")
        self.heard.append(on_heard)

    async def stop_listening(self, side: Side) -> None:
        await self._do(f"stop_listening {side}")

    async def set_muted(self, side: Side, *, muted: bool) -> None:
        await self._do(f"set_muted {side} {muted}")

    async def set_patient(self, *, patient: bool) -> None:
        await self._do(f"set_patient {patient}")

    async def start_recording(self) -> None:
        await self._do("start_recording")

    async def pause_recording(self) -> None:
        await self._do("pause_recording")

    async def resume_recording(self) -> None:
        await self._do("resume_recording")

    async def quality(self) -> CallQuality:
        self.readings += 1
        if "quality" in self.failing:
            raise RelayError("quality")
        # Of the callee the same all the time: it says nothing any more.
        return CallQuality(
            SideQuality(100 * self.readings, self.readings, 2.0, 4.3),
            SideQuality(90, 10, 20.0, 3.4),
            RecentQuality(2.0, codec_name="PCMA"),
            RecentQuality(20.0, codec_name="PCMA"),
        )

    async def close(self) -> Capture | None:
        await self._do("close")
        return Capture("caller.pcap", "callee.pcap")


@dataclass
class FakeRecorder:
    result: RecordingResult = RecordingResult.SUCCESS
    delay_s: float = 0.0
    finished: list[RecordingId] = field(default_factory=list)

    async def finish(
        self, recording_id: RecordingId, call_id: CallId, app_id: AppId, capture: Capture
    ) -> RecordingOutcome:
        await asyncio.sleep(self.delay_s)
        self.finished.append(recording_id)
        return RecordingOutcome(self.result, caller_silence_s=4, callee_silence_s=0)


@dataclass
class FakeStore:
    """Durable after `turns` turns of the loop, unless `failure` says otherwise."""

    failure: Exception | None = None
    turns: int = 0
    update_failure: Exception | None = None
    failures: list[Exception] = field(default_factory=list)  # of the next ones, one each
    extend_failures: list[Exception] = field(default_factory=list)
    states: list[str] = field(default_factory=list)
    legs: list[dict[Side, LegRecord]] = field(default_factory=list)
    timelines: dict[CallId, QualityTimeline] = field(default_factory=dict)
    known: dict[CallId, AppId] = field(default_factory=dict)
    open: dict[tuple[AppId, str, str], list[FoundCall]] = field(default_factory=dict)
    find_failure: Exception | None = None

    def create(self, call: Call, events: Sequence[StatusEvent]) -> asyncio.Future[None]:
        future = asyncio.get_running_loop().create_future()
        if self.failure is not None or self.failures:
            future.set_exception(self.failure or self.failures.pop(0))
        else:
            self.known[call.plan.call_id] = call.plan.app_id
            self._write(call)
            self._resolve(future, self.turns)
        return future

    def _resolve(self, future: asyncio.Future[None], turns: int) -> None:
        if turns == 0:
            future.set_result(None)
        else:
            asyncio.get_running_loop().call_soon(self._resolve, future, turns - 1)

    def update(self, call: Call, events: Sequence[StatusEvent]) -> asyncio.Future[None]:
        future = asyncio.get_running_loop().create_future()
        self._write(call)
        if self.update_failure is not None:
            future.set_exception(self.update_failure)
        else:
            future.set_result(None)
        return future

    def _write(self, call: Call) -> None:
        self.states.append(call.state)
        self.legs.append({side: replace(record) for side, record in call.legs.items()})

    def extend(self, call: Call, more: Sequence[Hold]) -> asyncio.Future[None]:
        future = asyncio.get_running_loop().create_future()
        if self.extend_failures:
            future.set_exception(self.extend_failures.pop(0))
        else:
            assert call.charge is not None
            call.charge.add(more)
            future.set_result(None)
        return future

    def keep_timeline(self, call_id: CallId, timeline: QualityTimeline) -> asyncio.Future[None]:
        self.timelines[call_id] = timeline
        future = asyncio.get_running_loop().create_future()
        future.set_result(None)
        return future

    async def is_known(self, call_id: CallId, app_id: AppId) -> bool:
        return self.known.get(call_id) == app_id

    async def find_open(self, app_id: AppId, caller: str, callee: str) -> list[FoundCall]:
        if self.find_failure is not None:
            raise self.find_failure
        return self.open.get((app_id, caller, callee), [])


@dataclass
class FakeMinutes:
    """A pool of one lot, of which `left_s` are not held. Nobody gives anything back."""

    left_s: int = 0
    asked: int = 0
    failure: Exception | None = None

    async def plan(self, application: Application, caller: str, now: datetime) -> Charge | None:
        if application.pool_terms is None:
            return None
        self.asked += 1
        if self.failure is not None:
            raise self.failure
        holds = self._hold()
        if not holds:
            raise PoolEmpty
        return Charge(application.enterprise_id, application.pool_terms, caller, holds=holds)

    async def plan_more(self, charge: Charge, now: datetime) -> tuple[Hold, ...]:
        self.asked += 1
        if self.failure is not None:
            raise self.failure
        return self._hold()

    def _hold(self) -> tuple[Hold, ...]:
        seconds = min(self.left_s, 120)
        self.left_s -= seconds
        return (Hold("lot", seconds, 300_000),) if seconds else ()


@dataclass
class FakeNotifier:
    events: list[StatusEvent] = field(default_factory=list)

    def publish(self, events: Sequence[StatusEvent]) -> None:
        self.events.extend(events)

    @property
    def told(self) -> list[str]:
        return [event.status.value for event in self.events]


@dataclass
class Platform:
    """The service under test and everything it was given."""

    telephony: FakeTelephony
    relay: FakeRelay
    recorder: FakeRecorder
    store: FakeStore
    notifier: FakeNotifier
    service: LiveCallService
    application: Application
    qualities: list[CallQuality]
    minutes: FakeMinutes

    def set_options(self, **options: Any) -> None:
        """Give the application these for its calls to come."""
        self.application = replace(self.application, options=CallOptions(**options))

    async def wait(self, seconds: float) -> None:
        """Let time pass, and what it brings about happen."""
        await asyncio.sleep(seconds)
        await settle()

    async def connect(self, answer: MediaDescription, *, record: bool = False) -> CallId:
        """A call whose parties have both answered so."""
        call_id = await self.begin(record=record)
        for leg in (0, 1):
            self.telephony.legs[leg].on_event(Answered(answer))
            await settle()
        return call_id

    async def begin(self, *, record: bool = False) -> CallId:
        request = BeginCall(
            sponsor=parse_number("01052680000"),
            caller=parse_number("8613912345673"),
            callee=parse_number("8613810268653"),
            record=record,
        )
        call_id = await self.service.begin(self.application, request)
        await settle()
        return call_id


async def settle() -> None:
    """Let everything that needs no time happen."""
    for _ in range(40):
        await asyncio.sleep(0)


def create_platform(calls: CallsSettings, *, quality_interval_s: int = 0) -> Platform:
    telephony, relay, recorder = FakeTelephony(), FakeRelay(), FakeRecorder()
    store, notifier = FakeStore(), FakeNotifier()
    qualities: list[CallQuality] = []
    minutes = FakeMinutes()
    needs = CallDependencies(
        LoopClock(),
        telephony,
        relay,
        recorder,
        store,
        notifier,
        forecaster=telephony,
        on_quality=qualities.append,
        quality_interval_s=quality_interval_s,
        minutes=minutes,
    )
    application = Application(
        app_id=AppId("12345678"),
        enterprise_id="enterprise",
        enterprise_status=EnterpriseStatus.ACTIVE,
        status=ApplicationStatus.ACTIVE,
        secret="secret",
        signing_secret=b"signing",
        sponsors=frozenset({"+861052680000"}),
        notify_url="http://127.0.0.1:9000",
        allow_private_addresses=True,
        max_duration_s=20,
    )
    service = LiveCallService(needs, calls)
    return Platform(
        telephony, relay, recorder, store, notifier, service, application, qualities, minutes
    )


@pytest.fixture
def platform() -> Platform:
    return create_platform(
        CallsSettings(caller_ring_timeout_s=10, callee_ring_timeout_s=12, live_max=2)
    )


@pytest.fixture
def answer() -> MediaDescription:
    return MediaDescription(MediaAddress("127.0.0.1", 6000), (PCMA,), TELEPHONE_EVENT)
