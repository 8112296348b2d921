"""A network in virtual time: it loses, doubles, delays and reorders what user agents send.

Each seed is one run that can be repeated.
"""

import heapq
import random
from collections.abc import Callable
from dataclasses import dataclass, field

from clicktodial.sip.event import SessionEvent
from clicktodial.sip.user_agent import Address, Flow, Session, UserAgent


@dataclass(frozen=True)
class Weather:
    """What the network does to each datagram, as probabilities.

    A datagram is under way for `delay_min_s` to `delay_max_s`, drawn anew for each, so that a
    later one may arrive first.
    """

    loss: float = 0.0
    double: float = 0.0
    delay_max_s: float = 0.05
    delay_min_s: float = 0.0005


@dataclass
class Network:
    """Some agents, what is under way between them, and one clock.

    `weather_between(source, destination)` tells the weather each way. `on_event` is told what
    sessions tell. `timers` are further deadlines than the agents' own: called with the time,
    each returns when it wants to be called again.
    """

    dice: random.Random
    weather_between: Callable[[Address, Address], Weather]
    on_event: Callable[[Session, SessionEvent], None] = lambda _session, _event: None
    now: float = 0.0
    agents: dict[Address, UserAgent] = field(default_factory=dict)
    lost: int = 0
    overtaken: int = 0
    _plans: list[tuple[float, int, Callable[[], None]]] = field(default_factory=list)
    _order: int = 0
    _latest_arrival: dict[tuple[Address, Address], float] = field(default_factory=dict)

    def at(self, delay_s: float, action: Callable[[], None]) -> None:
        """Do that later."""
        self._order += 1
        heapq.heappush(self._plans, (self.now + delay_s, self._order, action))

    def run(self, until: float) -> None:
        """Let time pass, deadline by deadline."""
        while True:
            self._settle()
            due = [self._plans[0][0]] if self._plans else []
            deadlines = (agent.next_deadline() for agent in self.agents.values())
            due += [deadline for deadline in deadlines if deadline is not None]
            if not due or min(due) > until:
                self.now = until
                return
            self.now = max(self.now, min(due))
            for agent in self.agents.values():
                agent.handle_timeout(self.now)
            while self._plans and self._plans[0][0] <= self.now:
                heapq.heappop(self._plans)[2]()

    def _settle(self) -> None:
        """Post what the agents send, and tell what they tell, until there is no more."""
        busy = True
        while busy:
            busy = False
            for address, agent in self.agents.items():
                for session, event in agent.take_events():
                    busy = True
                    self.on_event(session, event)
                for data, destination in agent.take_messages():
                    busy = True
                    assert not isinstance(destination, Flow)
                    self._post(data, address, destination)

    def _post(self, data: bytes, source: Address, destination: Address) -> None:
        receiver = self.agents[destination]
        weather = self.weather_between(source, destination)
        copies = 1 + (self.dice.random() < weather.double)
        for _ in range(copies):
            if self.dice.random() < weather.loss:
                self.lost += 1
                continue
            delay = self.dice.uniform(weather.delay_min_s, weather.delay_max_s)
            way = (source, destination)
            arrival = self.now + delay
            self.overtaken += arrival < self._latest_arrival.get(way, 0.0)
            self._latest_arrival[way] = max(arrival, self._latest_arrival.get(way, 0.0))
            self.at(delay, lambda: receiver.receive(data, source, self.now))
