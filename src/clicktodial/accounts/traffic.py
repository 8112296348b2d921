"""What the platform carries: the calls under way, the last minutes, and hour by hour.

Identifiers of calls are ordered by time (UUID version 7), and the table is ordered by them: the
calls of a span of time are a range of its key, so what is read follows the span and not how many
calls there ever were. An hour whose calls are all over does not change any more; it is counted
once and kept. What is not kept is counted for no longer than `COUNTING_S` at a time, the newest
first, so that nobody waits for a month to be counted; who asks again gets more.

    hours   | kept | kept | kept | counted now ... | the rest, with the next question
"""

import time
from collections import Counter, OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from threading import Lock
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    ColumnElement,
    Connection,
    case,
    cast,
    func,
    literal_column,
    select,
    type_coerce,
)

from clicktodial.domain.call import CallState
from clicktodial.domain.cause import EndReason, Side
from clicktodial.storage import table
from clicktodial.storage.instant import from_millis, to_millis
from clicktodial.storage.transaction import Transactions

HOUR = timedelta(hours=1)
# A page shall be there within 100 ms; one hour of a busy platform takes some 10 of these.
COUNTING_S = 0.03
# Five weeks; each hour is some 10 kB, as it has rows for a few hundred causes.
HOURS_MAX = 24 * 35
# A call that is begun when a second is over may bear an identifier of the second before.
_SKEW = timedelta(seconds=2)
# Of those hours that are not over: what is shown may be so old.
_FRESH = timedelta(seconds=5)
MINUTES = 15
# What is told by name; the rest is a long tail that nobody reads.
CAUSES_MAX = 200

_HOUR_MS = 3_600_000
# A run of hours that is counted at once grows by so much at most: what comes may be busier.
_GROWTH = 8

_call = table.call.c
_OPEN: ColumnElement[bool] = literal_column("call.state <> 'ended'")


@dataclass(frozen=True, slots=True)
class Cause:
    """Why calls failed: what their application was told, what the network said, on which trunk,
    and whose they were. None for what is not known of them."""

    reason: EndReason
    sip_status: int | None
    trunk: str | None
    enterprise_id: str | None


@dataclass(frozen=True, slots=True)
class Carried:
    """Calls that began within a span from `at` on. `connected` are those whose two sides were
    joined, `failed` those that ended without; `talked_s` is their conversations' length in sum,
    `set_up_ms` the time from their beginnings to being joined."""

    at: datetime
    begun: int = 0
    connected: int = 0
    failed: int = 0
    talked_s: int = 0
    set_up_ms: int = 0

    @property
    def answer_seizure_ratio(self) -> float | None:
        """Of the calls that are decided, the share that was connected; None where none is."""
        decided = self.connected + self.failed
        return self.connected / decided if decided else None

    @property
    def set_up_s(self) -> float | None:
        """From the beginning to being joined, on average."""
        return self.set_up_ms / self.connected / 1000 if self.connected else None


@dataclass(frozen=True, slots=True)
class CountedHour:
    """An hour, and why calls of it failed."""

    carried: Carried
    causes: Counter[Cause] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class Hours:
    """Hours, the oldest first. `missing` of those asked for are not counted yet: ask again."""

    counted: Sequence[CountedHour]
    missing: int = 0

    @property
    def total(self) -> Carried:
        """All of them together."""
        return add_up([hour.carried for hour in self.counted])

    def causes(self) -> Counter[Cause]:
        """Why calls of all of them failed."""
        found: Counter[Cause] = Counter()
        for hour in self.counted:
            found.update(hour.causes)
        return found


@dataclass(frozen=True, slots=True)
class UnderWay:
    """The calls that live: by state, trunk (each leg counts) and enterprise."""

    count: int
    by_state: Counter[CallState]
    by_trunk: Counter[str]
    by_enterprise: Counter[str]


def add_up(spans: Iterable[Carried]) -> Carried:
    """Several spans as one."""
    found = list(spans)
    first = found[0].at if found else from_millis(0)
    return Carried(
        first,
        sum(each.begun for each in found),
        sum(each.connected for each in found),
        sum(each.failed for each in found),
        sum(each.talked_s for each in found),
        sum(each.set_up_ms for each in found),
    )


class Traffic:
    """Of all enterprises: for the operator's people. All methods block; they raise
    DatabaseUnavailable."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions
        self._kept: OrderedDict[datetime, CountedHour] = OrderedDict()
        self._fresh: dict[datetime, tuple[datetime, CountedHour]] = {}
        self._lock = Lock()

    def under_way(self) -> UnderWay:
        """The calls that live, of all nodes."""
        caller, callee = (_trunk_of(side, self._dialect) for side in Side)
        live = (
            select(
                _call.state,
                table.application.c.enterprise_id,
                caller.label("caller"),
                callee.label("callee"),
            )
            .select_from(table.call)
            .outerjoin(table.application, table.application.c.app_id == _call.app_id)
            .where(_OPEN)
            .subquery()
        )
        query = select(*live.c, func.count()).group_by(*live.c)
        found = UnderWay(0, Counter(), Counter(), Counter())
        count = 0
        with self._transactions.read() as connection:
            for row in connection.execute(query):
                state, enterprise_id, *legs, number = row
                count += number
                found.by_state[CallState(state)] += number
                found.by_enterprise[enterprise_id or ""] += number
                for trunk in legs:
                    if trunk is not None:
                        found.by_trunk[trunk] += number
        return UnderWay(count, found.by_state, found.by_trunk, found.by_enterprise)

    def last_minutes(self, now: datetime) -> list[Carried]:
        """The last MINUTES, the oldest first; the last one is not over yet."""
        first = now.replace(second=0, microsecond=0) - timedelta(minutes=MINUTES - 1)
        at = (type_coerce(_call.begun_at, BigInteger) // 60_000).label("minute")
        query = select(at, *_FIGURES).where(*_within(first, now + _SKEW)).group_by("minute")
        with self._transactions.read() as connection:
            by_minute = {row.minute: row for row in connection.execute(query)}
        spans = []
        for number in range(MINUTES):
            begin = first + timedelta(minutes=number)
            row = by_minute.get(to_millis(begin) // 60_000)
            spans.append(Carried(begin) if row is None else _carried(begin, row))
        return spans

    def hours(self, first: datetime, last: datetime, now: datetime) -> Hours:
        """Those from the hour of `first` to that of `last`, at most HOURS_MAX. What is not known
        is counted, the newest first, for COUNTING_S; of a question at least one hour is."""
        begins = _begins(first, min(last, now))
        counted: dict[datetime, CountedHour] = {}
        unknown: list[datetime] = []
        for at in begins:
            known = self._find(at, now)
            if known is None:
                unknown.append(at)
            else:
                counted[at] = known
        if unknown:
            with self._transactions.read() as connection:
                for run in _runs(unknown):
                    counted |= self._count(connection, run, now)
        return Hours([counted[at] for at in begins if at in counted], len(begins) - len(counted))

    @property
    def _dialect(self) -> str:
        return self._transactions.dialect

    def _find(self, at: datetime, now: datetime) -> CountedHour | None:
        with self._lock:
            kept = self._kept.get(at)
            if kept is not None:
                return kept
            fresh = self._fresh.get(at)
        return fresh[1] if fresh is not None and now - fresh[0] < _FRESH else None

    def _count(
        self, connection: Connection, run: Sequence[datetime], now: datetime
    ) -> dict[datetime, CountedHour]:
        """Hours in a row."""
        within = _within(run[0], run[-1] + HOUR)
        query = select(_HOUR, *_FIGURES, func.count(case((_OPEN, 1))).label("open"))
        rows = {row.hour: row for row in connection.execute(query.where(*within).group_by("hour"))}
        causes = self._count_causes(connection, within, CAUSES_MAX * len(run))
        counted = {}
        for at in run:
            number = to_millis(at) // _HOUR_MS
            row = rows.get(number)
            carried = Carried(at) if row is None else _carried(at, row)
            counted[at] = CountedHour(carried, causes.get(number, Counter()))
            is_over = at + HOUR + _SKEW < now and (row is None or row.open == 0)
            self._keep(at, counted[at], None if is_over else now)
        return counted

    def _keep(self, at: datetime, hour: CountedHour, fresh_at: datetime | None) -> None:
        """For good, or, an hour whose calls go on, for a moment."""
        with self._lock:
            if fresh_at is None:
                self._fresh.pop(at, None)
                self._kept[at] = hour
                while len(self._kept) > HOURS_MAX:
                    self._kept.popitem(last=False)
                return
            self._fresh[at] = (fresh_at, hour)
            while len(self._fresh) > HOURS_MAX:
                del self._fresh[min(self._fresh)]

    def _count_causes(
        self, connection: Connection, within: Sequence[ColumnElement[bool]], limit: int
    ) -> dict[int, Counter[Cause]]:
        """Why calls failed, by the number of the hour. The trunk is that of the side that did not
        answer."""
        caller, callee = (_trunk_of(side, self._dialect) for side in Side)
        trunk = case((_call.reason.in_(_CALLERS), caller), else_=callee)
        failed = (
            select(_HOUR, _call.reason, _call.sip_status, trunk.label("trunk"), _call.app_id)
            .where(*within, _call.reason.is_not(None), _call.connected_at.is_(None))
            .subquery()
        )
        number = func.count()
        query = select(*failed.c, number).group_by(*failed.c).order_by(number.desc()).limit(limit)
        rows = connection.execute(query).all()
        owners = _owners(connection, {row.app_id for row in rows})
        causes: dict[int, Counter[Cause]] = {}
        for *key, count in rows:
            hour, reason, sip_status, name, app_id = key
            cause = Cause(EndReason(reason), sip_status, name, owners.get(app_id))
            causes.setdefault(hour, Counter())[cause] += count
        return causes


# Grouped by its name: to PostgreSQL, the same division by another parameter is another one.
_HOUR = (type_coerce(_call.begun_at, BigInteger) // _HOUR_MS).label("hour")
_CALLERS = (
    EndReason.CALLER_BUSY,
    EndReason.CALLER_NO_ANSWER,
    EndReason.CALLER_FAILURE,
    EndReason.CALLER_ABANDON,
)
_SET_UP_MS = type_coerce(_call.connected_at, BigInteger) - type_coerce(_call.begun_at, BigInteger)
_FIGURES = (
    func.count().label("begun"),
    func.count(_call.connected_at).label("connected"),
    func.count(case((_call.reason.is_not(None) & _call.connected_at.is_(None), 1))).label("failed"),
    func.sum(_call.duration_s).label("talked_s"),
    func.sum(_SET_UP_MS).label("set_up_ms"),
)


def _carried(at: datetime, row: Any) -> Carried:
    talked_s, set_up_ms = int(row.talked_s or 0), int(row.set_up_ms or 0)
    return Carried(at, row.begun, row.connected, row.failed, talked_s, set_up_ms)


def _within(since: datetime, before: datetime) -> Sequence[ColumnElement[bool]]:
    """The calls that began then, as a range of the key."""
    return (
        _call.id >= _first_identifier(since - _SKEW),
        _call.id < _first_identifier(before + _SKEW),
        _call.begun_at >= since,
        _call.begun_at < before,
    )


def _first_identifier(at: datetime) -> str:
    """No identifier that was made then or later is less (RFC 9562 5.7: it begins with the
    milliseconds since 1970, in 48 bits)."""
    return f"{to_millis(at):012x}"


def _begins(first: datetime, last: datetime) -> list[datetime]:
    """The beginnings of the hours from that of `first` to that of `last`, the newest of them."""
    at = last.replace(minute=0, second=0, microsecond=0)
    begins: list[datetime] = []
    while at + HOUR > first and len(begins) < HOURS_MAX:
        begins.append(at)
        at -= HOUR
    begins.reverse()
    return begins


def _runs(unknown: Sequence[datetime]) -> Iterator[Sequence[datetime]]:
    """The hours in runs without a gap, the newest first, until COUNTING_S is over: each run as
    long as the pace of the one before lets it be."""
    began = time.monotonic()
    end, length = len(unknown), 1
    while end:
        start = end - 1
        while start and end - start < length and unknown[start - 1] + HOUR == unknown[start]:
            start -= 1
        asked = time.monotonic()
        yield unknown[start:end]
        now = time.monotonic()
        left_s = began + COUNTING_S - now
        if left_s <= 0:
            return
        pace_s = max(now - asked, 1e-6) / (end - start)
        length = max(1, min(int(left_s / pace_s), (end - start) * _GROWTH))
        end = start


def _trunk_of(side: Side, dialect: str) -> ColumnElement[str | None]:
    """The trunk of a leg, out of the column of both."""
    legs: Any = _call.legs
    # SQLite reads JSON out of text; PostgreSQL wants to be told that it is some.
    document = cast(legs, JSON) if dialect == "postgresql" else type_coerce(legs, JSON)
    trunk: ColumnElement[str | None] = document[(side.value, "trunk")].as_string()
    return trunk


def _owners(connection: Connection, app_ids: set[str]) -> dict[str, str]:
    """Whose the applications are; a call outlives its application."""
    columns = table.application.c
    query = select(columns.app_id, columns.enterprise_id).where(columns.app_id.in_(app_ids))
    return {row.app_id: row.enterprise_id for row in connection.execute(query)}
