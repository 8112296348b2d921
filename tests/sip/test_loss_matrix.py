"""Whole calls of the call's state machine and the SIP engine, through every kind of weather.

A platform (one user agent, one `Call`) rings two phones (a user agent each) across a network that
loses 0 to 40 % of all datagrams and delays each by up to 200 ms, each way by itself. Phones
answer, decline, ring on, fall silent or hang up, and the application may release, at moments that
the seed draws. Whatever comes of it: one terminal event, no leg left, no phone ringing or in a
call that is over, nothing remembered by anyone.
"""

import itertools
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from tests.sip.network import Network, Weather
from tests.sip.support import create_agent, describe

from clicktodial.domain.call import Call, CallPlan, CallState, Moment
from clicktodial.domain.call_effect import CloseMedia, Effect, EmitEvent, HangUpLeg, PlaceLeg
from clicktodial.domain.call_input import (
    CallInput,
    CallStarted,
    LegAnswered,
    LegEarlyMedia,
    LegEnded,
    LegRinging,
    RecordingFinished,
    ReleaseRequested,
)
from clicktodial.domain.cause import Side
from clicktodial.domain.event import CallStatus, RecordingResult, StatusEvent
from clicktodial.domain.identifier import AppId, CallId, RecordingId
from clicktodial.domain.media import PCMA, MediaAddress, MediaDescription
from clicktodial.domain.number import PhoneNumber
from clicktodial.sip.event import (
    IncomingInvite,
    SessionAnswered,
    SessionEarlyMedia,
    SessionEnded,
    SessionEvent,
    SessionRinging,
)
from clicktodial.sip.sdp import serialize_sdp
from clicktodial.sip.user_agent import Address, Invitation, Session, SessionState

PLATFORM: Address = ("192.0.2.1", 5060)
PHONES: dict[Side, Address] = {
    Side.CALLER: ("192.0.2.9", 5060),
    Side.CALLEE: ("192.0.2.10", 5060),
}
NUMBERS = {Side.CALLER: "+8613812345678", Side.CALLEE: "+8613912345673"}
SPONSOR = "+861052680000"
START = datetime(2026, 1, 1, tzinfo=UTC)

LOSSES = (0.0, 0.05, 0.2, 0.4)
DELAYS_MAX_S = (0.001, 0.2)
SEEDS = 60
CALLS_MIN = 3_000  # "thousands"
RING_TIMEOUT_S = 20
MAX_DURATION_S = 30
# Two ringings and the longest talk, and then 64*T1 for each of: a 200 that nobody acknowledges, its
# BYE, and what lingers after that.
CALL_OVER_AFTER_S = 2 * RING_TIMEOUT_S + MAX_DURATION_S + 10.0
FORGOTTEN_AFTER_S = 3 * 32.0 + 10.0


@dataclass
class Phone:
    """What a phone does when it is called. Times are after the INVITE, or after the answer."""

    rings: bool
    early_media: bool
    answers_after_s: float | None
    declines_after_s: float | None
    hangs_up_after_s: float | None
    sessions: list[Session] = field(default_factory=list)

    @classmethod
    def draw(cls, dice: random.Random) -> "Phone":
        fate = dice.choice(("answer", "answer", "answer", "decline", "ring-on", "silent"))
        return cls(
            rings=fate != "silent" and dice.random() < 0.8,
            early_media=dice.random() < 0.2,
            answers_after_s=dice.uniform(0, 6) if fate == "answer" else None,
            declines_after_s=dice.uniform(0, 6) if fate == "decline" else None,
            hangs_up_after_s=dice.uniform(0, 12) if dice.random() < 0.6 else None,
        )


class Platform:
    """The state machine of one call, driven in virtual time; media is taken for granted."""

    def __init__(self, network: Network, *, recorded: bool) -> None:
        self._network = network
        self.events: list[StatusEvent] = []
        self.legs: dict[Side, Session] = {}
        self._sides: dict[Session, Side] = {}
        self._timer_at: float | None = None
        self.call = Call(_plan(recorded=recorded), begun_at=START)

    def begin(self) -> None:
        self.feed(CallStarted())

    def feed(self, call_input: CallInput) -> None:
        self._carry_out(self.call.handle(call_input, self._moment()))

    def release(self) -> None:
        if self.call.state not in (CallState.FINISHING, CallState.ENDED):
            self.feed(ReleaseRequested())

    def on_event(self, session: Session, event: SessionEvent) -> None:
        side = self._sides.get(session)
        if side is None or self.legs.get(side) is not session:
            return
        match event:
            case SessionRinging():
                self.feed(LegRinging(side))
            case SessionEarlyMedia(media):
                self.feed(LegEarlyMedia(side, media))
            case SessionAnswered(media):
                self.feed(LegAnswered(side, media))
            case SessionEnded(cause):
                del self.legs[side]
                self.feed(LegEnded(side, cause))
            case _:
                pass

    def _moment(self) -> Moment:
        return Moment(self._network.now, START + timedelta(seconds=self._network.now))

    def _carry_out(self, effects: list[Effect]) -> None:
        for effect in effects:
            match effect:
                case PlaceLeg():
                    self._place(effect)
                case HangUpLeg(side):
                    leg = self.legs.pop(side, None)
                    if leg is not None:
                        leg.hang_up(self._network.now)
                case EmitEvent(event):
                    self.events.append(event)
                case CloseMedia(finish_recording=True):
                    self._network.at(
                        0.05, lambda: self.feed(RecordingFinished(RecordingResult.SUCCESS))
                    )
                case _:
                    pass
        deadline = self.call.next_deadline()
        if deadline is not None and deadline != self._timer_at:
            self._timer_at = deadline
            self._network.at(max(0.0, deadline - self._network.now), self._on_timer)

    def _on_timer(self) -> None:
        self._timer_at = None
        if self.call.next_deadline() is not None:
            self._carry_out(self.call.handle_timeout(self._moment()))

    def _place(self, effect: PlaceLeg) -> None:
        address = PHONES[effect.side]
        uri = f"sip:{NUMBERS[effect.side]}@{address[0]}"
        offer = MediaDescription(MediaAddress(PLATFORM[0], 20_000), effect.codecs, effect.dtmf)
        invitation = Invitation(
            request_uri=uri,
            to_uri=uri,
            from_uri=f"sip:{SPONSOR}@{PLATFORM[0]}",
            next_hop=address,
            sdp=serialize_sdp(offer),
            expires_s=RING_TIMEOUT_S,
        )
        session = self._network.agents[PLATFORM].invite(invitation, self._network.now)
        self.legs[effect.side] = session
        self._sides[session] = effect.side


def _plan(*, recorded: bool) -> CallPlan:
    return CallPlan(
        call_id=CallId("call"),
        app_id=AppId("12345678"),
        sponsor=PhoneNumber(SPONSOR, SPONSOR),
        caller=PhoneNumber(NUMBERS[Side.CALLER], NUMBERS[Side.CALLER]),
        callee=PhoneNumber(NUMBERS[Side.CALLEE], NUMBERS[Side.CALLEE]),
        recording_id=RecordingId("recording") if recorded else None,
        send_direction=None,
        caller_ring_timeout_s=RING_TIMEOUT_S,
        callee_ring_timeout_s=RING_TIMEOUT_S,
        max_duration_s=MAX_DURATION_S,
    )


@dataclass
class Run:
    """One call through one weather."""

    seed: int
    network: Network
    platform: Platform
    phones: dict[Side, Phone]


def create_run(seed: int, there: Weather, back: Weather) -> Run:
    """`there` is the weather from the platform to the phones, `back` the other way."""
    dice = random.Random(seed)
    network = Network(dice, lambda source, _: there if source == PLATFORM else back)
    for index, address in enumerate((PLATFORM, *PHONES.values())):
        network.agents[address] = create_agent(seed=seed + index * 1_000_000, local=address)
    platform = Platform(network, recorded=dice.random() < 0.3)
    phones = {side: Phone.draw(dice) for side in Side}

    def on_event(session: Session, event: SessionEvent) -> None:
        if isinstance(event, IncomingInvite):
            side = Side.CALLER if NUMBERS[Side.CALLER] in session.request_user else Side.CALLEE
            _ring(network, phones[side], session)
        else:
            platform.on_event(session, event)

    network.on_event = on_event
    platform.begin()
    if dice.random() < 0.3:
        network.at(dice.uniform(0, 20), platform.release)
    return Run(seed, network, platform, phones)


def _ring(network: Network, phone: Phone, session: Session) -> None:
    phone.sessions.append(session)

    def unanswered(action: Callable[[], None]) -> Callable[[], None]:
        return lambda: action() if session.state is SessionState.PROCEEDING else None

    def answer() -> None:
        session.answer(describe(PCMA), network.now)
        if phone.hangs_up_after_s is not None:
            network.at(phone.hangs_up_after_s, lambda: session.hang_up(network.now))

    if phone.rings:
        session.ring(network.now, describe(PCMA) if phone.early_media else None)
    if phone.answers_after_s is not None:
        network.at(phone.answers_after_s, unanswered(answer))
    if phone.declines_after_s is not None:
        decline = unanswered(lambda: session.reject(486, "Busy Here", network.now))
        network.at(phone.declines_after_s, decline)


CELLS = list(itertools.product(LOSSES, LOSSES, DELAYS_MAX_S, DELAYS_MAX_S))


def test_matrix_has_thousands_of_calls() -> None:
    assert len(CELLS) * SEEDS >= CALLS_MIN


@pytest.mark.parametrize(("loss_there", "loss_back"), list(itertools.product(LOSSES, LOSSES)))
def test_calls_in_any_weather_end_once_and_leave_nothing(
    loss_there: float, loss_back: float
) -> None:
    lost = overtaken = 0
    for delay_there, delay_back in itertools.product(DELAYS_MAX_S, DELAYS_MAX_S):
        for seed in range(SEEDS):
            there = Weather(loss_there, double=0.05, delay_max_s=delay_there)
            back = Weather(loss_back, double=0.05, delay_max_s=delay_back)
            run = create_run(seed, there, back)
            run.network.run(until=CALL_OVER_AFTER_S)
            check_call_is_over(run)
            run.network.run(until=CALL_OVER_AFTER_S + FORGOTTEN_AFTER_S)
            check_nothing_is_left(run)
            lost += run.network.lost
            overtaken += run.network.overtaken
    # The weather was what it claims to be.
    assert (lost > 0) == (loss_there + loss_back > 0)
    assert overtaken > 0


def check_call_is_over(run: Run) -> None:
    """One terminal event, the last, in an unbroken sequence, and no leg that lives."""
    events = run.platform.events
    assert run.platform.call.state is CallState.ENDED, run.seed
    assert [event.seq for event in events] == list(range(1, len(events) + 1)), run.seed
    assert [event.is_terminal for event in events].count(True) == 1, run.seed
    assert events[-1].status is CallStatus.DISCONNECTED, run.seed
    assert not run.platform.legs, run.seed


def check_nothing_is_left(run: Run) -> None:
    """No phone rings or talks, and no agent remembers anything."""
    for side, phone in run.phones.items():
        for session in phone.sessions:
            assert session.state is SessionState.ENDED, (run.seed, side)
    for address, agent in run.network.agents.items():
        assert agent.session_count == 0, (run.seed, address)
        assert agent.transaction_count == 0, (run.seed, address)
        assert agent.next_deadline() is None, (run.seed, address)
        assert agent.counters.malformed == 0, (run.seed, address)
