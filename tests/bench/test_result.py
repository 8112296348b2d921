"""Tests of what is made of the calls of a rate."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.bench.report_sample import MEMORY, rate_result

from clicktodial.bench.load import EXPECTED_STATUSES, OfferedCall
from clicktodial.bench.result import (
    Quantiles,
    completed_per_s,
    count_failures,
    quantiles_ms,
    time_calls,
)


def ended_call(at: float, *, reason: str = "HangUp") -> OfferedCall:
    return OfferedCall(
        callee=f"86138{at:08.0f}",
        sent_at=at - 2.0,
        sent_at_epoch=at + 1_000.0,
        answered_at=at - 1.99,
        http_status=200,
        call_id=str(at),
        statuses=list(EXPECTED_STATUSES),
        reason=reason,
        connected_at=at - 1.9,
        disconnected_at=at,
    )


def test_quantiles_are_of_the_nearest_rank_in_milliseconds() -> None:
    quantiles = quantiles_ms([index / 1_000 for index in range(100, 0, -1)])
    assert quantiles is not None
    assert quantiles.p50 == pytest.approx(50)
    assert quantiles.p95 == pytest.approx(95)


def test_quantiles_of_one_value_are_that_value() -> None:
    assert quantiles_ms([0.002]) == Quantiles(2.0, 2.0)


def test_quantiles_of_nothing_are_none() -> None:
    assert quantiles_ms([]) is None


@given(st.lists(st.floats(min_value=0, max_value=100), min_size=1, max_size=50))
def test_quantiles_are_values_that_were_measured(seconds: list[float]) -> None:
    quantiles = quantiles_ms(seconds)
    assert quantiles is not None
    assert {quantiles.p50, quantiles.p95} <= {value * 1_000 for value in seconds}
    assert quantiles.p50 <= quantiles.p95


def test_pace_is_of_the_calls_that_succeeded() -> None:
    calls = [ended_call(index / 10) for index in range(21)]
    assert completed_per_s(calls) == pytest.approx(10.0)
    assert completed_per_s([*calls, ended_call(9.0, reason="Other")]) == pytest.approx(10.0)


@pytest.mark.parametrize("calls", [[], [ended_call(1.0)], [ended_call(1.0), ended_call(1.0)]])
def test_pace_of_too_few_calls_is_nothing(calls: list[OfferedCall]) -> None:
    assert completed_per_s(calls) == 0.0


def test_failures_are_counted_most_frequent_first() -> None:
    calls = [
        ended_call(1.0),
        ended_call(1.0, reason="Other"),
        OfferedCall("1", 0.0, 0.0),
        OfferedCall("2", 0.0, 0.0),
    ]
    failures = count_failures(calls)
    assert failures == {"begin not answered": 2, "ended by Other": 1}
    assert next(iter(failures)) == "begin not answered"


def test_timings_are_from_the_sending_of_the_request() -> None:
    call = ended_call(10.0)
    ack_times = {call.callee: call.sent_at_epoch + 0.09, "another": 5.0}
    timings = time_calls([call], late_s=[0.001], ack_times=ack_times)
    assert timings.begin is not None and timings.begin.p50 == pytest.approx(10.0)
    assert timings.connected is not None and timings.connected.p50 == pytest.approx(100.0)
    assert timings.joined is not None and timings.joined.p50 == pytest.approx(90.0)
    assert timings.sent_late == Quantiles(1.0, 1.0)


def test_refused_begin_is_in_no_timing() -> None:
    refused = OfferedCall("1", 0.0, 0.0, answered_at=0.5, http_status=503)
    timings = time_calls([refused], late_s=[], ack_times={})
    assert timings.begin is None
    assert timings.connected is None
    assert timings.joined is None


def test_cpu_is_divided_among_the_calls_that_succeeded() -> None:
    result = rate_result(100.0, succeeded_share=0.5, cpu_ms=3.0)
    assert result.cpu_ms_per_call == pytest.approx(3.0)
    assert result.success == 0.5


def test_cpu_of_no_success_or_a_dead_platform_is_unknown() -> None:
    assert rate_result(100.0, succeeded_share=0.0).cpu_ms_per_call is None
    assert msgspec.structs.replace(rate_result(100.0), died=True).cpu_ms_per_call is None


@pytest.mark.parametrize(
    ("share", "pace", "is_sustained"),
    [(1.0, 1.0, True), (0.999, 0.97, True), (0.998, 1.0, False), (1.0, 0.96, False)],
)
def test_rate_is_sustained_with_all_calls_at_its_pace(
    share: float, pace: float, is_sustained: bool
) -> None:
    assert rate_result(100.0, succeeded_share=share, pace=pace).is_sustained is is_sustained


def test_memory_of_a_call_is_the_growth_by_the_calls_held() -> None:
    assert MEMORY.kb_per_call == 50.0
    assert msgspec.structs.replace(MEMORY, held=0).kb_per_call is None
