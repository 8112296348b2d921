"""What a measurement found. Milliseconds and KB of 1024 bytes throughout."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence

import msgspec

from clicktodial.bench.load import OfferedCall

# A rate was kept up with when nearly all calls were made, and ended as fast as they came.
SUSTAINED_SUCCESS_MIN = 0.999
SUSTAINED_PACE_MIN = 0.97


class Quantiles(msgspec.Struct, frozen=True):
    """The median and the 95th percentile (nearest rank)."""

    p50: float
    p95: float


def quantiles_ms(seconds: Sequence[float]) -> Quantiles | None:
    """Quantiles in milliseconds; None of nothing."""
    if not seconds:
        return None
    ordered = sorted(seconds)
    return Quantiles(*(_nearest_rank(ordered, share) * 1_000 for share in (0.5, 0.95)))


def _nearest_rank(ordered: Sequence[float], share: float) -> float:
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


class Machine(msgspec.Struct, frozen=True):
    """Where it was measured."""

    cpu: str
    cpu_count: int
    kernel: str
    python: str
    filesystem: str  # of the platform's data
    is_pinned: bool  # the platform had a CPU of its own


class Timings(msgspec.Struct, frozen=True):
    """How long the calls of a rate took, from the sending of their begin request on."""

    begin: Quantiles | None  # to its answer
    connected: Quantiles | None  # to the Connected notification
    joined: Quantiles | None  # to the second phone's ACK
    sent_late: Quantiles | None  # how late the requests themselves were sent


class Cost(msgspec.Struct, frozen=True):
    """CPU time spent over a load and its tail."""

    platform_user_s: float
    platform_system_s: float
    bench_s: float
    phones_s: float
    elapsed_s: float
    others_s: float | None  # on the platform's CPU, by processes that are none of ours
    idle_ms_per_s: float  # of the platform, before the load


class RateResult(msgspec.Struct, frozen=True):
    """One rate."""

    rate_per_s: float
    offered: int
    succeeded: int
    completed_per_s: float
    failures: dict[str, int]
    timings: Timings
    cost: Cost
    work_us: float  # of the speed gauge: the more, the slower the machine was meanwhile
    peak_rss_kb: int
    process_count: int
    warnings: int  # lines that the platform logged under load, at warning or above
    first_warning: str
    is_profiled: bool = False
    died: bool = False

    @property
    def success(self) -> float:
        """The share of the offered calls that succeeded, 0 to 1."""
        return self.succeeded / self.offered if self.offered else 0.0

    @property
    def is_sustained(self) -> bool:
        """Whether the platform kept up with this rate."""
        return (
            self.success >= SUSTAINED_SUCCESS_MIN
            and self.completed_per_s >= SUSTAINED_PACE_MIN * self.rate_per_s
        )

    @property
    def cpu_ms_per_call(self) -> float | None:
        """User and system time of every process of the platform, by calls that succeeded."""
        return self.per_call_ms(self.cost.platform_user_s + self.cost.platform_system_s)

    def per_call_ms(self, seconds: float) -> float | None:
        """That time by calls that succeeded; None where it tells nothing."""
        return seconds * 1_000 / self.succeeded if self.succeeded and not self.died else None


class MemoryResult(msgspec.Struct, frozen=True):
    """Memory of the whole platform with calls held live, and what of it is a call's."""

    held: int
    before_kb: int
    during_kb: int
    after_kb: int  # once the calls are over
    heap_kb_per_call: float
    thread_arenas_kb_per_call: float
    anonymous_kb_per_call: float
    files_kb_per_call: float
    descriptors_per_call: float

    @property
    def kb_per_call(self) -> float | None:
        return (self.during_kb - self.before_kb) / self.held if self.held else None


class Report(msgspec.Struct, frozen=True):
    """A whole measurement."""

    machine: Machine
    duration_s: float
    hold_s: float
    rates: list[RateResult]
    memory: MemoryResult | None
    errors: list[str] = []  # of measurements that could not be made

    def relative_speed(self, result: RateResult) -> float:
        """The machine's speed during that rate, as a share of its speed during the fastest."""
        fastest_us = min(each.work_us for each in self.rates)
        return fastest_us / result.work_us if result.work_us else 1.0


def completed_per_s(calls: Sequence[OfferedCall]) -> float:
    """The pace at which calls came to their end, from the first such moment to the last."""
    ends = sorted(
        call.disconnected_at
        for call in calls
        if call.is_success and call.disconnected_at is not None
    )
    if len(ends) < 2 or ends[-1] <= ends[0]:
        return 0.0
    return (len(ends) - 1) / (ends[-1] - ends[0])


def count_failures(calls: Sequence[OfferedCall]) -> dict[str, int]:
    """How often each failure came, the most frequent first."""
    return dict(Counter(call.failure for call in calls if not call.is_success).most_common())


def time_calls(
    calls: Sequence[OfferedCall], *, late_s: Sequence[float], ack_times: Mapping[str, float]
) -> Timings:
    """The timings of calls; `ack_times` has the moment of the ACK by the callee's number."""
    begin = [
        call.answered_at - call.sent_at
        for call in calls
        if call.answered_at is not None and call.http_status == 200
    ]
    connected = [
        call.connected_at - call.sent_at for call in calls if call.connected_at is not None
    ]
    joined = [
        ack_times[call.callee] - call.sent_at_epoch for call in calls if call.callee in ack_times
    ]
    return Timings(
        begin=quantiles_ms(begin),
        connected=quantiles_ms(connected),
        joined=quantiles_ms(joined),
        sent_late=quantiles_ms(late_s),
    )
