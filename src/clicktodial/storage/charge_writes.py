"""What a call adds to the transactions of its row: holding, extending and settling, its CDR.

Beginning adds one statement to the call's first transaction: the rows of the ledger that move
what is held from available to reserved, which the database refuses where that is not there.
Ending adds two: the rows that move what is held to consumed and back to available, and the CDR,
which is copied of the call's row within the database. Each row that settles is written only where
the call holds exactly as much of that lot as the row gives back, and the CDR only once: so that
whatever two processes think of a call, it is settled once and whole. Caps add one each.

A call that is not charged adds one statement at its end, the CDR, for which the database looks up
everything itself.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Dialect,
    Integer,
    Row,
    Text,
    bindparam,
    func,
    insert,
    literal_column,
    null,
    select,
    update,
)

from clicktodial.domain.call import CallState
from clicktodial.domain.identifier import CallId
from clicktodial.domain.minutes import (
    CapScope,
    CapUse,
    Charge,
    Charging,
    Hold,
    PoolTerms,
    Take,
    merge_holds,
    take,
)
from clicktodial.domain.rating import Tariff
from clicktodial.storage import table
from clicktodial.storage.billing_table import ACCOUNTS, CALL_COLUMNS, cap_usage, cdr, ledger_entry
from clicktodial.storage.instant import to_millis
from clicktodial.storage.statement import (
    Parameters,
    Statement,
    compile_statement,
    dialect_insert,
)
from clicktodial.storage.writer import Write

RESERVE = "reserve"
EXTEND = "extend"
SETTLE = "settle"

_ENTRY_COLUMNS = (
    "kind",
    "enterprise_id",
    "lot_id",
    "call_id",
    "occurred_at",
    *ACCOUNTS,
    "context",
)
_CDR_COLUMNS = (
    "enterprise_id",
    "member",
    "department",
    "tariff_id",
    "legs_counted",
    "rated_s",
    "billed_s",
    "overage_s",
    "price_micros",
    "lots",
    "charging",
)
_LOTS = msgspec.json.Decoder(list[tuple[str, int]])


class _Context(msgspec.Struct, frozen=True, array_like=True):
    """What a call is settled by, kept with what it holds for whoever has to settle it."""

    tariff_id: str
    member: str
    department: str | None
    caps: list[tuple[str, str, str, int, str]] = []


_CONTEXT = msgspec.json.Decoder(_Context)


class Settlement(NamedTuple):
    """What a call that ended costs."""

    rated_s: int
    billed_s: int
    takes: tuple[Take, ...]

    @property
    def price_micros(self) -> int:
        return sum(each.price_micros for each in self.takes)


def settle(charge: Charge, duration_s: int, *, connected: bool) -> Settlement:
    """Rate the call and take it of what is held."""
    billed_s = charge.billed_s(duration_s, connected=connected)
    rated_s = charge.rated_s(duration_s, connected=connected)
    return Settlement(rated_s, billed_s, take(charge.holds, billed_s))


class ChargeWrites:
    """The statements, compiled once."""

    def __init__(self, dialect: Dialect) -> None:
        self._insert_entry = compile_statement(
            insert(ledger_entry), dialect, _ENTRY_COLUMNS, rank=5
        )
        self._settle_entry = _compile_settle(dialect)
        self._insert_cdr = _compile_cdr(dialect)
        self._insert_free_cdr = _compile_free_cdr(dialect)
        self._count_cap = _compile_cap_count(dialect)
        self._return_cap = _compile_cap_return(dialect)
        self._touch_call = _compile_touch(dialect)

    def reserve(self, call_id: CallId, charge: Charge, now: datetime) -> list[Write]:
        """Hold what the charge says, in the transaction that makes the call's row."""
        context: str | None = _encode_context(charge)
        writes: list[Write] = []
        for hold in charge.holds:
            writes.append(self._entry(RESERVE, call_id, charge, hold, context, now))
            context = None
        return [*writes, *self._cap_counts(charge.caps, charge.held_s)]

    def extend(
        self, call_id: CallId, charge: Charge, more: Sequence[Hold], now: datetime
    ) -> list[Write]:
        """Hold more, of a call that is not over in the database either."""
        seconds = sum(hold.seconds for hold in more)
        return [
            (self._touch_call, (call_id, CallState.CONNECTED.value)),
            *(self._entry(EXTEND, call_id, charge, hold, None, now) for hold in more),
            *self._cap_counts(charge.caps, seconds),
        ]

    def settle(
        self, call_id: CallId, charge: Charge, settlement: Settlement, now: datetime
    ) -> list[Write]:
        """Give back all that is held, but for what was taken, and write the CDR; in the
        transaction that ends the call, after its row has changed."""
        writes: list[Write] = [
            (self._settle_entry, _settle_parameters(call_id, charge, each, now))
            for each in settlement.takes
        ]
        writes.append((self._insert_cdr, _cdr_parameters(call_id, charge, settlement)))
        released_s = charge.held_s - settlement.billed_s
        if released_s:
            writes.extend(
                (self._return_cap, (released_s, use.cap_id, use.key, use.period))
                for use in charge.caps
            )
        return writes

    def note_free(self, call_id: CallId) -> Write:
        """The CDR of a call that is not charged; in the transaction that ends the call."""
        return self._insert_free_cdr, (call_id,)

    def _entry(
        self,
        kind: str,
        call_id: CallId,
        charge: Charge,
        hold: Hold,
        context: str | None,
        now: datetime,
    ) -> Write:
        seconds = hold.seconds
        parameters = (
            *(kind, charge.enterprise_id, hold.lot_id, call_id, to_millis(now)),
            *(0, -seconds, seconds, 0, 0, 0, 0, 0),
            context,
        )
        return self._insert_entry, parameters

    def _cap_counts(self, caps: Iterable[CapUse], seconds: int) -> list[Write]:
        return [
            (self._count_cap, (use.cap_id, use.key, use.period, seconds, use.limit_s))
            for use in caps
        ]


class OpenCharges:
    """What the ledger says that calls hold, for whoever has to end them."""

    def __init__(self, rows: Iterable[Row[Any]], terms: dict[str, PoolTerms]) -> None:
        """`rows` are those of the ledger that hold, in its order; `terms` by tariff."""
        self._by_call: dict[str, Charge] = {}
        for row in rows:
            hold = Hold(row.lot_id, row.reserved_s, row.micros_per_minute)
            charge = self._by_call.get(row.call_id)
            if charge is None:
                charge = _decode_charge(row.enterprise_id, row.context, terms)
                self._by_call[row.call_id] = charge
            charge.holds = merge_holds([*charge.holds, hold])

    def find(self, call_id: str) -> Charge | None:
        return self._by_call.get(call_id)


def tariff_of_context(context: str) -> str:
    """The identifier of the tariff that a row which holds names."""
    return _CONTEXT.decode(context).tariff_id


def tariff_of_row(row: Row[Any]) -> Tariff:
    """The tariff of a row of `tariff`."""
    return Tariff(
        unit_s=row.unit_s,
        minimum_s=row.minimum_s,
        free_below_s=row.free_below_s,
        legs=row.legs,
    )


def decode_lots(lots: str) -> list[tuple[str, int]]:
    """Which lots a call took how many seconds of, as its CDR says."""
    return _LOTS.decode(lots)


def _encode_context(charge: Charge) -> str:
    context = _Context(
        charge.terms.tariff_id,
        charge.member,
        charge.department,
        [(use.cap_id, use.key, use.period, use.limit_s, use.scope.value) for use in charge.caps],
    )
    return msgspec.json.encode(context).decode()


def _decode_charge(enterprise_id: str, context: str | None, terms: dict[str, PoolTerms]) -> Charge:
    # The first row of a call bears it: they are written together.
    assert context is not None
    known = _CONTEXT.decode(context)
    caps = tuple(
        CapUse(cap_id, key, period, limit_s, 0, CapScope(scope))
        for cap_id, key, period, limit_s, scope in known.caps
    )
    return Charge(enterprise_id, terms[known.tariff_id], known.member, known.department, caps=caps)


def _settle_parameters(call_id: CallId, charge: Charge, each: Take, now: datetime) -> Parameters:
    return (
        *(SETTLE, charge.enterprise_id, each.lot_id, call_id, to_millis(now)),
        *(0, each.released_s, -each.held_s, each.taken_s, 0),
        *(each.price_micros, 0, each.price_micros),
        None,
        *(call_id, each.lot_id, each.held_s),
    )


def _cdr_parameters(call_id: CallId, charge: Charge, settlement: Settlement) -> Parameters:
    micros_of = {hold.lot_id: hold.micros_per_minute for hold in charge.holds}
    overage_s = sum(each.taken_s for each in settlement.takes if micros_of[each.lot_id])
    lots = [(each.lot_id, each.taken_s) for each in settlement.takes if each.taken_s]
    return (
        charge.enterprise_id,
        charge.member,
        charge.department,
        charge.terms.tariff_id,
        charge.terms.tariff.legs,
        settlement.rated_s,
        settlement.billed_s,
        overage_s,
        settlement.price_micros,
        msgspec.json.encode(lots).decode(),
        Charging.RATED.value,
        call_id,
    )


def _typed(name: str, column: Column[Any]) -> Any:
    # Of the plain type underneath: the parameters are what the driver takes.
    if isinstance(column.type, Integer | BigInteger):
        return bindparam(name, type_=column.type)
    if name.endswith("_at"):
        return bindparam(name, type_=BigInteger())
    return bindparam(name, type_=Text())


def _compile_settle(dialect: Dialect) -> Statement:
    held = (
        select(func.sum(ledger_entry.c.reserved_s))
        .where(
            ledger_entry.c.call_id == bindparam("held_call"),
            ledger_entry.c.lot_id == bindparam("held_lot"),
        )
        .scalar_subquery()
    )
    values = select(*(_typed(name, ledger_entry.c[name]) for name in _ENTRY_COLUMNS)).where(
        held == bindparam("held_s", type_=BigInteger())
    )
    statement = insert(ledger_entry).from_select(list(_ENTRY_COLUMNS), values)
    return compile_statement(
        statement, dialect, [*_ENTRY_COLUMNS, "held_call", "held_lot", "held_s"], rank=6
    )


def _compile_cdr(dialect: Dialect) -> Statement:
    values = select(
        table.call.c.id,
        *(table.call.c[name] for name in CALL_COLUMNS),
        *(_typed(name, cdr.c[name]) for name in _CDR_COLUMNS),
    ).where(table.call.c.id == bindparam("of_call"))
    statement = insert(cdr).from_select(["call_id", *CALL_COLUMNS, *_CDR_COLUMNS], values)
    return compile_statement(statement, dialect, [*_CDR_COLUMNS, "of_call"], rank=7)


def _compile_free_cdr(dialect: Dialect) -> Statement:
    calls, applications = table.call.c, table.application.c
    # An application is never removed. Were one, its call must end all the same.
    enterprise_id = (
        select(applications.enterprise_id)
        .where(applications.app_id == calls.app_id)
        .scalar_subquery()
    )
    constants: dict[str, Any] = {
        "enterprise_id": func.coalesce(enterprise_id, literal_column("''")),
        "member": calls.caller_e164,
        "department": null(),
        "tariff_id": literal_column("''"),
        "lots": literal_column("'[]'"),
        "charging": literal_column(f"'{Charging.NOT_CHARGED}'"),
    }
    nothing: ColumnElement[Any] = literal_column("0")
    values = select(
        calls.id,
        *(calls[name] for name in CALL_COLUMNS),
        *(constants.get(name, nothing) for name in _CDR_COLUMNS),
    ).where(calls.id == bindparam("of_call"))
    statement = insert(cdr).from_select(["call_id", *CALL_COLUMNS, *_CDR_COLUMNS], values)
    return compile_statement(statement, dialect, ["of_call"], rank=7)


def _compile_cap_count(dialect: Dialect) -> Statement:
    statement = dialect_insert(cap_usage, dialect)
    new, old = statement.excluded, cap_usage.c
    statement = statement.on_conflict_do_update(
        index_elements=["cap_id", "key", "period"],
        set_={"used_s": old.used_s + new.used_s, "limit_s": new.limit_s},
        where=old.used_s + new.used_s <= new.limit_s,
    )
    return compile_statement(
        statement, dialect, ["cap_id", "key", "period", "used_s", "limit_s"], rank=5
    )


def _compile_cap_return(dialect: Dialect) -> Statement:
    statement = (
        update(cap_usage)
        .where(
            cap_usage.c.cap_id == bindparam("of_cap"),
            cap_usage.c.key == bindparam("of_key"),
            cap_usage.c.period == bindparam("of_period"),
        )
        .values(used_s=cap_usage.c.used_s - bindparam("released_s", type_=BigInteger()))
    )
    return compile_statement(
        statement, dialect, ["released_s", "of_cap", "of_key", "of_period"], rank=6
    )


def _compile_touch(dialect: Dialect) -> Statement:
    # Locks the row, so that who ends the call meanwhile waits, and then sees what is held.
    statement = (
        update(table.call)
        .where(table.call.c.id == bindparam("of_call"), table.call.c.state == bindparam("live"))
        .values(duration_s=table.call.c.duration_s)
    )
    return compile_statement(statement, dialect, ["of_call", "live"], rank=1)
