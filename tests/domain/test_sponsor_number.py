"""Sponsor numbers: what each state takes, and that none is ever anybody's twice or too soon."""

from datetime import UTC, datetime, timedelta
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clicktodial.domain.sponsor_number import (
    Assign,
    NumberInput,
    NumberState,
    NumberStateError,
    Reinstate,
    Release,
    Reserve,
    Retire,
    SponsorNumber,
    Unreserve,
    at,
    process,
)

NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
HOUR = timedelta(hours=1)
LATER = NOW + HOUR
E164 = "+861052680000"
NUMBERS = {
    NumberState.FREE: SponsorNumber(e164=E164),
    NumberState.RESERVED: SponsorNumber(
        e164=E164, state=NumberState.RESERVED, enterprise_id="acme", order_id="one", until=LATER
    ),
    NumberState.ASSIGNED: SponsorNumber(
        e164=E164, state=NumberState.ASSIGNED, enterprise_id="acme"
    ),
    NumberState.COOLING_OFF: SponsorNumber(e164=E164, state=NumberState.COOLING_OFF, until=LATER),
    NumberState.RETIRED: SponsorNumber(e164=E164, state=NumberState.RETIRED),
}
INPUTS: list[NumberInput] = [
    Reserve("two", "bell", LATER),
    Unreserve("one"),
    Assign("one"),
    Release(LATER),
    Retire(),
    Reinstate(),
]
FOLLOWING = {
    (NumberState.FREE, Reserve): NumberState.RESERVED,
    (NumberState.FREE, Retire): NumberState.RETIRED,
    (NumberState.RESERVED, Unreserve): NumberState.FREE,
    (NumberState.RESERVED, Assign): NumberState.ASSIGNED,
    (NumberState.ASSIGNED, Release): NumberState.COOLING_OFF,
    (NumberState.COOLING_OFF, Retire): NumberState.RETIRED,
    (NumberState.RETIRED, Reinstate): NumberState.FREE,
}


@pytest.mark.parametrize(("state", "asked"), list(product(NumberState, INPUTS)))
def test_input_moves_the_number_or_is_refused(state: NumberState, asked: NumberInput) -> None:
    following = FOLLOWING.get((state, type(asked)))
    if following is None:
        with pytest.raises(NumberStateError, match=f"a number that is {state} takes no"):
            process(NUMBERS[state], asked, NOW)
    else:
        assert process(NUMBERS[state], asked, NOW).state is following


@pytest.mark.parametrize("asked", [Assign("two"), Unreserve("two")])
def test_reservation_is_its_own_orders_alone(asked: NumberInput) -> None:
    with pytest.raises(NumberStateError):
        process(NUMBERS[NumberState.RESERVED], asked, NOW)


@pytest.mark.parametrize("asked", [Assign("one"), Unreserve("one")])
def test_reservation_that_lapsed_is_gone(asked: NumberInput) -> None:
    with pytest.raises(NumberStateError, match="that is free"):
        process(NUMBERS[NumberState.RESERVED], asked, LATER)


def test_reservation_that_lapsed_goes_to_the_next_order() -> None:
    number = process(NUMBERS[NumberState.RESERVED], Reserve("two", "bell", LATER + HOUR), LATER)
    assert (number.order_id, number.enterprise_id) == ("two", "bell")


def test_retiring_and_reinstating_shortens_no_rest() -> None:
    retired = process(NUMBERS[NumberState.COOLING_OFF], Retire(), NOW)
    assert process(retired, Reinstate(), NOW).state is NumberState.COOLING_OFF
    assert process(retired, Reinstate(), LATER).state is NumberState.FREE


_ORDERS = st.sampled_from(["one", "two", "three"])
_STEP = st.tuples(
    st.integers(0, 90),  # minutes since the step before
    st.one_of(
        st.builds(lambda order: ("reserve", order), _ORDERS),
        st.builds(lambda order: ("unreserve", order), _ORDERS),
        st.builds(lambda order: ("assign", order), _ORDERS),
        st.sampled_from([("release", ""), ("retire", ""), ("reinstate", "")]),
    ),
)


def _input(kind: str, order: str, now: datetime) -> NumberInput:
    made: dict[str, NumberInput] = {
        "reserve": Reserve(order, f"enterprise-of-{order}", now + HOUR),
        "unreserve": Unreserve(order),
        "assign": Assign(order),
        "release": Release(now + HOUR),
        "retire": Retire(),
        "reinstate": Reinstate(),
    }
    return made[kind]


@given(st.lists(_STEP, max_size=40))
def test_number_is_never_two_enterprises_and_never_leaves_its_rest_early(
    steps: list[tuple[int, tuple[str, str]]],
) -> None:
    number, now = SponsorNumber(e164=E164), NOW
    reserved: dict[str, datetime] = {}
    owner: str | None = None
    rests_until = NOW
    for minutes, (kind, order) in steps:
        now += timedelta(minutes=minutes)
        before = at(number, now)
        try:
            number = process(number, _input(kind, order, now), now)
        except NumberStateError:
            # Nothing changed: `before` is what it is.
            assert at(number, now) == before
            continue
        if kind == "reserve":
            assert owner is None
            assert now >= rests_until
            reserved = {order: now + HOUR}
        elif kind == "assign":
            # Exactly the order that holds it, in its time, and nobody else has it.
            assert owner is None
            assert now < reserved[order]
            owner, reserved = f"enterprise-of-{order}", {}
            assert number.enterprise_id == owner
        elif kind == "unreserve":
            assert now < reserved.pop(order)
        elif kind == "release":
            owner, rests_until = None, now + HOUR
        shown = at(number, now)
        if shown.state is NumberState.FREE:
            assert owner is None
            assert now >= rests_until
        assert (shown.state is NumberState.ASSIGNED) == (owner is not None)
