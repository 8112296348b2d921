"""Support tickets: what customers and support do with them, and what the platform does when time
runs out.

Whatever is done with a ticket, what was due before comes first, in the same transaction: a history
is in order, and an answer a second after the deadline is late, however busy the node was.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias

from sqlalchemy import Connection, Select, func, select

from clicktodial.accounts.audit import note_access
from clicktodial.accounts.scope import require_visible, visible_enterprises
from clicktodial.accounts.ticket_mail import TicketMailer
from clicktodial.accounts.ticket_store import (
    PLATFORM,
    Entry,
    SupportPolicy,
    TicketContact,
    TicketFile,
    TicketStore,
    TicketSummary,
    find_due_tickets,
    find_staff,
    summary_of,
    to_stored,
)
from clicktodial.domain.email import EmailError, parse_email
from clicktodial.domain.number import NumberError, parse_number
from clicktodial.domain.principal import CUSTOMER_ROLES, Principal, Role
from clicktodial.domain.ticket import (
    SATISFACTION_MAX,
    Step,
    TicketAction,
    TicketCategory,
    TicketChannel,
    TicketLevel,
    TicketPriority,
    TicketQueue,
    TicketState,
)
from clicktodial.domain.wording import worded, words_of
from clicktodial.storage import table
from clicktodial.storage.error import Conflict, NotFound, NotPermitted, ValueInvalid
from clicktodial.storage.history import CallRecord, read_call
from clicktodial.storage.secret import SecretVault
from clicktodial.storage.table import NAME_CHARACTERS_MAX
from clicktodial.storage.ticket_table import OPEN_TICKET, ticket
from clicktodial.storage.transaction import Transactions

# A mail holds 16,384; a letter of four pages.
TEXT_CHARACTERS_MAX = 8_000
# Each is read whenever something is done: beyond this it is time for another ticket.
STEPS_MAX = 500
# Kept for support: a ticket that a customer's script has filled can still be resolved and closed.
STEPS_OF_STAFF = 50
# Whoever has so many open is heard already; it bounds what a script of a customer's can do.
OPEN_PER_ENTERPRISE_MAX = 200
TICKETS_PAGE_MAX = 100

_NO_ANSWER = "Our question was not answered, so we take it that this is resolved."
_TAB = "    "
_WORKERS = frozenset({Role.SUPPORT, Role.OPERATOR})
_STAFF = _WORKERS | {Role.ACCOUNT_MANAGER}
_columns = ticket.c
# What else belongs to a step, in its transaction; the ticket has the step already.
OnStep: TypeAlias = Callable[[Connection, TicketFile], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class NewTicket:
    """A ticket as it is opened. Staff name the enterprise, and perhaps whom to talk to."""

    enterprise_id: str
    subject: str
    text: str
    channel: TicketChannel
    category: TicketCategory
    priority: TicketPriority = TicketPriority.NORMAL
    call_id: str | None = None
    contact: TicketContact | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TicketFilter:
    """Which tickets; None and an empty set are any. `is_late`: a target was missed."""

    states: frozenset[TicketState] = frozenset()
    priority: TicketPriority | None = None
    channel: TicketChannel | None = None
    queue: TicketQueue | None = None
    assignee: str | None = None
    enterprise_id: str | None = None
    is_late: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TicketView:
    """A ticket for somebody's eyes. The call is there for staff alone."""

    file: TicketFile
    call: CallRecord | None


class Tickets:
    """All methods block, and raise AdministrationError or DatabaseUnavailable."""

    def __init__(
        self,
        transactions: Transactions,
        vault: SecretVault,
        policy: SupportPolicy,
        *,
        region: str,
    ) -> None:
        """Telephone numbers are read in that country."""
        self._transactions = transactions
        self._store = TicketStore(vault, policy)
        self._mailer = TicketMailer(vault, policy)
        self._region = region

    def open(self, principal: Principal, new: NewTicket, now: datetime) -> str:
        """A new ticket; returns its identifier. A customer's comes through the portal."""
        is_staff = _is_staff(principal)
        if is_staff == (new.channel is TicketChannel.PORTAL):
            raise ValueInvalid("through the portal come customers themselves, and only they")
        if not is_staff and new.contact is not None:
            raise ValueInvalid("a customer's ticket has no other contact than who opens it")
        contact = None if new.contact is None else self._check_contact(new.contact)
        step = Step(action=TicketAction.OPEN, at=to_stored(now), priority=new.priority)
        entry = Entry(step=step, by=principal.name, is_staff=is_staff, text=check_text(new.text))
        with self._transactions.change(concerns_calls=False) as connection:
            require_visible(connection, principal, new.enterprise_id)
            _check_room(connection, new.enterprise_id)
            if new.call_id is not None:
                _find_call(connection, new.enterprise_id, new.call_id)
            ticket_id = self._store.create(
                connection,
                entry,
                enterprise_id=new.enterprise_id,
                subject=_check_subject(new.subject),
                channel=new.channel,
                category=new.category,
                call_id=new.call_id,
                contact=contact,
            )
            self._mailer.tell(connection, self._store.read(connection, ticket_id), now)
        return ticket_id

    def list_tickets(
        self,
        principal: Principal,
        which: TicketFilter,
        *,
        before: str | None = None,
        limit: int = TICKETS_PAGE_MAX,
    ) -> list[TicketSummary]:
        """Those that the principal may see, the newest first, beginning behind `before`."""
        if not _is_staff(principal) and which.assignee is not None:
            raise ValueInvalid("who of support has a ticket stays within support")
        query = (
            select(ticket)
            .join(table.enterprise, table.enterprise.c.id == _columns.enterprise_id)
            .where(visible_enterprises(principal))
        )
        query = narrow_tickets(query, which)
        if before is not None:
            query = query.where(_columns.id < before)
        query = query.order_by(_columns.id.desc()).limit(min(limit, TICKETS_PAGE_MAX))
        with self._transactions.read() as connection:
            if which.enterprise_id is not None:
                require_visible(connection, principal, which.enterprise_id)
            return [summary_of(row) for row in connection.execute(query)]

    def show(self, principal: Principal, ticket_id: str) -> TicketView:
        """One ticket. For staff with the call that it is about."""
        with self._transactions.read() as connection:
            file = self._read(connection, principal, ticket_id)
            return TicketView(file=file, call=_call_of(connection, principal, file))

    def show_numbers(
        self, principal: Principal, ticket_id: str, now: datetime, address: str = ""
    ) -> TicketView:
        """The same, for whoever needs the numbers whole; that they saw them is noted."""
        _require_worker(principal)
        with self._transactions.change(concerns_calls=False) as connection:
            file = self._read(connection, principal, ticket_id)
            subjects = {"ticket_id": ticket_id}
            if file.call_id is not None:
                subjects["call_id"] = file.call_id
            note_access(
                connection,
                principal=principal,
                operation="showTicketNumbers",
                subjects=subjects,
                enterprise_id=file.enterprise_id,
                now=now,
                address=address,
            )
            return TicketView(file=file, call=_call_of(connection, principal, file))

    def write(
        self,
        principal: Principal,
        ticket_id: str,
        text: str,
        now: datetime,
        *,
        is_question: bool = False,
        on_step: OnStep | None = None,
    ) -> TicketFile:
        """A message to the other side. A customer's reopens what is resolved; support's may be
        a question, for whose answer the ticket waits."""
        text = check_text(text)
        is_staff = _is_staff(principal)
        if is_staff:
            _require_worker(principal)
        elif is_question:
            raise ValueInvalid("it is support who waits for answers")

        def create_step(file: TicketFile) -> Step:
            action = TicketAction.ASK if is_question else TicketAction.REPLY
            if not is_staff:
                is_resolved = file.ticket.state is TicketState.RESOLVED
                action = TicketAction.REOPEN if is_resolved else TicketAction.WRITE
            return Step(action=action, at=to_stored(now))

        return self._change(principal, ticket_id, create_step, text, now, on_step)

    def note(
        self,
        principal: Principal,
        ticket_id: str,
        text: str,
        now: datetime,
        on_step: OnStep | None = None,
    ) -> TicketFile:
        """A note that stays among the operator's people."""
        if not _is_staff(principal):
            raise NotPermitted("notes are of the operator's people")
        step = Step(action=TicketAction.NOTE, at=to_stored(now))
        return self._do(principal, ticket_id, step, check_text(text), on_step)

    def assign(
        self,
        principal: Principal,
        ticket_id: str,
        *,
        queue: TicketQueue,
        assignee: str | None,
        now: datetime,
    ) -> TicketFile:
        """Give it to a queue, or to somebody of it in person."""
        _require_worker(principal)
        if assignee is not None and assignee != principal.name:
            with self._transactions.read() as connection:
                found = find_staff(connection, assignee)
            if found is None:
                raise ValueInvalid("the assignee is none of the operator's people")
            assignee = found
        step = Step(action=TicketAction.ASSIGN, at=to_stored(now), queue=queue, assignee=assignee)
        return self._do(principal, ticket_id, step, "")

    def prioritize(
        self,
        principal: Principal,
        ticket_id: str,
        *,
        priority: TicketPriority,
        reason: str,
        now: datetime,
    ) -> TicketFile:
        """Change how urgent it is; the customer is told why."""
        _require_worker(principal)
        step = Step(action=TicketAction.PRIORITIZE, at=to_stored(now), priority=priority)
        return self._do(principal, ticket_id, step, check_text(reason))

    def escalate(
        self,
        principal: Principal,
        ticket_id: str,
        *,
        level: TicketLevel,
        reason: str,
        now: datetime,
    ) -> TicketFile:
        """Call a further line, or send fewer: what lowers the escalation is a step of its own,
        of which customer and operator are told."""
        _require_worker(principal)
        reason = check_text(reason)

        def create_step(file: TicketFile) -> Step:
            current = file.ticket.level
            if level == current:
                raise Conflict("it is escalated so far already")
            action = TicketAction.ESCALATE if level > current else TicketAction.DE_ESCALATE
            return Step(action=action, at=to_stored(now), level=level)

        return self._change(principal, ticket_id, create_step, reason, now)

    def resolve(
        self,
        principal: Principal,
        ticket_id: str,
        text: str,
        now: datetime,
        on_step: OnStep | None = None,
    ) -> TicketFile:
        """Tell the customer how it was resolved."""
        _require_worker(principal)
        step = Step(action=TicketAction.RESOLVE, at=to_stored(now))
        return self._do(principal, ticket_id, step, check_text(text), on_step)

    def reopen(
        self,
        principal: Principal,
        ticket_id: str,
        text: str,
        now: datetime,
        on_step: OnStep | None = None,
    ) -> TicketFile:
        """It is not resolved after all; possible until it is closed."""
        if _is_staff(principal):
            _require_worker(principal)
        step = Step(action=TicketAction.REOPEN, at=to_stored(now))
        return self._do(principal, ticket_id, step, check_text(text), on_step)

    def close(self, principal: Principal, ticket_id: str, now: datetime) -> TicketFile:
        """The customer agrees that it is resolved, or support closes what is."""
        if _is_staff(principal):
            _require_worker(principal)
        step = Step(action=TicketAction.CLOSE, at=to_stored(now))
        return self._do(principal, ticket_id, step, "")

    def rate(
        self,
        principal: Principal,
        ticket_id: str,
        *,
        satisfaction: int,
        text: str,
        now: datetime,
    ) -> TicketFile:
        """How content the customer is, from 1 to SATISFACTION_MAX; once."""
        if _is_staff(principal):
            raise NotPermitted("customers tell how content they are")
        if not 1 <= satisfaction <= SATISFACTION_MAX:
            raise ValueInvalid(worded("satisfaction is from 1 to %(most)s", most=SATISFACTION_MAX))
        text = check_text(text) if text else ""

        def create_step(file: TicketFile) -> Step:
            if file.ticket.satisfaction is not None:
                raise Conflict("that was answered already")
            return Step(action=TicketAction.RATE, at=to_stored(now), satisfaction=satisfaction)

        return self._change(principal, ticket_id, create_step, text, now)

    def find_due(self, now: datetime, limit: int) -> list[str]:
        """Those with which something is due, the longest first."""
        with self._transactions.read() as connection:
            return find_due_tickets(connection, now, limit)

    def act_on_due(self, ticket_id: str, now: datetime) -> int:
        """Do what is due with it, each once, whoever else tries; returns how much that was."""
        with self._transactions.change(concerns_calls=False) as connection:
            file = self._store.read(connection, ticket_id, for_change=True)
            before = len(file.steps)
            file = self._catch_up(connection, file, to_stored(now))
            if len(file.steps) == before:
                self._store.note_due(connection, file)
            return len(file.steps) - before

    def count_open(self) -> tuple[Mapping[str, int], Mapping[str, int]]:
        """Open tickets by priority, and those of them that missed a target."""
        late = _columns.is_response_late | _columns.is_resolution_late
        query = (
            select(_columns.priority, late.label("is_late"), func.count().label("count"))
            .where(OPEN_TICKET)
            .group_by(_columns.priority, late)
        )
        opened = dict.fromkeys((each.value for each in TicketPriority), 0)
        breached = dict(opened)
        with self._transactions.read() as connection:
            for row in connection.execute(query):
                count = int(row._mapping["count"])
                opened[row.priority] += count
                if row.is_late:
                    breached[row.priority] += count
        return opened, breached

    def _do(
        self,
        principal: Principal,
        ticket_id: str,
        step: Step,
        text: str,
        on_step: OnStep | None = None,
    ) -> TicketFile:
        return self._change(principal, ticket_id, lambda _: step, text, step.at, on_step)

    def _change(
        self,
        principal: Principal,
        ticket_id: str,
        create_step: Callable[[TicketFile], Step],
        text: str,
        now: datetime,
        on_step: OnStep | None = None,
    ) -> TicketFile:
        """One step by a person, after what was due before it."""
        with self._transactions.change(concerns_calls=False) as connection:
            file = self._read(connection, principal, ticket_id, for_change=True)
            file = self._catch_up(connection, file, to_stored(now))
            is_staff = _is_staff(principal)
            most = STEPS_MAX if is_staff else STEPS_MAX - STEPS_OF_STAFF
            if len(file.steps) >= most:
                raise Conflict(
                    worded("a ticket has at most %(most)s steps: open another", most=most)
                )
            entry = Entry(step=create_step(file), by=principal.name, is_staff=is_staff, text=text)
            file = self._store.append(connection, file, entry)
            if on_step is not None:
                on_step(connection, file)
            self._mailer.tell(connection, file, now)
            return file

    def _catch_up(self, connection: Connection, file: TicketFile, now: datetime) -> TicketFile:
        while (due := self._store.next_due(file)) is not None and due.at <= now:
            is_silence = due.step.action is TicketAction.RESOLVE
            text = _NO_ANSWER if is_silence else ""
            entry = Entry(step=due.step, by=PLATFORM, is_staff=True, text=text)
            file = self._store.append(connection, file, entry)
            self._mailer.tell(connection, file, now)
        return file

    def _read(
        self,
        connection: Connection,
        principal: Principal,
        ticket_id: str,
        *,
        for_change: bool = False,
    ) -> TicketFile:
        """One that the principal may see. Raises NotFound, also for another's."""
        _is_staff(principal)
        file = self._store.read(connection, ticket_id, for_change=for_change)
        if not principal.may_see_enterprise(file.enterprise_id, file.region):
            raise NotFound(worded("there is no ticket %(ticket_id)s", ticket_id=ticket_id))
        return file

    def _check_contact(self, contact: TicketContact) -> TicketContact:
        if not 0 < len(contact.name) <= NAME_CHARACTERS_MAX or not contact.name.isprintable():
            raise ValueInvalid(
                worded("the contact's name has 1-%(most)s characters", most=NAME_CHARACTERS_MAX)
            )
        phone, email = contact.phone, contact.email
        try:
            phone = None if phone is None else parse_number(phone, self._region).e164
            email = None if email is None else parse_email(email)
        except NumberError as error:
            raise ValueInvalid("the contact's phone is not a telephone number") from error
        except EmailError as error:
            raise ValueInvalid(words_of(error)) from error
        return TicketContact(name=contact.name, phone=phone, email=email)


def narrow_tickets(query: Select[Any], which: TicketFilter) -> Select[Any]:
    """Of the tickets that a query selects, those that are wanted."""
    if which.states:
        query = query.where(_columns.state.in_(sorted(which.states)))
    if which.is_late is not None:
        late = _columns.is_response_late | _columns.is_resolution_late
        query = query.where(late if which.is_late else ~late)
    for column, value in (
        (_columns.priority, which.priority),
        (_columns.channel, which.channel),
        (_columns.queue, which.queue),
        (_columns.assignee, which.assignee),
        (_columns.enterprise_id, which.enterprise_id),
    ):
        if value is not None:
            query = query.where(column == value)
    return query


def check_text(text: str) -> str:
    """What people write, of printable characters and new lines. Raises ValueInvalid."""
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\t", _TAB).strip()
    if not 0 < len(text) <= TEXT_CHARACTERS_MAX:
        raise ValueInvalid(worded("a text has 1-%(most)s characters", most=TEXT_CHARACTERS_MAX))
    if not all(character.isprintable() or character == "\n" for character in text):
        raise ValueInvalid("a text has printable characters and new lines only")
    return text


def _check_subject(subject: str) -> str:
    if not 0 < len(subject) <= NAME_CHARACTERS_MAX or not subject.isprintable():
        raise ValueInvalid(
            worded("the subject must be 1-%(most)s printable characters", most=NAME_CHARACTERS_MAX)
        )
    return subject


def _check_room(connection: Connection, enterprise_id: str) -> None:
    some = (
        select(_columns.id)
        .where(_columns.enterprise_id == enterprise_id, OPEN_TICKET)
        .limit(OPEN_PER_ENTERPRISE_MAX)
    )
    count = connection.scalar(select(func.count()).select_from(some.subquery())) or 0
    if count >= OPEN_PER_ENTERPRISE_MAX:
        raise Conflict(
            worded("an enterprise has at most %(most)s open tickets", most=OPEN_PER_ENTERPRISE_MAX)
        )


def _find_call(connection: Connection, enterprise_id: str, call_id: str) -> CallRecord:
    """A call of that enterprise. Raises NotFound, also for another's."""
    call = read_call(connection, call_id)
    if call is not None:
        owner = select(table.application.c.enterprise_id).where(
            table.application.c.app_id == call.app_id
        )
        if connection.scalar(owner) == enterprise_id:
            return call
    raise NotFound(worded("there is no call %(call_id)s", call_id=call_id))


def _call_of(connection: Connection, principal: Principal, file: TicketFile) -> CallRecord | None:
    """The call that a ticket is about, for staff; whose it is was asked when it was opened."""
    if file.call_id is None or not _is_staff(principal):
        return None
    return read_call(connection, file.call_id)


def _is_staff(principal: Principal) -> bool:
    """Whether one of the operator's people asks, or a customer's. Raises NotPermitted for
    others."""
    if principal.enterprise_id is None and principal.has_any(_STAFF):
        return True
    if principal.enterprise_id is not None and principal.has_any(CUSTOMER_ROLES):
        return False
    raise NotPermitted


def _require_worker(principal: Principal) -> None:
    if not (_is_staff(principal) and principal.has_any(_WORKERS)):
        raise NotPermitted("that is for support")
