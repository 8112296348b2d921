"""Work orders over a real database."""

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, insert

from clicktodial.accounts.work_order import (
    DETAIL_CHARACTERS_MAX,
    WORK_ORDERS_PAGE_MAX,
    WorkOrderFilter,
    WorkOrders,
    archive_work_order,
    decide_work_order,
    find_live_work_order,
    open_work_order,
    read_work_order,
    withdraw_work_order,
)
from clicktodial.domain.principal import OPERATOR_PRINCIPAL, Principal, Role
from clicktodial.domain.work_order import (
    WorkOrder,
    WorkOrderAction,
    WorkOrderKind,
    WorkOrderState,
)
from clicktodial.storage import table
from clicktodial.storage.business_table import REASON_CHARACTERS_MAX
from clicktodial.storage.error import (
    AdministrationError,
    Conflict,
    NotFound,
    NotPermitted,
    ValueInvalid,
)
from clicktodial.storage.transaction import Transactions

NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)
REVIEWER = Principal(name="rita", roles=frozenset({Role.REVIEWER}))
SOUTH_MANAGER = Principal(
    name="sam", roles=frozenset({Role.ACCOUNT_MANAGER}), regions=frozenset({"south"})
)
CUSTOMER = Principal(name="olga", roles=frozenset({Role.OWNER}), enterprise_id="acme")


class Carrier:
    """A handler that notes what it is told."""

    def __init__(self, *, is_done: bool = True, error: Exception | None = None) -> None:
        self.told: list[tuple[WorkOrder, Principal]] = []
        self._is_done = is_done
        self._error = error

    def on_decided(
        self, connection: Connection, order: WorkOrder, *, by: Principal, now: datetime
    ) -> bool:
        self.told.append((order, by))
        connection.execute(
            table.enterprise.update()
            .where(table.enterprise.c.id == order.enterprise_id)
            .values(name="told")
        )
        if self._error is not None:
            raise self._error
        return self._is_done


@pytest.fixture
def carrier() -> Carrier:
    return Carrier()


@pytest.fixture
def work_orders(transactions: Transactions, carrier: Carrier) -> WorkOrders:
    with transactions.change() as connection:
        for enterprise_id, region in (("acme", "north"), ("brave", "south")):
            connection.execute(
                insert(table.enterprise).values(
                    id=enterprise_id, name=enterprise_id, status="active", region=region
                )
            )
    return WorkOrders(transactions, dict.fromkeys(WorkOrderKind, carrier))


Open = Callable[..., str]


@pytest.fixture
def open_order(transactions: Transactions, work_orders: WorkOrders) -> Open:
    def open_it(enterprise_id: str = "acme", **changes: Any) -> str:
        given: dict[str, Any] = {
            "kind": WorkOrderKind.QUALIFICATION,
            "opened_by": "olga",
            "subject_id": "s",
            "details": {"legal_name": "Acme"},
            "now": NOW,
        }
        with transactions.change() as connection:
            return open_work_order(connection, enterprise_id=enterprise_id, **(given | changes))

    return open_it


def test_order_is_read_as_it_was_opened(work_orders: WorkOrders, open_order: Open) -> None:
    order, steps = work_orders.show(OPERATOR_PRINCIPAL, open_order(subject_id="review-1"))
    assert (order.kind, order.enterprise_id, order.region) == (
        WorkOrderKind.QUALIFICATION,
        "acme",
        "north",
    )
    assert (order.subject_id, order.details) == ("review-1", {"legal_name": "Acme"})
    assert (order.state, order.outcome, order.opened_at) == (WorkOrderState.OPEN, None, NOW)
    assert [(step.action, step.by, step.at) for step in steps] == [
        (WorkOrderAction.OPEN, "olga", NOW)
    ]


@pytest.mark.on_every_database
def test_approved_order_is_carried_out_and_archived(
    work_orders: WorkOrders, open_order: Open, carrier: Carrier
) -> None:
    order_id = open_order()
    order = work_orders.decide(REVIEWER, order_id, approved=True, reason=" fine ", now=LATER)
    assert order.state is WorkOrderState.ARCHIVED
    assert order.outcome is WorkOrderState.APPROVED
    assert (order.decided_by, order.decided_at, order.reason) == ("rita", LATER, "fine")
    assert order.archived_at == LATER
    [(told, by)] = carrier.told
    assert (told.work_order_id, told.outcome, by) == (order_id, WorkOrderState.APPROVED, REVIEWER)
    _, steps = work_orders.show(REVIEWER, order_id)
    assert [(step.seq, step.action, step.why) for step in steps] == [
        (1, WorkOrderAction.OPEN, ""),
        (2, WorkOrderAction.APPROVE, "fine"),
        (3, WorkOrderAction.ARCHIVE, ""),
    ]


def test_rejection_without_a_reason_is_refused(work_orders: WorkOrders, open_order: Open) -> None:
    order_id = open_order()
    with pytest.raises(ValueInvalid):
        work_orders.decide(REVIEWER, order_id, approved=False, reason=" ", now=NOW)
    too_long = "x" * (REASON_CHARACTERS_MAX + 1)
    with pytest.raises(ValueInvalid):
        work_orders.decide(REVIEWER, order_id, approved=False, reason=too_long, now=NOW)
    longest = "x" * REASON_CHARACTERS_MAX
    order = work_orders.decide(REVIEWER, order_id, approved=False, reason=longest, now=NOW)
    assert (order.state, order.outcome) == (WorkOrderState.ARCHIVED, WorkOrderState.REJECTED)


def test_decided_order_is_never_decided_again(work_orders: WorkOrders, open_order: Open) -> None:
    order_id = open_order()
    first = work_orders.decide(REVIEWER, order_id, approved=False, reason="no", now=NOW)
    with pytest.raises(Conflict):
        work_orders.decide(OPERATOR_PRINCIPAL, order_id, approved=True, reason="", now=LATER)
    with pytest.raises(Conflict):
        work_orders.assign(OPERATOR_PRINCIPAL, order_id, assignee="rita", now=LATER)
    assert work_orders.show(REVIEWER, order_id)[0] == first


@pytest.mark.on_every_database
def test_of_two_reviewers_at_once_one_wins(
    work_orders: WorkOrders, open_order: Open, carrier: Carrier
) -> None:
    order_id = open_order()
    barrier = threading.Barrier(2)
    outcomes: list[str] = []

    def decide(approved: bool) -> None:
        barrier.wait()
        try:
            work_orders.decide(REVIEWER, order_id, approved=approved, reason="r", now=NOW)
        except Conflict:
            outcomes.append("conflict")
        else:
            outcomes.append("won")

    threads = [threading.Thread(target=decide, args=(each,)) for each in (True, False)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["conflict", "won"]
    assert len(carrier.told) == 1
    assert len(work_orders.show(REVIEWER, order_id)[1]) == 3


def test_decision_that_cannot_be_carried_out_is_undone(
    transactions: Transactions, open_order: Open
) -> None:
    failing = Carrier(error=Conflict("not now"))
    work_orders = WorkOrders(transactions, {WorkOrderKind.QUALIFICATION: failing})
    order_id = open_order()
    with pytest.raises(Conflict, match="not now"):
        work_orders.decide(REVIEWER, order_id, approved=True, reason="", now=NOW)
    order, steps = work_orders.show(REVIEWER, order_id)
    assert (order.state, len(steps)) == (WorkOrderState.OPEN, 1)
    with transactions.read() as connection:
        assert "told" not in set(connection.scalars(table.enterprise.select()))


def test_approval_that_waits_for_its_day_is_archived_then(
    transactions: Transactions, open_order: Open
) -> None:
    work_orders = WorkOrders(transactions, {WorkOrderKind.QUALIFICATION: Carrier(is_done=False)})
    order_id = open_order()
    order = work_orders.decide(REVIEWER, order_id, approved=True, reason="", now=NOW)
    assert (order.state, order.archived_at) == (WorkOrderState.APPROVED, None)
    with transactions.change() as connection:
        archive_work_order(connection, order_id, by="platform", why="in force", now=LATER)
        order = read_work_order(connection, order_id)
    assert (order.state, order.archived_at) == (WorkOrderState.ARCHIVED, LATER)
    assert (order.outcome, order.decided_by) == (WorkOrderState.APPROVED, "rita")


def test_other_parts_decide_within_their_own_transaction(
    transactions: Transactions, open_order: Open
) -> None:
    order_id = open_order()
    with transactions.change() as connection:
        order = decide_work_order(
            connection, order_id, approved=True, decided_by="x", reason="", now=NOW
        )
    assert order.state is WorkOrderState.ARCHIVED


@pytest.mark.on_every_database
def test_rejected_order_is_resubmitted_once_and_names_the_one_before(
    work_orders: WorkOrders, open_order: Open, transactions: Transactions
) -> None:
    first = open_order()
    with pytest.raises(Conflict):
        open_order(previous_id=first)
    work_orders.decide(REVIEWER, first, approved=False, reason="blurred", now=NOW)
    with pytest.raises(ValueInvalid):
        open_order("brave", previous_id=first)
    with pytest.raises(ValueInvalid):
        open_order(kind=WorkOrderKind.SUSPENSION, previous_id=first)
    second = open_order(previous_id=first)
    assert work_orders.show(REVIEWER, second)[0].previous_id == first
    with pytest.raises(Conflict):
        open_order(previous_id=first)
    with transactions.read() as connection:
        live = find_live_work_order(connection, kind=WorkOrderKind.QUALIFICATION, subject_id="s")
    assert live is not None
    assert live.work_order_id == second


def test_order_is_withdrawn_until_it_is_carried_out(
    transactions: Transactions, open_order: Open
) -> None:
    order_id = open_order()
    with transactions.change() as connection:
        order = withdraw_work_order(connection, order_id, by="olga", why="a mistake", now=NOW)
    assert (order.state, order.outcome) == (WorkOrderState.ARCHIVED, WorkOrderState.WITHDRAWN)
    with transactions.change() as connection, pytest.raises(Conflict):
        withdraw_work_order(connection, order_id, by="olga", why="", now=NOW)


@pytest.mark.parametrize(
    ("kind", "role", "may"),
    [
        (WorkOrderKind.QUALIFICATION, Role.ACCOUNT_MANAGER, True),
        (WorkOrderKind.QUALIFICATION, Role.REVIEWER, True),
        (WorkOrderKind.QUALIFICATION, Role.SUPPORT, False),
        (WorkOrderKind.NUMBER_ORDER, Role.ACCOUNT_MANAGER, False),
        (WorkOrderKind.NUMBER_ORDER, Role.REVIEWER, True),
        (WorkOrderKind.TEMPLATE_REVIEW, Role.REVIEWER, True),
        (WorkOrderKind.SUSPENSION, Role.REVIEWER, False),
        (WorkOrderKind.SUSPENSION, Role.ACCOUNT_MANAGER, True),
        (WorkOrderKind.CANCELLATION, Role.OPERATOR, True),
    ],
)
def test_kind_is_decided_by_its_roles(
    work_orders: WorkOrders, open_order: Open, kind: WorkOrderKind, role: Role, may: bool
) -> None:
    principal = Principal(name="p", roles=frozenset({role}))
    order_id = open_order(kind=kind)
    if may:
        work_orders.decide(principal, order_id, approved=True, reason="", now=NOW)
        return
    with pytest.raises(NotPermitted):
        work_orders.decide(principal, order_id, approved=True, reason="", now=NOW)


def test_review_is_not_answered_by_who_asked_for_it(
    work_orders: WorkOrders, open_order: Open
) -> None:
    order_id = open_order(opened_by="rita")
    with pytest.raises(NotPermitted):
        work_orders.decide(REVIEWER, order_id, approved=True, reason="", now=NOW)
    other = Principal(name="rolf", roles=frozenset({Role.REVIEWER}))
    work_orders.decide(other, order_id, approved=True, reason="", now=NOW)


def test_orders_of_another_are_not_there(work_orders: WorkOrders, open_order: Open) -> None:
    mine, foreign = open_order("acme"), open_order("brave")
    for principal, visible, hidden in (
        (CUSTOMER, mine, foreign),
        (SOUTH_MANAGER, foreign, mine),
    ):
        listed = work_orders.list_orders(principal, WorkOrderFilter())
        assert [order.work_order_id for order in listed] == [visible]
        with pytest.raises(NotFound):
            work_orders.show(principal, hidden)
    with pytest.raises(NotFound):
        work_orders.decide(SOUTH_MANAGER, mine, approved=True, reason="", now=NOW)
    with pytest.raises(NotFound):
        work_orders.assign(SOUTH_MANAGER, mine, assignee="sam", now=NOW)
    nobody = Principal(name="n", roles=frozenset())
    assert work_orders.list_orders(nobody, WorkOrderFilter()) == []


def test_customer_decides_and_assigns_nothing(work_orders: WorkOrders, open_order: Open) -> None:
    order_id = open_order()
    with pytest.raises(NotPermitted):
        work_orders.decide(CUSTOMER, order_id, approved=True, reason="", now=NOW)
    with pytest.raises(NotPermitted):
        work_orders.assign(CUSTOMER, order_id, assignee="olga", now=NOW)


@pytest.mark.on_every_database
def test_queues_are_filtered_and_paged(work_orders: WorkOrders, open_order: Open) -> None:
    ids = [open_order("acme" if n % 2 else "brave", subject_id=str(n)) for n in range(4)]
    ids.append(open_order(kind=WorkOrderKind.SUSPENSION))
    work_orders.assign(REVIEWER, ids[1], assignee="rita", now=NOW)
    work_orders.decide(REVIEWER, ids[2], approved=True, reason="", now=NOW)

    def listed(**which: Any) -> list[str]:
        found = work_orders.list_orders(REVIEWER, WorkOrderFilter(**which))
        return [order.work_order_id for order in found]

    assert listed() == ids
    assert listed(kinds=frozenset({WorkOrderKind.SUSPENSION})) == [ids[4]]
    assert listed(region="south") == [ids[0], ids[2]]
    assert listed(assignee="rita") == [ids[1]]
    assert listed(enterprise_id="acme") == [ids[1], ids[3], ids[4]]
    assert listed(states=frozenset({WorkOrderState.ARCHIVED})) == [ids[2]]
    pages: list[str] = []
    while True:
        after = pages[-1] if pages else None
        page = work_orders.list_orders(REVIEWER, WorkOrderFilter(), after=after, limit=2)
        if not page:
            break
        pages += [order.work_order_id for order in page]
    assert pages == ids


def test_page_has_an_end_whatever_is_asked(
    work_orders: WorkOrders, transactions: Transactions
) -> None:
    with transactions.change() as connection:
        for number in range(WORK_ORDERS_PAGE_MAX + 1):
            open_work_order(
                connection,
                kind=WorkOrderKind.QUALIFICATION,
                enterprise_id="acme",
                opened_by="o",
                subject_id=str(number),
                details={},
                now=NOW,
            )
    found = work_orders.list_orders(REVIEWER, WorkOrderFilter(), limit=1_000_000)
    assert len(found) == WORK_ORDERS_PAGE_MAX


def test_kind_without_a_handler_is_decided_elsewhere(
    transactions: Transactions, open_order: Open
) -> None:
    order_id = open_order()
    with pytest.raises(Conflict):
        WorkOrders(transactions, {}).decide(REVIEWER, order_id, approved=True, reason="", now=NOW)


def test_unknown_order_and_overlong_details_are_refused(
    work_orders: WorkOrders, open_order: Open, transactions: Transactions
) -> None:
    with pytest.raises(NotFound):
        work_orders.show(REVIEWER, "none")
    with transactions.change() as connection, pytest.raises(NotFound):
        archive_work_order(connection, "none", by="x", why="", now=NOW)
    with pytest.raises(AdministrationError):
        open_order(details={"a": "x" * (DETAIL_CHARACTERS_MAX + 1)})
    open_order(details={"a": "x" * DETAIL_CHARACTERS_MAX})


def test_what_waits_is_counted_by_kind_of_what_somebody_sees(
    transactions: Transactions, work_orders: WorkOrders, open_order: Open
) -> None:
    decided, waits = open_order(), open_order()
    with transactions.change() as connection:
        kind = read_work_order(connection, waits).kind
        decide_work_order(connection, decided, approved=True, decided_by="o", reason="", now=NOW)
    assert work_orders.count_open(REVIEWER) == {kind: 1}
    stranger = Principal(name="x", roles=frozenset({Role.OWNER}), enterprise_id="another")
    assert work_orders.count_open(stranger) == {}


def test_orders_are_listed_from_the_newest_on_where_that_is_wanted(
    work_orders: WorkOrders, open_order: Open
) -> None:
    ids = [open_order() for _ in range(3)]
    found = work_orders.list_orders(REVIEWER, WorkOrderFilter(), limit=2, is_newest_first=True)
    assert [each.work_order_id for each in found] == ids[:0:-1]
    rest = work_orders.list_orders(
        REVIEWER, WorkOrderFilter(), after=found[-1].work_order_id, is_newest_first=True
    )
    assert [each.work_order_id for each in rest] == ids[:1]
