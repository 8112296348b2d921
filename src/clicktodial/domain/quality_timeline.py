"""How a conversation sounded from one moment to the next.

Theory of operation. A relay counts from the beginning of a call. Whoever reads it every so often
(`QualityLog.add`) has what came between two readings: an interval. A log holds so many intervals
and no more: when it is full each two become one, and from then on it is read half as often. A log
of a long call is thus as small as that of a short one, and a call costs less readings the longer
it lasts. MOS is told of an interval by what came in it, never by averaging verdicts.

    read every 10 s     |.|.|.|.|.|.|.|.|  full
    from then on        |...|...|...|...|  every 20 s
"""

from dataclasses import dataclass
from typing import TypeAlias

from clicktodial.domain.cause import Side
from clicktodial.domain.leg import CallQuality, RecentQuality, SideQuality
from clicktodial.domain.quality import JUDGED_PACKETS_MIN, estimate_mos

# A chart that is wider than a phone has about as many points to show. Even: they go by pairs.
INTERVALS_MAX = 120
# What the whole call came to is known of its legs: one interval says no more.
INTERVALS_MIN = 2


@dataclass(frozen=True, slots=True)
class IntervalQuality:
    """What came from one side in an interval; as `SideQuality`, and None of what nobody knows."""

    packets: int
    packets_lost: int
    jitter_ms: float | None = None
    round_trip_ms: float | None = None
    mos: float | None = None

    @property
    def loss(self) -> float:
        """The part of the packets that never came, 0-1."""
        return self.packets_lost / self.packets_expected if self.packets_expected else 0.0

    @property
    def packets_expected(self) -> int:
        """Those that were sent."""
        return self.packets + self.packets_lost


@dataclass(frozen=True, slots=True)
class QualityInterval:
    """Both sides, from the end of the interval before, or the joining, until `until_ms` after the
    joining."""

    until_ms: int
    caller: IntervalQuality
    callee: IntervalQuality

    def of(self, side: Side) -> IntervalQuality:
        """What came from that side."""
        return self.caller if side is Side.CALLER else self.callee


# In order; empty where there is nothing to tell.
QualityTimeline: TypeAlias = tuple[QualityInterval, ...]


@dataclass(frozen=True, slots=True)
class _Stretch:
    """What came from one side, and the codec that it spoke; None where nobody can judge it."""

    packets: int
    packets_lost: int
    jitter_ms: float | None
    round_trip_ms: float | None
    codec_name: str | None

    def join(self, later: "_Stretch") -> "_Stretch":
        """Both as one. Who speaks another codec now spoke that for most of it, or will."""
        return _Stretch(
            packets=self.packets + later.packets,
            packets_lost=self.packets_lost + later.packets_lost,
            jitter_ms=_mean((self.jitter_ms, self.packets), (later.jitter_ms, later.packets)),
            round_trip_ms=_mean((self.round_trip_ms, 1), (later.round_trip_ms, 1)),
            codec_name=later.codec_name or self.codec_name,
        )

    def judge(self) -> IntervalQuality:
        """With what the other side would say of it."""
        mos = None
        if self.codec_name is not None and self.packets >= JUDGED_PACKETS_MIN:
            mos = estimate_mos(
                codec_name=self.codec_name,
                loss_ratio=self.packets_lost / (self.packets + self.packets_lost),
                jitter_ms=self.jitter_ms or 0.0,
                round_trip_ms=self.round_trip_ms,
            )
        return IntervalQuality(
            self.packets, self.packets_lost, self.jitter_ms, self.round_trip_ms, mos
        )


@dataclass(frozen=True, slots=True)
class _Both:
    until_ms: int
    caller: _Stretch
    callee: _Stretch

    def join(self, later: "_Both") -> "_Both":
        return _Both(later.until_ms, self.caller.join(later.caller), self.callee.join(later.callee))


class QualityLog:
    """Gathers the readings of one call."""

    __slots__ = ("_intervals", "_last", "interval_ms")

    def __init__(self, interval_ms: int) -> None:
        """`interval_ms` is how often to read it; it grows with the call."""
        self.interval_ms = interval_ms
        self._intervals: list[_Both] = []
        self._last: CallQuality | None = None

    def add(self, until_ms: int, read: CallQuality) -> None:
        """What was read so long after the joining. What comes much too soon after the reading
        before, as the end of a call does, belongs to the interval before."""
        last, self._last = self._last, read
        new = _Both(
            until_ms,
            _measure(None if last is None else last.caller, read.caller, read.caller_recent),
            _measure(None if last is None else last.callee, read.callee, read.callee_recent),
        )
        intervals = self._intervals
        if intervals and until_ms - intervals[-1].until_ms < self.interval_ms / 2:
            intervals[-1] = intervals[-1].join(new)
            return
        intervals.append(new)
        if len(intervals) == INTERVALS_MAX:
            pairs = zip(intervals[::2], intervals[1::2], strict=True)
            self._intervals = [earlier.join(later) for earlier, later in pairs]
            self.interval_ms *= 2

    def timeline(self) -> QualityTimeline:
        """What is known by now; empty where that is less than INTERVALS_MIN."""
        if len(self._intervals) < INTERVALS_MIN:
            return ()
        return tuple(
            QualityInterval(each.until_ms, each.caller.judge(), each.callee.judge())
            for each in self._intervals
        )


def _measure(
    before: SideQuality | None, now: SideQuality, recent: RecentQuality | None
) -> _Stretch:
    """What came since. Counts that went back - what was late came after all, or a phone began to
    count anew - say that nothing was lost meanwhile."""
    packets = now.packets - (0 if before is None else before.packets)
    lost = now.packets_lost - (0 if before is None else before.packets_lost)
    known = recent if recent is not None and packets > 0 else None
    return _Stretch(
        packets=max(0, packets),
        packets_lost=max(0, lost),
        jitter_ms=None if known is None else known.jitter_ms,
        round_trip_ms=None if recent is None else recent.round_trip_ms,
        codec_name=None if known is None else known.codec_name,
    )


def _mean(one: tuple[float | None, int], other: tuple[float | None, int]) -> float | None:
    """Of what is known, each with its weight."""
    known = [(value, weight) for value, weight in (one, other) if value is not None and weight]
    total = sum(weight for _, weight in known)
    return sum(value * weight for value, weight in known) / total if total else None
