"""Tests of dividing the CPUs."""

import os

from clicktodial.bench.placement import Placement, choose_placement, running_on


def test_pinned_placement_parts_the_platform_from_the_bench() -> None:
    allowed = os.sched_getaffinity(0)
    chosen = choose_placement(is_pinned=True)
    if len(allowed) == 1:
        assert chosen.platform_cpu is None
    else:
        assert chosen.platform == {chosen.platform_cpu} == {min(allowed)}
        assert chosen.bench == allowed - chosen.platform


def test_unpinned_placement_gives_both_all() -> None:
    chosen = choose_placement(is_pinned=False)
    assert chosen.platform == chosen.bench == os.sched_getaffinity(0)
    assert chosen.platform_cpu is None


def test_shared_cpu_is_nobodys_own() -> None:
    assert Placement(frozenset({0}), frozenset({0, 1})).platform_cpu is None
    assert Placement(frozenset({2}), frozenset({0, 1})).platform_cpu == 2


def test_running_on_a_cpu_ends_with_the_block() -> None:
    allowed = os.sched_getaffinity(0)
    with running_on(frozenset({min(allowed)})):
        assert os.sched_getaffinity(0) == {min(allowed)}
    assert os.sched_getaffinity(0) == allowed
