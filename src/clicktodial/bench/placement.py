"""Which CPUs the platform and its measurer run on."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Placement:
    """The CPUs of both sides; the platform's is one, so that a rate is a rate of one core."""

    platform: frozenset[int]
    bench: frozenset[int]

    @property
    def platform_cpu(self) -> int | None:
        """The platform's own CPU; None where it has none of its own."""
        return None if self.platform & self.bench else min(self.platform)


def choose_placement(*, is_pinned: bool) -> Placement:
    """The platform on the first CPU and all else on the others, where there are others."""
    allowed = frozenset(os.sched_getaffinity(0))
    if not is_pinned or len(allowed) < 2:
        return Placement(allowed, allowed)
    first = frozenset({min(allowed)})
    return Placement(first, allowed - first)


@contextmanager
def running_on(cpus: frozenset[int]) -> Iterator[None]:
    """Run this thread, and what it starts meanwhile, on these CPUs."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cpus)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
