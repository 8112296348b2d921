"""Modification, suspension, resumption, cancellation."""

from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, select, update
from tests.accounts.business import (
    CONTACT,
    DATA,
    MANAGER,
    NOW,
    PURPOSE,
    REVIEWER,
    SOUTH_MANAGER,
    SUPPORT,
    Business,
    owner_of,
)

from clicktodial.accounts.audit import AuditLog
from clicktodial.accounts.enterprise import find_barred_enterprises
from clicktodial.accounts.enterprise_change import (
    AHEAD_MAX,
    CHANGE_KINDS,
    Change,
    ChangeState,
    EnterpriseChanges,
    Modification,
    NewChange,
    OnCancelled,
    find_possible,
)
from clicktodial.domain.application import EnterpriseStatus
from clicktodial.domain.enterprise import CallPolicy, EnterpriseMove, EnterpriseState
from clicktodial.domain.principal import OPERATOR_PRINCIPAL, Principal, Role
from clicktodial.domain.work_order import WorkOrderKind, WorkOrderState
from clicktodial.storage import table
from clicktodial.storage.administration import Administration
from clicktodial.storage.business_table import enterprise_change
from clicktodial.storage.enterprise_row import move_enterprise, read_state
from clicktodial.storage.error import Conflict, NotFound, NotPermitted, ValueInvalid
from clicktodial.storage.people_table import mail
from clicktodial.storage.secret import SecretVault

LATER = NOW + timedelta(days=10)
SUSPENSION, RESUMPTION = WorkOrderKind.SUSPENSION, WorkOrderKind.RESUMPTION
CANCELLATION, MODIFICATION = WorkOrderKind.CANCELLATION, WorkOrderKind.MODIFICATION


@pytest.fixture
def active(business: Business) -> str:
    return business.create_active()


def ask(
    business: Business,
    enterprise_id: str,
    kind: WorkOrderKind,
    *,
    principal: Principal | None = None,
    decides: bool = False,
    now: datetime = NOW,
    **given: Any,
) -> Change:
    new = NewChange(kind=kind, reason=given.pop("reason", "moving"), **given)
    by = principal or (MANAGER if decides else owner_of(enterprise_id))
    return business.changes.request_change(by, enterprise_id, new, decides=decides, now=now)


def decide(business: Business, change: Change, *, approved: bool = True) -> None:
    business.work_orders.decide(
        MANAGER, change.work_order_id, approved=approved, reason="because", now=NOW
    )


def state(business: Business, enterprise_id: str) -> EnterpriseState:
    return business.enterprises.show(OPERATOR_PRINCIPAL, enterprise_id).state


def change_state(business: Business, change: Change) -> ChangeState:
    listed = business.changes.list_changes(MANAGER, change.enterprise_id)
    return next(each.state for each in listed if each.change_id == change.change_id)


def test_service_is_suspended_resumed_and_cancelled(business: Business, active: str) -> None:
    for kind, expected in (
        (SUSPENSION, EnterpriseState.SUSPENDED),
        (RESUMPTION, EnterpriseState.ACTIVE),
        (CANCELLATION, EnterpriseState.CANCELLED),
    ):
        change = ask(business, active, kind)
        assert change.state is ChangeState.REQUESTED
        assert state(business, active) is not expected
        decide(business, change)
        assert state(business, active) is expected
        assert change_state(business, change) is ChangeState.DONE
        order, steps = business.work_orders.show(MANAGER, change.work_order_id)
        assert (order.state, order.reason) == (WorkOrderState.ARCHIVED, "because")
        assert [step.by for step in steps] == [change.requested_by, "mina", "mina"]
    enterprise = business.enterprises.show(MANAGER, active)
    assert enterprise.record is not None
    assert (enterprise.record.products, enterprise.record.service_codes) == ((), ())


def test_manager_decides_in_the_same_go_for_one_who_called(business: Business, active: str) -> None:
    change = ask(business, active, SUSPENSION, decides=True)
    assert change.state is ChangeState.DONE
    assert state(business, active) is EnterpriseState.SUSPENDED
    for principal in (owner_of(active), REVIEWER):
        with pytest.raises(NotPermitted):
            ask(business, active, RESUMPTION, principal=principal, decides=True)


def test_rejected_request_changes_nothing_and_is_resubmitted(
    business: Business, active: str
) -> None:
    first = ask(business, active, SUSPENSION)
    decide(business, first, approved=False)
    assert state(business, active) is EnterpriseState.ACTIVE
    assert change_state(business, first) is ChangeState.REJECTED
    second = ask(business, active, SUSPENSION)
    order, _ = business.work_orders.show(MANAGER, second.work_order_id)
    assert order.previous_id == first.work_order_id


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (SUSPENSION, EnterpriseState.SUSPENDED),
        (CANCELLATION, EnterpriseState.CANCELLED),
    ],
)
def test_change_waits_for_its_day(
    business: Business, active: str, kind: WorkOrderKind, expected: EnterpriseState
) -> None:
    change = ask(business, active, kind, effective_at=LATER)
    decide(business, change)
    assert change_state(business, change) is ChangeState.SCHEDULED
    assert business.enterprises.show(MANAGER, active).status is EnterpriseStatus.ACTIVE
    assert business.changes.carry_out_due(LATER - timedelta(seconds=1)) == 0
    assert business.changes.carry_out_due(LATER) == 1
    assert state(business, active) is expected
    order, steps = business.work_orders.show(MANAGER, change.work_order_id)
    assert (order.state, order.archived_at) == (WorkOrderState.ARCHIVED, LATER)
    assert (steps[-1].by, steps[-1].why) == ("platform", "carried out")
    assert business.changes.carry_out_due(LATER) == 0


def test_two_nodes_carry_a_change_out_once(business: Business, active: str) -> None:
    decide(business, ask(business, active, SUSPENSION, effective_at=LATER))
    with business.transactions.read() as connection:
        change_id = connection.scalars(
            select(enterprise_change.c.id).order_by(enterprise_change.c.id.desc())
        ).first()
    assert change_id is not None
    business.changes._carry_out_one(change_id, LATER)
    business.changes._carry_out_one(change_id, LATER)
    assert state(business, active) is EnterpriseState.SUSPENDED
    ask(business, active, RESUMPTION, decides=True)


def test_cancellation_is_announced_until_its_day_and_may_be_revoked(
    business: Business, active: str
) -> None:
    change = ask(business, active, CANCELLATION, effective_at=LATER)
    decide(business, change)
    assert state(business, active) is EnterpriseState.CANCELLING
    ask(business, active, SUSPENSION, decides=True)
    assert state(business, active) is EnterpriseState.CANCELLING_SUSPENDED
    assert business.enterprises.show(MANAGER, active).status is EnterpriseStatus.SUSPENDED
    withdrawn = business.changes.withdraw_change(
        owner_of(active), active, change.change_id, reason="we stay", now=NOW
    )
    assert withdrawn.state is ChangeState.WITHDRAWN
    assert state(business, active) is EnterpriseState.SUSPENDED
    with pytest.raises(Conflict):
        business.changes.withdraw_change(
            owner_of(active), active, change.change_id, reason="", now=NOW
        )
    assert business.changes.carry_out_due(LATER) == 0


def test_what_cannot_be_done_on_its_day_is_void(business: Business, active: str) -> None:
    change = ask(business, active, SUSPENSION, effective_at=LATER)
    decide(business, change)
    with business.transactions.change() as connection:
        move_enterprise(connection, active, EnterpriseMove.SUSPEND, now=NOW)
    assert business.changes.carry_out_due(LATER) == 1
    assert change_state(business, change) is ChangeState.VOID
    order, steps = business.work_orders.show(MANAGER, change.work_order_id)
    assert order.state is WorkOrderState.ARCHIVED
    assert "is suspended cannot suspend" in steps[-2].why
    assert business.changes.carry_out_due(LATER) == 0


def test_end_takes_other_requests_with_it(business: Business, active: str) -> None:
    suspension = ask(business, active, SUSPENSION, effective_at=LATER)
    decide(business, suspension)
    modification = ask(business, active, MODIFICATION, modification=Modification(name="New"))
    ask(business, active, CANCELLATION, decides=True)
    for change in (suspension, modification):
        assert change_state(business, change) is ChangeState.VOID
        order, _ = business.work_orders.show(MANAGER, change.work_order_id)
        assert order.state is WorkOrderState.ARCHIVED
    for kind in (RESUMPTION, SUSPENSION, CANCELLATION):
        with pytest.raises(Conflict):
            ask(business, active, kind)


def test_prospect_and_approved_are_cancelled_too(business: Business) -> None:
    prospect = business.enter().enterprise_id
    ask(business, prospect, CANCELLATION, decides=True)
    approved = business.enter().enterprise_id
    business.fill(approved)
    business.approve(approved)
    ask(business, approved, CANCELLATION, decides=True)
    for enterprise_id in (prospect, approved):
        assert state(business, enterprise_id) is EnterpriseState.CANCELLED
    order = business.activations.show(MANAGER, approved).order
    assert order is not None
    assert order.outcome is WorkOrderState.WITHDRAWN


def test_modification_takes_effect_when_it_is_approved(business: Business, active: str) -> None:
    modification = Modification(
        name="Acme Group",
        data={"legal_name": "Acme Group Limited", "handler_phone": "010 52680001"},
    )
    change = ask(business, active, MODIFICATION, modification=modification)
    order, _ = business.work_orders.show(REVIEWER, change.work_order_id)
    assert order.details["changes"] == "name, legal_name, handler_phone"
    assert "52680001" not in str(order.details)
    shown = business.changes.show_change(
        REVIEWER, active, change.change_id, purpose=PURPOSE, now=NOW
    )
    assert shown.modification is not None
    assert shown.modification.data["handler_phone"] == "+861052680001"
    assert "52680001" not in repr(shown)
    [entry, *_] = AuditLog(business.transactions).list_entries(limit=9, enterprise_id=active)
    assert entry.operation == "readModification"
    business.work_orders.decide(REVIEWER, change.work_order_id, approved=True, reason="", now=NOW)
    assert business.enterprises.show(MANAGER, active).name == "Acme Group"
    data = business.data.read(MANAGER, active, purpose=PURPOSE, now=NOW).data
    assert data.legal_name == "Acme Group Limited"
    assert data.handler_email == DATA["handler_email"]


def test_one_request_of_a_kind_at_a_time(business: Business, active: str) -> None:
    first = ask(business, active, SUSPENSION)
    with pytest.raises(Conflict, match="asked for already"):
        ask(business, active, SUSPENSION)
    business.changes.withdraw_change(MANAGER, active, first.change_id, reason="", now=NOW)
    ask(business, active, SUSPENSION)


@pytest.mark.parametrize(
    "given",
    [
        {"kind": WorkOrderKind.QUALIFICATION},
        {"reason": " "},
        {"reason": "x" * 1_001},
        {"effective_at": NOW},
        {"effective_at": NOW + AHEAD_MAX + timedelta(seconds=1)},
        {"modification": Modification(name="x")},
        {"kind": MODIFICATION},
        {"kind": MODIFICATION, "modification": Modification()},
        {"kind": MODIFICATION, "modification": Modification(region="a,b")},
        {"kind": MODIFICATION, "modification": Modification(data={"shoe_size": "42"})},
    ],
)
def test_unusable_request_is_refused(
    business: Business, active: str, given: dict[str, Any]
) -> None:
    given = {"kind": SUSPENSION, **given}
    with pytest.raises(ValueInvalid):
        ask(business, active, **given)
    assert business.changes.list_changes(MANAGER, active) == []


def test_request_is_for_few_and_of_ones_own(business: Business, active: str) -> None:
    change = ask(business, active, SUSPENSION)
    for principal in (REVIEWER, SUPPORT, owner_of(active, Role.FINANCE)):
        with pytest.raises(NotPermitted):
            ask(business, active, CANCELLATION, principal=principal)
    for principal in (SOUTH_MANAGER, owner_of("another")):
        with pytest.raises(NotFound):
            ask(business, active, CANCELLATION, principal=principal)
        with pytest.raises(NotFound):
            business.changes.list_changes(principal, active)
        with pytest.raises(NotFound):
            business.changes.withdraw_change(
                principal, active, change.change_id, reason="", now=NOW
            )
    other = business.enter().enterprise_id
    with pytest.raises(NotFound):
        business.changes.show_change(MANAGER, other, change.change_id, purpose=PURPOSE, now=NOW)


def test_running_calls_end_by_the_policy_of_the_request_or_of_the_settings(
    business: Business, active: str
) -> None:
    def barred() -> list[str]:
        with business.transactions.read() as connection:
            return find_barred_enterprises(connection, [active, "another"])

    ask(business, active, SUSPENSION, decides=True)
    assert barred() == []
    ask(business, active, RESUMPTION, decides=True)
    ask(business, active, SUSPENSION, decides=True, calls=CallPolicy.AT_ONCE)
    assert barred() == [active]
    ask(business, active, RESUMPTION, decides=True, calls=CallPolicy.AT_ONCE)
    assert barred() == []
    business.changes = EnterpriseChanges(
        business.transactions,
        SecretVault(bytes(32)),
        default_region="CN",
        calls=CallPolicy.AT_ONCE,
    )
    ask(business, active, SUSPENSION, decides=True)
    assert barred() == [active]


def test_enterprise_of_the_operators_own_making_goes_the_same_way(business: Business) -> None:
    Administration(
        business.transactions._engine, SecretVault(bytes(32)), region="CN"
    ).create_enterprise("acme")
    assert state(business, "acme") is EnterpriseState.ACTIVE
    ask(business, "acme", SUSPENSION, principal=OPERATOR_PRINCIPAL, decides=True)
    assert state(business, "acme") is EnterpriseState.SUSPENDED
    with business.transactions.read() as connection:
        row = connection.execute(select(table.enterprise)).one()
    assert (row.status, row.state_since) == ("suspended", NOW)


def test_enterprises_are_filtered_and_paged(business: Business, active: str) -> None:
    other = business.enter().enterprise_id
    listed = business.enterprises.list_enterprises
    ids = sorted([active, other])
    assert [each.enterprise_id for each in listed(MANAGER)] == ids
    assert [each.enterprise_id for each in listed(MANAGER, limit=1)] == ids[:1]
    assert [each.enterprise_id for each in listed(MANAGER, after=ids[0])] == ids[1:]
    prospects = listed(MANAGER, states=frozenset({EnterpriseState.PROSPECT}))
    assert [each.enterprise_id for each in prospects] == [other]
    assert listed(MANAGER, region="south") == []
    assert listed(MANAGER, account_manager="sam") == []
    assert listed(SOUTH_MANAGER) == []
    assert [each.enterprise_id for each in listed(owner_of(other))] == [other]


def test_customer_is_told_what_became_of_a_request(business: Business) -> None:
    prospect = business.enter().enterprise_id
    # No handler is known yet: the contact of the intention is told.
    decide(business, ask(business, prospect, CANCELLATION), approved=False)
    decide(business, ask(business, prospect, CANCELLATION))
    with business.transactions.read() as connection:
        query = select(mail.c.recipient, mail.c.text).order_by(mail.c.id)
        rejected, done = connection.execute(query).all()
    assert rejected.recipient == done.recipient == CONTACT.email
    assert "not approved:\n\nbecause" in rejected.text
    assert "in force" in done.text


def test_other_parts_are_told_of_the_end_and_may_undo_it(business: Business, active: str) -> None:
    told: list[tuple[str, datetime]] = []

    def note(connection: Connection, enterprise_id: str, now: datetime) -> None:
        assert read_state(connection, enterprise_id) is EnterpriseState.CANCELLED
        told.append((enterprise_id, now))

    def refuse(*_: object) -> None:
        raise Conflict("a number is in use")

    def changes(*on_cancelled: OnCancelled) -> EnterpriseChanges:
        return EnterpriseChanges(
            business.transactions,
            SecretVault(bytes(32)),
            default_region="CN",
            on_cancelled=on_cancelled,
        )

    business.changes = changes(refuse)
    with pytest.raises(Conflict, match="in use"):
        ask(business, active, CANCELLATION, decides=True)
    assert state(business, active) is EnterpriseState.ACTIVE
    business.changes = changes(note)
    ask(business, active, SUSPENSION, decides=True)
    ask(business, active, CANCELLATION, decides=True)
    assert told == [(active, NOW)]


@pytest.mark.parametrize("state", EnterpriseState)
def test_what_is_possible_is_what_a_request_is_taken_for(
    business: Business, state: EnterpriseState
) -> None:
    enterprise_id = business.enter().enterprise_id
    _set_state_of(business, enterprise_id, state)
    taken = []
    for kind in CHANGE_KINDS:
        is_modification = kind is WorkOrderKind.MODIFICATION
        new = NewChange(
            kind=kind,
            reason="a test",
            modification=Modification(name="Acme") if is_modification else None,
        )
        with suppress(Conflict):
            business.changes.request_change(MANAGER, enterprise_id, new, now=NOW)
            taken.append(kind)
    assert sorted(find_possible(state)) == sorted(taken)


def _set_state_of(business: Business, enterprise_id: str, state: EnterpriseState) -> None:
    with business.transactions.change() as connection:
        connection.execute(
            update(table.enterprise)
            .where(table.enterprise.c.id == enterprise_id)
            .values(state=state.value)
        )
