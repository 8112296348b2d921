"""How much applications call just now."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Select, func, select

from clicktodial.storage import table
from clicktodial.storage.transaction import Transactions

_columns = table.call.c


@dataclass(frozen=True, slots=True)
class Activity:
    """Calls under way, and those that were begun in the last minute and the last hour."""

    live: int = 0
    last_minute: int = 0
    last_hour: int = 0


NO_ACTIVITY = Activity()


class ApplicationActivity:
    """All methods block; they raise DatabaseUnavailable. Who may see an application has been
    looked at."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    def show(self, app_ids: Sequence[str], now: datetime) -> Mapping[str, Activity]:
        """Of each of these."""
        if not app_ids:
            return {}
        of_these = _columns.app_id.in_(app_ids)
        with self._transactions.read() as connection:

            def count(query: Select[Any]) -> dict[str, int]:
                found = connection.execute(query.group_by(_columns.app_id))
                return {row[0]: int(row[1]) for row in found}

            def begun(since: datetime) -> dict[str, int]:
                of_time = _columns.begun_at >= since
                return count(select(_columns.app_id, func.count()).where(of_these, of_time))

            # Not grouped there: by the index of open calls alone, whatever else is kept.
            lives = Counter(connection.scalars(select(_columns.app_id).where(table.OPEN_CALL)))
            minute = begun(now - timedelta(minutes=1))
            hour = begun(now - timedelta(hours=1))
        return {
            app_id: Activity(lives[app_id], minute.get(app_id, 0), hour.get(app_id, 0))
            for app_id in app_ids
        }
