"""Which trunks a leg tries, in which order, and how many legs each takes."""

import random as random_module
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from clicktodial.domain.trunk import Trunk
from clicktodial.sip.uri import Hop

# A trunk that failed so often in a row is tried after the others for a while.
FAULTS_MAX = 3
# Long enough that a dead trunk costs only the first of many calls its time-out, short enough
# that a trunk that is back soon gets its share again.
TRUNK_REST_S = 10.0


def order_trunks(
    trunks: Sequence[Trunk],
    destination: str,
    random: random_module.Random | None,
    preferred: str | None = None,
) -> list[Trunk]:
    """Those that carry the number (E.164 with plus), the one to try first in front.

    A lower priority goes first; within one the longest prefix that fits; among equal ones chance
    decides by weight (RFC 2782's way), and a weight of 0 comes last. Without `random` the heavier
    comes first. The trunk of the name `preferred` goes before all, where it carries the number.
    """
    candidates = [(trunk, trunk.match_length(destination)) for trunk in trunks]
    fitting = [(trunk, length) for trunk, length in candidates if length is not None]
    if len(fitting) == 1:
        return [fitting[0][0]]
    keyed = [
        (
            (trunk.name != preferred, trunk.priority, -length, _draw(trunk.weight, random)),
            trunk,
        )
        for trunk, length in fitting
    ]
    return [trunk for _, trunk in sorted(keyed, key=lambda entry: (entry[0], entry[1].name))]


def _draw(weight: int, random: random_module.Random | None) -> float:
    """A key by which sorting puts the heavier first, as often as its weight says.

    The least of exponential draws with these rates is each one's with the chance of its rate
    (Efraimidis and Spirakis, 2006).
    """
    if not weight:
        return float("inf")
    return 1 / weight if random is None else random.expovariate(weight)


@dataclass(slots=True)
class _State:
    channels: int = 0
    tokens: float = 0.0
    refilled_at: float | None = None
    faults: int = 0
    rests_until: float = 0.0
    is_down: bool = False
    is_registered: bool = True


class TrunkStates:
    """What happened to each trunk lately: its live legs, its rate, its faults.

    Time is the loop's. States are by name, so that a changed trunk keeps its legs.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._states: dict[str, _State] = {}
        self._resting_hops: dict[Hop, float] = {}

    def channels(self, trunk: Trunk) -> int:
        """Legs that the trunk carries now."""
        return self._of(trunk).channels

    def take(self, trunk: Trunk) -> bool:
        """Count a leg on the trunk, unless that were too many; `release` it when it is over."""
        state = self._of(trunk)
        if not self.has_channel(trunk):
            return False
        if trunk.calls_per_second_max and not self._take_token(state, trunk.calls_per_second_max):
            return False
        state.channels += 1
        return True

    def has_channel(self, trunk: Trunk) -> bool:
        """Whether the trunk carries fewer legs than it may."""
        state = self._states.get(trunk.name)
        return state is None or not trunk.channels_max or state.channels < trunk.channels_max

    def has_token(self, trunk: Trunk) -> bool:
        """Whether the trunk may take another leg in this second. Takes none."""
        state, rate = self._states.get(trunk.name), trunk.calls_per_second_max
        if state is None or state.refilled_at is None or not rate:
            return True
        return state.tokens + (self._now() - state.refilled_at) * rate >= 1

    def release(self, trunk: Trunk) -> None:
        """A leg left the trunk."""
        self._of(trunk).channels -= 1

    def note_silence(self, trunk: Trunk) -> None:
        """The trunk did not respond: others go first for a while."""
        self._of(trunk).rests_until = self._now() + TRUNK_REST_S

    def note_hop_silence(self, hop: Hop) -> None:
        """One of the places of a trunk did not respond: its others go first for a while."""
        now = self._now()
        self._resting_hops = {
            each: until for each, until in self._resting_hops.items() if until > now
        }
        self._resting_hops[hop] = now + TRUNK_REST_S

    def order_hops(self, hops: list[Hop]) -> list[Hop]:
        """Those that were silent lately come last."""
        if len(hops) < 2 or not self._resting_hops:
            return hops
        now = self._now()
        return sorted(hops, key=lambda hop: self._resting_hops.get(hop, 0.0) > now)

    def note_fault(self, trunk: Trunk) -> None:
        """The trunk refused what was not the party's fault."""
        state = self._of(trunk)
        state.faults += 1
        if state.faults >= FAULTS_MAX:
            state.rests_until = self._now() + TRUNK_REST_S

    def note_response(self, trunk: Trunk) -> None:
        """The trunk lives: it said something of the party, or at least that it tries."""
        state = self._states.get(trunk.name)
        if state is not None:
            state.rests_until = 0.0

    def note_success(self, trunk: Trunk) -> None:
        """The trunk carried a leg as far as the party."""
        state = self._states.get(trunk.name)
        if state is not None:
            state.faults = 0

    def is_resting(self, trunk: Trunk) -> bool:
        """Whether others are to be tried first: it failed lately, or does not know us."""
        state = self._states.get(trunk.name)
        return state is not None and (not state.is_registered or state.rests_until > self._now())

    def is_down(self, trunk: Trunk) -> bool:
        """Whether the trunk does not answer when it is asked."""
        state = self._states.get(trunk.name)
        return state is not None and state.is_down

    def is_registered(self, trunk: Trunk) -> bool:
        """Whether the trunk knows us, or need not."""
        state = self._states.get(trunk.name)
        return state is None or state.is_registered

    def set_down(self, name: str, *, down: bool) -> None:
        """The trunk was found gone, or back."""
        self._states.setdefault(name, _State()).is_down = down

    def set_registered(self, name: str, *, registered: bool) -> None:
        """The trunk knows us, or does not know us where it should."""
        self._states.setdefault(name, _State()).is_registered = registered

    def _of(self, trunk: Trunk) -> _State:
        return self._states.setdefault(trunk.name, _State())

    def _take_token(self, state: _State, rate: int) -> bool:
        """A bucket that holds one second's calls."""
        now = self._now()
        elapsed = now - state.refilled_at if state.refilled_at is not None else 1.0
        state.tokens = min(rate, state.tokens + elapsed * rate)
        state.refilled_at = now
        if state.tokens < 1:
            return False
        state.tokens -= 1
        return True
