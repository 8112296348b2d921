"""From the network's words to the specification's reasons."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clicktodial.domain.cause import (
    HANG_UP_CAUSE,
    RING_TIMEOUT_CAUSE,
    EndReason,
    LegCause,
    LegOutcome,
    Side,
    cause_of_status,
    reason_of_unanswered,
)


@pytest.mark.parametrize(
    ("status", "outcome", "q850"),
    [
        (302, LegOutcome.FAILED, 127),
        (400, LegOutcome.FAILED, 127),
        (403, LegOutcome.FAILED, 21),
        (404, LegOutcome.FAILED, 1),
        (408, LegOutcome.NO_ANSWER, 102),
        (410, LegOutcome.FAILED, 22),
        (480, LegOutcome.NO_ANSWER, 18),
        (484, LegOutcome.FAILED, 28),
        (486, LegOutcome.BUSY, 17),
        (487, LegOutcome.NO_ANSWER, 16),
        (488, LegOutcome.FAILED, 65),
        (500, LegOutcome.FAILED, 41),
        (502, LegOutcome.FAILED, 38),
        (503, LegOutcome.FAILED, 41),
        (504, LegOutcome.FAILED, 102),
        (600, LegOutcome.BUSY, 17),
        (603, LegOutcome.DECLINED, 21),
        (604, LegOutcome.FAILED, 1),
        (699, LegOutcome.FAILED, 127),
    ],
)
def test_status_of_a_refused_leg_gives_outcome_and_q850(
    status: int, outcome: LegOutcome, q850: int
) -> None:
    assert cause_of_status(status, "Text") == LegCause(outcome, status, "Text", q850)


def test_q850_of_the_network_wins_over_ours() -> None:
    assert cause_of_status(480, "Temporarily Unavailable", q850=20).q850 == 20


@given(st.integers(min_value=300, max_value=699))
def test_every_final_status_has_a_cause_that_keeps_it(status: int) -> None:
    cause = cause_of_status(status)
    assert cause.sip_status == status
    assert cause.outcome is not LegOutcome.HUNG_UP
    assert cause.q850 is not None
    assert 1 <= cause.q850 <= 127


@pytest.mark.parametrize(
    ("outcome", "caller_reason", "callee_reason"),
    [
        (LegOutcome.BUSY, "CallerBusy", "CalleeBusy"),
        (LegOutcome.DECLINED, "CallerBusy", "CalleeBusy"),
        (LegOutcome.NO_ANSWER, "CallerNoAnswer", "CalleeNoAnswer"),
        (LegOutcome.FAILED, "CallerFailure", "CalleeFailure"),
        (LegOutcome.HUNG_UP, "CallerFailure", "CalleeFailure"),
    ],
)
def test_outcome_of_an_unanswered_leg_gives_the_sides_reason(
    outcome: LegOutcome, caller_reason: str, callee_reason: str
) -> None:
    assert reason_of_unanswered(Side.CALLER, outcome) == caller_reason
    assert reason_of_unanswered(Side.CALLEE, outcome) == callee_reason


def test_reasons_are_those_of_the_specification() -> None:
    # click-to-dial-v1 4.2, in its order.
    assert [reason.value for reason in EndReason] == [
        "HangUp", "CallerBusy", "CallerNoAnswer", "CallerFailure", "CallerAbandon",
        "CalleeBusy", "CalleeNoAnswer", "CalleeFailure", "Other",
    ]  # fmt: skip


def test_causes_of_our_own_have_no_sip_status() -> None:
    assert HANG_UP_CAUSE.sip_status is None
    assert RING_TIMEOUT_CAUSE.sip_status is None


def test_other_side_of_the_other_side_is_the_side() -> None:
    for side in Side:
        assert side.other is not side
        assert side.other.other is side
