"""Activations."""

import pytest
from sqlalchemy import insert
from tests.accounts.business import (
    MANAGER,
    NOW,
    REVIEWER,
    SOUTH_MANAGER,
    Business,
    owner_of,
)

from clicktodial.accounts.activation import has_sponsor_number
from clicktodial.accounts.work_order import read_work_order
from clicktodial.domain.activation import NEEDS, ActivationStep
from clicktodial.domain.application import EnterpriseStatus
from clicktodial.domain.enterprise import EnterpriseState
from clicktodial.domain.principal import Role
from clicktodial.domain.work_order import WorkOrderState
from clicktodial.storage import table
from clicktodial.storage.error import (
    AlreadyExists,
    Conflict,
    NotFound,
    NotPermitted,
    ValueInvalid,
)

STEP = ActivationStep


@pytest.fixture
def approved(business: Business) -> str:
    """An enterprise whose papers were approved."""
    enterprise_id = business.enter().enterprise_id
    business.fill(enterprise_id)
    business.approve(enterprise_id)
    return enterprise_id


def test_list_is_worked_off_and_the_enterprise_is_active(business: Business, approved: str) -> None:
    business.activate(approved, code="95001")
    enterprise = business.enterprises.show(MANAGER, approved)
    assert (enterprise.state, enterprise.status) == (
        EnterpriseState.ACTIVE,
        EnterpriseStatus.ACTIVE,
    )
    assert enterprise.record is not None
    assert enterprise.record.products == ("basic-capability", "click-to-dial")
    assert enterprise.record.service_codes == ("95001",)
    activation = business.activations.show(MANAGER, approved)
    assert [(each.step, each.done_by, each.done_at) for each in activation.steps] == [
        (step, "mina", NOW) for step in ActivationStep
    ]
    assert activation.steps[0].result == enterprise.record.customer_number
    assert activation.order is not None
    assert activation.order.state is WorkOrderState.ARCHIVED


def test_activation_is_not_approved_before_all_is_done(business: Business, approved: str) -> None:
    business.activations.complete_step(MANAGER, approved, STEP.CUSTOMER_RECORD, now=NOW)
    order = business.activations.show(MANAGER, approved).order
    assert order is not None
    with pytest.raises(Conflict, match="still to be done: basic-product, service-code"):
        business.work_orders.decide(MANAGER, order.work_order_id, approved=True, reason="", now=NOW)
    with business.transactions.read() as connection:
        assert read_work_order(connection, order.work_order_id) == order
    assert business.enterprises.show(MANAGER, approved).status is EnterpriseStatus.SUSPENDED


@pytest.mark.parametrize("step", [step for step, needs in NEEDS.items() if needs])
def test_step_waits_for_those_before(
    business: Business, approved: str, step: ActivationStep
) -> None:
    code = "95001" if step is STEP.SERVICE_CODE else None
    with pytest.raises(Conflict, match="to be done before"):
        business.activations.complete_step(MANAGER, approved, step, code=code, now=NOW)


def test_step_is_done_once(business: Business, approved: str) -> None:
    business.activations.complete_step(MANAGER, approved, STEP.CUSTOMER_RECORD, now=NOW)
    with pytest.raises(Conflict, match="done already"):
        business.activations.complete_step(MANAGER, approved, STEP.CUSTOMER_RECORD, now=NOW)


def test_customer_orders_product_and_numbers_and_no_more(business: Business, approved: str) -> None:
    owner = owner_of(approved)
    for step in (STEP.CUSTOMER_RECORD, STEP.BASIC_PRODUCT):
        with pytest.raises(NotPermitted):
            business.activations.complete_step(owner, approved, step, now=NOW)
        business.activations.complete_step(MANAGER, approved, step, now=NOW)
    activation = business.activations.complete_step(
        owner, approved, STEP.CAPABILITY_PRODUCT, now=NOW
    )
    assert activation.steps[3].done_by == owner.name
    reader = owner_of(approved, Role.READER)
    with pytest.raises(NotPermitted):
        business.activations.complete_step(reader, approved, STEP.NUMBERS, now=NOW)
    with pytest.raises(Conflict, match="no numbers"):
        business.activations.complete_step(owner, approved, STEP.NUMBERS, now=NOW)
    business.numbers.add(approved)
    business.activations.complete_step(owner, approved, STEP.NUMBERS, now=NOW)


def test_code_is_short_and_one_enterprises_alone(business: Business, approved: str) -> None:
    def assign(enterprise_id: str, code: str | None) -> None:
        business.activations.complete_step(
            MANAGER, enterprise_id, STEP.SERVICE_CODE, code=code, now=NOW
        )

    business.activations.complete_step(MANAGER, approved, STEP.CUSTOMER_RECORD, now=NOW)
    for code in (None, "", "12", "123456789", "95a01", "9500１"):  # noqa: RUF001 # a digit, not ASCII
        with pytest.raises(ValueInvalid):
            assign(approved, code)
    with pytest.raises(ValueInvalid):
        business.activations.complete_step(
            MANAGER, approved, STEP.BASIC_PRODUCT, code="95001", now=NOW
        )
    assign(approved, "95001")
    other = business.enter().enterprise_id
    business.fill(other)
    business.approve(other)
    business.activations.complete_step(MANAGER, other, STEP.CUSTOMER_RECORD, now=NOW)
    with pytest.raises(AlreadyExists):
        assign(other, "95001")
    assign(other, "95002")


def test_rejected_activation_is_opened_anew_and_keeps_what_is_done(
    business: Business, approved: str
) -> None:
    business.activations.complete_step(MANAGER, approved, STEP.CUSTOMER_RECORD, now=NOW)
    first = business.activations.show(MANAGER, approved).order
    assert first is not None
    with pytest.raises(Conflict):
        business.activations.reopen(MANAGER, approved, now=NOW)
    business.work_orders.decide(
        MANAGER, first.work_order_id, approved=False, reason="not now", now=NOW
    )
    activation = business.activations.reopen(MANAGER, approved, now=NOW)
    assert activation.order is not None
    assert activation.order.previous_id == first.work_order_id
    assert activation.steps[0].is_done


def test_nothing_is_activated_without_an_approval(business: Business) -> None:
    enterprise_id = business.enter().enterprise_id
    with pytest.raises(Conflict):
        business.activations.complete_step(MANAGER, enterprise_id, STEP.CUSTOMER_RECORD, now=NOW)
    with pytest.raises(Conflict):
        business.activations.reopen(MANAGER, enterprise_id, now=NOW)


def test_activation_of_another_is_not_there(business: Business, approved: str) -> None:
    for principal in (SOUTH_MANAGER, owner_of("another")):
        with pytest.raises(NotFound):
            business.activations.show(principal, approved)
    with pytest.raises(NotFound):
        business.activations.complete_step(SOUTH_MANAGER, approved, STEP.CUSTOMER_RECORD, now=NOW)
    with pytest.raises(NotPermitted):
        business.activations.reopen(REVIEWER, approved, now=NOW)


def test_numbers_are_there_when_an_application_may_show_one(
    business: Business, approved: str
) -> None:
    with business.transactions.change() as connection:
        assert not has_sponsor_number(connection, approved)
        row = {
            "app_id": "12345678", "enterprise_id": approved, "name": "a", "status": "active",
            "secret_encrypted": b"", "signing_secret_encrypted": b"",
            "allow_private_addresses": False, "created_at": NOW,
        }  # fmt: skip
        connection.execute(insert(table.application).values(row))
        assert not has_sponsor_number(connection, approved)
        connection.execute(
            insert(table.application_number).values(app_id="12345678", e164="+861052680000")
        )
        assert has_sponsor_number(connection, approved)
