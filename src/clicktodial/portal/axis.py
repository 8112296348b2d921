"""The scale at the side of a chart: round numbers that people read without thinking. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from math import ceil, floor, log10

# So many lines at most above the ground; more are not read.
_STEPS_MAX = 4
# A step is one of these times a power of ten.
_ROUND = (1, 2, 2.5, 5, 10)

_LEAST = 1e-6


@dataclass(frozen=True, slots=True)
class Axis:
    """What stands at the side, the highest first and 0 last; `top` is the highest."""

    top: float
    ticks: tuple[float, ...]


def create_axis(values: Iterable[float]) -> Axis:
    """For values from 0 on: whole steps where all of them are whole."""
    found = list(values)
    # Below it nothing is to be seen.
    most = max([*found, 0])
    most = most if most > _LEAST else 0
    is_whole = all(float(value).is_integer() for value in found)
    step = _step(most / _STEPS_MAX if most else 1 / _STEPS_MAX, is_whole=is_whole)
    count = max(1, ceil(most / step - 1e-9))
    ticks = tuple(round(step * number, 12) for number in range(count, -1, -1))
    whole = tuple(int(tick) if float(tick).is_integer() else tick for tick in ticks)
    return Axis(whole[0], whole)


def _step(least: float, *, is_whole: bool) -> float:
    """The lowest round number that is no less."""
    power = 10.0 ** floor(log10(least))
    steps = [each * power for each in _ROUND if each * power >= least * (1 - 1e-9)]
    if is_whole:
        steps = [each for each in steps if each.is_integer()] or [max(1.0, ceil(least))]
    return steps[0]
