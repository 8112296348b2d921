"""What calls came to, without reading them all: sums of CDRs that are kept, by day, application and
department.

Theory of operation. A mark divides CDRs by the time at which their calls ended. Those before it
are in `cdr_sum`, those behind it are counted when somebody asks: in one statement, so that the
mark cannot move between.

        sums of days | sums of quarters of an hour | CDRs of the last half hour
                     ^ merged_upto                 ^ upto

The mark follows the present at a distance of LAG, by quarters of an hour, or by days where it has
to catch up: what ended in one is summed up outside of any lock, and then, under the lock of the
mark, counted again by the index; where there are as many, they are the same, since CDRs are never
changed nor deleted. A day that is over is merged into one row for each application and department.
A CDR of a call that ended before the mark and that is written only then - of a node that died, or
that could not reach the database - is added by a trigger of migration 0017. `ledger verify`
compares all sums with the CDRs.

Days are those of the billing time zone. When that is set to another one, all is done anew;
whoever asks meanwhile has CDRs counted.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from datetime import time as time_of_day
from typing import Any

import structlog
from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    ScalarSelect,
    Select,
    case,
    delete,
    exists,
    func,
    insert,
    literal,
    literal_column,
    select,
    type_coerce,
    union_all,
    update,
)

from clicktodial.storage import table
from clicktodial.storage.billing_table import SUMMED, cdr, cdr_sum, cdr_sum_mark
from clicktodial.storage.instant import UtcMillis, from_millis, to_millis
from clicktodial.storage.transaction import Transactions

QUARTER = timedelta(minutes=15)
HOUR = timedelta(hours=1)
# CDRs that are summed up at once where there are as many: for as long as it takes to count them,
# and to write what they come to, calls cannot be written. 0.1 s.
SUMMED_MAX = 200_000
# Longer than any transaction that writes a CDR of a call which just ended may take; the trigger
# takes those for late that are a third of it old.
LAG = timedelta(minutes=15)
# Of one turn: years of calls are summed up in turns.
TURN_S = 20.0
# Enterprises whose day is merged at once: some milliseconds for which calls cannot be written.
_MERGED_AT_ONCE = 100
_QUARTER_MS = 900_000
_DEPARTMENT: ColumnElement[str] = func.coalesce(cdr.c.department, literal_column("''"))
_columns, _mark = cdr_sum.c, cdr_sum_mark.c
log = structlog.get_logger()


# Reading


def select_use(
    enterprise_id: str, since: datetime, until: datetime, zone: tzinfo, name: str
) -> Select[Any]:
    """What the CDRs of calls come to that ended since then and before `until`, which are both
    beginnings of days of the zone: a row for each `name`, which is "app_id", "department" or "at",
    the milliseconds of a moment of the day on which they ended. Its columns are `name` and SUMMED.
    """
    is_at = name == "at"
    kept_name = type_coerce(_columns.begins_at, BigInteger) if is_at else _columns[name]
    quarter = type_coerce(cdr.c.ended_at, BigInteger) // _QUARTER_MS * _QUARTER_MS
    cdr_name: ColumnElement[Any] = {
        "at": quarter,
        "app_id": cdr.c.app_id,
        "department": _DEPARTMENT,
    }[name]
    kept = (
        select(kept_name.label("name"), *(_columns[each] for each in SUMMED))
        .where(_columns.enterprise_id == enterprise_id)
        .where(_columns.begins_at >= since, _columns.begins_at < until, _is_of(zone))
    )
    counted = (
        select(
            cdr_name.label("name"),
            literal_column("1").label("calls"),
            case((cdr.c.connected_at.is_(None), 0), else_=1).label("connected"),
            *(cdr.c[each] for each in SUMMED[2:]),
        )
        .where(cdr.c.enterprise_id == enterprise_id)
        .where(cdr.c.ended_at >= _counted_since(since, zone), cdr.c.ended_at < until)
    )
    found = union_all(kept, counted).subquery()
    sums = [func.sum(found.c[each]).label(each) for each in SUMMED]
    return select(found.c.name, *sums).group_by(found.c.name)


def _is_of(zone: tzinfo) -> ColumnElement[bool]:
    return exists(select(_mark.id).where(_mark.id == 1, _mark.zone == str(zone)))


def _counted_since(since: datetime, zone: tzinfo) -> ColumnElement[datetime]:
    """The mark, or `since` where that is later: one bound, as SQLite takes one of an index."""
    begin = literal(since, UtcMillis)
    later: ScalarSelect[datetime] = (
        select(case((_mark.upto > begin, _mark.upto), else_=begin))
        .where(_mark.id == 1, _mark.zone == str(zone))
        .scalar_subquery()
    )
    return func.coalesce(later, begin)


# Summing up


@dataclass(frozen=True, slots=True)
class _Mark:
    upto: datetime
    merged_upto: datetime


class _Outrun(Exception):
    """Something was written between, or another node was quicker: the next turn sees to it."""


class UseSums:
    """Sums CDRs up as time passes. Any node does it, as often as it likes. Blocking; raises
    DatabaseUnavailable."""

    def __init__(self, transactions: Transactions, *, zone: tzinfo = UTC) -> None:
        self._transactions = transactions
        self._zone = zone

    def run(self, now: datetime, *, turn_s: float = TURN_S) -> bool:
        """As far as it comes in a turn; returns whether all is done."""
        until, limit = time.monotonic() + turn_s, _floor(now - LAG)
        try:
            while time.monotonic() < until:
                mark = self._read_mark()
                if mark is None:
                    self._begin_anew()
                elif mark.upto < limit:
                    self._advance(mark, limit)
                elif self._day_end(mark.merged_upto) <= mark.upto:
                    self._merge(mark)
                else:
                    return True
        except _Outrun:
            log.info("billing.sums_outrun")
        return False

    def _read_mark(self) -> _Mark | None:
        """None where the sums are of another time zone."""
        with self._transactions.read() as connection:
            row = connection.execute(select(cdr_sum_mark)).one()
        return _Mark(row.upto, row.merged_upto) if row.zone == str(self._zone) else None

    def _begin_anew(self) -> None:
        nothing = {"zone": str(self._zone), "upto": from_millis(0), "merged_upto": from_millis(0)}
        with self._transactions.change(concerns_calls=False) as connection:
            connection.execute(update(cdr_sum_mark).values(nothing))
            connection.execute(delete(cdr_sum))
        log.info("billing.sums_begun", zone=str(self._zone))

    def _advance(self, mark: _Mark, limit: datetime) -> None:
        """Over the next time in which something ended."""
        with self._transactions.read() as connection:
            first = connection.scalar(_first_ended(mark.upto))
            if first is None or first >= limit:
                begin = end = limit
            else:
                begin = max(mark.upto, _floor(first))
                end = self._choose_end(connection, begin, limit)
            rows = connection.execute(_sums_of_cdrs(begin, end)).all()
        with self._transactions.change(concerns_calls=False) as connection:
            _move(connection, mark, upto=end)
            count = connection.scalar(_count_of_cdrs(mark.upto, end))
            if count != sum(row.calls for row in rows):
                raise _Outrun
            if rows:
                at = {"begins_at": begin}
                connection.execute(insert(cdr_sum), [{**row._mapping, **at} for row in rows])

    def _choose_end(self, connection: Connection, begin: datetime, limit: datetime) -> datetime:
        """As far as may be at once, within a day."""
        day_end = self._day_end(begin)
        for end in (day_end, min(begin + HOUR, day_end)):
            if end <= limit and (connection.scalar(_count_of_cdrs(begin, end)) or 0) <= SUMMED_MAX:
                return end
        return begin + QUARTER

    def _merge(self, mark: _Mark) -> None:
        """The next day that has sums and is over."""
        with self._transactions.read() as connection:
            first = connection.scalar(_first_summed(mark.merged_upto))
            enterprises = connection.scalars(select(table.enterprise.c.id)).all()
        if first is None or self._day_end(first) > mark.upto:
            merged_upto = self._day(mark.upto)
        else:
            begin, merged_upto = self._day(first), self._day_end(first)
            for start in range(0, len(enterprises), _MERGED_AT_ONCE):
                some = enterprises[start : start + _MERGED_AT_ONCE]
                with self._transactions.change(concerns_calls=False) as connection:
                    _merge_day(connection, some, begin, merged_upto)
        with self._transactions.change(concerns_calls=False) as connection:
            _move(connection, mark, merged_upto=merged_upto)

    def _day(self, at: datetime) -> datetime:
        """The beginning of its day."""
        day = at.astimezone(self._zone).date()
        return datetime.combine(day, time_of_day(), self._zone).astimezone(UTC)

    def _day_end(self, at: datetime) -> datetime:
        day = at.astimezone(self._zone).date() + timedelta(days=1)
        return datetime.combine(day, time_of_day(), self._zone).astimezone(UTC)


def _floor(at: datetime) -> datetime:
    return from_millis(to_millis(at) // _QUARTER_MS * _QUARTER_MS)


def _move(connection: Connection, mark: _Mark, **values: datetime) -> None:
    """From where it was found; whoever writes late CDRs waits from now on."""
    where = (cdr_sum_mark.c.upto == mark.upto) & (cdr_sum_mark.c.merged_upto == mark.merged_upto)
    if connection.execute(update(cdr_sum_mark).where(where).values(values)).rowcount == 0:
        raise _Outrun


# All of them go by enterprise, as the indexes do.
_of_enterprise = cdr.c.enterprise_id == table.enterprise.c.id


def _ended(begin: datetime, end: datetime) -> ColumnElement[bool]:
    return (cdr.c.ended_at >= begin) & (cdr.c.ended_at < end)


def _first_ended(since: datetime) -> Select[Any]:
    """When the first call ended, since then."""
    first = (
        select(func.min(cdr.c.ended_at))
        .where(_of_enterprise, cdr.c.ended_at >= since)
        .correlate(table.enterprise)
        .scalar_subquery()
    )
    return select(func.min(first, type_=UtcMillis())).select_from(table.enterprise)


def _first_summed(since: datetime) -> Select[Any]:
    first = (
        select(func.min(_columns.begins_at))
        .where(_columns.enterprise_id == table.enterprise.c.id, _columns.begins_at >= since)
        .correlate(table.enterprise)
        .scalar_subquery()
    )
    return select(func.min(first, type_=UtcMillis())).select_from(table.enterprise)


def _sums_of_cdrs(begin: datetime, end: datetime) -> Select[Any]:
    # By the enterprise's own key, so that SQLite begins with enterprises.
    enterprise_id = table.enterprise.c.id.label("enterprise_id")
    return (
        select(
            enterprise_id,
            cdr.c.app_id,
            _DEPARTMENT.label("department"),
            func.count().label("calls"),
            func.count(cdr.c.connected_at).label("connected"),
            *(func.sum(cdr.c[name]).label(name) for name in SUMMED[2:]),
        )
        .select_from(table.enterprise)
        .join(cdr, _of_enterprise)
        .where(_ended(begin, end))
        .group_by(enterprise_id, cdr.c.app_id, _DEPARTMENT)
    )


def _count_of_cdrs(begin: datetime, end: datetime) -> Select[Any]:
    count = (
        select(func.count())
        .where(_of_enterprise, _ended(begin, end))
        .correlate(table.enterprise)
        .scalar_subquery()
    )
    return select(func.coalesce(func.sum(count), 0)).select_from(table.enterprise)


def _merge_day(
    connection: Connection, enterprises: Sequence[str], begin: datetime, end: datetime
) -> None:
    # Late CDRs wait until it is done.
    connection.execute(select(cdr_sum_mark).with_for_update()).one()
    where = (
        _columns.enterprise_id.in_(enterprises)
        & (_columns.begins_at >= begin)
        & (_columns.begins_at < end)
    )
    key = (_columns.enterprise_id, _columns.app_id, _columns.department)
    sums = [func.sum(_columns[name]).label(name) for name in SUMMED]
    rows = connection.execute(select(*key, *sums).where(where).group_by(*key)).all()
    if rows:
        connection.execute(delete(cdr_sum).where(where))
        connection.execute(insert(cdr_sum), [{**r._mapping, "begins_at": begin} for r in rows])


# Proof


def find_wrong_sums(connection: Connection) -> list[str]:
    """The enterprises whose sums are not those of their CDRs; read in one transaction that sees
    one moment."""
    upto = connection.scalar(select(_mark.upto))
    kept = select(_columns.enterprise_id, *(func.sum(_columns[each]) for each in SUMMED))
    counted = (
        select(
            cdr.c.enterprise_id,
            func.count(),
            func.count(cdr.c.connected_at),
            *(func.sum(cdr.c[name]) for name in SUMMED[2:]),
        )
        .join(table.enterprise, _of_enterprise)
        .where(cdr.c.ended_at < upto)
        .group_by(cdr.c.enterprise_id)
    )
    by_enterprise = {
        name: tuple(map(int, sums))
        for name, *sums in connection.execute(kept.group_by(_columns.enterprise_id))
    }
    real = {name: tuple(map(int, sums)) for name, *sums in connection.execute(counted)}
    names = sorted(by_enterprise.keys() | real.keys())
    return [name for name in names if by_enterprise.get(name) != real.get(name)]
