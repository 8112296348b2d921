"""Two user agents across a network that loses, doubles, delays and reorders, in virtual time.

Whatever happens on the way, both sides must come to an end, be told so at most once, and
forget everything. Each seed is one run that can be repeated.
"""

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from tests.sip.network import Network, Weather
from tests.sip.support import ANSWER_SDP, create_agent, create_invitation, describe

from clicktodial.domain.media import PCMA
from clicktodial.sip.event import (
    IncomingInvite,
    SessionAnswered,
    SessionConfirmed,
    SessionEnded,
    SessionEvent,
)
from clicktodial.sip.user_agent import Address, Session, SessionState

CALLER: Address = ("192.0.2.1", 5060)
CALLEE: Address = ("192.0.2.9", 5080)
# Three times 64*T1: an answer that is given up, its BYE, and what lingers after that.
FORGOTTEN_AFTER_S = 3 * 32.0 + 10.0


@dataclass
class CallNetwork(Network):
    """A network between a caller and a callee that keeps what their sessions told."""

    events: dict[Session, list[SessionEvent]] = field(default_factory=dict)
    incoming: list[Session] = field(default_factory=list)
    on_invite: Callable[[Session], None] = lambda _: None

    def __post_init__(self) -> None:
        self.on_event = self._note

    def _note(self, session: Session, event: SessionEvent) -> None:
        self.events.setdefault(session, []).append(event)
        if isinstance(event, IncomingInvite):
            self.incoming.append(session)
            self.on_invite(session)


def create_network(seed: int, weather: Weather) -> CallNetwork:
    network = CallNetwork(random.Random(seed), lambda _source, _destination: weather)
    network.agents[CALLER] = create_agent(seed=seed, local=CALLER)
    network.agents[CALLEE] = create_agent(seed=seed + 1_000_000, local=CALLEE)
    return network


WEATHERS = {
    "fair": Weather(),
    "lossy": Weather(loss=0.1, double=0.05, delay_max_s=0.2),
    "stormy": Weather(loss=0.35, double=0.3, delay_max_s=1.5),
    "slow": Weather(double=0.5, delay_max_s=8.0),
}
CALLEE_PLANS = ("answer", "ring-then-answer", "early-media", "reject", "ring-on", "ignore")


def plan_callee(network: CallNetwork, session: Session, plan: str) -> None:
    """What the called phone does; each step only where the session still allows it."""

    def unanswered(action: Callable[[], None]) -> Callable[[], None]:
        return lambda: action() if session.state is SessionState.PROCEEDING else None

    def answer() -> None:
        session.answer(ANSWER_SDP, network.now)

    def ring() -> None:
        session.ring(network.now)

    match plan:
        case "answer":
            answer()
        case "ring-then-answer":
            ring()
            network.at(network.dice.uniform(0, 4), unanswered(answer))
        case "early-media":
            session.ring(network.now, describe(PCMA))
            network.at(network.dice.uniform(0, 4), unanswered(answer))
        case "reject":
            network.at(
                network.dice.uniform(0, 2),
                unanswered(lambda: session.reject(486, "Busy Here", network.now)),
            )
        case "ring-on":
            ring()


def simulate(network: CallNetwork, *, callee_hangs_up: bool) -> Session:
    """One call, hung up by one side or both at a moment that may fall anywhere in it."""
    dice = network.dice

    def handle_invite(session: Session) -> None:
        plan_callee(network, session, dice.choice(CALLEE_PLANS))
        if callee_hangs_up:
            network.at(dice.uniform(0, 12), lambda: session.hang_up(network.now))

    network.on_invite = handle_invite
    session = network.agents[CALLER].invite(create_invitation(CALLEE), 0.0)
    if not callee_hangs_up or dice.random() < 0.5:
        network.at(dice.uniform(0, 12), lambda: session.hang_up(network.now))
    return session


@pytest.mark.parametrize("name", WEATHERS)
@pytest.mark.parametrize("callee_hangs_up", [False, True])
def test_call_in_any_weather_ends_on_both_sides_and_is_forgotten(
    name: str, callee_hangs_up: bool
) -> None:
    for seed in range(60):
        network = create_network(seed, WEATHERS[name])
        caller = simulate(network, callee_hangs_up=callee_hangs_up)
        network.run(until=30.0)
        # Whoever still talks or rings hangs up in the end, as a controller's limits see to.
        caller.hang_up(network.now)
        network.run(until=60.0)
        for session in network.incoming:
            session.hang_up(network.now)
        network.run(until=60.0 + FORGOTTEN_AFTER_S)
        for session in (caller, *network.incoming):
            assert session.state is SessionState.ENDED, (name, seed)
        assert_told_in_order(network, seed)
        for agent in network.agents.values():
            assert agent.session_count == 0, (name, seed)
            assert agent.transaction_count == 0, (name, seed)
            assert agent.next_deadline() is None, (name, seed)
            assert agent.counters.malformed == 0, (name, seed)


def assert_told_in_order(network: CallNetwork, seed: int) -> None:
    for events in network.events.values():
        kinds = Counter(type(event) for event in events)
        for once in (SessionAnswered, SessionConfirmed, SessionEnded, IncomingInvite):
            assert kinds[once] <= 1, (seed, events)
        if kinds[SessionEnded]:
            assert isinstance(events[-1], SessionEnded), (seed, events)


def test_call_answered_in_lossy_weather_is_answered_in_nearly_all_runs() -> None:
    """Ten per cent lost each way, as a bad line loses, must not cost calls."""
    answered = 0
    for seed in range(200):
        network = create_network(seed, Weather(loss=0.1, delay_max_s=0.1))
        network.on_invite = lambda session, network=network: plan_callee(  # type: ignore[misc]
            network, session, "ring-then-answer"
        )
        session = network.agents[CALLER].invite(create_invitation(CALLEE), 0.0)
        network.run(until=35.0)
        answered += session.state is SessionState.CONFIRMED
        assert all(other.state is SessionState.CONFIRMED for other in network.incoming), seed
    assert answered == 200


@pytest.mark.parametrize("caller_loses", [True, False])
def test_bye_of_one_side_in_lossy_weather_ends_the_other(caller_loses: bool) -> None:
    for seed in range(100):
        network = create_network(seed, Weather(loss=0.2, double=0.1, delay_max_s=0.1))
        network.on_invite = lambda session, network=network: plan_callee(  # type: ignore[misc]
            network, session, "answer"
        )
        caller = network.agents[CALLER].invite(create_invitation(CALLEE), 0.0)
        network.run(until=40.0)
        [callee] = network.incoming
        first, second = (callee, caller) if caller_loses else (caller, callee)
        first.hang_up(network.now)
        network.run(until=80.0)
        assert (first.state, second.state) == (SessionState.ENDED, SessionState.ENDED), seed
        assert isinstance(network.events[second][-1], SessionEnded), seed
        assert not any(isinstance(event, SessionEnded) for event in network.events[first]), seed
