"""What the clock of a ticket shows somebody who looks at it."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from clicktodial.domain.support_clock import Timetable
from clicktodial.domain.ticket import (
    GOALS,
    OPEN_STATES,
    Ticket,
    TicketClock,
    reach_target,
    wind,
)


class ClockState(StrEnum):
    """How it goes with what was promised."""

    RUNNING = "running"
    STANDING = "standing"  # the customer is waited for
    KEPT = "kept"
    MISSED = "missed"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockFace:
    """A clock as it is now. `due_at` is when its target will be used up, of one that runs.

    `used` is what it counted of `target`: hours in which it stands are not in it.
    """

    clock: TicketClock
    state: ClockState
    target: timedelta
    used: timedelta
    due_at: datetime | None = None

    @property
    def used_percent(self) -> int:
        """Of the target, cut to whole per cent; 100 at most."""
        return min(100, self.used * 100 // self.target)


def read_clock(
    ticket: Ticket, clock: TicketClock, timetable: Timetable, now: datetime
) -> ClockFace:
    """What that clock shows then."""
    ticket = wind(ticket, now, timetable)
    target, used = GOALS[ticket.priority].target(clock), ticket.reading(clock).used
    due_at = reach_target(ticket, clock, timetable)
    return ClockFace(
        clock=clock, state=_state(ticket, clock, used < target), target=target, used=used,
        due_at=due_at,
    )  # fmt: skip


def _state(ticket: Ticket, clock: TicketClock, has_time: bool) -> ClockState:
    if not has_time:
        return ClockState.MISSED
    if clock is TicketClock.RESPONSE and not ticket.awaits_response:
        return ClockState.KEPT
    if ticket.state not in OPEN_STATES:
        return ClockState.KEPT
    return ClockState.RUNNING if ticket.runs(clock) else ClockState.STANDING
