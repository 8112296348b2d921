"""The roster and critical periods over a real database."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, select
from tests.accounts.support import (
    CHIEF,
    NINE,
    NORA,
    OLGA,
    OPERATOR,
    REVIEWER,
    SUE,
    add_people,
    create_rosters,
    mails,
)

from clicktodial.accounts.roster import (
    GAPS_TOLD_BEFORE,
    PERIOD_DAYS_MAX,
    SHIFT_DAYS_MAX,
    NewShift,
    Rosters,
)
from clicktodial.domain.principal import Principal
from clicktodial.domain.roster import Line, Span
from clicktodial.storage.error import Conflict, NotFound, NotPermitted, ValueInvalid
from clicktodial.storage.ticket_table import roster_shift
from clicktodial.storage.transaction import Transactions

DAY = timedelta(days=1)
FESTIVAL = Span(NINE + 10 * DAY, NINE + 12 * DAY)


@pytest.fixture
def rosters(engine: Engine, transactions: Transactions) -> Rosters:
    add_people(engine)
    return create_rosters(transactions)


def shift(line: Line, from_h: int, until_h: int, **changes: Any) -> NewShift:
    """Hours of the festival."""
    start = FESTIVAL.from_at
    span = Span(start + timedelta(hours=from_h), start + timedelta(hours=until_h))
    given: dict[str, Any] = {
        "line": line, "name": "Li Wei", "phone": "13912345673", "email": "li@example.com",
        "span": span,
    }  # fmt: skip
    return NewShift(**{**given, **changes})


def test_roster_tells_shifts_gaps_and_overlaps(rosters: Rosters) -> None:
    for new in (shift(Line.SECOND, 0, 24), shift(Line.SECOND, 20, 48), shift(Line.THIRD, 0, 40)):
        rosters.add_shift(OPERATOR, new, NINE)
    second, third = rosters.show(SUE, FESTIVAL)
    assert [each.phone for each in second.shifts] == ["+8613912345673"] * 2
    assert second.gaps == []
    assert second.overlaps == [shift(Line.SECOND, 20, 24).span]
    assert third.gaps == [shift(Line.THIRD, 40, 48).span]
    assert third.overlaps == []


def test_who_has_a_shift_is_sealed(rosters: Rosters, engine: Engine) -> None:
    rosters.add_shift(OPERATOR, shift(Line.SECOND, 0, 8), NINE)
    with engine.connect() as connection:
        row = connection.execute(select(roster_shift)).one()
    assert b"139" not in row.contact_encrypted and b"Li" not in row.contact_encrypted


def test_gaps_of_a_near_period_are_mailed_once(rosters: Rosters, engine: Engine) -> None:
    rosters.add_period(OPERATOR, "Spring Festival", FESTIVAL, NINE)
    rosters.add_shift(OPERATOR, shift(Line.SECOND, 0, 48), NINE)
    near = FESTIVAL.from_at - GAPS_TOLD_BEFORE
    assert rosters.tell_gaps(near - timedelta(seconds=1)) == 0
    assert rosters.tell_gaps(near) == 1
    assert rosters.tell_gaps(near) == 0
    ((to, text),) = mails(engine)
    assert to == CHIEF
    assert "Spring Festival" in text and "third-line: 2026-03-12 09:00 to 2026-03-14" in text
    assert "second-line" not in text


def test_period_without_gaps_is_not_told_of(rosters: Rosters, engine: Engine) -> None:
    rosters.add_period(OPERATOR, "Spring Festival", FESTIVAL, NINE)
    for line in Line:
        rosters.add_shift(OPERATOR, shift(line, 0, 48), NINE)
    assert rosters.tell_gaps(FESTIVAL.from_at) == 0
    assert mails(engine) == []


def test_periods_begin_ahead_and_end_now_or_never(rosters: Rosters) -> None:
    with pytest.raises(ValueInvalid, match="now at the earliest"):
        rosters.add_period(OPERATOR, "x", Span(NINE - DAY, NINE + DAY), NINE)
    ahead = rosters.add_period(OPERATOR, "ahead", FESTIVAL, NINE)
    running = rosters.add_period(OPERATOR, "running", Span(NINE, NINE + 2 * DAY), NINE)
    assert [each.name for each in rosters.list_periods(NORA)] == ["ahead", "running"]
    rosters.end_period(OPERATOR, ahead, NINE + DAY)
    rosters.end_period(OPERATOR, running, NINE + DAY)
    (left,) = rosters.list_periods(SUE)
    assert (left.from_at, left.until_at) == (NINE, NINE + DAY)
    with pytest.raises(Conflict):
        rosters.end_period(OPERATOR, running, NINE + DAY)
    with pytest.raises(NotFound):
        rosters.end_period(OPERATOR, ahead, NINE + DAY)


def test_shifts_that_were_are_kept(rosters: Rosters) -> None:
    shift_id = rosters.add_shift(OPERATOR, shift(Line.SECOND, 0, 8), NINE)
    middle = FESTIVAL.from_at + timedelta(hours=4)
    rosters.remove_shift(OPERATOR, shift_id, middle)
    second, _ = rosters.show(SUE, FESTIVAL)
    assert [each.span.until_at for each in second.shifts] == [middle]
    with pytest.raises(Conflict):
        rosters.remove_shift(OPERATOR, shift_id, middle)
    ahead = rosters.add_shift(OPERATOR, shift(Line.SECOND, 8, 16), NINE)
    rosters.remove_shift(OPERATOR, ahead, NINE)
    with pytest.raises(NotFound):
        rosters.remove_shift(OPERATOR, ahead, NINE)


@pytest.mark.parametrize(
    "new",
    [
        shift(Line.SECOND, 0, 8, phone="12"),
        shift(Line.SECOND, 0, 8, email="x"),
        shift(Line.SECOND, 0, 8, name=""),
        shift(Line.SECOND, 8, 8),
        shift(Line.SECOND, 0, 24 * SHIFT_DAYS_MAX + 1),
        shift(Line.SECOND, 0, 8, span=Span(NINE - 2 * DAY, NINE - DAY)),
    ],
)
def test_shift_that_cannot_be_is_refused(rosters: Rosters, new: NewShift) -> None:
    with pytest.raises(ValueInvalid):
        rosters.add_shift(OPERATOR, new, NINE)


def test_period_that_is_too_long_or_nameless_is_refused(rosters: Rosters) -> None:
    long = Span(NINE, NINE + DAY * PERIOD_DAYS_MAX + timedelta(seconds=1))
    for name, span in (("x", long), ("", FESTIVAL), ("x", Span(NINE, NINE))):
        with pytest.raises(ValueInvalid):
            rosters.add_period(OPERATOR, name, span, NINE)


@pytest.mark.parametrize("principal", [OLGA, NORA, SUE, REVIEWER], ids=lambda each: each.name)
def test_roster_is_changed_by_the_operator_alone(rosters: Rosters, principal: Principal) -> None:
    with pytest.raises(NotPermitted):
        rosters.add_shift(principal, shift(Line.SECOND, 0, 8), NINE)
    with pytest.raises(NotPermitted):
        rosters.remove_shift(principal, "x", NINE)
    with pytest.raises(NotPermitted):
        rosters.add_period(principal, "x", FESTIVAL, NINE)
    with pytest.raises(NotPermitted):
        rosters.end_period(principal, "x", NINE)
    if principal in (OLGA, REVIEWER):
        with pytest.raises(NotPermitted):
            rosters.show(principal, FESTIVAL)
        with pytest.raises(NotPermitted):
            rosters.list_periods(principal)
