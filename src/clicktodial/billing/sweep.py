"""What time does to pools: months begin, lots expire, thresholds are passed.

Any node does it, as often as it likes: a lot is granted once a month (the database says so), what
has expired is not there to expire again, and an alert stands until the share falls below it.
"""

from datetime import UTC, datetime, tzinfo
from typing import Any

import structlog
from sqlalchemy import Connection, Row, Select, and_, delete, func, insert, select

from clicktodial.billing.package import LotSpan, PackageKind, lots_due
from clicktodial.billing.pool import (
    close_lot,
    decode_emails,
    decode_percents,
    grant_due,
    used_percent,
)
from clicktodial.messaging.mail import queue_mail
from clicktodial.storage.billing_table import package, package_lot, pool, pool_alert
from clicktodial.storage.error import AlreadyExists
from clicktodial.storage.transaction import Transactions

log = structlog.get_logger()


class PoolSweep:
    """Blocking; run from a thread."""

    def __init__(self, transactions: Transactions, *, zone: tzinfo = UTC) -> None:
        self._transactions = transactions
        self._zone = zone

    def run(self, now: datetime) -> None:
        """All of it. Raises DatabaseUnavailable."""
        self.grant(now)
        self.expire(now)
        self.alert(now)

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
        columns = package_lot.c
        query: Select[Any] = (
            select(
                pool.c.enterprise_id,
                pool.c.alert_percents,
                pool.c.alert_emails,
                func.sum(columns.granted_s).label("granted_s"),
                func.sum(columns.consumed_s).label("consumed_s"),
            )
            .join(package_lot, columns.enterprise_id == pool.c.enterprise_id)
            .where(
                columns.valid_until > now,
                columns.valid_from <= now,
                columns.is_overage.is_(False),
            )
            .group_by(pool.c.enterprise_id, pool.c.alert_percents, pool.c.alert_emails)
        )
        with self._transactions.read() as connection:
            rows = connection.execute(query).all()
            stand = select(pool_alert.c.enterprise_id, pool_alert.c.percent)
            raised = {(each.enterprise_id, each.percent) for each in connection.execute(stand)}
        told = 0
        for row in rows:
            told += self._alert_pool(row, raised, now)
        return told

    def _alert_pool(self, row: Row[Any], raised: set[tuple[str, int]], now: datetime) -> int:
        used = used_percent(int(row.granted_s), int(row.consumed_s))
        stand = {percent for name, percent in raised if name == row.enterprise_id}
        due = [each for each in decode_percents(row.alert_percents) if each <= used]
        new = [each for each in due if each not in stand]
        over = [each for each in stand if each > used]
        if not new and not over:
            return 0
        try:
            with self._transactions.change(concerns_calls=False) as connection:
                for percent in over:
                    connection.execute(delete(pool_alert).where(_is(row.enterprise_id, percent)))
                for percent in new:
                    connection.execute(
                        insert(pool_alert).values(
                            enterprise_id=row.enterprise_id, percent=percent, raised_at=now
                        )
                    )
                if new:
                    # One mail, of the highest that was passed.
                    self._mail(connection, row, max(new), now)
        except AlreadyExists:
            return 0  # another node told it
        return len(new)

    def _mail(self, connection: Connection, row: Row[Any], percent: int, now: datetime) -> None:
        log.warning("pool.threshold", enterprise_id=row.enterprise_id, percent=percent)
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


def _is(enterprise_id: str, percent: int) -> Any:
    return and_(pool_alert.c.enterprise_id == enterprise_id, pool_alert.c.percent == percent)
