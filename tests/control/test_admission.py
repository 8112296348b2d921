"""Limits, options of one call, and what a dry run says of all that."""

from dataclasses import replace
from typing import Any

import pytest
from tests.control.conftest import settle

from clicktodial.control.error import (
    ApplicationLimitReached,
    CapabilityMissing,
    LimitReached,
    NumberNotAuthorized,
    Overloaded,
)
from clicktodial.control.port import Answered, StoreError, TrunkForecast
from clicktodial.control.service import BeginCall
from clicktodial.domain.application import ApplicationLimits, Capability, EnterpriseLimits
from clicktodial.domain.call import SendDirection
from clicktodial.domain.cause import Side
from clicktodial.domain.identifier import AppId
from clicktodial.domain.media import OPUS, PCMA, Codec, MediaDescription, SrtpKey
from clicktodial.domain.message import (
    ApplicationMessages,
    Channel,
    TemplateInUse,
    TemplateText,
)
from clicktodial.domain.number import parse_number
from clicktodial.domain.plan import CallOptions, PresenceProof

CALLER, CALLEE = "+8613912345673", "+8613810268653"


def request(options: CallOptions | None = None, sponsor: str = "01052680000") -> BeginCall:
    return BeginCall(
        parse_number(sponsor), parse_number(CALLER), parse_number(CALLEE), options=options
    )


def limit(platform: Any, **limits: int) -> None:
    platform.application = replace(platform.application, limits=EnterpriseLimits(**limits))


# Limits


async def test_live_calls_of_an_enterprise_are_bounded_over_its_applications(
    platform: Any,
) -> None:
    limit(platform, live_calls_max=1)
    call_id = await platform.begin()
    second = replace(platform.application, app_id=AppId("87654321"))
    with pytest.raises(LimitReached):
        await platform.service.begin(second, request())
    stranger = replace(second, enterprise_id="another")
    await platform.service.begin(stranger, request())
    await platform.service.release(platform.application, call_id)
    await settle()
    await platform.service.begin(second, request())


async def test_new_calls_of_an_enterprise_are_bounded_by_the_second(platform: Any) -> None:
    limit(platform, calls_per_second_max=1)
    call_id = await platform.begin()
    await platform.service.release(platform.application, call_id)
    with pytest.raises(LimitReached):
        await platform.begin()
    await platform.wait(1)
    await platform.begin()


async def test_call_that_was_not_stored_frees_its_place(platform: Any) -> None:
    limit(platform, live_calls_max=1)
    platform.store.failure = StoreError("full")
    with pytest.raises(Overloaded):
        await platform.begin()
    await settle()
    platform.store.failure = None
    await platform.begin()


async def test_limits_bound_what_options_ask_for(platform: Any, answer: MediaDescription) -> None:
    limit(platform, max_duration_s=30, ring_timeout_s_max=5)
    platform.application = replace(platform.application, max_duration_s=None)
    platform.set_options(max_duration_s=60, caller_ring_timeout_s=9, callee_ring_timeout_s=4)
    await platform.connect(answer)
    caller, callee = platform.telephony.legs
    assert (caller.plan.ring_timeout_s, callee.plan.ring_timeout_s) == (5, 4)
    await platform.wait(29.9)
    assert platform.service.live_count == 1
    await platform.wait(0.2)
    assert platform.notifier.events[-1].call_duration_s == 30


# Options of one call


async def test_options_of_the_request_stand_for_the_applications(platform: Any) -> None:
    platform.set_options(hides_number=True, caller_ring_timeout_s=9)
    await platform.service.begin(
        platform.application, request(CallOptions(callee_ring_timeout_s=3))
    )
    await settle()
    [leg] = platform.telephony.legs
    assert not leg.plan.hides_number
    assert leg.plan.ring_timeout_s == 10


async def test_number_of_the_requests_options_must_be_the_applications(platform: Any) -> None:
    options = CallOptions(shown_to_caller="+861052689999")
    with pytest.raises(NumberNotAuthorized):
        await platform.service.begin(platform.application, request(options))
    forecast = await platform.service.forecast(platform.application, request(options))
    assert not forecast.is_possible


# Codecs


@pytest.mark.parametrize(
    ("options", "offered"),
    [
        (CallOptions(), (OPUS, PCMA)),
        (CallOptions(ringback_audio="music", hold_audio="music"), (OPUS, PCMA)),
        (CallOptions(presence=PresenceProof.MACHINE_DETECTION), (OPUS, PCMA)),
        (CallOptions(warning_before_end_s=5, warning_to=frozenset()), (OPUS, PCMA)),
        (CallOptions(warning_before_end_s=5), (PCMA,)),
        (CallOptions(announcement="notice"), (PCMA,)),
        (CallOptions(presence=PresenceProof.KEY), (PCMA,)),
        (CallOptions(presence=PresenceProof.KEY_AND_DETECTION), (PCMA,)),
    ],
)
async def test_call_in_which_something_must_be_heard_is_offered_what_can_be_played(
    platform: Any, options: CallOptions, offered: tuple[Codec, ...]
) -> None:
    platform.relay.codecs, platform.relay.playable_codecs = (OPUS, PCMA), (PCMA,)
    await platform.service.begin(platform.application, request(options))
    await settle()
    assert platform.telephony.legs[0].plan.offer.codecs == offered


async def test_relay_that_can_play_in_none_of_its_codecs_offers_them_all_the_same(
    platform: Any,
) -> None:
    platform.relay.codecs, platform.relay.playable_codecs = (OPUS,), ()
    await platform.service.begin(
        platform.application, request(CallOptions(presence=PresenceProof.KEY))
    )
    await settle()
    assert platform.telephony.legs[0].plan.offer.codecs == (OPUS,)


# SRTP


async def test_keys_of_the_relay_are_offered(platform: Any) -> None:
    platform.relay.crypto = (SrtpKey(1, "AES_CM_128_HMAC_SHA1_80", "inline:secret"),)
    await platform.begin()
    assert platform.telephony.legs[0].plan.offer.crypto == platform.relay.crypto


# Dry run


async def test_forecast_of_a_possible_call_takes_nothing(platform: Any) -> None:
    limit(platform, live_calls_max=1, calls_per_second_max=1)
    platform.telephony.forecasts = {
        CALLER: TrunkForecast("near", 30_000),
        CALLEE: TrunkForecast("far", 12_500),
    }
    for _ in range(3):
        forecast = await platform.service.forecast(platform.application, request())
    assert forecast.is_possible
    assert (forecast.caller.trunk_name, forecast.callee.trunk_name) == ("near", "far")
    assert forecast.cost_per_minute_micros == 42_500
    # The application's own cut-off comes first.
    assert forecast.max_duration_s == 20
    assert platform.telephony.legs == [] and platform.service.live_count == 0
    assert platform.store.states == [] and platform.relay.done == []
    await platform.begin()


async def test_forecast_says_every_obstacle_in_words(platform: Any) -> None:
    limit(platform, live_calls_max=1)
    await platform.begin()
    platform.relay.room = False
    platform.telephony.forecasts = {
        CALLER: TrunkForecast(None, obstacle="All trunks are down"),
        CALLEE: TrunkForecast(None, obstacle="No trunk takes that number"),
    }
    forecast = await platform.service.forecast(platform.application, request(sponsor="01052689999"))
    assert forecast.obstacles == (
        "A number to be shown is not the application's",
        "The relay has no room for another call",
        "The enterprise's limit of live calls is reached: 1",
        "The caller: All trunks are down",
        "The callee: No trunk takes that number",
    )


async def test_forecast_says_that_the_platform_is_full_or_stopping(platform: Any) -> None:
    await platform.begin()
    await platform.begin()
    forecast = await platform.service.forecast(platform.application, request())
    assert forecast.obstacles == ("The platform has no room for another call",)
    await platform.service.stop()
    forecast = await platform.service.forecast(platform.application, request())
    assert forecast.obstacles == ("The platform is stopping",)


# Capabilities and the limits of an application


@pytest.mark.parametrize(
    ("capabilities", "record", "direction", "is_taken"),
    [
        (set(Capability), True, SendDirection.BOTH, True),
        ({Capability.CLICK_TO_DIAL}, False, None, True),
        ({Capability.CLICK_TO_DIAL}, True, None, False),
        ({Capability.CLICK_TO_DIAL, Capability.RECORDING}, True, SendDirection.MO, False),
        ({Capability.CLICK_TO_DIAL, Capability.MESSAGES}, False, SendDirection.MO, True),
        ({Capability.RECORDING, Capability.MESSAGES}, False, None, False),
        (set(), False, None, False),
    ],
)
async def test_call_needs_the_capabilities_of_what_it_asks_for(
    platform: Any,
    capabilities: set[Capability],
    record: bool,
    direction: SendDirection | None,
    is_taken: bool,
) -> None:
    template = TemplateInUse("t", TemplateText(channel=Channel.SMS, text="Hi", values={}), True, 0)
    application = replace(
        platform.application,
        capabilities=frozenset(capabilities),
        messages=ApplicationMessages("Acme", dict.fromkeys(Side, template)),
    )
    asked = replace(request(), record=record, send_direction=direction)
    forecast = await platform.service.forecast(application, asked)
    assert forecast.is_possible is is_taken
    if is_taken:
        await platform.service.begin(application, asked)
    else:
        with pytest.raises(CapabilityMissing, match="has not the capability"):
            await platform.service.begin(application, asked)
        assert platform.telephony.legs == []


async def test_live_calls_of_an_application_are_bounded(platform: Any) -> None:
    own = ApplicationLimits(live_calls_max=1)
    platform.application = replace(platform.application, own_limits=own)
    call_id = await platform.begin()
    with pytest.raises(ApplicationLimitReached):
        await platform.begin()
    forecast = await platform.service.forecast(platform.application, request())
    assert forecast.obstacles == ("The application's limit of live calls is reached: 1",)
    other = replace(platform.application, app_id=AppId("87654321"))
    await platform.service.begin(other, request())
    await platform.service.release(platform.application, call_id)
    await settle()
    await platform.begin()


async def test_leg_prefers_the_trunk_of_the_number_that_it_shows(
    platform: Any, answer: MediaDescription
) -> None:
    other = "+861052680001"
    application = replace(
        platform.application,
        sponsors=platform.application.sponsors | {other},
        trunk_by_number={"+861052680000": "north", other: "south"},
    )
    await platform.service.begin(application, request(CallOptions(shown_to_callee=other)))
    await settle()
    platform.telephony.legs[0].on_event(Answered(answer))
    await settle()
    assert [leg.plan.preferred_trunk for leg in platform.telephony.legs] == ["north", "south"]
    await platform.service.forecast(application, request())
    assert platform.telephony.preferred == ["north", "north"]
    await platform.service.forecast(platform.application, request())
    assert platform.telephony.preferred[2:] == [None, None]
