"""Tickets as the management API answers them: to customers without what stays within support."""

from enum import StrEnum
from typing import Annotated, Any

from msgspec import Meta

from clicktodial.accounts.ticket import TicketView as KnownTicket
from clicktodial.accounts.ticket_statistics import Duration, Statistics
from clicktodial.accounts.ticket_store import (
    PLATFORM,
    KeptStep,
    TicketContact,
    TicketFile,
    TicketSummary,
)
from clicktodial.api.management.schema import Instant, Strict
from clicktodial.domain.call import CallState
from clicktodial.domain.number import mask_number
from clicktodial.domain.ticket import (
    TicketAction,
    TicketCategory,
    TicketChannel,
    TicketClock,
    TicketLevel,
    TicketPriority,
    TicketQueue,
    TicketState,
    reach_target,
)
from clicktodial.storage.explanation import explain_end
from clicktodial.storage.history import CallRecord

# What customers are told in place of the names of the operator's people.
SUPPORT_NAME = "support"
_WITHIN_SUPPORT = frozenset(
    {TicketAction.NOTE, TicketAction.ASSIGN, TicketAction.ESCALATE, TicketAction.MISS}
)


class EscalationLevel(StrEnum):
    """How far a ticket was escalated."""

    NONE = "none"
    SECOND_LINE = "second-line"
    THIRD_LINE = "third-line"
    OPERATOR = "operator"


def render_level(level: TicketLevel) -> EscalationLevel:
    """The domain's number as a word."""
    return EscalationLevel[level.name]


def parse_level(level: EscalationLevel) -> TicketLevel:
    """The inverse."""
    return TicketLevel[level.name]


class TicketLine(Strict, frozen=True):
    """A ticket in a list. `assignee` is for the operator's people alone."""

    ticket_id: str
    enterprise_id: str
    subject: str
    channel: TicketChannel
    category: TicketCategory
    priority: TicketPriority
    state: TicketState
    level: EscalationLevel
    queue: TicketQueue
    assignee: str | None
    opened_by: str
    opened_at: Instant
    is_response_late: bool
    is_resolution_late: bool


class TicketPage(Strict, frozen=True):
    """Tickets, the newest first; `next` is the cursor of the page after, null on the last."""

    tickets: list[TicketLine]
    next: str | None


class TicketStepView(Strict, frozen=True):
    """A line of a ticket's history; `by` is a user's identifier, `operator`, `platform`, or for
    customers `support`. What an action has not is null."""

    seq: int
    action: TicketAction
    at: Instant
    by: str
    is_staff: bool
    text: str
    priority: TicketPriority | None
    queue: TicketQueue | None
    assignee: str | None
    level: EscalationLevel | None
    clock: TicketClock | None
    percent: int | None
    satisfaction: int | None


class TicketCallView(Strict, frozen=True):
    """The call that a ticket is about, and in words why it ended; null while it lives."""

    call_id: str
    state: CallState
    begun_at: Instant
    duration_s: int
    sponsor: str
    caller: str
    callee: str
    explanation: str | None


class TicketContactView(Strict, frozen=True):
    """Whom to talk to."""

    name: str
    phone: str | None
    email: str | None


class TicketDetail(Strict, frozen=True):
    """A ticket, and when its clocks will have used up what is promised: null where they stand,
    or have. `call` and `contact` are for the operator's people, with numbers masked."""

    ticket: TicketLine
    call_id: str | None
    call: TicketCallView | None
    contact: TicketContactView | None
    response_due_at: Instant | None
    resolution_due_at: Instant | None
    responded_at: Instant | None
    resolved_at: Instant | None
    closed_at: Instant | None
    satisfaction: int | None
    history: list[TicketStepView]


class TicketNumbers(Strict, frozen=True):
    """The call and the contact of a ticket, with numbers whole."""

    call: TicketCallView | None
    contact: TicketContactView | None


_Seconds = Annotated[int, Meta(ge=0, description="Whole seconds, as a customer's watch counts.")]


class DurationView(Strict, frozen=True):
    """How long something took, of as many tickets as `count`; `breached` missed the target."""

    count: int
    average_s: _Seconds | None
    longest_s: _Seconds | None
    breached: int


class PriorityView(Strict, frozen=True):
    """Of the tickets of one priority; `satisfaction` is an average."""

    priority: TicketPriority
    opened: int
    response: DurationView
    resolution: DurationView
    satisfaction: float | None


class BreachView(Strict, frozen=True):
    """How many tickets of somebody, or of a queue without anybody, missed a target."""

    queue: TicketQueue
    assignee: str | None
    breached: int


class TicketStatisticsView(Strict, frozen=True):
    """Of the tickets that were opened within a time; `breached` lists the latest 200 at most."""

    from_at: Instant
    until_at: Instant
    priorities: list[PriorityView]
    assignees: list[BreachView]
    breached: list[TicketLine]


def render_line(ticket: TicketSummary, *, for_staff: bool) -> TicketLine:
    """A ticket in a list."""
    return TicketLine(
        ticket_id=ticket.ticket_id,
        enterprise_id=ticket.enterprise_id,
        subject=ticket.subject,
        channel=ticket.channel,
        category=ticket.category,
        priority=ticket.priority,
        state=ticket.state,
        level=render_level(ticket.level),
        queue=ticket.queue,
        assignee=ticket.assignee if for_staff else None,
        opened_by=ticket.opened_by if for_staff or _is_portal(ticket) else SUPPORT_NAME,
        opened_at=ticket.opened_at,
        is_response_late=ticket.is_response_late,
        is_resolution_late=ticket.is_resolution_late,
    )


def render_detail(known: KnownTicket, *, for_staff: bool) -> TicketDetail:
    """All of it that is for those eyes."""
    file, ticket = known.file, known.file.ticket
    steps = [kept for kept in file.steps if for_staff or kept.step.action not in _WITHIN_SUPPORT]
    contact = file.contact if for_staff else None
    return TicketDetail(
        ticket=_render_file_line(file, for_staff=for_staff),
        call_id=file.call_id,
        call=None if known.call is None else _render_call(known.call, is_whole=False),
        contact=None if contact is None else _render_contact(contact, is_whole=False),
        response_due_at=reach_target(ticket, TicketClock.RESPONSE, file.timetable),
        resolution_due_at=reach_target(ticket, TicketClock.RESOLUTION, file.timetable),
        responded_at=ticket.responded_at,
        resolved_at=ticket.resolved_at,
        closed_at=ticket.closed_at,
        satisfaction=ticket.satisfaction,
        history=[_render_step(kept, for_staff=for_staff) for kept in steps],
    )


def render_numbers(known: KnownTicket) -> TicketNumbers:
    """Call and contact, whole."""
    contact = known.file.contact
    return TicketNumbers(
        call=None if known.call is None else _render_call(known.call, is_whole=True),
        contact=None if contact is None else _render_contact(contact, is_whole=True),
    )


def render_statistics(told: Statistics, **span: Any) -> TicketStatisticsView:
    """For the operator."""
    return TicketStatisticsView(
        **span,
        priorities=[
            PriorityView(
                priority=each.priority,
                opened=each.opened,
                response=_render_duration(each.response),
                resolution=_render_duration(each.resolution),
                satisfaction=each.satisfaction,
            )
            for each in told.priorities
        ],
        assignees=[
            BreachView(
                queue=TicketQueue(each.queue), assignee=each.assignee, breached=each.breached
            )
            for each in told.assignees
        ],
        breached=[render_line(each, for_staff=True) for each in told.breached],
    )


def _is_portal(ticket: TicketSummary) -> bool:
    """Whether it can be a customer's own: theirs come through the portal."""
    return ticket.channel is TicketChannel.PORTAL


def _render_file_line(file: TicketFile, *, for_staff: bool) -> TicketLine:
    ticket = file.ticket
    summary = TicketSummary(
        ticket_id=file.ticket_id,
        enterprise_id=file.enterprise_id,
        subject=file.subject,
        channel=file.channel,
        category=file.category,
        priority=ticket.priority,
        state=ticket.state,
        queue=ticket.queue,
        assignee=ticket.assignee,
        level=ticket.level,
        opened_by=file.opened_by,
        opened_at=ticket.opened_at,
        is_response_late=ticket.is_response_late,
        is_resolution_late=ticket.is_resolution_late,
    )
    return render_line(summary, for_staff=for_staff)


def _render_step(kept: KeptStep, *, for_staff: bool) -> TicketStepView:
    step = kept.step
    is_named = for_staff or not kept.is_staff or kept.by == PLATFORM
    return TicketStepView(
        seq=kept.seq,
        action=step.action,
        at=step.at,
        by=kept.by if is_named else SUPPORT_NAME,
        is_staff=kept.is_staff,
        text=kept.text,
        priority=step.priority,
        queue=step.queue,
        assignee=step.assignee,
        level=None if step.level is None else render_level(step.level),
        clock=step.clock,
        percent=step.percent,
        satisfaction=step.satisfaction,
    )


def _render_call(call: CallRecord, *, is_whole: bool) -> TicketCallView:
    return TicketCallView(
        call_id=call.call_id,
        state=call.state,
        begun_at=call.begun_at,
        duration_s=call.duration_s,
        sponsor=call.sponsor,
        caller=call.caller if is_whole else mask_number(call.caller),
        callee=call.callee if is_whole else mask_number(call.callee),
        explanation=explain_end(call),
    )


def _render_contact(contact: TicketContact, *, is_whole: bool) -> TicketContactView:
    phone = contact.phone
    if phone is not None and not is_whole:
        phone = mask_number(phone)
    return TicketContactView(name=contact.name, phone=phone, email=contact.email)


def _render_duration(duration: Duration) -> DurationView:
    return DurationView(
        count=duration.count,
        average_s=duration.average_s,
        longest_s=duration.longest_s,
        breached=duration.breached,
    )
