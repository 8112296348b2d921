"""Tickets: what may be done when, how their clocks run, who is called."""

from datetime import UTC, datetime, time, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clicktodial.domain.support_clock import BusinessHours, CriticalPeriod, Timetable
from clicktodial.domain.ticket import (
    GOALS,
    OPEN_STATES,
    TRANSITIONS,
    Due,
    Patience,
    Step,
    Ticket,
    TicketAction,
    TicketClock,
    TicketLevel,
    TicketPriority,
    TicketQueue,
    TicketState,
    TicketStateError,
    advance,
    next_due,
    open_ticket,
    reach_target,
    wind,
)

A = TicketAction
# A Monday.
NINE = datetime(2026, 3, 2, 9, tzinfo=UTC)
HOURS = BusinessHours(zone=UTC, opens=time(9), closes=time(18))
PLAIN = Timetable(hours=HOURS)
PATIENCE = Patience(waiting=timedelta(days=14), resolved=timedelta(days=7))


def after(minutes: float) -> datetime:
    return NINE + timedelta(minutes=minutes)


def opened(priority: TicketPriority = TicketPriority.EMERGENCY) -> Ticket:
    return open_ticket(Step(action=A.OPEN, at=NINE, priority=priority))


def do(ticket: Ticket, action: TicketAction, minutes: float, **details: Any) -> Ticket:
    return advance(ticket, Step(action=action, at=after(minutes), **details), PLAIN)


def due(ticket: Ticket, timetable: Timetable = PLAIN) -> Due:
    found = next_due(ticket, timetable, PATIENCE)
    assert found is not None
    return found


def miss_all(ticket: Ticket, until: datetime) -> tuple[Ticket, list[Step]]:
    steps = []
    while (found := next_due(ticket, PLAIN, PATIENCE)) and found.at <= until:
        ticket = advance(ticket, found.step, PLAIN)
        steps.append(found.step)
    return ticket, steps


def test_emergency_calls_one_line_after_the_other_each_once() -> None:
    ticket, steps = miss_all(opened(), after(60))
    assert [(step.at, step.level, step.percent) for step in steps] == [
        (after(15), TicketLevel.SECOND_LINE, 50),
        (after(30), TicketLevel.THIRD_LINE, 100),
        (after(45), TicketLevel.OPERATOR, 150),
    ]
    assert ticket.state is TicketState.ESCALATED
    assert ticket.is_response_late and not ticket.is_resolution_late
    assert due(ticket).step.clock is TicketClock.RESOLUTION


def test_answer_in_time_leaves_only_the_resolution() -> None:
    ticket = do(opened(), A.REPLY, 14)
    assert ticket.state is TicketState.ANSWERED
    assert ticket.responded_at == after(14)
    assert (due(ticket).at, due(ticket).step.clock) == (after(120), TicketClock.RESOLUTION)
    assert reach_target(ticket, TicketClock.RESPONSE, PLAIN) is None
    assert reach_target(ticket, TicketClock.RESOLUTION, PLAIN) == after(240)


def test_assignment_and_note_are_no_answer() -> None:
    ticket = do(opened(), A.ASSIGN, 1, queue=TicketQueue.SUPPORT, assignee="sue")
    ticket = do(ticket, A.NOTE, 2)
    assert ticket.state is TicketState.ASSIGNED
    assert ticket.assignee == "sue"
    assert ticket.awaits_response
    assert due(ticket).at == after(15)


def test_clocks_stand_while_the_customer_is_waited_for() -> None:
    ticket = do(do(opened(), A.ASK, 10), A.WRITE, 1_000)
    assert ticket.state is TicketState.ANSWERED
    assert wind(ticket, after(1_010), PLAIN).resolution.counted == timedelta(minutes=20)
    assert due(ticket).at == after(1_000 + 110)


def test_silence_of_the_customer_resolves_and_then_closes() -> None:
    ticket = do(opened(), A.ASK, 10)
    assert due(ticket).step.action is A.RESOLVE
    assert due(ticket).at == after(10) + PATIENCE.waiting
    ticket = advance(ticket, due(ticket).step, PLAIN)
    assert due(ticket).step.action is A.CLOSE
    assert due(ticket).at == after(10) + PATIENCE.waiting + PATIENCE.resolved
    ticket = advance(ticket, due(ticket).step, PLAIN)
    assert ticket.state is TicketState.CLOSED
    assert next_due(ticket, PLAIN, PATIENCE) is None


def test_reopening_begins_another_round_of_the_first_response() -> None:
    ticket = do(do(do(opened(), A.REPLY, 5), A.RESOLVE, 20), A.REOPEN, 100)
    assert (ticket.state, ticket.rounds) == (TicketState.REOPENED, 2)
    assert due(ticket).at == after(115)
    assert ticket.resolution.counted == timedelta(minutes=20)
    ticket, _ = miss_all(ticket, after(131))
    assert ticket.level is TicketLevel.THIRD_LINE
    assert ticket.responded_at == after(5)
    assert not ticket.is_response_late  # which is said of the first round


def test_escalation_outlasts_answers_questions_and_reopening() -> None:
    ticket = do(opened(), A.ESCALATE, 1, level=TicketLevel.THIRD_LINE)
    for action, state in (
        (A.REPLY, TicketState.ESCALATED),
        (A.ASK, TicketState.WAITING),
        (A.WRITE, TicketState.ESCALATED),
        (A.RESOLVE, TicketState.RESOLVED),
        (A.REOPEN, TicketState.REOPENED),
        (A.ASSIGN, TicketState.ESCALATED),
    ):
        ticket = do(ticket, action, 2)
        assert (ticket.state, ticket.level) == (state, TicketLevel.THIRD_LINE)
    ticket = do(ticket, A.DE_ESCALATE, 3, level=TicketLevel.NONE)
    assert (ticket.state, ticket.level) == (TicketState.ASSIGNED, TicketLevel.NONE)


def test_escalation_by_hand_never_lowers_and_the_clock_calls_again() -> None:
    ticket = do(opened(), A.ESCALATE, 1, level=TicketLevel.THIRD_LINE)
    ticket = do(ticket, A.ESCALATE, 2, level=TicketLevel.SECOND_LINE)
    assert ticket.level is TicketLevel.THIRD_LINE
    ticket = do(ticket, A.DE_ESCALATE, 3, level=TicketLevel.NONE)
    ticket, steps = miss_all(ticket, after(15))
    assert [step.level for step in steps] == [TicketLevel.SECOND_LINE]
    ticket = do(ticket, A.DE_ESCALATE, 16, level=TicketLevel.NONE)
    assert due(ticket).at == after(30)  # what was told once is not told again


def test_ticket_made_an_emergency_has_half_an_hour_from_then() -> None:
    ticket = do(opened(TicketPriority.LOW), A.PRIORITIZE, 180, priority=TicketPriority.EMERGENCY)
    assert due(ticket).at == after(180 + 15)
    assert ticket.response.counted == timedelta(minutes=180)


def test_emergency_made_less_urgent_has_used_up_what_it_has() -> None:
    ticket, _ = miss_all(opened(), after(20))
    ticket = do(ticket, A.PRIORITIZE, 20, priority=TicketPriority.NORMAL)
    assert ticket.level is TicketLevel.SECOND_LINE  # not un-escalated by the way
    assert (due(ticket).at, due(ticket).step.percent) == (NINE + timedelta(hours=9), 100)


def test_critical_period_halves_what_an_emergency_has() -> None:
    period = CriticalPeriod("p", "n", NINE, NINE + timedelta(days=1))
    festive = Timetable(hours=HOURS, periods=(period,))
    assert due(opened(), festive).at == NINE + timedelta(minutes=7, seconds=30)
    low = opened(TicketPriority.LOW)
    assert due(low, festive).at == due(low, PLAIN).at


@pytest.mark.parametrize("priority", list(TicketPriority))
def test_every_goal_has_its_breach_among_rising_thresholds(priority: TicketPriority) -> None:
    thresholds = GOALS[priority].thresholds
    assert 100 in {each.percent for each in thresholds}
    assert list(thresholds) == sorted(thresholds, key=lambda each: (each.percent, each.level))
    assert thresholds[-1].level is TicketLevel.OPERATOR


def test_what_the_table_has_not_is_refused() -> None:
    closed = do(do(opened(), A.RESOLVE, 1), A.CLOSE, 2)
    for action in TicketAction:
        if (closed.state, action) not in TRANSITIONS:
            with pytest.raises(TicketStateError):
                do(closed, action, 3)
    assert {action for state, action in TRANSITIONS if state is TicketState.CLOSED} == {A.RATE}


def test_step_of_a_machine_whose_clock_is_late_turns_nothing_back() -> None:
    ticket = do(opened(), A.NOTE, 10)
    late = do(ticket, A.REPLY, 5)
    assert late.as_of == after(10)
    assert late.responded_at == after(10)


_DETAILS = st.fixed_dictionaries(
    {
        "priority": st.sampled_from(list(TicketPriority)),
        "queue": st.sampled_from(list(TicketQueue)),
        "level": st.sampled_from(list(TicketLevel)),
        "satisfaction": st.integers(1, 5),
    }
)
_BY_PEOPLE = sorted(set(TicketAction) - {A.MISS, A.OPEN})
_MOVES = st.lists(
    st.tuples(st.sampled_from(_BY_PEOPLE), st.integers(0, 3_000), _DETAILS), max_size=25
)
_FESTIVE = Timetable(
    hours=HOURS,
    periods=(CriticalPeriod("p", "n", NINE + timedelta(days=1), NINE + timedelta(days=6)),),
)


@given(st.sampled_from(list(TicketPriority)), _MOVES)
def test_random_lives(
    priority: TicketPriority, moves: list[tuple[TicketAction, int, dict[str, Any]]]
) -> None:
    ticket, now = opened(priority), NINE
    told: list[tuple[int, TicketPriority, TicketClock | None, int | None, int]] = []
    raised = 0
    for action, minutes, details in moves:
        now += timedelta(minutes=minutes)
        while (found := next_due(ticket, _FESTIVE, PATIENCE)) and found.at <= now:
            assert found.at >= ticket.as_of
            following = advance(ticket, found.step, _FESTIVE)
            _check(ticket, following, found.step)
            if found.step.action is A.MISS:
                key = (following.rounds, following.priority, found.step.clock,
                       found.step.percent, raised)  # fmt: skip
                assert key not in told
                told.append(key)
            ticket = following
        step = Step(action=action, at=now, **details)
        try:
            following = advance(ticket, step, _FESTIVE)
        except TicketStateError:
            assert (ticket.state, action) not in TRANSITIONS
            continue
        raised += action is A.PRIORITIZE
        _check(ticket, following, step)
        ticket = following


def _check(before: Ticket, following: Ticket, step: Step) -> None:
    for clock in TicketClock:
        assert following.reading(clock).counted >= before.reading(clock).counted
        assert following.reading(clock).used >= timedelta()
    assert following.as_of >= before.as_of
    if following.level < before.level:
        assert step.action is A.DE_ESCALATE
    if before.state is TicketState.ESCALATED and following.state in OPEN_STATES:
        stays = {TicketState.ESCALATED, TicketState.WAITING}
        assert following.state in stays or step.action is A.DE_ESCALATE
    if before.state is TicketState.CLOSED:
        assert following.state is TicketState.CLOSED
    assert not (following.level and following.state in {
        TicketState.NEW, TicketState.ASSIGNED, TicketState.ANSWERED})  # fmt: skip
    if following.state is TicketState.WAITING:
        assert not following.awaits_response
    for flag in ("is_response_late", "is_resolution_late"):
        assert getattr(following, flag) >= getattr(before, flag)
