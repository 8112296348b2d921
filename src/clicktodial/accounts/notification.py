"""How the applications' servers take what they are told: what waits, and what was given up."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from heapq import nlargest
from threading import Lock
from typing import NamedTuple

from sqlalchemy import (
    ColumnElement,
    String,
    cast,
    func,
    literal,
    literal_column,
    select,
    update,
)

from clicktodial.control.delivery import DeliveryState
from clicktodial.storage import table
from clicktodial.storage.delivery_row import WAITING
from clicktodial.storage.instant import to_millis
from clicktodial.storage.transaction import Transactions

# Given up within so long is what somebody may still mend; the calls of a day are a range of the
# key, and a day of a busy platform is read in half a second, so what was found is kept for a while.
LOOKED_BACK = timedelta(days=1)
KEPT = timedelta(minutes=1)
# Whoever looks mends the worst ones; the page of so many has some 70 kB.
APPLICATIONS_MAX = 200

_event = table.call_event.c
# Spelled out, so that SQLite finds the index of pending events.
_PENDING: ColumnElement[bool] = literal_column("call_event.delivery_state = 'pending'")
_GIVEN_UP = _event.delivery_state == DeliveryState.GIVEN_UP.value
# The status, and what was said with it: of one event, as it is one text.
_REFUSED = (
    literal("HTTP ")
    + cast(_event.answer_status, String)
    + func.coalesce(literal(": ") + _event.answer_text, "")
)


class _Lost(NamedTuple):
    """How much was given up, why, and what the server answered to some of it."""

    events: int
    last_error: str | None
    refused: str | None


_NONE = _Lost(0, None, None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reached:
    """An application's server. Of what it is told, `waiting` was not delivered yet, of these
    `retried` not at the first attempt, the longest since `since`; `given_up` was within
    LOOKED_BACK, and `last_error` is why one of them, or of those that wait, was not delivered;
    `refused` is what the server answered to one of these, if anything."""

    app_id: str
    name: str
    enterprise_id: str
    notify_url: str | None
    waiting: int = 0
    retried: int = 0
    since: datetime | None = None
    given_up: int = 0
    last_error: str | None = None
    refused: str | None = None

    @property
    def fails(self) -> bool:
        """Whether somebody should look."""
        return bool(self.given_up or self.retried)


class Notifications:
    """Of all applications: for the operator's people. All methods block; they raise
    DatabaseUnavailable."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions
        self._kept: tuple[datetime, dict[str, _Lost]] | None = None
        self._lock = Lock()

    def list_reached(self, now: datetime) -> list[Reached]:
        """Those to which something waits or was given up, the worst first, at most
        APPLICATIONS_MAX."""
        waiting = (
            select(
                _event.app_id,
                func.count().label("waiting"),
                func.count(_event.next_attempt_at).label("retried"),
                func.min(_event.occurred_at).label("since"),
                func.max(_event.last_error).label("last_error"),
                func.max(_REFUSED).label("refused"),
            )
            .where(_PENDING)
            .group_by(_event.app_id)
        )
        columns = table.application.c
        given_up = self._find_given_up(now)
        with self._transactions.read() as connection:
            by_app = {row.app_id: row for row in connection.execute(waiting)}

            def badness(app_id: str) -> tuple[int, int, int, str]:
                row, lost = by_app.get(app_id), given_up.get(app_id, _NONE)[0]
                return (lost, row.retried, row.waiting, app_id) if row else (lost, 0, 0, app_id)

            app_ids = nlargest(APPLICATIONS_MAX, {*by_app, *given_up}, key=badness)
            query = select(columns.app_id, columns.name, columns.enterprise_id, columns.notify_url)
            applications = connection.execute(query.where(columns.app_id.in_(app_ids))).all()
        found = []
        for app in applications:
            row, (lost, error, refused) = by_app.get(app.app_id), given_up.get(app.app_id, _NONE)
            found.append(
                Reached(
                    app_id=app.app_id,
                    name=app.name,
                    enterprise_id=app.enterprise_id,
                    notify_url=app.notify_url,
                    waiting=0 if row is None else row.waiting,
                    retried=0 if row is None else row.retried,
                    since=None if row is None else row.since,
                    given_up=lost,
                    last_error=error if row is None else row.last_error or error,
                    refused=refused if row is None else row.refused or refused,
                )
            )
        return sorted(found, key=lambda each: (-each.given_up, -each.retried, -each.waiting))

    def replay(self, app_id: str, now: datetime) -> int:
        """Make what was given up within LOOKED_BACK wait again, as if never tried; returns how
        many. A running node takes them up as it does any administrative change."""
        change = (
            update(table.call_event)
            .where(_event.call_id >= _first(now), _event.app_id == app_id, _GIVEN_UP)
            .values(WAITING)
        )
        with self._transactions.change() as connection:
            count = connection.execute(change).rowcount
        with self._lock:
            self._kept = None
        return count

    def _find_given_up(self, now: datetime) -> dict[str, _Lost]:
        """By application."""
        with self._lock:
            kept = self._kept
        if kept is not None and now - kept[0] < KEPT:
            return kept[1]
        query = (
            select(_event.app_id, func.count(), func.max(_event.last_error), func.max(_REFUSED))
            .where(_event.call_id >= _first(now), _GIVEN_UP)
            .group_by(_event.app_id)
        )
        with self._transactions.read() as connection:
            found = {
                row[0]: _Lost(int(row[1]), row[2], row[3]) for row in connection.execute(query)
            }
        with self._lock:
            self._kept = (now, found)
        return found


def _first(now: datetime) -> str:
    """No call of the time that is looked back at has a lesser identifier: they begin with the
    milliseconds since 1970 (RFC 9562 5.7)."""
    return f"{to_millis(now - LOOKED_BACK):012x}"
