"""SRTP by SDES at a real rtpengine, with phones of libsrtp."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
import pytest_asyncio
from tests.media.relay_contract import (
    CALLEE_AUDIO,
    CALLER_AUDIO,
    RINGBACK,
    read_payloads,
    strongest_frequency_hz,
)
from tests.media.rtp_phone import HEARD_TIMEOUT_S, RtpPhone
from tests.media.srtp_phone import SrtpPhone

from clicktodial.control.port import RelayError, RelaySession
from clicktodial.domain.cause import Side
from clicktodial.domain.identifier import create_call_id
from clicktodial.domain.media import PCMA, MediaDescription, SrtpKey
from clicktodial.media.rtpengine.fleet import RtpengineFleet

pytestmark = pytest.mark.asyncio(loop_scope="module")

ALL = [(True, False), (False, True), (True, True)]
OpenPhones = Callable[[bool, bool], Awaitable[tuple[RtpPhone, RtpPhone]]]


@pytest_asyncio.fixture(loop_scope="module")
async def session(relay: RtpengineFleet) -> AsyncIterator[RelaySession]:
    session = await relay.open(create_call_id(), print)
    yield session
    await session.close()


@pytest_asyncio.fixture(loop_scope="module")
async def open_phones(session: RelaySession) -> AsyncIterator[OpenPhones]:
    """A caller and a callee, each of SRTP or not, that know the relay's keys."""
    phones: list[RtpPhone] = []

    async def open_phones(*are_secure: bool) -> tuple[RtpPhone, RtpPhone]:
        for number, (side, is_secure) in enumerate(zip(Side, are_secure, strict=True), 1):
            phone = SrtpPhone(number) if is_secure else RtpPhone(number)
            if isinstance(phone, SrtpPhone):
                (key,) = await session.local_crypto(side)
                phone.use(key)
            phones.append(await phone.open())
        caller, callee = phones
        return caller, callee

    yield open_phones
    for phone in phones:
        phone.close()


async def check_both_ways(session: RelaySession, caller: RtpPhone, callee: RtpPhone) -> None:
    caller.send(await session.local_address(Side.CALLER), CALLER_AUDIO)
    await callee.hear_payload(CALLER_AUDIO)
    callee.send(await session.local_address(Side.CALLEE), CALLEE_AUDIO)
    await caller.hear_payload(CALLEE_AUDIO)


@pytest.mark.parametrize("are_secure", ALL)
async def test_both_are_heard_whoever_of_them_speaks_srtp(
    session: RelaySession, open_phones: OpenPhones, are_secure: tuple[bool, bool]
) -> None:
    caller, callee = await open_phones(*are_secure)
    keys = [await session.local_crypto(side) for side in Side]
    await session.set_remote(Side.CALLER, caller.describe())
    await session.set_remote(Side.CALLEE, callee.describe())
    await check_both_ways(session, caller, callee)
    # The same again, as a re-INVITE says it.
    await session.set_remote(Side.CALLER, caller.describe())
    await session.set_remote(Side.CALLEE, callee.describe())
    await check_both_ways(session, caller, callee)
    assert [await session.local_crypto(side) for side in Side] == keys
    assert keys[0] != keys[1]
    assert not any(
        phone.was_strange.is_set() for phone in (caller, callee) if isinstance(phone, SrtpPhone)
    )


@pytest.mark.parametrize("side", Side)
async def test_side_that_takes_another_key_is_heard_with_that(
    session: RelaySession, open_phones: OpenPhones, side: Side
) -> None:
    caller, callee = await open_phones(True, True)
    await session.set_remote(Side.CALLER, caller.describe())
    await session.set_remote(Side.CALLEE, callee.describe())
    await check_both_ways(session, caller, callee)
    (key,) = await session.local_crypto(side)
    successor = SrtpPhone(7)
    successor.use(key)
    await successor.open()
    if side is Side.CALLER:
        caller = successor
    else:
        callee = successor
    await session.set_remote(side, successor.describe())
    await check_both_ways(session, caller, callee)
    assert await session.local_crypto(side) == (key,)
    successor.close()


async def test_key_of_neither_side_is_told_to_the_other(
    session: RelaySession, open_phones: OpenPhones
) -> None:
    caller, callee = await open_phones(True, True)
    assert isinstance(caller, SrtpPhone) and isinstance(callee, SrtpPhone)
    await session.set_remote(Side.CALLER, caller.describe())
    await session.set_remote(Side.CALLEE, callee.describe())
    # Whoever heard the other's packets with the other's key would have been given it.
    caller.use(callee.key)
    callee.send(await session.local_address(Side.CALLEE), CALLEE_AUDIO)
    await asyncio.wait_for(caller.was_strange.wait(), HEARD_TIMEOUT_S)
    assert caller.heard.empty()


async def test_packets_of_a_wrong_key_are_not_passed_on(
    session: RelaySession, open_phones: OpenPhones
) -> None:
    caller, callee = await open_phones(True, False)
    await session.set_remote(Side.CALLER, caller.describe())
    await session.set_remote(Side.CALLEE, callee.describe())
    stranger = await SrtpPhone(9).open()
    to = await session.local_address(Side.CALLER)
    stranger.send(to, CALLEE_AUDIO)
    caller.send(to, CALLER_AUDIO)
    assert (await callee.hear()).payload == CALLER_AUDIO
    stranger.close()


@pytest.mark.parametrize("are_secure", ALL)
async def test_recording_of_srtp_is_in_clear(
    session: RelaySession, open_phones: OpenPhones, are_secure: tuple[bool, bool]
) -> None:
    caller, callee = await open_phones(*are_secure)
    await session.set_remote(Side.CALLER, caller.describe())
    await session.set_remote(Side.CALLEE, callee.describe())
    await check_both_ways(session, caller, callee)
    await session.start_recording()
    for _ in range(5):
        await check_both_ways(session, caller, callee)
    capture = await session.close()
    assert capture is not None and capture.caller_path and capture.callee_path
    assert read_payloads(capture.caller_path) == [CALLER_AUDIO] * 5
    assert read_payloads(capture.callee_path) == [CALLEE_AUDIO] * 5


async def test_prompt_to_a_phone_of_srtp_is_encrypted(
    session: RelaySession, open_phones: OpenPhones
) -> None:
    caller, _ = await open_phones(True, False)
    await session.set_remote(Side.CALLER, caller.describe())
    await session.play(Side.CALLER, RINGBACK)
    payloads = [(await caller.hear()).payload for _ in range(25)]
    assert strongest_frequency_hz(payloads, "PCMA") == pytest.approx(450, abs=5)


@pytest.mark.parametrize(
    "key",
    [
        SrtpKey(1, "AES_CM_128_HMAC_SHA1_32", "inline:" + "A" * 40),
        SrtpKey(1, "AES_CM_128_HMAC_SHA1_80", "inline:" + "A" * 39),
        SrtpKey(1, "AES_CM_128_HMAC_SHA1_80", "inline:" + "A" * 40 + "\r\na=x"),
        SrtpKey(1, "AES_CM_128_HMAC_SHA1_80", "uri:http://192.0.2.1/"),
    ],
    ids=range(4),
)
async def test_key_that_cannot_be_used_is_refused(
    session: RelaySession, open_phones: OpenPhones, key: SrtpKey
) -> None:
    caller, callee = await open_phones(True, False)
    media = MediaDescription(caller.address, (PCMA,), crypto=(key,))
    with pytest.raises(RelayError):
        await session.set_remote(Side.CALLER, media)
    await session.set_remote(Side.CALLER, caller.describe())
    await session.set_remote(Side.CALLEE, callee.describe())
    await check_both_ways(session, caller, callee)
