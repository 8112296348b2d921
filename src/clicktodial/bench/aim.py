"""The aims that the project set itself, and whether a measurement reached them."""

from collections.abc import Sequence
from dataclasses import dataclass

from clicktodial.bench.result import RateResult, Report

LIGHT_RATE_PER_S = 20.0
LIGHT_CPU_MS_MAX = 3.0
LOADED_CPU_MS_MAX = 2.0
# From here on it is called load.
LOADED_RATE_PER_S_MIN = 100.0
CALLS_PER_S_MIN = 300.0
CONNECTED_P50_MS_MAX = 8.0
CONNECTED_P95_MS_MAX = 20.0
CALL_KB_MAX = 60.0


@dataclass(frozen=True, slots=True)
class AimResult:
    """One aim; `is_reached` is None where nothing was measured that tells."""

    text: str
    found: str
    is_reached: bool | None


def compare_to_aims(report: Report) -> list[AimResult]:
    """Every aim, in the order in which they were set."""
    return [
        _light_cpu(report.rates),
        _loaded_cpu(report.rates),
        _throughput(report),
        _latency(report.rates),
        _memory(report),
    ]


def _light_cpu(rates: Sequence[RateResult]) -> AimResult:
    text = f"at most {LIGHT_CPU_MS_MAX:g} ms CPU a call at {LIGHT_RATE_PER_S:g} calls/s"
    result = _at(LIGHT_RATE_PER_S, rates)
    return _at_most(text, None if result is None else result.cpu_ms_per_call, LIGHT_CPU_MS_MAX)


def _loaded_cpu(rates: Sequence[RateResult]) -> AimResult:
    text = f"at most {LOADED_CPU_MS_MAX:g} ms CPU a call under load"
    tried = [each for each in rates if each.rate_per_s >= LOADED_RATE_PER_S_MIN]
    loaded = [each for each in tried if each.is_sustained]
    if not loaded:
        return AimResult(text, "no such rate was kept up with", False if tried else None)
    highest = max(loaded, key=lambda each: each.rate_per_s)
    aim = _at_most(text, highest.cpu_ms_per_call, LOADED_CPU_MS_MAX)
    return AimResult(text, f"{aim.found} at {highest.rate_per_s:g} calls/s", aim.is_reached)


def _throughput(report: Report) -> AimResult:
    text = f"{CALLS_PER_S_MIN:g} complete calls/s on one core"
    if not report.machine.is_pinned:
        return AimResult(text, "the platform was not held to one core", None)
    sustained = [each.rate_per_s for each in report.rates if each.is_sustained]
    found = f"{max(sustained):g} calls/s were kept up with" if sustained else "none kept up with"
    if any(rate >= CALLS_PER_S_MIN for rate in sustained):
        return AimResult(text, found, True)
    was_tried = any(each.rate_per_s >= CALLS_PER_S_MIN for each in report.rates)
    return AimResult(text, found, False if was_tried else None)


def _latency(rates: Sequence[RateResult]) -> AimResult:
    half = CALLS_PER_S_MIN / 2
    text = (
        f"begin to Connected within {CONNECTED_P50_MS_MAX:g} ms (p50) and "
        f"{CONNECTED_P95_MS_MAX:g} ms (p95) at {half:g} calls/s"
    )
    result = _at(half, rates)
    if result is None:
        return AimResult(text, "not measured", None)
    connected = result.timings.connected
    if connected is None:
        return AimResult(text, "no call was connected", False)
    is_reached = (
        result.is_sustained
        and connected.p50 <= CONNECTED_P50_MS_MAX
        and connected.p95 <= CONNECTED_P95_MS_MAX
    )
    return AimResult(text, f"{connected.p50:.1f} and {connected.p95:.1f} ms", is_reached)


def _memory(report: Report) -> AimResult:
    text = f"at most {CALL_KB_MAX:g} KB a live call"
    if report.memory is None:
        return AimResult(text, "not measured", None)
    found = report.memory.kb_per_call
    if found is None:
        return AimResult(text, "no call could be held", False)
    return AimResult(text, f"{found:.0f} KB", found <= CALL_KB_MAX)


def _at(rate_per_s: float, rates: Sequence[RateResult]) -> RateResult | None:
    return next((each for each in rates if each.rate_per_s == rate_per_s), None)


def _at_most(text: str, value: float | None, limit: float) -> AimResult:
    if value is None:
        return AimResult(text, "not measured", None)
    return AimResult(text, f"{value:.2f} ms", value <= limit)
