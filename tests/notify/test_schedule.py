"""Retry times and the circuit breaker."""

import pytest

from clicktodial.config import NotifySettings
from clicktodial.notify.schedule import (
    FAILURES_MAX,
    JITTER,
    PROBE_FIRST_S,
    PROBE_MAX_S,
    CircuitBreaker,
    RetrySchedule,
)


def test_delay_follows_the_settings_and_ends() -> None:
    waits = NotifySettings().retry_after_s
    schedule = RetrySchedule(waits, lambda: 0.5)
    delays = [schedule.delay_s(attempt) for attempt in range(1, len(waits) + 2)]
    assert delays == [*waits, None]


@pytest.mark.parametrize(("drawn", "factor"), [(0.0, 1 - JITTER), (1.0, 1 + JITTER)])
def test_jitter_stays_within_its_bounds(drawn: float, factor: float) -> None:
    assert RetrySchedule((10,), lambda: drawn).delay_s(1) == pytest.approx(10 * factor)


def open_breaker() -> CircuitBreaker:
    breaker = CircuitBreaker()
    opened = [breaker.on_failure(0.0) for _ in range(FAILURES_MAX)]
    assert opened == [False] * (FAILURES_MAX - 1) + [True]
    return breaker


def test_success_between_failures_keeps_the_circuit_closed() -> None:
    breaker = CircuitBreaker()
    for _ in range(3):
        for _ in range(FAILURES_MAX - 1):
            breaker.on_failure(0.0)
        assert breaker.on_success() is False
    assert not breaker.is_open


def test_open_circuit_lets_one_probe_through_when_it_is_due() -> None:
    breaker = open_breaker()
    assert not breaker.may_probe(PROBE_FIRST_S - 0.01)
    assert breaker.probe_at == PROBE_FIRST_S
    assert breaker.may_probe(PROBE_FIRST_S)
    breaker.on_probe()
    assert not breaker.may_probe(PROBE_FIRST_S)
    assert breaker.probe_at is None


def test_failing_probes_come_ever_less_often_up_to_a_bound() -> None:
    breaker = open_breaker()
    waits = []
    now = 0.0
    for _ in range(8):
        assert breaker.probe_at is not None
        waits.append(breaker.probe_at - now)
        now = breaker.probe_at
        breaker.on_probe()
        breaker.on_probe_failure(now)
    assert waits == [1, 2, 4, 8, 16, PROBE_MAX_S, PROBE_MAX_S, PROBE_MAX_S]


def test_success_closes_the_circuit_and_forgets() -> None:
    breaker = open_breaker()
    breaker.on_probe()
    assert breaker.on_success() is True
    assert not breaker.is_open
    assert breaker.on_failure(0.0) is False


def test_late_failure_through_the_open_circuit_changes_nothing() -> None:
    breaker = open_breaker()
    assert breaker.on_failure(9.0) is False
    assert breaker.probe_at == PROBE_FIRST_S
