"""Where an enterprise stands: what it did on the way to its first call, and what needs somebody.

Each is a look into an index, and all of them are taken in one transaction.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import Connection, Select, exists, false, func, select

from clicktodial.accounts.scope import require_visible
from clicktodial.control.delivery import DeliveryState
from clicktodial.domain.enterprise import GATHERING, EnterpriseState
from clicktodial.domain.principal import Principal
from clicktodial.domain.ticket import TicketState
from clicktodial.storage import table
from clicktodial.storage.billing_table import package_lot, pool
from clicktodial.storage.ticket_table import ticket
from clicktodial.storage.transaction import Transactions

# So many are counted at most: whoever has more reads "100 and more".
COUNTED_MAX = 100
# What was given up longer ago is history; a busy enterprise has some ten thousand events an hour.
RECENT = timedelta(hours=1)
# Of the minutes that are valid.
LOW_SHARE = 0.2
_application, _event, _lot, _ticket = (
    table.application.c,
    table.call_event.c,
    package_lot.c,
    ticket.c,
)


class Step(StrEnum):
    """What there is to do before the first call, in this order."""

    QUALIFY = "qualify"
    APPLICATION = "application"
    NUMBER = "number"
    MINUTES = "minutes"
    SERVER = "server"
    CALL = "call"


@dataclass(frozen=True, slots=True)
class Matter:
    """Something that needs somebody: how many of it, from 1 to COUNTED_MAX."""

    kind: "MatterKind"
    count: int = 1


class MatterKind(StrEnum):
    """What may need somebody, the worst first."""

    SUSPENDED = "suspended"
    CANCELLING = "cancelling"
    POOL_EMPTY = "pool-empty"
    NOTIFICATIONS_LOST = "notifications-lost"
    NOTIFICATIONS_FAILING = "notifications-failing"
    POOL_LOW = "pool-low"
    TICKETS_WAITING = "tickets-waiting"
    IN_REVIEW = "in-review"


@dataclass(frozen=True, slots=True)
class Standing:
    """`done` are the steps that are done."""

    state: EnterpriseState
    done: frozenset[Step]
    matters: Sequence[Matter]

    @property
    def is_set_up(self) -> bool:
        """Whether nothing is left to do."""
        return len(self.done) == len(Step)


class Standings:
    """Blocking reads. They raise NotFound, also for another's, and DatabaseUnavailable."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    def read(self, principal: Principal, enterprise_id: str, now: datetime) -> Standing:
        """As it is now."""
        with self._transactions.read() as connection:
            row = require_visible(connection, principal, enterprise_id)
            state = EnterpriseState(row.state)
            app_ids = select(_application.app_id).where(_application.enterprise_id == enterprise_id)
            minutes = _read_minutes(connection, enterprise_id, now)
            return Standing(
                state,
                _steps(connection, state, app_ids, has_minutes=minutes is not None),
                _matters(connection, state, app_ids, minutes, enterprise_id=enterprise_id, now=now),
            )


@dataclass(frozen=True, slots=True)
class _Minutes:
    granted_s: int
    available_s: int


def _read_minutes(connection: Connection, enterprise_id: str, now: datetime) -> _Minutes | None:
    """Of the lots that may be drawn on now, overage left out; None without a pool or any lot."""
    query = (
        select(func.sum(_lot.granted_s), func.sum(_lot.available_s))
        .join(pool, pool.c.enterprise_id == _lot.enterprise_id)
        .where(
            _lot.enterprise_id == enterprise_id,
            _lot.is_overage == false(),
            _lot.valid_from <= now,
            _lot.valid_until > now,
        )
    )
    granted_s, available_s = connection.execute(query).one()
    return None if granted_s is None else _Minutes(int(granted_s), int(available_s))


def _steps(
    connection: Connection,
    state: EnterpriseState,
    app_ids: Select[tuple[str]],
    *,
    has_minutes: bool,
) -> frozenset[Step]:
    number = table.application_number.c
    questions: Mapping[Step, Select[tuple[bool]]] = {
        Step.APPLICATION: select(exists(app_ids)),
        Step.NUMBER: select(exists().where(number.app_id.in_(app_ids))),
        Step.SERVER: select(exists(app_ids.where(_application.notify_url.is_not(None)))),
        Step.CALL: select(exists().where(table.call.c.app_id.in_(app_ids))),
    }
    done = {step for step, query in questions.items() if connection.scalar(query)}
    if state not in GATHERING and state is not EnterpriseState.IN_REVIEW:
        done.add(Step.QUALIFY)
    if has_minutes:
        done.add(Step.MINUTES)
    return frozenset(done)


def _matters(
    connection: Connection,
    state: EnterpriseState,
    app_ids: Select[tuple[str]],
    minutes: _Minutes | None,
    *,
    enterprise_id: str,
    now: datetime,
) -> list[Matter]:
    matters = []
    match state:
        case EnterpriseState.SUSPENDED | EnterpriseState.CANCELLING_SUSPENDED:
            matters.append(Matter(MatterKind.SUSPENDED))
        case EnterpriseState.CANCELLING:
            matters.append(Matter(MatterKind.CANCELLING))
        case EnterpriseState.IN_REVIEW:
            matters.append(Matter(MatterKind.IN_REVIEW))
        case _:
            pass
    if minutes is not None:
        if minutes.available_s <= 0:
            matters.append(Matter(MatterKind.POOL_EMPTY))
        elif minutes.available_s < LOW_SHARE * minutes.granted_s:
            matters.append(Matter(MatterKind.POOL_LOW))
    counted = {
        MatterKind.NOTIFICATIONS_LOST: select(_event.seq).where(
            _event.app_id.in_(app_ids),
            _event.occurred_at >= now - RECENT,
            _event.delivery_state == DeliveryState.GIVEN_UP,
        ),
        MatterKind.NOTIFICATIONS_FAILING: select(_event.seq).where(
            table.PENDING_EVENT, _event.app_id.in_(app_ids), _event.attempts > 0
        ),
        MatterKind.TICKETS_WAITING: select(_ticket.id).where(
            _ticket.enterprise_id == enterprise_id, _ticket.state == TicketState.WAITING
        ),
    }
    for kind, query in counted.items():
        # One that an index finds; beyond so many it is of no interest how many more.
        some = query.limit(COUNTED_MAX).subquery()
        count = connection.execute(select(func.count()).select_from(some)).scalar_one()
        if count:
            matters.append(Matter(kind, count))
    order = list(MatterKind)
    return sorted(matters, key=lambda matter: order.index(matter.kind))
