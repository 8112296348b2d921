"""A leg's audio: by trunk, and within the conversation, told in the words of control.port."""

import asyncio
import dataclasses
from collections.abc import Callable

import pytest
from structlog.testing import capture_logs
from tests.sip.aio.support import (
    ANSWER,
    HOST,
    OFFER,
    Log,
    answer,
    open_phone,
    refuse,
)
from tests.sip.aio.test_telephony import PLAN, ending, is_answered, open_telephony, trunk
from tests.sip.test_crypto import OURS, PEER_80, PEER_TAG_2

from clicktodial.control.port import (
    Answered,
    Leg,
    LegEvent,
    LegPlan,
    OfferAnswered,
    Offered,
    OfferRefused,
    TrunkForecaster,
)
from clicktodial.domain.media import (
    G722,
    PCMA,
    PCMU,
    Codec,
    MediaAddress,
    MediaDescription,
    MediaDirection,
    SrtpKey,
)
from clicktodial.domain.trunk import SrtpPolicy, Trunk
from clicktodial.sip.aio.endpoint import SipEndpoint
from clicktodial.sip.aio.telephony import FULL_CAUSE, TrunkTelephony
from clicktodial.sip.event import (
    IncomingInvite,
    SessionEnded,
    SessionEvent,
    SessionOfferAnswered,
    SessionOffered,
    SessionOfferRefused,
)
from clicktodial.sip.reoffer import REINVITE_DECISION_MAX_S
from clicktodial.sip.sdp import serialize_sdp
from clicktodial.sip.trunk_media import NO_CODEC_CAUSE, NO_KEYS_CAUSE
from clicktodial.sip.user_agent import Session

SECURE_PLAN = dataclasses.replace(
    PLAN, offer=dataclasses.replace(OFFER, codecs=(G722, PCMA), crypto=OURS)
)
MOVED = MediaDescription(MediaAddress(HOST, 31_000), (PCMU, PCMA))


def place(telephony: TrunkTelephony, plan: LegPlan = PLAN) -> tuple[Leg, Log[LegEvent]]:
    events: Log[LegEvent] = Log()
    return telephony.place(plan, events.add), events


def answer_with(media: MediaDescription) -> Callable[[SipEndpoint, Session], None]:
    return lambda endpoint, session: endpoint.answer(session, serialize_sdp(media))


def offer_of(events: Log[SessionEvent]) -> MediaDescription | None:
    [invite] = [event for event in events.items if isinstance(event, IncomingInvite)]
    return invite.offer


# By trunk


async def test_trunk_of_srtp_is_offered_keys_and_its_key_is_told() -> None:
    secure = dataclasses.replace(ANSWER, crypto=(PEER_TAG_2,))
    async with open_phone(answer_with(secure)) as phone:
        only = dataclasses.replace(trunk("a", phone.endpoint.address), srtp=SrtpPolicy.REQUIRED)
        async with open_telephony(only) as telephony:
            leg, events = place(telephony, SECURE_PLAN)
            assert await events.wait_for(is_answered) == Answered(secure)
            assert offer_of(phone.events) == SECURE_PLAN.offer
            leg.hang_up()
            await phone.events.wait_for(lambda event: isinstance(event, SessionEnded))


async def test_trunk_without_srtp_is_told_no_key() -> None:
    async with (
        open_phone(answer) as phone,
        open_telephony(trunk("a", phone.endpoint.address)) as telephony,
    ):
        leg, events = place(telephony, SECURE_PLAN)
        await events.wait_for(is_answered)
        assert offer_of(phone.events) == dataclasses.replace(SECURE_PLAN.offer, crypto=())
        leg.hang_up()


async def test_trunk_of_srtp_that_answers_in_the_clear_ends_the_leg() -> None:
    async with open_phone(answer) as phone:
        only = dataclasses.replace(trunk("a", phone.endpoint.address), srtp=SrtpPolicy.REQUIRED)
        async with open_telephony(only) as telephony:
            _, events = place(telephony, SECURE_PLAN)
            assert (await ending(events)).cause.sip_status == 488


@pytest.mark.parametrize(
    ("change", "cause"),
    [({"srtp": SrtpPolicy.REQUIRED}, NO_KEYS_CAUSE), ({"codecs": ("OPUS",)}, NO_CODEC_CAUSE)],
)
async def test_trunk_that_cannot_be_offered_anything_is_passed_over_like_a_full_one(
    change: dict[str, object], cause: object
) -> None:
    async with open_phone(answer) as phone, open_phone(answer) as other:
        first = dataclasses.replace(
            trunk("first", phone.endpoint.address, priority=1),
            **change,  # type: ignore[arg-type]  # fields of Trunk
        )
        second = trunk("second", other.endpoint.address, priority=2)
        async with open_telephony(first, second) as telephony:
            with capture_logs() as logs:
                leg, events = place(telephony)
            await events.wait_for(is_answered)
            assert leg.trunk_name == "second"
            assert telephony.states.channels(first) == 0
            [entry] = [entry for entry in logs if entry["event"] == "sip.trunk_failed"]
            assert entry["text"] == cause.sip_text  # type: ignore[attr-defined]  # a LegCause
            leg.hang_up()
        async with open_telephony(first) as telephony:
            _, events = place(telephony)
            assert (await ending(events)).cause is cause
        assert phone.sessions == []


# Offers of the party


async def converse(telephony: TrunkTelephony) -> tuple[Leg, Log[LegEvent]]:
    leg, events = place(telephony)
    await events.wait_for(is_answered)
    return leg, events


async def test_offer_of_the_party_is_answered_with_the_codec_that_is_chosen() -> None:
    async with (
        open_phone(answer) as phone,
        open_telephony(trunk("a", phone.endpoint.address)) as telephony,
    ):
        leg, events = await converse(telephony)
        [session] = phone.sessions
        await phone.events.wait_for(lambda event: session.midcall is not None)
        offer = MediaDescription(MediaAddress(HOST, 32_000), (Codec(18, "G729"), PCMU, G722))
        phone.endpoint.reoffer(session, offer)
        offered = await events.wait_for(lambda event: isinstance(event, Offered))
        usable = dataclasses.replace(offer, codecs=(PCMU, G722))
        assert offered == Offered(usable, REINVITE_DECISION_MAX_S)
        assert leg.answer_offer(G722)
        answered = await phone.events.wait_for(lambda e: isinstance(e, SessionOfferAnswered))
        assert answered == SessionOfferAnswered(dataclasses.replace(OFFER, codecs=(G722,)))
        # There is nothing to answer any more.
        assert not leg.answer_offer(G722)
        leg.hang_up()
        assert not leg.answer_offer(G722)


async def test_offer_of_the_party_that_is_refused_is_488() -> None:
    async with (
        open_phone(answer) as phone,
        open_telephony(trunk("a", phone.endpoint.address)) as telephony,
    ):
        leg, events = await converse(telephony)
        [session] = phone.sessions
        await phone.events.wait_for(lambda event: session.midcall is not None)
        phone.endpoint.reoffer(session, MOVED)
        await events.wait_for(lambda event: isinstance(event, Offered))
        leg.refuse_offer()
        await phone.events.wait_for(lambda event: event == SessionOfferRefused(488))
        leg.hang_up()


# Offers to the party


async def test_offer_to_the_party_is_answered_or_refused() -> None:
    async with (
        open_phone(answer) as phone,
        open_telephony(trunk("a", phone.endpoint.address)) as telephony,
    ):
        leg, events = await converse(telephony)
        [session] = phone.sessions
        leg.reoffer(MOVED)
        offered = await phone.events.wait_for(lambda event: isinstance(event, SessionOffered))
        assert isinstance(offered, SessionOffered)
        assert offered.media == MOVED
        phone.endpoint.accept_offer(session, PCMU)
        told = await events.wait_for(lambda event: isinstance(event, OfferAnswered))
        assert told == OfferAnswered(dataclasses.replace(ANSWER, codecs=(PCMU,)))

        held = dataclasses.replace(MOVED, direction=MediaDirection.SEND)
        leg.reoffer(held)
        await phone.events.wait_for(
            lambda event: isinstance(event, SessionOffered) and event.media == held
        )
        phone.endpoint.refuse_offer(session, 488, "Not Acceptable Here")
        assert await events.wait_for(lambda e: isinstance(e, OfferRefused)) == OfferRefused(488)
        leg.hang_up()
        await phone.events.wait_for(lambda event: isinstance(event, SessionEnded))


async def test_offer_to_the_party_is_of_what_the_trunk_takes() -> None:
    async with open_phone(answer) as phone:
        only = dataclasses.replace(trunk("a", phone.endpoint.address), codecs=("PCMA",))
        async with open_telephony(only) as telephony:
            leg, events = await converse(telephony)
            leg.reoffer(dataclasses.replace(MOVED, codecs=(PCMU, G722)))
            assert [event for event in events.items if isinstance(event, OfferRefused)] == []
            assert await events.wait_for(lambda e: isinstance(e, OfferRefused)) == OfferRefused(488)
            leg.reoffer(MOVED)
            offered = await phone.events.wait_for(lambda event: isinstance(event, SessionOffered))
            assert isinstance(offered, SessionOffered)
            assert offered.media.codecs == (PCMA,)
            leg.hang_up()


async def test_offer_within_srtp_keeps_it() -> None:
    secure = dataclasses.replace(ANSWER, crypto=(PEER_TAG_2,))
    async with open_phone(answer_with(secure)) as phone:
        only = dataclasses.replace(trunk("a", phone.endpoint.address), srtp=SrtpPolicy.REQUIRED)
        async with open_telephony(only) as telephony:
            leg, events = place(telephony, SECURE_PLAN)
            await events.wait_for(is_answered)
            leg.reoffer(MOVED)
            offered = await phone.events.wait_for(lambda event: isinstance(event, SessionOffered))
            assert isinstance(offered, SessionOffered)
            # The phone has a key of one suite, and took the offer's of that.
            assert offered.media.crypto == (OURS[1],)
            phone.endpoint.accept_offer(phone.sessions[0], PCMA)
            told = await events.wait_for(lambda event: isinstance(event, OfferAnswered))
            assert isinstance(told, OfferAnswered)
            assert told.media.crypto == (SrtpKey(2, OURS[1].suite, PEER_TAG_2.key_params),)
            assert PEER_80 not in repr(events.items)
            leg.hang_up()


async def test_hang_up_while_an_offer_is_open_ends_the_leg_silently() -> None:
    async with (
        open_phone(answer) as phone,
        open_telephony(trunk("a", phone.endpoint.address)) as telephony,
    ):
        leg, events = await converse(telephony)
        leg.reoffer(MOVED)
        await phone.events.wait_for(lambda event: isinstance(event, SessionOffered))
        before = list(events.items)
        leg.hang_up()
        leg.reoffer(MOVED)
        await phone.events.wait_for(lambda event: isinstance(event, SessionEnded))
        await asyncio.sleep(0)
        assert events.items == before


# Forecasts


CHEAP = Trunk("cheap", HOST, 1, priority=1, prefixes=("+86139",), cost_per_minute_micros=12_000)
DEAR = Trunk("dear", HOST, 2, priority=2, cost_per_minute_micros=90_000)


async def test_forecast_is_the_first_trunk_that_has_room_and_takes_nothing() -> None:
    cheap = dataclasses.replace(CHEAP, channels_max=1, calls_per_second_max=5)
    async with open_telephony(cheap, DEAR) as telephony:
        forecaster: TrunkForecaster = telephony
        for _ in range(20):
            forecast = forecaster.forecast(PLAN.destination)
            assert (forecast.trunk_name, forecast.cost_per_minute_micros) == ("cheap", 12_000)
        assert telephony.states.channels(cheap) == 0
        assert telephony.states.take(cheap)
        forecast = forecaster.forecast(PLAN.destination)
        assert (forecast.trunk_name, forecast.cost_per_minute_micros) == ("dear", 90_000)
        assert forecaster.forecast("+4930123456").trunk_name == "dear"


async def test_forecast_tells_the_obstacle_in_words() -> None:
    async with open_telephony(CHEAP) as telephony:
        forecast = telephony.forecast("+4930123456")
        assert (forecast.trunk_name, forecast.obstacle) == (None, "no trunk carries the number")
    full = dataclasses.replace(CHEAP, channels_max=1)
    busy = dataclasses.replace(DEAR, calls_per_second_max=1)
    async with open_telephony(full, busy) as telephony:
        telephony.states.take(full)
        telephony.states.take(busy)
        assert telephony.forecast(PLAN.destination).obstacle == (
            "no trunk is free: cheap is full, dear takes no more calls in this second"
        )
        telephony.states.set_down("cheap", down=True)
        assert "cheap is down" in telephony.forecast(PLAN.destination).obstacle


async def test_forecast_is_what_a_leg_does_then() -> None:
    async with open_phone(answer) as phone, open_phone(refuse(503)) as other:
        first = dataclasses.replace(trunk("a", phone.endpoint.address), channels_max=1)
        second = trunk("b", other.endpoint.address, priority=200)
        async with open_telephony(first, second) as telephony:
            assert telephony.forecast(PLAN.destination).trunk_name == "a"
            leg, events = await converse(telephony)
            assert leg.trunk_name == "a"
            assert telephony.forecast(PLAN.destination).trunk_name == "b"
            _, events = place(telephony)
            assert (await ending(events)).cause != FULL_CAUSE
            leg.hang_up()
            assert telephony.forecast(PLAN.destination).trunk_name == "a"
