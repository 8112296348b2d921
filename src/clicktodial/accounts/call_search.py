"""Finding calls: of whose applications somebody may see, by what they want to know of them.

What is looked through are rows of an index, in the order in which calls are shown, without sorting:

    nothing but a time, or calls that people hung up    call_by_application
    a number                              cdr_by_caller, cdr_by_callee, cdr_by_sponsor
    why calls failed                                    cdr_by_failure
    those under way                                     call_open

Every call that is over has a CDR, which is written once; an index of calls would be written with
each of their steps. A page is merged of what was found in each, for each application. Where an
index cannot hold all that is wanted, so many of its rows are looked through and no more, and the
answer says how far back that was: whoever wants older ones goes on from there.
"""

import heapq
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    and_,
    case,
    func,
    literal,
    literal_column,
    select,
    true,
    tuple_,
    union,
)

from clicktodial.accounts.scope import require_application, visible_enterprises
from clicktodial.domain.call import CallState
from clicktodial.domain.cause import EndReason
from clicktodial.domain.principal import Principal
from clicktodial.domain.wording import worded
from clicktodial.storage import table
from clicktodial.storage.billing_table import cdr
from clicktodial.storage.error import NotFound, ValueInvalid
from clicktodial.storage.history import (
    CallPlace,
    CallRecord,
    EventRecord,
    read_call,
    read_events,
    render_call_record,
)
from clicktodial.storage.instant import UtcMillis
from clicktodial.storage.transaction import Transactions

# Each costs a look into the index; whoever has more names one.
MERGED_APPLICATIONS_MAX = 50
# Rows of a page of an export: some ten milliseconds, which is how soon a file begins to come.
EXPORTED_AT_A_TIME = 250
# Of more calls than that, sums would take longer than anybody waits for a page.
SUMMED_MAX = 5_000
# Rows of indexes that are looked through for a page: 20 ms. Each index gets its share of it, which
# is worth the look.
SCANNED_MAX = 6_000
_SHARE_MIN = 50
# Calls under way that a file has.
LIVE_EXPORTED_MAX = 10_000
# More than all nodes of a platform carry.
OPEN_MAX = 1_000_000
_TOO_MANY = "choose an application: these are too many at once"
# As the index has it.
_FAILED: ColumnElement[bool] = literal_column("cdr.reason <> 'HangUp'")
_columns = table.call.c


@dataclass(frozen=True, slots=True)
class ApplicationName:
    """An application, as a list of calls names it."""

    app_id: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CallFilter:
    """What calls are wanted; None: any. `number` is in E.164, of either party or the sponsor."""

    app_id: str | None = None
    is_live: bool | None = None
    reason: EndReason | None = None
    number: str | None = None
    since: datetime | None = None
    until: datetime | None = None

    @property
    def is_any(self) -> bool:
        """Whether nothing is wanted of them."""
        return self == CallFilter()


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundCalls:
    """A page of calls, the newest first. `before` is where the next begins, if there is one.

    `searched_to` says how far back was looked where that was not far enough to fill the page, and
    older ones may be found from `before` on. Where `wants_application`, whoever asks sees too many
    applications to look through at once.
    """

    calls: Sequence[CallRecord]
    before: CallPlace | None
    searched_to: datetime | None = None
    wants_application: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundCall:
    """One call, and whose it is."""

    call: CallRecord
    events: Sequence[EventRecord]
    application: ApplicationName
    enterprise_id: str


@dataclass(frozen=True, slots=True)
class CallSums:
    """What calls come to: how many there are, how many were joined, how long people talked. Where
    `since` is given, there are older ones, and these began since then."""

    begun: int
    joined: int
    talked_s: int
    since: datetime | None = None

    @property
    def joined_share(self) -> float | None:
        """Of all; None where there are none."""
        return self.joined / self.begun if self.begun else None


class CallSearch:
    """All methods block; they raise DatabaseUnavailable."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    def list_applications(self, principal: Principal) -> list[ApplicationName]:
        """Those whose calls somebody may see, by name; one more than are merged at most."""
        with self._transactions.read() as connection:
            return self._applications(connection, principal)

    def find(
        self,
        principal: Principal,
        wanted: CallFilter,
        *,
        limit: int,
        before: CallPlace | None = None,
    ) -> FoundCalls:
        """A page. Raises NotFound for another's application."""
        with self._transactions.read() as connection:
            app_ids = self._wanted_applications(connection, principal, wanted)
            if len(app_ids) > MERGED_APPLICATIONS_MAX:
                return FoundCalls(calls=(), before=None, wants_application=True)
            sources = _choose_sources(connection, app_ids, wanted, before, SCANNED_MAX)
            share = max(SCANNED_MAX // max(len(sources), 1), _SHARE_MIN)
            pages, ends = [], []
            for source in sources:
                # One more than is shown tells whether there is another page.
                calls, end = _look_through(connection, source, wanted, before, limit + 1, share)
                pages.append(calls)
                ends.append(end)
        # What is older than the place where any of them was left may have newer ones before it.
        end = max((each for each in ends if each is not None), default=None)
        calls = _merge(pages, limit + 1, end)
        if len(calls) > limit or (end is not None and len(calls) == limit):
            return FoundCalls(calls=calls[:limit], before=calls[limit - 1].place)
        return FoundCalls(calls=calls, before=end, searched_to=end and end.begun_at)

    def find_live(self, principal: Principal, wanted: CallFilter, *, limit: int) -> FoundCalls:
        """The newest of those under way, of all that fit; the index knows them, so that nobody
        looks through those that are over. Raises NotFound for another's application."""
        with self._transactions.read() as connection:
            app_ids = self._wanted_applications(connection, principal, wanted)
            if len(app_ids) > MERGED_APPLICATIONS_MAX:
                return FoundCalls(calls=(), before=None, wants_application=True)
            open_calls = select_open_calls().subquery()
            query = (
                _narrow(select(table.call), wanted)
                .join(open_calls, open_calls.c.id == _columns.id)
                .where(open_calls.c.app_id.in_(app_ids))
                .order_by(_columns.begun_at.desc(), _columns.id.desc())
                .limit(limit)
            )
            calls = [render_call_record(row) for row in connection.execute(query)]
            return FoundCalls(calls=calls, before=None)

    def add_up(self, principal: Principal, wanted: CallFilter) -> CallSums | None:
        """The sums of all that fit; None where somebody sees too many applications. Raises
        NotFound for another's application."""
        with self._transactions.read() as connection:
            app_ids = self._wanted_applications(connection, principal, wanted)
            if len(app_ids) > MERGED_APPLICATIONS_MAX:
                return None
            sources = _choose_sources(connection, app_ids, wanted, None, SUMMED_MAX)
            if not sources:
                return CallSums(0, 0, 0)
            return _add_up(connection, sources, wanted)

    def stream(self, principal: Principal, wanted: CallFilter) -> Iterator[Sequence[CallRecord]]:
        """All that fit, the newest first, a page at a time, some of which may be empty: no read
        stays open while whoever takes them takes their time. Raises NotFound, ValueInvalid."""
        if wanted.is_live:
            live = self.find_live(principal, wanted, limit=LIVE_EXPORTED_MAX)
            if live.wants_application:
                raise ValueInvalid(_TOO_MANY)
            yield live.calls
            return
        before: CallPlace | None = None
        while True:
            found = self.find(principal, wanted, limit=EXPORTED_AT_A_TIME, before=before)
            if found.wants_application:
                raise ValueInvalid(_TOO_MANY)
            yield found.calls
            before = found.before
            if before is None:
                return

    def show(self, principal: Principal, call_id: str) -> FoundCall:
        """One call. Raises NotFound, also for another's."""
        with self._transactions.read() as connection:
            call = read_call(connection, call_id)
            if call is None:
                raise NotFound(worded("there is no call %(call_id)s", call_id=call_id))
            owner = require_application(connection, principal, call.app_id)
            name = connection.execute(
                select(table.application.c.name).where(table.application.c.app_id == call.app_id)
            ).scalar_one()
            return FoundCall(
                call=call,
                events=read_events(connection, call_id),
                application=ApplicationName(call.app_id, name),
                enterprise_id=owner.enterprise_id,
            )

    def _wanted_applications(
        self, connection: Connection, principal: Principal, wanted: CallFilter
    ) -> list[str]:
        """Of whose calls those are that are wanted; one more than are merged at most."""
        if wanted.app_id is not None:
            require_application(connection, principal, wanted.app_id)
            return [wanted.app_id]
        return [each.app_id for each in self._applications(connection, principal)]

    def _applications(self, connection: Connection, principal: Principal) -> list[ApplicationName]:
        columns = table.application.c
        query = (
            select(columns.app_id, columns.name)
            .join(table.enterprise, table.enterprise.c.id == columns.enterprise_id)
            .where(visible_enterprises(principal))
            .order_by(columns.name, columns.app_id)
            .limit(MERGED_APPLICATIONS_MAX + 1)
        )
        return [ApplicationName(row.app_id, row.name) for row in connection.execute(query)]


def select_open_calls() -> Select[tuple[str, str]]:
    """The identifiers and applications of all calls under way. The limit, which is never reached,
    keeps databases from looking through those of an application that are over: the index of the
    open ones has a handful."""
    return select(_columns.id, _columns.app_id).where(table.OPEN_CALL).limit(OPEN_MAX)


@dataclass(frozen=True, slots=True)
class _Source:
    """Rows of an index that may be of calls that are wanted, in their order: by `begun_at` and
    `call_id`, where these hold. Where it `is_complete`, each is of one that is wanted, but for
    very few."""

    begun_at: ColumnElement[datetime]
    call_id: ColumnElement[str]
    where: Sequence[ColumnElement[bool]]
    is_complete: bool = True

    def select(self, before: CallPlace | None, most: int) -> Select[str, datetime]:
        """So many at most, the newest first."""
        query = (
            select(self.call_id.label("id"), self.begun_at.label("begun_at"))
            .where(*self.where)
            .order_by(self.begun_at.desc(), self.call_id.desc())
            .limit(most)
        )
        if before is None:
            return query
        place = tuple_(literal(before.begun_at, UtcMillis), literal(before.call_id))
        return query.where(tuple_(self.begun_at, self.call_id) < place)


def _choose_sources(
    connection: Connection,
    app_ids: Sequence[str],
    wanted: CallFilter,
    before: CallPlace | None,
    most: int,
) -> list[_Source]:
    """Where to look. Of a number and a reason, for which there is no index of both, the reason is
    looked through where so few calls failed for it that all of them can be."""
    sources = _sources(app_ids, wanted)
    if wanted.number is None or wanted.reason is None or not sources:
        return sources
    anybody = _sources(app_ids, replace(wanted, number=None))
    each = max(most // len(anybody), _SHARE_MIN)
    for source in anybody:
        some = source.select(before, each + 1).subquery()
        if (connection.scalar(select(func.count()).select_from(some)) or 0) > each:
            return sources
    return [replace(source, is_complete=False) for source in anybody]


def _sources(app_ids: Sequence[str], wanted: CallFilter) -> list[_Source]:
    """Where calls of these applications stand that are wanted."""
    if wanted.is_live:
        return _open_sources(app_ids, wanted)
    sources = [each for app_id in app_ids for each in _sources_of(app_id, wanted)]
    if wanted.number is not None and wanted.is_live is None and wanted.reason is None:
        # They have no CDR yet.
        sources += _open_sources(app_ids, wanted)
    return sources


def _sources_of(app_id: str, wanted: CallFilter) -> list[_Source]:
    if wanted.number is not None:
        return [
            _of_cdrs(wanted, cdr.c.app_id == app_id, column == wanted.number,
                     is_complete=wanted.reason is None)
            for column in (cdr.c.caller_e164, cdr.c.callee_e164, cdr.c.sponsor_e164)
        ]  # fmt: skip
    if wanted.reason not in (None, EndReason.HANG_UP):
        reason = cdr.c.reason == wanted.reason
        return [_of_cdrs(wanted, cdr.c.app_id == app_id, reason, _FAILED)]
    where = [_columns.app_id == app_id, *_times(_columns.begun_at, wanted)]
    return [_Source(_columns.begun_at, _columns.id, where, is_complete=wanted.reason is None)]


def _open_sources(app_ids: Sequence[str], wanted: CallFilter) -> list[_Source]:
    if not app_ids:
        return []
    live = select_open_calls().add_columns(_columns.begun_at).subquery()
    where = [live.c.app_id.in_(app_ids), *_times(live.c.begun_at, wanted)]
    return [_Source(live.c.begun_at, live.c.id, where, is_complete=False)]


def _of_cdrs(wanted: CallFilter, *where: ColumnElement[bool], is_complete: bool = True) -> _Source:
    times = _times(cdr.c.begun_at, wanted)
    return _Source(cdr.c.begun_at, cdr.c.call_id, [*where, *times], is_complete)


def _look_through(
    connection: Connection,
    source: _Source,
    wanted: CallFilter,
    before: CallPlace | None,
    limit: int,
    share: int,
) -> tuple[list[CallRecord], CallPlace | None]:
    """The newest of those that are wanted, and the place at which looking ended, where that was
    neither at the limit nor at the end."""
    most = limit if source.is_complete else max(share, limit)
    rows = source.select(before, most).subquery()
    query = (
        _narrow(select(table.call).join(rows, rows.c.id == _columns.id), wanted)
        .order_by(_columns.begun_at.desc(), _columns.id.desc())
        .limit(limit)
    )
    calls = [render_call_record(row) for row in connection.execute(query)]
    if len(calls) == limit:
        return calls, None
    last = connection.execute(source.select(before, 1).offset(most - 1)).first()
    return calls, None if last is None else CallPlace(last.begun_at, last.id)


def _add_up(connection: Connection, sources: Sequence[_Source], wanted: CallFilter) -> CallSums:
    """The sums of the newest of them."""
    # Each on its own, as PostgreSQL wants it for a limit within a union.
    each = [select(source.select(None, SUMMED_MAX + 1).subquery()) for source in sources]
    found = (each[0] if len(each) == 1 else union(*each)).subquery()
    newest = select(found).order_by(found.c.begun_at.desc()).limit(SUMMED_MAX + 1).subquery()
    fits = and_(true(), *_conditions(wanted))
    joined = newest.join(table.call, _columns.id == newest.c.id)
    query = select(
        func.count().label("seen"),
        func.min(newest.c.begun_at).label("since"),
        func.count(case((fits, 1))).label("begun"),
        func.count(case((fits, _columns.connected_at))).label("joined"),
        func.sum(case((fits, _columns.duration_s), else_=0)).label("talked_s"),
    ).select_from(joined)
    row = connection.execute(query).one()
    since = row.since if row.seen > SUMMED_MAX else None
    begun = min(row.begun, SUMMED_MAX)  # one more was looked at than is told of
    return CallSums(begun, row.joined, int(row.talked_s or 0), since)


def _times(begun_at: ColumnElement[datetime], wanted: CallFilter) -> list[ColumnElement[bool]]:
    times = []
    if wanted.since is not None:
        times.append(begun_at >= wanted.since)
    if wanted.until is not None:
        times.append(begun_at < wanted.until)
    return times


def _narrow(query: Select[tuple[object, ...]], wanted: CallFilter) -> Select[tuple[object, ...]]:
    return query.where(*_conditions(wanted))


def _conditions(wanted: CallFilter) -> list[ColumnElement[bool]]:
    """All that a call has to be. Numbers are looked for in the call itself, too: there they may be
    forgotten by now."""
    conditions = _times(_columns.begun_at, wanted)
    if wanted.is_live is not None:
        is_ended = _columns.state == CallState.ENDED
        conditions.append(~is_ended if wanted.is_live else is_ended)
    if wanted.reason is not None:
        conditions.append(_columns.reason == wanted.reason)
    if wanted.number is not None:
        conditions.append(
            (_columns.caller_e164 == wanted.number)
            | (_columns.callee_e164 == wanted.number)
            | (_columns.sponsor_e164 == wanted.number)
        )
    return conditions


def _merge(
    pages: Iterable[Sequence[CallRecord]], limit: int, end: CallPlace | None
) -> list[CallRecord]:
    """The newest of all of them, each once, down to that place."""
    merged: list[CallRecord] = []
    for call in heapq.merge(*pages, key=lambda call: call.place, reverse=True):
        if len(merged) == limit or (end is not None and call.place < end):
            break
        if not merged or merged[-1].call_id != call.call_id:
            merged.append(call)
    return merged
