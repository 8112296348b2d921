"""Finding calls: of whose applications somebody may see, by what they want to know of them.

A page of one application's calls comes off the index of that application in order, without
sorting; a page of several is merged of theirs.
"""

import heapq
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Select, func, select

from clicktodial.accounts.scope import require_application, visible_enterprises
from clicktodial.domain.call import CallState
from clicktodial.domain.cause import EndReason
from clicktodial.domain.principal import Principal
from clicktodial.domain.wording import worded
from clicktodial.storage import table
from clicktodial.storage.error import NotFound, ValueInvalid
from clicktodial.storage.history import (
    CallPlace,
    CallRecord,
    EventRecord,
    calls_of_application,
    read_call,
    read_events,
    render_call_record,
)
from clicktodial.storage.transaction import Transactions

# Each costs a look into the index; whoever has more names one.
MERGED_APPLICATIONS_MAX = 50
# Rows of a page of an export: a few milliseconds.
EXPORTED_AT_A_TIME = 500
# Of more calls than that, sums would take longer than anybody waits for a page.
SUMMED_MAX = 5_000
# More than all nodes of a platform carry.
OPEN_MAX = 1_000_000
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

    Where `wants_application`, whoever asks sees too many applications to look through at once.
    """

    calls: Sequence[CallRecord]
    before: CallPlace | None
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
    `is_cut`, there are more, and these are the newest SUMMED_MAX."""

    begun: int
    joined: int
    talked_s: int
    is_cut: bool = False

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
            # One more than is shown tells whether there is another page.
            pages = [
                self._page(connection, _narrow(calls_of_application(app_id, before), wanted), limit)
                for app_id in app_ids
            ]
        calls = _merge(pages, limit + 1)
        has_more = len(calls) > limit
        return FoundCalls(calls=calls[:limit], before=calls[limit - 1].place if has_more else None)

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
            )
            return FoundCalls(calls=self._page(connection, query, limit)[:limit], before=None)

    def add_up(self, principal: Principal, wanted: CallFilter) -> CallSums | None:
        """The sums of all that fit; None where somebody sees too many applications. Raises
        NotFound for another's application."""
        with self._transactions.read() as connection:
            app_ids = self._wanted_applications(connection, principal, wanted)
            if len(app_ids) > MERGED_APPLICATIONS_MAX:
                return None
            newest = (
                _narrow(select(_columns.connected_at, _columns.duration_s), wanted)
                .where(_columns.app_id.in_(app_ids))
                .order_by(_columns.begun_at.desc())
                .limit(SUMMED_MAX + 1)
                .subquery()
            )
            query = select(
                func.count(), func.count(newest.c.connected_at), func.sum(newest.c.duration_s)
            )
            begun, joined, talked_s = connection.execute(query.select_from(newest)).one()
            return CallSums(
                min(begun, SUMMED_MAX), joined, int(talked_s or 0), is_cut=begun > SUMMED_MAX
            )

    def stream(self, principal: Principal, wanted: CallFilter) -> Iterator[Sequence[CallRecord]]:
        """All that fit, the newest first, a page at a time: no read stays open while whoever
        takes them takes their time. Raises NotFound, ValueInvalid."""
        before: CallPlace | None = None
        while True:
            found = self.find(principal, wanted, limit=EXPORTED_AT_A_TIME, before=before)
            if found.wants_application:
                raise ValueInvalid("choose an application: these are too many at once")
            if found.calls:
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

    def _page(
        self, connection: Connection, query: Select[tuple[object, ...]], limit: int
    ) -> list[CallRecord]:
        return [render_call_record(row) for row in connection.execute(query.limit(limit + 1))]

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


def _narrow(query: Select[tuple[object, ...]], wanted: CallFilter) -> Select[tuple[object, ...]]:
    if wanted.is_live is not None:
        is_ended = _columns.state == CallState.ENDED
        query = query.where(~is_ended if wanted.is_live else is_ended)
    if wanted.reason is not None:
        query = query.where(_columns.reason == wanted.reason)
    if wanted.number is not None:
        query = query.where(
            (_columns.caller_e164 == wanted.number)
            | (_columns.callee_e164 == wanted.number)
            | (_columns.sponsor_e164 == wanted.number)
        )
    if wanted.since is not None:
        query = query.where(_columns.begun_at >= wanted.since)
    if wanted.until is not None:
        query = query.where(_columns.begun_at < wanted.until)
    return query


def _merge(pages: Iterable[Sequence[CallRecord]], limit: int) -> list[CallRecord]:
    merged = heapq.merge(*pages, key=lambda call: call.place, reverse=True)
    return [call for call, _ in zip(merged, range(limit), strict=False)]
