"""Running calls of enterprises that may place none any more."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from tests.accounts.business import MANAGER, NOW, Business

from clicktodial.accounts import call_bar
from clicktodial.accounts.call_bar import CallBar
from clicktodial.accounts.enterprise_change import NewChange
from clicktodial.domain.enterprise import CallPolicy
from clicktodial.domain.work_order import WorkOrderKind
from clicktodial.storage.error import DatabaseUnavailable

WITHIN_S = 20.0
ARRIVAL_TIMEOUT_S = 0.05


class Calls:
    """The calls of a node, by enterprise."""

    def __init__(self, *live: str) -> None:
        self.live = set(live)
        self.ended: asyncio.Queue[str] = asyncio.Queue()

    @property
    def live_enterprises(self) -> list[str]:
        return sorted(self.live)

    def end_calls_of(self, enterprise_id: str) -> int:
        self.live.discard(enterprise_id)
        self.ended.put_nowait(enterprise_id)
        return 1


def suspend(business: Business, enterprise_id: str, calls: CallPolicy | None) -> None:
    new = NewChange(kind=WorkOrderKind.SUSPENSION, reason="r", calls=calls)
    business.changes.request_change(MANAGER, enterprise_id, new, decides=True, now=NOW)


class Running:
    """A bar whose task runs."""

    def __init__(self, business: Business, *live: str) -> None:
        self.calls = Calls(*live)
        self.bar = CallBar(business.transactions, self.calls, arrival_timeout_s=ARRIVAL_TIMEOUT_S)
        self.task = asyncio.create_task(self.bar.run())

    async def next_ended(self) -> str:
        return await asyncio.wait_for(self.calls.ended.get(), WITHIN_S)


@pytest.fixture
async def tasks() -> AsyncIterator[list[asyncio.Task[None]]]:
    tasks: list[asyncio.Task[None]] = []
    yield tasks
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_calls_end_at_once_where_that_was_asked_for(
    business: Business, tasks: list[asyncio.Task[None]]
) -> None:
    active = business.create_active()
    running = Running(business, active, "another")
    tasks.append(running.task)
    suspend(business, active, CallPolicy.AT_ONCE)
    running.bar.notice()
    assert await running.next_ended() == active
    assert running.calls.live == {"another"}


async def test_calls_go_on_to_their_end_where_that_was_asked_for(business: Business) -> None:
    active = business.create_active()
    calls = Calls(active)
    suspend(business, active, CallPolicy.WHEN_ENDED)
    await CallBar(business.transactions, calls, arrival_timeout_s=1).look()
    assert calls.live == {active}


async def test_call_that_was_admitted_just_before_is_found_by_the_second_look(
    business: Business, tasks: list[asyncio.Task[None]]
) -> None:
    active = business.create_active()
    running = Running(business, active)
    tasks.append(running.task)
    suspend(business, active, CallPolicy.AT_ONCE)
    running.bar.notice()
    assert await running.next_ended() == active
    running.calls.live.add(active)
    assert await running.next_ended() == active


async def test_database_that_is_away_is_asked_again(
    business: Business, tasks: list[asyncio.Task[None]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(call_bar, "RETRY_AFTER_S", 0.01)
    answers: list[object] = [DatabaseUnavailable(), ["acme"]]

    def find(*_: object) -> object:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(call_bar, "find_barred_enterprises", find)
    running = Running(business, "acme")
    tasks.append(running.task)
    running.bar.notice()
    assert await running.next_ended() == "acme"


async def test_so_many_enterprises_are_looked_up_at_a_time(
    business: Business, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(call_bar, "ENTERPRISES_A_QUERY", 2)
    asked: list[list[str]] = []

    def find(_: object, ids: list[str]) -> list[str]:
        asked.append(ids)
        return []

    monkeypatch.setattr(call_bar, "find_barred_enterprises", find)
    await CallBar(business.transactions, Calls("a", "b", "c"), arrival_timeout_s=1).look()
    assert asked == [["a", "b"], ["c"]]
