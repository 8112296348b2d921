"""The states of enterprises."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clicktodial.domain.application import EnterpriseStatus
from clicktodial.domain.enterprise import (
    IN_SERVICE,
    TRANSITIONS,
    EnterpriseMove,
    EnterpriseState,
    EnterpriseStateError,
    move_state,
    status_of,
)

STATUS_BY_STATE = {
    EnterpriseState.PROSPECT: EnterpriseStatus.SUSPENDED,
    EnterpriseState.IN_REVIEW: EnterpriseStatus.SUSPENDED,
    EnterpriseState.APPROVED: EnterpriseStatus.SUSPENDED,
    EnterpriseState.ACTIVE: EnterpriseStatus.ACTIVE,
    EnterpriseState.SUSPENDED: EnterpriseStatus.SUSPENDED,
    EnterpriseState.CANCELLING: EnterpriseStatus.ACTIVE,
    EnterpriseState.CANCELLING_SUSPENDED: EnterpriseStatus.SUSPENDED,
    EnterpriseState.CANCELLED: EnterpriseStatus.CANCELLED,
}


@pytest.mark.parametrize(("state", "move"), list(product(EnterpriseState, EnterpriseMove)))
def test_move_leads_where_the_table_says_or_raises(
    state: EnterpriseState, move: EnterpriseMove
) -> None:
    if (state, move) in TRANSITIONS:
        assert move_state(state, move) is TRANSITIONS[state, move]
        return
    with pytest.raises(EnterpriseStateError, match=f"is {state} cannot {move}"):
        move_state(state, move)


@pytest.mark.parametrize("state", EnterpriseState)
def test_calls_are_let_in_by_state(state: EnterpriseState) -> None:
    assert status_of(state) is STATUS_BY_STATE[state]


def test_nothing_leaves_the_end() -> None:
    assert not [pair for pair in TRANSITIONS if pair[0] is EnterpriseState.CANCELLED]


@given(st.lists(st.sampled_from(EnterpriseMove), max_size=40))
def test_prospect_is_never_in_service_before_it_was_approved_and_activated(
    moves: list[EnterpriseMove],
) -> None:
    state = EnterpriseState.PROSPECT
    done: list[EnterpriseMove] = []
    for move in moves:
        try:
            state = move_state(state, move)
        except EnterpriseStateError:
            continue
        done.append(move)
        if state in IN_SERVICE:
            assert EnterpriseMove.APPROVE in done
            assert EnterpriseMove.ACTIVATE in done[done.index(EnterpriseMove.APPROVE) :]
        if status_of(state) is EnterpriseStatus.ACTIVE:
            stops = [m for m in done if m in (EnterpriseMove.SUSPEND, EnterpriseMove.RESUME)]
            assert not stops or stops[-1] is EnterpriseMove.RESUME
