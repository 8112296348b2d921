"""What is asked for of an enterprise's service: modification, suspension, resumption,
cancellation. click-to-dial-v1 2, 3.

Each request has a work order. What is approved is carried out at once, or on its day by
`carry_out_due`; what then cannot be done any more is void, and its order says why.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, TypeAlias

import msgspec
import structlog
import uuid_utils
from sqlalchemy import Connection, Row, insert, select, update

from clicktodial.accounts.activation import (
    end_subscriptions,
)
from clicktodial.accounts.contact import check_note, check_region, check_text
from clicktodial.accounts.customer_data import (
    check_customer_data,
    note_reading,
    read_customer_data,
    write_customer_data,
)
from clicktodial.accounts.notice import tell_customer
from clicktodial.accounts.scope import require_visible
from clicktodial.accounts.work_order import (
    archive_work_order,
    decide_work_order,
    open_work_order,
    read_work_order,
    withdraw_work_order,
)
from clicktodial.domain.enterprise import (
    IN_SERVICE,
    TRANSITIONS,
    CallPolicy,
    EnterpriseMove,
    EnterpriseState,
    EnterpriseStateError,
    move_state,
)
from clicktodial.domain.principal import Principal, Role
from clicktodial.domain.wording import worded, words_of
from clicktodial.domain.work_order import (
    WorkOrder,
    WorkOrderKind,
    WorkOrderState,
    may_decide,
)
from clicktodial.storage import table
from clicktodial.storage.business_table import (
    REASON_CHARACTERS_MAX,
    SCHEDULED,
    enterprise_change,
    work_order,
)
from clicktodial.storage.enterprise_row import move_enterprise, read_state
from clicktodial.storage.error import Conflict, NotFound, NotPermitted, ValueInvalid
from clicktodial.storage.secret import SecretVault
from clicktodial.storage.transaction import Transactions

log = structlog.get_logger()

# A page of an API, and the one more that tells whether there is another.
CHANGES_PAGE_MAX = 101
# A request for a day beyond is a typing error.
AHEAD_MAX = timedelta(days=366)
# Of those whose time has come, so many in one go of the task.
DUE_MAX = 100
PLATFORM = "platform"
REQUESTING_ROLES = frozenset({Role.OWNER, Role.ACCOUNT_MANAGER, Role.OPERATOR})
CHANGE_KINDS = frozenset(
    {
        WorkOrderKind.MODIFICATION,
        WorkOrderKind.SUSPENSION,
        WorkOrderKind.RESUMPTION,
        WorkOrderKind.CANCELLATION,
    }
)
_MOVES = {
    WorkOrderKind.SUSPENSION: EnterpriseMove.SUSPEND,
    WorkOrderKind.RESUMPTION: EnterpriseMove.RESUME,
    WorkOrderKind.CANCELLATION: EnterpriseMove.CANCEL,
}
# A part that has something to give back when an enterprise ends: numbers, a pool. Within the
# transaction of the cancellation; what it raises undoes that.
OnCancelled: TypeAlias = Callable[[Connection, str, datetime], None]
_columns = enterprise_change.c


class ChangeState(StrEnum):
    """How far a request is: requested, then rejected, withdrawn, or scheduled for its day and
    done; void where it could not be done on its day."""

    REQUESTED = "requested"
    SCHEDULED = "scheduled"
    DONE = "done"
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"
    VOID = "void"


LIVE_CHANGES = frozenset({ChangeState.REQUESTED, ChangeState.SCHEDULED})


class Modification(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is to be another: the name and region under which the operator knows the enterprise,
    and customer data by name."""

    name: str | None = None
    region: str | None = None
    data: dict[str, str] = {}

    def __repr__(self) -> str:
        return "Modification(...)"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewChange:
    """What is asked for. `effective_at` is its day, None for as soon as it is approved; `calls`
    what becomes of running calls, None for what the settings say."""

    kind: WorkOrderKind
    reason: str
    effective_at: datetime | None = None
    calls: CallPolicy | None = None
    modification: Modification | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A request, and its work order."""

    change_id: str
    enterprise_id: str
    kind: WorkOrderKind
    state: ChangeState
    reason: str
    effective_at: datetime | None
    calls: CallPolicy | None
    requested_by: str
    requested_at: datetime
    carried_out_at: datetime | None
    work_order_id: str
    modification: Modification | None = field(default=None, repr=False)


class EnterpriseChanges:
    """What people ask for, and the handler of its work orders. All methods raise
    AdministrationError."""

    def __init__(
        self,
        transactions: Transactions,
        vault: SecretVault,
        *,
        default_region: str,
        calls: CallPolicy = CallPolicy.WHEN_ENDED,
        on_cancelled: Sequence[OnCancelled] = (),
    ) -> None:
        """`calls` is the policy of whoever names none; `on_cancelled` are told of each end."""
        self._transactions = transactions
        self._vault = vault
        self._default_region = default_region
        self._calls = calls
        self._on_cancelled = tuple(on_cancelled)

    def request_change(
        self,
        principal: Principal,
        enterprise_id: str,
        new: NewChange,
        *,
        decides: bool = False,
        now: datetime,
    ) -> Change:
        """Ask for a change, as the customer or for one who called. Whoever may decide it may do so
        in the same go."""
        if not principal.has_any(REQUESTING_ROLES):
            raise NotPermitted
        new = self._check(new, now)
        with self._transactions.change(
            worded("a %(kind)s is asked for already", kind=new.kind)
        ) as connection:
            require_visible(connection, principal, enterprise_id)
            _check_possible(read_state(connection, enterprise_id), new)
            _check_none_live(connection, enterprise_id, new.kind)
            change_id = self._insert(connection, principal, enterprise_id, new, now)
            if decides:
                self._decide_own(connection, principal, change_id, new.reason, now)
            return self._change_of(_find(connection, change_id))

    def list_changes(
        self,
        principal: Principal,
        enterprise_id: str,
        *,
        before: str | None = None,
        limit: int = CHANGES_PAGE_MAX,
    ) -> list[Change]:
        """Those of an enterprise, newest first, without what a modification would change."""
        query = select(enterprise_change).where(_columns.enterprise_id == enterprise_id)
        if before is not None:
            query = query.where(_columns.id < before)
        query = query.order_by(_columns.id.desc()).limit(min(limit, CHANGES_PAGE_MAX))
        with self._transactions.read() as connection:
            require_visible(connection, principal, enterprise_id)
            return [self._change_of(row) for row in connection.execute(query)]

    def show_change(
        self,
        principal: Principal,
        enterprise_id: str,
        change_id: str,
        *,
        purpose: str,
        now: datetime,
    ) -> Change:
        """One, with what a modification would change, once the reading of that is noted."""
        if not principal.has_any(REQUESTING_ROLES | {Role.REVIEWER}):
            raise NotPermitted
        with self._transactions.change(concerns_calls=False) as connection:
            row = _require(connection, principal, enterprise_id, change_id)
            if row.changes_encrypted is not None:
                note_reading(
                    connection,
                    principal,
                    "readModification",
                    {"change_id": change_id},
                    enterprise_id,
                    purpose=purpose,
                    now=now,
                )
            return replace(self._change_of(row), modification=self._modification_of(row))

    def withdraw_change(
        self,
        principal: Principal,
        enterprise_id: str,
        change_id: str,
        *,
        reason: str,
        now: datetime,
    ) -> Change:
        """Take a request back until it is carried out."""
        if not principal.has_any(REQUESTING_ROLES):
            raise NotPermitted
        with self._transactions.change() as connection:
            row = _require(connection, principal, enterprise_id, change_id)
            if ChangeState(row.state) not in LIVE_CHANGES:
                raise Conflict(worded("the request is %(state)s", state=ChangeState(row.state)))
            withdraw_work_order(
                connection, row.work_order_id, by=principal.name, why=reason, now=now
            )
            _set_state(connection, row, ChangeState.WITHDRAWN)
            _revoke(connection, row, now)
            return self._change_of(_find(connection, change_id))

    def on_decided(
        self, connection: Connection, order: WorkOrder, *, by: Principal, now: datetime
    ) -> bool:
        """Approved, it is carried out at once or waits for its day."""
        row = _find(connection, order.subject_id)
        if order.outcome is not WorkOrderState.APPROVED:
            _set_state(connection, row, ChangeState.REJECTED)
            why = f"The {row.kind} of your service was not approved:\n\n{order.reason}\n"
            self._tell(connection, row, why, now)
            return True
        if row.effective_at is None or row.effective_at <= now:
            self._carry_out(connection, row, by=by.name, now=now)
            return True
        _set_state(connection, row, ChangeState.SCHEDULED)
        if row.kind == WorkOrderKind.CANCELLATION:
            state = read_state(connection, row.enterprise_id)
            if state in IN_SERVICE:
                move_enterprise(connection, row.enterprise_id, EnterpriseMove.ANNOUNCE, now=now)
        return False

    def carry_out_due(self, now: datetime) -> int:
        """Carry out what was approved for a time that has come; returns how many requests were
        looked at. Several nodes may do it at once."""
        query = (
            select(_columns.id)
            # In words, as the index has it: a parameter would not be known to fit.
            .where(SCHEDULED, _columns.effective_at <= now)
            .order_by(_columns.effective_at, _columns.id)
            .limit(DUE_MAX)
        )
        with self._transactions.read() as connection:
            due = list(connection.scalars(query))
        for change_id in due:
            self._carry_out_one(change_id, now)
        return len(due)

    def _carry_out_one(self, change_id: str, now: datetime) -> None:
        """One a transaction: what is wrong with one holds up no other."""
        try:
            with self._transactions.change() as connection:
                row = _find(connection, change_id)
                if ChangeState(row.state) is not ChangeState.SCHEDULED:
                    return  # another node was quicker
                self._carry_out(connection, row, by=PLATFORM, now=now)
                archive_work_order(
                    connection, row.work_order_id, by=PLATFORM, why="carried out", now=now
                )
        except Conflict as error:
            log.warning("enterprise.change_void", change_id=change_id, detail=str(error))
            self._void(change_id, str(error), now)

    def _void(self, change_id: str, why: str, now: datetime) -> None:
        with self._transactions.change() as connection:
            row = _find(connection, change_id)
            if ChangeState(row.state) is ChangeState.SCHEDULED:
                _set_state(connection, row, ChangeState.VOID)
                withdraw_work_order(connection, row.work_order_id, by=PLATFORM, why=why, now=now)

    def _check(self, new: NewChange, now: datetime) -> NewChange:
        if new.kind not in CHANGE_KINDS:
            raise ValueInvalid("what is asked for is no change of an enterprise")
        if (new.modification is not None) != (new.kind is WorkOrderKind.MODIFICATION):
            raise ValueInvalid("a modification says what it changes, and nothing else does")
        if new.effective_at is not None and not now < new.effective_at <= now + AHEAD_MAX:
            raise ValueInvalid(
                worded(
                    "effective_at is later than now, by %(days)s days at most", days=AHEAD_MAX.days
                )
            )
        modification = new.modification
        return replace(
            new,
            reason=check_note(
                new.reason, "the reason", characters_max=REASON_CHARACTERS_MAX, is_required=True
            ),
            modification=None if modification is None else self._check_modification(modification),
        )

    def _check_modification(self, modification: Modification) -> Modification:
        checked = Modification(
            name=None if modification.name is None else check_text(modification.name, "the name"),
            region=None if modification.region is None else check_region(modification.region),
            data=check_customer_data(modification.data, self._default_region),
        )
        if checked == Modification():
            raise ValueInvalid("the modification changes nothing")
        return checked

    def _insert(
        self,
        connection: Connection,
        principal: Principal,
        enterprise_id: str,
        new: NewChange,
        now: datetime,
    ) -> str:
        change_id = uuid_utils.uuid7().hex
        columns = table.enterprise.c
        manager = connection.scalar(
            select(columns.account_manager).where(columns.id == enterprise_id)
        )
        order_id = open_work_order(
            connection,
            kind=new.kind,
            enterprise_id=enterprise_id,
            opened_by=principal.name,
            subject_id=change_id,
            details=_details(new),
            now=now,
            previous_id=_find_rejected(connection, enterprise_id, new.kind),
            assignee=manager,
        )
        sealed = None
        if new.modification is not None:
            sealed = self._vault.seal(msgspec.json.encode(new.modification), _place(change_id))
        row = {
            "id": change_id,
            "enterprise_id": enterprise_id,
            "kind": new.kind.value,
            "work_order_id": order_id,
            "state": ChangeState.REQUESTED.value,
            "reason": new.reason,
            "effective_at": new.effective_at,
            "calls": None if new.calls is None else new.calls.value,
            "changes_encrypted": sealed,
            "requested_by": principal.name,
            "requested_at": now,
        }
        connection.execute(insert(enterprise_change).values(row))
        return change_id

    def _decide_own(
        self,
        connection: Connection,
        principal: Principal,
        change_id: str,
        reason: str,
        now: datetime,
    ) -> None:
        order_id = _find(connection, change_id).work_order_id
        known = read_work_order(connection, order_id)
        if principal.enterprise_id is not None or not may_decide(
            known, by=principal.name, roles=principal.roles
        ):
            raise NotPermitted(worded("a %(kind)s is not yours to decide", kind=known.kind))
        order = decide_work_order(
            connection,
            order_id,
            approved=True,
            decided_by=principal.name,
            reason=reason,
            now=now,
            is_done=False,
        )
        if self.on_decided(connection, order, by=principal, now=now):
            archive_work_order(connection, order_id, by=principal.name, why="", now=now)

    def _carry_out(self, connection: Connection, row: Row[Any], *, by: str, now: datetime) -> None:
        kind = WorkOrderKind(row.kind)
        if kind is WorkOrderKind.MODIFICATION:
            self._modify(connection, row, by=by, now=now)
        else:
            calls = self._calls if row.calls is None else CallPolicy(row.calls)
            state = move_enterprise(
                connection, row.enterprise_id, _MOVES[kind], now=now, calls=calls
            )
            if state is EnterpriseState.CANCELLED:
                _end(connection, row, by=by, now=now)
                for tell in self._on_cancelled:
                    tell(connection, row.enterprise_id, now)
        _set_state(connection, row, ChangeState.DONE, carried_out_at=now)
        self._tell(
            connection, row, f"The {kind} of your service is in force:\n\n{row.reason}\n", now
        )

    def _tell(self, connection: Connection, row: Row[Any], text: str, now: datetime) -> None:
        tell_customer(
            connection,
            self._vault,
            row.enterprise_id,
            subject="Your request was decided",
            text=text,
            now=now,
        )

    def _modify(self, connection: Connection, row: Row[Any], *, by: str, now: datetime) -> None:
        modification = self._modification_of(row)
        if modification is None or read_state(connection, row.enterprise_id) not in IN_SERVICE:
            raise Conflict("the enterprise is not in service")
        given = {"name": modification.name, "region": modification.region}
        values = {name: value for name, value in given.items() if value is not None}
        if values:
            where = table.enterprise.c.id == row.enterprise_id
            connection.execute(update(table.enterprise).where(where).values(values))
        if modification.data:
            known = read_customer_data(connection, self._vault, row.enterprise_id).data
            changed = replace(known, **modification.data)
            write_customer_data(connection, self._vault, row.enterprise_id, changed, by=by, now=now)

    def _modification_of(self, row: Row[Any]) -> Modification | None:
        if row.changes_encrypted is None:
            return None
        opened = self._vault.open(row.changes_encrypted, _place(row.id))
        return msgspec.json.decode(opened, type=Modification)

    def _change_of(self, row: Row[Any]) -> Change:
        return Change(
            change_id=row.id,
            enterprise_id=row.enterprise_id,
            kind=WorkOrderKind(row.kind),
            state=ChangeState(row.state),
            reason=row.reason,
            effective_at=row.effective_at,
            calls=None if row.calls is None else CallPolicy(row.calls),
            requested_by=row.requested_by,
            requested_at=row.requested_at,
            carried_out_at=row.carried_out_at,
            work_order_id=row.work_order_id,
        )


def find_possible(state: EnterpriseState) -> list[WorkOrderKind]:
    """What may be asked for in that state."""
    possible = [WorkOrderKind.MODIFICATION] if state in IN_SERVICE else []
    return possible + [kind for kind, move in _MOVES.items() if (state, move) in TRANSITIONS]


def _check_possible(state: EnterpriseState, new: NewChange) -> None:
    """What could not be done now is not taken for later either."""
    if new.kind is WorkOrderKind.MODIFICATION:
        if state not in IN_SERVICE:
            raise Conflict(worded("the enterprise is %(state)s", state=state))
        return
    try:
        move_state(state, _MOVES[new.kind])
    except EnterpriseStateError as error:
        raise Conflict(words_of(error)) from error


def _check_none_live(connection: Connection, enterprise_id: str, kind: WorkOrderKind) -> None:
    query = select(_columns.id).where(
        _columns.enterprise_id == enterprise_id,
        _columns.kind == kind.value,
        _columns.state.in_(sorted(LIVE_CHANGES)),
    )
    if connection.scalar(query.limit(1)) is not None:
        raise Conflict(worded("a %(kind)s is asked for already", kind=kind))


def _find_rejected(connection: Connection, enterprise_id: str, kind: WorkOrderKind) -> str | None:
    """The order of which a new request of that kind is the resubmission: the last, rejected."""
    query = (
        select(work_order.c.id, work_order.c.outcome)
        .where(work_order.c.enterprise_id == enterprise_id, work_order.c.kind == kind.value)
        .order_by(work_order.c.id.desc())
        .limit(1)
    )
    row = connection.execute(query).first()
    if row is None or row.outcome != WorkOrderState.REJECTED.value:
        return None
    return str(row.id)


def _details(new: NewChange) -> dict[str, str]:
    """What whoever decides has to know; of a modification the names alone, no data."""
    details = {"reason": new.reason}
    if new.effective_at is not None:
        details["effective_at"] = new.effective_at.isoformat()
    if new.calls is not None:
        details["calls"] = new.calls.value
    if new.modification is not None:
        given = {"name": new.modification.name, "region": new.modification.region}
        names = [name for name, value in given.items() if value is not None]
        details["changes"] = ", ".join([*names, *new.modification.data])
    return details


def _revoke(connection: Connection, row: Row[Any], now: datetime) -> None:
    """A cancellation that was announced is not any more."""
    state = read_state(connection, row.enterprise_id)
    announced = (EnterpriseState.CANCELLING, EnterpriseState.CANCELLING_SUSPENDED)
    if row.kind == WorkOrderKind.CANCELLATION and state in announced:
        move_enterprise(connection, row.enterprise_id, EnterpriseMove.REVOKE, now=now)


def _end(connection: Connection, row: Row[Any], *, by: str, now: datetime) -> None:
    """What goes with the end of an enterprise: its products, and whatever else is asked for."""
    end_subscriptions(connection, row.enterprise_id, now)
    query = select(enterprise_change).where(
        _columns.enterprise_id == row.enterprise_id,
        _columns.state.in_(sorted(LIVE_CHANGES)),
        _columns.id != row.id,
    )
    for other in connection.execute(query).all():
        _set_state(connection, other, ChangeState.VOID)
        withdraw_work_order(
            connection, other.work_order_id, by=by, why="the enterprise is cancelled", now=now
        )
    orders = select(work_order.c.id).where(
        work_order.c.enterprise_id == row.enterprise_id,
        work_order.c.state == WorkOrderState.OPEN.value,
        work_order.c.kind == WorkOrderKind.ACTIVATION.value,
    )
    for order_id in connection.scalars(orders).all():
        withdraw_work_order(connection, order_id, by=by, why="the enterprise is cancelled", now=now)


def _set_state(connection: Connection, row: Row[Any], state: ChangeState, **values: Any) -> None:
    change = (
        update(enterprise_change)
        .where(_columns.id == row.id, _columns.state == row.state)
        .values(state=state.value, **values)
    )
    if connection.execute(change).rowcount == 0:
        raise Conflict("somebody else was quicker")


def _find(connection: Connection, change_id: str) -> Row[Any]:
    row = connection.execute(select(enterprise_change).where(_columns.id == change_id)).first()
    if row is None:
        raise NotFound(worded("there is no request %(change_id)s", change_id=change_id))
    return row


def _require(
    connection: Connection, principal: Principal, enterprise_id: str, change_id: str
) -> Row[Any]:
    require_visible(connection, principal, enterprise_id)
    row = _find(connection, change_id)
    if row.enterprise_id != enterprise_id:
        raise NotFound(worded("there is no request %(change_id)s", change_id=change_id))
    return row


def _place(change_id: str) -> str:
    return f"enterprise_change/changes/{change_id}"
