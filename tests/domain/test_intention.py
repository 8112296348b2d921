"""The states of intentions."""

from itertools import product

import pytest

from clicktodial.domain.intention import (
    LIVE_INTENTIONS,
    TRANSITIONS,
    IntentionMove,
    IntentionState,
    IntentionStateError,
    move_intention,
)


@pytest.mark.parametrize(("state", "move"), list(product(IntentionState, IntentionMove)))
def test_move_leads_where_the_table_says_or_raises(
    state: IntentionState, move: IntentionMove
) -> None:
    if (state, move) in TRANSITIONS:
        assert move_intention(state, move) is TRANSITIONS[state, move]
        return
    with pytest.raises(IntentionStateError, match=f"is {state} cannot be asked to {move}"):
        move_intention(state, move)


def test_only_what_lives_moves_and_nobody_is_engaged_who_was_not_assigned() -> None:
    assert {state for state, _ in TRANSITIONS} == LIVE_INTENTIONS
    into_engaged = {
        state
        for (state, move), to in TRANSITIONS.items()
        if to is IntentionState.ENGAGED and move is IntentionMove.ENGAGE
    }
    assert into_engaged == {IntentionState.ASSIGNED}
