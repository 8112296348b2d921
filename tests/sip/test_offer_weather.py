"""Offers of both sides at any moment, through every kind of weather.

Two user agents in conversation make each other offers when the seed says so, often both at once,
and accept, refuse or forget them. Whatever comes of it: each offer is answered or refused once,
unless the session ends; both sides then agree on the codec; and nothing is left of it.
"""

import functools
import itertools
import random
from dataclasses import dataclass, field

import pytest
from tests.sip.network import Network, Weather
from tests.sip.support import create_agent

from clicktodial.domain.media import G722, PCMA, PCMU, Codec, MediaAddress, MediaDescription
from clicktodial.sip.error import SessionStateError
from clicktodial.sip.event import (
    IncomingInvite,
    SessionEnded,
    SessionEvent,
    SessionOfferAnswered,
    SessionOffered,
    SessionOfferRefused,
)
from clicktodial.sip.sdp import serialize_sdp
from clicktodial.sip.user_agent import Address, Invitation, Session, SessionState

HERE: Address = ("192.0.2.1", 5060)
THERE: Address = ("192.0.2.9", 5060)
CODECS = (PCMA, PCMU, G722)
LOSSES = (0.0, 0.05, 0.2, 0.4)
DELAYS_MAX_S = (0.001, 0.2)
SEEDS = 60
OFFERS_MAX = 3
OFFERED_WITHIN_S = 15.0
# Every offer has its answer by then, with waits and repetitions, or has ended the session.
SETTLED_AFTER_S = 400.0
FORGOTTEN_AFTER_S = 110.0


@dataclass
class Party:
    """One side, as its owner sees it."""

    address: Address
    session: Session | None = None
    codec: Codec = PCMA
    offered: int = 0
    told: int = 0
    ended: bool = False
    outcomes: list[type[SessionEvent]] = field(default_factory=list)


class Conversation:
    """Two parties, and what the dice let them do."""

    def __init__(self, seed: int, there: Weather, back: Weather) -> None:
        self.dice = random.Random(seed)
        self.is_calm = True
        self.network = Network(self.dice, self._weather, self._on_event)
        self.parties = {address: Party(address) for address in (HERE, THERE)}
        self._storm = {HERE: there, THERE: back}
        for index, address in enumerate(self.parties):
            agent = create_agent(seed=seed + index * 1_000_000, local=address)
            self.network.agents[address] = agent
        self._invite()
        self.network.run(until=1.0)
        self.is_calm = False
        for party in self.parties.values():
            for _ in range(self.dice.randint(0, OFFERS_MAX)):
                at = self.dice.uniform(0, OFFERED_WITHIN_S)
                self.network.at(at, functools.partial(self._offer, party))

    def _weather(self, source: Address, _destination: Address) -> Weather:
        return Weather() if self.is_calm else self._storm[source]

    def _invite(self) -> None:
        uri = f"sip:{THERE[0]}"
        invitation = Invitation(
            request_uri=uri, to_uri=uri, from_uri=f"sip:{HERE[0]}", next_hop=THERE,
            sdp=serialize_sdp(MediaDescription(MediaAddress(HERE[0], 20_000), CODECS)),
        )  # fmt: skip
        agent = self.network.agents[HERE]
        self.parties[HERE].session = agent.invite(invitation, self.network.now)

    def _offer(self, party: Party) -> None:
        codecs = self.dice.sample(CODECS, self.dice.randint(1, 3))
        media = MediaDescription(
            MediaAddress(party.address[0], self.dice.randint(1, 999)), tuple(codecs)
        )
        if party.ended or party.session is None:
            return
        try:
            party.session.reoffer(media, self.network.now)
            party.offered += 1
        except SessionStateError:
            assert party.session.state is not SessionState.CONFIRMED

    def _on_event(self, session: Session, event: SessionEvent) -> None:
        if isinstance(event, IncomingInvite):
            party = self.parties[THERE]
            party.session = session
            answer = MediaDescription(MediaAddress(THERE[0], 30_000), (PCMA,))
            session.answer(serialize_sdp(answer), self.network.now)
            return
        [party] = [each for each in self.parties.values() if each.session is session]
        party.outcomes.append(type(event))
        match event:
            case SessionOffered(media):
                self._decide(party, media)
            case SessionOfferAnswered(media):
                party.told += 1
                party.codec = media.codecs[0]
            case SessionOfferRefused():
                party.told += 1
            case SessionEnded():
                party.ended = True
            case _:
                pass

    def _decide(self, party: Party, media: MediaDescription) -> None:
        fate = self.dice.choice(("accept", "accept", "accept", "refuse", "forget for long"))
        codec = self.dice.choice(media.codecs)

        def decide() -> None:
            assert party.session is not None
            try:
                if fate == "accept":
                    party.session.accept_offer(codec, self.network.now)
                    party.codec = codec
                else:
                    party.session.refuse_offer(488, "Not Acceptable Here", self.network.now)
            except SessionStateError:
                pass  # withdrawn, or the session is over

        wait_s = 60.0 if fate == "forget for long" else self.dice.uniform(0, 3)
        self.network.at(wait_s, decide)


@pytest.mark.parametrize(("loss_there", "loss_back"), list(itertools.product(LOSSES, LOSSES)))
def test_offers_in_any_weather_have_one_outcome_and_leave_nothing(
    loss_there: float, loss_back: float
) -> None:
    outcomes: set[type[SessionEvent]] = set()
    for delay, seed in itertools.product(DELAYS_MAX_S, range(SEEDS)):
        there = Weather(loss_there, double=0.05, delay_max_s=delay)
        back = Weather(loss_back, double=0.05, delay_max_s=delay)
        conversation = Conversation(seed, there, back)
        conversation.network.run(until=SETTLED_AFTER_S)
        parties = list(conversation.parties.values())
        for party in parties:
            assert party.told <= party.offered, seed
            assert party.ended or party.told == party.offered, seed
            outcomes.update(party.outcomes)
        if not any(party.ended for party in parties):
            assert parties[0].codec == parties[1].codec, seed
        for party in parties:
            assert party.session is not None
            party.session.hang_up(conversation.network.now)
        conversation.network.run(until=SETTLED_AFTER_S + FORGOTTEN_AFTER_S)
        for address, agent in conversation.network.agents.items():
            assert (agent.session_count, agent.transaction_count) == (0, 0), (seed, address)
            assert agent.next_deadline() is None, (seed, address)
    assert {SessionOffered, SessionOfferAnswered, SessionOfferRefused} <= outcomes
