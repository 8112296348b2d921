"""Who looks at tickets, and what states and priorities look like."""

from collections.abc import Mapping

from clicktodial.accounts.ticket_desk import DeskPlace
from clicktodial.domain.principal import CUSTOMER_ROLES, Role
from clicktodial.domain.ticket import TicketPriority, TicketState
from clicktodial.domain.ticket_clock import ClockState
from clicktodial.portal.page import Visit
from clicktodial.portal.paging import parse_identifier

WORKERS = frozenset({Role.SUPPORT, Role.OPERATOR})
STAFF = WORKERS | {Role.ACCOUNT_MANAGER}
OPERATOR = frozenset({Role.OPERATOR})
ASKERS = CUSTOMER_ROLES | WORKERS
# Those for whom the page of a call is, too.
CALL_READERS = frozenset({Role.OPERATOR, Role.OWNER, Role.DEVELOPER, Role.READER, Role.SUPPORT})

STATE_TONES: Mapping[TicketState, str] = {
    TicketState.NEW: "warn",
    TicketState.ASSIGNED: "busy",
    TicketState.WAITING: "calm",
    TicketState.ANSWERED: "busy",
    TicketState.ESCALATED: "bad",
    TicketState.RESOLVED: "good",
    TicketState.REOPENED: "warn",
    TicketState.CLOSED: "calm",
}
PRIORITY_TONES: Mapping[TicketPriority, str] = {
    TicketPriority.EMERGENCY: "bad",
    TicketPriority.HIGH: "warn",
    TicketPriority.NORMAL: "calm",
    TicketPriority.LOW: "calm",
}
CLOCK_TONES: Mapping[ClockState, str] = {
    ClockState.RUNNING: "busy",
    ClockState.STANDING: "calm",
    ClockState.KEPT: "good",
    ClockState.MISSED: "bad",
}
TONES = {
    "state_tone": STATE_TONES,
    "priority_tone": PRIORITY_TONES,
    "clock_tone": CLOCK_TONES,
}
# Digits of a time in milliseconds.
_DUE_DIGITS_MAX = 15


def ticket_link(visit: Visit, ticket_id: str) -> str:
    """The page of a ticket for whoever looks."""
    name = "deskTicket" if visit.principal.enterprise_id is None else "ticket"
    return visit.link(name, ticket_id=ticket_id)


def parse_desk_place(text: str | None) -> DeskPlace | None:
    """Where a page of open tickets begins; None, the first page, for what is no cursor of ours."""
    due, _, ticket_id = (text or "").partition("-")
    is_number = due.isascii() and due.isdecimal() and len(due) <= _DUE_DIGITS_MAX
    known = parse_identifier(ticket_id)
    return DeskPlace(int(due), known) if is_number and known else None


def render_desk_place(place: DeskPlace) -> str:
    """The inverse."""
    return f"{place.due_ms}-{place.ticket_id}"
