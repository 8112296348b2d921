"""The fleet of rtpengines: the contracts, and what is its own, at real daemons."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytest_asyncio
import soundfile
from tests.harness.rtpengine import Rtpengine
from tests.media.relay_contract import (
    CALLEE_AUDIO,
    CALLER_AUDIO,
    DEAD_AFTER_S,
    RelayConversationContract,
    RelayDeathContract,
    Stage,
    read_payloads,
    strongest_frequency_hz,
)
from tests.media.relay_feature_contract import (
    MARK,
    SECRET,
    SILENCE,
    FeatureStage,
    RelayFeatureContract,
)
from tests.media.rtp_phone import RtpPhone
from tests.media.rtpengine.rtcp import RtcpPhone
from tests.media.rtpengine.support import OWNER, create_settings

from clicktodial.control.port import RelayError
from clicktodial.domain.cause import Side
from clicktodial.domain.identifier import CallId, create_call_id
from clicktodial.domain.leg import CallQuality
from clicktodial.domain.media import OPUS, PCMA, Codec
from clicktodial.domain.plan import Prompt
from clicktodial.media.audio_library import AudioLibrary
from clicktodial.media.rtpengine.fleet import RtpengineFleet
from clicktodial.media.rtpengine.node import PING_INTERVAL_S, PINGS_MISSED_MAX
from clicktodial.media.rtpengine.session import RtpengineSession

# Told dead after some missed pings, each refused at once; a busy machine is late.
NODE_DEATH_TIMEOUT_S = 10 * PINGS_MISSED_MAX * PING_INTERVAL_S
POLL_S = 0.05
# rtpengine takes three seconds to be sure of an address, and a busy machine some more.
LEARNING_TIMEOUT_S = 30.0


async def knows_both_sides(session: RtpengineSession) -> bool:
    """Whether the relay is sure where each side speaks from."""
    call = await session._request("query", {}, dict[str, Any])
    flags = [
        media["streams"][0]["flags"] for tag in call["tags"].values() for media in tag["medias"]
    ]
    return len(flags) == len(Side) and all("confirmed" in each for each in flags)


class TestRtpengineFleet(RelayConversationContract):
    """The contract, over rtpengine."""

    async def test_quality_tells_what_came_and_what_never_came_of_each_side(
        self, stage: Stage
    ) -> None:
        """rtpengine counts packets; what is lost of them it knows from RTCP alone."""
        rtcps = []
        for ssrc, phone in ((1, stage.caller), (2, stage.callee)):
            address = phone.address
            rtcps.append(await RtcpPhone(ssrc).open(address.host, address.port + 1))
        await stage.connect()
        # The relay's first report comes when nobody has spoken for longer than that.
        await stage.session.set_patient(patient=True)
        for _ in range(100):
            await stage.check_both_ways()
        caller, callee = rtcps
        # Longer than a busy machine takes to send a report and to read one.
        held_s = 1.5
        reports = await asyncio.gather(
            caller.answer_report(lost=0, jitter=0, held_s=held_s),
            callee.answer_report(lost=4, jitter=80, held_s=held_s),
        )
        quality = await self.wait_until_judged(stage)
        assert (quality.caller.packets, quality.caller.packets_lost) == (100, 4)
        assert (quality.callee.packets, quality.callee.packets_lost) == (100, 0)
        assert (quality.caller.jitter_ms, quality.callee.jitter_ms) == (10.0, 0.0)
        assert quality.caller.mos is not None and quality.callee.mos is not None
        assert 1.0 <= quality.caller.mos < quality.callee.mos <= 4.5
        assert quality.caller_recent is not None and quality.callee_recent is not None
        assert (quality.caller_recent.jitter_ms, quality.callee_recent.jitter_ms) == (10.0, 0.0)
        assert quality.caller_recent.codec_name == "PCMA"
        for side in (quality.caller, quality.callee, quality.caller_recent):
            # The time that a phone held a report is no part of the way.
            assert side.round_trip_ms is not None and 0 < side.round_trip_ms < 1000 * held_s
        # The reports are the relay's own: nothing of the other side's is in them.
        assert all(b"@" not in report for report in reports)
        for rtcp in rtcps:
            rtcp.close()

    async def wait_until_judged(self, stage: Stage) -> CallQuality:
        """rtpengine reads the reports in its own time."""
        async with asyncio.timeout(20):
            while True:
                quality = await stage.session.quality()
                if quality.caller.mos is not None and quality.callee.mos is not None:
                    return quality
                await asyncio.sleep(POLL_S)


class TestRtpengineFleetDeath(RelayDeathContract):
    """The contract's other half, over rtpengine, which tells in seconds when something came."""

    dead_after_s = 2

    @pytest_asyncio.fixture(loop_scope="module")
    async def relay(self, daemon: Rtpengine, tmp_path: Path) -> AsyncIterator[RtpengineFleet]:
        settings = create_settings(daemon, dead_after_s=self.dead_after_s)
        relay = RtpengineFleet(settings, tmp_path, daemon.directory, owner="impatient")
        await relay.start()
        yield relay
        await relay.close()


class TestRtpengineFleetFeatures(RelayFeatureContract):
    """The further contract, over rtpengine."""

    @pytest.mark.parametrize("codec", [PCMA, OPUS], ids=lambda codec: codec.name)
    async def test_silence_comes_to_the_other_side_of_a_muted_one(
        self, stage: FeatureStage, codec: Codec
    ) -> None:
        await stage.connect(codec)
        await stage.session.set_muted(Side.CALLER, muted=True)
        packets = [await stage.callee.hear() for _ in range(20)]
        assert {packet.payload_type for packet in packets} == {codec.payload_type}
        if codec is PCMA:
            assert {packet.payload for packet in packets} == {SILENCE}
        await stage.session.set_muted(Side.CALLER, muted=False)
        await stage.hears_nothing_of(Side.CALLEE, SECRET, MARK)
        # What came after it is nothing at all.
        await stage.speak(Side.CALLER, CALLER_AUDIO)
        assert (await stage.callee.hear()).payload == CALLER_AUDIO

    async def test_stranger_is_not_heard_in_the_place_of_a_side_that_has_spoken(
        self, stage: FeatureStage
    ) -> None:
        await stage.connect()
        assert isinstance(stage.session, RtpengineSession)
        # It takes rtpengine seconds to be sure where each side speaks from.
        async with asyncio.timeout(LEARNING_TIMEOUT_S):
            while not await knows_both_sides(stage.session):
                await stage.check_both_ways()
        stranger = await RtpPhone(1).open()
        for side in Side:
            stranger.send(await stage.session.local_address(side), SECRET)
            await stage.hears_nothing_of(side.other, SECRET, MARK)
        stranger.close()


async def wait_until_up(relay: RtpengineFleet, count: int) -> None:
    async with asyncio.timeout(NODE_DEATH_TIMEOUT_S):
        while sum(relay.up_by_node().values()) != count:  # noqa: ASYNC110 - nothing tells of it but the metrics
            await asyncio.sleep(POLL_S)


@pytest.mark.asyncio(loop_scope="module")
class TestOneNode:
    """What needs a fleet of its own at the module's daemon."""

    async def test_start_without_a_node_has_no_room_until_it_is_there(self, tmp_path: Path) -> None:
        daemon = Rtpengine(tmp_path / "shared", tmp_path)
        relay = RtpengineFleet(
            create_settings(daemon), tmp_path / "spool", daemon.directory, owner=OWNER
        )
        await relay.start()
        assert not relay.has_room()
        with pytest.raises(RelayError):
            await relay.open(create_call_id(), print)
        await daemon.start()
        await wait_until_up(relay, 1)
        assert relay.has_room()
        await (await relay.open(create_call_id(), print)).close()
        await relay.close()
        daemon.close()

    async def test_drained_node_gets_no_calls(self, daemon: Rtpengine, tmp_path: Path) -> None:
        settings = create_settings(rtpengine=(f"{daemon.name};drained",))
        relay = RtpengineFleet(settings, tmp_path, daemon.directory, owner="drained")
        await relay.start()
        assert sum(relay.up_by_node().values()) == 1
        assert not relay.has_room()
        with pytest.raises(RelayError):
            await relay.open(create_call_id(), print)
        await relay.close()

    async def test_open_when_closed_is_refused(self, daemon: Rtpengine, tmp_path: Path) -> None:
        relay = RtpengineFleet(create_settings(daemon), tmp_path, daemon.directory, owner=OWNER)
        with pytest.raises(RelayError):
            await relay.open(create_call_id(), print)
        assert not relay.has_room()

    @pytest.mark.parametrize("owner", ["", "a b", "../x", "x" * 65, "*"])
    async def test_owner_that_cannot_name_calls_is_refused(
        self, daemon: Rtpengine, tmp_path: Path, owner: str
    ) -> None:
        relay = RtpengineFleet(create_settings(daemon), tmp_path, daemon.directory, owner=owner)
        with pytest.raises(RelayError):
            await relay.start()

    async def test_codecs_are_those_of_the_settings_in_their_order(self, tmp_path: Path) -> None:
        settings = create_settings(codecs=("OPUS", "PCMU"))
        relay = RtpengineFleet(settings, tmp_path, tmp_path, owner=OWNER)
        assert [codec.name for codec in relay.codecs] == ["OPUS", "PCMU"]
        assert relay.can_transcode

    async def test_audio_of_the_library_is_played_as_it_is_by_now(
        self, daemon: Rtpengine, tmp_path: Path
    ) -> None:
        library = AudioLibrary(tmp_path / "audio")
        relay = RtpengineFleet(
            create_settings(daemon), tmp_path / "spool", daemon.directory, library, owner="library"
        )
        await relay.start()
        session = await relay.open(create_call_id(), print)
        phone = await RtpPhone(1).open()
        await session.set_remote(Side.CALLER, phone.describe())
        for frequency_hz in (600, 900):
            instants = np.arange(8_000) / 8_000
            source = tmp_path / "source.wav"
            soundfile.write(source, 0.3 * np.sin(2 * np.pi * frequency_hz * instants), 8_000)
            library.add("welcome", source)
            await session.play(Side.CALLER, Prompt("welcome"))
            payloads = [(await phone.hear()).payload for _ in range(20)]
            assert strongest_frequency_hz(payloads, "PCMA") == pytest.approx(frequency_hz, abs=5)
            await session.stop_playing(Side.CALLER)
            while not phone.heard.empty():
                phone.heard.get_nowait()
        with pytest.raises(RelayError):
            await session.play(Side.CALLER, Prompt("farewell"))
        await relay.close()
        phone.close()

    @pytest.mark.parametrize("is_killed", [True, False], ids=["killed", "closed"])
    async def test_what_an_earlier_life_left_is_deleted_and_its_captures_recovered(
        self, daemon: Rtpengine, tmp_path: Path, is_killed: bool
    ) -> None:
        owner = "killed" if is_killed else "closed"
        first = RtpengineFleet(
            create_settings(daemon), tmp_path / "spool", daemon.directory, owner=owner
        )
        await first.start()
        caller, callee = await RtpPhone(1).open(), await RtpPhone(2).open()
        call_id, quiet_id = create_call_id(), create_call_id()
        session, quiet = await first.open(call_id, print), await first.open(quiet_id, print)
        await session.set_remote(Side.CALLER, caller.describe())
        await session.set_remote(Side.CALLEE, callee.describe())
        await session.start_recording()
        await quiet.start_recording()
        to = await session.local_address(Side.CALLER)
        caller.send(to, CALLER_AUDIO)
        await callee.hear_payload(CALLER_AUDIO)
        await session.set_muted(Side.CALLER, muted=True)
        caller.send(to, CALLEE_AUDIO)
        callee.send(await session.local_address(Side.CALLEE), CALLEE_AUDIO)
        await caller.hear_payload(CALLEE_AUDIO)
        if not is_killed:
            await first.close()

        second = RtpengineFleet(
            create_settings(daemon), tmp_path / "spool", daemon.directory, owner=owner
        )
        await second.start()
        captures = second.recoverable_captures()
        assert set(captures) == {call_id, quiet_id}
        assert captures[quiet_id].caller_path is captures[quiet_id].callee_path is None
        capture = captures[call_id]
        assert capture.caller_path is not None and capture.callee_path is not None
        assert capture.started_at == pytest.approx(time.time(), abs=30)
        assert read_payloads(capture.caller_path) == [CALLER_AUDIO]
        assert read_payloads(capture.callee_path) == [CALLEE_AUDIO]
        # Nothing of it is left, neither at rtpengine nor where it wrote.
        with pytest.raises(RelayError):
            await session.quality()
        assert not list(daemon.directory.glob(f"*/*{call_id}*"))
        assert [path.name for path in (tmp_path / "spool/recorded").iterdir()] == [
            Path(path).name for path in (capture.caller_path, capture.callee_path)
        ] or len(list((tmp_path / "spool/recorded").iterdir())) == 2
        await second.close()
        if is_killed:
            await first.close()
        caller.close()
        callee.close()


@pytest.mark.asyncio(loop_scope="function")
class TestTwoNodes:
    """Daemons of one's own, to be killed."""

    async def test_calls_are_spread_by_weight_and_load(self, tmp_path: Path) -> None:
        daemons = [Rtpengine(tmp_path / "shared", tmp_path) for _ in range(2)]
        for daemon in daemons:
            await daemon.start()
        weighted = create_settings(rtpengine=(daemons[0].name, f"{daemons[1].name};weight=3"))
        relay = RtpengineFleet(weighted, tmp_path / "spool", tmp_path / "shared", owner=OWNER)
        await relay.start()
        for _ in range(40):
            await relay.open(create_call_id(), print)
        assert relay.sessions_by_node() == {daemons[0].name: 10, daemons[1].name: 30}
        # Another platform finds them taken.
        other = RtpengineFleet(
            create_settings(*daemons), tmp_path / "other", tmp_path / "shared", owner="other"
        )
        await other.start()
        for _ in range(30):
            await other.open(create_call_id(), print)
        assert other.sessions_by_node() == {daemons[0].name: 25, daemons[1].name: 5}
        await relay.close()
        await other.close()
        for daemon in daemons:
            daemon.close()

    async def test_node_that_dies_ends_its_calls_and_leaves_the_others(
        self, tmp_path: Path
    ) -> None:
        daemons = [Rtpengine(tmp_path / "shared", tmp_path) for _ in range(2)]
        for daemon in daemons:
            await daemon.start()
        relay = RtpengineFleet(
            create_settings(*daemons), tmp_path / "spool", tmp_path / "shared", owner=OWNER
        )
        await relay.start()
        deaths: asyncio.Queue[CallId] = asyncio.Queue()

        def note_death(call_id: CallId, _: str) -> None:
            deaths.put_nowait(call_id)

        sessions = {}
        for _ in range(4):
            call_id = create_call_id()
            session = await relay.open(call_id, partial(note_death, call_id))
            host = (await session.local_address(Side.CALLER)).host
            sessions[call_id] = (session, host)
        assert Counter(host for _, host in sessions.values()) == {
            daemon.host: 2 for daemon in daemons
        }
        daemons[0].kill()
        lost = {call_id for call_id, (_, host) in sessions.items() if host == daemons[0].host}
        async with asyncio.timeout(NODE_DEATH_TIMEOUT_S):
            assert {await deaths.get() for _ in lost} == lost
        assert sum(relay.up_by_node().values()) == 1
        for call_id, (session, _) in sessions.items():
            if call_id in lost:
                with pytest.raises(RelayError):
                    await session.quality()
                assert await session.close() is None
            else:
                assert (await session.quality()).caller.packets == 0
        # New calls go where somebody answers, also while that is not known yet.
        for _ in range(4):
            session = await relay.open(create_call_id(), print)
            assert (await session.local_address(Side.CALLER)).host == daemons[1].host
        assert deaths.empty()
        await daemons[0].start()
        await wait_until_up(relay, 2)
        session = await relay.open(create_call_id(), print)
        assert (await session.local_address(Side.CALLER)).host == daemons[0].host
        await relay.close()
        for daemon in daemons:
            daemon.close()

    async def test_recording_of_a_node_that_died_has_what_was_written_by_then(
        self, tmp_path: Path
    ) -> None:
        daemon = await Rtpengine(tmp_path / "shared", tmp_path).start()
        relay = RtpengineFleet(
            create_settings(daemon), tmp_path / "spool", daemon.directory, owner=OWNER
        )
        await relay.start()
        died = asyncio.Event()
        caller, callee = await RtpPhone(1).open(), await RtpPhone(2).open()
        session = await relay.open(create_call_id(), lambda _: died.set())
        await session.set_remote(Side.CALLER, caller.describe())
        await session.set_remote(Side.CALLEE, callee.describe())
        await session.start_recording()
        to = await session.local_address(Side.CALLER)
        for _ in range(100):
            caller.send(to, CALLER_AUDIO)
            await callee.hear_payload(CALLER_AUDIO)
        daemon.kill()
        async with asyncio.timeout(NODE_DEATH_TIMEOUT_S):
            await died.wait()
        capture = await session.close()
        assert capture is not None and capture.caller_path is not None
        # rtpengine writes in blocks of 4 KiB: the last twenty packets may be missing.
        assert 80 <= len(payloads := read_payloads(capture.caller_path)) <= 100
        assert set(payloads) == {CALLER_AUDIO}
        await relay.close()
        caller.close()
        callee.close()

    async def test_open_while_a_death_is_not_known_yet_takes_the_other(
        self, tmp_path: Path
    ) -> None:
        daemons = [Rtpengine(tmp_path / "shared", tmp_path) for _ in range(2)]
        for daemon in daemons:
            await daemon.start()
        relay = RtpengineFleet(
            create_settings(*daemons), tmp_path / "spool", tmp_path / "shared", owner=OWNER
        )
        await relay.start()
        assert sum(relay.up_by_node().values()) == 2
        daemons[0].kill()
        hosts = set()
        for _ in range(3):
            session = await relay.open(create_call_id(), print)
            hosts.add((await session.local_address(Side.CALLER)).host)
        assert hosts == {daemons[1].host}
        await relay.close()
        daemons[1].close()

    async def test_node_that_was_restarted_in_between_ends_its_calls(self, tmp_path: Path) -> None:
        daemon = await Rtpengine(tmp_path / "shared", tmp_path).start()
        relay = RtpengineFleet(
            create_settings(daemon), tmp_path / "spool", daemon.directory, owner=OWNER
        )
        await relay.start()
        died = asyncio.Event()
        phone = await RtpPhone(1).open()
        session = await relay.open(create_call_id(), lambda _: died.set())
        for side in Side:
            await session.set_remote(side, phone.describe())
        daemon.kill()
        await daemon.start()
        async with asyncio.timeout(DEAD_AFTER_S + NODE_DEATH_TIMEOUT_S):
            await died.wait()
        assert relay.has_room()
        await session.close()
        await relay.close()
        phone.close()
        daemon.close()
