"""What time does to pools: months begin, lots expire, thresholds are passed.

Any node does it, as often as it likes: a lot is granted once a month (the database says so), what
has expired is not there to expire again, and an alert stands until the share falls below it.
Who is to be told of it is written down in the transaction in which it begins to stand, in which
the share is read as well: so each passing is told once, whatever other nodes and calls do then.
"""

from datetime import UTC, datetime, tzinfo
from typing import Any

import structlog
from sqlalchemy import Connection, Row, Select, and_, func, insert, select

from clicktodial.billing.package import LotSpan, PackageKind, lots_due
from clicktodial.billing.pool import (
    close_lot,
    counts_for_share,
    decode_emails,
    decode_percents,
    grant_due,
    lock_pool,
    rearm,
    used_percent,
)
from clicktodial.messaging.mail import queue_mail
from clicktodial.storage.billing_table import package, package_lot, pool, pool_alert
from clicktodial.storage.error import AlreadyExists
from clicktodial.storage.pool_notice import queue_notices
from clicktodial.storage.transaction import Transactions

log = structlog.get_logger()


class PoolSweep:
    """Blocking; run from a thread."""

    def __init__(self, transactions: Transactions, *, zone: tzinfo = UTC) -> None:
        self._transactions = transactions
        self._zone = zone

    def run(self, now: datetime) -> int:
        """All of it; returns how many thresholds were passed. Raises DatabaseUnavailable."""
        self.grant(now)
        self.expire(now)
        return self.alert(now)

    def grant(self, now: datetime) -> int:
        """Grant what monthly packages are to have granted; returns how many lots."""
        where = and_(
            package.c.kind == PackageKind.MONTHLY.value,
            package.c.ended_at.is_(None),
            package.c.valid_until > now,
        )
        columns = package_lot.c
        live = select(columns.package_id, columns.period).where(columns.valid_until > now)
        with self._transactions.read() as connection:
            rows = connection.execute(select(package).where(where)).all()
            granted = {(row.package_id, row.period) for row in connection.execute(live)}
        return sum(
            self._grant_package(row, now)
            for row in rows
            # Else there is nothing to write, and no lock to take.
            if any((row.id, span.period) not in granted for span in self._due(row, now))
        )

    def _due(self, row: Row[Any], now: datetime) -> list[LotSpan]:
        kind = PackageKind(row.kind)
        return lots_due(
            kind, row.valid_from, row.valid_until, row.carry_months, now=now, zone=self._zone
        )

    def _grant_package(self, row: Row[Any], now: datetime) -> int:
        try:
            with self._transactions.change(concerns_calls=False) as connection:
                return grant_due(connection, row, now, self._zone)
        except AlreadyExists:
            return 0  # another node was quicker

    def expire(self, now: datetime) -> int:
        """Let expire what is left of lots that are over; returns how many seconds."""
        columns = package_lot.c
        query = select(columns.id).where(columns.valid_until <= now, columns.available_s > 0)
        with self._transactions.read() as connection:
            lot_ids = connection.scalars(query).all()
        expired_s = 0
        for lot_id in lot_ids:
            with self._transactions.change(concerns_calls=False) as connection:
                expired_s += close_lot(connection, lot_id, now)
        if expired_s:
            log.info("pool.expired", lots=len(lot_ids), seconds=expired_s)
        return expired_s

    def alert(self, now: datetime) -> int:
        """Tell who wants to know of each threshold that was passed; returns how many were."""
        with self._transactions.read() as connection:
            rows = connection.execute(_shares(now)).all()
            stand = _standing(connection)
        return sum(
            self._alert_pool(row.enterprise_id, now)
            for row in rows
            # Else there is nothing to write, and no lock to take.
            if _differs(row, stand.get(row.enterprise_id, set()))
        )

    def _alert_pool(self, enterprise_id: str, now: datetime) -> int:
        with self._transactions.change(concerns_calls=False) as connection:
            # Nobody else judges this pool meanwhile.
            lock_pool(connection, enterprise_id)
            query = _shares(now).where(pool.c.enterprise_id == enterprise_id)
            row = connection.execute(query).first()
            if row is None:
                return 0
            rearm(connection, enterprise_id, now)
            stand = _standing(connection, enterprise_id).get(enterprise_id, set())
            new = [each for each in _due(row) if each not in stand]
            for percent in new:
                connection.execute(
                    insert(pool_alert).values(
                        enterprise_id=enterprise_id, percent=percent, raised_at=now
                    )
                )
            if new:
                self._tell(connection, row, new, now)
        return len(new)

    def _tell(
        self, connection: Connection, row: Row[Any], percents: list[int], now: datetime
    ) -> None:
        enterprise_id, highest = row.enterprise_id, max(percents)
        log.warning("pool.threshold", enterprise_id=enterprise_id, percent=highest)
        # One mail, of the highest that was passed; programs are told of each.
        _mail(connection, row, highest, now)
        queue_notices(
            connection,
            enterprise_id,
            percents,
            used_percent=used_percent(int(row.granted_s), int(row.consumed_s)),
            granted_s=int(row.granted_s),
            used_s=int(row.consumed_s),
            now=now,
        )


def _shares(now: datetime) -> Select[Any]:
    """What is used of each pool that has minutes now."""
    columns = package_lot.c
    return (
        select(
            pool.c.enterprise_id,
            pool.c.alert_percents,
            pool.c.alert_emails,
            func.sum(columns.granted_s).label("granted_s"),
            func.sum(columns.consumed_s).label("consumed_s"),
        )
        .join(package_lot, columns.enterprise_id == pool.c.enterprise_id)
        .where(counts_for_share(now))
        .group_by(pool.c.enterprise_id, pool.c.alert_percents, pool.c.alert_emails)
    )


def _standing(connection: Connection, enterprise_id: str | None = None) -> dict[str, set[int]]:
    query = select(pool_alert.c.enterprise_id, pool_alert.c.percent)
    if enterprise_id is not None:
        query = query.where(pool_alert.c.enterprise_id == enterprise_id)
    stand: dict[str, set[int]] = {}
    for row in connection.execute(query):
        stand.setdefault(row.enterprise_id, set()).add(row.percent)
    return stand


def _due(row: Row[Any]) -> list[int]:
    used = used_percent(int(row.granted_s), int(row.consumed_s))
    return [each for each in decode_percents(row.alert_percents) if each <= used]


def _differs(row: Row[Any], stand: set[int]) -> bool:
    used = used_percent(int(row.granted_s), int(row.consumed_s))
    return any(each not in stand for each in _due(row)) or any(each > used for each in stand)


def _mail(connection: Connection, row: Row[Any], percent: int, now: datetime) -> None:
    left_s = int(row.granted_s) - int(row.consumed_s)
    for email in decode_emails(row.alert_emails):
        queue_mail(
            connection,
            to=email,
            subject=f"{percent} % of the minutes of {row.enterprise_id} are used",
            text=(
                f"{percent} % of the minutes in the packages of enterprise "
                f"{row.enterprise_id} are used.\n"
                f"{left_s // 60} minutes are left; when they are used up, calls are refused "
                "unless overage is agreed.\n"
            ),
            now=now,
        )
