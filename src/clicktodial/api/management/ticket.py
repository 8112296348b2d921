"""`/tickets`: what customers ask of support, and what support does with it."""

from functools import partial
from typing import Annotated, Any

from msgspec import UNSET, Meta, UnsetType

from clicktodial.accounts.ticket import (
    TEXT_CHARACTERS_MAX,
    NewTicket,
    TicketFilter,
    Tickets,
    TicketView,
)
from clicktodial.accounts.ticket_store import TicketContact, TicketFile
from clicktodial.api.management.body import find_word
from clicktodial.api.management.paging import (
    PAGE_PARAMETERS,
    parse_identifier_cursor,
    parse_limit,
)
from clicktodial.api.management.problem import (
    CONFLICT,
    INVALID_PARAMETER,
    INVALID_VALUE,
    MISSING_PROPERTY,
    NOT_FOUND,
    Refused,
)
from clicktodial.api.management.route import Ask, Created, Parameter, Route
from clicktodial.api.management.schema import Identifier, Strict
from clicktodial.api.management.ticket_view import (
    EscalationLevel,
    TicketDetail,
    TicketNumbers,
    TicketPage,
    parse_level,
    render_detail,
    render_line,
    render_numbers,
)
from clicktodial.api.management.worker import Worker
from clicktodial.domain.principal import CUSTOMER_ROLES, Principal, Role
from clicktodial.domain.ticket import (
    SATISFACTION_MAX,
    TicketCategory,
    TicketChannel,
    TicketPriority,
    TicketQueue,
    TicketState,
)
from clicktodial.storage.people_table import EMAIL_CHARACTERS_MAX
from clicktodial.storage.table import NAME_CHARACTERS_MAX, NUMBER_CHARACTERS_MAX

_WORKERS = frozenset({Role.SUPPORT, Role.OPERATOR})
_STAFF = _WORKERS | {Role.ACCOUNT_MANAGER}
_EVERYBODY = CUSTOMER_ROLES | _STAFF

_Text = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=TEXT_CHARACTERS_MAX,
        description="Printable characters and new lines.",
    ),
]
_Reason = Annotated[_Text, Meta(description="Why; the customer is told.")]
_Subject = Annotated[str, Meta(min_length=1, max_length=NAME_CHARACTERS_MAX)]
_Name = Annotated[str, Meta(min_length=1, max_length=NAME_CHARACTERS_MAX)]
_Phone = Annotated[str, Meta(max_length=NUMBER_CHARACTERS_MAX)]
_Email = Annotated[str, Meta(max_length=EMAIL_CHARACTERS_MAX)]


class NewContact(Strict, frozen=True):
    """Whom to talk to, of a customer who called; mail goes to `email`."""

    name: _Name
    phone: _Phone | None = None
    email: _Email | None = None


class NewTicketBody(Strict, frozen=True):
    """Something that is asked of support. `enterprise_id` and `contact` are for the operator's
    people, and `channel` is for support: it is known of customers and account managers."""

    subject: _Subject
    text: _Text
    category: TicketCategory
    priority: TicketPriority = TicketPriority.NORMAL
    call_id: Identifier | UnsetType = UNSET
    enterprise_id: Identifier | UnsetType = UNSET
    channel: TicketChannel | UnsetType = UNSET
    contact: NewContact | UnsetType = UNSET


class NewMessage(Strict, frozen=True):
    """A message to the other side."""

    text: _Text
    is_question: Annotated[
        bool, Meta(description="Of support: the customer's answer is waited for.")
    ] = False


class NewText(Strict, frozen=True):
    """What there is to say."""

    text: _Text


class Assignment(Strict, frozen=True):
    """Whose a ticket is: a queue's, or in person that of one of the operator's people."""

    queue: TicketQueue
    assignee: Annotated[
        Identifier | None, Meta(description="A user's identifier; null: whoever of the queue.")
    ] = None


class Escalation(Strict, frozen=True):
    """How far a ticket is to be escalated; what lowers it is told customer and operator."""

    level: EscalationLevel
    reason: _Reason


class PriorityChange(Strict, frozen=True):
    """How urgent a ticket is."""

    priority: TicketPriority
    reason: _Reason


class Satisfaction(Strict, frozen=True):
    """How content a customer is."""

    satisfaction: Annotated[int, Meta(ge=1, le=SATISFACTION_MAX, description="5 is the best.")]
    text: Annotated[str, Meta(max_length=TEXT_CHARACTERS_MAX)] = ""


class TicketResource:
    """Tickets: those of one's own enterprise, or of all that one of the operator's people sees."""

    def __init__(self, tickets: Tickets, worker: Worker) -> None:
        self._tickets = tickets
        self._worker = worker

    async def list_all(self, ask: Ask) -> TicketPage:
        """GET of all"""
        limit, before = parse_limit(ask.query), parse_identifier_cursor(ask.query)
        which = _parse_filter(ask.query)
        tickets = await self._worker.run(
            partial(
                self._tickets.list_tickets, ask.principal, which, before=before, limit=limit + 1
            )
        )
        return TicketPage(
            tickets=[render_line(each, for_staff=_is_staff(ask)) for each in tickets[:limit]],
            next=tickets[limit - 1].ticket_id if len(tickets) > limit else None,
        )

    async def create(self, ask: Ask) -> Created:
        """POST"""
        new = _create_ticket(ask, await ask.read(NewTicketBody))
        ask.notes.enterprise_id = new.enterprise_id
        ticket_id = await self._worker.run(lambda: self._tickets.open(ask.principal, new, ask.now))
        return Created(await self._show(ask, ticket_id), f"/tickets/{ticket_id}")

    async def show(self, ask: Ask) -> TicketDetail:
        """GET of one"""
        return await self._show(ask, ask.path["ticket_id"])

    async def show_numbers(self, ask: Ask) -> TicketNumbers:
        """GET .../numbers"""
        known = await self._worker.run(
            partial(
                self._tickets.show_numbers,
                ask.principal,
                ask.path["ticket_id"],
                ask.now,
                ask.client,
            )
        )
        return render_numbers(known)

    async def write(self, ask: Ask) -> TicketDetail:
        """POST .../messages"""
        body = await ask.read(NewMessage)
        write = partial(self._tickets.write, is_question=body.is_question)
        return await self._do(ask, partial(write, text=body.text, now=ask.now))

    async def note(self, ask: Ask) -> TicketDetail:
        """POST .../notes"""
        body = await ask.read(NewText)
        return await self._do(ask, partial(self._tickets.note, text=body.text, now=ask.now))

    async def assign(self, ask: Ask) -> TicketDetail:
        """PUT .../assignment"""
        body = await ask.read(Assignment)
        assign = partial(self._tickets.assign, queue=body.queue, assignee=body.assignee)
        return await self._do(ask, partial(assign, now=ask.now))

    async def escalate(self, ask: Ask) -> TicketDetail:
        """PUT .../escalation"""
        body = await ask.read(Escalation)
        level = parse_level(body.level)
        escalate = partial(self._tickets.escalate, level=level, reason=body.reason)
        return await self._do(ask, partial(escalate, now=ask.now))

    async def prioritize(self, ask: Ask) -> TicketDetail:
        """PUT .../priority"""
        body = await ask.read(PriorityChange)
        change = partial(self._tickets.prioritize, priority=body.priority, reason=body.reason)
        return await self._do(ask, partial(change, now=ask.now))

    async def resolve(self, ask: Ask) -> TicketDetail:
        """POST .../resolution"""
        body = await ask.read(NewText)
        return await self._do(ask, partial(self._tickets.resolve, text=body.text, now=ask.now))

    async def reopen(self, ask: Ask) -> TicketDetail:
        """POST .../reopen"""
        body = await ask.read(NewText)
        return await self._do(ask, partial(self._tickets.reopen, text=body.text, now=ask.now))

    async def close(self, ask: Ask) -> TicketDetail:
        """POST .../close"""
        return await self._do(ask, partial(self._tickets.close, now=ask.now))

    async def rate(self, ask: Ask) -> TicketDetail:
        """PUT .../satisfaction"""
        body = await ask.read(Satisfaction)
        rate = partial(self._tickets.rate, satisfaction=body.satisfaction, text=body.text)
        return await self._do(ask, partial(rate, now=ask.now))

    async def _do(self, ask: Ask, work: "partial[TicketFile]") -> TicketDetail:
        ticket_id = ask.path["ticket_id"]
        file = await self._worker.run(lambda: work(ask.principal, ticket_id))
        ask.notes.enterprise_id = file.enterprise_id
        return await self._show(ask, ticket_id)

    async def _show(self, ask: Ask, ticket_id: str) -> TicketDetail:
        known: TicketView = await self._worker.run(
            lambda: self._tickets.show(ask.principal, ticket_id)
        )
        return render_detail(known, for_staff=_is_staff(ask))

    def routes(self) -> list[Route]:
        """The rows of this resource."""
        shared: dict[str, Any] = {"tag": "Tickets"}
        one = shared | {
            "parameters": (TICKET_ID,),
            "answer": TicketDetail,
            "problems": (NOT_FOUND, CONFLICT),
        }
        text = {"body": NewText, "body_example": {"text": "The trunk is back."}}
        return [
            Route(
                name="listTickets",
                method="GET",
                path="/tickets",
                summary="List tickets",
                about="Those of one's own enterprise, or of all that one sees, the newest first.",
                roles=_EVERYBODY,
                handle=self.list_all,
                query=(*PAGE_PARAMETERS, *_FILTERS),
                answer=TicketPage,
                problems=(NOT_FOUND, INVALID_VALUE),
                **shared,
            ),
            Route(
                name="createTicket",
                method="POST",
                path="/tickets",
                summary="Open a ticket",
                about="By a customer, or by the operator's people for one who called. A ticket may "
                "name a call of its own enterprise.",
                roles=_EVERYBODY,
                is_help=True,
                handle=self.create,
                body=NewTicketBody,
                body_example={
                    "subject": "No calls since nine",
                    "text": "Every call fails.",
                    "category": "fault",
                    "priority": "emergency",
                },
                status=201,
                answer=TicketDetail,
                problems=(NOT_FOUND, CONFLICT, INVALID_VALUE, MISSING_PROPERTY),
                **shared,
            ),
            Route(
                name="showTicket",
                method="GET",
                path="/tickets/{ticket_id}",
                summary="Read a ticket",
                about="With its history: for customers without what stays within support.",
                roles=_EVERYBODY,
                handle=self.show,
                **one,
            ),
            Route(
                name="showTicketNumbers",
                method="GET",
                path="/tickets/{ticket_id}/numbers",
                summary="Read the numbers of a ticket",
                about="Its call and its contact with telephone numbers whole. The audit log tells "
                "who read them.",
                roles=_WORKERS,
                handle=self.show_numbers,
                **(one | {"answer": TicketNumbers}),
            ),
            Route(
                name="writeToTicket",
                method="POST",
                path="/tickets/{ticket_id}/messages",
                summary="Write to the other side",
                about="A mail tells the other side. A customer's message reopens what is resolved.",
                roles=CUSTOMER_ROLES | _WORKERS,
                is_help=True,
                handle=self.write,
                body=NewMessage,
                body_example={"text": "Since when?"},
                **one,
            ),
            Route(
                name="noteOnTicket",
                method="POST",
                path="/tickets/{ticket_id}/notes",
                summary="Note something among the operator's people",
                about="Customers never see it.",
                roles=_STAFF,
                handle=self.note,
                **(one | text),
            ),
            Route(
                name="assignTicket",
                method="PUT",
                path="/tickets/{ticket_id}/assignment",
                summary="Assign a ticket",
                about="To a queue, or to somebody in person.",
                roles=_WORKERS,
                handle=self.assign,
                body=Assignment,
                body_example={"queue": "second-line"},
                **one,
            ),
            Route(
                name="escalateTicket",
                method="PUT",
                path="/tickets/{ticket_id}/escalation",
                summary="Escalate a ticket, or take that back",
                about="A mail goes to whoever of that line is on call. What lowers the escalation "
                "is told customer and operator.",
                roles=_WORKERS,
                handle=self.escalate,
                body=Escalation,
                body_example={"level": "third-line", "reason": "The carrier must act."},
                **one,
            ),
            Route(
                name="prioritizeTicket",
                method="PUT",
                path="/tickets/{ticket_id}/priority",
                summary="Change how urgent a ticket is",
                about="What is made more urgent has the whole time of its new priority from then "
                "on.",
                roles=_WORKERS,
                handle=self.prioritize,
                body=PriorityChange,
                body_example={"priority": "high", "reason": "Others can call."},
                **one,
            ),
            Route(
                name="resolveTicket",
                method="POST",
                path="/tickets/{ticket_id}/resolution",
                summary="Resolve a ticket",
                about="The customer is told how, and may reopen it for some days.",
                roles=_WORKERS,
                handle=self.resolve,
                **(one | text),
            ),
            Route(
                name="reopenTicket",
                method="POST",
                path="/tickets/{ticket_id}/reopen",
                summary="Reopen a ticket",
                about="One that is resolved, until it is closed.",
                roles=CUSTOMER_ROLES | _WORKERS,
                is_help=True,
                handle=self.reopen,
                **(one | text),
            ),
            Route(
                name="closeTicket",
                method="POST",
                path="/tickets/{ticket_id}/close",
                summary="Close a ticket that is resolved",
                about="It is closed by itself after some days. What is closed stays so.",
                roles=CUSTOMER_ROLES | _WORKERS,
                is_help=True,
                handle=self.close,
                **one,
            ),
            Route(
                name="rateTicket",
                method="PUT",
                path="/tickets/{ticket_id}/satisfaction",
                summary="Tell how content one is",
                about="Of a ticket that is resolved or closed, once.",
                roles=CUSTOMER_ROLES,
                is_help=True,
                handle=self.rate,
                body=Satisfaction,
                body_example={"satisfaction": 5},
                **one,
            ),
        ]


TICKET_ID = Parameter(
    "ticket_id",
    "The ticket.",
    {"type": "string", "maxLength": 64},
    example="019a3f6e8b5c7d2e9f00112233445566",
)
_ENUMS: dict[str, Any] = {
    "state": TicketState,
    "priority": TicketPriority,
    "channel": TicketChannel,
    "queue": TicketQueue,
}
_FILTERS = (
    *(
        Parameter(
            name, f"Only those of this {name}.", {"type": "string", "enum": [*map(str, kind)]}
        )
        for name, kind in _ENUMS.items()
    ),
    Parameter(
        "assignee", "Only those of this user; for staff.", {"type": "string", "maxLength": 64}
    ),
    Parameter(
        "enterprise_id", "Only those of this enterprise.", {"type": "string", "maxLength": 64}
    ),
    Parameter(
        "is_late",
        "Only those that missed a target, or that did not.",
        {"type": "string", "enum": ["true", "false"]},
    ),
)


def _parse_filter(query: dict[str, str]) -> TicketFilter:
    state = find_word(query, "state", TicketState)
    is_late = query.get("is_late")
    if is_late not in (None, "true", "false"):
        raise Refused(INVALID_PARAMETER, "is_late is true or false")
    return TicketFilter(
        states=frozenset() if state is None else frozenset({state}),
        priority=find_word(query, "priority", TicketPriority),
        channel=find_word(query, "channel", TicketChannel),
        queue=find_word(query, "queue", TicketQueue),
        assignee=query.get("assignee"),
        enterprise_id=query.get("enterprise_id"),
        is_late=None if is_late is None else is_late == "true",
    )


def _create_ticket(ask: Ask, body: NewTicketBody) -> NewTicket:
    """The ticket with what is known of who asks. Raises Refused."""
    own = ask.principal.enterprise_id
    enterprise_id = _given(body.enterprise_id) or own
    channel = _given(body.channel) or _own_channel(ask.principal)
    for name, value in (("enterprise_id", enterprise_id), ("channel", channel)):
        if value is None:
            raise Refused(MISSING_PROPERTY, f"{name} is required", pointer=f"/{name}")
    assert enterprise_id is not None and channel is not None
    contact = _given(body.contact)
    return NewTicket(
        enterprise_id=enterprise_id,
        subject=body.subject,
        text=body.text,
        channel=channel,
        category=body.category,
        priority=body.priority,
        call_id=_given(body.call_id),
        contact=None
        if contact is None
        else TicketContact(name=contact.name, phone=contact.phone, email=contact.email),
    )


def _own_channel(principal: Principal) -> TicketChannel | None:
    """The only one, of a customer and of an account manager."""
    if principal.enterprise_id is not None:
        return TicketChannel.PORTAL
    return None if principal.has_any(_WORKERS) else TicketChannel.ACCOUNT_MANAGER


def _given(value: Any) -> Any:
    return None if isinstance(value, UnsetType) else value


def _is_staff(ask: Ask) -> bool:
    return ask.principal.enterprise_id is None
