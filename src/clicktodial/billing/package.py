"""Packages, and the lots that they grant: what is sold, and what of it is left.

A one-off package grants one lot when it is sold. A monthly one grants a lot for each calendar
month of the billing time zone, a little before the month begins, for as long as it is valid; a
lot lives for its month and for `carry_months` more, which is all that carrying over is. Overage is
a lot too: of so many seconds as the enterprise is trusted with, at a price, drawn on last.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from enum import StrEnum

from clicktodial.domain.identifier import create_call_id
from clicktodial.storage import value
from clicktodial.storage.billing_table import FOREVER
from clicktodial.storage.error import ValueInvalid

# A thousand years of conversation: more is a slip of the keyboard.
SECONDS_MAX = 31_536_000_000
# A billion of the currency; sums of many such still fit a database's integer.
PRICE_MICROS_MAX = 10**15
MICROS_PER_MINUTE_MAX = 10**9
CARRY_MONTHS_MAX = 36
# A lot of the next month is there before the month is, whatever the sweep does meanwhile.
GRANTED_AHEAD = timedelta(hours=12)
_MONTHS_A_YEAR = 12


class PackageKind(StrEnum):
    """How a package grants."""

    ONE_OFF = "one-off"
    MONTHLY = "monthly"
    OVERAGE = "overage"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewPackage:
    """What is sold. `price_micros` is owed for each lot when it is granted; `micros_per_minute`
    for what is used of overage. `valid_until` None is for ever, and not part of the validity."""

    kind: PackageKind
    name: str
    seconds: int
    price_micros: int = 0
    micros_per_minute: int = 0
    valid_from: datetime
    valid_until: datetime | None = None
    carry_months: int = 0


@dataclass(frozen=True, slots=True)
class LotSpan:
    """When a lot is valid, and which one of its package's it is."""

    period: str
    valid_from: datetime
    valid_until: datetime


def check_package(new: NewPackage) -> None:
    """Raises ValueInvalid."""
    value.check_name(new.name)
    value.check_range(new.seconds, "the seconds", low=1, high=SECONDS_MAX)
    value.check_range(new.price_micros, "the price in micros", low=0, high=PRICE_MICROS_MAX)
    value.check_range(new.carry_months, "the months of carry-over", low=0, high=CARRY_MONTHS_MAX)
    is_overage = new.kind is PackageKind.OVERAGE
    value.check_range(
        new.micros_per_minute,
        "the price of a minute in micros",
        low=1 if is_overage else 0,
        high=MICROS_PER_MINUTE_MAX if is_overage else 0,
    )
    if is_overage and new.price_micros:
        raise ValueInvalid("overage is paid for by the minute, and has no price of its own")
    if new.kind is not PackageKind.MONTHLY and new.carry_months:
        raise ValueInvalid("only what a monthly package grants is carried over")
    if new.valid_until is not None and new.valid_until <= new.valid_from:
        raise ValueInvalid("a package must be valid for some time")
    if not new.valid_from < FOREVER or (new.valid_until or new.valid_from) >= FOREVER:
        raise ValueInvalid("a package cannot be valid so late")


def lots_due(
    kind: PackageKind,
    valid_from: datetime,
    valid_until: datetime,
    carry_months: int,
    *,
    now: datetime,
    zone: tzinfo,
) -> list[LotSpan]:
    """The lots that a package is to have granted by now, those of months that are over left out.

    A month that the package is valid for in part has a whole lot.
    """
    if kind is not PackageKind.MONTHLY:
        return [LotSpan("once", valid_from, valid_until)]
    first = max(valid_from, now)
    # This month's, and the next one's where it is near.
    spans = []
    for moment in (first, first + GRANTED_AHEAD):
        if moment - GRANTED_AHEAD > now or moment >= valid_until:
            continue
        start = month_start(moment, zone)
        end = add_months(start, 1 + carry_months)
        period = start.strftime("%Y-%m")
        span = LotSpan(period, max(start, valid_from), end)
        if span not in spans:
            spans.append(span)
    return spans


def month_start(moment: datetime, zone: tzinfo) -> datetime:
    """The beginning of the calendar month that holds it, in that zone."""
    return moment.astimezone(zone).replace(day=1, hour=0, minute=0, second=0, microsecond=0)


def add_months(start: datetime, months: int) -> datetime:
    """So many months after the beginning of a month."""
    count = start.year * _MONTHS_A_YEAR + start.month - 1 + months
    return start.replace(year=count // _MONTHS_A_YEAR, month=count % _MONTHS_A_YEAR + 1)


def create_identifier() -> str:
    """For a row of billing: unique across nodes, ordered by time."""
    return str(create_call_id())
