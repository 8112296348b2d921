"""Calls of some weeks: each goes through the call's own state machine at times that have passed,
and through the store that real calls go through, so that ledger, CDRs and events fit together."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta

import uuid_utils

from clicktodial.control.delivery import DeliveryAnswer, DeliveryMark, DeliveryState
from clicktodial.domain.application import Application, ApplicationStatus, EnterpriseStatus
from clicktodial.domain.call import Call, CallPlan, Moment
from clicktodial.domain.call_effect import EmitEvent
from clicktodial.domain.call_input import (
    CallInput,
    CallStarted,
    LegAnswered,
    LegEnded,
    LegRinging,
    LegRouted,
    QualityMeasured,
    RecordingFinished,
    SignalsTraced,
)
from clicktodial.domain.call_plan import PlannedMessage
from clicktodial.domain.cause import (
    HANG_UP_CAUSE,
    RING_TIMEOUT_CAUSE,
    LegCause,
    Side,
    cause_of_status,
)
from clicktodial.domain.event import RecordingResult, StatusEvent
from clicktodial.domain.identifier import AppId, CallId, RecordingId
from clicktodial.domain.media import PCMA, PCMU, MediaAddress, MediaDescription
from clicktodial.domain.number import PhoneNumber
from clicktodial.domain.quality_timeline import QualityTimeline
from clicktodial.sandbox.demo.history.desk import WEEKS, Desk
from clicktodial.sandbox.demo.history.signal import trace_call
from clicktodial.sandbox.demo.history.sound import draw_sound
from clicktodial.sandbox.demo.history.talk import record_talk
from clicktodial.storage.call_facts import MemberDepartments
from clicktodial.storage.call_store import SqlCallStore
from clicktodial.storage.instant import to_millis
from clicktodial.storage.minutes import SqlMinutes, read_pool_terms
from clicktodial.storage.outbox import Outbox
from clicktodial.storage.recording_catalog import SqlRecordingCatalog

# Of a day, by the hour: offices call from nine to six, with a rest at noon.
_BY_HOUR = (1, 0, 0, 0, 0, 0, 0, 1, 3, 8, 10, 9, 4, 5, 9, 10, 9, 8, 5, 3, 2, 2, 1, 1)
# The longest conversation is held for at the beginning: none is extended.
_TALK_S_MAX = 780
_RESERVE_S = 900
# Some of the last days' conversations were recorded: short ones, for the sake of the disk.
_RECORDED_DAYS = 2
_RECORDED_S = range(35, 95)
_RECORDINGS_MAX = 6
_TRUNKS = ("unicom-beijing", "unicom-beijing", "unicom-beijing", "telecom-backup")
# Nobody runs it: its calls are all over.
_NODE = "history"
_PREFIXES = ("138", "139", "136", "150", "151", "158", "186", "188", "177", "199")
_BUSY, _GONE, _FAULT = (
    cause_of_status(486, "Busy Here"),
    cause_of_status(404, "Not Found"),
    cause_of_status(503, "Service Unavailable"),
)
_DECLINED, _OFF = cause_of_status(603, "Decline"), cause_of_status(480, "Temporarily Unavailable")
# Which side ends how, and how often of a hundred; None: they talk.
_ENDS: Sequence[tuple[int, Side, LegCause | None]] = (
    (66, Side.CALLEE, None),
    (8, Side.CALLEE, _BUSY),
    (9, Side.CALLEE, RING_TIMEOUT_CAUSE),
    (3, Side.CALLEE, _DECLINED),
    (3, Side.CALLEE, _OFF),
    (2, Side.CALLEE, _GONE),
    (2, Side.CALLEE, _FAULT),
    (4, Side.CALLER, RING_TIMEOUT_CAUSE),
    (2, Side.CALLER, _FAULT),
    (1, Side.CALLER, _BUSY),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Whose calls they are, who calls, and what becomes of their notifications."""

    app_id: str
    enterprise_id: str
    sponsors: Sequence[str]
    members: Sequence[str]
    calls: int
    template_id: str | None = None
    notified: bool = True
    recorded: bool = False


async def add_calls(desk: Desk, callers: Sequence[Caller]) -> dict[str, list[str]]:
    """All of them, in the order of their beginnings, months and their packages passing meanwhile;
    returns the calls' identifiers by application, the oldest first."""
    begins = sorted(
        ((_draw_begin(desk), caller) for caller in callers for _ in range(caller.calls)),
        key=lambda pair: pair[0],
    )
    maker = _Maker(desk)
    made: dict[str, list[str]] = {caller.app_id: [] for caller in callers}
    month = begins[0][0].astimezone(desk.zone).month
    for begun_at, caller in begins:
        if begun_at.astimezone(desk.zone).month != month:
            month = begun_at.astimezone(desk.zone).month
            await asyncio.to_thread(desk.sweep.grant, begun_at)
        made[caller.app_id].append(await maker.make(caller, begun_at))
    await maker.settle()
    return made


def _draw_begin(desk: Desk) -> datetime:
    """Some time of the weeks, at an hour at which people call; fewer at weekends."""
    chance = desk.chance
    while True:
        day = (desk.now - timedelta(days=chance.randrange(WEEKS * 7))).astimezone(desk.zone).date()
        if day.weekday() >= 5 and chance.random() < 0.6:
            continue
        [hour] = chance.choices(range(24), _BY_HOUR)
        clock = time(hour, chance.randrange(60), chance.randrange(60))
        begun_at = datetime.combine(day, clock, desk.zone)
        # Over by now, and behind what was sold at the beginning.
        if desk.began + timedelta(days=1) < begun_at < desk.now - timedelta(minutes=20):
            return begun_at.astimezone(desk.now.tzinfo)


class _Maker:
    """Makes calls one after the other."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._store = SqlCallStore(desk.database, node_id=_NODE)
        self._minutes = SqlMinutes(
            desk.database,
            reserve_s=_RESERVE_S,
            zone=desk.zone,
            department_of=MemberDepartments(desk.database.engine.dialect),
        )
        self._outbox = Outbox(desk.database)
        self._catalog = SqlRecordingCatalog(desk.database)
        self._recordings = 0
        self._applications: dict[str, Application] = {}
        self._writes: list[asyncio.Future[None]] = []

    async def make(self, caller: Caller, begun_at: datetime) -> str:
        """A whole call; its identifier."""
        application, chance = self._find(caller), self._desk.chance
        number = _phone(chance.choice(caller.members))
        callee = f"+86{chance.choice(_PREFIXES)}{chance.randrange(10**8):08}"
        call_id = f"{to_millis(begun_at):012x}7{chance.getrandbits(76):019x}"
        charge = await self._minutes.plan(application, number.e164, begun_at)
        script, timeline = self._script()
        talked_s = _talked_s(script)
        recorded = caller.recorded and self._is_recorded(begun_at, talked_s)
        plan = CallPlan(
            call_id=CallId(call_id),
            app_id=application.app_id,
            sponsor=_phone(chance.choice(caller.sponsors)),
            caller=number,
            callee=_phone(callee),
            recording_id=RecordingId(call_id) if recorded else None,
            send_direction=None,
            caller_ring_timeout_s=45,
            callee_ring_timeout_s=60,
            max_duration_s=3_600,
            covered_s=None if charge is None else charge.covered_s,
            messages=self._messages(caller, begun_at),
        )
        call = Call(plan, begun_at=begun_at, charge=charge)
        await self._store.create(call, _feed(call, 0.0, CallStarted()))
        told: list[StatusEvent] = []
        for after_s, given in script:
            told += _feed(call, after_s, given)
        over_s = script[-1][0]
        if recorded:
            told += await self._record(call, over_s, talked_s)
        traced = SignalsTraced(trace_call(plan, begun_at, script))
        told += _feed(call, over_s + 1, traced)
        # What is between was lived through, not written: one write tells of it all.
        await self._store.update(call, told)
        if timeline:
            self._writes.append(self._store.keep_timeline(CallId(call_id), timeline))
        if caller.notified:
            self._mark(call_id, call.event_count, begun_at)
        else:
            self._give_up(call_id, call.event_count, begun_at)
        return call_id

    async def settle(self) -> None:
        """What is left to be written."""
        await asyncio.gather(*self._writes)

    def _is_recorded(self, begun_at: datetime, talked_s: float) -> bool:
        return (
            begun_at > self._desk.ago(days=_RECORDED_DAYS)
            and int(talked_s) in _RECORDED_S
            and self._recordings < _RECORDINGS_MAX
        )

    async def _record(self, call: Call, over_s: float, talked_s: float) -> list[StatusEvent]:
        """What was said, in the catalogue; what the call tells of it."""
        self._recordings += 1
        plan = call.plan
        assert plan.recording_id is not None
        recording = await asyncio.to_thread(
            record_talk,
            self._desk.settings.data_dir / "recordings",
            plan.recording_id,
            plan.call_id,
            plan.app_id,
            began_at=call.begun_at + timedelta(seconds=over_s - talked_s),
            seconds=talked_s,
            chance=self._desk.chance,
        )
        await self._catalog.add(recording)
        return _feed(call, over_s + 0.5, RecordingFinished(RecordingResult.SUCCESS, 1, 1))

    def _find(self, caller: Caller) -> Application:
        known = self._applications.get(caller.app_id)
        if known is not None:
            return known
        with self._desk.database.engine.connect() as connection:
            terms = read_pool_terms(connection, caller.enterprise_id)
        application = Application(
            app_id=AppId(caller.app_id),
            enterprise_id=caller.enterprise_id,
            enterprise_status=EnterpriseStatus.ACTIVE,
            status=ApplicationStatus.ACTIVE,
            secret="unused",
            signing_secret=b"unused",
            sponsors=frozenset(),
            notify_url=None,
            allow_private_addresses=False,
            pool_terms=terms,
        )
        self._applications[caller.app_id] = application
        return application

    def _messages(self, caller: Caller, begun_at: datetime) -> tuple[PlannedMessage, ...]:
        """A text to the callee after the calls of the last days."""
        if caller.template_id is None or begun_at < self._desk.ago(days=3):
            return ()
        message_id = uuid_utils.uuid7().hex
        return (PlannedMessage(message_id, Side.CALLEE, caller.template_id, True),)

    def _script(self) -> tuple[list[tuple[float, CallInput]], QualityTimeline]:
        """What happens, and when after the beginning; how it sounds where they talk."""
        chance = self._desk.chance
        [(_, failing, cause)] = chance.choices(_ENDS, [weight for weight, _, _ in _ENDS])
        script: list[tuple[float, CallInput]] = []
        at = 0.0
        for side in (Side.CALLER, Side.CALLEE):
            trunk, sip_call_id = chance.choice(_TRUNKS), f"{chance.getrandbits(64):016x}@10.0.0.1"
            script += [(at, LegRouted(side, trunk, sip_call_id)), (at + 1.4, LegRinging(side))]
            if cause is not None and side is failing:
                rings_s = 45.0 if cause is RING_TIMEOUT_CAUSE else chance.uniform(1.5, 9)
                return [*script, (at + rings_s, LegEnded(side, cause))], ()
            at += chance.uniform(3, 14)
            if side is Side.CALLEE and chance.random() < 0.04:
                # The caller lost patience.
                return [*script, (at, LegEnded(Side.CALLER, HANG_UP_CAUSE))], ()
            media = MediaDescription(MediaAddress("10.0.0.1", 4000), (PCMA, PCMU))
            script.append((at, LegAnswered(side, media, trunk, sip_call_id)))
        talked_s = min(_TALK_S_MAX, 8 + chance.expovariate(1 / 110))
        ended = LegEnded(chance.choice(list(Side)), HANG_UP_CAUSE)
        quality, timeline = draw_sound(chance, talked_s)
        script += [(at + talked_s, ended), (at + talked_s + 0.1, QualityMeasured(quality))]
        return script, timeline

    def _mark(self, call_id: str, events: int, begun_at: datetime) -> None:
        """Each event was taken by the application's server; a few not at the first attempt."""
        for seq in range(1, events + 1):
            attempts = 1 if self._desk.chance.random() < 0.96 else 2
            delivered_at = begun_at + timedelta(seconds=seq * 6)
            mark = DeliveryMark(
                (call_id, seq),
                DeliveryState.DELIVERED,
                attempts,
                delivered_at=delivered_at,
                answer=DeliveryAnswer(200, delivered_at),
            )
            self._writes.append(self._outbox.mark(mark))

    def _give_up(self, call_id: str, events: int, begun_at: datetime) -> None:
        """Its application's server was down for longer than events are tried again."""
        for seq in range(1, events + 1):
            said = '{"error": "upstream unavailable"}'
            mark = DeliveryMark(
                (call_id, seq),
                DeliveryState.GIVEN_UP,
                8,
                last_error="HTTP 503",
                answer=DeliveryAnswer(503, begun_at + timedelta(minutes=2, seconds=seq * 6), said),
            )
            self._writes.append(self._outbox.mark(mark))


def _talked_s(script: Sequence[tuple[float, CallInput]]) -> float:
    """From the second answer to the end; 0 where they never talked."""
    answered = [at for at, given in script if isinstance(given, LegAnswered)]
    ended = next(at for at, given in script if isinstance(given, LegEnded))
    return ended - answered[1] if len(answered) == len(Side) else 0.0


def _feed(call: Call, after_s: float, given: CallInput) -> list[StatusEvent]:
    """So long after its beginning; what it tells of it."""
    now = Moment(1_000.0 + after_s, call.begun_at + timedelta(seconds=after_s))
    return [each.event for each in call.handle(given, now) if isinstance(each, EmitEvent)]


def _phone(e164: str) -> PhoneNumber:
    return PhoneNumber(e164, e164.removeprefix("+"))
