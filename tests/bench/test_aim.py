"""Tests of comparing with the aims: each reached, missed and unknown."""

import msgspec
import pytest
from tests.bench.report_sample import MEMORY, rate_result, report_of, unpinned

from clicktodial.bench.aim import AimResult, compare_to_aims
from clicktodial.bench.result import MemoryResult, Quantiles, RateResult, Report

LIGHT, LOADED, THROUGHPUT, LATENCY, CALL_MEMORY = range(5)


def aim_of(report: Report, index: int) -> AimResult:
    return compare_to_aims(report)[index]


@pytest.mark.parametrize(
    ("cpu_ms", "is_reached", "found"), [(2.9, True, "2.90 ms"), (3.1, False, "3.10 ms")]
)
def test_cpu_at_the_light_rate_is_compared(cpu_ms: float, is_reached: bool, found: str) -> None:
    aim = aim_of(report_of(rate_result(20.0, cpu_ms=cpu_ms)), LIGHT)
    assert (aim.is_reached, aim.found) == (is_reached, found)


def test_light_rate_that_was_not_offered_is_unknown() -> None:
    assert aim_of(report_of(rate_result(50.0)), LIGHT).is_reached is None


def test_cpu_under_load_is_of_the_highest_rate_kept_up_with() -> None:
    report = report_of(
        rate_result(100.0, cpu_ms=1.0),
        rate_result(200.0, cpu_ms=2.5),
        rate_result(300.0, cpu_ms=1.0, pace=0.5),
    )
    aim = aim_of(report, LOADED)
    assert aim.is_reached is False
    assert aim.found == "2.50 ms at 200 calls/s"


@pytest.mark.parametrize(
    ("rates", "is_reached"),
    [
        ([rate_result(100.0)], True),
        ([rate_result(99.0)], None),
        ([rate_result(100.0, pace=0.5)], False),
        ([], None),
    ],
)
def test_load_begins_at_a_hundred_calls(rates: list[RateResult], is_reached: bool | None) -> None:
    assert aim_of(report_of(*rates), LOADED).is_reached is is_reached


@pytest.mark.parametrize(
    ("rates", "is_reached"),
    [
        ([rate_result(300.0)], True),
        ([rate_result(200.0), rate_result(300.0, succeeded_share=0.9)], False),
        ([rate_result(200.0)], None),
    ],
)
def test_three_hundred_calls_are_kept_up_with_or_not(
    rates: list[RateResult], is_reached: bool | None
) -> None:
    assert aim_of(report_of(*rates), THROUGHPUT).is_reached is is_reached


def test_throughput_of_more_than_one_core_is_unknown() -> None:
    assert aim_of(unpinned(report_of(rate_result(300.0))), THROUGHPUT).is_reached is None


@pytest.mark.parametrize(
    ("connected", "is_reached"),
    [
        (Quantiles(8.0, 20.0), True),
        (Quantiles(8.1, 12.0), False),
        (Quantiles(6.0, 20.1), False),
        (None, False),
    ],
)
def test_latency_is_compared_in_both_quantiles(
    connected: Quantiles | None, is_reached: bool
) -> None:
    report = report_of(rate_result(150.0, connected=connected))
    assert aim_of(report, LATENCY).is_reached is is_reached


def test_latency_of_a_rate_not_kept_up_with_is_a_miss() -> None:
    report = report_of(rate_result(150.0, succeeded_share=0.5))
    assert aim_of(report, LATENCY).is_reached is False


@pytest.mark.parametrize(
    ("memory", "is_reached"),
    [
        (MEMORY, True),
        (msgspec.structs.replace(MEMORY, during_kb=95_000), False),
        (msgspec.structs.replace(MEMORY, held=0), False),
        (None, None),
    ],
)
def test_memory_of_a_call_is_compared(memory: MemoryResult | None, is_reached: bool | None) -> None:
    assert aim_of(report_of(memory=memory), CALL_MEMORY).is_reached is is_reached
