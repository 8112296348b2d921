"""Work orders: opened, assigned, decided, archived; each step kept with who, when and why.

The functions that take a connection are for the parts that own what an order is about, within
their own transaction. `WorkOrders` is what people work with; a decision made there is carried out
by the handler of its kind, in the decision's transaction.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

import msgspec
import uuid_utils
from sqlalchemy import Connection, Row, Select, func, insert, select, update

from clicktodial.accounts.scope import require_visible, visible_enterprises
from clicktodial.domain.principal import STAFF_ROLES, Principal
from clicktodial.domain.wording import worded, words_of
from clicktodial.domain.work_order import (
    OUTCOMES,
    WorkOrder,
    WorkOrderAction,
    WorkOrderKind,
    WorkOrderState,
    WorkOrderStateError,
    WorkOrderStep,
    may_decide,
    move,
)
from clicktodial.storage import table
from clicktodial.storage.business_table import (
    REASON_CHARACTERS_MAX,
    work_order,
    work_order_step,
)
from clicktodial.storage.error import Conflict, NotFound, NotPermitted, ValueInvalid
from clicktodial.storage.transaction import Transactions

# Details say what is asked for in a few words; what is long belongs to the subject.
DETAILS_MAX = 32
DETAIL_CHARACTERS_MAX = 1_000
# A page of an API, and the one more that tells whether there is another.
WORK_ORDERS_PAGE_MAX = 101
_columns = work_order.c


class WorkOrderHandler(Protocol):
    """Carries decisions out, for the part that owns the subjects of one kind."""

    def on_decided(
        self, connection: Connection, order: WorkOrder, *, by: Principal, now: datetime
    ) -> bool:
        """Within the decision's transaction; whatever it raises undoes the decision. Returns
        whether the order is done with; else its part archives it when its time has come."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkOrderFilter:
    """Which orders; None and an empty set are any."""

    kinds: frozenset[WorkOrderKind] = frozenset()
    states: frozenset[WorkOrderState] = frozenset()
    region: str | None = None
    assignee: str | None = None
    enterprise_id: str | None = None


def open_work_order(
    connection: Connection,
    *,
    kind: WorkOrderKind,
    enterprise_id: str,
    opened_by: str,
    subject_id: str,
    details: dict[str, str],
    now: datetime,
    previous_id: str | None = None,
    assignee: str | None = None,
) -> str:
    """A new order; returns its identifier. `previous_id` names the rejected order that it
    resubmits. Raises ValueInvalid or Conflict."""
    _check_details(details)
    if previous_id is not None:
        _check_previous(connection, previous_id, kind, enterprise_id)
    work_order_id = uuid_utils.uuid7().hex
    row = {
        "id": work_order_id,
        "kind": kind.value,
        "enterprise_id": enterprise_id,
        "subject_id": subject_id,
        "state": WorkOrderState.OPEN.value,
        "assignee": assignee,
        "opened_by": opened_by,
        "opened_at": now,
        "previous_id": previous_id,
        "details": msgspec.json.encode(details).decode(),
    }
    connection.execute(insert(work_order).values(row))
    _append_step(connection, work_order_id, WorkOrderAction.OPEN, by=opened_by, why="", now=now)
    return work_order_id


def decide_work_order(
    connection: Connection,
    work_order_id: str,
    *,
    approved: bool,
    decided_by: str,
    reason: str,
    now: datetime,
    is_done: bool = True,
) -> WorkOrder:
    """Approve or reject an open order, once. A rejection needs a reason.

    It is archived with the decision, unless it is approved and not `is_done`: then
    `archive_work_order` is called when it has been carried out. Raises NotFound, ValueInvalid or
    Conflict; of two that decide at once, one gets Conflict.
    """
    reason = _check_reason(reason, is_required=not approved)
    action = WorkOrderAction.APPROVE if approved else WorkOrderAction.REJECT
    _act(connection, work_order_id, action, by=decided_by, why=reason, now=now)
    if is_done or not approved:
        archive_work_order(connection, work_order_id, by=decided_by, why="", now=now)
    return read_work_order(connection, work_order_id)


def withdraw_work_order(
    connection: Connection, work_order_id: str, *, by: str, why: str, now: datetime
) -> WorkOrder:
    """Take an order back that was not carried out yet, and archive it. Raises NotFound or
    Conflict."""
    why = _check_reason(why, is_required=False)
    _act(connection, work_order_id, WorkOrderAction.WITHDRAW, by=by, why=why, now=now)
    archive_work_order(connection, work_order_id, by=by, why="", now=now)
    return read_work_order(connection, work_order_id)


def archive_work_order(
    connection: Connection, work_order_id: str, *, by: str, why: str, now: datetime
) -> None:
    """Put a decided order away, never to be changed again. Raises NotFound or Conflict."""
    _act(connection, work_order_id, WorkOrderAction.ARCHIVE, by=by, why=why, now=now)


def assign_work_order(
    connection: Connection, work_order_id: str, *, assignee: str, by: str, now: datetime
) -> None:
    """Say whose it is. Raises NotFound or Conflict."""
    _act(connection, work_order_id, WorkOrderAction.ASSIGN, by=by, why=assignee, now=now)
    change = update(work_order).where(_columns.id == work_order_id).values(assignee=assignee)
    connection.execute(change)


def read_work_order(connection: Connection, work_order_id: str) -> WorkOrder:
    """One order. Raises NotFound."""
    row = connection.execute(_query().where(_columns.id == work_order_id)).first()
    if row is None:
        raise NotFound(
            worded("there is no work order %(work_order_id)s", work_order_id=work_order_id)
        )
    return _order_of(row)


def find_live_work_order(
    connection: Connection, *, kind: WorkOrderKind, subject_id: str
) -> WorkOrder | None:
    """The order about that subject that is not archived, or None."""
    query = _query().where(
        _columns.kind == kind.value,
        _columns.subject_id == subject_id,
        _columns.state != WorkOrderState.ARCHIVED.value,
    )
    row = connection.execute(query.order_by(_columns.id).limit(1)).first()
    return None if row is None else _order_of(row)


def find_last_work_order(
    connection: Connection, *, kind: WorkOrderKind, subject_id: str
) -> WorkOrder | None:
    """The newest order about that subject, archived or not, or None."""
    query = _query().where(_columns.kind == kind.value, _columns.subject_id == subject_id)
    row = connection.execute(query.order_by(_columns.id.desc()).limit(1)).first()
    return None if row is None else _order_of(row)


class WorkOrders:
    """What people do with work orders. All methods raise AdministrationError."""

    def __init__(
        self,
        transactions: Transactions,
        handlers: Mapping[WorkOrderKind, WorkOrderHandler],
    ) -> None:
        """An order of a kind without a handler is decided by its own part alone."""
        self._transactions = transactions
        self._handlers = handlers

    def list_orders(
        self,
        principal: Principal,
        which: WorkOrderFilter,
        *,
        after: str | None = None,
        limit: int = WORK_ORDERS_PAGE_MAX,
        is_newest_first: bool = False,
    ) -> list[WorkOrder]:
        """Those that the principal may see, the oldest first unless said otherwise, beginning
        behind `after`. Raises NotFound for an enterprise of another."""
        query = _filtered(which).where(visible_enterprises(principal))
        if after is not None:
            query = query.where(_columns.id < after if is_newest_first else _columns.id > after)
        order = _columns.id.desc() if is_newest_first else _columns.id
        query = query.order_by(order).limit(min(limit, WORK_ORDERS_PAGE_MAX))
        with self._transactions.read() as connection:
            if which.enterprise_id is not None:
                require_visible(connection, principal, which.enterprise_id)
            return [_order_of(row) for row in connection.execute(query)]

    def count_open(self, principal: Principal) -> Mapping[WorkOrderKind, int]:
        """How many of each kind wait for a decision, of those that the principal may see."""
        query = (
            select(_columns.kind, func.count())
            .join(table.enterprise, table.enterprise.c.id == _columns.enterprise_id)
            .where(_columns.state == WorkOrderState.OPEN.value, visible_enterprises(principal))
            .group_by(_columns.kind)
        )
        with self._transactions.read() as connection:
            return {WorkOrderKind(kind): count for kind, count in connection.execute(query)}

    def show(
        self, principal: Principal, work_order_id: str
    ) -> tuple[WorkOrder, Sequence[WorkOrderStep]]:
        """One order and all that was done with it."""
        with self._transactions.read() as connection:
            order = _require_visible(connection, principal, work_order_id)
            return order, read_steps(connection, work_order_id)

    def assign(
        self, principal: Principal, work_order_id: str, *, assignee: str, now: datetime
    ) -> WorkOrder:
        """Give it to somebody, or take it on."""
        _require_staff(principal)
        if not 0 < len(assignee) <= table.IDENTIFIER_CHARACTERS_MAX:
            raise ValueInvalid("the assignee is a user's identifier")
        with self._transactions.change(concerns_calls=False) as connection:
            _require_visible(connection, principal, work_order_id)
            assign_work_order(
                connection, work_order_id, assignee=assignee, by=principal.name, now=now
            )
            return read_work_order(connection, work_order_id)

    def decide(
        self,
        principal: Principal,
        work_order_id: str,
        *,
        approved: bool,
        reason: str,
        now: datetime,
    ) -> WorkOrder:
        """Approve or reject it, and have that carried out; both or neither."""
        _require_staff(principal)
        with self._transactions.change() as connection:
            known = _require_visible(connection, principal, work_order_id)
            if not may_decide(known, by=principal.name, roles=principal.roles):
                raise NotPermitted(worded("a %(kind)s is not yours to decide", kind=known.kind))
            handler = self._handlers.get(known.kind)
            if handler is None:
                raise Conflict(
                    worded("a %(kind)s is decided where it was asked for", kind=known.kind)
                )
            order = decide_work_order(
                connection,
                work_order_id,
                approved=approved,
                decided_by=principal.name,
                reason=reason,
                now=now,
                is_done=False,
            )
            is_done = handler.on_decided(connection, order, by=principal, now=now)
            if is_done and approved:
                archive_work_order(connection, work_order_id, by=principal.name, why="", now=now)
            return read_work_order(connection, work_order_id)


def read_steps(connection: Connection, work_order_id: str) -> list[WorkOrderStep]:
    """The history of an order, from its opening on."""
    columns = work_order_step.c
    query = select(work_order_step).where(columns.work_order_id == work_order_id)
    return [
        WorkOrderStep(row.seq, WorkOrderAction(row.action), row.at, row.by, row.why)
        for row in connection.execute(query.order_by(columns.seq))
    ]


def _act(
    connection: Connection,
    work_order_id: str,
    action: WorkOrderAction,
    *,
    by: str,
    why: str,
    now: datetime,
) -> None:
    query = select(_columns.state).where(_columns.id == work_order_id)
    found = connection.scalar(query)
    if found is None:
        raise NotFound(
            worded("there is no work order %(work_order_id)s", work_order_id=work_order_id)
        )
    state = WorkOrderState(found)
    try:
        following = move(state, action)
    except WorkOrderStateError as error:
        raise Conflict(words_of(error)) from error
    values = _changes(following, by, why, now) if following is not state else {}
    change = (
        update(work_order)
        .where(_columns.id == work_order_id, _columns.state == state.value)
        .values(state=following.value, **values)
    )
    if connection.execute(change).rowcount == 0:
        raise Conflict("somebody else was quicker")
    _append_step(connection, work_order_id, action, by=by, why=why, now=now)


def _changes(following: WorkOrderState, by: str, why: str, now: datetime) -> dict[str, Any]:
    if following in OUTCOMES:
        return {"outcome": following.value, "decided_by": by, "decided_at": now, "reason": why}
    return {"archived_at": now}


def _append_step(
    connection: Connection,
    work_order_id: str,
    action: WorkOrderAction,
    *,
    by: str,
    why: str,
    now: datetime,
) -> None:
    columns = work_order_step.c
    last = select(func.max(columns.seq)).where(columns.work_order_id == work_order_id)
    row = {
        "work_order_id": work_order_id,
        "seq": (connection.scalar(last) or 0) + 1,
        "action": action.value,
        "at": now,
        "by": by,
        "why": why,
    }
    connection.execute(insert(work_order_step).values(row))


def _check_previous(
    connection: Connection, previous_id: str, kind: WorkOrderKind, enterprise_id: str
) -> None:
    previous = read_work_order(connection, previous_id)
    if previous.kind is not kind or previous.enterprise_id != enterprise_id:
        raise ValueInvalid("the order before is about something else")
    if previous.outcome is not WorkOrderState.REJECTED:
        raise Conflict("only what was rejected is resubmitted")
    if connection.scalar(select(_columns.id).where(_columns.previous_id == previous_id)):
        raise Conflict("it was resubmitted already")


def _check_details(details: dict[str, str]) -> None:
    if len(details) > DETAILS_MAX or any(
        len(text) > DETAIL_CHARACTERS_MAX for pair in details.items() for text in pair
    ):
        raise ValueInvalid("the details of a work order are too long")


def _check_reason(reason: str, *, is_required: bool) -> str:
    reason = reason.strip()
    if is_required and not reason:
        raise ValueInvalid("a rejection needs a reason")
    if len(reason) > REASON_CHARACTERS_MAX:
        raise ValueInvalid(
            worded("the reason has at most %(most)s characters", most=REASON_CHARACTERS_MAX)
        )
    return reason


def _require_staff(principal: Principal) -> None:
    if principal.enterprise_id is not None or not principal.has_any(STAFF_ROLES):
        raise NotPermitted("work orders are worked on by the operator's people")


def _require_visible(connection: Connection, principal: Principal, work_order_id: str) -> WorkOrder:
    order = read_work_order(connection, work_order_id)
    if not principal.may_see_enterprise(order.enterprise_id, order.region):
        raise NotFound(
            worded("there is no work order %(work_order_id)s", work_order_id=work_order_id)
        )
    return order


def _query() -> Select[Any]:
    return select(work_order, table.enterprise.c.region).join(
        table.enterprise, table.enterprise.c.id == _columns.enterprise_id
    )


def _filtered(which: WorkOrderFilter) -> Select[Any]:
    query = _query()
    if which.kinds:
        query = query.where(_columns.kind.in_(sorted(which.kinds)))
    if which.states:
        query = query.where(_columns.state.in_(sorted(which.states)))
    if which.region is not None:
        query = query.where(table.enterprise.c.region == which.region)
    if which.assignee is not None:
        query = query.where(_columns.assignee == which.assignee)
    if which.enterprise_id is not None:
        query = query.where(_columns.enterprise_id == which.enterprise_id)
    return query


def _order_of(row: Row[Any]) -> WorkOrder:
    return WorkOrder(
        work_order_id=row.id,
        kind=WorkOrderKind(row.kind),
        enterprise_id=row.enterprise_id,
        region=row.region,
        subject_id=row.subject_id,
        state=WorkOrderState(row.state),
        outcome=None if row.outcome is None else WorkOrderState(row.outcome),
        assignee=row.assignee,
        opened_by=row.opened_by,
        opened_at=row.opened_at,
        decided_by=row.decided_by,
        decided_at=row.decided_at,
        reason=row.reason,
        archived_at=row.archived_at,
        previous_id=row.previous_id,
        details=msgspec.json.decode(row.details, type=dict[str, str]),
    )
