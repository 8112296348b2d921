"""Gaps and overlaps of a roster."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from clicktodial.domain.roster import Line, Shift, Span, find_gaps, find_overlaps

START = datetime(2026, 2, 16, tzinfo=UTC)


def span(from_hour: int, until_hour: int) -> Span:
    return Span(START + timedelta(hours=from_hour), START + timedelta(hours=until_hour))


def test_gaps_are_before_between_and_after() -> None:
    shifts = [span(8, 12), span(2, 4), span(3, 5)]
    assert find_gaps(shifts, span(0, 24)) == [span(0, 2), span(5, 8), span(12, 24)]
    assert find_gaps(shifts, span(3, 5)) == []
    assert find_gaps([], span(0, 1)) == [span(0, 1)]
    assert find_gaps([span(0, 8), span(8, 24)], span(0, 24)) == []


def test_overlaps_are_told_once_each() -> None:
    assert find_overlaps([span(0, 8), span(8, 16)]) == []
    assert find_overlaps([span(0, 8), span(6, 16), span(7, 20)]) == [span(6, 16)]
    assert find_overlaps([span(0, 9), span(2, 3), span(4, 5)]) == [span(2, 3), span(4, 5)]


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(1, 20)), max_size=8))
def test_each_hour_is_a_gap_a_shift_or_an_overlap(lengths: list[tuple[int, int]]) -> None:
    shifts = [span(begin, begin + length) for begin, length in lengths]
    gaps, overlaps = find_gaps(shifts, span(0, 24)), find_overlaps(shifts)
    for hour in range(24):
        at = span(hour, hour + 1).from_at
        on_call = sum(each.from_at <= at < each.until_at for each in shifts)
        assert any(each.from_at <= at < each.until_at for each in gaps) == (on_call == 0)
        assert any(each.from_at <= at < each.until_at for each in overlaps) == (on_call > 1)


def test_shift_tells_no_number_in_a_log() -> None:
    shift = Shift(
        shift_id="s", line=Line.SECOND, name="Li Wei", phone="+8613912345673",
        email="li@example.com", span=span(0, 1),
    )  # fmt: skip
    assert "139" not in repr(shift) and "Li" not in repr(shift)
