"""Lists of tickets with their clocks, for whoever works through them or waits for them.

A page is three or four questions to the database, however many tickets it shows.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import BigInteger, Connection, Row, Select, func, literal, select, text, tuple_
from sqlalchemy import type_coerce as read_as

from clicktodial.accounts.roster import read_timetable
from clicktodial.accounts.scope import visible_enterprises
from clicktodial.accounts.ticket import TicketFilter, narrow_tickets
from clicktodial.accounts.ticket_store import TicketSummary, fold_tickets, summary_of
from clicktodial.domain.principal import Principal
from clicktodial.domain.support_clock import BusinessHours
from clicktodial.domain.ticket import TicketClock, TicketPriority
from clicktodial.domain.ticket_clock import ClockFace, read_clock
from clicktodial.storage import table
from clicktodial.storage.ticket_table import ticket
from clicktodial.storage.transaction import Transactions

# What one page of a list holds.
DESK_PAGE_MAX = 100
_columns = ticket.c
# Where nothing more can become due, all of it has: that presses most.
_AT_ONCE = 0
# As the index of open tickets has it, of a table that others stand beside.
_OPEN = text("ticket.state NOT IN ('resolved', 'closed')")
_stored_due = read_as(_columns.due_at, BigInteger)
_due_ms = func.coalesce(_stored_due, _AT_ONCE)


class DeskPlace(NamedTuple):
    """Where an open ticket stands: by what is due with it next, then by age."""

    due_ms: int
    ticket_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeskTicket:
    """A ticket in a list, with its clocks as they are now. `clock` is the one that matters: until
    the customer has had a word, that of the response."""

    summary: TicketSummary
    enterprise_name: str
    clock: ClockFace
    place: DeskPlace


@dataclass(frozen=True, slots=True, kw_only=True)
class DeskCounts:
    """How much is open, and what of it needs somebody."""

    opened: int
    late: int
    emergencies: int
    unassigned: int


class TicketDesk:
    """Blocking reads of what somebody may see; they raise DatabaseUnavailable."""

    def __init__(self, transactions: Transactions, hours: BusinessHours) -> None:
        self._transactions = transactions
        self._hours = hours

    def list_open(
        self,
        principal: Principal,
        which: TicketFilter,
        now: datetime,
        *,
        after: DeskPlace | None = None,
        limit: int = DESK_PAGE_MAX,
    ) -> list[DeskTicket]:
        """Those that are open, the most pressing first, beginning behind that place."""
        limit = min(limit, DESK_PAGE_MAX)
        query = narrow_tickets(_query(principal), which).where(_OPEN)
        # Two parts of one index, each in its order: with which nothing can become due, then the
        # others by what is.
        at_once = query.where(_columns.due_at.is_(None)).order_by(_columns.id)
        in_time = query.where(_columns.due_at.is_not(None)).order_by(_columns.due_at, _columns.id)
        if after is not None and after.due_ms == _AT_ONCE:
            at_once = at_once.where(_columns.id > after.ticket_id)
        elif after is not None:
            due_ms, place = literal(after.due_ms, BigInteger), literal(after.ticket_id)
            # The first says no more than the second, in a way for which there is an index.
            in_time = in_time.where(
                _stored_due >= due_ms, tuple_(_stored_due, _columns.id) > tuple_(due_ms, place)
            )
        with self._transactions.read() as connection:
            rows: list[Row[Any]] = []
            if after is None or after.due_ms == _AT_ONCE:
                rows += connection.execute(at_once.limit(limit)).all()
            if len(rows) < limit:
                rows += connection.execute(in_time.limit(limit - len(rows))).all()
            return self._read(connection, rows, now)

    def list_newest(
        self,
        principal: Principal,
        which: TicketFilter,
        now: datetime,
        *,
        before: str | None = None,
        limit: int = DESK_PAGE_MAX,
    ) -> list[DeskTicket]:
        """Those of any state, the newest first, beginning behind the ticket `before`."""
        query = narrow_tickets(_query(principal), which)
        if before is not None:
            query = query.where(_columns.id < before)
        query = query.order_by(_columns.id.desc())
        with self._transactions.read() as connection:
            rows = connection.execute(query.limit(min(limit, DESK_PAGE_MAX))).all()
            return self._read(connection, rows, now)

    def count(self, principal: Principal) -> DeskCounts:
        """How much of it is open."""
        late = _columns.is_response_late | _columns.is_resolution_late
        emergency = _columns.priority == TicketPriority.EMERGENCY.value
        query = (
            select(
                func.count().label("opened"),
                func.count().filter(late).label("late"),
                func.count().filter(emergency).label("emergencies"),
                func.count().filter(_columns.assignee.is_(None)).label("unassigned"),
            )
            .select_from(ticket)
            .join(table.enterprise, table.enterprise.c.id == _columns.enterprise_id)
            .where(_OPEN, visible_enterprises(principal))
        )
        with self._transactions.read() as connection:
            return DeskCounts(**connection.execute(query).one()._mapping)

    def version(self, principal: Principal, ticket_id: str | None = None) -> object:
        """Something that changes with what somebody sees of the tickets, or of one."""
        query = (
            select(func.count(), func.sum(_columns.steps), func.max(_columns.id))
            .select_from(ticket)
            .join(table.enterprise, table.enterprise.c.id == _columns.enterprise_id)
            .where(visible_enterprises(principal))
        )
        # What is over changes by being opened again, and is open then.
        query = query.where(_OPEN if ticket_id is None else _columns.id == ticket_id)
        with self._transactions.read() as connection:
            return tuple(connection.execute(query).one())

    def _read(
        self, connection: Connection, rows: Sequence[Row[Any]], now: datetime
    ) -> list[DeskTicket]:
        since = min((row.opened_at for row in rows), default=now)
        timetable = read_timetable(connection, self._hours, since)
        folded = fold_tickets(connection, [row.id for row in rows], timetable)

        def clock_of(row: Row[Any]) -> ClockFace:
            clock = TicketClock.RESOLUTION
            if folded[row.id].awaits_response:
                clock = TicketClock.RESPONSE
            return read_clock(folded[row.id], clock, timetable, now)

        return [
            DeskTicket(
                summary=summary_of(row),
                enterprise_name=row.enterprise_name,
                clock=clock_of(row),
                place=DeskPlace(int(row.due_ms), row.id),
            )
            for row in rows
        ]


def _query(principal: Principal) -> Select[Any]:
    return (
        select(ticket, table.enterprise.c.name.label("enterprise_name"), _due_ms.label("due_ms"))
        .join(table.enterprise, table.enterprise.c.id == _columns.enterprise_id)
        .where(visible_enterprises(principal))
    )
