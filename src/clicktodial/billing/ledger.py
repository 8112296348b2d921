"""Proof that the ledger, the balances and the calls say the same.

Theory of operation. Two streams in the order of the calls are read side by side: what the ledger
moved for each call, and its CDR. Of each call it is checked that

- what it held it took or gave back, whole, and only while it lives does it hold anything;
- what it took of each lot is what its CDR says, and in all what the tariff says of its duration,
  bounded by what it held, for the money that the CDR says;
- its CDR says what its row says.

On the way the movements are summed up by lot and the calls by enterprise; in the end the sums are
the balances of the lots, to the second and the micro, and what calls took of an enterprise's lots
is what its CDRs say. Memory follows the number of lots, never that of calls.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import groupby
from operator import attrgetter
from typing import Any

from sqlalchemy import Connection, Engine, Row, Select, select
from sqlalchemy.exc import OperationalError

from clicktodial.domain.call import CallState
from clicktodial.domain.rating import Tariff
from clicktodial.storage import table
from clicktodial.storage.billing_table import ACCOUNTS, cdr, ledger_entry, package_lot, tariff
from clicktodial.storage.charge_writes import SETTLE, decode_lots, tariff_of_row
from clicktodial.storage.error import DatabaseUnavailable

# Rows that are held at a time, of each stream.
_ROWS_AT_A_TIME = 1_000
# So many are told; what is wrong beyond them is only counted.
TOLD_MAX = 100


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


class _Verifier:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._result = Verification()
        self._by_lot: dict[str, list[int]] = {}
        self._billed_by_enterprise: Counter[str] = Counter()
        self._tariffs: dict[str, Tariff] = {
            row.id: tariff_of_row(row) for row in connection.execute(select(tariff))
        }

    def run(self) -> Verification:
        for row in self._stream(_entries().where(ledger_entry.c.call_id.is_(None))):
            self._add(row)
        self._check_calls()
        self._check_lots()
        return self._result

    def _stream(self, query: Select[Any]) -> Iterator[Row[Any]]:
        return iter(self._connection.execute(query))

    def _add(self, row: Row[Any]) -> None:
        self._result.entries += 1
        sums = self._by_lot.get(row.lot_id)
        if sums is None:
            sums = self._by_lot[row.lot_id] = [0] * len(ACCOUNTS)
        for index, name in enumerate(ACCOUNTS):
            sums[index] += getattr(row, name)

    # Calls

    def _check_calls(self) -> None:
        of_calls = _entries().where(ledger_entry.c.call_id.is_not(None))
        entries = groupby(
            self._stream(of_calls.order_by(ledger_entry.c.call_id)), attrgetter("call_id")
        )
        cdrs = self._stream(_cdrs())
        record = next(cdrs, None)
        for call_id, group in entries:
            while record is not None and record.call_id < call_id:
                self._result.tell(record.call_id, "has a CDR, and nothing in the ledger")
                self._count(record)
                record = next(cdrs, None)
            rows = list(group)
            for row in rows:
                self._add(row)
            if record is not None and record.call_id == call_id:
                self._check_settled(rows, record)
                self._count(record)
                record = next(cdrs, None)
            else:
                self._check_open(call_id, rows)
        while record is not None:
            self._result.tell(record.call_id, "has a CDR, and nothing in the ledger")
            self._count(record)
            record = next(cdrs, None)

    def _count(self, record: Row[Any]) -> None:
        self._result.calls += 1
        self._result.billed_s += record.billed_s
        self._billed_by_enterprise[record.enterprise_id] += record.billed_s

    def _check_settled(self, rows: list[Row[Any]], record: Row[Any]) -> None:
        tell = self._result.tell
        held_s = sum(row.reserved_s for row in rows if row.kind != SETTLE)
        consumed: Counter[str] = Counter()
        for row in rows:
            consumed[row.lot_id] += row.consumed_s
        if any(row.enterprise_id != record.enterprise_id for row in rows):
            tell(record.call_id, "the ledger has it under another enterprise")
        if sum(row.reserved_s for row in rows) != 0:
            tell(record.call_id, "holds seconds, and has ended")
        if dict(decode_lots(record.lots)) != {lot: each for lot, each in consumed.items() if each}:
            tell(record.call_id, "the CDR and the ledger name other lots")
        if record.billed_s != consumed.total():
            tell(record.call_id, f"billed {record.billed_s} s, consumed {consumed.total()} s")
        if record.price_micros != sum(row.owed_micros for row in rows):
            tell(record.call_id, "the CDR and the ledger name another price")
        self._check_rating(record, held_s)

    def _check_rating(self, record: Row[Any], held_s: int) -> None:
        tell = self._result.tell
        rated = self._tariffs.get(record.tariff_id)
        connected = record.connected_millis is not None
        if rated is None:
            tell(record.call_id, "there is no such tariff")
        elif record.rated_s != (rated.rate(record.duration_s) if connected else 0):
            tell(record.call_id, f"rated {record.rated_s} s, which the tariff does not say")
        if record.billed_s != min(record.rated_s, held_s):
            tell(record.call_id, f"billed {record.billed_s} s of {record.rated_s} s rated")
        if record.row_duration_s not in (None, record.duration_s):
            tell(record.call_id, "its row says another duration")

    def _check_open(self, call_id: str, rows: list[Row[Any]]) -> None:
        if any(row.kind == SETTLE for row in rows):
            self._result.tell(call_id, "was settled, and has no CDR")
            return
        self._result.open_calls += 1
        state = self._connection.scalar(
            select(table.call.c.state).where(table.call.c.id == call_id)
        )
        if state is None or state == CallState.ENDED.value:
            self._result.tell(call_id, "holds seconds, and does not live")

    # Lots

    def _check_lots(self) -> None:
        consumed_by_enterprise: Counter[str] = Counter()
        columns = [package_lot.c[name] for name in ("id", "enterprise_id", *ACCOUNTS)]
        for lot in self._stream(select(*columns)):
            self._result.lots += 1
            consumed_by_enterprise[lot.enterprise_id] += lot.consumed_s
            sums = self._by_lot.pop(lot.id, [0] * len(ACCOUNTS))
            for name, moved in zip(ACCOUNTS, sums, strict=True):
                balance = getattr(lot, name)
                if balance != moved:
                    self._result.tell(lot.id, f"{name} is {balance}, the ledger moved {moved}")
        for lot_id in self._by_lot:
            self._result.tell(lot_id, "is in the ledger, and there is no such lot")
        for enterprise_id in consumed_by_enterprise | self._billed_by_enterprise:
            billed_s = self._billed_by_enterprise[enterprise_id]
            consumed_s = consumed_by_enterprise[enterprise_id]
            if billed_s != consumed_s:
                self._result.tell(
                    enterprise_id, f"its calls took {billed_s} s, its pool lost {consumed_s} s"
                )


def _entries() -> Select[Any]:
    names = ("kind", "enterprise_id", "lot_id", "call_id", *ACCOUNTS)
    return select(*(ledger_entry.c[name] for name in names))


def _cdrs() -> Select[Any]:
    names = ("call_id", "enterprise_id", "duration_s", "tariff_id", "rated_s", "billed_s")
    return (
        select(
            *(cdr.c[name] for name in names),
            cdr.c.price_micros,
            cdr.c.lots,
            cdr.c.connected_at.label("connected_millis"),
            table.call.c.duration_s.label("row_duration_s"),
        )
        .outerjoin(table.call, table.call.c.id == cdr.c.call_id)
        .order_by(cdr.c.call_id)
    )
