"""How quick support was: for the operator, by priority, of the tickets of a time."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Connection, func, select, type_coerce

from clicktodial.accounts.ticket_store import TicketSummary, summary_of
from clicktodial.domain.principal import Principal, Role
from clicktodial.domain.roster import Span
from clicktodial.domain.ticket import TicketPriority
from clicktodial.domain.wording import worded
from clicktodial.storage.error import NotPermitted, ValueInvalid
from clicktodial.storage.ticket_table import ticket
from clicktodial.storage.transaction import Transactions

# A leap year; longer spans would read the tickets of all time at once.
SPAN_DAYS_MAX = 366
# Those who breached are listed; whoever has more looks at a shorter time.
BREACHED_LISTED_MAX = 200
_columns = ticket.c
_MS_PER_S = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Duration:
    """How long something took, in whole seconds as a customer's watch shows them; None where
    nothing was."""

    count: int
    average_s: int | None
    longest_s: int | None
    breached: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PriorityStatistics:
    """Of the tickets of one priority. `satisfaction` is an average, from 1 to 5."""

    priority: TicketPriority
    opened: int
    response: Duration
    resolution: Duration
    satisfaction: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AssigneeBreaches:
    """How many of the tickets that somebody has, or a queue without anybody, missed a target."""

    queue: str
    assignee: str | None
    breached: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Statistics:
    """Of the tickets opened within a time."""

    priorities: Sequence[PriorityStatistics]
    assignees: Sequence[AssigneeBreaches]
    breached: Sequence[TicketSummary]


class TicketStatistics:
    """Blocking reads, for the operator."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    def tell(self, principal: Principal, opened: Span) -> Statistics:
        """Of the tickets that were opened within that time."""
        if principal.enterprise_id is not None or Role.OPERATOR not in principal.roles:
            raise NotPermitted
        if not timedelta() < opened.until_at - opened.from_at <= timedelta(days=SPAN_DAYS_MAX):
            raise ValueInvalid(worded("the time is of %(most)s days at most", most=SPAN_DAYS_MAX))
        within = (_columns.opened_at >= opened.from_at) & (_columns.opened_at < opened.until_at)
        with self._transactions.read() as connection:
            return Statistics(
                priorities=_read_priorities(connection, within),
                assignees=_read_assignees(connection, within),
                breached=_read_breached(connection, within),
            )


def _read_priorities(
    connection: Connection, within: ColumnElement[bool]
) -> list[PriorityStatistics]:
    responded, resolved = _columns.responded_at, _columns.resolved_at
    query = (
        select(
            _columns.priority,
            func.count().label("opened"),
            *_measures("response", responded, _columns.is_response_late),
            *_measures("resolution", resolved, _columns.is_resolution_late),
            func.avg(_columns.satisfaction).label("satisfaction"),
        )
        .where(within)
        .group_by(_columns.priority)
    )
    rows = {row.priority: row for row in connection.execute(query)}
    return [_priority_of(each, rows.get(each.value)) for each in TicketPriority]


def _measures(name: str, until: ColumnElement[datetime], is_late: ColumnElement[bool]) -> list[Any]:
    taken = _millis(until) - _millis(_columns.opened_at)
    return [
        func.count(until).label(f"{name}_count"),
        func.avg(taken).label(f"{name}_average"),
        func.max(taken).label(f"{name}_longest"),
        func.count().filter(is_late).label(f"{name}_breached"),
    ]


def _millis(column: ColumnElement[datetime]) -> ColumnElement[int]:
    """The stored number: the difference of two is no time."""
    return type_coerce(column, BigInteger)


def _priority_of(priority: TicketPriority, row: Any) -> PriorityStatistics:
    if row is None:
        nothing = Duration(count=0, average_s=None, longest_s=None, breached=0)
        return PriorityStatistics(
            priority=priority, opened=0, response=nothing, resolution=nothing, satisfaction=None
        )
    return PriorityStatistics(
        priority=priority,
        opened=row.opened,
        response=_duration_of(row, "response"),
        resolution=_duration_of(row, "resolution"),
        satisfaction=None if row.satisfaction is None else round(float(row.satisfaction), 2),
    )


def _duration_of(row: Any, name: str) -> Duration:
    values = row._mapping
    return Duration(
        count=values[f"{name}_count"],
        average_s=_seconds(values[f"{name}_average"]),
        longest_s=_seconds(values[f"{name}_longest"]),
        breached=values[f"{name}_breached"],
    )


def _seconds(millis: Any) -> int | None:
    return None if millis is None else int(millis) // _MS_PER_S


def _is_late() -> ColumnElement[bool]:
    return _columns.is_response_late | _columns.is_resolution_late


def _read_assignees(connection: Connection, within: ColumnElement[bool]) -> list[AssigneeBreaches]:
    query = (
        select(_columns.queue, _columns.assignee, func.count().label("breached"))
        .where(within, _is_late())
        .group_by(_columns.queue, _columns.assignee)
        .order_by(func.count().desc(), _columns.queue, _columns.assignee)
        .limit(BREACHED_LISTED_MAX)
    )
    return [
        AssigneeBreaches(queue=row.queue, assignee=row.assignee, breached=row.breached)
        for row in connection.execute(query)
    ]


def _read_breached(connection: Connection, within: ColumnElement[bool]) -> list[TicketSummary]:
    query = select(ticket).where(within, _is_late()).order_by(_columns.opened_at.desc())
    return [summary_of(row) for row in connection.execute(query.limit(BREACHED_LISTED_MAX))]
