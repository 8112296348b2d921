"""Pools: what the operator sells, what the enterprise sees of it, and how it may be used."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta, tzinfo
from typing import Any

import msgspec
from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    and_,
    case,
    delete,
    func,
    insert,
    select,
    update,
)

from clicktodial.accounts.scope import require_visible, visible_enterprises
from clicktodial.billing.package import (
    NewPackage,
    PackageKind,
    check_package,
    create_identifier,
    lots_due,
)
from clicktodial.billing.use import select_use
from clicktodial.domain.email import EmailError, parse_email
from clicktodial.domain.enterprise import EnterpriseState
from clicktodial.domain.minutes import CapPeriod, CapScope
from clicktodial.domain.principal import Principal
from clicktodial.domain.rating import Tariff, TariffInvalid
from clicktodial.domain.wording import worded, words_of
from clicktodial.storage import table, value
from clicktodial.storage.billing_table import (
    FOREVER,
    SECOND_ACCOUNTS,
    cap,
    cap_usage,
    ledger_entry,
    package,
    package_lot,
    pool,
    pool_alert,
    tariff,
)
from clicktodial.storage.charge_writes import tariff_of_row
from clicktodial.storage.enterprise_row import read_state
from clicktodial.storage.error import Conflict, NotFound, ValueInvalid
from clicktodial.storage.minutes import EVERY
from clicktodial.storage.transaction import Transactions

GRANT = "grant"
EXPIRE = "expire"

DEFAULT_ALERT_PERCENTS = (80, 90, 100)
# Each is a mail to everybody who is named; more is noise.
ALERT_PERCENTS_MAX = 10
ALERT_EMAILS_MAX = 10
EMAIL_CHARACTERS_MAX = 254  # RFC 5321 4.5.3.1.3
# A read of all of them is one page; whoever has more caps than members has one for every member.
CAPS_MAX = 10_000
PACKAGES_MAX = 1_000
POOLS_PAGE_MAX = 100
CAPS_PAGE_MAX = 100
# What was used lately says how long the rest will last.
FORECAST_WINDOW = timedelta(days=7)
_CURRENCY_LETTERS = 3


@dataclass(frozen=True, slots=True)
class PoolSettings:
    """How an enterprise's calls are charged, and who hears that its minutes run low."""

    tariff: Tariff
    currency: str = "CNY"
    alert_percents: tuple[int, ...] = DEFAULT_ALERT_PERCENTS
    alert_emails: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LotDetail:
    """A lot and its balances. `valid_until` None is for ever."""

    lot_id: str
    package_id: str
    name: str
    period: str
    is_overage: bool
    micros_per_minute: int
    valid_from: datetime
    valid_until: datetime | None
    granted_s: int
    available_s: int
    reserved_s: int
    consumed_s: int
    expired_s: int


@dataclass(frozen=True, slots=True)
class PoolDetail:
    """A pool as its enterprise sees it: sums over the lots that may be drawn on now, overage left
    out, and those lots. `runs_dry_at` None: not at the pace of the last FORECAST_WINDOW."""

    enterprise_id: str
    settings: PoolSettings
    granted_s: int
    available_s: int
    reserved_s: int
    consumed_s: int
    overage_available_s: int
    owed_micros: int
    used_percent: int
    runs_dry_at: datetime | None
    lots: tuple[LotDetail, ...]


@dataclass(frozen=True, slots=True)
class PackageDetail:
    """A package that was sold."""

    package_id: str
    enterprise_id: str
    kind: PackageKind
    name: str
    seconds: int
    price_micros: int
    micros_per_minute: int
    valid_from: datetime
    valid_until: datetime | None
    carry_months: int
    sold_by: str
    created_at: datetime
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class CapDetail:
    """A cap, in seconds of the pool. `key` is a member's number, a department, an application's
    identifier, or `*` for each of them."""

    cap_id: str
    scope: CapScope
    key: str
    period: CapPeriod
    limit_s: int


@dataclass(frozen=True, slots=True)
class CapUse:
    """A cap, and what of it is used in this period, what runs included: by whoever `key` names,
    or, of each of them, by who used most. `reached` is how many have nothing left."""

    cap: CapDetail
    used_s: int
    reached: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolSummary:
    """A pool in a list: sums over the lots that may be drawn on now, overage left out."""

    enterprise_id: str
    enterprise_name: str
    currency: str
    granted_s: int
    available_s: int
    consumed_s: int
    owed_micros: int

    @property
    def used_percent(self) -> int:
        return used_percent(self.granted_s, self.consumed_s)


class Pools:
    """The pools of enterprises. All methods raise AdministrationError and DatabaseUnavailable,
    and then nothing was changed. What `principal` may not see is not found."""

    def __init__(self, transactions: Transactions, *, zone: tzinfo = UTC) -> None:
        self._transactions = transactions
        self._zone = zone

    # The pool

    def set_up(
        self, principal: Principal, enterprise_id: str, settings: PoolSettings, now: datetime
    ) -> None:
        """Give the enterprise a pool, or change how it is charged: calls that run are charged as
        they began. The currency of a pool stays."""
        _check_settings(settings)
        with self._transactions.change() as connection:
            require_enterprise(connection, principal, enterprise_id)
            tariff_id = create_identifier()
            rated = settings.tariff
            connection.execute(
                insert(tariff).values(
                    id=tariff_id,
                    unit_s=rated.unit_s,
                    minimum_s=rated.minimum_s,
                    free_below_s=rated.free_below_s,
                    legs=rated.legs,
                    created_at=now,
                )
            )
            row = find_pool(connection, enterprise_id)
            values = {"tariff_id": tariff_id} | _alert_values(settings)
            if row is None:
                values |= {"enterprise_id": enterprise_id, "currency": settings.currency}
                values |= {"has_caps": False, "created_at": now}
                connection.execute(insert(pool).values(values))
                return
            if row.currency != settings.currency:
                raise ValueInvalid(
                    worded("the pool's currency is %(currency)s, for good", currency=row.currency)
                )
            where = pool.c.enterprise_id == enterprise_id
            connection.execute(update(pool).where(where).values(values))

    def set_alerts(
        self,
        principal: Principal,
        enterprise_id: str,
        *,
        percents: tuple[int, ...],
        emails: tuple[str, ...],
    ) -> None:
        """At which shares of the minutes used whom to tell."""
        _check_alerts(percents, emails)
        values = {
            "alert_percents": _encode(sorted(set(percents))),
            "alert_emails": _encode(emails),
        }
        with self._transactions.change(concerns_calls=False) as connection:
            require_pool(connection, principal, enterprise_id)
            where = pool.c.enterprise_id == enterprise_id
            connection.execute(update(pool).where(where).values(values))

    def show(self, principal: Principal, enterprise_id: str, now: datetime) -> PoolDetail:
        """The pool as it is now."""
        with self._transactions.read() as connection:
            row = require_pool(connection, principal, enterprise_id)
            lots = tuple(_lot_detail(each) for each in _read_lots(connection, enterprise_id, now))
            owed = connection.scalar(
                select(func.sum(package_lot.c.owed_micros)).where(
                    package_lot.c.enterprise_id == enterprise_id
                )
            )
            since = forecast_since(now, self._zone)
            recent_s = _recent_use_s(connection, enterprise_id, since, self._zone)
            settings = _pool_settings(connection, row)
        paid = [lot for lot in lots if not lot.is_overage]
        available_s = sum(lot.available_s for lot in paid)
        granted_s = sum(lot.granted_s for lot in paid)
        consumed_s = sum(lot.consumed_s for lot in paid)
        return PoolDetail(
            enterprise_id=enterprise_id,
            settings=settings,
            granted_s=granted_s,
            available_s=available_s,
            reserved_s=sum(lot.reserved_s for lot in paid),
            consumed_s=consumed_s,
            overage_available_s=sum(lot.available_s for lot in lots if lot.is_overage),
            owed_micros=int(owed or 0),
            used_percent=used_percent(granted_s, consumed_s),
            runs_dry_at=runs_dry_at(available_s, recent_s, now, since=since),
            lots=lots,
        )

    def list_pools(
        self,
        principal: Principal,
        now: datetime,
        *,
        after: str | None = None,
        limit: int = POOLS_PAGE_MAX,
    ) -> list[PoolSummary]:
        """Those that somebody may see, by the enterprise's identifier, beginning behind `after`:
        two questions to the database, however many there are."""
        enterprise = table.enterprise.c
        query = (
            select(pool.c.enterprise_id, pool.c.currency, enterprise.name)
            .join(table.enterprise, enterprise.id == pool.c.enterprise_id)
            .where(visible_enterprises(principal))
            .order_by(pool.c.enterprise_id)
            .limit(min(limit, POOLS_PAGE_MAX))
        )
        if after is not None:
            query = query.where(pool.c.enterprise_id > after)
        with self._transactions.read() as connection:
            rows = connection.execute(query).all()
            sums = _sum_lots(connection, [row.enterprise_id for row in rows], now)
        return [
            PoolSummary(
                enterprise_id=row.enterprise_id,
                enterprise_name=row.name,
                currency=row.currency,
                **sums.get(row.enterprise_id, _NOTHING),
            )
            for row in rows
        ]

    # Packages

    def add_package(
        self, principal: Principal, enterprise_id: str, new: NewPackage, now: datetime
    ) -> PackageDetail:
        """Sell a package; what it grants now is there at once."""
        check_package(new)
        package_id = create_identifier()
        with self._transactions.change(concerns_calls=False) as connection:
            require_pool(connection, principal, enterprise_id)
            if read_state(connection, enterprise_id) is EnterpriseState.CANCELLED:
                raise Conflict("the enterprise is cancelled")
            count = select(func.count()).where(package.c.enterprise_id == enterprise_id)
            if (connection.scalar(count) or 0) >= PACKAGES_MAX:
                raise ValueInvalid(
                    worded("an enterprise has %(most)s packages at most", most=PACKAGES_MAX)
                )
            connection.execute(
                insert(package).values(
                    id=package_id,
                    enterprise_id=enterprise_id,
                    kind=new.kind.value,
                    name=new.name,
                    seconds=new.seconds,
                    price_micros=new.price_micros,
                    micros_per_minute=new.micros_per_minute,
                    valid_from=new.valid_from,
                    valid_until=new.valid_until or FOREVER,
                    carry_months=new.carry_months,
                    sold_by=principal.name,
                    created_at=now,
                )
            )
            row = connection.execute(select(package).where(package.c.id == package_id)).one()
            grant_due(connection, row, now, self._zone)
            return _package_detail(row)

    def end_package(
        self, principal: Principal, enterprise_id: str, package_id: str, now: datetime
    ) -> None:
        """Grant nothing more of it. What a monthly package granted lives out its validity; the
        overage that is left of an overage package is taken back at once."""
        with self._transactions.change(concerns_calls=False) as connection:
            require_pool(connection, principal, enterprise_id)
            where = (package.c.id == package_id) & (package.c.enterprise_id == enterprise_id)
            row = connection.execute(select(package).where(where)).first()
            if row is None or row.ended_at is not None:
                raise NotFound(
                    worded(
                        "there is no package %(package_id)s that could end", package_id=package_id
                    )
                )
            connection.execute(update(package).where(where).values(ended_at=now))
            if row.kind == PackageKind.OVERAGE.value:
                lots = select(package_lot.c.id).where(package_lot.c.package_id == package_id)
                for lot_id in connection.scalars(lots).all():
                    close_lot(connection, lot_id, now)

    def list_packages(self, principal: Principal, enterprise_id: str) -> list[PackageDetail]:
        """All that were sold, the oldest first."""
        query = select(package).where(package.c.enterprise_id == enterprise_id)
        with self._transactions.read() as connection:
            require_pool(connection, principal, enterprise_id)
            rows = connection.execute(query.order_by(package.c.id).limit(PACKAGES_MAX))
            return [_package_detail(row) for row in rows]

    # Caps

    def set_cap(
        self,
        principal: Principal,
        enterprise_id: str,
        *,
        scope: CapScope,
        key: str,
        period: CapPeriod,
        limit_s: int,
    ) -> CapDetail:
        """Let whoever `key` names, or each of them, use so much in a period. Calls that run go on
        until they want more than is left."""
        value.check_range(limit_s, "the cap's seconds", low=1, high=10**9)
        if not 0 < len(key) <= table.IDENTIFIER_CHARACTERS_MAX or not key.isprintable():
            raise ValueInvalid("the cap's key must be 1-64 printable characters")
        same = {"scope": scope.value, "key": key, "period": period.value}
        with self._transactions.change() as connection:
            require_pool(connection, principal, enterprise_id)
            where = cap.c.enterprise_id == enterprise_id
            for name, wanted in same.items():
                where &= cap.c[name] == wanted
            cap_id = connection.scalar(select(cap.c.id).where(where))
            if cap_id is not None:
                connection.execute(update(cap).where(where).values(limit_s=limit_s))
                return CapDetail(cap_id, scope, key, period, limit_s)
            count = select(func.count()).where(cap.c.enterprise_id == enterprise_id)
            if (connection.scalar(count) or 0) >= CAPS_MAX:
                raise ValueInvalid(
                    worded(
                        "an enterprise has %(most)s caps at most; use %(every)s",
                        most=CAPS_MAX,
                        every=EVERY,
                    )
                )
            cap_id = create_identifier()
            row = {"id": cap_id, "enterprise_id": enterprise_id, "limit_s": limit_s} | same
            connection.execute(insert(cap).values(row))
            self._note_caps(connection, enterprise_id, has_caps=True)
            return CapDetail(cap_id, scope, key, period, limit_s)

    def remove_cap(self, principal: Principal, enterprise_id: str, cap_id: str) -> None:
        """Bound nobody by it any more."""
        with self._transactions.change() as connection:
            require_pool(connection, principal, enterprise_id)
            where = (cap.c.id == cap_id) & (cap.c.enterprise_id == enterprise_id)
            if connection.execute(delete(cap).where(where)).rowcount == 0:
                raise NotFound(worded("there is no cap %(cap_id)s", cap_id=cap_id))
            # What was used stays: calls that run give back to it.
            left = select(cap.c.id).where(cap.c.enterprise_id == enterprise_id).limit(1)
            if connection.scalar(left) is None:
                self._note_caps(connection, enterprise_id, has_caps=False)

    def list_caps(self, principal: Principal, enterprise_id: str) -> list[CapDetail]:
        """All caps of the enterprise."""
        query = select(cap).where(cap.c.enterprise_id == enterprise_id).order_by(cap.c.id)
        with self._transactions.read() as connection:
            require_pool(connection, principal, enterprise_id)
            return [
                CapDetail(row.id, CapScope(row.scope), row.key, CapPeriod(row.period), row.limit_s)
                for row in connection.execute(query.limit(CAPS_MAX))
            ]

    def list_cap_uses(
        self,
        principal: Principal,
        enterprise_id: str,
        now: datetime,
        *,
        after: str | None = None,
        limit: int = CAPS_PAGE_MAX,
    ) -> list[CapUse]:
        """Caps with what is used of them, in the order of their making, beginning behind the cap
        `after`."""
        query = select(cap).where(cap.c.enterprise_id == enterprise_id).order_by(cap.c.id)
        if after is not None:
            query = query.where(cap.c.id > after)
        with self._transactions.read() as connection:
            require_pool(connection, principal, enterprise_id)
            rows = connection.execute(query.limit(min(limit, CAPS_PAGE_MAX))).all()
            used = _read_cap_uses(connection, [row.id for row in rows], now, self._zone)
        return [
            CapUse(
                CapDetail(row.id, CapScope(row.scope), row.key, CapPeriod(row.period), row.limit_s),
                *used.get((row.id, row.period), (0, 0)),
            )
            for row in rows
        ]

    def cap_used_s(self, cap_id: str, key: str, now: datetime) -> int:
        """What whoever `key` names has used of a cap in this period, what runs included."""
        with self._transactions.read() as connection:
            period = connection.scalar(select(cap.c.period).where(cap.c.id == cap_id))
            if period is None:
                raise NotFound(worded("there is no cap %(cap_id)s", cap_id=cap_id))
            where = (
                (cap_usage.c.cap_id == cap_id)
                & (cap_usage.c.key == key)
                & (cap_usage.c.period == CapPeriod(period).start(now, self._zone))
            )
            return int(connection.scalar(select(cap_usage.c.used_s).where(where)) or 0)

    @staticmethod
    def _note_caps(connection: Connection, enterprise_id: str, *, has_caps: bool) -> None:
        where = pool.c.enterprise_id == enterprise_id
        connection.execute(update(pool).where(where).values(has_caps=has_caps))


def used_percent(granted_s: int, consumed_s: int) -> int:
    """The share that is used, cut to whole per cent; all of nothing."""
    return 100 if granted_s == 0 else consumed_s * 100 // granted_s


def forecast_since(now: datetime, zone: tzinfo) -> datetime:
    """From when on what was used counts for a forecast: FORECAST_WINDOW ago, from the beginning of
    that day, since sums are of days."""
    day = (now - FORECAST_WINDOW).astimezone(zone).date()
    return datetime.combine(day, time(), zone)


def runs_dry_at(
    available_s: int, recent_s: int, now: datetime, *, since: datetime
) -> datetime | None:
    """When so much is used up at the pace at which `recent_s` were used `since` then; None where
    nothing was used. It knows nothing of weekends, of lots that expire and of those that are still
    to come."""
    if recent_s <= 0:
        return None
    lasts_s = int(available_s * (now - since).total_seconds()) // recent_s
    try:
        return now + timedelta(seconds=lasts_s)
    except OverflowError:
        return None


# What other use cases do within their transaction


def require_enterprise(connection: Connection, principal: Principal, enterprise_id: str) -> None:
    """Raises NotFound where there is none, or it is none of the principal's business."""
    require_visible(connection, principal, enterprise_id)


def require_pool(connection: Connection, principal: Principal, enterprise_id: str) -> Row[Any]:
    """The row of the pool. Raises NotFound as `require_enterprise`, or where it has no pool."""
    require_enterprise(connection, principal, enterprise_id)
    row = find_pool(connection, enterprise_id)
    if row is None:
        raise NotFound(
            worded("enterprise %(enterprise_id)s has no pool", enterprise_id=enterprise_id)
        )
    return row


def find_pool(connection: Connection, enterprise_id: str) -> Row[Any] | None:
    """The row of the pool, locked where the transaction writes."""
    where = pool.c.enterprise_id == enterprise_id
    return connection.execute(select(pool).where(where)).first()


def end_packages(connection: Connection, enterprise_id: str, now: datetime) -> None:
    """Grant nothing more of any package of an enterprise that has come to its end, and let nothing
    more be owed: an accounts.enterprise_change.OnCancelled. What was granted is left, overage too,
    for calls that still run."""
    where = (package.c.enterprise_id == enterprise_id) & package.c.ended_at.is_(None)
    connection.execute(update(package).where(where).values(ended_at=now))


def grant_due(connection: Connection, row: Row[Any], now: datetime, zone: tzinfo) -> int:
    """Grant the lots that the package of this row is to have granted by now, and has not; returns
    how many."""
    spans = lots_due(
        PackageKind(row.kind),
        row.valid_from,
        row.valid_until,
        row.carry_months,
        now=now,
        zone=zone,
    )
    periods = select(package_lot.c.period).where(package_lot.c.package_id == row.id)
    granted = set(connection.scalars(periods))
    due = [span for span in spans if span.period not in granted]
    for span in due:
        lot_id = create_identifier()
        connection.execute(
            insert(package_lot).values(
                id=lot_id,
                package_id=row.id,
                enterprise_id=row.enterprise_id,
                period=span.period,
                is_overage=row.kind == PackageKind.OVERAGE.value,
                micros_per_minute=row.micros_per_minute,
                valid_from=span.valid_from,
                valid_until=span.valid_until,
            )
        )
        connection.execute(
            insert(ledger_entry).values(
                kind=GRANT,
                enterprise_id=row.enterprise_id,
                lot_id=lot_id,
                occurred_at=now,
                granted_s=row.seconds,
                available_s=row.seconds,
                owed_micros=row.price_micros,
                package_micros=row.price_micros,
            )
        )
    if due:
        lock_pool(connection, row.enterprise_id)
        rearm(connection, row.enterprise_id, now)
    return len(due)


def lock_pool(connection: Connection, enterprise_id: str) -> None:
    """Who judges what is used of the pool does so one after the other."""
    where = pool.c.enterprise_id == enterprise_id
    connection.execute(select(pool.c.enterprise_id).where(where).with_for_update())


def counts_for_share(now: datetime) -> ColumnElement[bool]:
    """The lots of which the share that is used is told: those that are valid, overage left out."""
    columns = package_lot.c
    return and_(columns.valid_until > now, columns.valid_from <= now, columns.is_overage.is_(False))


def rearm(connection: Connection, enterprise_id: str, now: datetime) -> None:
    """Let alerts stand no longer of which the share fell short: each is told again when it is
    passed again. Of a grant, in its own transaction: or what was granted and used up between two
    looks would not be told."""
    columns = package_lot.c
    query = select(func.sum(columns.granted_s), func.sum(columns.consumed_s)).where(
        columns.enterprise_id == enterprise_id, counts_for_share(now)
    )
    granted_s, consumed_s = connection.execute(query).one()
    used = used_percent(int(granted_s or 0), int(consumed_s or 0))
    alerts = pool_alert.c
    connection.execute(
        delete(pool_alert).where(alerts.enterprise_id == enterprise_id, alerts.percent > used)
    )


def close_lot(connection: Connection, lot_id: str, now: datetime) -> int:
    """Let what is available of the lot expire; returns how many seconds did. What calls hold of it
    stays theirs, and what they give back expires with the next sweep."""
    columns = package_lot.c
    where = columns.id == lot_id
    row = connection.execute(
        select(columns.enterprise_id, columns.available_s, columns.valid_until)
        .where(where)
        .with_for_update()
    ).one()
    if row.valid_until > now:
        connection.execute(update(package_lot).where(where).values(valid_until=now))
    if row.available_s:
        connection.execute(
            insert(ledger_entry).values(
                kind=EXPIRE,
                enterprise_id=row.enterprise_id,
                lot_id=lot_id,
                occurred_at=now,
                available_s=-row.available_s,
                expired_s=row.available_s,
            )
        )
    return int(row.available_s)


# Rows


_NOTHING = {"granted_s": 0, "available_s": 0, "consumed_s": 0, "owed_micros": 0}


def _sum_lots(
    connection: Connection, enterprise_ids: list[str], now: datetime
) -> dict[str, dict[str, int]]:
    """Of the lots that may be drawn on; what is owed, of all."""
    columns, counts = package_lot.c, counts_for_share(now)
    query = (
        select(
            columns.enterprise_id,
            *(
                func.sum(case((counts, columns[name]), else_=0)).label(name)
                for name in ("granted_s", "available_s", "consumed_s")
            ),
            func.sum(columns.owed_micros).label("owed_micros"),
        )
        .where(columns.enterprise_id.in_(enterprise_ids))
        .group_by(columns.enterprise_id)
    )
    return {
        row.enterprise_id: {name: int(row._mapping[name]) for name in _NOTHING}
        for row in connection.execute(query)
    }


def _read_cap_uses(
    connection: Connection, cap_ids: list[str], now: datetime, zone: tzinfo
) -> dict[tuple[str, str], tuple[int, int]]:
    """The most that is used of caps, and how many used all, by cap and the kind of its period."""
    columns = cap_usage.c
    periods = {each.start(now, zone): each.value for each in CapPeriod}
    query = (
        select(
            columns.cap_id,
            columns.period,
            func.max(columns.used_s).label("used_s"),
            func.count().filter(columns.used_s >= cap.c.limit_s).label("reached"),
        )
        .join(cap, cap.c.id == columns.cap_id)
        .where(columns.cap_id.in_(cap_ids), columns.period.in_(periods))
        .group_by(columns.cap_id, columns.period)
    )
    return {
        (row.cap_id, periods[row.period]): (int(row.used_s), row.reached)
        for row in connection.execute(query)
    }


def _read_lots(connection: Connection, enterprise_id: str, now: datetime) -> Iterable[Row[Any]]:
    columns = package_lot.c
    query = (
        select(package_lot, package.c.name)
        .join(package, package.c.id == columns.package_id)
        .where(
            columns.enterprise_id == enterprise_id,
            columns.valid_until > now,
            columns.valid_from <= now,
        )
        .order_by(columns.is_overage, columns.valid_until, columns.id)
    )
    return connection.execute(query)


def _recent_use_s(connection: Connection, enterprise_id: str, since: datetime, zone: tzinfo) -> int:
    """What of the pool was used, overage left out."""
    use = select_use(enterprise_id, since, FOREVER, zone, "app_id").subquery()
    return int(connection.scalar(select(func.sum(use.c.billed_s - use.c.overage_s))) or 0)


def _lot_detail(row: Row[Any]) -> LotDetail:
    return LotDetail(
        lot_id=row.id,
        package_id=row.package_id,
        name=row.name,
        period=row.period,
        is_overage=row.is_overage,
        micros_per_minute=row.micros_per_minute,
        valid_from=row.valid_from,
        valid_until=_end_or_none(row.valid_until),
        **{name: getattr(row, name) for name in SECOND_ACCOUNTS},
    )


def _package_detail(row: Row[Any]) -> PackageDetail:
    return PackageDetail(
        package_id=row.id,
        enterprise_id=row.enterprise_id,
        kind=PackageKind(row.kind),
        name=row.name,
        seconds=row.seconds,
        price_micros=row.price_micros,
        micros_per_minute=row.micros_per_minute,
        valid_from=row.valid_from,
        valid_until=_end_or_none(row.valid_until),
        carry_months=row.carry_months,
        sold_by=row.sold_by,
        created_at=row.created_at,
        ended_at=row.ended_at,
    )


def _pool_settings(connection: Connection, row: Row[Any]) -> PoolSettings:
    tariff_row = connection.execute(select(tariff).where(tariff.c.id == row.tariff_id)).one()
    return PoolSettings(
        tariff_of_row(tariff_row),
        row.currency,
        decode_percents(row.alert_percents),
        decode_emails(row.alert_emails),
    )


def decode_percents(text: str) -> tuple[int, ...]:
    """The column's thresholds, the lowest first."""
    return tuple(msgspec.json.decode(text, type=list[int]))


def decode_emails(text: str) -> tuple[str, ...]:
    """The column's addresses."""
    return tuple(msgspec.json.decode(text, type=list[str]))


def _encode(values: Iterable[int] | Iterable[str]) -> str:
    return msgspec.json.encode(list(values)).decode()


def _end_or_none(valid_until: datetime) -> datetime | None:
    return None if valid_until >= FOREVER else valid_until


def _alert_values(settings: PoolSettings) -> dict[str, Any]:
    return {
        "alert_percents": _encode(sorted(set(settings.alert_percents))),
        "alert_emails": _encode(settings.alert_emails),
    }


def _check_settings(settings: PoolSettings) -> None:
    currency = settings.currency
    if len(currency) != _CURRENCY_LETTERS or not (currency.isascii() and currency.isupper()):
        raise ValueInvalid("the currency must be three capital letters (ISO 4217)")
    _check_alerts(settings.alert_percents, settings.alert_emails)


def _check_alerts(percents: tuple[int, ...], emails: tuple[str, ...]) -> None:
    if len(percents) > ALERT_PERCENTS_MAX or len(emails) > ALERT_EMAILS_MAX:
        raise ValueInvalid(
            worded(
                "at most %(most)s thresholds and %(mails)s mails",
                most=ALERT_PERCENTS_MAX,
                mails=ALERT_EMAILS_MAX,
            )
        )
    for percent in percents:
        value.check_range(percent, "an alert's per cent", low=1, high=100)
    for email in emails:
        try:
            # As the mail that is sent one day will: that must not fail then.
            parse_email(email)
        except EmailError as error:
            raise ValueInvalid(
                worded("an alert goes to an email address: %(error)s", error=error)
            ) from error


def create_tariff(*, unit_s: int, minimum_s: int, free_below_s: int, legs: int) -> Tariff:
    """A tariff of what somebody typed. Raises ValueInvalid."""
    try:
        return Tariff(unit_s=unit_s, minimum_s=minimum_s, free_below_s=free_below_s, legs=legs)
    except TariffInvalid as error:
        raise ValueInvalid(words_of(error)) from error
