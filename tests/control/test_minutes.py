"""A call that is charged: begun, extended, warned and ended by what is left of the pool."""

import asyncio
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest
from tests.control.conftest import create_platform

from clicktodial.config import CallsSettings
from clicktodial.control.controller import HOLD_TRIES
from clicktodial.control.error import CapReached, Overloaded, PoolEmpty
from clicktodial.control.port import Ended, StoreConflict, StoreError
from clicktodial.control.service import BeginCall
from clicktodial.domain.cause import HANG_UP_CAUSE, EndReason
from clicktodial.domain.media import MediaDescription
from clicktodial.domain.minutes import Charge, Hold, PoolTerms
from clicktodial.domain.number import parse_number
from clicktodial.domain.rating import Tariff

REQUEST = BeginCall(
    sponsor=parse_number("01052680000"),
    caller=parse_number("8613912345673"),
    callee=parse_number("8613810268653"),
)


@pytest.fixture
def pooled() -> Any:
    """An enterprise that has a pool, and calls without a cut-off of the application's own."""
    platform = create_platform(CallsSettings(live_max=2 * HOLD_TRIES))
    terms = PoolTerms("tariff", Tariff(unit_s=1))
    platform.application = replace(platform.application, pool_terms=terms, max_duration_s=None)
    return platform


async def test_begin_with_an_empty_pool_rings_nobody(pooled: Any) -> None:
    with pytest.raises(PoolEmpty):
        await pooled.begin()
    assert pooled.telephony.legs == []
    assert pooled.service.live_count == 0


async def test_begin_that_was_too_late_for_the_seconds_looks_again(pooled: Any) -> None:
    pooled.minutes.left_s = 600
    pooled.store.failures = [StoreConflict()] * (HOLD_TRIES - 1)
    await pooled.begin()
    assert pooled.minutes.asked == HOLD_TRIES
    assert len(pooled.telephony.legs) == 1
    assert pooled.service.live_count == 1


async def test_begin_that_is_always_too_late_finds_the_pool_empty(pooled: Any) -> None:
    pooled.minutes.left_s = 600
    pooled.store.failures = [StoreConflict()] * HOLD_TRIES
    with pytest.raises(PoolEmpty):
        await pooled.begin()
    await pooled.wait(0)
    assert pooled.telephony.legs == []
    assert pooled.service.live_count == 0


async def test_begin_without_an_answer_from_the_pool_is_refused(pooled: Any) -> None:
    pooled.minutes.failure = StoreError()
    with pytest.raises(Overloaded):
        await pooled.begin()


async def test_call_that_ended_while_more_was_looked_for_holds_no_more(
    pooled: Any, answer: MediaDescription, monkeypatch: pytest.MonkeyPatch
) -> None:
    pooled.minutes.left_s = 300
    await pooled.connect(answer)
    [controller] = pooled.service._live.values()
    charge, plan_more, found = controller.call.charge, pooled.minutes.plan_more, asyncio.Event()

    async def find_late(charge: Charge, now: datetime) -> tuple[Hold, ...]:
        await found.wait()
        more: tuple[Hold, ...] = await plan_more(charge, now)
        return more

    monkeypatch.setattr(pooled.minutes, "plan_more", find_late)
    held_s = charge.held_s
    await pooled.wait(held_s - 10)
    pooled.telephony.legs[1].on_event(Ended(HANG_UP_CAUSE))
    found.set()
    await pooled.wait(0)
    assert pooled.minutes.asked == 2
    assert charge.held_s == held_s
    assert pooled.service.live_count == 0


async def test_call_is_extended_and_ends_when_the_minutes_do(
    pooled: Any, answer: MediaDescription
) -> None:
    pooled.set_options(warning_before_end_s=10)
    pooled.minutes.left_s = 300
    await pooled.connect(answer)
    await pooled.wait(289)
    assert "play warning to caller" not in pooled.relay.done
    await pooled.wait(1.5)
    assert "play warning to caller" in pooled.relay.done
    assert pooled.notifier.told[-1] == "Connected"
    await pooled.wait(10)
    event = pooled.notifier.events[-1]
    assert (event.reason, event.call_duration_s) == (EndReason.OTHER, 300)
    assert pooled.service.live_count == 0


async def test_call_of_a_pool_that_lasts_knows_nothing_of_it(
    pooled: Any, answer: MediaDescription
) -> None:
    pooled.set_options(warning_before_end_s=10, max_duration_s=500)
    pooled.minutes.left_s = 10_000
    await pooled.connect(answer)
    await pooled.wait(485)
    assert "play warning to caller" not in pooled.relay.done
    await pooled.wait(16)
    assert pooled.notifier.events[-1].call_duration_s == 500


async def test_extension_that_was_too_late_looks_again(
    pooled: Any, answer: MediaDescription
) -> None:
    pooled.minutes.left_s = 1_000
    pooled.store.extend_failures = [StoreConflict()]
    await pooled.connect(answer)
    await pooled.wait(130)
    assert pooled.notifier.told[-1] == "Connected"


async def test_database_that_does_not_answer_ends_the_call_when_what_is_held_does(
    pooled: Any, answer: MediaDescription
) -> None:
    pooled.minutes.left_s = 1_000
    await pooled.connect(answer)
    pooled.minutes.failure = StoreError()
    await pooled.wait(121)
    assert pooled.notifier.events[-1].call_duration_s == 120


async def test_end_while_an_extension_is_under_way_is_the_end(
    pooled: Any, answer: MediaDescription
) -> None:
    pooled.minutes.left_s = 1_000
    await pooled.connect(answer)
    release = asyncio.Event()
    plan_more = pooled.minutes.plan_more

    async def held_up(charge: Any, now: Any) -> Any:
        await release.wait()
        return await plan_more(charge, now)

    pooled.minutes.plan_more = held_up
    await pooled.wait(105)
    pooled.telephony.legs[0].on_event(Ended(HANG_UP_CAUSE))
    await pooled.wait(0)
    assert pooled.notifier.told[-1] == "Disconnected"
    assert pooled.service.live_count == 1  # until nothing of it is under way
    release.set()
    await pooled.wait(0)
    assert pooled.service.live_count == 0


async def test_forecast_tells_an_empty_pool_and_what_a_minute_takes(pooled: Any) -> None:
    terms = PoolTerms("tariff", Tariff(unit_s=60, legs=2))
    pooled.application = replace(pooled.application, pool_terms=terms)
    forecast = await pooled.service.forecast(pooled.application, REQUEST)
    assert forecast.obstacles == ("The enterprise has no minutes left.",)
    assert forecast.billed_s_per_minute == 120
    pooled.minutes.left_s = 600
    forecast = await pooled.service.forecast(pooled.application, REQUEST)
    assert forecast.is_possible
    assert forecast.price_per_minute_micros == 600_000
    pooled.minutes.failure = CapReached("The member's cap of 60 s is reached")
    forecast = await pooled.service.forecast(pooled.application, REQUEST)
    assert forecast.obstacles == ("The member's cap of 60 s is reached",)
