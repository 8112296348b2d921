"""When the relay is asked how a connected call sounds, and what is kept of that."""

from typing import Any

import pytest
from tests.control.conftest import Platform, create_platform, settle

from clicktodial.config import CallsSettings
from clicktodial.control.port import Ended
from clicktodial.domain.cause import HANG_UP_CAUSE
from clicktodial.domain.media import MediaDescription

INTERVAL_S = 4


@pytest.fixture
def sampling() -> Platform:
    return create_platform(CallsSettings(), quality_interval_s=INTERVAL_S)


async def hang_up(platform: Platform) -> None:
    platform.telephony.legs[1].on_event(Ended(HANG_UP_CAUSE))
    await settle()


async def test_connected_call_is_read_every_so_often_and_at_its_end(
    sampling: Platform, answer: MediaDescription
) -> None:
    call_id = await sampling.connect(answer)
    await sampling.wait(3 * INTERVAL_S + 1)
    assert sampling.relay.readings == 3
    live = await sampling.service.inspect(sampling.application, call_id)
    assert [each.until_ms for each in live.timeline] == [4_000, 8_000, 12_000]
    await sampling.wait(2)
    await hang_up(sampling)
    assert sampling.relay.readings == 4
    timeline = sampling.store.timelines[call_id]
    assert [each.until_ms for each in timeline] == [4_000, 8_000, 12_000, 15_000]
    assert [each.caller.packets for each in timeline] == [100] * 4
    assert [each.callee.packets for each in timeline] == [90, 0, 0, 0]
    # Nothing is asked of a call that is over, and only the end is told as before.
    await sampling.wait(10 * INTERVAL_S)
    assert sampling.relay.readings == 4
    assert len(sampling.qualities) == 1


async def test_call_that_is_over_before_a_reading_is_asked_about_once(
    sampling: Platform, answer: MediaDescription
) -> None:
    await sampling.connect(answer)
    await sampling.wait(INTERVAL_S - 1)
    await hang_up(sampling)
    await sampling.wait(10 * INTERVAL_S)
    assert sampling.relay.readings == 1
    assert sampling.store.timelines == {}


async def test_nobody_is_asked_about_a_call_that_is_not_joined_or_where_it_is_off(
    sampling: Platform, platform: Platform, answer: MediaDescription
) -> None:
    await sampling.begin()
    await platform.connect(answer)
    await sampling.wait(2 * INTERVAL_S)
    assert sampling.relay.readings == platform.relay.readings == 0
    await hang_up(platform)
    assert (platform.relay.readings, platform.store.timelines) == (1, {})


async def test_reading_that_fails_is_made_up_for_by_the_next(
    sampling: Platform, answer: MediaDescription
) -> None:
    call_id = await sampling.connect(answer)
    await sampling.wait(INTERVAL_S + 1)
    sampling.relay.failing.add("quality")
    await sampling.wait(INTERVAL_S)
    sampling.relay.failing.clear()
    await sampling.wait(INTERVAL_S)
    await hang_up(sampling)
    timeline = sampling.store.timelines[call_id]
    assert [(each.until_ms, each.caller.packets) for each in timeline] == [
        (4_000, 100),
        (13_000, 300),
    ]
    assert sampling.telephony.legs[0].hung_up


async def test_reading_that_is_due_when_the_call_ends_asks_no_closed_session(
    sampling: Platform, answer: MediaDescription
) -> None:
    await sampling.connect(answer)
    held: Any = sampling.relay.hold("close")
    await sampling.wait(INTERVAL_S - 1)
    await hang_up(sampling)
    await sampling.wait(INTERVAL_S)
    assert sampling.service.live_count == 1
    held.set()
    await settle()
    assert sampling.relay.readings == 1
    assert sampling.service.live_count == 0
