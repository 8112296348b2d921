"""What happens by the clock."""

import asyncio
from datetime import datetime, timedelta

import pytest
from tests.accounts.business import MANAGER, NOW, RETENTION, Business

from clicktodial.accounts import business_clock
from clicktodial.accounts.business_clock import ERASURE_EVERY, BusinessClock
from clicktodial.accounts.enterprise_change import NewChange
from clicktodial.domain.enterprise import EnterpriseState
from clicktodial.domain.work_order import WorkOrderKind
from clicktodial.storage.error import DatabaseUnavailable

LATER = NOW + timedelta(days=1)


class Scene:
    """A clock that the test turns."""

    def __init__(self, business: Business) -> None:
        self.now = NOW
        self.taken_up = asyncio.Event()
        self.clock = BusinessClock(
            business.changes, business.eraser, self.utc, self.take_up_changes
        )

    def utc(self) -> datetime:
        return self.now

    async def take_up_changes(self) -> None:
        self.taken_up.set()


def cancel_later(business: Business) -> str:
    enterprise_id = business.create_active()
    new = NewChange(kind=WorkOrderKind.CANCELLATION, reason="r", effective_at=LATER)
    business.changes.request_change(MANAGER, enterprise_id, new, decides=True, now=NOW)
    return enterprise_id


async def test_change_is_carried_out_and_taken_up_on_its_day(business: Business) -> None:
    scene = Scene(business)
    enterprise_id = cancel_later(business)
    assert await scene.clock.look() == 0
    assert not scene.taken_up.is_set()
    scene.now = LATER
    assert await scene.clock.look() == 1
    assert scene.taken_up.is_set()
    enterprise = business.enterprises.show(MANAGER, enterprise_id)
    assert enterprise.state is EnterpriseState.CANCELLED


async def test_data_are_erased_now_and_then(business: Business) -> None:
    scene = Scene(business)
    cancel_later(business)
    scene.now = LATER
    await scene.clock.look()
    scene.now = LATER + RETENTION + timedelta(seconds=1)
    for _ in range(ERASURE_EVERY - 1):
        await scene.clock.look()
    assert list(business.root.rglob("*.sealed"))
    await scene.clock.look()
    assert not list(business.root.rglob("*.sealed"))


async def test_clock_goes_on_when_the_database_was_away(
    business: Business, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(business_clock, "CHANGES_INTERVAL_S", 0.01)
    scene = Scene(business)
    cancel_later(business)
    scene.now = LATER
    carry_out = business.changes.carry_out_due
    failures = [DatabaseUnavailable()]

    def fail_once(now: datetime) -> int:
        if failures:
            raise failures.pop()
        return carry_out(now)

    monkeypatch.setattr(business.changes, "carry_out_due", fail_once)
    task = asyncio.create_task(scene.clock.run())
    try:
        await asyncio.wait_for(scene.taken_up.wait(), 20)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert failures == []
