"""What a call costs: the rules, and what holds of every tariff."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clicktodial.domain.minutes import Charge, Hold, Lot, PoolTerms, merge_holds, plan_holds, take
from clicktodial.domain.rating import Tariff, TariffInvalid, price_micros

tariffs = st.builds(
    Tariff,
    unit_s=st.integers(1, 3600),
    minimum_s=st.integers(0, 3600),
    free_below_s=st.integers(0, 3600),
    legs=st.integers(1, 2),
)
durations = st.integers(0, 100_000)


@pytest.mark.parametrize(
    ("tariff", "duration_s", "billed_s"),
    [
        (Tariff(), 0, 60),
        (Tariff(), 1, 60),
        (Tariff(), 60, 60),
        (Tariff(), 61, 120),
        (Tariff(unit_s=6), 61, 66),
        (Tariff(unit_s=1), 61, 61),
        (Tariff(unit_s=1), 0, 1),
        (Tariff(unit_s=1, minimum_s=30), 10, 30),
        (Tariff(unit_s=6, minimum_s=31), 10, 36),
        (Tariff(free_below_s=5), 4, 0),
        (Tariff(free_below_s=5), 5, 60),
        (Tariff(legs=2), 61, 240),
    ],
)
def test_rate_of_a_conversation(tariff: Tariff, duration_s: int, billed_s: int) -> None:
    assert tariff.rate(duration_s) == billed_s


@pytest.mark.parametrize(
    "wrong",
    [
        {"unit_s": 0},
        {"unit_s": 3601},
        {"minimum_s": -1},
        {"minimum_s": 3601},
        {"free_below_s": -1},
        {"free_below_s": 3601},
        {"legs": 0},
        {"legs": 3},
    ],
)
def test_tariff_out_of_bounds_is_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(TariffInvalid):
        Tariff(**wrong)


@given(tariffs, durations, durations)
def test_longer_conversation_never_costs_less(tariff: Tariff, one_s: int, other_s: int) -> None:
    shorter_s, longer_s = sorted((one_s, other_s))
    assert tariff.rate(shorter_s) <= tariff.rate(longer_s)


@given(tariffs, durations)
def test_what_is_not_free_takes_whole_units_that_hold_it(tariff: Tariff, duration_s: int) -> None:
    billed_s = tariff.rate(duration_s)
    if duration_s < tariff.free_below_s:
        assert billed_s == 0
        return
    counted_s = max(duration_s, tariff.minimum_s, 1)
    assert billed_s % (tariff.unit_s * tariff.legs) == 0
    assert 0 <= billed_s // tariff.legs - counted_s < tariff.unit_s


@given(tariffs, st.integers(0, 200_000))
def test_covered_conversation_is_the_longest_that_fits(tariff: Tariff, held_s: int) -> None:
    covered_s = tariff.covered_s(held_s)
    assert covered_s == 0 or tariff.rate(covered_s) <= held_s
    assert tariff.rate(covered_s + 1) > held_s


@given(tariffs)
def test_smallest_charge_is_the_least_that_anything_costs(tariff: Tariff) -> None:
    assert tariff.smallest_charge_s > 0
    assert tariff.smallest_charge_s == tariff.rate(max(tariff.free_below_s, 1))


@given(st.integers(0, 10**9), st.integers(0, 10**9))
def test_price_is_the_exact_one_rounded_up(seconds: int, micros: int) -> None:
    price = price_micros(seconds, micros)
    assert 0 <= price * 60 - seconds * micros < 60


lots = st.lists(st.integers(0, 500), max_size=12).map(
    lambda amounts: [Lot(f"lot-{i}", each, 0) for i, each in enumerate(amounts)]
)


@given(lots, st.integers(0, 3_000))
def test_holds_never_exceed_a_lot_nor_the_need_and_keep_the_order(
    of: list[Lot], need_s: int
) -> None:
    holds = plan_holds(of, need_s)
    left = {lot.lot_id: lot.available_s for lot in of}
    assert all(0 < hold.seconds <= left[hold.lot_id] for hold in holds)
    assert sum(hold.seconds for hold in holds) <= need_s
    assert [hold.lot_id for hold in holds] == [
        lot.lot_id for lot in of if lot.lot_id in {hold.lot_id for hold in holds}
    ]
    # Each but the last one is drained before the next is touched.
    for hold in holds[:-1]:
        assert hold.seconds == left[hold.lot_id]


@given(lots, st.integers(0, 3_000), st.integers(0, 4_000))
def test_what_is_held_is_taken_or_released_to_the_second(
    of: list[Lot], need_s: int, billed_s: int
) -> None:
    holds = plan_holds(of, need_s)
    takes = take(holds, min(billed_s, sum(hold.seconds for hold in holds)))
    assert [each.held_s for each in takes] == [hold.seconds for hold in holds]
    assert all(each.taken_s >= 0 and each.released_s >= 0 for each in takes)
    assert sum(each.taken_s for each in takes) == min(billed_s, sum(hold.seconds for hold in holds))


def test_merge_keeps_one_hold_a_lot_in_the_order_of_the_first() -> None:
    merged = merge_holds([Hold("a", 5), Hold("b", 7), Hold("a", 3)])
    assert merged == (Hold("a", 8), Hold("b", 7))


@given(tariffs, durations, st.integers(1, 100_000))
def test_call_is_never_billed_more_than_it_holds(
    tariff: Tariff, duration_s: int, held_s: int
) -> None:
    charge = Charge("e", PoolTerms("t", tariff), "+8613912345673", holds=(Hold("a", held_s),))
    assert charge.billed_s(duration_s, connected=True) <= held_s
    assert charge.billed_s(duration_s, connected=False) == 0
    if held_s >= tariff.smallest_charge_s and duration_s <= charge.covered_s:
        assert charge.billed_s(duration_s, connected=True) == tariff.rate(duration_s)
