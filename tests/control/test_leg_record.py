"""What the row of a call says of its legs, and when it is written."""

import asyncio
from typing import Any

import pytest
from tests.control.conftest import settle

from clicktodial.control.port import Answered, Capture, Ended, Ringing, StoreError
from clicktodial.domain.cause import HANG_UP_CAUSE, Side, cause_of_status
from clicktodial.domain.leg import CallQuality, LegRecord
from clicktodial.domain.media import MediaDescription


def last_legs(platform: Any) -> dict[Side, LegRecord]:
    legs: dict[Side, LegRecord] = platform.store.legs[-1]
    return legs


async def test_legs_of_a_call_that_ended_are_in_its_row(
    platform: Any, answer: MediaDescription
) -> None:
    await platform.begin()
    caller = platform.telephony.legs[0]
    caller.on_event(Ringing())
    await platform.wait(2)
    # Fail-over may change what the leg is on until it is answered.
    caller.trunk_name, caller.sip_call_id = "second", "second-id"
    caller.on_event(Answered(answer))
    await settle()
    platform.telephony.legs[1].on_event(Ended(cause_of_status(486)))
    await settle()
    legs = last_legs(platform)
    assert (legs[Side.CALLER].trunk, legs[Side.CALLER].sip_call_id) == ("second", "second-id")
    assert legs[Side.CALLER].codec == "PCMA"
    placed_at, ringing_at = legs[Side.CALLER].placed_at, legs[Side.CALLER].ringing_at
    assert placed_at is not None and ringing_at is not None
    assert legs[Side.CALLER].answered_at is not None
    assert (legs[Side.CALLEE].trunk, legs[Side.CALLEE].answered_at) == ("trunk", None)


async def test_trunk_of_a_leg_that_was_hung_up_while_ringing_is_the_last(platform: Any) -> None:
    call_id = await platform.begin()
    platform.telephony.legs[0].trunk_name = "third"
    await platform.service.release(platform.application, call_id)
    assert last_legs(platform)[Side.CALLER].trunk == "third"


async def test_quality_is_written_after_an_end_that_it_does_not_delay(
    platform: Any, answer: MediaDescription
) -> None:
    await platform.connect(answer)
    written = len(platform.store.legs)
    platform.telephony.legs[1].on_event(Ended(HANG_UP_CAUSE))
    assert platform.store.states[-1] == "ended"
    assert last_legs(platform)[Side.CALLER].quality is None
    await settle()
    quality = last_legs(platform)[Side.CALLER].quality
    assert quality is not None and quality.packets == 100
    assert len(platform.store.legs) == written + 2
    assert platform.notifier.told.count("Disconnected") == 1


async def test_quality_and_the_end_of_the_session_are_asked_for_in_one_round_trip(
    platform: Any, answer: MediaDescription, monkeypatch: pytest.MonkeyPatch
) -> None:
    await platform.connect(answer)
    quality, close = platform.relay.quality, platform.relay.close
    closing = asyncio.Event()

    async def answer_quality() -> CallQuality:
        await closing.wait()
        measured: CallQuality = await quality()
        return measured

    async def answer_close() -> Capture | None:
        closing.set()
        capture: Capture | None = await close()
        return capture

    monkeypatch.setattr(platform.relay, "quality", answer_quality)
    monkeypatch.setattr(platform.relay, "close", answer_close)
    platform.telephony.legs[1].on_event(Ended(HANG_UP_CAUSE))
    await settle()
    assert len(platform.qualities) == 1
    assert platform.service.live_count == 0


async def test_quality_of_a_recorded_call_costs_no_write_of_its_own(
    platform: Any, answer: MediaDescription
) -> None:
    call_id = await platform.connect(answer, record=True)
    written = len(platform.store.legs)
    await platform.service.release(platform.application, call_id)
    await settle()
    assert platform.store.states[written:] == ["finishing", "ended"]
    caller, callee = last_legs(platform)[Side.CALLER], last_legs(platform)[Side.CALLEE]
    assert callee.quality is not None
    assert (caller.silence_s, callee.silence_s) == (4, 0)


@pytest.mark.parametrize("answered", [False, True])
async def test_call_that_was_never_joined_is_written_as_often_as_ever(
    platform: Any, answer: MediaDescription, answered: bool
) -> None:
    call_id = await platform.begin()
    platform.telephony.legs[0].on_event(Ringing())
    if answered:
        platform.telephony.legs[0].on_event(Answered(answer))
        await settle()
        platform.telephony.legs[1].on_event(Ringing())
    await platform.service.release(platform.application, call_id)
    await settle()
    told = ["CallingCaller", *(["CallingCallee"] if answered else []), "Disconnected"]
    assert platform.notifier.told == told
    assert len(platform.store.legs) == len(told)


async def test_row_that_another_process_ended_is_left_alone_without_a_fault(
    platform: Any, answer: MediaDescription
) -> None:
    await platform.connect(answer)
    platform.store.update_failure = StoreError("ended by another")
    platform.telephony.legs[1].on_event(Ended(HANG_UP_CAUSE))
    await settle()
    assert platform.service.live_count == 0
    assert "Disconnected" not in platform.notifier.told
