"""The picture of how a side sounded: where its parts are."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clicktodial.domain.cause import Side
from clicktodial.domain.quality_timeline import IntervalQuality, QualityInterval, QualityTimeline
from clicktodial.portal.call.quality_chart import (
    BARS_BOTTOM,
    BARS_TOP,
    LEFT,
    LINE_BOTTOM,
    LINE_TOP,
    RIGHT,
    draw_quality,
)

GOOD, SILENT = IntervalQuality(500, 0, 2.0, None, 4.4), IntervalQuality(0, 0)
LOSSY = IntervalQuality(450, 50, 9.0, 40.0, 3.2)


def timeline(*sides: IntervalQuality) -> QualityTimeline:
    """Of a caller; the callee says nothing."""
    return tuple(
        QualityInterval(10_000 * number, each, SILENT) for number, each in enumerate(sides, 1)
    )


def test_line_breaks_where_nothing_came_and_bars_show_what_was_lost() -> None:
    drawn = draw_quality(timeline(GOOD, LOSSY, SILENT, GOOD), Side.CALLER)
    assert drawn is not None
    lines = [[corner.split(",")[0] for corner in line.split()] for line in drawn.lines]
    assert lines == [["48.0", "111.0", "237.0", "300.0"], ["426.0", "489.0", "552.0"]]
    assert [each.is_silent for each in drawn.intervals] == [False, False, True, False]
    # The scale of the bars ends at the next step: what was lost reaches it here.
    assert drawn.loss_max == 0.1
    assert [each.bar_height for each in drawn.intervals] == [0, BARS_BOTTOM - BARS_TOP, 0, 0]
    assert drawn.worst is not None
    assert (drawn.worst.begins_s, drawn.worst.ends_s) == (10, 20)
    assert [mark.value for mark in drawn.time_marks] == [0, 10, 20, 30, 40]


def test_call_that_sounded_well_has_no_worst_moment() -> None:
    drawn = draw_quality(timeline(GOOD, SILENT, GOOD), Side.CALLER)
    assert drawn is not None and drawn.worst is None


def test_silent_side_has_a_picture_without_a_line_and_no_call_has_none() -> None:
    drawn = draw_quality(timeline(GOOD, GOOD), Side.CALLEE)
    assert drawn is not None and drawn.lines == ()
    assert all(each.is_silent for each in drawn.intervals)
    assert draw_quality((), Side.CALLER) is None


@given(
    lengths_ms=st.lists(st.integers(1, 3_600_000), min_size=1, max_size=120),
    lost=st.integers(0, 500),
    mos=st.one_of(st.none(), st.floats(1.0, 4.5)),
)
def test_whatever_was_measured_stays_within_the_picture(
    lengths_ms: list[int], lost: int, mos: float | None
) -> None:
    side = IntervalQuality(500 - lost, lost, 1.0, None, mos)
    until_ms, intervals = 0, []
    for length_ms in lengths_ms:
        until_ms += length_ms
        intervals.append(QualityInterval(until_ms, side, side))
    drawn = draw_quality(tuple(intervals), Side.CALLEE)
    assert drawn is not None
    for each in drawn.intervals:
        assert each.x >= LEFT and each.x + each.width <= RIGHT + 0.2
        assert BARS_TOP - 0.1 <= each.bar_y <= BARS_BOTTOM
        assert each.bar_y + each.bar_height == pytest.approx(BARS_BOTTOM)
    corners = [tuple(map(float, each.split(","))) for line in drawn.lines for each in line.split()]
    assert len(corners) == (0 if mos is None else len(intervals) + 2)
    for x, y in corners:
        assert LEFT <= x <= RIGHT + 0.2 and LINE_TOP <= y <= LINE_BOTTOM
    assert 1 <= len(drawn.time_marks) <= 6
    assert all(LEFT <= mark.at <= RIGHT + 0.1 for mark in drawn.time_marks)
