"""Support tickets: what is asked of support, who has it, and how long it may take.

                 +-----------------------------------------------+
                 |                                               v
    open -> new -+-> assigned --reply--> answered --resolve--> resolved --close--> closed
              |        ^    |               |  ^                  |
              |        |    +----ask--------+  |                  | reopen
              |        |                    v  | customer writes  v
              |        |       waiting-for-customer           reopened
              |        +----------- assign ----------------------+
              +--- escalate (from all that are open) ---> escalated

A ticket is the fold of its steps: `open_ticket`, then `advance` for each. Steps are kept and never
changed, so that whatever a ticket says can be told from them; its row is only what is searched.

How far it was escalated (`level`) is a thing of its own beside the state: an answer or a question
back leaves it, and only `de-escalate`, a step with a reason, lowers it. While the level is above
none, work means `escalated`.

Two clocks run (`support_clock`): until the first response, of every round (a ticket that is
reopened begins another), and until it is resolved. Both stand while the customer is waited for,
and once it is resolved. Each reaches thresholds, parts of its target, at which the next line is
called: once each, whatever else happens. The threshold of the whole target is a breach. What is
promised anew - a round's response, all of a ticket that is made more urgent - is counted from then
on: the clocks themselves are never turned back.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import IntEnum, StrEnum
from typing import TypeAlias

from clicktodial.domain.support_clock import Pace, Timetable
from clicktodial.domain.wording import worded


class TicketChannel(StrEnum):
    """How it came: click-to-dial-v1 2."""

    ACCOUNT_MANAGER = "account-manager"
    HOTLINE_10086_8 = "10086-8"
    HOTLINE_4001100868 = "4001100868"
    PORTAL = "portal"


class TicketCategory(StrEnum):
    """What it is about."""

    BUSINESS_INQUIRY = "business-inquiry"
    FAULT = "fault"
    BILLING = "billing"
    NUMBER = "number"
    RECORDING = "recording"
    MESSAGE = "message"
    MEMBER = "member"
    API = "api"
    OTHER = "other"


class TicketPriority(StrEnum):
    """How urgent it is."""

    EMERGENCY = "emergency"
    HIGH = "high"
    NORMAL = "normal"
    LOW = "low"


class TicketQueue(StrEnum):
    """Who takes care of it, where nobody in person does."""

    SUPPORT = "support"
    SECOND_LINE = "second-line"
    THIRD_LINE = "third-line"


class TicketLevel(IntEnum):
    """How far it was escalated."""

    NONE = 0
    SECOND_LINE = 1
    THIRD_LINE = 2
    OPERATOR = 3


class TicketState(StrEnum):
    """How far it is."""

    NEW = "new"
    ASSIGNED = "assigned"
    WAITING = "waiting-for-customer"
    ANSWERED = "answered"
    ESCALATED = "escalated"
    RESOLVED = "resolved"
    REOPENED = "reopened"
    CLOSED = "closed"


class TicketAction(StrEnum):
    """What is done with it; each is a line of its history."""

    OPEN = "open"
    ASSIGN = "assign"
    REPLY = "reply"  # support writes, and goes on working
    ASK = "ask"  # support writes, and waits for the customer
    WRITE = "write"  # the customer writes
    NOTE = "note"  # within support
    PRIORITIZE = "prioritize"
    ESCALATE = "escalate"  # by a person
    MISS = "miss"  # by the clock: a threshold was reached
    DE_ESCALATE = "de-escalate"
    RESOLVE = "resolve"
    REOPEN = "reopen"
    CLOSE = "close"
    RATE = "rate"


class TicketClock(StrEnum):
    """The two clocks of a ticket."""

    RESPONSE = "response"
    RESOLUTION = "resolution"


class _Work(StrEnum):
    """Where a table's row leads that depends on the level, and on whether it was answered."""

    WORK = "work"


OPEN_STATES = frozenset(TicketState) - {TicketState.RESOLVED, TicketState.CLOSED}
_RUNNING = OPEN_STATES - {TicketState.WAITING}
_SAME = frozenset(
    {TicketAction.NOTE, TicketAction.PRIORITIZE, TicketAction.WRITE, TicketAction.MISS}
)

_Target: TypeAlias = TicketState | _Work


def _create_table() -> dict[tuple[TicketState, TicketAction], _Target]:
    table: dict[tuple[TicketState, TicketAction], _Target] = {}
    for state in OPEN_STATES:
        table |= {(state, action): state for action in _SAME}
        table[state, TicketAction.REPLY] = _Work.WORK
        table[state, TicketAction.ASK] = TicketState.WAITING
        table[state, TicketAction.ESCALATE] = TicketState.ESCALATED
        table[state, TicketAction.RESOLVE] = TicketState.RESOLVED
    for state in _RUNNING:
        table[state, TicketAction.MISS] = TicketState.ESCALATED
        table[state, TicketAction.ASSIGN] = _Work.WORK
    for state in (TicketState.ESCALATED, TicketState.REOPENED):
        table[state, TicketAction.DE_ESCALATE] = _Work.WORK
    waiting = TicketState.WAITING
    table |= {
        # Nothing is due while the customer is waited for.
        (waiting, TicketAction.WRITE): _Work.WORK,
        (waiting, TicketAction.ASSIGN): waiting,
        (waiting, TicketAction.DE_ESCALATE): waiting,
        (waiting, TicketAction.REPLY): waiting,
        (TicketState.RESOLVED, TicketAction.NOTE): TicketState.RESOLVED,
        (TicketState.RESOLVED, TicketAction.REOPEN): TicketState.REOPENED,
        (TicketState.RESOLVED, TicketAction.CLOSE): TicketState.CLOSED,
        (TicketState.RESOLVED, TicketAction.RATE): TicketState.RESOLVED,
        (TicketState.CLOSED, TicketAction.RATE): TicketState.CLOSED,
    }
    del table[waiting, TicketAction.MISS]
    return table


# A pair that is not here cannot be.
TRANSITIONS: Mapping[tuple[TicketState, TicketAction], _Target] = _create_table()
# What counts as the first response: a word from support to the customer.
RESPONSES = frozenset({TicketAction.REPLY, TicketAction.ASK, TicketAction.RESOLVE})

# Five stars, as people know them.
SATISFACTION_MAX = 5


class TicketStateError(Exception):
    """The ticket is in a state in which that cannot be done."""

    def __init__(self, state: TicketState, action: TicketAction) -> None:
        super().__init__(
            worded(
                "a ticket that is %(state)s cannot be asked to %(action)s",
                state=state,
                action=action,
            )
        )
        self.state = state
        self.action = action


@dataclass(frozen=True, slots=True)
class Threshold:
    """When so many per cent of a target are used up, that line is called."""

    percent: int
    level: TicketLevel


_HUNDRED = 100
# The most urgent first.
_URGENCY = tuple(TicketPriority)
_URGENT = (
    Threshold(50, TicketLevel.SECOND_LINE),
    Threshold(100, TicketLevel.THIRD_LINE),
    Threshold(150, TicketLevel.OPERATOR),
)
_PATIENT = (
    Threshold(100, TicketLevel.SECOND_LINE),
    Threshold(150, TicketLevel.THIRD_LINE),
    Threshold(200, TicketLevel.OPERATOR),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """What is promised for a priority."""

    response: timedelta
    resolution: timedelta
    pace: Pace
    thresholds: tuple[Threshold, ...]

    def target(self, clock: TicketClock) -> timedelta:
        """Of one clock."""
        return self.response if clock is TicketClock.RESPONSE else self.resolution


_AT_ANY_HOUR = Pace(is_around_the_clock=True, is_hurried=True)
_DAYTIME_HURRIED = Pace(is_around_the_clock=False, is_hurried=True)
_DAYTIME = Pace(is_around_the_clock=False, is_hurried=False)
# The table of docs/support.md. click-to-dial-v1 2 gives the first: 30 minutes, at any hour.
GOALS: Mapping[TicketPriority, Goal] = {
    TicketPriority.EMERGENCY: Goal(
        response=timedelta(minutes=30),
        resolution=timedelta(hours=4),
        pace=_AT_ANY_HOUR,
        thresholds=_URGENT,
    ),
    TicketPriority.HIGH: Goal(
        response=timedelta(hours=2),
        resolution=timedelta(hours=18),
        pace=_DAYTIME_HURRIED,
        thresholds=_URGENT,
    ),
    TicketPriority.NORMAL: Goal(
        response=timedelta(hours=9),
        resolution=timedelta(hours=45),
        pace=_DAYTIME,
        thresholds=_PATIENT,
    ),
    TicketPriority.LOW: Goal(
        response=timedelta(hours=18),
        resolution=timedelta(hours=90),
        pace=_DAYTIME,
        thresholds=_PATIENT,
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """Something that was done with a ticket. What of the rest an action needs, it has."""

    action: TicketAction
    at: datetime
    priority: TicketPriority | None = None  # open, prioritize
    queue: TicketQueue | None = None  # assign
    assignee: str | None = None  # assign; None: whoever of the queue
    level: TicketLevel | None = None  # escalate, miss, de-escalate
    clock: TicketClock | None = None  # miss
    percent: int | None = None  # miss
    satisfaction: int | None = None  # rate


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A clock: what it counted in all, from where on what is promised now counts, and how many
    per cent of that were reached, of those that call somebody."""

    counted: timedelta = timedelta()
    promised_from: timedelta = timedelta()
    missed_percent: int = 0

    @property
    def used(self) -> timedelta:
        """How much of the target is used up."""
        return self.counted - self.promised_from

    def begin(self) -> "Reading":
        """Something is promised anew."""
        return replace(self, promised_from=self.counted, missed_percent=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    """What the steps so far make of a ticket.

    `responded_at` and `is_response_late` are of the first round, `resolved_at` of the last.
    """

    opened_at: datetime
    as_of: datetime
    priority: TicketPriority
    state: TicketState = TicketState.NEW
    state_since: datetime
    queue: TicketQueue = TicketQueue.SUPPORT
    assignee: str | None = None
    level: TicketLevel = TicketLevel.NONE
    rounds: int = 1
    awaits_response: bool = True
    response: Reading = Reading()
    resolution: Reading = Reading()
    responded_at: datetime | None = None
    resolved_at: datetime | None = None
    closed_at: datetime | None = None
    is_response_late: bool = False
    is_resolution_late: bool = False
    satisfaction: int | None = None

    @property
    def is_running(self) -> bool:
        """Whether the clocks run."""
        return self.state in _RUNNING

    @property
    def is_late(self) -> bool:
        """Whether it is open, and a target was missed."""
        return self.state in OPEN_STATES and (self.is_response_late or self.is_resolution_late)

    def runs(self, clock: TicketClock) -> bool:
        """Whether that clock runs."""
        return self.is_running and (clock is TicketClock.RESOLUTION or self.awaits_response)

    def reading(self, clock: TicketClock) -> Reading:
        """What that clock showed at `as_of`, or when it stopped."""
        return self.response if clock is TicketClock.RESPONSE else self.resolution


def open_ticket(step: Step) -> Ticket:
    """A ticket by its first step."""
    assert step.action is TicketAction.OPEN and step.priority is not None
    return Ticket(opened_at=step.at, as_of=step.at, priority=step.priority, state_since=step.at)


def advance(ticket: Ticket, step: Step, timetable: Timetable) -> Ticket:
    """The ticket after that step. Raises TicketStateError, and changes nothing then.

    A step that is told to lie before the one that went before, by the clock of another machine,
    counts as made at the same moment.
    """
    try:
        target = TRANSITIONS[ticket.state, step.action]
    except KeyError:
        raise TicketStateError(ticket.state, step.action) from None
    ticket = wind(ticket, step.at, timetable)
    ticket = _note(ticket, step)
    state = _work_state(ticket) if isinstance(target, _Work) else target
    if state is not ticket.state or step.action is TicketAction.ASK:  # asked again: waited anew
        ticket = replace(ticket, state=state, state_since=ticket.as_of)
    return ticket


def wind(ticket: Ticket, now: datetime, timetable: Timetable) -> Ticket:
    """The ticket with its clocks as they are then; never back."""
    if now <= ticket.as_of:
        return ticket
    if not ticket.is_running:
        return replace(ticket, as_of=now)
    counted = timetable.count(GOALS[ticket.priority].pace, ticket.as_of, now)
    response = ticket.response
    if ticket.awaits_response:
        response = replace(response, counted=response.counted + counted)
    resolution = replace(ticket.resolution, counted=ticket.resolution.counted + counted)
    return replace(ticket, as_of=now, response=response, resolution=resolution)


def _work_state(ticket: Ticket) -> TicketState:
    if ticket.level is not TicketLevel.NONE:
        return TicketState.ESCALATED
    return TicketState.ASSIGNED if ticket.awaits_response else TicketState.ANSWERED


def _note(ticket: Ticket, step: Step) -> Ticket:
    """What the step says beside the state."""
    at = ticket.as_of
    if step.action in RESPONSES and ticket.awaits_response:
        ticket = replace(ticket, awaits_response=False, responded_at=ticket.responded_at or at)
    match step.action:
        case TicketAction.ASSIGN:
            return replace(ticket, queue=step.queue or ticket.queue, assignee=step.assignee)
        case TicketAction.PRIORITIZE:
            assert step.priority is not None
            return _prioritize(ticket, step.priority)
        case TicketAction.ESCALATE:
            assert step.level is not None
            return replace(ticket, level=max(ticket.level, step.level))
        case TicketAction.DE_ESCALATE:
            assert step.level is not None
            return replace(ticket, level=min(ticket.level, step.level))
        case TicketAction.MISS:
            return _note_missed(ticket, step)
        case TicketAction.RESOLVE:
            return replace(ticket, resolved_at=at)
        case TicketAction.REOPEN:
            return _begin_round(ticket)
        case TicketAction.CLOSE:
            return replace(ticket, closed_at=at)
        case TicketAction.RATE:
            return replace(ticket, satisfaction=step.satisfaction)
        case _:
            return ticket


def _prioritize(ticket: Ticket, priority: TicketPriority) -> Ticket:
    """What is made more urgent is promised anew; what is made less so has used up what it has."""
    is_raised = _URGENCY.index(priority) < _URGENCY.index(ticket.priority)
    ticket = replace(ticket, priority=priority)
    if not is_raised:
        return ticket
    return replace(ticket, response=ticket.response.begin(), resolution=ticket.resolution.begin())


def _note_missed(ticket: Ticket, step: Step) -> Ticket:
    assert step.level is not None and step.percent is not None and step.clock is not None
    is_breach = step.percent >= _HUNDRED
    reading = replace(ticket.reading(step.clock), missed_percent=step.percent)
    ticket = replace(ticket, level=max(ticket.level, step.level))
    if step.clock is TicketClock.RESPONSE:
        is_late = ticket.is_response_late or (is_breach and ticket.rounds == 1)
        return replace(ticket, response=reading, is_response_late=is_late)
    is_late = ticket.is_resolution_late or is_breach
    return replace(ticket, resolution=reading, is_resolution_late=is_late)


def _begin_round(ticket: Ticket) -> Ticket:
    """The customer waits for a word again; the way to the resolution goes on where it was."""
    return replace(
        ticket,
        rounds=ticket.rounds + 1,
        awaits_response=True,
        response=ticket.response.begin(),
        resolved_at=None,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long a customer's silence is borne."""

    # Then a ticket that waits for the customer counts as resolved.
    waiting: timedelta
    # Then one that is resolved is closed; until then it may be reopened.
    resolved: timedelta


@dataclass(frozen=True, slots=True)
class Due:
    """What the platform itself will do with a ticket, and when."""

    at: datetime
    step: Step


def next_due(ticket: Ticket, timetable: Timetable, patience: Patience) -> Due | None:
    """The next of it; None for nothing. Its step bears the moment when it is due."""
    if ticket.state is TicketState.WAITING:
        at = ticket.state_since + patience.waiting
        return Due(at, Step(action=TicketAction.RESOLVE, at=at))
    if ticket.state is TicketState.RESOLVED:
        at = ticket.state_since + patience.resolved
        return Due(at, Step(action=TicketAction.CLOSE, at=at))
    dues = [due for clock in TicketClock if (due := _next_miss(ticket, clock, timetable))]
    return min(dues, key=lambda due: due.at, default=None)


def reach_target(ticket: Ticket, clock: TicketClock, timetable: Timetable) -> datetime | None:
    """When that clock, which runs, will have used its target up; None where it stands, or has."""
    goal = GOALS[ticket.priority]
    left = goal.target(clock) - ticket.reading(clock).used
    if not ticket.runs(clock) or left <= timedelta():
        return None
    return timetable.reach(goal.pace, ticket.as_of, left)


def _next_miss(ticket: Ticket, clock: TicketClock, timetable: Timetable) -> Due | None:
    goal, reading = GOALS[ticket.priority], ticket.reading(clock)
    ahead = (each for each in goal.thresholds if each.percent > reading.missed_percent)
    threshold = next(ahead, None)
    if threshold is None or not ticket.runs(clock):
        return None
    left = goal.target(clock) * threshold.percent / _HUNDRED - reading.used
    at = timetable.reach(goal.pace, ticket.as_of, left)
    if at is None:
        return None
    step = Step(
        action=TicketAction.MISS,
        at=at,
        clock=clock,
        level=threshold.level,
        percent=threshold.percent,
    )
    return Due(at, step)
