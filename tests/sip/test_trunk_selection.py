"""Which trunk is tried first, and how many legs each takes."""

import random
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from clicktodial.domain.trunk import NumberFormat, Trunk
from clicktodial.sip.trunk_selection import FAULTS_MAX, TRUNK_REST_S, TrunkStates, order_trunks

NUMBER = "+8613912345673"


def create(name: str, **fields: object) -> Trunk:
    return Trunk(name, "192.0.2.1", 5060, **fields)  # type: ignore[arg-type]


def names(trunks: list[Trunk], number: str = NUMBER, seed: int = 1) -> list[str]:
    return [trunk.name for trunk in order_trunks(trunks, number, random.Random(seed))]


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


# Order


def test_prefix_that_does_not_fit_excludes_the_trunk() -> None:
    trunks = [create("uk", prefixes=("+44",)), create("any"), create("cn", prefixes=("+86", "+1"))]
    assert set(names(trunks)) == {"any", "cn"}
    assert names([create("uk", prefixes=("+44",))]) == []


def test_longest_prefix_of_a_priority_goes_first_and_priority_before_all() -> None:
    trunks = [
        create("any"),
        create("country", prefixes=("+86",)),
        create("mobile", prefixes=("+86139", "+1")),
        create("cheap", priority=1),
    ]
    assert names(trunks) == ["cheap", "mobile", "country", "any"]


def test_preferred_trunk_goes_before_all_where_it_carries_the_number() -> None:
    trunks = [
        create("cheap", priority=1),
        create("own", priority=9),
        create("uk", prefixes=("+44",)),
    ]

    def ordered(preferred: str | None) -> list[str]:
        found = order_trunks(trunks, NUMBER, random.Random(1), preferred)
        return [trunk.name for trunk in found]

    assert ordered(None) == ordered("gone") == ["cheap", "own"]
    assert ordered("own") == ["own", "cheap"]
    assert ordered("uk") == ["cheap", "own"]


def test_equal_trunks_share_by_weight() -> None:
    trunks = [create("light", weight=1), create("heavy", weight=3), create("spare", weight=0)]
    firsts = Counter(names(trunks, seed=seed)[0] for seed in range(4000))
    assert 0.72 < firsts["heavy"] / 4000 < 0.78
    assert firsts["spare"] == 0
    assert all(names(trunks, seed=seed)[2] == "spare" for seed in range(50))


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 5)), max_size=8), st.integers())
def test_order_holds_each_fitting_trunk_once_by_priority(
    drawn: list[tuple[int, int]], seed: int
) -> None:
    trunks = [
        create(str(index), priority=priority, weight=weight)
        for index, (priority, weight) in enumerate(drawn)
    ]
    ordered = order_trunks(trunks, NUMBER, random.Random(seed))
    assert sorted(trunk.name for trunk in ordered) == sorted(trunk.name for trunk in trunks)
    assert [trunk.priority for trunk in ordered] == sorted(trunk.priority for trunk in trunks)


# Limits and rests


def test_channels_are_counted_up_to_the_limit_and_given_back() -> None:
    states, trunk = TrunkStates(Clock()), create("a", channels_max=2)
    assert [states.take(trunk) for _ in range(3)] == [True, True, False]
    states.release(trunk)
    assert states.take(trunk)
    assert states.channels(trunk) == 2


def test_trunk_that_was_changed_keeps_its_channels() -> None:
    states = TrunkStates(Clock())
    assert states.take(create("a"))
    assert not states.take(create("a", channels_max=1))


def test_calls_per_second_allow_a_seconds_burst_and_then_the_rate() -> None:
    clock = Clock()
    states, trunk = TrunkStates(clock), create("a", calls_per_second_max=5)
    assert [states.take(trunk) for _ in range(7)] == [True] * 5 + [False] * 2
    for _ in range(5):
        states.release(trunk)
    assert not states.take(trunk)
    clock.now += 0.41
    assert [states.take(trunk) for _ in range(3)] == [True, True, False]


@given(st.lists(st.floats(0, 0.5), max_size=200), st.integers(1, 20))
def test_no_second_sees_more_than_twice_the_rate(waits: list[float], rate: int) -> None:
    clock = Clock()
    states, trunk = TrunkStates(clock), create("a", calls_per_second_max=rate)
    taken: list[float] = []
    for wait in waits:
        clock.now += wait
        if states.take(trunk):
            taken.append(clock.now)
    for start in taken:
        # A full bucket, and what flows in meanwhile.
        assert sum(start <= at < start + 1 for at in taken) <= 2 * rate


def test_faults_in_a_row_rest_the_trunk_for_a_while() -> None:
    clock = Clock()
    states, trunk = TrunkStates(clock), create("a")
    for _ in range(FAULTS_MAX - 1):
        states.note_fault(trunk)
    assert not states.is_resting(trunk)
    states.note_fault(trunk)
    assert states.is_resting(trunk)
    clock.now += TRUNK_REST_S
    assert not states.is_resting(trunk)


def test_success_between_faults_starts_the_count_anew() -> None:
    states, trunk = TrunkStates(Clock()), create("a")
    for _ in range(3 * FAULTS_MAX):
        states.note_fault(trunk)
        states.note_success(trunk)
    assert not states.is_resting(trunk)


# How numbers are written


def test_number_is_written_as_the_trunk_wants_it() -> None:
    def written(number: str, number_format: NumberFormat, region: str = "CN") -> str:
        return create("a", number_format=number_format, region=region).format_number(number)

    assert written(NUMBER, NumberFormat.E164_PLUS) == "+8613912345673"
    assert written(NUMBER, NumberFormat.E164) == "8613912345673"
    assert written(NUMBER, NumberFormat.NATIONAL) == "13912345673"
    assert written("+861052680000", NumberFormat.NATIONAL) == "01052680000"
    assert written("+442071838750", NumberFormat.NATIONAL) == "+442071838750"
    assert written("+442071838750", NumberFormat.NATIONAL, "GB") == "02071838750"
    assert written("+999", NumberFormat.NATIONAL) == "+999"


# What is found out between calls


def test_trunk_is_down_until_it_is_back() -> None:
    states = TrunkStates(Clock())
    trunk = create("a")
    assert not states.is_down(trunk)
    states.set_down("a", down=True)
    assert states.is_down(trunk)
    assert not states.is_down(create("b"))
    states.set_down("a", down=False)
    assert not states.is_down(trunk)


def test_trunk_that_does_not_know_us_comes_after_the_others_until_it_does() -> None:
    states = TrunkStates(Clock())
    trunk = create("a")
    states.set_registered("a", registered=False)
    assert states.is_resting(trunk)
    # That it says something does not make it know us.
    states.note_response(trunk)
    assert states.is_resting(trunk)
    states.set_registered("a", registered=True)
    assert not states.is_resting(trunk)
