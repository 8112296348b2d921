"""The qualification review."""

import pytest
from tests.accounts.business import (
    ID_NUMBER,
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
from clicktodial.domain.enterprise import EnterpriseState
from clicktodial.domain.work_order import WorkOrderKind, WorkOrderState
from clicktodial.storage.error import Conflict, NotFound, NotPermitted


@pytest.fixture
def prospect(business: Business) -> str:
    """One that has given all that is needed."""
    enterprise_id = business.enter().enterprise_id
    business.fill(enterprise_id)
    return enterprise_id


def state(business: Business, enterprise_id: str) -> EnterpriseState:
    return business.enterprises.show(MANAGER, enterprise_id).state


def test_incomplete_papers_are_not_reviewed(business: Business) -> None:
    enterprise_id = business.enter().enterprise_id
    with pytest.raises(Conflict, match=r"missing: legal_name, .*handler-id-back"):
        business.reviews.submit(MANAGER, enterprise_id, now=NOW)
    assert state(business, enterprise_id) is EnterpriseState.PROSPECT
    with pytest.raises(NotFound):
        business.reviews.show(MANAGER, enterprise_id)


def test_approval_begins_the_activation(business: Business, prospect: str) -> None:
    review = business.reviews.submit(owner_of(prospect), prospect, now=NOW)
    assert state(business, prospect) is EnterpriseState.IN_REVIEW
    assert (review.order.kind, review.order.assignee) == (WorkOrderKind.QUALIFICATION, "mina")
    business.work_orders.decide(
        MANAGER, review.order.work_order_id, approved=True, reason="", now=NOW
    )
    assert state(business, prospect) is EnterpriseState.APPROVED
    activation = business.activations.show(MANAGER, prospect)
    assert activation.order is not None
    assert (activation.order.state, activation.order.assignee) == (WorkOrderState.OPEN, "mina")
    assert not any(step.is_done for step in activation.steps)


def test_rejection_says_why_and_is_resubmitted(business: Business, prospect: str) -> None:
    first = business.reviews.submit(owner_of(prospect), prospect, now=NOW).order
    business.work_orders.decide(
        REVIEWER, first.work_order_id, approved=False, reason="blurred", now=NOW
    )
    assert state(business, prospect) is EnterpriseState.PROSPECT
    shown = business.reviews.show(owner_of(prospect), prospect).order
    assert (shown.outcome, shown.reason) == (WorkOrderState.REJECTED, "blurred")
    second = business.reviews.submit(owner_of(prospect), prospect, now=NOW).order
    assert second.previous_id == first.work_order_id


def test_review_is_withdrawn_to_correct_something(business: Business, prospect: str) -> None:
    owner = owner_of(prospect)
    with pytest.raises(Conflict):
        business.reviews.withdraw(owner, prospect, reason="", now=NOW)
    business.reviews.submit(owner, prospect, now=NOW)
    withdrawn = business.reviews.withdraw(owner, prospect, reason="a typo", now=NOW)
    assert withdrawn.order.outcome is WorkOrderState.WITHDRAWN
    assert state(business, prospect) is EnterpriseState.PROSPECT
    again = business.reviews.submit(owner, prospect, now=NOW)
    assert again.order.previous_id is None


def test_snapshot_stays_as_it_was_and_its_reading_is_noted(
    business: Business, prospect: str
) -> None:
    order = business.reviews.submit(owner_of(prospect), prospect, now=NOW).order
    business.work_orders.decide(REVIEWER, order.work_order_id, approved=False, reason="no", now=NOW)
    business.data.change(MANAGER, prospect, {"legal_name": "Another"}, now=NOW)
    review = business.reviews.open_snapshot(REVIEWER, order.work_order_id, purpose=PURPOSE, now=NOW)
    assert review.snapshot is not None
    assert review.snapshot.data.legal_name == "Acme Limited"
    assert review.snapshot.data.representative_id_number == ID_NUMBER
    assert len(review.snapshot.documents) == 5
    assert ID_NUMBER not in repr(review)
    entries = AuditLog(business.transactions).list_entries(limit=10)
    assert (entries[0].operation, entries[0].principal) == ("readReviewSnapshot", "rita")


def test_who_submits_for_a_customer_does_not_review(business: Business, prospect: str) -> None:
    order = business.reviews.submit(MANAGER, prospect, now=NOW).order
    with pytest.raises(NotPermitted):
        business.work_orders.decide(MANAGER, order.work_order_id, approved=True, reason="", now=NOW)


def test_review_is_for_few(business: Business, prospect: str) -> None:
    for principal in (REVIEWER, SUPPORT):
        with pytest.raises(NotPermitted):
            business.reviews.submit(principal, prospect, now=NOW)
        with pytest.raises(NotPermitted):
            business.reviews.withdraw(principal, prospect, reason="", now=NOW)
    for principal in (SOUTH_MANAGER, owner_of("another")):
        with pytest.raises(NotFound):
            business.reviews.submit(principal, prospect, now=NOW)
    order = business.reviews.submit(owner_of(prospect), prospect, now=NOW).order
    for order_id, principal in (
        (order.work_order_id, owner_of("another")),
        ("none", MANAGER),
    ):
        with pytest.raises(NotFound):
            business.reviews.open_snapshot(principal, order_id, purpose=PURPOSE, now=NOW)
    with pytest.raises(NotPermitted):
        business.reviews.open_snapshot(SUPPORT, order.work_order_id, purpose=PURPOSE, now=NOW)
