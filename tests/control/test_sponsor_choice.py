"""Which number is shown where the application leaves it to a pool."""

from random import Random
from typing import Any

import pytest
from tests.api.support import create_application

from clicktodial.control import sponsor_choice
from clicktodial.control.sponsor_choice import SponsorChooser
from clicktodial.domain.number import parse_number
from clicktodial.domain.number_pool import NumberPool, Place, PoolNumber
from clicktodial.domain.place_lookup import NullPlaceLookup

BEIJING = PoolNumber("+861052680001", Place("Beijing", "Beijing"))
SHENZHEN = PoolNumber("+8675512345678", Place("Shenzhen", "Guangdong"))
CALLEE = parse_number("8613810268653")


class Places:
    def find(self, e164: str) -> Place:
        return Place("Shenzhen", "Guangdong") if e164 == CALLEE.e164 else Place()


def chooser(*, seed: int = 1, places: Any = None) -> SponsorChooser:
    return SponsorChooser(places or NullPlaceLookup(), Random(seed))


def application(*pools: NumberPool) -> Any:
    return create_application(pools=pools)


def test_number_of_the_callees_city_is_shown() -> None:
    asking = application(NumberPool("sales", (BEIJING, SHENZHEN)))
    located = chooser(places=Places())
    chosen = located.choose(asking, CALLEE)
    assert chosen is not None
    assert (chosen.e164, chosen.written) == (SHENZHEN.e164, SHENZHEN.e164)
    told = located.choose(asking, CALLEE, city="beijing")
    assert told is not None
    assert told.e164 == BEIJING.e164


def test_pool_is_the_named_one_the_only_one_or_the_default() -> None:
    first, second = NumberPool("a", (BEIJING,)), NumberPool("default", (SHENZHEN,))
    both = application(first, second)

    def chosen(asking: Any, name: str | None = None) -> str | None:
        number = chooser().choose(asking, CALLEE, pool_name=name)
        return None if number is None else number.e164

    assert chosen(both, "a") == BEIJING.e164
    assert chosen(both) == SHENZHEN.e164
    assert chosen(application(first)) == BEIJING.e164
    assert chosen(application(first, NumberPool("b", (SHENZHEN,)))) is None
    assert chosen(application()) is None
    assert chosen(both, "c") is None
    assert chosen(application(NumberPool("a", ()))) is None


def test_numbers_take_turns_and_a_trial_takes_none() -> None:
    asking, under_test = application(NumberPool("p", (BEIJING, SHENZHEN))), chooser()

    def chosen(*, is_trial: bool = False) -> str:
        number = under_test.choose(asking, CALLEE, is_trial=is_trial)
        assert number is not None
        return number.e164

    first = chosen()
    assert chosen(is_trial=True) == chosen(is_trial=True) != first
    assert [chosen() for _ in range(4)] == [chosen(is_trial=True), first] * 2


def test_same_random_shows_the_same_numbers() -> None:
    asking = application(NumberPool("p", (BEIJING, SHENZHEN)))
    runs = [[chooser(seed=5).choose(asking, CALLEE) for _ in range(6)] for _ in range(2)]
    assert runs[0] == runs[1]


def test_memory_of_what_was_shown_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sponsor_choice, "SHOWN_KEPT_MAX", 10)
    under_test = chooser()
    for index in range(30):
        number = PoolNumber(f"+8610526800{index:02}")
        under_test.choose(application(NumberPool("p", (number,))), CALLEE)
    assert len(under_test._shown_at) == 10
    assert "+861052680029" in under_test._shown_at
