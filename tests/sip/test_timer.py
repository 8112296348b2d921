"""The deadline queue."""

import random

import pytest

from clicktodial.sip.timer import COMPACTION_ENTRIES_MIN, DeadlineQueue, Timers


class Item:
    """Something with a deadline, that remembers when it was due."""

    def __init__(self) -> None:
        self.deadline: float | None = None
        self.queued_at: float | None = None
        self.due: list[float] = []

    def handle_timeout(self, now: float) -> None:
        self.due.append(now)


def run(queue: DeadlineQueue, now: float) -> None:
    for item in queue.take_due(now):
        item.handle_timeout(now)


@pytest.mark.parametrize(
    ("t1_s", "interval_s", "expected_s"), [(0.5, 0.5, 1.0), (0.5, 2.0, 4.0), (0.5, 4.0, 4.0)]
)
def test_interval_when_repeated_doubles_up_to_t2(
    t1_s: float, interval_s: float, expected_s: float
) -> None:
    assert Timers(t1_s=t1_s).longer_interval_s(interval_s) == expected_s


def test_timeout_is_64_t1() -> None:
    assert Timers().transaction_timeout_s == 32.0


def test_deadline_when_empty_is_none() -> None:
    assert DeadlineQueue().next_deadline() is None


def test_arm_later_when_armed_is_due_at_the_later_time_only() -> None:
    queue, item = DeadlineQueue(), Item()
    queue.arm(item, 1.0)
    queue.arm(item, 5.0)
    run(queue, 4.0)
    assert queue.next_deadline() == 5.0
    run(queue, 5.0)
    assert item.due == [5.0]
    assert queue.next_deadline() is None


def test_arm_earlier_when_armed_is_due_once() -> None:
    queue, item = DeadlineQueue(), Item()
    queue.arm(item, 5.0)
    queue.arm(item, 1.0)
    run(queue, 1.0)
    run(queue, 9.0)
    assert item.due == [1.0]
    assert len(queue) == 0


def test_cancel_when_armed_is_never_due() -> None:
    queue, item = DeadlineQueue(), Item()
    queue.arm(item, 1.0)
    queue.cancel(item)
    queue.cancel(item)
    assert queue.next_deadline() is None
    run(queue, 9.0)
    assert item.due == []


def test_arm_again_when_cancelled_is_due() -> None:
    queue, item = DeadlineQueue(), Item()
    queue.arm(item, 1.0)
    queue.cancel(item)
    queue.arm(item, 3.0)
    run(queue, 3.0)
    assert item.due == [3.0]


def test_cancel_of_many_long_deadlines_keeps_the_queue_small() -> None:
    queue = DeadlineQueue()
    live = Item()
    queue.arm(live, 1e9)
    for _ in range(20 * COMPACTION_ENTRIES_MIN):
        item = Item()
        queue.arm(item, 1e6)
        queue.cancel(item)
    assert len(queue) <= 2 * COMPACTION_ENTRIES_MIN + 2
    assert queue.next_deadline() == 1e9


@pytest.mark.parametrize("seed", range(20))
def test_random_commands_match_a_plain_dictionary(seed: int) -> None:
    dice = random.Random(seed)
    queue = DeadlineQueue()
    items = [Item() for _ in range(8)]
    model: dict[int, float] = {}
    now = 0.0
    for _ in range(400):
        index = dice.randrange(len(items))
        match dice.randrange(4):
            case 0 | 1:
                at = now + dice.randrange(1, 30)
                queue.arm(items[index], at)
                model[index] = at
            case 2:
                queue.cancel(items[index])
                model.pop(index, None)
            case _:
                now += dice.randrange(6)
                due = {number for number, at in model.items() if at <= now}
                for item in items:
                    item.due.clear()
                run(queue, now)
                assert {number for number, item in enumerate(items) if item.due} == due
                model = {number: at for number, at in model.items() if number not in due}
        assert queue.next_deadline() == min(model.values(), default=None)
