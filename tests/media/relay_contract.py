"""What every driver of control.port.Relay must do, shown with real RTP over real sockets.

A driver's test module subclasses RelayContract and provides the fixture `relay`: started, with
`DEAD_AFTER_S` and `SESSIONS_MAX` as its limits. One that can count silence in less subclasses the
two halves of it, each with a relay of its own.
"""

import asyncio
import os
import struct
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import pytest_asyncio
from tests.media.rtp_phone import SAMPLES_PER_PACKET, ReportingPhone, RtpPhone

from clicktodial.control.port import Relay, RelayError, RelaySession
from clicktodial.domain.cause import Side
from clicktodial.domain.identifier import CallId, create_call_id
from clicktodial.domain.media import PCMA, PCMU, Codec, MediaAddress, MediaDescription
from clicktodial.domain.plan import Prompt
from clicktodial.domain.quality_timeline import QualityLog
from clicktodial.media.g711 import decode_g711

DEAD_AFTER_S = 5
SESSIONS_MAX = 240
# Time to live is counted in whole seconds by a thread of its own.
DEAD_SLACK_S = 15.0
RINGBACK = Prompt("ringback", repeats=True)
WARNING = Prompt("warning")
WARNING_HZ = 1400
WARNING_S = 0.6
# A busy machine is late.
WARNING_TIMEOUT_S = 15.0
# Lasts seconds: it is not over before a busy machine stops it.
LONG_PROMPT = Prompt("ringback")
CALLER_AUDIO = b"\x11" * SAMPLES_PER_PACKET
CALLEE_AUDIO = b"\x22" * SAMPLES_PER_PACKET
IDENTITIES = {
    Side.CALLER: b"8613810268653@10.99.1.2",
    Side.CALLEE: b"8613910268654@10.99.1.3",
}
# What a thread of its own passed on of the first has come long before the last is heard.
REPORTS_SENT = 20
# What a phone might send to the port of RTP, and what in it is its own.
NOT_RTP = {
    # USERNAME, and the address that a server saw it at (RFC 8489 14).
    "STUN": bytes.fromhex("0001000c2112a442") + b"transaction." + b"\0\x06\0\x08" + b"86138102",
    # A certificate follows (RFC 5764).
    "DTLS": bytes.fromhex("16feff0000000000000000000c") + b"+86138102686",
    # The ZID is a phone's in all its calls (RFC 6189 5.2).
    "ZRTP": bytes.fromhex("100000015a525450") + b"SSRCP\x5a  Hello    8613810268653",
    "short": b"\x80\x08+8613810",
}
_PCAP_HEADER_BYTES = 24
_FRAME_HEADERS_BYTES = 14 + 20 + 8 + 12


@dataclass
class Stage:
    """A session, its two phones and what was reported of it."""

    session: RelaySession
    caller: RtpPhone
    callee: RtpPhone
    deaths: asyncio.Queue[str]

    async def connect(self, codec: Codec = PCMA) -> None:
        await self.session.set_remote(Side.CALLER, self.caller.describe(codec))
        await self.session.set_remote(Side.CALLEE, self.callee.describe(codec))

    def reporting(self) -> list[tuple[Side, ReportingPhone]]:
        """The phones, where they are such as tell who they are."""
        pairs = ((Side.CALLER, self.caller), (Side.CALLEE, self.callee))
        return [(side, each) for side, each in pairs if isinstance(each, ReportingPhone)]

    def told(self) -> list[tuple[Side, bytes]]:
        """What such phones received of the other's identity."""
        return [
            (side, each)
            for side, phone in self.reporting()
            for each in phone.received
            if IDENTITIES[side.other] in each
        ]

    async def speak(self, side: Side, audio: bytes) -> None:
        phone = self.caller if side is Side.CALLER else self.callee
        phone.send(await self.session.local_address(side), audio)

    async def move(self, side: Side) -> None:
        """That side goes on at another port, as a re-INVITE says, and speaks from there."""
        if side is Side.CALLER:
            self.caller.close()
            self.caller = await RtpPhone(3).open()
            await self.session.set_remote(side, self.caller.describe())
        else:
            self.callee.close()
            self.callee = await RtpPhone(4).open()
            await self.session.set_remote(side, self.callee.describe())

    async def check_both_ways(self) -> None:
        await self.speak(Side.CALLER, CALLER_AUDIO)
        await self.callee.hear_payload(CALLER_AUDIO)
        await self.speak(Side.CALLEE, CALLEE_AUDIO)
        await self.caller.hear_payload(CALLEE_AUDIO)


def read_payloads(path: str) -> list[bytes]:
    """The RTP payloads of a capture file, in order."""
    data = Path(path).read_bytes()
    payloads, offset = [], _PCAP_HEADER_BYTES
    while offset < len(data):
        (length,) = struct.unpack_from("<I", data, offset + 8)
        offset += 16
        payloads.append(data[offset + _FRAME_HEADERS_BYTES : offset + length])
        offset += length
    return payloads


def count_open_files() -> int:
    return len(os.listdir("/proc/self/fd"))


def strongest_frequency_hz(payloads: list[bytes], codec_name: str) -> float:
    pcm = decode_g711(b"".join(payloads), codec_name)
    spectrum = np.abs(np.fft.rfft(pcm))
    return float(np.argmax(spectrum)) * 8000 / len(pcm)


@pytest.mark.asyncio(loop_scope="module")
class _StageContract:
    """Tests of one session each."""

    @pytest_asyncio.fixture(loop_scope="module")
    async def stage(self, relay: Relay) -> AsyncIterator[Stage]:
        caller, callee = await RtpPhone(1).open(), await RtpPhone(2).open()
        deaths: asyncio.Queue[str] = asyncio.Queue()
        session = await relay.open(create_call_id(), deaths.put_nowait)
        stage = Stage(session, caller, callee, deaths)
        yield stage
        await session.close()
        stage.caller.close()
        stage.callee.close()

    @pytest_asyncio.fixture(loop_scope="module")
    async def talk(self, relay: Relay) -> AsyncIterator[Stage]:
        """A stage whose phones tell who they are."""
        phones = [
            await ReportingPhone(ssrc, IDENTITIES[side]).open() for ssrc, side in enumerate(Side, 1)
        ]
        session = await relay.open(create_call_id(), print)
        yield Stage(session, phones[0], phones[1], asyncio.Queue())
        await session.close()
        for phone in phones:
            phone.close()


class RelayConversationContract(_StageContract):
    """All but how a conversation dies of silence."""

    async def test_local_address_asked_again_is_stable(self, stage: Stage) -> None:
        first = await stage.session.local_address(Side.CALLER)
        await stage.session.set_remote(Side.CALLER, stage.caller.describe())
        callee = await stage.session.local_address(Side.CALLEE)
        await stage.session.set_remote(Side.CALLEE, stage.callee.describe())
        assert await stage.session.local_address(Side.CALLER) == first
        assert await stage.session.local_address(Side.CALLEE) == callee
        assert first != callee

    @pytest.mark.parametrize("side", [Side.CALLER, Side.CALLEE])
    async def test_side_that_moves_within_the_conversation_is_heard_from_there(
        self, stage: Stage, side: Side
    ) -> None:
        await stage.connect()
        await stage.check_both_ways()
        addresses = [await stage.session.local_address(each) for each in Side]
        await stage.move(side)
        await stage.check_both_ways()
        assert [await stage.session.local_address(each) for each in Side] == addresses

    async def test_callee_address_asked_before_caller_answers_is_stable(self, stage: Stage) -> None:
        asked = await stage.session.local_address(Side.CALLEE)
        await stage.connect()
        assert await stage.session.local_address(Side.CALLEE) == asked
        await stage.check_both_ways()

    async def test_commands_given_at_once_take_effect_in_order(self, stage: Stage) -> None:
        _, callee_address, _ = await asyncio.gather(
            stage.session.set_remote(Side.CALLER, stage.caller.describe()),
            stage.session.local_address(Side.CALLEE),
            stage.session.set_remote(Side.CALLEE, stage.callee.describe()),
        )
        assert callee_address == await stage.session.local_address(Side.CALLEE)
        await stage.check_both_ways()

    @pytest.mark.parametrize("codec", [PCMA, PCMU], ids=lambda codec: codec.name)
    async def test_audio_when_connected_flows_both_ways(self, stage: Stage, codec: Codec) -> None:
        await stage.connect(codec)
        await stage.check_both_ways()

    async def test_telephone_event_when_connected_passes(self, stage: Stage) -> None:
        await stage.connect()
        event = bytes([5, 0x8A, 0x03, 0x20])
        to = await stage.session.local_address(Side.CALLER)
        stage.caller.send(to, event, payload_type=101)
        heard = await stage.callee.hear_payload(event)
        assert heard.payload_type == 101

    @pytest.mark.parametrize("codec", [PCMA, PCMU], ids=lambda codec: codec.name)
    async def test_ringback_while_callee_rings_is_heard_by_caller_only(
        self, stage: Stage, codec: Codec
    ) -> None:
        await stage.session.set_remote(Side.CALLER, stage.caller.describe(codec))
        await stage.session.play(Side.CALLER, RINGBACK)
        packets = [await stage.caller.hear() for _ in range(25)]
        assert {packet.payload_type for packet in packets} == {codec.payload_type}
        payloads = [packet.payload for packet in packets]
        assert strongest_frequency_hz(payloads, codec.name) == pytest.approx(450, abs=5)
        assert stage.callee.heard.empty()

    async def test_rtcp_of_one_side_tells_the_other_nothing(self, talk: Stage) -> None:
        await talk.connect()
        for _ in range(REPORTS_SENT):
            for side, phone in talk.reporting():
                phone.tell(await talk.session.local_address(side))
            await talk.check_both_ways()
        assert talk.told() == []

    async def test_ringback_stopped_is_silent(self, stage: Stage) -> None:
        await stage.session.set_remote(Side.CALLER, stage.caller.describe())
        await stage.session.play(Side.CALLER, RINGBACK)
        await stage.caller.hear()
        await stage.session.stop_playing(Side.CALLER)
        await stage.connect()
        # What comes from the callee now is the last thing to be heard: no tone comes after.
        await stage.speak(Side.CALLEE, CALLEE_AUDIO)
        await stage.caller.hear_payload(CALLEE_AUDIO)
        await stage.speak(Side.CALLEE, CALLER_AUDIO)
        assert (await stage.caller.hear()).payload == CALLER_AUDIO

    async def test_ringback_when_callee_is_joined_gives_way(self, stage: Stage) -> None:
        await stage.session.set_remote(Side.CALLER, stage.caller.describe())
        await stage.session.play(Side.CALLER, RINGBACK)
        await stage.session.set_remote(Side.CALLEE, stage.callee.describe())
        await stage.check_both_ways()
        await stage.session.stop_playing(Side.CALLER)

    async def test_ringback_before_caller_answers_is_refused(self, stage: Stage) -> None:
        with pytest.raises(RelayError):
            await stage.session.play(Side.CALLER, RINGBACK)

    @pytest.mark.parametrize("side", Side)
    async def test_prompt_played_once_is_heard_by_that_side_told_and_gives_way(
        self, stage: Stage, side: Side
    ) -> None:
        await stage.connect()
        phone, other = (
            (stage.caller, stage.callee) if side is Side.CALLER else (stage.callee, stage.caller)
        )
        loop = asyncio.get_running_loop()
        ended: asyncio.Future[float] = loop.create_future()
        began_at = loop.time()
        await stage.session.play(side, WARNING, lambda: ended.set_result(loop.time()))
        packets = [await phone.hear() for _ in range(7)]
        payloads = [packet.payload for packet in packets]
        assert strongest_frequency_hz(payloads, "PCMA") == pytest.approx(WARNING_HZ, abs=10)
        # However late it is told, it is not told before the prompt is over.
        assert await asyncio.wait_for(ended, WARNING_TIMEOUT_S) - began_at > WARNING_S - 0.05
        assert other.heard.empty()
        await stage.check_both_ways()

    async def test_prompt_stopped_before_its_end_does_not_tell_of_it(self, stage: Stage) -> None:
        await stage.connect()
        ends: list[int] = []
        await stage.session.play(Side.CALLEE, LONG_PROMPT, lambda: ends.append(1))
        await stage.callee.hear()
        await stage.session.play(Side.CALLEE, LONG_PROMPT, lambda: ends.append(2))
        await stage.session.stop_playing(Side.CALLEE)
        ended = asyncio.Event()
        await stage.session.play(Side.CALLEE, WARNING, ended.set)
        await asyncio.wait_for(ended.wait(), WARNING_TIMEOUT_S)
        assert ends == []

    async def test_prompt_that_is_none_is_refused(self, stage: Stage) -> None:
        await stage.connect()
        with pytest.raises(RelayError):
            await stage.session.play(Side.CALLER, Prompt("../ringback"))
        await stage.check_both_ways()

    async def test_early_media_of_callee_reaches_caller(self, stage: Stage) -> None:
        await stage.session.set_remote(Side.CALLER, stage.caller.describe())
        await stage.session.play(Side.CALLER, RINGBACK)
        await stage.caller.hear()
        await stage.session.stop_playing(Side.CALLER)
        await stage.session.set_remote(Side.CALLEE, stage.callee.describe())
        await stage.speak(Side.CALLEE, CALLEE_AUDIO)
        await stage.caller.hear_payload(CALLEE_AUDIO)
        # Then it answers, saying the same again.
        await stage.session.set_remote(Side.CALLEE, stage.callee.describe())
        await stage.check_both_ways()

    async def test_quality_tells_what_came_and_what_never_came_of_each_side(
        self, stage: Stage
    ) -> None:
        await stage.connect()
        lost, log = {20, 40, 70, 71, 72, 73}, QualityLog(1)
        for index in range(120):
            if index == 60:
                log.add(60, await stage.session.quality())
            if index in lost:
                stage.caller.skip()
            else:
                await stage.speak(Side.CALLER, CALLER_AUDIO)
                # A packet is counted once it has passed.
                await stage.callee.hear_payload(CALLER_AUDIO)
            await stage.speak(Side.CALLEE, CALLEE_AUDIO)
            await stage.caller.hear_payload(CALLEE_AUDIO)
        quality = await stage.session.quality()
        assert (quality.caller.packets, quality.caller.packets_lost) == (114, 6)
        assert (quality.callee.packets, quality.callee.packets_lost) == (120, 0)
        assert quality.caller.mos is not None and quality.callee.mos is not None
        assert 1.0 <= quality.caller.mos < quality.callee.mos <= 4.5
        assert quality.callee.jitter_ms >= 0
        log.add(120, quality)
        first, then = (each.caller for each in log.timeline())
        assert (first.packets, first.packets_lost) == (58, 2)
        assert (then.packets, then.packets_lost) == (56, 4)
        assert first.mos is not None and then.mos is not None
        assert first.jitter_ms is not None and then.jitter_ms is not None
        # The average of the whole lies between those of its parts.
        assert min(first.jitter_ms, then.jitter_ms) <= quality.caller.jitter_ms + 0.001
        assert max(first.jitter_ms, then.jitter_ms) >= quality.caller.jitter_ms - 0.001

    async def test_quality_of_nothing_has_no_verdict(self, stage: Stage) -> None:
        await stage.connect()
        quality = await stage.session.quality()
        assert (quality.caller.packets, quality.caller.mos) == (0, None)

    async def test_recording_when_started_holds_what_each_side_sends_from_then(
        self, stage: Stage
    ) -> None:
        await stage.connect()
        await stage.speak(Side.CALLER, b"\x55" * SAMPLES_PER_PACKET)
        await stage.callee.hear()
        before = time.time()
        await stage.session.start_recording()
        for _ in range(50):
            await stage.speak(Side.CALLER, CALLER_AUDIO)
            await stage.callee.hear_payload(CALLER_AUDIO)
        after = time.time()
        for _ in range(30):
            await stage.speak(Side.CALLEE, CALLEE_AUDIO)
            await stage.caller.hear_payload(CALLEE_AUDIO)
        capture = await stage.session.close()
        assert capture is not None and capture.caller_path and capture.callee_path
        assert read_payloads(capture.caller_path) == [CALLER_AUDIO] * 50
        assert read_payloads(capture.callee_path) == [CALLEE_AUDIO] * 30
        assert capture.started_at is not None
        assert before - 0.1 < capture.started_at < after + 0.1

    async def test_recording_of_one_silent_side_has_no_file_for_it(self, stage: Stage) -> None:
        await stage.connect()
        await stage.session.start_recording()
        await stage.speak(Side.CALLEE, CALLEE_AUDIO)
        await stage.caller.hear_payload(CALLEE_AUDIO)
        capture = await stage.session.close()
        assert capture is not None
        assert capture.caller_path is None
        assert capture.callee_path is not None

    async def test_recording_without_any_packet_has_no_files(self, stage: Stage) -> None:
        await stage.connect()
        await stage.session.start_recording()
        capture = await stage.session.close()
        assert capture is not None
        assert (capture.caller_path, capture.callee_path) == (None, None)

    async def test_close_without_recording_returns_nothing(self, stage: Stage) -> None:
        await stage.connect()
        assert await stage.session.close() is None

    async def test_command_when_closed_is_refused(self, stage: Stage) -> None:
        await stage.session.close()
        with pytest.raises(RelayError):
            await stage.session.set_remote(Side.CALLER, stage.caller.describe())
        with pytest.raises(RelayError):
            await stage.session.start_recording()
        assert await stage.session.close() is None

    @pytest.mark.parametrize(
        "address",
        [
            MediaAddress("phone.example.com", 4000),
            MediaAddress("127.0.0.1 4000 x\nX", 4000),
            MediaAddress("", 4000),
            MediaAddress("0.0.0.0", 4000),
            MediaAddress("224.0.0.1", 4000),
            MediaAddress("255.255.255.255", 4000),
            MediaAddress("127.0.0.1", 0),
            MediaAddress("127.0.0.1", 65_536),
            MediaAddress("127.0.0.1", -1),
        ],
        ids=str,
    )
    async def test_hostile_media_address_is_refused(
        self, stage: Stage, address: MediaAddress
    ) -> None:
        for side in Side:
            with pytest.raises(RelayError):
                await stage.session.set_remote(side, MediaDescription(address, (PCMA,)))
        await stage.connect()
        await stage.check_both_ways()

    @pytest.mark.parametrize(
        "codecs", [(Codec(-1, "PCMA"),), (Codec(128, "PCMA"),), (PCMA,) * 1000], ids=len
    )
    async def test_hostile_payload_types_are_refused(
        self, stage: Stage, codecs: tuple[Codec, ...]
    ) -> None:
        media = MediaDescription(stage.caller.address, codecs)
        with pytest.raises(RelayError):
            await stage.session.set_remote(Side.CALLER, media)

    async def test_open_same_call_twice_is_refused(self, relay: Relay) -> None:
        call_id = create_call_id()
        session = await relay.open(call_id, print)
        with pytest.raises(RelayError):
            await relay.open(call_id, print)
        await session.close()

    @pytest.mark.parametrize("call_id", ["", "a b", "a\nX", "../x", "x" * 65, "呼"])
    async def test_open_with_an_unsafe_call_id_is_refused(self, relay: Relay, call_id: str) -> None:
        with pytest.raises(RelayError):
            await relay.open(CallId(call_id), print)

    async def test_open_beyond_the_limit_is_refused_until_one_closes(self, relay: Relay) -> None:
        sessions = await asyncio.gather(
            *(relay.open(create_call_id(), print) for _ in range(SESSIONS_MAX))
        )
        assert not relay.has_room()
        with pytest.raises(RelayError):
            await relay.open(create_call_id(), print)
        await sessions[0].close()
        assert relay.has_room()
        sessions[0] = await relay.open(create_call_id(), print)
        await asyncio.gather(*(session.close() for session in sessions))
        assert relay.has_room()

    async def test_many_sessions_opened_and_closed_leave_no_files_open(self, relay: Relay) -> None:
        phone = await RtpPhone(1).open()

        async def run_one() -> None:
            session = await relay.open(create_call_id(), print)
            await session.set_remote(Side.CALLER, phone.describe())
            await session.play(Side.CALLER, RINGBACK)
            await session.set_remote(Side.CALLEE, phone.describe())
            await session.start_recording()
            await session.close()

        await asyncio.gather(*(run_one() for _ in range(100)))
        await self.settle_files(limit=count_open_files())
        before = count_open_files()
        await asyncio.gather(*(run_one() for _ in range(200)))
        await self.settle_files(limit=before)
        assert count_open_files() <= before
        phone.close()

    async def settle_files(self, limit: int) -> None:
        """Give a relay that closes sockets behind the scenes the time to come down to `limit`."""
        for _ in range(60):
            if count_open_files() <= limit:
                return
            await asyncio.sleep(0.05)  # the kernel tells nobody that a file was closed


class RelayScreenContract(_StageContract):
    """What is sent to the port of RTP and is none, which no party was told to do."""

    async def test_rtcp_among_rtp_tells_the_other_side_nothing(self, talk: Stage) -> None:
        """RFC 5761, which is for those who agreed on it."""
        await talk.connect()
        for _ in range(REPORTS_SENT):
            for side, phone in talk.reporting():
                to = await talk.session.local_address(side)
                phone.transmit(phone.report, (to.host, to.port))
            await talk.check_both_ways()
        assert talk.told() == []

    @pytest.mark.parametrize("junk", NOT_RTP.values(), ids=NOT_RTP)
    async def test_what_is_not_rtp_does_not_reach_the_other_side(
        self, talk: Stage, junk: bytes
    ) -> None:
        await talk.connect()
        await talk.check_both_ways()
        for side, phone in talk.reporting():
            to = await talk.session.local_address(side)
            phone.transmit(junk, (to.host, to.port))
        # What a side sends is relayed in order.
        await talk.check_both_ways()
        assert [side for side, phone in talk.reporting() if junk in phone.received] == []


class RelayDeathContract(_StageContract):
    """How a conversation dies of silence, and what does not."""

    dead_after_s = DEAD_AFTER_S

    async def test_silence_when_connected_is_told_once(self, stage: Stage) -> None:
        await stage.connect()
        async with asyncio.timeout(self.dead_after_s + DEAD_SLACK_S):
            detail = await stage.deaths.get()
        assert str(self.dead_after_s) in detail
        with pytest.raises(RelayError):
            await stage.connect()
        assert await stage.session.close() is None
        assert stage.deaths.empty()

    async def test_silence_of_a_recorded_session_keeps_its_capture(self, stage: Stage) -> None:
        await stage.connect()
        await stage.session.start_recording()
        await stage.speak(Side.CALLER, CALLER_AUDIO)
        async with asyncio.timeout(self.dead_after_s + DEAD_SLACK_S):
            await stage.deaths.get()
        capture = await stage.session.close()
        assert capture is not None and capture.caller_path is not None

    async def test_silence_while_ringing_or_of_one_side_is_no_death(self, relay: Relay) -> None:
        """Two sessions side by side, watched until a third, silent one has died twice over."""
        deaths: asyncio.Queue[str] = asyncio.Queue()
        phones = [await RtpPhone(number).open() for number in range(4)]
        ringing = await relay.open(create_call_id(), deaths.put_nowait)
        await ringing.set_remote(Side.CALLER, phones[0].describe())
        one_way = await relay.open(create_call_id(), deaths.put_nowait)
        await one_way.set_remote(Side.CALLER, phones[1].describe())
        await one_way.set_remote(Side.CALLEE, phones[2].describe())
        to = await one_way.local_address(Side.CALLER)

        async def speak() -> None:
            while True:
                phones[1].send(to, CALLER_AUDIO)
                await asyncio.sleep(self.dead_after_s / 10)

        speaking = asyncio.create_task(speak())
        silent_deaths: asyncio.Queue[str] = asyncio.Queue()
        for _ in range(2):
            silent = await relay.open(create_call_id(), silent_deaths.put_nowait)
            await silent.set_remote(Side.CALLER, phones[3].describe())
            await silent.set_remote(Side.CALLEE, phones[3].describe())
            await asyncio.wait_for(silent_deaths.get(), self.dead_after_s + DEAD_SLACK_S)
            await silent.close()
        speaking.cancel()
        assert deaths.empty()
        assert ringing.local_address is not None
        await ringing.close()
        await one_way.close()
        for phone in phones:
            phone.close()


class RelayContract(RelayConversationContract, RelayScreenContract, RelayDeathContract):
    """All of it."""
