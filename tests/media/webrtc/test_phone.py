"""Browsers that wait for a call, and their legs: in time that costs none, at a gateway that is not
there; and the gateway itself. What a real browser does is in tests/portal/call/test_trial.py."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import cast

import pytest
from tests.harness.address import allocate_host
from tests.harness.virtual_time import in_virtual_time
from tests.media.webrtc.offer import FINGERPRINT, OFFER

from clicktodial.config import MediaSettings
from clicktodial.control.port import (
    Answered,
    Ended,
    Leg,
    LegEvent,
    LegPlan,
    OfferAnswered,
    OfferRefused,
    RelayError,
    Ringing,
    Telephony,
)
from clicktodial.domain.identifier import WebPhoneId
from clicktodial.domain.media import (
    PCMA,
    PCMU,
    TELEPHONE_EVENT,
    Codec,
    MediaAddress,
    MediaDescription,
)
from clicktodial.media.webrtc import gateway as gateway_module
from clicktodial.media.webrtc.error import NoRoomForWebPhone, OfferUnusable, WebPhoneInUse
from clicktodial.media.webrtc.gateway import WebGateway
from clicktodial.media.webrtc.phone import (
    CLAIM_TIMEOUT_S,
    CONNECT_TIMEOUT_S,
    GONE_CAUSE,
    LEFT_CAUSE,
    NOT_CONNECTED_CAUSE,
    SILENT_MAX_S,
    WebPhones,
    WebTelephony,
)
from clicktodial.media.webrtc.sdp import WebFacing, WebOffer, parse_offer

OWNER = "user-1"
RELAY = MediaAddress("127.0.0.9", 20_000)


@dataclass
class FakeSession:
    """A browser that has sent so many packets by a time of the loop."""

    packets: Callable[[float], int]
    plain_port: int = 40_102
    facing: WebFacing = field(
        default_factory=lambda: WebFacing("127.0.0.9", 40_100, "passive", FINGERPRINT, "u", "p")
    )
    pointed: list[str] = field(default_factory=list)
    is_closed: bool = False

    async def point(self, remote: str) -> None:
        self.pointed.append(remote)

    async def count_packets(self) -> int:
        return self.packets(asyncio.get_running_loop().time())

    async def close(self) -> None:
        self.is_closed = True


@dataclass
class FakeGateway:
    """Opens sessions without a relay."""

    packets: Callable[[float], int] = lambda _now: 0
    fault: Exception | None = None
    own_host: str = "127.0.0.9"
    sessions: list[FakeSession] = field(default_factory=list)

    async def open(self, name: str, offer: WebOffer, codec: Codec) -> FakeSession:
        if self.fault is not None:
            raise self.fault
        self.sessions.append(FakeSession(self.packets))
        return self.sessions[-1]

    def find_remote(self, address: MediaAddress) -> str:
        return f"{address.host} {address.port}"


class NoTrunks:
    """Nothing is to go out by a trunk."""

    def place(self, plan: LegPlan, on_event: Callable[[LegEvent], None]) -> Leg:
        raise AssertionError(plan)


def create_phones(gateway: FakeGateway) -> WebPhones:
    return WebPhones(cast("WebGateway", gateway), (PCMA, PCMU))


def place(phones: WebPhones, phone_id: WebPhoneId) -> tuple[Leg, asyncio.Queue[LegEvent]]:
    events: asyncio.Queue[LegEvent] = asyncio.Queue()
    offer = MediaDescription(RELAY, (PCMA, PCMU), TELEPHONE_EVENT)
    plan = LegPlan("+8613900000000", "+8610000000", offer, web_phone=phone_id)
    telephony = WebTelephony(cast("Telephony", NoTrunks()), phones)
    return telephony.place(plan, events.put_nowait), events


@in_virtual_time
async def test_browser_that_sends_has_answered_and_when_silent_has_left() -> None:
    loop = asyncio.get_running_loop()
    silent_from = loop.time() + 60
    gateway = FakeGateway(lambda now: int(50 * min(now, silent_from)))
    phones = create_phones(gateway)
    phone = await phones.open(OWNER, OFFER)
    leg, events = place(phones, phone.phone_id)
    assert await events.get() == Ringing()
    answered = await events.get()
    dtmf = Codec(126, "telephone-event")
    media = MediaDescription(MediaAddress("127.0.0.9", 40_102), (PCMA,), dtmf)
    assert answered == Answered(media)
    assert gateway.sessions[0].pointed == ["127.0.0.9 20000"]
    assert (leg.trunk_name, leg.sip_call_id) == ("browser", phone.phone_id)

    leg.reoffer(MediaDescription(RELAY, (PCMU, PCMA)))
    assert await events.get() == OfferAnswered(media)
    leg.reoffer(MediaDescription(RELAY, (PCMU,)))
    assert await events.get() == OfferRefused(488)

    assert await events.get() == Ended(LEFT_CAUSE)
    assert silent_from + SILENT_MAX_S <= loop.time() < silent_from + 2 * SILENT_MAX_S
    leg.hang_up()
    await phones.close()
    assert gateway.sessions[0].is_closed and events.empty()


@in_virtual_time
async def test_browser_that_sends_nothing_never_answers() -> None:
    gateway = FakeGateway()
    phones = create_phones(gateway)
    phone = await phones.open(OWNER, OFFER)
    _, events = place(phones, phone.phone_id)
    assert await events.get() == Ringing()
    assert await events.get() == Ended(NOT_CONNECTED_CAUSE)
    assert asyncio.get_running_loop().time() >= CONNECT_TIMEOUT_S
    await phones.open(OWNER, OFFER)
    await phones.close()
    assert all(session.is_closed for session in gateway.sessions)


@in_virtual_time
async def test_person_has_one_browser_at_a_time_until_it_leaves() -> None:
    phones = create_phones(FakeGateway(lambda now: int(50 * now)))
    phone = await phones.open(OWNER, OFFER)
    with pytest.raises(WebPhoneInUse):
        await phones.open(OWNER, OFFER)
    await phones.open("user-2", OFFER)
    leg, events = place(phones, phone.phone_id)
    # It is that call's alone, and not to be dropped any more.
    phones.drop(phone)
    _, others = place(phones, phone.phone_id)
    assert await others.get() == Ended(GONE_CAUSE)
    assert [await events.get(), type(await events.get())] == [Ringing(), Answered]
    leg.hang_up()
    await phones.open(OWNER, OFFER)
    await phones.close()
    assert events.empty()


@in_virtual_time
async def test_browser_without_a_call_is_let_go() -> None:
    gateway = FakeGateway()
    phones = create_phones(gateway)
    phones.drop(await phones.open(OWNER, OFFER))
    phone = await phones.open(OWNER, OFFER)
    await asyncio.sleep(CLAIM_TIMEOUT_S + 1)
    assert [session.is_closed for session in gateway.sessions] == [True, True]
    _, events = place(phones, phone.phone_id)
    assert await events.get() == Ended(GONE_CAUSE)
    await phones.close()


@in_virtual_time
async def test_refusal_leaves_the_place_free() -> None:
    gateway = FakeGateway(fault=RelayError("no"))
    phones = create_phones(gateway)
    with pytest.raises(NoRoomForWebPhone):
        await phones.open(OWNER, OFFER)
    gateway.fault = OfferUnusable()
    with pytest.raises(OfferUnusable):
        await phones.open(OWNER, OFFER)
    with pytest.raises(OfferUnusable, match="no codec"):
        await WebPhones(cast("WebGateway", gateway), ()).open(OWNER, OFFER)
    gateway.fault = None
    await phones.open(OWNER, OFFER)
    await phones.close()


@pytest.mark.asyncio
async def test_gateway_answers_is_full_and_has_room_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(gateway_module, "SESSIONS_MAX", 1)
    host = allocate_host()
    gateway = WebGateway(MediaSettings(host=host))
    offer = parse_offer(OFFER)
    with pytest.raises(RelayError):
        await gateway.open("early", offer, PCMA)
    await gateway.start()
    try:
        session = await gateway.open("one", offer, PCMA)
        settings, facing = MediaSettings(), session.facing
        assert (facing.host, facing.setup) == (host, "passive")
        ports = range(settings.webrtc_port_min, settings.webrtc_port_max + 1)
        assert facing.port in ports and session.plain_port in ports
        await session.point(gateway.find_remote(RELAY))
        assert await session.count_packets() == 0
        with pytest.raises(NoRoomForWebPhone):
            await gateway.open("two", offer, PCMA)
        await session.close()
        await (await gateway.open("two", offer, PCMA)).close()
        with pytest.raises(RelayError):
            gateway.find_remote(MediaAddress("0.0.0.0", 20_000))
    finally:
        await gateway.close()


def test_gateway_talks_to_nobody_on_its_own_machine_for_a_stranger() -> None:
    gateway = WebGateway(MediaSettings(host="192.0.2.9", advertised_host="198.51.100.9"))
    # The embedded relay is known to networks by that address, and is here.
    assert gateway.find_remote(MediaAddress("198.51.100.9", 20_000)) == "192.0.2.9 20000"
    with pytest.raises(RelayError):
        gateway.find_remote(MediaAddress("127.0.0.1", 20_000))
    for named in ({"host": "relay.example"}, {"advertised_host": "relay.example"}):
        with pytest.raises(RelayError):
            WebGateway(MediaSettings(**named))  # type: ignore[arg-type]  # texts all of them
