"""Which number of a pool is shown."""

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from clicktodial.domain.number_pool import NOWHERE, NumberPool, Place, PoolNumber, choose_number

BEIJING = PoolNumber("+861052680000", Place("Beijing", "Beijing"))
SHENZHEN = PoolNumber("+8675512345678", Place("Shenzhen", "Guangdong"))
GUANGZHOU = PoolNumber("+862012345678", Place("Guangzhou", "Guangdong"))
SHANGHAI = PoolNumber("+862112345678", Place("Shanghai", "Shanghai"))
SERVICE = PoolNumber("+864001100868")
POOL = NumberPool("sales", (SERVICE, BEIJING, SHENZHEN, GUANGZHOU, SHANGHAI), ("Wuhan", "Shanghai"))


def choose(callee: Place, pool: NumberPool = POOL, **shown_at: float) -> str | None:
    return choose_number(pool, callee, shown_at, Random(1))


def test_number_of_the_callees_city_goes_first() -> None:
    assert choose(Place("SHENZHEN", "guangdong")) == SHENZHEN.e164


def test_number_of_the_callees_region_goes_second() -> None:
    assert choose(Place("Foshan", "Guangdong")) in (SHENZHEN.e164, GUANGZHOU.e164)


def test_fallback_is_followed_in_its_order() -> None:
    assert choose(Place("Harbin", "Heilongjiang")) == SHANGHAI.e164
    assert choose(NOWHERE) == SHANGHAI.e164


def test_any_number_is_better_than_none() -> None:
    pool = NumberPool("p", (BEIJING,), ("Wuhan",))
    assert choose(Place("Harbin", "Heilongjiang"), pool) == BEIJING.e164


def test_place_that_is_not_known_matches_nothing() -> None:
    # A service number's city is "" as the callee's is; that is no city in common.
    assert choose(NOWHERE, NumberPool("p", (SERVICE, BEIJING), ("Beijing",))) == BEIJING.e164


def test_empty_pool_has_no_number() -> None:
    assert choose(NOWHERE, NumberPool("p", ())) is None


def test_the_same_random_chooses_the_same() -> None:
    pool = NumberPool("p", (SHENZHEN, GUANGZHOU, BEIJING, SHANGHAI))
    assert len({choose_number(pool, NOWHERE, {}, Random(7)) for _ in range(20)}) == 1


@given(st.integers(0, 2**32), st.integers(1, 12))
def test_numbers_take_turns(seed: int, size: int) -> None:
    numbers = tuple(PoolNumber(f"+8610526800{index:02}") for index in range(size))
    pool, random = NumberPool("p", numbers), Random(seed)
    shown_at: dict[str, float] = {}
    chosen = []
    for second in range(3 * size):
        e164 = choose_number(pool, NOWHERE, shown_at, random)
        assert e164 is not None
        shown_at[e164] = second
        chosen.append(e164)
    # Each once a round, in the order of the first round.
    assert set(chosen[:size]) == {number.e164 for number in numbers}
    assert chosen[size:] == chosen[:size] * 2
