"""The scale of charts: round, few lines, and nothing above it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clicktodial.portal.axis import create_axis


@pytest.mark.parametrize(
    ("values", "ticks"),
    [
        ([], (1, 0)),
        ([0, 0], (1, 0)),
        ([1], (1, 0)),
        ([3], (3, 2, 1, 0)),
        ([22, 7], (30, 20, 10, 0)),
        ([336], (400, 300, 200, 100, 0)),
        ([51, 3], (60, 40, 20, 0)),
        ([0.68, 0.4], (0.8, 0.6, 0.4, 0.2, 0)),
        ([1_047], (1_500, 1_000, 500, 0)),
    ],
)
def test_ticks_are_round(values: list[float], ticks: tuple[float, ...]) -> None:
    assert create_axis(values).ticks == ticks


@given(st.lists(st.integers(0, 10**9) | st.floats(0, 10**9, allow_subnormal=False)))
def test_axis_holds_every_value_on_few_lines(values: list[float]) -> None:
    axis = create_axis(values)
    assert axis.ticks[0] == axis.top >= max([*values, 0]) * (1 - 1e-6)
    assert axis.ticks[-1] == 0
    assert 2 <= len(axis.ticks) <= 5
    if all(float(value).is_integer() for value in values):
        assert all(float(tick).is_integer() for tick in axis.ticks)
