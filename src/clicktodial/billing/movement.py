"""The movements of a pool, as who pays reads them: what came in, what expired, what calls took.

The ledger also knows what each call held and gave back while it lived; that is left out here, where
a call is one line: what it took in the end.
"""

import heapq
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, Row, and_, false, or_, select

from clicktodial.billing.pool import GRANT, require_pool
from clicktodial.domain.principal import Principal
from clicktodial.storage.billing_table import cdr, ledger_entry, package, package_lot
from clicktodial.storage.transaction import Transactions

# What one page of a list holds.
MOVEMENTS_PAGE_MAX = 100


class MovementKind(StrEnum):
    """What moved minutes."""

    GRANT = "grant"
    EXPIRE = "expire"
    CALL = "call"


class MovementPlace(NamedTuple):
    """Where a movement stands: by its time; of one moment, lots' before calls', each the latest
    first. `key` is an entry's number, or a call's identifier."""

    at: datetime
    is_call: bool
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Movement:
    """Minutes that came or went: `seconds` are below zero where they went. `title` is the
    package's name; `callee` of a call is in E.164. Money is what is owed for it."""

    kind: MovementKind
    place: MovementPlace
    seconds: int
    price_micros: int
    title: str = ""
    call_id: str | None = None
    callee: str = ""

    @property
    def at(self) -> datetime:
        return self.place.at


class Movements:
    """Blocking reads; they raise NotFound and DatabaseUnavailable."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    def list_movements(
        self,
        principal: Principal,
        enterprise_id: str,
        *,
        before: MovementPlace | None = None,
        limit: int = MOVEMENTS_PAGE_MAX,
    ) -> list[Movement]:
        """The latest first, beginning behind that place. A page comes off the index of the CDRs
        and that of the lots' entries, of which there are few."""
        limit = min(limit, MOVEMENTS_PAGE_MAX)
        with self._transactions.read() as connection:
            require_pool(connection, principal, enterprise_id)
            lots = _read_lots(connection, enterprise_id, before, limit)
            calls = _read_calls(connection, enterprise_id, before, limit)
        return list(heapq.merge(lots, calls, key=lambda each: _rank(each.place)))[:limit]


def _rank(place: MovementPlace) -> tuple[float, bool]:
    """The lower, the earlier in the list; each source is in order itself."""
    return -place.at.timestamp(), place.is_call


def _read_lots(
    connection: Connection, enterprise_id: str, before: MovementPlace | None, limit: int
) -> list[Movement]:
    entries = ledger_entry.c
    query = (
        select(ledger_entry, package.c.name)
        .join(package_lot, package_lot.c.id == entries.lot_id)
        .join(package, package.c.id == package_lot.c.package_id)
        .where(package_lot.c.enterprise_id == enterprise_id, entries.call_id.is_(None))
    )
    if before is not None:
        same = false() if before.is_call else entries.id < int(before.key)
        query = query.where(_is_behind(entries.occurred_at, before, same))
    query = query.order_by(entries.occurred_at.desc(), entries.id.desc()).limit(limit)
    return [_of_entry(row) for row in connection.execute(query)]


def _read_calls(
    connection: Connection, enterprise_id: str, before: MovementPlace | None, limit: int
) -> list[Movement]:
    columns = cdr.c
    query = select(
        columns.call_id,
        columns.ended_at,
        columns.billed_s,
        columns.price_micros,
        columns.callee_e164,
    ).where(columns.enterprise_id == enterprise_id, columns.billed_s > 0)
    if before is not None:
        # Bounds the index before anything else does.
        query = query.where(columns.ended_at <= before.at)
        if before.is_call:
            same = columns.call_id < before.key
            query = query.where(_is_behind(columns.ended_at, before, same))
    query = query.order_by(columns.ended_at.desc(), columns.call_id.desc()).limit(limit)
    return [_of_call(row) for row in connection.execute(query)]


def _is_behind(
    at: ColumnElement[Any], before: MovementPlace, same: ColumnElement[bool]
) -> ColumnElement[bool]:
    return or_(at < before.at, and_(at == before.at, same))


def _of_entry(row: Row[Any]) -> Movement:
    is_grant = row.kind == GRANT
    return Movement(
        kind=MovementKind.GRANT if is_grant else MovementKind.EXPIRE,
        place=MovementPlace(row.occurred_at, False, str(row.id)),
        seconds=row.granted_s if is_grant else -row.expired_s,
        price_micros=row.package_micros,
        title=row.name,
    )


def _of_call(row: Any) -> Movement:
    return Movement(
        kind=MovementKind.CALL,
        place=MovementPlace(row.ended_at, True, row.call_id),
        seconds=-row.billed_s,
        price_micros=row.price_micros,
        call_id=row.call_id,
        callee=row.callee_e164,
    )
