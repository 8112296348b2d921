"""The states of work orders."""

from itertools import product

import pytest

from clicktodial.domain.principal import CUSTOMER_ROLES, Role
from clicktodial.domain.work_order import (
    DECIDERS,
    OUTCOMES,
    TRANSITIONS,
    WorkOrderAction,
    WorkOrderKind,
    WorkOrderState,
    WorkOrderStateError,
    move,
)


@pytest.mark.parametrize(("state", "action"), list(product(WorkOrderState, WorkOrderAction)))
def test_action_moves_as_the_table_says_or_raises(
    state: WorkOrderState, action: WorkOrderAction
) -> None:
    if (state, action) in TRANSITIONS:
        assert move(state, action) is TRANSITIONS[state, action]
        return
    with pytest.raises(WorkOrderStateError, match=f"is {state} cannot be asked to {action}"):
        move(state, action)


def test_nothing_leaves_the_archive_and_only_outcomes_enter_it() -> None:
    assert not [pair for pair in TRANSITIONS if pair[0] is WorkOrderState.ARCHIVED]
    into = {state for (state, _), to in TRANSITIONS.items() if to is WorkOrderState.ARCHIVED}
    assert into == OUTCOMES


def test_each_kind_is_decided_by_the_operators_people_alone() -> None:
    assert set(DECIDERS) == set(WorkOrderKind)
    for roles in DECIDERS.values():
        assert Role.OPERATOR in roles
        assert not roles & (CUSTOMER_ROLES | {Role.APPLICATION})
