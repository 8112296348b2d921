"""What a call costs: from whole seconds of conversation to whole seconds of the pool, and money.

A call of which the parties were never joined costs nothing. Any other one counts as one second at
least, is rounded up to the tariff's unit, and counts once or twice: of one leg or of both.
Money is whole millionths (micros) of a named currency.
"""

from dataclasses import dataclass

from clicktodial.domain.wording import worded

SECONDS_PER_MINUTE = 60
# An hour: a coarser unit would be a flat fee, which is another thing.
UNIT_S_MAX = 3_600
MINIMUM_S_MAX = 3_600
FREE_BELOW_S_MAX = 3_600
LEGS_MAX = 2


class TariffInvalid(ValueError):
    """A tariff that cannot be rated by."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tariff:
    """How an enterprise's calls are counted; what it costs beyond the pool stands in its lots.

    Per minute begun: `unit_s` 60; per second: 1. A conversation shorter than `free_below_s` is
    free, any other one counts `minimum_s` at least; both before rounding, and for each leg.
    """

    unit_s: int = 60
    minimum_s: int = 0
    free_below_s: int = 0
    legs: int = 1

    def __post_init__(self) -> None:
        for name, value, low, high in (
            ("unit_s", self.unit_s, 1, UNIT_S_MAX),
            ("minimum_s", self.minimum_s, 0, MINIMUM_S_MAX),
            ("free_below_s", self.free_below_s, 0, FREE_BELOW_S_MAX),
            ("legs", self.legs, 1, LEGS_MAX),
        ):
            if not low <= value <= high:
                raise TariffInvalid(
                    worded(
                        "%(name)s must be between %(low)s and %(high)s",
                        name=name,
                        low=low,
                        high=high,
                    )
                )

    def rate(self, duration_s: int) -> int:
        """The seconds that a conversation of so many seconds takes from the pool."""
        if duration_s < self.free_below_s:
            return 0
        counted_s = max(duration_s, self.minimum_s, 1)
        units = -(-counted_s // self.unit_s)
        return units * self.unit_s * self.legs

    @property
    def smallest_charge_s(self) -> int:
        """The least that a conversation takes which is not free."""
        return self.rate(max(self.free_below_s, 1))

    def covered_s(self, held_s: int) -> int:
        """The longest conversation that takes no more than so many seconds."""
        free_s = max(self.free_below_s - 1, 0)
        if held_s < self.smallest_charge_s:
            return free_s
        units = held_s // (self.unit_s * self.legs)
        return max(units * self.unit_s, free_s)


def price_micros(seconds: int, micros_per_minute: int) -> int:
    """The price of so many seconds of the pool; a part of a micro counts as one."""
    return -(-seconds * micros_per_minute // SECONDS_PER_MINUTE)
