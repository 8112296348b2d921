"""Readings of a relay as intervals: what each holds, and how a long call stays small."""

from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clicktodial.domain.leg import CallQuality, RecentQuality, SideQuality
from clicktodial.domain.quality import estimate_mos
from clicktodial.domain.quality_timeline import INTERVALS_MAX, IntervalQuality, QualityLog

INTERVAL_MS = 10_000
SILENT = SideQuality(0, 0, 0.0, None)
RECENT = RecentQuality(jitter_ms=4.0, round_trip_ms=40.0, codec_name="PCMA")


def reading(packets: int, lost: int = 0, recent: RecentQuality | None = RECENT) -> CallQuality:
    """Of a caller so far, beside a callee of whom nothing came."""
    return CallQuality(SideQuality(packets, lost, 2.0, 4.3), SILENT, recent)


def test_interval_holds_what_came_since_the_reading_before() -> None:
    log = QualityLog(INTERVAL_MS)
    log.add(10_000, reading(500))
    worse = RecentQuality(jitter_ms=30.0, codec_name="PCMA")
    log.add(20_000, reading(900, 100, worse))
    first, second = log.timeline()
    assert first.caller == IntervalQuality(
        500, 0, 4.0, 40.0, estimate_mos(codec_name="PCMA", loss_ratio=0, jitter_ms=4)
    )
    assert second.until_ms == 20_000
    assert second.caller == IntervalQuality(
        400, 100, 30.0, None, estimate_mos(codec_name="PCMA", loss_ratio=0.2, jitter_ms=30)
    )
    assert (second.caller.packets_expected, second.caller.loss) == (500, 0.2)
    # Nothing came, and nobody could say how that sounded.
    assert second.callee == IntervalQuality(0, 0)
    assert second.callee.loss == 0.0


def test_one_interval_says_no_more_than_the_legs_do() -> None:
    log = QualityLog(INTERVAL_MS)
    assert log.timeline() == ()
    log.add(10_000, reading(500))
    log.add(10_900, reading(545))
    assert log.timeline() == ()


def test_end_shortly_after_a_reading_belongs_to_the_interval_before() -> None:
    log = QualityLog(INTERVAL_MS)
    for until_ms, packets in ((10_000, 500), (20_000, 1_000), (24_999, 1_250)):
        log.add(until_ms, reading(packets))
    assert [(each.until_ms, each.caller.packets) for each in log.timeline()] == [
        (10_000, 500),
        (24_999, 750),
    ]
    log.add(30_000, reading(1_500))
    assert [each.until_ms for each in log.timeline()] == [10_000, 24_999, 30_000]


@pytest.mark.parametrize(
    ("recent", "packets"), [(None, 500), (RECENT, 49), (RecentQuality(jitter_ms=1.0), 500)]
)
def test_interval_that_nobody_can_judge_has_no_verdict(
    recent: RecentQuality | None, packets: int
) -> None:
    log = QualityLog(INTERVAL_MS)
    log.add(10_000, reading(1_000))
    log.add(20_000, reading(1_000 + packets, 0, recent))
    assert log.timeline()[1].caller.mos is None


def test_counts_that_went_back_lose_nothing() -> None:
    log = QualityLog(INTERVAL_MS)
    log.add(10_000, reading(480, 20))
    log.add(20_000, reading(985, 15))
    log.add(30_000, reading(400, 2))
    log.add(40_000, reading(890, 12))
    assert [(each.caller.packets, each.caller.packets_lost) for each in log.timeline()] == [
        (480, 20),
        (505, 0),
        (0, 0),
        (490, 10),
    ]


@given(
    came=st.lists(
        st.tuples(st.integers(0, 600), st.integers(0, 300)), min_size=2, max_size=4 * INTERVALS_MAX
    )
)
def test_long_log_is_what_reading_less_often_would_have_made_of_it(
    came: list[tuple[int, int]],
) -> None:
    log = QualityLog(INTERVAL_MS)
    packets = [0, *accumulate(packets for packets, _ in came)]
    lost = [0, *accumulate(lost for _, lost in came)]
    paces = [1]
    at = read = 0
    while at + log.interval_ms // INTERVAL_MS <= len(came):
        at += log.interval_ms // INTERVAL_MS
        read += 1
        log.add(at * INTERVAL_MS, reading(packets[at], lost[at]))
        paces.append(log.interval_ms // INTERVAL_MS)
    timeline = log.timeline()
    pace = log.interval_ms // INTERVAL_MS
    assert len(timeline) < INTERVALS_MAX
    assert paces == sorted(paces)
    # Once it is full, it is read half as many times again whenever its length doubles.
    assert read <= INTERVALS_MAX + 2 * (INTERVALS_MAX // 2)
    expected = [
        (end * INTERVAL_MS, packets[end] - packets[end - pace], lost[end] - lost[end - pace])
        for end in range(pace, at + 1, pace)
    ]
    found = [(each.until_ms, each.caller.packets, each.caller.packets_lost) for each in timeline]
    assert found == (expected if len(expected) > 1 else [])
    for each in timeline:
        assert each.caller.jitter_ms in (None, pytest.approx(4.0))
        assert (each.caller.mos is None) == (each.caller.packets < 50)
