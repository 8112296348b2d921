"""An enterprise's minutes: which lots of them a call draws on, what it holds, what it took.

A pool is a number of lots, each granted at once and valid for a time. A call that begins *holds*
seconds of one or more lots, holds more while it runs, and *takes* at its end what it was rated at;
the rest goes back to the lots that it came from. Lots that expire first are drawn on first, and
overage, which is a lot with a price, last of all.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from enum import StrEnum
from typing import NamedTuple

from clicktodial.domain.rating import Tariff, price_micros

# Holding is one row of the ledger a lot. Whoever has more lots than this with seconds left draws
# on the next ones when the call is extended.
LOTS_PER_HOLD_MAX = 8


class Charging(StrEnum):
    """Why a call cost what its CDR says: its tariff said so, even if nothing, or there was no pool
    to charge it to."""

    RATED = "rated"
    NOT_CHARGED = "not-charged"


class CapScope(StrEnum):
    """Whose use a cap bounds."""

    MEMBER = "member"
    DEPARTMENT = "department"
    APPLICATION = "application"


class CapPeriod(StrEnum):
    """How long a cap counts before it begins anew, in the platform's billing time zone."""

    DAY = "day"
    MONTH = "month"

    def start(self, now: datetime, zone: tzinfo) -> str:
        """The name of the period that holds `now`: `2026-01-31` or `2026-01`."""
        return now.astimezone(zone).strftime("%Y-%m-%d" if self is CapPeriod.DAY else "%Y-%m")


@dataclass(frozen=True, slots=True)
class PoolTerms:
    """How an enterprise with a pool is charged. `tariff_id` names the tariff for good."""

    tariff_id: str
    tariff: Tariff
    has_caps: bool = False


class Lot(NamedTuple):
    """What of a lot is left to be held. Overage has a price, other lots are paid for."""

    lot_id: str
    available_s: int
    micros_per_minute: int = 0


class Hold(NamedTuple):
    """Seconds of a lot that are kept for a call."""

    lot_id: str
    seconds: int
    micros_per_minute: int = 0


class Take(NamedTuple):
    """What of a hold was used up at the end: `taken_s` of `held_s`, for that money."""

    lot_id: str
    held_s: int
    taken_s: int
    price_micros: int

    @property
    def released_s(self) -> int:
        return self.held_s - self.taken_s


class CapUse(NamedTuple):
    """A cap that a call counts towards; `left_s` as it was when the call asked."""

    cap_id: str
    key: str
    period: str
    limit_s: int
    left_s: int
    scope: CapScope


class Holding(NamedTuple):
    """What a call may hold now: `holds`, and the caps that shortened it or count it."""

    holds: tuple[Hold, ...]
    caps: tuple[CapUse, ...] = ()

    @property
    def seconds(self) -> int:
        return sum(hold.seconds for hold in self.holds)

    @property
    def micros_per_minute(self) -> int:
        """The price of the dearest lot that is held."""
        return max((hold.micros_per_minute for hold in self.holds), default=0)


@dataclass(slots=True)
class Charge:
    """What a call that lives is charged by and holds. `holds` has one hold for each lot."""

    enterprise_id: str
    terms: PoolTerms
    member: str
    department: str | None = None
    holds: tuple[Hold, ...] = ()
    caps: tuple[CapUse, ...] = field(default=())

    @property
    def held_s(self) -> int:
        return sum(hold.seconds for hold in self.holds)

    @property
    def covered_s(self) -> int:
        """How long a conversation may be that takes no more than what is held."""
        return self.terms.tariff.covered_s(self.held_s)

    def add(self, more: Sequence[Hold]) -> None:
        """More is held."""
        self.holds = merge_holds([*self.holds, *more])

    def billed_s(self, duration_s: int, *, connected: bool) -> int:
        """What the call takes: as rated, and never more than what is held. The machine ends a
        call in time; where it was late, what it was late by is the platform's."""
        rated_s = self.rated_s(duration_s, connected=connected)
        return min(rated_s, self.held_s)

    def rated_s(self, duration_s: int, *, connected: bool) -> int:
        """What the tariff says of a call that lasted so long."""
        return self.terms.tariff.rate(duration_s) if connected else 0


def plan_holds(lots: Iterable[Lot], need_s: int) -> tuple[Hold, ...]:
    """Hold so many seconds of the lots in their order, or as much as there is."""
    holds: list[Hold] = []
    for lot in lots:
        if need_s <= 0 or len(holds) == LOTS_PER_HOLD_MAX:
            break
        seconds = min(lot.available_s, need_s)
        if seconds > 0:
            holds.append(Hold(lot.lot_id, seconds, lot.micros_per_minute))
            need_s -= seconds
    return tuple(holds)


def merge_holds(holds: Iterable[Hold]) -> tuple[Hold, ...]:
    """One hold a lot, in the order in which the lots came first."""
    merged: dict[str, Hold] = {}
    for hold in holds:
        before = merged.get(hold.lot_id)
        seconds = hold.seconds + (0 if before is None else before.seconds)
        merged[hold.lot_id] = hold._replace(seconds=seconds)
    return tuple(merged.values())


def take(holds: Iterable[Hold], billed_s: int) -> tuple[Take, ...]:
    """Take so many seconds of what is held, in its order."""
    takes: list[Take] = []
    for hold in holds:
        taken_s = min(hold.seconds, billed_s)
        billed_s -= taken_s
        price = price_micros(taken_s, hold.micros_per_minute)
        takes.append(Take(hold.lot_id, hold.seconds, taken_s, price))
    return tuple(takes)
