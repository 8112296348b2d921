"""Time axes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clicktodial.sandbox.drawing.axis import format_time, time_marks


@given(duration_s=st.floats(0, 1e6))
def test_marks_of_any_duration_are_few_and_within(duration_s: float) -> None:
    marks = time_marks(duration_s)
    assert 1 <= len(marks) <= 12
    assert marks[0] == 0
    assert marks[-1] <= duration_s + 1e-6


@pytest.mark.parametrize(
    ("seconds", "written"),
    [(0, "0 s"), (0.25, "0.25 s"), (59, "59 s"), (60, "1:00"), (125, "2:05"), (3600, "1:00:00")],
)
def test_time_is_written_as_people_read_it(seconds: float, written: str) -> None:
    assert format_time(seconds) == written
