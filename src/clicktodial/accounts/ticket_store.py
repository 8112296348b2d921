"""Tickets as their rows tell them, and the one way in which a step gets there."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import uuid_utils
from sqlalchemy import Connection, Row, insert, select, update

from clicktodial.accounts.person import PersonState, is_named
from clicktodial.accounts.roster import read_timetable
from clicktodial.config import SupportSettings
from clicktodial.domain.support_clock import BusinessHours, Timetable
from clicktodial.domain.ticket import (
    Due,
    Patience,
    Step,
    Ticket,
    TicketAction,
    TicketCategory,
    TicketChannel,
    TicketClock,
    TicketLevel,
    TicketPriority,
    TicketQueue,
    TicketState,
    TicketStateError,
    advance,
    next_due,
    open_ticket,
)
from clicktodial.domain.wording import worded, words_of
from clicktodial.storage import table
from clicktodial.storage.error import Conflict, NotFound
from clicktodial.storage.instant import from_millis, to_millis
from clicktodial.storage.people_table import person
from clicktodial.storage.secret import SecretVault
from clicktodial.storage.ticket_table import ticket, ticket_step

# By whom the platform does what is due.
PLATFORM = "platform"
_columns = ticket.c


@dataclass(frozen=True, slots=True, kw_only=True)
class SupportPolicy:
    """What the settings say of support. Mail for the support desk, and for the operator."""

    hours: BusinessHours
    patience: Patience
    desk_email: str
    operator_email: str

    @classmethod
    def from_settings(cls, settings: SupportSettings) -> "SupportPolicy":
        """Of settings that were checked."""
        return cls(
            hours=BusinessHours(
                zone=ZoneInfo(settings.time_zone),
                opens=time.fromisoformat(settings.opens),
                closes=time.fromisoformat(settings.closes),
                holidays=frozenset(map(date.fromisoformat, settings.holidays)),
            ),
            patience=Patience(
                waiting=timedelta(days=settings.wait_days),
                resolved=timedelta(days=settings.reopen_days),
            ),
            desk_email=settings.desk_email,
            operator_email=settings.operator_email,
        )


class TicketContact(msgspec.Struct, frozen=True, kw_only=True):
    """Whom to talk to, of a customer who called: the phone in E.164."""

    name: str
    phone: str | None = None
    email: str | None = None

    def __repr__(self) -> str:
        return "TicketContact()"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptStep:
    """A line of a ticket's history."""

    seq: int
    by: str
    is_staff: bool
    text: str
    step: Step


@dataclass(frozen=True, slots=True, kw_only=True)
class TicketFile:
    """A ticket with all that is known of it."""

    ticket_id: str
    enterprise_id: str
    region: str | None
    subject: str
    channel: TicketChannel
    category: TicketCategory
    call_id: str | None
    contact: TicketContact | None
    opened_by: str
    ticket: Ticket
    steps: Sequence[KeptStep]
    timetable: Timetable

    @property
    def was_opened_by_staff(self) -> bool:
        return self.steps[0].is_staff


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A step to be kept, by whom, and in which words."""

    step: Step
    by: str
    is_staff: bool
    text: str = ""


class _Details(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What of a step has no column of its own."""

    priority: TicketPriority | None = None
    queue: TicketQueue | None = None
    assignee: str | None = None
    level: TicketLevel | None = None
    clock: TicketClock | None = None
    percent: int | None = None
    satisfaction: int | None = None


def contact_place(ticket_id: str) -> str:
    """Where a ticket's contact stands."""
    return f"ticket.contact:{ticket_id}"


def to_stored(now: datetime) -> datetime:
    """The time as it will be read again."""
    return from_millis(to_millis(now))


class TicketStore:
    """Reads and writes within the caller's transaction."""

    def __init__(self, vault: SecretVault, policy: SupportPolicy) -> None:
        self._vault = vault
        self._policy = policy

    def create(
        self,
        connection: Connection,
        entry: Entry,
        *,
        enterprise_id: str,
        subject: str,
        channel: TicketChannel,
        category: TicketCategory,
        call_id: str | None,
        contact: TicketContact | None,
    ) -> str:
        """A new ticket by its first step; returns its identifier."""
        ticket_id = uuid_utils.uuid7().hex
        opened = open_ticket(entry.step)
        timetable = read_timetable(connection, self._policy.hours, entry.step.at)
        sealed = None
        if contact is not None:
            sealed = self._vault.seal(msgspec.json.encode(contact), contact_place(ticket_id))
        connection.execute(
            insert(ticket).values(
                id=ticket_id,
                enterprise_id=enterprise_id,
                subject=subject,
                channel=channel.value,
                category=category.value,
                call_id=call_id,
                contact_encrypted=sealed,
                opened_by=entry.by,
                opened_at=entry.step.at,
                steps=1,
                **self._projection(opened, timetable),
            )
        )
        _insert_step(connection, ticket_id, 1, entry)
        return ticket_id

    def read(
        self, connection: Connection, ticket_id: str, *, for_change: bool = False
    ) -> TicketFile:
        """One ticket; `for_change` holds its row until the transaction ends. Raises NotFound."""
        if for_change:
            # Before anything else is read, so that what is read is not older than the lock.
            connection.execute(
                select(_columns.id).where(_columns.id == ticket_id).with_for_update()
            )
        row = connection.execute(
            select(ticket, table.enterprise.c.region)
            .join(table.enterprise, table.enterprise.c.id == _columns.enterprise_id)
            .where(_columns.id == ticket_id)
        ).first()
        if row is None:
            raise NotFound(worded("there is no ticket %(ticket_id)s", ticket_id=ticket_id))
        steps = _read_steps(connection, ticket_id)
        timetable = read_timetable(connection, self._policy.hours, row.opened_at)
        return _file_of(row, steps, timetable, self._open_contact(row))

    def append(self, connection: Connection, file: TicketFile, entry: Entry) -> TicketFile:
        """The ticket with one step more. Raises Conflict."""
        try:
            following = advance(file.ticket, entry.step, file.timetable)
        except TicketStateError as error:
            raise Conflict(words_of(error)) from error
        # In the history, too, nothing goes back behind what another machine had noted.
        entry = replace(entry, step=replace(entry.step, at=following.as_of))
        count = len(file.steps)
        change = (
            update(ticket)
            .where(_columns.id == file.ticket_id, _columns.steps == count)
            .values(steps=count + 1, **self._projection(following, file.timetable))
        )
        if connection.execute(change).rowcount == 0:
            raise Conflict("somebody else was quicker")
        _insert_step(connection, file.ticket_id, count + 1, entry)
        kept = KeptStep(
            seq=count + 1, by=entry.by, is_staff=entry.is_staff, text=entry.text, step=entry.step
        )
        return replace(file, ticket=following, steps=[*file.steps, kept])

    def next_due(self, file: TicketFile) -> Due | None:
        """What the platform will do with it next."""
        return next_due(file.ticket, file.timetable, self._policy.patience)

    def note_due(self, connection: Connection, file: TicketFile) -> None:
        """When that will be, where the timetable changed and the ticket did not."""
        due = self.next_due(file)
        connection.execute(
            update(ticket)
            .where(_columns.id == file.ticket_id, _columns.steps == len(file.steps))
            .values(due_at=None if due is None else due.at)
        )

    def _projection(self, now_so: Ticket, timetable: Timetable) -> dict[str, Any]:
        due = next_due(now_so, timetable, self._policy.patience)
        return {
            "priority": now_so.priority.value,
            "state": now_so.state.value,
            "queue": now_so.queue.value,
            "assignee": now_so.assignee,
            "level": now_so.level.value,
            "due_at": None if due is None else due.at,
            "responded_at": now_so.responded_at,
            "resolved_at": now_so.resolved_at,
            "is_response_late": now_so.is_response_late,
            "is_resolution_late": now_so.is_resolution_late,
            "satisfaction": now_so.satisfaction,
        }

    def _open_contact(self, row: Row[Any]) -> TicketContact | None:
        if row.contact_encrypted is None:
            return None
        opened = self._vault.open(row.contact_encrypted, contact_place(row.id))
        return msgspec.json.decode(opened, type=TicketContact)


def fold_tickets(
    connection: Connection, ticket_ids: Sequence[str], timetable: Timetable
) -> Mapping[str, Ticket]:
    """What their steps make of tickets, by identifier. The timetable is to hold the critical
    periods since the oldest of them."""
    columns = ticket_step.c
    query = select(ticket_step).where(columns.ticket_id.in_(ticket_ids))
    steps: dict[str, list[KeptStep]] = {}
    for row in connection.execute(query.order_by(columns.ticket_id, columns.seq)):
        steps.setdefault(row.ticket_id, []).append(_step_of(row))
    return {ticket_id: _fold(kept, timetable) for ticket_id, kept in steps.items()}


def _fold(steps: Sequence[KeptStep], timetable: Timetable) -> Ticket:
    folded = open_ticket(steps[0].step)
    for kept in steps[1:]:
        folded = advance(folded, kept.step, timetable)
    return folded


def find_due_tickets(connection: Connection, now: datetime, limit: int) -> list[str]:
    """Those with which something is due, the longest first."""
    query = select(_columns.id).where(_columns.due_at <= now)
    return list(connection.scalars(query.order_by(_columns.due_at).limit(limit)))


def find_email(connection: Connection, person_id: str) -> str | None:
    """Where that person gets mail; None for nobody who is there."""
    query = select(person.c.email).where(
        person.c.id == person_id, person.c.state == PersonState.ACTIVE
    )
    return connection.scalar(query)


def find_staff(connection: Connection, name: str) -> str | None:
    """The identifier of one of the operator's people, by that, by account or by email."""
    query = select(person.c.id).where(
        (person.c.id == name) | is_named(name),
        person.c.enterprise_id.is_(None),
        person.c.state == PersonState.ACTIVE,
    )
    return connection.scalar(query)


def _insert_step(connection: Connection, ticket_id: str, seq: int, entry: Entry) -> None:
    step = entry.step
    details = _Details(
        priority=step.priority,
        queue=step.queue,
        assignee=step.assignee,
        level=step.level,
        clock=step.clock,
        percent=step.percent,
        satisfaction=step.satisfaction,
    )
    connection.execute(
        insert(ticket_step).values(
            ticket_id=ticket_id,
            seq=seq,
            action=step.action.value,
            at=step.at,
            by=entry.by,
            is_staff=entry.is_staff,
            text=entry.text,
            details=msgspec.json.encode(details).decode(),
        )
    )


def _read_steps(connection: Connection, ticket_id: str) -> list[KeptStep]:
    columns = ticket_step.c
    query = select(ticket_step).where(columns.ticket_id == ticket_id).order_by(columns.seq)
    return [_step_of(row) for row in connection.execute(query)]


def _step_of(row: Row[Any]) -> KeptStep:
    details = msgspec.json.decode(row.details, type=_Details)
    step = Step(
        action=TicketAction(row.action),
        at=row.at,
        priority=details.priority,
        queue=details.queue,
        assignee=details.assignee,
        level=details.level,
        clock=details.clock,
        percent=details.percent,
        satisfaction=details.satisfaction,
    )
    return KeptStep(seq=row.seq, by=row.by, is_staff=row.is_staff, text=row.text, step=step)


def _file_of(
    row: Row[Any], steps: list[KeptStep], timetable: Timetable, contact: TicketContact | None
) -> TicketFile:
    return TicketFile(
        ticket_id=row.id,
        enterprise_id=row.enterprise_id,
        region=row.region,
        subject=row.subject,
        channel=TicketChannel(row.channel),
        category=TicketCategory(row.category),
        call_id=row.call_id,
        contact=contact,
        opened_by=row.opened_by,
        ticket=_fold(steps, timetable),
        steps=steps,
        timetable=timetable,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class TicketSummary:
    """A ticket in a list."""

    ticket_id: str
    enterprise_id: str
    subject: str
    channel: TicketChannel
    category: TicketCategory
    priority: TicketPriority
    state: TicketState
    queue: TicketQueue
    assignee: str | None
    level: TicketLevel
    opened_by: str
    opened_at: datetime
    is_response_late: bool
    is_resolution_late: bool


def summary_of(row: Row[Any]) -> TicketSummary:
    """A row of the table."""
    return TicketSummary(
        ticket_id=row.id,
        enterprise_id=row.enterprise_id,
        subject=row.subject,
        channel=TicketChannel(row.channel),
        category=TicketCategory(row.category),
        priority=TicketPriority(row.priority),
        state=TicketState(row.state),
        queue=TicketQueue(row.queue),
        assignee=row.assignee,
        level=TicketLevel(row.level),
        opened_by=row.opened_by,
        opened_at=row.opened_at,
        is_response_late=row.is_response_late,
        is_resolution_late=row.is_resolution_late,
    )
