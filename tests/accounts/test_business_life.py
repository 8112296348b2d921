"""Whatever is asked in whatever order: nobody is active whose papers were not approved, and what
is archived never changes."""

import shutil
import tempfile
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select
from tests.accounts.business import MANAGER, NOW, REVIEWER, Business, owner_of
from tests.harness.database import place_database

from clicktodial.accounts.enterprise_change import CHANGE_KINDS, Modification, NewChange
from clicktodial.accounts.work_order import WorkOrderFilter, read_steps
from clicktodial.domain.activation import ActivationStep
from clicktodial.domain.application import EnterpriseStatus
from clicktodial.domain.enterprise import IN_SERVICE, EnterpriseState, status_of
from clicktodial.domain.principal import OPERATOR_PRINCIPAL
from clicktodial.domain.work_order import WorkOrder, WorkOrderKind, WorkOrderState
from clicktodial.storage import table
from clicktodial.storage.engine import open_engine
from clicktodial.storage.error import AdministrationError
from clicktodial.storage.transaction import Transactions

_KINDS = sorted(CHANGE_KINDS)
# Drawn evenly, most of them would be refused: what leads on is drawn more often.
ASKING = st.tuples(
    st.just("ask"),
    st.tuples(
        st.sampled_from([*_KINDS, WorkOrderKind.SUSPENSION, WorkOrderKind.RESUMPTION]),
        st.sampled_from([0, 0, 0, 1, 3]),
        st.sampled_from([True, True, False]),
    ),
)
ACTIONS = st.one_of(
    ASKING,
    ASKING,
    ASKING,
    st.tuples(st.just("submit"), st.none()),
    st.tuples(st.just("withdraw"), st.none()),
    st.tuples(st.just("decide"), st.booleans()),
    st.tuples(st.just("activate"), st.none()),
    st.tuples(st.just("step"), st.sampled_from(ActivationStep)),
    st.tuples(st.just("revoke"), st.integers(0, 3)),
    st.tuples(st.just("wait"), st.integers(1, 3)),
)


@dataclass
class Life:
    """An enterprise to which things happen."""

    business: Business
    enterprise_id: str
    now: datetime = NOW
    archived: dict[str, tuple[WorkOrder, Any]] = field(default_factory=dict)

    def act(self, action: str, given: Any) -> None:
        """Do it, or be refused."""
        try:
            getattr(self, f"do_{action}")(given)
        except AdministrationError:
            return

    def do_submit(self, _: None) -> None:
        self.business.reviews.submit(owner_of(self.enterprise_id), self.enterprise_id, now=self.now)

    def do_withdraw(self, _: None) -> None:
        self.business.reviews.withdraw(MANAGER, self.enterprise_id, reason="", now=self.now)

    def do_decide(self, approved: bool) -> None:
        orders = self.business.work_orders.list_orders(
            OPERATOR_PRINCIPAL, WorkOrderFilter(states=frozenset({WorkOrderState.OPEN}))
        )
        for order in orders[:1]:
            self.business.work_orders.decide(
                OPERATOR_PRINCIPAL, order.work_order_id, approved=approved, reason="r", now=self.now
            )

    def do_activate(self, _: None) -> None:
        self.business.activate(self.enterprise_id)

    def do_step(self, step: ActivationStep) -> None:
        code = "95001" if step is ActivationStep.SERVICE_CODE else None
        self.business.activations.complete_step(
            MANAGER, self.enterprise_id, step, code=code, now=self.now
        )

    def do_ask(self, given: tuple[WorkOrderKind, int, bool]) -> None:
        kind, days, decides = given
        new = NewChange(
            kind=kind,
            reason="r",
            effective_at=self.now + timedelta(days=days) if days else None,
            modification=Modification(name="x") if kind is WorkOrderKind.MODIFICATION else None,
        )
        self.business.changes.request_change(
            MANAGER, self.enterprise_id, new, decides=decides, now=self.now
        )

    def do_revoke(self, index: int) -> None:
        changes = self.business.changes.list_changes(MANAGER, self.enterprise_id)
        if index < len(changes):
            self.business.changes.withdraw_change(
                MANAGER, self.enterprise_id, changes[index].change_id, reason="", now=self.now
            )

    def do_wait(self, days: int) -> None:
        self.now += timedelta(days=days)
        self.business.changes.carry_out_due(self.now)

    def check(self) -> None:
        """What holds whatever happened."""
        with self.business.transactions.read() as connection:
            row = connection.execute(
                select(table.enterprise).where(table.enterprise.c.id == self.enterprise_id)
            ).one()
            orders = self.business.work_orders.list_orders(REVIEWER, WorkOrderFilter())
            histories = {
                order.work_order_id: read_steps(connection, order.work_order_id) for order in orders
            }
        state = EnterpriseState(row.state)
        assert EnterpriseStatus(row.status) is status_of(state)
        approved = {order.kind for order in orders if order.outcome is WorkOrderState.APPROVED}
        if state in IN_SERVICE or row.status == EnterpriseStatus.ACTIVE:
            assert {WorkOrderKind.QUALIFICATION, WorkOrderKind.ACTIVATION} <= approved
        for order in orders:
            known = self.archived.get(order.work_order_id)
            now = (order, histories[order.work_order_id])
            if known is not None:
                assert now == known
            elif order.state is WorkOrderState.ARCHIVED:
                assert order.archived_at is not None and order.decided_by
                self.archived[order.work_order_id] = now
            if order.state is WorkOrderState.APPROVED:
                assert state is not EnterpriseState.CANCELLED


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with a prospect whose papers are complete, to be copied."""
    directory = tmp_path_factory.mktemp("filled")
    path = place_database(directory / "clicktodial.db")
    engine = open_engine(f"sqlite:///{path}", "normal")
    business = Business(Transactions(engine), directory / "documents")
    business.fill(business.enter().enterprise_id)
    engine.dispose()
    return path


@settings(max_examples=60)
@given(st.booleans(), st.lists(ACTIONS, min_size=5, max_size=25))
def test_whatever_is_asked_the_rules_hold(
    filled: Path, is_in_service: bool, actions: list[tuple[str, Any]]
) -> None:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "clicktodial.db"
        shutil.copy(filled, path)
        engine = open_engine(f"sqlite:///{path}", "normal")
        try:
            business = Business(Transactions(engine), Path(directory))
            [enterprise] = business.enterprises.list_enterprises(MANAGER)
            life = Life(business, enterprise.enterprise_id)
            if is_in_service:
                business.approve(enterprise.enterprise_id)
                business.activate(enterprise.enterprise_id)
                life.check()
            for action, given in actions:
                life.act(action, given)
                life.check()
        finally:
            engine.dispose()
