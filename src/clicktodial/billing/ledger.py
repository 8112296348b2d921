"""Proof that the ledger, the balances and the calls say the same.

Theory of operation. Two streams in the order of the calls are read side by side: what the ledger
moved for each call, and its CDR. Of each call it is checked that

- what it held it took or gave back, whole, and only while it lives does it hold anything;
- what it took of each lot is what its CDR says, and in all what the tariff says of its duration,
  bounded by what it held, of it so much overage as the CDR says, for the money that the CDR and
  the lots' prices say;
- its CDR says the duration that its row says;
- what is not charged cost nothing, and nothing of it is in the ledger;
- it has a CDR, if it has ended.

On the way the movements are summed up by lot and the calls by enterprise; in the end the sums are
the balances of the lots, to the second and the micro, each lot was granted what its package says,
what calls took of an enterprise's lots is what its CDRs say, and so are the sums that are kept of
them (billing.use). Memory follows the number of lots, never that of calls.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, Engine, Row, Select, case, func, select
from sqlalchemy.exc import OperationalError

from clicktodial.billing.use import find_wrong_sums
from clicktodial.domain.call import CallState
from clicktodial.domain.minutes import Charging
from clicktodial.domain.rating import Tariff, price_micros
from clicktodial.storage import table
from clicktodial.storage.billing_table import (
    ACCOUNTS,
    cdr,
    ledger_entry,
    package,
    package_lot,
    tariff,
)
from clicktodial.storage.charge_writes import SETTLE, decode_lots, tariff_of_row
from clicktodial.storage.error import DatabaseUnavailable

# Rows that are held at a time, of each stream.
_ROWS_AT_A_TIME = 1_000
# So many are told; what is wrong beyond them is only counted.
TOLD_MAX = 100
_RESERVED, _CONSUMED, _OWED = (
    ACCOUNTS.index(name) for name in ("reserved_s", "consumed_s", "owed_micros")
)


@dataclass(frozen=True, slots=True)
class Discrepancy:
    """Something that does not agree. `subject` is a call, a lot or an enterprise."""

    subject: str
    detail: str


@dataclass(slots=True)
class Verification:
    """What was looked at, and what was found."""

    entries: int = 0
    calls: int = 0
    open_calls: int = 0
    lots: int = 0
    billed_s: int = 0
    count: int = 0
    discrepancies: list[Discrepancy] = field(default_factory=list)

    @property
    def is_sound(self) -> bool:
        return self.count == 0

    def tell(self, subject: str, detail: str) -> None:
        self.count += 1
        if len(self.discrepancies) < TOLD_MAX:
            self.discrepancies.append(Discrepancy(subject, detail))


def verify_ledger(engine: Engine) -> Verification:
    """Look at all of it, as it is at one moment. Raises DatabaseUnavailable."""
    options: dict[str, Any] = {"stream_results": True, "yield_per": _ROWS_AT_A_TIME}
    if engine.dialect.name == "postgresql":
        options["isolation_level"] = "REPEATABLE READ"
    try:
        with engine.connect().execution_options(**options) as connection:
            return _Verifier(connection).run()
    except OperationalError as error:
        raise DatabaseUnavailable(str(error.orig)) from error


class _Movement(NamedTuple):
    """What the ledger moved for one call on one lot, summed up by the database."""

    call_id: str
    lot_id: str
    enterprise_id: str
    other_enterprise_id: str
    entries: int
    settled: int
    held_s: int
    sums: tuple[int, ...]

    @property
    def reserved_s(self) -> int:
        return self.sums[_RESERVED]

    @property
    def consumed_s(self) -> int:
        return self.sums[_CONSUMED]

    @property
    def owed_micros(self) -> int:
        return self.sums[_OWED]


class _Verifier:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._result = Verification()
        self._by_lot: dict[str, list[int]] = {}
        self._billed_by_enterprise: Counter[str] = Counter()
        self._tariffs: dict[str, Tariff] = {
            row.id: tariff_of_row(row) for row in connection.execute(select(tariff))
        }
        # Of those that have one: overage.
        columns = package_lot.c
        prices = select(columns.id, columns.micros_per_minute).where(columns.is_overage)
        self._micros_per_minute: dict[str, int] = {
            row.id: row.micros_per_minute for row in connection.execute(prices)
        }

    def run(self) -> Verification:
        for row in self._stream(_movements_of_lots()):
            lot_id, entries, *sums = _values(row)
            self._add(lot_id, entries, sums)
        self._check_calls()
        self._check_ended()
        self._check_lots()
        for enterprise_id in find_wrong_sums(self._connection):
            self._result.tell(enterprise_id, "has sums of days that are not those of its CDRs")
        return self._result

    def _stream(self, query: Select[Any]) -> Iterator[Row[Any]]:
        return iter(self._connection.execute(query))

    def _movements(self) -> Iterator[_Movement]:
        # PostgreSQL sums integers up to decimals.
        for row in self._stream(_movements_of_calls()):
            call_id, lot_id, first, last, entries, settled, held_s, *sums = _values(row)
            movement = _Movement(
                call_id,
                lot_id,
                first,
                last,
                entries,
                int(settled),
                int(held_s),
                tuple(map(int, sums)),
            )
            self._add(movement.lot_id, movement.entries, movement.sums)
            yield movement

    def _add(self, lot_id: str, entries: int, moved: Sequence[int]) -> None:
        self._result.entries += entries
        sums = self._by_lot.setdefault(lot_id, [0] * len(ACCOUNTS))
        for index, each in enumerate(moved):
            if each:
                sums[index] += int(each)

    # Calls

    def _check_calls(self) -> None:
        cdrs = self._stream(_cdrs())
        record = next(cdrs, None)
        for call_id, group in groupby(self._movements(), itemgetter(0)):
            while record is not None and record.call_id < call_id:
                self._count_without_movement(record)
                record = next(cdrs, None)
            movements = list(group)
            if record is not None and record.call_id == call_id:
                if record.charging == Charging.NOT_CHARGED:
                    self._result.tell(call_id, "is not charged, and is in the ledger")
                self._check_settled(movements, record)
                self._count(record)
                record = next(cdrs, None)
            else:
                self._check_open(call_id, movements)
        while record is not None:
            self._count_without_movement(record)
            record = next(cdrs, None)

    def _count_without_movement(self, record: Row[Any]) -> None:
        if record.charging != Charging.NOT_CHARGED:
            self._result.tell(record.call_id, "has a CDR, and nothing in the ledger")
        elif _costs_something(record):
            self._result.tell(record.call_id, "is not charged, and its CDR says that it cost")
        self._check_duration(record)
        self._count(record)

    def _count(self, record: Row[Any]) -> None:
        self._result.calls += 1
        self._result.billed_s += record.billed_s
        self._billed_by_enterprise[record.enterprise_id] += record.billed_s

    def _check_settled(self, movements: list[_Movement], record: Row[Any]) -> None:
        call_id, owner = record.call_id, record.enterprise_id
        tell = self._result.tell
        consumed = {each.lot_id: each.consumed_s for each in movements if each.consumed_s}
        consumed_s = sum(consumed.values())
        for each in movements:
            if (each.enterprise_id, each.other_enterprise_id) != (owner, owner):
                tell(call_id, "the ledger has it under another enterprise")
            if each.reserved_s != 0:
                tell(call_id, "holds seconds, and has ended")
            micros_per_minute = self._micros_per_minute.get(each.lot_id, 0)
            if each.owed_micros != price_micros(each.consumed_s, micros_per_minute):
                tell(call_id, f"owes {each.owed_micros} micros, which the lot does not say")
        if dict(decode_lots(record.lots)) != consumed:
            tell(call_id, "the CDR and the ledger name other lots")
        if record.billed_s != consumed_s:
            tell(call_id, f"billed {record.billed_s} s, consumed {consumed_s} s")
        overage_s = sum(
            seconds for lot_id, seconds in consumed.items() if lot_id in self._micros_per_minute
        )
        if record.overage_s != overage_s:
            tell(call_id, f"{record.overage_s} s of overage, consumed {overage_s} s of it")
        if record.price_micros != sum(each.owed_micros for each in movements):
            tell(call_id, "the CDR and the ledger name another price")
        self._check_rating(record, sum(each.held_s for each in movements))

    def _check_rating(self, record: Row[Any], held_s: int) -> None:
        tell, rated_s, billed_s = self._result.tell, record.rated_s, record.billed_s
        rated = self._tariffs.get(record.tariff_id)
        if rated is None:
            tell(record.call_id, "there is no such tariff")
        elif rated_s != (rated.rate(record.duration_s) if record.was_connected else 0):
            tell(record.call_id, f"rated {rated_s} s, which the tariff does not say")
        if billed_s != min(rated_s, held_s):
            tell(record.call_id, f"billed {billed_s} s of {rated_s} s rated")
        self._check_duration(record)

    def _check_duration(self, record: Row[Any]) -> None:
        if record.row_duration_s not in (None, record.duration_s):
            self._result.tell(record.call_id, "its row says another duration")

    def _check_ended(self) -> None:
        for row in self._stream(_ended_without_cdr()):
            self._result.tell(row.id, "has ended, and has no CDR")

    def _check_open(self, call_id: str, movements: list[_Movement]) -> None:
        if any(each.settled for each in movements):
            self._result.tell(call_id, "was settled, and has no CDR")
            return
        self._result.open_calls += 1
        of_call = table.call.c.id == call_id
        state = self._connection.scalar(select(table.call.c.state).where(of_call))
        if state is None or state == CallState.ENDED.value:
            self._result.tell(call_id, "holds seconds, and does not live")

    # Lots

    def _check_lots(self) -> None:
        consumed_by_enterprise: Counter[str] = Counter()
        columns = [package_lot.c[name] for name in ("id", "enterprise_id", *ACCOUNTS)]
        lots = select(*columns, package.c.seconds, package.c.price_micros).outerjoin_from(
            package_lot, package, package.c.id == package_lot.c.package_id
        )
        for lot in self._stream(lots):
            self._result.lots += 1
            consumed_by_enterprise[lot.enterprise_id] += lot.consumed_s
            sums = self._by_lot.pop(lot.id, [0] * len(ACCOUNTS))
            for name, moved in zip(ACCOUNTS, sums, strict=True):
                balance = getattr(lot, name)
                if balance != moved:
                    self._result.tell(lot.id, f"{name} is {balance}, the ledger moved {moved}")
            if (lot.granted_s, lot.package_micros) != (lot.seconds, lot.price_micros):
                self._result.tell(
                    lot.id,
                    f"granted {lot.granted_s} s for {lot.package_micros} micros, its package says "
                    f"{lot.seconds} s for {lot.price_micros}",
                )
        for lot_id in self._by_lot:
            self._result.tell(lot_id, "is in the ledger, and there is no such lot")
        for enterprise_id in consumed_by_enterprise | self._billed_by_enterprise:
            billed_s = self._billed_by_enterprise[enterprise_id]
            consumed_s = consumed_by_enterprise[enterprise_id]
            if billed_s != consumed_s:
                self._result.tell(
                    enterprise_id, f"its calls took {billed_s} s, its pool lost {consumed_s} s"
                )


def _costs_something(record: Row[Any]) -> bool:
    amounts = (record.rated_s, record.billed_s, record.overage_s, record.price_micros)
    return any(amounts) or bool(decode_lots(record.lots))


def _ended_without_cdr() -> Select[Any]:
    columns = table.call.c
    return (
        select(columns.id)
        .outerjoin_from(table.call, cdr, cdr.c.call_id == columns.id)
        .where(columns.state == CallState.ENDED.value, cdr.c.call_id.is_(None))
        .order_by(columns.id)
    )


def _values(row: Row[Any]) -> list[Any]:
    return list(row)


def _sums() -> list[ColumnElement[Any]]:
    return [func.sum(ledger_entry.c[name]) for name in ACCOUNTS]


def _movements_of_lots() -> Select[Any]:
    """Of those entries that are no call's: of which there are few."""
    columns = ledger_entry.c
    return (
        select(columns.lot_id, func.count(), *_sums())
        .where(columns.call_id.is_(None))
        .group_by(columns.lot_id)
    )


def _movements_of_calls() -> Select[Any]:
    """In the order of an index, so that the database need not sort."""
    columns = ledger_entry.c
    is_settling = columns.kind == SETTLE
    return (
        select(
            columns.call_id,
            columns.lot_id,
            func.min(columns.enterprise_id),
            func.max(columns.enterprise_id),
            func.count(),
            func.sum(case((is_settling, 1), else_=0)),
            func.sum(case((is_settling, 0), else_=columns.reserved_s)),
            *_sums(),
        )
        .where(columns.call_id.is_not(None))
        .group_by(columns.call_id, columns.lot_id)
        .order_by(columns.call_id, columns.lot_id)
    )


def _cdrs() -> Select[Any]:
    names = ("call_id", "enterprise_id", "duration_s", "tariff_id", "rated_s", "billed_s")
    return (
        select(
            *(cdr.c[name] for name in names),
            cdr.c.overage_s,
            cdr.c.price_micros,
            cdr.c.lots,
            cdr.c.charging,
            cdr.c.connected_at.is_not(None).label("was_connected"),
            table.call.c.duration_s.label("row_duration_s"),
        )
        .outerjoin(table.call, table.call.c.id == cdr.c.call_id)
        .order_by(cdr.c.call_id)
    )
