"""Sides of different codecs at a real rtpengine, told by what is heard."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import pytest
from tests.media.relay_contract import CALLER_AUDIO, read_payloads, strongest_frequency_hz
from tests.media.rtp_phone import SAMPLES_PER_PACKET, RtpPacket, RtpPhone

from clicktodial.audio.g722 import G722Decoder
from clicktodial.audio.opus import OpusDecoder
from clicktodial.control.port import RelaySession
from clicktodial.domain.cause import Side
from clicktodial.domain.identifier import create_call_id
from clicktodial.domain.media import (
    G722,
    OPUS,
    PCMA,
    PCMU,
    TELEPHONE_EVENT,
    Codec,
    MediaAddress,
    MediaDescription,
)
from clicktodial.media.g711 import SAMPLE_RATE_HZ, encode_g711
from clicktodial.media.rtpengine.fleet import RtpengineFleet
from clicktodial.media.rtpengine.negotiation import create_codec_lists
from clicktodial.recordings.capture import read_capture

pytestmark = pytest.mark.asyncio(loop_scope="module")

TONE_HZ = 700
PACKETS = 30
PACKET_S = 0.02
KEY = bytes([5, 0x8A, 0x03, 0x20])


def create_tone(codec: Codec) -> list[bytes]:
    """A tone as packets of G.711."""
    instants = np.arange(PACKETS * SAMPLES_PER_PACKET) / SAMPLE_RATE_HZ
    coded = encode_g711(
        (8_000 * np.sin(2 * np.pi * TONE_HZ * instants)).astype(np.int16), codec.name
    )
    return [coded[n * SAMPLES_PER_PACKET :][:SAMPLES_PER_PACKET] for n in range(PACKETS)]


def measure_hz(packets: Sequence[RtpPacket], codec: Codec) -> float:
    """What our own decoder, which rtpengine has nothing to do with, makes of it."""
    payloads = [packet.payload for packet in packets]
    if codec in (PCMA, PCMU):
        return strongest_frequency_hz(payloads, codec.name)
    decoder = G722Decoder(8_000) if codec is G722 else OpusDecoder(8_000)
    pcm = decoder.decode(payloads)
    return float(np.argmax(np.abs(np.fft.rfft(pcm)))) * SAMPLE_RATE_HZ / len(pcm)


@asynccontextmanager
async def join(
    relay: RtpengineFleet, caller_codec: Codec, callee_codec: Codec
) -> AsyncIterator[tuple[RelaySession, RtpPhone, RtpPhone]]:
    session = await relay.open(create_call_id(), print)
    caller, callee = await RtpPhone(1).open(), await RtpPhone(2).open()
    try:
        await session.set_remote(Side.CALLER, caller.describe(caller_codec))
        await session.set_remote(Side.CALLEE, callee.describe(callee_codec))
        yield session, caller, callee
    finally:
        caller.close()
        callee.close()
        await session.close()


async def speak(
    session: RelaySession, side: Side, phone: RtpPhone, payloads: Sequence[bytes], payload_type: int
) -> None:
    to = await session.local_address(side)
    for payload in payloads:
        phone.send(to, payload, payload_type)
        await asyncio.sleep(PACKET_S)


async def hear_all(phone: RtpPhone) -> list[RtpPacket]:
    """All but the few packets that a coder keeps to itself."""
    return [await phone.hear() for _ in range(PACKETS - 5)]


@pytest.mark.parametrize("codec", [PCMU, G722, OPUS], ids=lambda codec: codec.name)
async def test_tone_is_heard_in_the_other_codec_and_back(
    relay: RtpengineFleet, codec: Codec
) -> None:
    async with join(relay, PCMA, codec) as (session, caller, callee):
        await speak(session, Side.CALLER, caller, create_tone(PCMA), PCMA.payload_type)
        heard = await hear_all(callee)
    assert {packet.payload_type for packet in heard} == {codec.payload_type}
    assert measure_hz(heard, codec) == pytest.approx(TONE_HZ, abs=15)
    # What was made of it is spoken by a caller of that codec.
    async with join(relay, codec, PCMA) as (session, caller, callee):
        payloads = [packet.payload for packet in heard]
        await speak(session, Side.CALLER, caller, [*payloads, *payloads[-5:]], codec.payload_type)
        heard = await hear_all(callee)
    assert {packet.payload_type for packet in heard} == {PCMA.payload_type}
    assert measure_hz(heard, PCMA) == pytest.approx(TONE_HZ, abs=15)


@pytest.mark.parametrize("codec", [G722, OPUS], ids=lambda codec: codec.name)
async def test_key_of_a_side_whose_audio_is_transcoded_stays_a_key(
    relay: RtpengineFleet, codec: Codec
) -> None:
    async with join(relay, codec, PCMA) as (session, caller, callee):
        caller.send(await session.local_address(Side.CALLER), KEY, TELEPHONE_EVENT.payload_type)
        assert (await callee.hear_payload(KEY)).payload_type == TELEPHONE_EVENT.payload_type
        callee.send(await session.local_address(Side.CALLEE), KEY, TELEPHONE_EVENT.payload_type)
        assert (await caller.hear_payload(KEY)).payload_type == TELEPHONE_EVENT.payload_type


async def test_side_that_changes_its_codec_is_transcoded_from_then_and_no_longer_than_needed(
    relay: RtpengineFleet,
) -> None:
    async with join(relay, PCMA, PCMA) as (session, caller, callee):
        addresses = [await session.local_address(side) for side in Side]
        await session.set_remote(Side.CALLEE, callee.describe(G722))
        await speak(session, Side.CALLER, caller, create_tone(PCMA), PCMA.payload_type)
        heard = await hear_all(callee)
        assert measure_hz(heard, G722) == pytest.approx(TONE_HZ, abs=15)
        await session.set_remote(Side.CALLEE, callee.describe(PCMA))
        caller.send(addresses[0], CALLER_AUDIO)
        assert (await callee.hear_payload(CALLER_AUDIO)).payload_type == PCMA.payload_type
        assert [await session.local_address(side) for side in Side] == addresses


async def test_transcoded_sides_are_recorded_as_each_spoke(relay: RtpengineFleet) -> None:
    async with join(relay, PCMA, PCMU) as (session, caller, callee):
        await session.start_recording()
        for side, phone, codec in ((Side.CALLER, caller, PCMA), (Side.CALLEE, callee, PCMU)):
            await speak(session, side, phone, [CALLER_AUDIO] * 10, codec.payload_type)
        capture = await session.close()
    assert capture is not None and capture.caller_path and capture.callee_path
    for path, codec in ((capture.caller_path, PCMA), (capture.callee_path, PCMU)):
        packets = read_capture(Path(path))
        assert set(packets.payload_type.tolist()) == {codec.payload_type}
        assert read_payloads(path) == [CALLER_AUDIO] * 10


@pytest.mark.parametrize(
    ("offering", "answering", "lists"),
    [
        ((PCMA,), (PCMA,), {}),
        ((PCMA, PCMU), (PCMU, PCMA), {}),
        ((PCMA,), (OPUS,), {"transcode": ["opus/48000/2"], "accept": ["PCMA", "telephone-event"]}),
        ((PCMA, G722), (PCMA,), {"transcode": [], "accept": ["G722", "telephone-event"]}),
    ],
    ids=range(4),
)
async def test_only_what_the_sides_do_not_share_is_transcoded(
    offering: tuple[Codec, ...], answering: tuple[Codec, ...], lists: dict[str, list[str]]
) -> None:
    address = MediaAddress("127.0.0.1", 4000)
    assert lists == create_codec_lists(
        offering=MediaDescription(address, offering), answering=MediaDescription(address, answering)
    )
