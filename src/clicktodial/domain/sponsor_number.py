"""Sponsor numbers in the operator's inventory: one state machine.

             Reserve            Assign             Release
    FREE ------------> RESERVED -------> ASSIGNED -------> COOLING_OFF
     ^ ^  Unreserve        |                                    |
     | +--- or its time ---+                                    |
     +------------------- when its time is over ----------------+

    FREE and COOLING_OFF --Retire--> RETIRED --Reinstate--> FREE, or COOLING_OFF until its time

A reservation belongs to one order and lapses by itself; a number that was released rests, so that
whoever calls it back does not reach another enterprise. Time passes without anybody's doing:
`at` says what a number is by now, and every input is taken in the state that it has by then.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, TypeAlias

from clicktodial.domain.wording import worded


class NumberState(StrEnum):
    """What becomes of a number."""

    FREE = "free"
    RESERVED = "reserved"
    ASSIGNED = "assigned"
    COOLING_OFF = "cooling-off"
    RETIRED = "retired"


class NumberKind(StrEnum):
    """What sort of number it is."""

    FIXED = "fixed"
    MOBILE = "mobile"
    SERVICE = "service"  # 400, 95, 1010 ...: of no city, reachable everywhere


@dataclass(frozen=True, slots=True, kw_only=True)
class SponsorNumber:
    """A number and who has it.

    `enterprise_id` and `order_id` are set while it is reserved, the former while it is assigned
    too. `until` is when a reservation lapses or a rest is over.
    """

    e164: str
    state: NumberState = NumberState.FREE
    enterprise_id: str | None = None
    order_id: str | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Reserve:
    """An order wants it."""

    order_id: str
    enterprise_id: str
    until: datetime


@dataclass(frozen=True, slots=True)
class Unreserve:
    """That order is not to have it."""

    order_id: str


@dataclass(frozen=True, slots=True)
class Assign:
    """That order was approved."""

    order_id: str


@dataclass(frozen=True, slots=True)
class Release:
    """Its enterprise gives it back; it rests until then."""

    until: datetime


@dataclass(frozen=True, slots=True)
class Retire:
    """The operator has it no longer."""


@dataclass(frozen=True, slots=True)
class Reinstate:
    """The operator has it again."""


NumberInput: TypeAlias = Reserve | Unreserve | Assign | Release | Retire | Reinstate


class NumberStateError(Exception):
    """The number is in a state in which that cannot be done."""

    def __init__(self, state: NumberState, asked: NumberInput) -> None:
        super().__init__(
            worded(
                "a number that is %(state)s takes no %(asked)s",
                state=state,
                asked=type(asked).__name__.lower(),
            )
        )
        self.state = state


def at(number: SponsorNumber, now: datetime) -> SponsorNumber:
    """The number as it is by now: reservations and rests whose time is over have ended."""
    lapses = number.state in (NumberState.RESERVED, NumberState.COOLING_OFF)
    if lapses and number.until is not None and number.until <= now:
        return SponsorNumber(e164=number.e164)
    return number


def process(number: SponsorNumber, asked: NumberInput, now: datetime) -> SponsorNumber:
    """The number after that. Raises NumberStateError."""
    current = at(number, now)
    handler = _HANDLERS.get((current.state, type(asked)))
    following = None if handler is None else handler(current, asked, now)
    if following is None:
        raise NumberStateError(current.state, asked)
    return following


def _reserve(number: SponsorNumber, asked: Reserve, now: datetime) -> SponsorNumber | None:
    return replace(
        number,
        state=NumberState.RESERVED,
        enterprise_id=asked.enterprise_id,
        order_id=asked.order_id,
        until=asked.until,
    )


def _unreserve(number: SponsorNumber, asked: Unreserve, now: datetime) -> SponsorNumber | None:
    # Another order's reservation is not this one's to lift.
    return SponsorNumber(e164=number.e164) if number.order_id == asked.order_id else None


def _assign(number: SponsorNumber, asked: Assign, now: datetime) -> SponsorNumber | None:
    if number.order_id != asked.order_id:
        return None
    return replace(number, state=NumberState.ASSIGNED, order_id=None, until=None)


def _release(number: SponsorNumber, asked: Release, now: datetime) -> SponsorNumber | None:
    return SponsorNumber(e164=number.e164, state=NumberState.COOLING_OFF, until=asked.until)


def _retire(number: SponsorNumber, asked: Retire, now: datetime) -> SponsorNumber | None:
    # `until` stays: retiring a number that rests is no way to have it sooner.
    return replace(number, state=NumberState.RETIRED)


def _reinstate(number: SponsorNumber, asked: Reinstate, now: datetime) -> SponsorNumber | None:
    if number.until is not None and number.until > now:
        return replace(number, state=NumberState.COOLING_OFF)
    return SponsorNumber(e164=number.e164)


_Handler: TypeAlias = Callable[[SponsorNumber, Any, datetime], SponsorNumber | None]

_HANDLERS: dict[tuple[NumberState, type[NumberInput]], _Handler] = {
    (NumberState.FREE, Reserve): _reserve,
    (NumberState.FREE, Retire): _retire,
    (NumberState.RESERVED, Unreserve): _unreserve,
    (NumberState.RESERVED, Assign): _assign,
    (NumberState.ASSIGNED, Release): _release,
    (NumberState.COOLING_OFF, Retire): _retire,
    (NumberState.RETIRED, Reinstate): _reinstate,
}
