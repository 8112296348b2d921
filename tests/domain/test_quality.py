"""The E-model, against the values that its recommendation and its users publish."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clicktodial.domain.quality import MOS_MAX, MOS_MIN, estimate_mos, mos_of_rating


@pytest.mark.parametrize(
    ("rating", "mos"),
    # G.107 table B.1.
    [(93.2, 4.41), (90, 4.34), (80, 4.03), (70, 3.60), (60, 3.10), (50, 2.58), (0, 1.0), (-5, 1.0)],
)
def test_mos_of_rating_is_the_recommendations(rating: float, mos: float) -> None:
    assert mos_of_rating(rating) == pytest.approx(mos, abs=0.01)


def test_rating_above_all_is_the_best_mos() -> None:
    assert mos_of_rating(100) == mos_of_rating(120) == MOS_MAX


def test_clean_line_is_as_good_as_g711_gets() -> None:
    assert estimate_mos(codec_name="PCMA", loss_ratio=0.0) == pytest.approx(4.41, abs=0.005)


@pytest.mark.parametrize(
    ("loss_ratio", "mos"),
    # Ie,eff = 95 * Ppl / (Ppl + 25.1), worked out by hand, and annex B after it.
    [(0.01, 4.33), (0.05, 3.94), (0.10, 3.39), (0.20, 2.63)],
)
def test_loss_costs_what_g113_says(loss_ratio: float, mos: float) -> None:
    assert estimate_mos(codec_name="PCMU", loss_ratio=loss_ratio) == pytest.approx(mos, abs=0.03)


def test_g729_is_worse_than_g711_without_any_loss() -> None:
    assert estimate_mos(codec_name="G729", loss_ratio=0) == pytest.approx(4.10, abs=0.02)


def test_delay_below_100_ms_costs_nothing_and_400_ms_much() -> None:
    def mos(round_trip_ms: float) -> float:
        return estimate_mos(codec_name="PCMA", loss_ratio=0, round_trip_ms=round_trip_ms)

    assert mos(150) == mos(0)
    # G.107 figure: Idd(420 ms) is about 26.
    assert mos(800) == pytest.approx(3.45, abs=0.1)


@given(
    loss=st.floats(0, 1),
    more=st.floats(0, 1),
    jitter_ms=st.floats(0, 2000),
    round_trip_ms=st.floats(0, 10_000),
)
def test_mos_stays_on_its_scale_and_never_rises_with_loss(
    loss: float, more: float, jitter_ms: float, round_trip_ms: float
) -> None:
    def mos(loss_ratio: float) -> float:
        return estimate_mos(
            codec_name="PCMA",
            loss_ratio=loss_ratio,
            jitter_ms=jitter_ms,
            round_trip_ms=round_trip_ms,
        )

    assert MOS_MIN <= mos(max(loss, more)) <= mos(min(loss, more)) <= MOS_MAX
