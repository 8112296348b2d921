"""Pools: an application's numbers, of which one is chosen for each call.

A number of the callee's city goes first, then one of its region, then those of the cities that
the pool names to fall back on, in their order, then any. Among equals the one that was shown least
lately goes first, so that calls spread; among those never shown, chance decides.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random


@dataclass(frozen=True, slots=True)
class Place:
    """A city and its region (a province, say); "" where it is not known. Compared without case."""

    city: str = ""
    region: str = ""


NOWHERE = Place()


@dataclass(frozen=True, slots=True)
class PoolNumber:
    """A number of a pool, E.164 with plus, and where it seems to be."""

    e164: str
    place: Place = NOWHERE


@dataclass(frozen=True, slots=True)
class NumberPool:
    """A pool; `fallback` are cities."""

    name: str
    numbers: tuple[PoolNumber, ...]
    fallback: tuple[str, ...] = ()


def choose_number(
    pool: NumberPool, callee: Place, shown_at: Mapping[str, float], random: Random
) -> str | None:
    """The number to show; None of an empty pool. `shown_at` tells when each was chosen last."""
    if not pool.numbers:
        return None
    nearest = _nearest(pool, callee)
    # One that is not in the mapping has never been shown.
    oldest = min(shown_at.get(number.e164, float("-inf")) for number in nearest)
    equal = [
        number.e164 for number in nearest if shown_at.get(number.e164, float("-inf")) == oldest
    ]
    return equal[0] if len(equal) == 1 else random.choice(sorted(equal))


def _nearest(pool: NumberPool, callee: Place) -> Sequence[PoolNumber]:
    city, region = callee.city.casefold(), callee.region.casefold()
    if city and (found := _of_city(pool, city)):
        return found
    if region:
        found = [each for each in pool.numbers if each.place.region.casefold() == region]
        if found:
            return found
    for name in pool.fallback:
        if found := _of_city(pool, name.casefold()):
            return found
    return pool.numbers


def _of_city(pool: NumberPool, city: str) -> list[PoolNumber]:
    return [each for each in pool.numbers if each.place.city.casefold() == city]
