"""Call detail records as they are read: in the order in which calls ended, in constant memory."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, Select, literal, select, tuple_

from clicktodial.accounts.scope import require_visible
from clicktodial.domain.principal import Principal
from clicktodial.storage.billing_table import CALL_COLUMNS, cdr
from clicktodial.storage.charge_writes import decode_lots
from clicktodial.storage.instant import UtcMillis
from clicktodial.storage.transaction import Transactions

# Rows read at a time, each time anew from where the last ended: no read stays open while a slow
# reader takes its time, and memory holds no more than these.
ROWS_AT_A_TIME = 1_000
# What of a CDR is told, in this order: all of it but the legs' technical record.
COLUMNS = (
    "call_id",
    "enterprise_id",
    *(name for name in CALL_COLUMNS if name not in ("legs", "node_id")),
    "member",
    "department",
    "legs_counted",
    "rated_s",
    "billed_s",
    "overage_s",
    "price_micros",
    "charging",
)


class CdrPlace(NamedTuple):
    """Where a CDR stands among its enterprise's."""

    ended_at: datetime
    call_id: str


@dataclass(frozen=True, slots=True)
class CdrQuery:
    """The CDRs of an enterprise whose calls ended from `since` on and before `until`."""

    enterprise_id: str
    since: datetime
    until: datetime


@dataclass(frozen=True, slots=True)
class CdrDetail:
    """One CDR. `values` are those of COLUMNS; `lots` are pairs of a lot and seconds of it."""

    values: dict[str, Any]
    lots: tuple[tuple[str, int], ...]

    @property
    def place(self) -> CdrPlace:
        return CdrPlace(self.values["ended_at"], self.values["call_id"])


class CdrReader:
    """Blocking reads. All raise DatabaseUnavailable; what `principal` may not see is not found."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    def page(
        self,
        principal: Principal,
        query: CdrQuery,
        *,
        after: CdrPlace | None = None,
        limit: int = ROWS_AT_A_TIME,
    ) -> list[CdrDetail]:
        """The first `limit` of them, of those after that place."""
        with self._transactions.read() as connection:
            require_visible(connection, principal, query.enterprise_id)
            return read_page(connection, query, after=after, limit=limit)

    def newest(
        self,
        principal: Principal,
        query: CdrQuery,
        *,
        before: CdrPlace | None = None,
        limit: int = ROWS_AT_A_TIME,
    ) -> list[CdrDetail]:
        """The last `limit` of them, the latest first, of those before that place."""
        with self._transactions.read() as connection:
            require_visible(connection, principal, query.enterprise_id)
            rows = connection.execute(_select_newest(query, before).limit(limit))
            return [_detail(row) for row in rows]

    def stream(self, query: CdrQuery) -> Iterator[list[CdrDetail]]:
        """All of them, a page at a time."""
        after: CdrPlace | None = None
        while True:
            with self._transactions.read() as connection:
                page = read_page(connection, query, after=after, limit=ROWS_AT_A_TIME)
            if page:
                yield page
            if len(page) < ROWS_AT_A_TIME:
                return
            after = page[-1].place


def read_page(
    connection: Connection, query: CdrQuery, *, after: CdrPlace | None, limit: int
) -> list[CdrDetail]:
    """As CdrReader.page."""
    rows = connection.execute(_select(query, after).limit(limit))
    return [_detail(row) for row in rows]


def _select(query: CdrQuery, after: CdrPlace | None) -> Select[Any]:
    columns = cdr.c
    # Where the page begins bounds the index: were it `since` for all of them, each would read
    # from the very first on.
    since = query.since if after is None else after.ended_at
    chosen = _within(query.enterprise_id, since, query.until)
    if after is not None:
        place = tuple_(columns.ended_at, columns.call_id)
        chosen = chosen.where(place > tuple_(literal(after.ended_at, UtcMillis), after.call_id))
    return chosen.order_by(columns.ended_at, columns.call_id)


def _select_newest(query: CdrQuery, before: CdrPlace | None) -> Select[Any]:
    columns = cdr.c
    chosen = _within(query.enterprise_id, query.since, query.until)
    if before is not None:
        place = tuple_(columns.ended_at, columns.call_id)
        chosen = chosen.where(
            columns.ended_at <= before.ended_at,
            place < tuple_(literal(before.ended_at, UtcMillis), before.call_id),
        )
    return chosen.order_by(columns.ended_at.desc(), columns.call_id.desc())


def _within(enterprise_id: str, since: datetime, until: datetime) -> Select[Any]:
    columns = cdr.c
    return select(*(columns[name] for name in COLUMNS), columns.lots).where(
        columns.enterprise_id == enterprise_id,
        columns.ended_at >= since,
        columns.ended_at < until,
    )


def _detail(row: Row[Any]) -> CdrDetail:
    values: list[Any] = list(row)
    lots = decode_lots(values.pop())
    return CdrDetail(dict(zip(COLUMNS, values, strict=True)), tuple(lots))
