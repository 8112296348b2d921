"""Events that are to be delivered once more. Blocking, for the command line and for APIs."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import bindparam, select, update

from clicktodial.control.delivery import DeliveryState
from clicktodial.domain.wording import worded
from clicktodial.storage import table
from clicktodial.storage.delivery_row import WAITING
from clicktodial.storage.error import NotFound, ValueInvalid
from clicktodial.storage.event_history import EventPlace, behind
from clicktodial.storage.transaction import Transactions

# Rows that one transaction changes: calls wait for no more than that.
REPLAYED_MAX = 1_000
_columns = table.call_event.c
# What waits is delivered anyhow, and what nobody was to be told is not told later.
_SETTLED = (DeliveryState.GIVEN_UP, DeliveryState.DELIVERED)


@dataclass(frozen=True, slots=True, kw_only=True)
class CallReplay:
    """Events of a call: all of them, or the one of that number."""

    call_id: str
    seq: int | None = None
    with_delivered: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RangeReplay:
    """Events of an application from `after` on, of before `until`."""

    after: EventPlace
    until: datetime
    with_delivered: bool = False


@dataclass(frozen=True, slots=True)
class Replayed:
    """How many wait now; where there are more, `last` is the place to go on from."""

    count: int
    last: EventPlace | None = None


class EventReplays:
    """Makes events wait again, as if never tried. Running nodes take them up as they do any
    administrative change. All raise AdministrationError and DatabaseUnavailable."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    def replay_call(self, replay: CallReplay, *, app_id: str | None = None) -> Replayed:
        """Raises NotFound where there is no such call, or it is another application's."""
        call = table.call.c
        owner = select(call.app_id).where(call.id == replay.call_id)
        states = _states(with_delivered=replay.with_delivered)
        change = (
            update(table.call_event)
            .where(_columns.call_id == replay.call_id, _columns.delivery_state.in_(states))
            .values(WAITING)
        )
        if replay.seq is not None:
            change = change.where(_columns.seq == replay.seq)
        with self._transactions.change() as connection:
            found = connection.scalar(owner)
            if found is None or (app_id is not None and found != app_id):
                raise NotFound(worded("there is no call %(call_id)s", call_id=replay.call_id))
            return Replayed(connection.execute(change).rowcount)

    def replay_range(self, app_id: str, replay: RangeReplay) -> Replayed:
        """At most REPLAYED_MAX, the oldest first."""
        if replay.after.occurred_at >= replay.until:
            raise ValueInvalid("the range ends before it begins")
        states = _states(with_delivered=replay.with_delivered)
        query = (
            behind(select(_columns.occurred_at, _columns.call_id, _columns.seq), replay.after)
            .where(_columns.app_id == app_id, _columns.occurred_at < replay.until)
            .where(_columns.delivery_state.in_(states))
            .limit(REPLAYED_MAX + 1)
        )
        change = (
            update(table.call_event)
            .where(_columns.call_id == bindparam("key_call"), _columns.seq == bindparam("key_seq"))
            .values(WAITING)
        )
        with self._transactions.change() as connection:
            places = [EventPlace(*row) for row in connection.execute(query)]
            now = places[:REPLAYED_MAX]
            if now:
                keys = [{"key_call": place.call_id, "key_seq": place.seq} for place in now]
                connection.execute(change, keys)
        return Replayed(len(now), now[-1] if len(places) > len(now) else None)


def _states(*, with_delivered: bool) -> list[str]:
    return [state.value for state in (_SETTLED if with_delivered else _SETTLED[:1])]
