"""Limits of an enterprise, over all its applications on a node."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clicktodial.control.enterprise_gate import BUCKETS_KEPT_MAX, EnterpriseGate
from clicktodial.control.error import ApplicationLimitReached, LimitReached
from clicktodial.domain.application import (
    NO_APPLICATION_LIMITS,
    NO_LIMITS,
    ApplicationLimits,
    EnterpriseLimits,
)
from clicktodial.domain.identifier import CallId


class Gate:
    """The gate, a clock that the test turns, and calls with names of their own."""

    def __init__(self) -> None:
        self.now_s = 1_000.0
        self.gate = EnterpriseGate(lambda: self.now_s)
        self.count = 0

    def enter(
        self,
        limits: EnterpriseLimits,
        enterprise_id: str = "one",
        app_id: str | None = None,
        own: ApplicationLimits = NO_APPLICATION_LIMITS,
    ) -> CallId:
        self.count += 1
        call_id = CallId(f"call-{self.count}")
        self.gate.enter(call_id, enterprise_id, limits, app_id, own)
        return call_id


def test_live_calls_are_counted_until_they_end() -> None:
    gate, limits = Gate(), EnterpriseLimits(live_calls_max=2)
    first = gate.enter(limits)
    gate.enter(limits)
    with pytest.raises(LimitReached, match="live calls is reached: 2"):
        gate.enter(limits)
    gate.enter(limits, "another")
    gate.gate.leave(first)
    gate.enter(limits)


def test_calls_begun_without_a_limit_count_once_there_is_one() -> None:
    gate = Gate()
    gate.enter(NO_LIMITS)
    with pytest.raises(LimitReached):
        gate.enter(EnterpriseLimits(live_calls_max=1))


def test_call_that_leaves_twice_or_never_entered_changes_nothing() -> None:
    gate, limits = Gate(), EnterpriseLimits(live_calls_max=2)
    first = gate.enter(limits)
    gate.enter(limits)
    for call_id in (first, first, CallId("nobody")):
        gate.gate.leave(call_id)
    gate.enter(limits)
    with pytest.raises(LimitReached):
        gate.enter(limits)


def test_new_calls_of_a_second_are_bounded_and_come_back_evenly() -> None:
    gate, limits = Gate(), EnterpriseLimits(calls_per_second_max=4)
    for _ in range(4):
        gate.enter(limits)
    with pytest.raises(LimitReached) as refused:
        gate.enter(limits)
    assert refused.value.retry_after_s == 1
    gate.now_s += 0.25
    gate.enter(limits)
    with pytest.raises(LimitReached):
        gate.enter(limits)


def test_refused_call_uses_nothing_up() -> None:
    gate = Gate()
    limits = EnterpriseLimits(live_calls_max=1, calls_per_second_max=2)
    first = gate.enter(limits)
    for _ in range(5):
        with pytest.raises(LimitReached, match="live calls"):
            gate.enter(limits)
    gate.gate.leave(first)
    gate.enter(limits)


def test_looking_for_an_obstacle_takes_nothing() -> None:
    gate, limits = Gate(), EnterpriseLimits(calls_per_second_max=1)
    for _ in range(3):
        assert gate.gate.find_obstacle("one", limits) is None
    gate.enter(limits)
    assert gate.gate.find_obstacle("one", limits) is not None


def test_limit_that_is_changed_holds_from_the_next_call_on() -> None:
    gate = Gate()
    gate.enter(EnterpriseLimits(calls_per_second_max=100))
    gate.enter(EnterpriseLimits(calls_per_second_max=1))
    with pytest.raises(LimitReached):
        gate.enter(EnterpriseLimits(calls_per_second_max=1))


def test_memory_follows_who_places_calls_now() -> None:
    gate, limits = Gate(), EnterpriseLimits(calls_per_second_max=1)
    for number in range(3 * BUCKETS_KEPT_MAX):
        gate.gate.leave(gate.enter(limits, f"enterprise-{number}"))
        gate.now_s += 0.01
    assert len(gate.gate._of_enterprises._buckets._buckets) <= BUCKETS_KEPT_MAX
    assert gate.gate._of_enterprises._live == {} and gate.gate._entered == {}


def test_limit_of_an_application_is_its_own_within_its_enterprise() -> None:
    gate, own = Gate(), ApplicationLimits(live_calls_max=1)
    enterprise = EnterpriseLimits(live_calls_max=2)
    first = gate.enter(enterprise, app_id="a", own=own)
    with pytest.raises(ApplicationLimitReached, match="application's limit of live calls"):
        gate.enter(enterprise, app_id="a", own=own)
    gate.enter(enterprise, app_id="b", own=own)
    # Two live in the enterprise: the refused one was not counted.
    with pytest.raises(LimitReached, match="enterprise's limit of live calls is reached: 2"):
        gate.enter(enterprise, app_id="c", own=own)
    gate.gate.leave(first)
    gate.enter(enterprise, app_id="a", own=own)


def test_call_refused_by_the_application_takes_nothing_of_the_enterprise() -> None:
    gate, own = Gate(), ApplicationLimits(calls_per_second_max=1)
    enterprise = EnterpriseLimits(calls_per_second_max=2)
    gate.enter(enterprise, app_id="a", own=own)
    for _ in range(5):
        with pytest.raises(ApplicationLimitReached, match="new calls a second is reached: 1"):
            gate.enter(enterprise, app_id="a", own=own)
    gate.enter(enterprise, app_id="b", own=own)


def test_calls_of_an_application_begun_without_a_limit_count_once_there_is_one() -> None:
    gate = Gate()
    gate.enter(NO_LIMITS, app_id="a")
    with pytest.raises(ApplicationLimitReached):
        gate.enter(NO_LIMITS, app_id="a", own=ApplicationLimits(live_calls_max=1))
    for call_id in list(gate.gate._entered):
        gate.gate.leave(call_id)
    assert gate.gate._of_applications._live == {}


@given(
    rate=st.integers(1, 20),
    waits=st.lists(st.floats(0, 0.5, allow_nan=False), min_size=1, max_size=60),
)
def test_any_stretch_of_time_has_no_more_than_its_share(rate: int, waits: list[float]) -> None:
    gate, limits = Gate(), EnterpriseLimits(calls_per_second_max=rate)
    begun_at: list[float] = []
    for wait in waits:
        gate.now_s += wait
        if gate.gate.find_obstacle("one", limits) is None:
            gate.enter(limits)
            begun_at.append(gate.now_s)
    for index, first in enumerate(begun_at):
        for count, last in enumerate(begun_at[index:], start=1):
            assert count <= rate * (1 + last - first) + 1e-6
