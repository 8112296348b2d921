"""How conversations of the past sounded: what a relay would have told of them as they went on.

Most lines are clean, some are not, and some are bad for a while: in a lift, in a tunnel.
"""

from dataclasses import dataclass
from random import Random

from clicktodial.domain.leg import CallQuality, RecentQuality, SideQuality
from clicktodial.domain.quality import JUDGED_PACKETS_MIN, estimate_mos
from clicktodial.domain.quality_timeline import QualityLog, QualityTimeline

# How often a server reads it where nothing else is set (media.quality_interval_s).
_INTERVAL_S = 10
_PACKETS_PER_S = 50
_CODEC = "PCMA"


@dataclass(frozen=True, slots=True)
class _Network:
    """Between which shares of packets it loses, and milliseconds of jitter and of round trip."""

    loss: tuple[float, float]
    jitter_ms: tuple[float, float]
    round_trip_ms: tuple[float, float]


_CLEAN = _Network((0, 0.002), (1, 5), (18, 40))
_TIRED = _Network((0.004, 0.02), (6, 18), (45, 90))
_BAD = _Network((0.04, 0.12), (20, 45), (90, 180))
_NETWORKS, _WEIGHTS = (_CLEAN, _TIRED, _BAD), (70, 22, 8)
# Of a hundred sides so many get into a lift, for so many intervals at most.
_LIFTS, _LIFT_INTERVALS_MAX = 18, 5


class _Line:
    """What comes from one side."""

    def __init__(self, chance: Random, intervals: int) -> None:
        self._chance = chance
        [self._network] = chance.choices(_NETWORKS, _WEIGHTS)
        self._lift = range(0)
        if chance.randrange(100) < _LIFTS:
            begins = chance.randrange(max(1, intervals))
            self._lift = range(begins, begins + chance.randint(1, _LIFT_INTERVALS_MAX))
        self._packets = self._lost = 0
        self._jitter_total = 0.0

    def go_on(self, interval: int, seconds: float) -> tuple[SideQuality, RecentQuality]:
        """What a relay tells after so many seconds more."""
        chance = self._chance
        network = _BAD if interval in self._lift else self._network
        sent = round(seconds * _PACKETS_PER_S)
        lost = round(sent * chance.uniform(*network.loss))
        jitter_ms = chance.uniform(*network.jitter_ms)
        round_trip_ms = chance.uniform(*network.round_trip_ms)
        self._packets += sent - lost
        self._lost += lost
        self._jitter_total += jitter_ms * (sent - lost)
        whole_jitter_ms = self._jitter_total / max(1, self._packets)
        mos = None
        if self._packets >= JUDGED_PACKETS_MIN:
            mos = estimate_mos(
                codec_name=_CODEC,
                loss_ratio=self._lost / (self._packets + self._lost),
                jitter_ms=whole_jitter_ms,
                round_trip_ms=round_trip_ms,
            )
        whole = SideQuality(self._packets, self._lost, whole_jitter_ms, mos, round_trip_ms)
        return whole, RecentQuality(jitter_ms, round_trip_ms, _CODEC)


def draw_sound(chance: Random, talked_s: float) -> tuple[CallQuality, QualityTimeline]:
    """Of a conversation of so long: what its legs keep, and what is kept of its course."""
    log = QualityLog(_INTERVAL_S * 1_000)
    intervals = int(talked_s / _INTERVAL_S)
    caller, callee = _Line(chance, intervals), _Line(chance, intervals)
    passed_s = 0.0
    while True:
        interval = int(passed_s / _INTERVAL_S)
        seconds = min(_INTERVAL_S, talked_s - passed_s)
        passed_s += seconds
        whole, lately = caller.go_on(interval, seconds)
        other_whole, other_lately = callee.go_on(interval, seconds)
        read = CallQuality(whole, other_whole, lately, other_lately)
        log.add(round(passed_s * 1_000), read)
        if passed_s >= talked_s:
            return read, log.timeline()
