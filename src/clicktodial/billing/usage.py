"""What an enterprise's calls took, day by day: for charts, quickly."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo

from clicktodial.accounts.scope import require_visible
from clicktodial.billing.use import select_use
from clicktodial.domain.principal import Principal
from clicktodial.storage.instant import from_millis
from clicktodial.storage.transaction import Transactions

# A quarter: a bar a day is as much as a chart can show.
DAYS_MAX = 92


@dataclass(slots=True)
class DayUse:
    """What the calls that ended on a day took. `billed_s` includes `overage_s`."""

    day: date
    calls: int = 0
    billed_s: int = 0
    overage_s: int = 0


class DailyUse:
    """Blocking reads; they raise NotFound and DatabaseUnavailable. Any thread may ask."""

    def __init__(self, transactions: Transactions, *, zone: tzinfo = UTC) -> None:
        self._transactions = transactions
        self._zone = zone

    def read(
        self, principal: Principal, enterprise_id: str, now: datetime, *, days: int
    ) -> list[DayUse]:
        """The last so many days of the billing time zone, the oldest first, today included."""
        today = now.astimezone(self._zone).date()
        wanted = [today - timedelta(days=back) for back in range(min(days, DAYS_MAX) - 1, -1, -1)]
        found = {day: DayUse(day) for day in wanted}
        since = datetime.combine(wanted[0], time(), self._zone)
        until = datetime.combine(today + timedelta(days=1), time(), self._zone)
        with self._transactions.read() as connection:
            require_visible(connection, principal, enterprise_id)
            query = select_use(enterprise_id, since, until, self._zone, "at")
            for row in connection.execute(query):
                use = found[from_millis(int(row.name)).astimezone(self._zone).date()]
                # PostgreSQL sums integers up to decimals.
                use.calls += int(row.calls)
                use.billed_s += int(row.billed_s)
                use.overage_s += int(row.overage_s)
        return list(found.values())
