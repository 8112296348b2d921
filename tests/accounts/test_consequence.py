"""What a suspension or an end would touch."""

from datetime import timedelta

import pytest
from sqlalchemy import Engine, insert
from tests.accounts.business import NOW, SOUTH_MANAGER, owner_of

from clicktodial.accounts.consequence import Consequences, Stake
from clicktodial.accounts.number import NewNumber, NumberInventory
from clicktodial.accounts.number_order import NumberOrders
from clicktodial.accounts.work_order import WorkOrders
from clicktodial.domain.call import CallState
from clicktodial.domain.principal import OPERATOR_PRINCIPAL
from clicktodial.domain.work_order import WorkOrderKind
from clicktodial.storage import table
from clicktodial.storage.administration import Administration
from clicktodial.storage.error import NotFound
from clicktodial.storage.leg_codec import encode_legs
from clicktodial.storage.transaction import Transactions


def test_all_that_an_enterprise_has_is_counted_and_nothing_of_another(
    engine: Engine, transactions: Transactions, administration: Administration
) -> None:
    consequences = Consequences(transactions)
    assert consequences.weigh(owner_of("acme"), "acme") == Stake(0, 0, 1, 0)
    inventory = NumberInventory(transactions, region="CN")
    orders = NumberOrders(transactions, region="CN")
    work_orders = WorkOrders(transactions, {WorkOrderKind.NUMBER_ORDER: orders})
    for number in range(4):
        inventory.add(NewNumber(number=f"0105269000{number}"), NOW)
    approved = orders.place(owner_of("acme"), "acme", ["01052690000", "01052690001"], NOW)
    work_orders.decide(
        OPERATOR_PRINCIPAL, approved.work_order_id, approved=True, reason="", now=NOW
    )
    orders.place(owner_of("acme"), "acme", ["01052690002"], NOW)
    orders.place(owner_of("bell"), "bell", ["01052690003"], NOW)
    for app_id, state in (
        ("acme-app", CallState.CONNECTED),
        ("acme-app", CallState.ENDED),
        ("bell-app", CallState.CONNECTED),
    ):
        _add_call(engine, app_id, state)
    assert consequences.weigh(owner_of("acme"), "acme") == Stake(2, 1, 1, 1)
    with pytest.raises(NotFound):
        consequences.weigh(owner_of("acme"), "bell")
    with pytest.raises(NotFound):
        consequences.weigh(SOUTH_MANAGER, "acme")


def _add_call(engine: Engine, app_id: str, state: CallState) -> None:
    is_over = state is CallState.ENDED
    row = {
        "id": f"{app_id}-{state}", "node_id": "node", "app_id": app_id,
        "sponsor_e164": "+861052680000", "sponsor_written": "01052680000",
        "caller_e164": "+8613912345673", "caller_written": "13912345673",
        "callee_e164": "+8613810268000", "callee_written": "13810268000",
        "begun_at": NOW, "state": state, "event_count": 0, "duration_s": 0,
        "ended_at": NOW + timedelta(seconds=9) if is_over else None, "legs": encode_legs({}),
    }  # fmt: skip
    with engine.begin() as connection:
        connection.execute(insert(table.call).values(row))
