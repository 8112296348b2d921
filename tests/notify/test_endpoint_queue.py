"""The queue of one server, step by step, with time as an argument."""

from collections import defaultdict
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.storage.support import NOW, at, create_call, create_event

from clicktodial.control.delivery import DeliveryAnswer, DeliveryRoute, DeliveryState, PendingEvent
from clicktodial.domain.call import Call
from clicktodial.domain.identifier import AppId
from clicktodial.notify.endpoint_queue import CIRCUIT_OPEN_ERROR, EndpointQueue
from clicktodial.notify.schedule import FAILURES_MAX, CircuitBreaker, RetrySchedule

WAITS = (1, 10)


def create_queue(*, events_max: int = 100, concurrency: int = 10) -> EndpointQueue:
    return EndpointQueue(
        events_max=events_max,
        concurrency=concurrency,
        schedule=RetrySchedule(WAITS, lambda: 0.5),
        breaker=CircuitBreaker(),
    )


def pending(call: Call, seq: int = 1, attempts: int = 0) -> PendingEvent:
    return PendingEvent(create_event(call, seq), attempts)


def open_circuit(queue: EndpointQueue) -> None:
    """Let as many calls fail as open it; they wait for their second attempt."""
    for _ in range(FAILURES_MAX):
        queue.add(pending(create_call()), at(0))
        taken = queue.take(at(0))
        assert taken is not None
        queue.failed(taken, "HTTP 500", at(0))
    queue.take_marks()
    assert queue.breaker.is_open


def test_second_event_of_a_call_waits_for_the_first() -> None:
    queue, call = create_queue(), create_call()
    queue.add(pending(call, 1), at(0))
    queue.add(pending(call, 2), at(0))
    first = queue.take(at(0))
    assert first is not None
    assert queue.take(at(0)) is None
    queue.delivered(first, at(1))
    second = queue.take(at(1))
    assert second is not None
    assert (first.event.seq, second.event.seq) == (1, 2)


def test_delivered_event_is_marked() -> None:
    queue = create_queue()
    queue.add(pending(create_call()), at(0))
    taken = queue.take(at(0))
    assert taken is not None
    answer = DeliveryAnswer(204, at(2).utc)
    queue.delivered(taken, at(2), answer)
    (mark,) = queue.take_marks()
    assert (mark.state, mark.attempts, mark.answer) == (DeliveryState.DELIVERED, 1, answer)
    assert mark.delivered_at == at(2).utc
    assert queue.take_marks() == []
    assert queue.event_count == 0


def test_failed_event_is_tried_again_when_due_and_then_given_up() -> None:
    queue, call = create_queue(), create_call()
    queue.add(pending(call, 1), at(0))
    queue.add(pending(call, 2), at(0))
    now = 0.0
    marks = []
    for wait in WAITS:
        taken = queue.take(at(now))
        assert taken is not None
        queue.failed(taken, "HTTP 500", at(now))
        marks += queue.take_marks()
        assert queue.take(at(now + wait - 0.001)) is None
        now += wait
        assert queue.next_deadline() == at(now).monotonic_s
    last = queue.take(at(now))
    assert last is not None
    queue.failed(last, "HTTP 502", at(now))
    marks += queue.take_marks()
    assert [(mark.state, mark.attempts) for mark in marks] == [
        (DeliveryState.PENDING, 1),
        (DeliveryState.PENDING, 2),
        (DeliveryState.GIVEN_UP, 3),
    ]
    assert [mark.next_attempt_at for mark in marks] == [at(1).utc, at(11).utc, None]
    assert marks[-1].last_error == "HTTP 502"
    following = queue.take(at(now))
    assert following is not None
    assert following.event.seq == 2


def test_last_answer_outlives_tries_without_one() -> None:
    queue = create_queue()
    stored = DeliveryAnswer(500, at(-9).utc, "stored")
    queue.add(replace(pending(create_call()), answer=stored), at(0))
    queue.add(pending(create_call()), at(0))
    refused = DeliveryAnswer(503, at(0).utc, "busy")
    for answer in (None, refused):
        taken = queue.take(at(0))
        assert taken is not None
        queue.failed(taken, "HTTP 503" if answer else "timeout", at(0), answer)
    assert [mark.answer for mark in queue.take_marks()] == [stored, refused]
    for error in ("timeout", "gone"):
        taken = queue.take(at(20))
        assert taken is not None
        if error == "timeout":
            queue.failed(taken, error, at(20))
        else:
            queue.give_up(taken, error, at(20))
    marks = queue.take_marks()
    assert [(mark.last_error, mark.answer) for mark in marks] == [
        ("timeout", stored),
        ("gone", refused),
    ]


def test_one_failing_call_does_not_hold_up_another() -> None:
    queue = create_queue(concurrency=1)
    bad, good = create_call(), create_call()
    queue.add(pending(bad), at(0))
    queue.add(pending(good), at(0))
    taken = queue.take(at(0))
    assert taken is not None
    queue.failed(taken, "HTTP 500", at(0))
    following = queue.take(at(0))
    assert following is not None
    assert following.event.line == good.plan.call_id


def test_no_more_than_the_concurrency_is_under_way() -> None:
    queue = create_queue(concurrency=2)
    for _ in range(3):
        queue.add(pending(create_call()), at(0))
    assert [queue.take(at(0)) is None for _ in range(3)] == [False, False, True]
    assert queue.next_deadline() is None


def test_loaded_event_waits_until_its_stored_time() -> None:
    queue = create_queue()
    stored = replace(pending(create_call(), attempts=1), next_attempt_at=at(5).utc)
    queue.add(stored, at(0))
    assert queue.take(at(4.9)) is None
    taken = queue.take(at(5))
    assert taken is not None
    assert taken.attempts == 1


def test_event_that_is_there_already_is_added_once() -> None:
    queue, call = create_queue(), create_call()
    for seq in (1, 2, 1, 2):
        queue.add(pending(call, seq), at(0))
    assert queue.event_count == 2
    assert queue.keys(DeliveryRoute(call.plan.app_id)) == {
        (call.plan.call_id, 1),
        (call.plan.call_id, 2),
    }


def test_replayed_event_comes_before_later_ones_but_not_before_one_under_way() -> None:
    queue, call = create_queue(), create_call()
    queue.add(pending(call, 3), at(0))
    queue.add(pending(call, 1), at(0))
    taken = queue.take(at(0))
    assert taken is not None
    assert taken.event.seq == 1
    queue.add(pending(call, 2), at(0))
    order = []
    while taken is not None:
        order.append(taken.event.seq)
        queue.delivered(taken, at(0))
        taken = queue.take(at(0))
    assert order == [1, 2, 3]


def test_open_circuit_counts_due_tries_without_making_them() -> None:
    queue = create_queue()
    open_circuit(queue)
    queue.add(pending(create_call()), at(0.5))
    assert queue.take(at(0.5)) is None
    (mark,) = queue.take_marks()
    assert (mark.state, mark.attempts) == (DeliveryState.PENDING, 1)
    assert mark.last_error == CIRCUIT_OPEN_ERROR


def test_open_circuit_lets_one_probe_through() -> None:
    queue = create_queue()
    open_circuit(queue)
    assert queue.next_deadline() == at(1).monotonic_s
    probe = queue.take(at(1))
    assert probe is not None
    assert queue.take(at(1)) is None
    queue.failed(probe, "HTTP 500", at(1))
    assert queue.breaker.probe_at == at(3).monotonic_s


def test_circuit_open_for_ever_gives_up_in_the_time_of_the_schedule() -> None:
    queue = create_queue()
    open_circuit(queue)
    now = at(0).monotonic_s
    states = []
    while queue.event_count:
        deadline = queue.next_deadline()
        assert deadline is not None
        assert deadline >= now
        now = deadline
        probe = queue.take(at(now - 1000))
        if probe is not None:
            queue.failed(probe, "HTTP 500", at(now - 1000))
            queue.take(at(now - 1000))
        states += [mark.state for mark in queue.take_marks()]
    assert states.count(DeliveryState.GIVEN_UP) == FAILURES_MAX
    assert now - 1000 <= sum(WAITS) + 4


def test_successful_probe_makes_all_that_waits_ready() -> None:
    queue = create_queue()
    open_circuit(queue)
    probe = queue.take(at(1))
    assert probe is not None
    queue.delivered(probe, at(1.1))
    assert not queue.breaker.is_open
    ready = [queue.take(at(1.1)) for _ in range(FAILURES_MAX)]
    assert [taken is not None for taken in ready] == [True] * (FAILURES_MAX - 1) + [False]


def test_released_probe_lets_another_one_through() -> None:
    queue = create_queue()
    open_circuit(queue)
    probe = queue.take(at(1))
    assert probe is not None
    queue.release(probe)
    assert queue.event_count == FAILURES_MAX - 1
    assert queue.take(at(1)) is not None


def test_forgotten_application_leaves_only_what_is_under_way() -> None:
    queue = create_queue()
    mine, other = create_call(), create_call(app_id=AppId("other"))
    waiting = create_call()
    queue.add(pending(waiting), at(0))
    failing = queue.take(at(0))
    assert failing is not None
    queue.failed(failing, "HTTP 500", at(0))
    for seq in (1, 2):
        queue.add(pending(mine, seq), at(0))
    queue.add(pending(create_call()), at(0))
    queue.add(pending(other), at(0))
    flying = queue.take(at(0))
    assert flying is not None
    queue.forget(DeliveryRoute(mine.plan.app_id))
    assert queue.keys(DeliveryRoute(mine.plan.app_id)) == {flying.key}
    assert queue.event_count == 2
    following = queue.take(at(100))
    assert following is not None
    assert following.event.line == other.plan.call_id
    queue.delivered(flying, at(0))
    assert queue.keys(DeliveryRoute(mine.plan.app_id)) == set()


def test_room_is_what_is_left_of_the_bound() -> None:
    queue = create_queue(events_max=2)
    assert queue.room == 2
    for _ in range(2):
        queue.add(pending(create_call()), at(0))
    assert queue.room == 0


@given(
    st.lists(st.tuples(st.integers(0, 3), st.sampled_from(["take", "ok", "fail", "later"]))),
    st.integers(1, 4),
)
def test_random_sequence_keeps_order_count_and_progress(
    steps: list[tuple[int, str]], concurrency: int
) -> None:
    queue = create_queue(concurrency=concurrency)
    calls = [create_call() for _ in range(4)]
    for call in calls:
        for seq in (1, 2, 3):
            queue.add(pending(call, seq), at(0))
    flying: list[PendingEvent] = []
    settled: dict[str, list[int]] = defaultdict(list)
    now = 0.0

    def note() -> None:
        for mark in queue.take_marks():
            if mark.state is not DeliveryState.PENDING:
                settled[mark.key[0]].append(mark.key[1])

    def step(which: int, what: str) -> None:
        nonlocal now
        if what == "later":
            now += which
        elif what == "take":
            taken = queue.take(at(now))
            if taken is not None:
                flying.append(taken)
        elif flying:
            landed = flying.pop(which % len(flying))
            if what == "ok":
                queue.delivered(landed, at(now))
            else:
                queue.failed(landed, "HTTP 500", at(now))
        note()
        assert len(flying) <= concurrency
        assert len({taken.event.line for taken in flying}) == len(flying)

    for which, what in steps:
        step(which, what)
    # Whatever happened, a server that answers again gets the rest.
    for _ in range(200):
        step(1, "later")
        step(0, "take")
        step(0, "ok")
    assert queue.event_count == 0
    assert all(settled[call.plan.call_id] == [1, 2, 3] for call in calls)


def test_stored_time_in_the_past_is_due_at_once() -> None:
    queue = create_queue()
    stored = replace(pending(create_call()), next_attempt_at=NOW - timedelta(days=1))
    queue.add(stored, at(0))
    assert queue.take(at(0)) is not None


@pytest.mark.parametrize("attempts", [2, 99])
def test_event_with_all_attempts_used_gets_one_more(attempts: int) -> None:
    queue = create_queue()
    queue.add(pending(create_call(), attempts=attempts), at(0))
    taken = queue.take(at(0))
    assert taken is not None
    queue.failed(taken, "HTTP 500", at(0))
    assert [mark.state for mark in queue.take_marks()] == [DeliveryState.GIVEN_UP]
