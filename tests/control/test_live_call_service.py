"""The use cases of a call, its controller included, with the outside world recorded."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from clicktodial.control.error import (
    CallHasEnded,
    CallNotFound,
    NumberNotAuthorized,
    Overloaded,
)
from clicktodial.control.port import Answered, EarlyMedia, Ended, Ringing, StoreError
from clicktodial.control.service import BeginCall
from clicktodial.domain.cause import HANG_UP_CAUSE, EndReason, cause_of_status
from clicktodial.domain.event import RecordingResult
from clicktodial.domain.identifier import AppId, CallId
from clicktodial.domain.media import PCMA, MediaDescription
from clicktodial.domain.number import parse_number
from clicktodial.domain.plan import CallOptions


async def settle() -> None:
    for _ in range(40):
        await asyncio.sleep(0)


async def connect(platform: Any, answer: MediaDescription, *, record: bool = False) -> CallId:
    call_id: CallId = await platform.begin(record=record)
    platform.telephony.legs[0].on_event(Answered(answer))
    await settle()
    platform.telephony.legs[1].on_event(Answered(answer))
    await settle()
    return call_id


async def test_begin_dials_the_caller_showing_only_the_sponsor(platform: Any) -> None:
    await platform.begin()
    [leg] = platform.telephony.legs
    assert leg.plan.destination == "+8613912345673"
    assert leg.plan.shown == "+861052680000"
    assert leg.plan.offer.address.port == 20000
    assert platform.notifier.told == ["CallingCaller"]


async def test_options_of_the_application_make_the_plan_of_both_legs(
    platform: Any, answer: MediaDescription
) -> None:
    platform.application = replace(
        platform.application,
        sponsors=frozenset({"+861052680000", "+861052680001"}),
        options=CallOptions(
            shown_to_callee="+861052680001",
            hides_number=True,
            caller_ring_timeout_s=20,
            callee_ring_timeout_s=25,
        ),
    )
    await connect(platform, answer)
    caller, callee = platform.telephony.legs
    assert (caller.plan.shown, callee.plan.shown) == ("+861052680000", "+861052680001")
    assert caller.plan.hides_number and callee.plan.hides_number
    assert (caller.plan.ring_timeout_s, callee.plan.ring_timeout_s) == (20, 25)


async def test_number_of_an_option_that_was_taken_away_since_is_not_shown(platform: Any) -> None:
    options = CallOptions(shown_to_callee="+861052680001")
    platform.application = replace(platform.application, options=options)
    with pytest.raises(NumberNotAuthorized):
        await platform.begin()


async def test_options_cut_the_call_off_after_a_warning(
    platform: Any, answer: MediaDescription
) -> None:
    options = CallOptions(max_duration_s=15, warning_before_end_s=5)
    platform.application = replace(platform.application, options=options)
    await connect(platform, answer)
    await asyncio.sleep(10.5)
    assert platform.relay.done[-1] == "play warning to caller"
    await asyncio.sleep(5)
    assert platform.notifier.told[-1] == "Disconnected"
    assert platform.notifier.events[-1].call_duration_s == 15


async def test_quality_of_a_conversation_is_told_when_it_is_over(
    platform: Any, answer: MediaDescription
) -> None:
    await connect(platform, answer)
    assert platform.qualities == []
    platform.telephony.legs[1].on_event(Ended(HANG_UP_CAUSE))
    await settle()
    assert [quality.callee.packets_lost for quality in platform.qualities] == [10]


async def test_quality_that_the_relay_cannot_tell_harms_nothing(
    platform: Any, answer: MediaDescription
) -> None:
    platform.relay.failing = {"quality"}
    await connect(platform, answer)
    platform.telephony.legs[1].on_event(Ended(HANG_UP_CAUSE))
    await settle()
    assert platform.qualities == []
    assert platform.relay.done[-1] == "close"


async def test_call_that_was_never_joined_has_no_quality(platform: Any) -> None:
    await platform.begin()
    platform.telephony.legs[0].on_event(Ended(cause_of_status(486, "Busy Here")))
    await settle()
    assert platform.qualities == []


async def test_hang_up_of_one_tells_the_other_leg_the_cause(
    platform: Any, answer: MediaDescription
) -> None:
    await platform.begin()
    platform.telephony.legs[0].on_event(Answered(answer))
    await settle()
    platform.telephony.legs[1].on_event(Ended(cause_of_status(486, "Busy Here")))
    await settle()
    assert platform.telephony.legs[0].q850 == 17


async def test_both_answer_then_callee_hangs_up_ends_with_hang_up(
    platform: Any, answer: MediaDescription
) -> None:
    await connect(platform, answer)
    caller, callee = platform.telephony.legs
    assert callee.plan.destination == "+8613810268653"
    assert callee.plan.offer.codecs == (PCMA,)
    await asyncio.sleep(7)
    callee.on_event(Ended(HANG_UP_CAUSE))
    await settle()
    assert platform.notifier.told == [
        "CallingCaller",
        "CallingCallee",
        "Connected",
        "Disconnected",
    ]
    last = platform.notifier.events[-1]
    assert (last.reason, last.call_duration_s) == (EndReason.HANG_UP, 7)
    assert (caller.hung_up, callee.hung_up) == (1, 0)
    assert platform.relay.done[-1] == "close"
    assert platform.service.live_count == 0


async def test_slow_callee_gives_the_caller_ringback_until_the_answer(
    platform: Any, answer: MediaDescription
) -> None:
    await platform.begin()
    platform.telephony.legs[0].on_event(Answered(answer))
    await settle()
    platform.telephony.legs[1].on_event(Ringing())
    await asyncio.sleep(3)
    assert platform.relay.done[-1] == "play ringback to caller"
    platform.telephony.legs[1].on_event(Answered(answer))
    await settle()
    assert platform.relay.done[-2:] == ["stop_playing caller", "set_remote callee"]


async def test_early_media_replaces_ringback(platform: Any, answer: MediaDescription) -> None:
    await platform.begin()
    platform.telephony.legs[0].on_event(Answered(answer))
    await asyncio.sleep(1)
    platform.telephony.legs[1].on_event(EarlyMedia(answer))
    await settle()
    assert platform.relay.done[-2:] == ["stop_playing caller", "set_remote callee"]


async def test_failing_prompt_does_not_end_the_call(
    platform: Any, answer: MediaDescription
) -> None:
    platform.relay.failing = {"play", "stop_playing"}
    await platform.begin()
    platform.telephony.legs[0].on_event(Answered(answer))
    await asyncio.sleep(1)
    platform.telephony.legs[1].on_event(Answered(answer))
    await settle()
    assert platform.notifier.told[-1] == "Connected"


async def test_busy_callee_hangs_the_caller_up(platform: Any, answer: MediaDescription) -> None:
    await platform.begin()
    platform.telephony.legs[0].on_event(Answered(answer))
    await settle()
    platform.telephony.legs[1].on_event(Ended(cause_of_status(486, "Busy Here")))
    await settle()
    assert platform.notifier.events[-1].reason is EndReason.CALLEE_BUSY
    assert platform.telephony.legs[0].hung_up == 1


async def test_unanswered_caller_is_cancelled_at_the_ring_timeout(platform: Any) -> None:
    await platform.begin()
    await asyncio.sleep(10.1)
    await settle()
    assert platform.notifier.events[-1].reason is EndReason.CALLER_NO_ANSWER
    assert platform.telephony.legs[0].hung_up == 1


async def test_release_while_ringing_cancels_and_answers_at_once(platform: Any) -> None:
    call_id = await platform.begin()
    await platform.service.release(platform.application, call_id)
    assert platform.telephony.legs[0].hung_up == 1
    await settle()
    assert platform.notifier.events[-1].reason is EndReason.OTHER
    with pytest.raises(CallHasEnded):
        await platform.service.release(platform.application, call_id)


async def test_release_before_the_leg_is_dialled_never_dials_it(platform: Any) -> None:
    call_id = (await asyncio.gather(_begin_only(platform)))[0]
    await platform.service.release(platform.application, call_id)
    await settle()
    assert platform.telephony.legs == []
    assert platform.notifier.told == ["CallingCaller", "Disconnected"]


async def _begin_only(platform: Any) -> CallId:
    sponsor, caller, callee = map(parse_number, ("01052680000", "13912345673", "13810268653"))
    request = BeginCall(sponsor, caller, callee)
    call_id: CallId = await platform.service.begin(platform.application, request)
    return call_id


async def test_application_cut_off_ends_the_call_unless_continued(
    platform: Any, answer: MediaDescription
) -> None:
    first = await connect(platform, answer)
    await asyncio.sleep(20.1)
    await settle()
    assert platform.notifier.events[-1].reason is EndReason.OTHER
    platform.telephony.legs.clear()
    second = await connect(platform, answer)
    assert first != second
    await platform.service.continue_call(platform.application, second)
    await asyncio.sleep(30)
    assert platform.service.live_count == 1
    await platform.service.release(platform.application, second)


async def test_another_applications_call_is_not_found(platform: Any) -> None:
    call_id = await platform.begin()
    stranger = replace(platform.application, app_id=AppId("87654321"))
    with pytest.raises(CallNotFound):
        await platform.service.release(stranger, call_id)
    with pytest.raises(CallNotFound):
        await platform.service.continue_call(platform.application, CallId("nothing"))


async def test_foreign_sponsor_is_not_authorized(platform: Any) -> None:
    platform.application = replace(platform.application, sponsors=frozenset())
    with pytest.raises(NumberNotAuthorized):
        await platform.begin()


async def test_begin_beyond_live_max_is_overloaded(platform: Any) -> None:
    await platform.begin()
    await platform.begin()
    with pytest.raises(Overloaded):
        await platform.begin()


async def test_begin_without_relay_room_is_overloaded(platform: Any) -> None:
    platform.relay.room = False
    with pytest.raises(Overloaded):
        await platform.begin()


async def test_begin_that_is_not_durable_is_overloaded_and_dials_nobody(platform: Any) -> None:
    faults: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: faults.append(context))
    platform.store.failure = StoreError("full")
    with pytest.raises(Overloaded):
        await platform.begin()
    await asyncio.sleep(60)  # past every timer of a call that had begun
    assert faults == []
    assert platform.telephony.legs == []
    assert platform.notifier.told == []
    assert platform.relay.done == ["open", "close"]
    assert platform.service.live_count == 0


@pytest.mark.parametrize("command", ["open", "local_address", "set_remote"])
async def test_relay_failure_ends_the_call_with_other(
    platform: Any, answer: MediaDescription, command: str
) -> None:
    platform.relay.failing = {command}
    await platform.begin()
    if platform.telephony.legs:
        platform.telephony.legs[0].on_event(Answered(answer))
        await settle()
    assert platform.notifier.events[-1].reason is EndReason.OTHER
    assert all(leg.hung_up == 1 for leg in platform.telephony.legs)
    assert platform.service.live_count == 0


async def test_dead_media_ends_the_call(platform: Any, answer: MediaDescription) -> None:
    await connect(platform, answer)
    platform.relay.on_dead("No packet for 60 s")
    await settle()
    assert platform.notifier.events[-1].reason is EndReason.OTHER
    assert [leg.hung_up for leg in platform.telephony.legs] == [1, 1]


async def test_recorded_call_tells_its_recording_when_known(
    platform: Any, answer: MediaDescription
) -> None:
    platform.recorder.delay_s = 2.0
    call_id = await connect(platform, answer, record=True)
    assert platform.relay.done[-1] == "start_recording"
    await platform.service.release(platform.application, call_id)
    await asyncio.sleep(1)
    assert platform.notifier.told[-1] == "Connected"
    with pytest.raises(CallHasEnded):
        await platform.service.release(platform.application, call_id)
    await asyncio.sleep(1.5)
    last = platform.notifier.events[-1]
    assert last.recording_result is RecordingResult.SUCCESS
    assert last.recording_id == platform.recorder.finished[0]


async def test_recording_that_takes_too_long_is_told_as_failed_once(
    platform: Any, answer: MediaDescription
) -> None:
    platform.recorder.delay_s = 60.0
    call_id = await connect(platform, answer, record=True)
    await platform.service.release(platform.application, call_id)
    await asyncio.sleep(5)
    assert platform.notifier.events[-1].recording_result is RecordingResult.FAIL
    await asyncio.sleep(60)
    assert platform.notifier.told.count("Disconnected") == 1
    assert platform.service.live_count == 0


async def test_recording_that_cannot_start_lets_the_parties_talk(
    platform: Any, answer: MediaDescription
) -> None:
    platform.relay.failing = {"start_recording"}
    call_id = await connect(platform, answer, record=True)
    assert platform.service.live_count == 1
    await platform.service.release(platform.application, call_id)
    await settle()
    assert platform.notifier.events[-1].recording_result is RecordingResult.FAIL


async def test_unconnected_recorded_call_has_no_record(platform: Any) -> None:
    await platform.begin(record=True)
    platform.telephony.legs[0].on_event(Ended(cause_of_status(480)))
    await settle()
    assert platform.notifier.events[-1].recording_result is RecordingResult.NO_RECORD
    assert platform.recorder.finished == []


async def test_calls_of_an_enterprise_end_and_no_others(
    platform: Any, answer: MediaDescription
) -> None:
    await connect(platform, answer)
    mine = platform.application
    platform.application = replace(mine, enterprise_id="another")
    await platform.begin()
    service = platform.service
    assert sorted(service.live_enterprises) == sorted([mine.enterprise_id, "another"])
    assert service.end_calls_of(mine.enterprise_id) == 1
    await settle()
    assert service.live_enterprises == ["another"]
    assert platform.notifier.told.count("Disconnected") == 1
    assert service.end_calls_of(mine.enterprise_id) == 0
    assert service.live_count == 1


async def test_stop_ends_live_calls_and_admits_no_more(
    platform: Any, answer: MediaDescription
) -> None:
    await connect(platform, answer)
    await platform.service.stop()
    assert platform.notifier.events[-1].reason is EndReason.OTHER
    assert [leg.hung_up for leg in platform.telephony.legs] == [1, 1]
    with pytest.raises(Overloaded):
        await platform.begin()


async def test_stop_while_a_call_is_being_stored_dials_nobody(platform: Any) -> None:
    beginning = asyncio.ensure_future(_begin_only(platform))
    stopping = asyncio.ensure_future(platform.service.stop())
    await asyncio.gather(beginning, stopping)
    await settle()
    assert all(leg.hung_up == 1 for leg in platform.telephony.legs)
    assert platform.notifier.told == ["CallingCaller", "Disconnected"]


async def test_fault_of_the_recorder_still_ends_the_call(
    platform: Any, answer: MediaDescription, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: object) -> RecordingResult:
        raise ZeroDivisionError

    monkeypatch.setattr(platform.recorder, "finish", broken)
    call_id = await connect(platform, answer, record=True)
    await platform.service.release(platform.application, call_id)
    await asyncio.sleep(5)
    assert platform.notifier.events[-1].recording_result is RecordingResult.FAIL
    assert platform.service.live_count == 0


@pytest.mark.parametrize("turns", range(12))
async def test_effect_that_comes_as_the_worker_ends_is_carried_out(
    platform: Any, answer: MediaDescription, turns: int
) -> None:
    platform.store.turns = turns
    await platform.begin()
    assert len(platform.telephony.legs) == 1
    platform.telephony.legs[0].on_event(Answered(answer))
    for _ in range(turns):
        await asyncio.sleep(0)
    platform.telephony.legs[0].on_event(Ended(HANG_UP_CAUSE))
    await settle()
    assert platform.relay.done[-1] == "close"
    assert platform.service.live_count == 0
