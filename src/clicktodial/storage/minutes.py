"""What of its pool an enterprise's call may hold: one indexed read, which changes nothing."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, tzinfo
from typing import Any, TypeAlias

from sqlalchemy import (
    BigInteger,
    Connection,
    Integer,
    Select,
    String,
    and_,
    bindparam,
    case,
    literal_column,
    or_,
    select,
    type_coerce,
)

from clicktodial.control.error import CapReached, PoolEmpty
from clicktodial.domain.application import Application
from clicktodial.domain.minutes import (
    LOTS_PER_HOLD_MAX,
    CapPeriod,
    CapScope,
    CapUse,
    Charge,
    Hold,
    Lot,
    PoolTerms,
    plan_holds,
)
from clicktodial.domain.wording import worded
from clicktodial.storage.billing_table import (
    cap,
    cap_usage,
    ledger_entry,
    package_lot,
    pool,
    tariff,
)
from clicktodial.storage.charge_writes import (
    SETTLE,
    OpenCharges,
    tariff_of_context,
    tariff_of_row,
)
from clicktodial.storage.database import Database
from clicktodial.storage.instant import to_millis
from clicktodial.storage.statement import Query

# So much conversation is held at begin, and again each time that it runs out: enough that most
# calls never ask for more, and little enough that many can share the rest of a pool.
RESERVE_S = 120
# More than any cap may say, and what is used besides still fits the column.
_UNBOUNDED_S = 10**15
# Every member's, department's or application's: the key of a cap that names no single one.
EVERY = "*"

DepartmentOf: TypeAlias = Callable[[Connection, str, str], str | None]


def no_department(connection: Connection, enterprise_id: str, e164: str) -> str | None:
    """The department of a member, where nobody keeps departments."""
    return None


class SqlMinutes:
    """Implements `control.port.Minutes` on the lots of the database."""

    def __init__(
        self,
        database: Database,
        *,
        reserve_s: int = RESERVE_S,
        zone: tzinfo = UTC,
        department_of: DepartmentOf = no_department,
    ) -> None:
        """`department_of` tells the department of an enterprise's member, by E.164 number."""
        self._reader = database.reader
        dialect = database.engine.dialect
        self._lots = Query(_lots_in_order(), dialect)
        self._caps = Query(_caps_with_use(), dialect)
        self._reserve_s = reserve_s
        self._zone = zone
        self._department_of = department_of

    async def plan(self, application: Application, caller: str, now: datetime) -> Charge | None:
        """See control.port.Minutes."""
        terms = application.pool_terms
        if terms is None:
            return None
        need_s = terms.tariff.rate(max(self._reserve_s, terms.tariff.free_below_s))
        charge = Charge(application.enterprise_id, terms, caller)

        def read(connection: Connection) -> Sequence[Hold]:
            # The CDR tells it, whether a cap asks for it or not.
            charge.department = self._department_of(connection, application.enterprise_id, caller)
            if terms.has_caps:
                charge.caps = self._read_caps(connection, charge, str(application.app_id), now)
            return self._read_holds(connection, charge, need_s, now)

        charge.holds = tuple(await self._reader.run(read))
        _check_smallest(charge)
        return charge

    async def plan_more(self, charge: Charge, now: datetime) -> tuple[Hold, ...]:
        """See control.port.Minutes."""
        tariff_of_call = charge.terms.tariff
        need_s = tariff_of_call.rate(charge.covered_s + self._reserve_s) - charge.held_s

        def read(connection: Connection) -> Sequence[Hold]:
            charge.caps = tuple(_read_anew(connection, use) for use in charge.caps)
            return self._read_holds(connection, charge, need_s, now)

        more = tuple(await self._reader.run(read))
        held_s = charge.held_s + sum(hold.seconds for hold in more)
        # Seconds that make the call no longer are better left to others.
        return more if tariff_of_call.covered_s(held_s) > charge.covered_s else ()

    def _read_holds(
        self, connection: Connection, charge: Charge, need_s: int, now: datetime
    ) -> tuple[Hold, ...]:
        left_s = min((use.left_s for use in charge.caps), default=need_s)
        parameters = {
            "of_enterprise": charge.enterprise_id,
            "at": to_millis(now),
            "most": LOTS_PER_HOLD_MAX,
        }
        rows = self._lots.run(connection, parameters)
        return plan_holds([Lot(*row) for row in rows], min(need_s, left_s))

    def _read_caps(
        self, connection: Connection, charge: Charge, app_id: str, now: datetime
    ) -> tuple[CapUse, ...]:
        keys = {
            CapScope.MEMBER: charge.member,
            CapScope.APPLICATION: app_id,
            # No department is called so: a key has a character at least.
            CapScope.DEPARTMENT: charge.department or "",
        }
        parameters = {f"of_{scope}": key for scope, key in keys.items()}
        parameters |= {f"in_{period}": period.start(now, self._zone) for period in CapPeriod}
        parameters["of_enterprise"] = charge.enterprise_id
        return tuple(
            CapUse(
                cap_id,
                keys[CapScope(scope)],
                parameters[f"in_{period}"],
                limit_s,
                max(limit_s - (used_s or 0), 0),
                CapScope(scope),
            )
            for cap_id, scope, period, limit_s, used_s in self._caps.run(connection, parameters)
            if keys[CapScope(scope)]
        )


def read_pool_terms(connection: Connection, enterprise_id: str) -> PoolTerms | None:
    """How the enterprise is charged; None where it has no pool."""
    query = (
        select(tariff, pool.c.has_caps)
        .join(pool, pool.c.tariff_id == tariff.c.id)
        .where(pool.c.enterprise_id == enterprise_id)
    )
    row = connection.execute(query).first()
    return None if row is None else PoolTerms(row.id, tariff_of_row(row), row.has_caps)


def read_open_charges(connection: Connection, call_ids: Sequence[str]) -> OpenCharges:
    """What these calls hold; none of a call that is free or settled."""
    columns = ledger_entry.c
    query: Select[Any] = (
        select(
            columns.call_id,
            columns.enterprise_id,
            columns.lot_id,
            columns.kind,
            columns.reserved_s,
            columns.context,
            package_lot.c.micros_per_minute,
        )
        .join(package_lot, package_lot.c.id == columns.lot_id)
        .where(columns.call_id.in_(call_ids))
        .order_by(columns.call_id, columns.id)
    )
    rows = connection.execute(query).all()
    settled = {row.call_id for row in rows if row.kind == SETTLE}
    open_rows = [row for row in rows if row.call_id not in settled]
    named = {tariff_of_context(row.context) for row in open_rows if row.context is not None}
    terms = {
        row.id: PoolTerms(row.id, tariff_of_row(row))
        for row in connection.execute(select(tariff).where(tariff.c.id.in_(named)))
    }
    return OpenCharges(open_rows, terms)


def _lots_in_order() -> Select[Any]:
    """The lots that may be drawn on at a time, in the order in which they are."""
    columns = package_lot.c
    at = bindparam("at", type_=BigInteger())
    return (
        select(columns.id, columns.available_s, columns.micros_per_minute)
        .where(
            columns.enterprise_id == bindparam("of_enterprise"),
            type_coerce(columns.valid_until, BigInteger) > at,
            type_coerce(columns.valid_from, BigInteger) <= at,
            columns.available_s > literal_column("0"),
        )
        .order_by(columns.is_overage, columns.valid_until, columns.id)
        .limit(bindparam("most", type_=Integer()))
    )


def _caps_with_use() -> Select[Any]:
    """The caps that bound a call, and what is used of each in its period."""
    key = case(
        *(
            (cap.c.scope == literal_column(f"'{scope}'"), bindparam(f"of_{scope}", type_=String()))
            for scope in CapScope
        ),
    )
    period = case(
        *(
            (
                cap.c.period == literal_column(f"'{period}'"),
                bindparam(f"in_{period}", type_=String()),
            )
            for period in CapPeriod
        ),
    )
    used = cap_usage.c
    return (
        select(cap.c.id, cap.c.scope, cap.c.period, cap.c.limit_s, used.used_s)
        .select_from(cap)
        .outerjoin(cap_usage, and_(used.cap_id == cap.c.id, used.key == key, used.period == period))
        .where(
            cap.c.enterprise_id == bindparam("of_enterprise"),
            or_(cap.c.key == literal_column(f"'{EVERY}'"), cap.c.key == key),
        )
    )


def _check_smallest(charge: Charge) -> None:
    smallest_s = charge.terms.tariff.smallest_charge_s
    if charge.held_s >= smallest_s:
        return
    for use in charge.caps:
        if use.left_s < smallest_s:
            raise CapReached(
                worded(
                    "The %(scope)s's cap of %(limit_s)s s is reached",
                    scope=use.scope,
                    limit_s=use.limit_s,
                )
            )
    raise PoolEmpty


def _read_anew(connection: Connection, use: CapUse) -> CapUse:
    """The cap as it is now: whoever changed it since the call began meant this call too. One that
    was removed bounds nothing, and goes on counting what the call will give back to it."""
    used = cap_usage.c
    counted = and_(used.cap_id == cap.c.id, used.key == use.key, used.period == use.period)
    query = (
        select(cap.c.limit_s, used.used_s)
        .select_from(cap)
        .outerjoin(cap_usage, counted)
        .where(cap.c.id == use.cap_id)
    )
    row = connection.execute(query).first()
    if row is None:
        return use._replace(limit_s=_UNBOUNDED_S, left_s=_UNBOUNDED_S)
    return use._replace(limit_s=row.limit_s, left_s=max(row.limit_s - (row.used_s or 0), 0))
