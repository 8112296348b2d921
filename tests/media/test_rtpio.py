"""The embedded relay: the contract, and what is its own."""

import asyncio
import os
import time
from collections.abc import AsyncIterator
from ipaddress import IPv4Address
from pathlib import Path

import numpy as np
import pytest
import pytest_asyncio
import soundfile
from tests.harness.address import allocate_host
from tests.media.relay_contract import (
    CALLEE_AUDIO,
    CALLER_AUDIO,
    DEAD_AFTER_S,
    DEAD_SLACK_S,
    SESSIONS_MAX,
    RelayContract,
    count_open_files,
    read_payloads,
)
from tests.media.relay_feature_contract import HEARD_TIMEOUT_S, SECRET, RelayFeatureContract
from tests.media.rtp_phone import ReportingPhone, RtpPhone

from clicktodial.config import MediaSettings
from clicktodial.control.port import DigitHeard, Heard, RelayError
from clicktodial.domain.cause import Side
from clicktodial.domain.identifier import create_call_id
from clicktodial.domain.media import G722, OPUS, PCMA, MediaAddress
from clicktodial.domain.plan import Prompt
from clicktodial.media.audio_library import AudioLibrary
from clicktodial.media.channel import CommandChannel
from clicktodial.media.doorbell import PORTS as DOORBELL_PORTS
from clicktodial.media.g711 import decode_g711
from clicktodial.media.rtpio import (
    PORTS_PER_SESSION,
    PORTS_SPARE,
    REMOTES_REMEMBERED_MAX,
    RtpioRelay,
)
from clicktodial.media.rtpio_tap import RtpioTap
from clicktodial.recordings.render import RenderJob, render_recording


def create_settings(**changes: int | str | tuple[str, ...]) -> MediaSettings:
    values = {
        "host": allocate_host(),
        "port_min": 20_000,
        "port_max": 30_000,
        "sessions_max": SESSIONS_MAX,
        "dead_after_s": DEAD_AFTER_S,
    }
    return MediaSettings(**{**values, **changes})  # type: ignore[arg-type]  # mixed by design


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def relay(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RtpioRelay]:
    # The blank shows that no path reaches the control protocol, which has no quoting.
    settings = create_settings(codecs=("PCMA", "PCMU", "G722", "OPUS"))
    relay = RtpioRelay(settings, tmp_path_factory.mktemp("sp ool"))
    await relay.start()
    yield relay
    await relay.close()


class TestRtpioRelay(RelayContract):
    """The contract, over rtp.io."""


class TestRtpioRelayFeatures(RelayFeatureContract):
    """What is beyond relaying."""


def test_spool_of_relay_not_started_is_not_made(tmp_path: Path) -> None:
    RtpioRelay(create_settings(), tmp_path / "spool")
    assert not (tmp_path / "spool").exists()


def test_codecs_are_those_of_the_settings_in_their_order(tmp_path: Path) -> None:
    relay = RtpioRelay(create_settings(codecs=("OPUS", "G722", "PCMA")), tmp_path)
    assert relay.codecs == (OPUS, G722, PCMA)
    assert relay.playable_codecs == (G722, PCMA)
    assert not relay.can_transcode


@pytest.mark.asyncio(loop_scope="function")
class TestOneRelay:
    """What needs a relay of its own."""

    async def test_port_range_used_up_is_reused_at_once(self, tmp_path: Path) -> None:
        # Three sessions, the pair of ports that the relay keeps for itself, and the spare ones.
        port_max = 20_000 + 3 * PORTS_PER_SESSION + DOORBELL_PORTS + PORTS_SPARE - 1
        relay = RtpioRelay(create_settings(port_min=20_000, port_max=port_max), tmp_path)
        await relay.start()
        for _ in range(20):
            sessions = [await relay.open(create_call_id(), print) for _ in range(3)]
            for session in sessions:
                await session.local_address(Side.CALLEE)
            assert not relay.has_room()
            for session in sessions:
                await session.close()
        await relay.close()

    async def test_relay_closed_ends_its_threads_and_files(self, tmp_path: Path) -> None:
        threads, files = count_threads(), count_open_files()
        relay = RtpioRelay(create_settings(), tmp_path, AudioLibrary(tmp_path / "audio"))
        await relay.start()
        await relay.open(create_call_id(), print)
        await relay.close()
        await relay.close()
        # The loop's helper threads remain, one or two, and are not the relay's.
        assert count_threads() <= threads + 2
        assert count_open_files() <= files

    async def test_open_when_closed_is_refused(self, tmp_path: Path) -> None:
        relay = RtpioRelay(create_settings(), tmp_path)
        with pytest.raises(RelayError):
            await relay.open(create_call_id(), print)
        assert not relay.has_room()

    async def test_capture_of_a_session_never_closed_is_recoverable(self, tmp_path: Path) -> None:
        relay = RtpioRelay(create_settings(), tmp_path)
        await relay.start()
        phone = await RtpPhone(1).open()
        call_id = create_call_id()
        session = await relay.open(call_id, print)
        await session.set_remote(Side.CALLER, phone.describe())
        await session.set_remote(Side.CALLEE, phone.describe())
        await session.start_recording()
        phone.send(await session.local_address(Side.CALLER), CALLER_AUDIO)
        await phone.hear_payload(CALLER_AUDIO)
        assert relay.recoverable_captures() == {}
        quality = await session.quality()
        assert (quality.caller.packets, quality.callee.packets) == (1, 0)
        await relay.close()
        phone.close()

        captures = RtpioRelay(create_settings(), tmp_path).recoverable_captures()
        assert list(captures) == [call_id]
        capture = captures[call_id]
        assert capture.caller_path is not None and capture.callee_path is None
        assert capture.started_at == pytest.approx(time.time(), abs=30)
        assert read_payloads(capture.caller_path) == [CALLER_AUDIO]

    async def test_paused_capture_of_a_session_never_closed_is_recoverable_in_parts(
        self, tmp_path: Path
    ) -> None:
        relay = RtpioRelay(create_settings(), tmp_path)
        await relay.start()
        phone = await RtpPhone(1).open()
        call_id = create_call_id()
        session = await relay.open(call_id, print)
        await session.set_remote(Side.CALLER, phone.describe())
        await session.set_remote(Side.CALLEE, phone.describe())
        await session.start_recording()
        to = await session.local_address(Side.CALLER)
        for audio in (CALLER_AUDIO, SECRET, CALLEE_AUDIO):
            if audio is SECRET:
                await session.pause_recording()
            elif audio is CALLEE_AUDIO:
                await session.resume_recording()
            phone.send(to, audio)
            await phone.hear_payload(audio)
        await relay.close()
        phone.close()

        capture = RtpioRelay(create_settings(), tmp_path).recoverable_captures()[call_id]
        assert [read_payloads(path) for path in capture.caller_paths] == [
            [CALLER_AUDIO],
            [CALLEE_AUDIO],
        ]
        assert capture.callee_paths == ()

    async def test_listeners_take_the_places_of_sessions(self, tmp_path: Path) -> None:
        # Two places; the sessions' own limit is not what holds.
        port_max = 20_000 + 2 * PORTS_PER_SESSION + DOORBELL_PORTS + PORTS_SPARE - 1
        relay = RtpioRelay(create_settings(port_min=20_000, port_max=port_max), tmp_path)
        await relay.start()
        phone = await RtpPhone(1).open()
        session = await relay.open(create_call_id(), print)
        for side in Side:
            await session.set_remote(side, phone.describe())
        await session.listen(Side.CALLER, print, judges_answer=False)
        assert not relay.has_room()
        with pytest.raises(RelayError, match="room"):
            await session.listen(Side.CALLEE, print, judges_answer=False)
        # In its own place again, with its ports, as often as it likes.
        for _ in range(5):
            await session.listen(Side.CALLER, print, judges_answer=True)
        await session.stop_listening(Side.CALLER)
        assert relay.has_room()
        await session.listen(Side.CALLEE, print, judges_answer=False)
        await session.close()
        await relay.open(create_call_id(), print)
        assert relay.has_room()
        await relay.close()
        phone.close()

    async def test_relay_closed_while_somebody_listens_leaves_nothing_open(
        self, tmp_path: Path
    ) -> None:
        phone = await RtpPhone(1).open()
        files = count_open_files()
        relay = RtpioRelay(create_settings(), tmp_path)
        await relay.start()
        session = await relay.open(create_call_id(), print)
        await session.set_remote(Side.CALLER, phone.describe())
        await session.listen(Side.CALLER, print, judges_answer=True)
        await session.set_muted(Side.CALLER, muted=True)
        await relay.close()
        assert count_open_files() <= files
        phone.close()

    async def test_only_the_relay_is_listened_to(self, tmp_path: Path) -> None:
        relay = RtpioRelay(create_settings(), tmp_path)
        await relay.start()
        phone = await RtpPhone(1).open()
        session = await relay.open(create_call_id(), print)
        await session.set_remote(Side.CALLER, phone.describe())
        heard: asyncio.Queue[Heard] = asyncio.Queue()
        await session.listen(Side.CALLER, heard.put_nowait, judges_answer=False)
        # Whoever else finds our socket, the kernel turns away.
        host, port = session._taps[Side.CALLER]._socket.getsockname()
        phone.send(MediaAddress(host, port), b"\x05\x8a\x03\x20", 101, timestamp=1)
        to = await session.local_address(Side.CALLER)
        phone.send(to, b"\x06\x8a\x03\x20", 101, timestamp=9)
        assert await asyncio.wait_for(heard.get(), HEARD_TIMEOUT_S) == DigitHeard("6")
        assert heard.empty()
        await relay.close()
        phone.close()

    async def test_what_comes_before_the_socket_is_connected_is_not_heard(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        relay = RtpioRelay(create_settings(), tmp_path)
        await relay.start()
        phone = await RtpPhone(1).open()
        session = await relay.open(create_call_id(), print)
        await session.set_remote(Side.CALLER, phone.describe())
        bind = RtpioTap.bind

        def bind_and_be_found(tap: RtpioTap) -> None:
            bind(tap)
            host, port = tap._socket.getsockname()
            phone.send(MediaAddress(host, port), b"\x05\x8a\x03\x20", 101, timestamp=1)

        monkeypatch.setattr(RtpioTap, "bind", bind_and_be_found)
        heard: asyncio.Queue[Heard] = asyncio.Queue()
        await session.listen(Side.CALLER, heard.put_nowait, judges_answer=False)
        to = await session.local_address(Side.CALLER)
        phone.send(to, b"\x06\x8a\x03\x20", 101, timestamp=9)
        assert await asyncio.wait_for(heard.get(), HEARD_TIMEOUT_S) == DigitHeard("6")
        await relay.close()
        phone.close()

    async def test_stranger_at_every_port_hears_nobody_and_changes_nothing(
        self, tmp_path: Path
    ) -> None:
        settings = create_settings()
        relay = RtpioRelay(settings, tmp_path)
        await relay.start()
        phone, stranger = await RtpPhone(1).open(), await RtpPhone(2).open()
        session = await relay.open(create_call_id(), print)
        for side in Side:
            await session.set_remote(side, phone.describe())
        to = {side: await session.local_address(side) for side in Side}
        for side, audio in ((Side.CALLER, CALLER_AUDIO), (Side.CALLEE, CALLEE_AUDIO)):
            phone.send(to[side], audio)
            await phone.hear_payload(audio)
        heard: asyncio.Queue[Heard] = asyncio.Queue()
        await session.listen(Side.CALLER, heard.put_nowait, judges_answer=False)
        await session.start_recording()
        for port in find_udp_ports(settings.host):
            stranger.send(MediaAddress(settings.host, port), b"\x05\x8a\x03\x20", 101)
        await session.pause_recording()
        for side, timestamp in ((Side.CALLER, 9), (Side.CALLEE, 99)):
            # What the one says is heard, of the other or of the stranger nothing.
            key = bytes([6 + timestamp // 99]) + b"\x8a\x03\x20"
            phone.send(to[side], key, 101, timestamp=timestamp)
            await phone.hear_payload(key)
        assert await asyncio.wait_for(heard.get(), HEARD_TIMEOUT_S) == DigitHeard("6")
        await session.close()
        assert heard.empty()
        echoes = [stranger.heard.get_nowait().payload for _ in range(stranger.heard.qsize())]
        assert echoes == []
        await relay.close()
        phone.close()
        stranger.close()

    async def test_prompt_cut_short_by_a_pause_is_told_as_ended(self, tmp_path: Path) -> None:
        relay = RtpioRelay(create_settings(), tmp_path)
        await relay.start()
        phone = await RtpPhone(1).open()
        session = await relay.open(create_call_id(), print)
        for side in Side:
            await session.set_remote(side, phone.describe())
        await session.start_recording()
        ends: asyncio.Queue[str] = asyncio.Queue()
        await session.play(Side.CALLER, Prompt("warning"), lambda: ends.put_nowait("caller"))
        await session.pause_recording()
        assert await asyncio.wait_for(ends.get(), HEARD_TIMEOUT_S) == "caller"
        phone.send(await session.local_address(Side.CALLEE), CALLEE_AUDIO)
        await phone.hear_payload(CALLEE_AUDIO)
        await session.close()
        assert ends.empty()
        await relay.close()
        phone.close()

    async def test_prompt_that_cannot_be_played_leaves_the_mute(self, tmp_path: Path) -> None:
        library = AudioLibrary(tmp_path / "audio")
        source = tmp_path / "tone.wav"
        soundfile.write(source, np.full(8_000, 0.1), 8_000)
        library.add("notice", source)
        relay = RtpioRelay(create_settings(), tmp_path / "spool", library)
        await relay.start()
        (tmp_path / "audio/notice.9").unlink()
        caller, callee = await RtpPhone(1).open(), await RtpPhone(2).open()
        session = await relay.open(create_call_id(), print)
        await session.set_remote(Side.CALLER, caller.describe(G722))
        await session.set_remote(Side.CALLEE, callee.describe(G722))
        await session.set_muted(Side.CALLER, muted=True)
        with pytest.raises(RelayError):
            await session.play(Side.CALLEE, Prompt("notice"))
        to = await session.local_address(Side.CALLER)
        caller.send(to, SECRET, 9)
        while True:
            if (await session.quality()).caller.packets:
                break
            await asyncio.sleep(0.005)
        await session.set_muted(Side.CALLER, muted=False)
        caller.send(to, CALLER_AUDIO, 9)
        while (packet := await callee.hear()).payload != CALLER_AUDIO:
            assert packet.payload != SECRET
        await relay.close()
        caller.close()
        callee.close()

    async def test_recording_paused_too_often_is_refused_and_kept(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("clicktodial.media.rtpio_session.CAPTURES_MAX", 3)
        relay = RtpioRelay(create_settings(), tmp_path)
        await relay.start()
        phone = await RtpPhone(1).open()
        session = await relay.open(create_call_id(), print)
        for side in Side:
            await session.set_remote(side, phone.describe())
        await session.start_recording()
        to = await session.local_address(Side.CALLER)
        for number in range(3):
            phone.send(to, CALLER_AUDIO)
            await phone.hear_payload(CALLER_AUDIO)
            await session.pause_recording()
            if number < 2:
                await session.resume_recording()
        with pytest.raises(RelayError, match="too often"):
            await session.resume_recording()
        capture = await session.close()
        assert capture is not None and len(capture.caller_paths) == 3
        await relay.close()
        phone.close()

    async def test_capture_is_ended_only_when_nothing_can_be_written_to_it(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """An N while a packet is being captured ends this process, once in some ten thousand
        times; so it is the order of the commands that is held here."""
        relay = RtpioRelay(create_settings(), tmp_path)
        await relay.start()
        phone = await RtpPhone(1).open()
        session = await relay.open(create_call_id(), print)
        for side in Side:
            await session.set_remote(side, phone.describe())
        await session.start_recording()
        commands: list[tuple[str, asyncio.Future[str]]] = []
        request = CommandChannel.request

        def note(channel: CommandChannel, command: str) -> asyncio.Future[str]:
            reply = request(channel, command)
            commands.append((command, reply))
            return reply

        monkeypatch.setattr(CommandChannel, "request", note)
        await session.pause_recording()
        await session.quality()
        # The notes on replies that came together are made one turn of the loop later.
        await asyncio.sleep(0)
        monkeypatch.undo()
        kinds = [command.split()[0] for command, _ in commands]
        counts = [(await reply).split()[-2] for command, reply in commands if "doorbell" in command]
        assert kinds[:2] == ["P-1", "P-1"]
        assert kinds[2:-6] == ["Q"] * len(counts)
        assert counts[-1] != counts[0]
        assert kinds[-6:] == ["N", "N", "S", "S", "Q", "Q"]
        await relay.close()
        phone.close()

    async def test_party_that_only_reports_lives(self, tmp_path: Path) -> None:
        """What RTCP says goes nowhere, but that it comes is a sign of life."""
        relay = RtpioRelay(create_settings(), tmp_path)
        await relay.start()
        phones = [await ReportingPhone(ssrc, b"phone").open() for ssrc in (1, 2)]
        deaths: dict[str, asyncio.Queue[str]] = {
            "silent": asyncio.Queue(),
            "reports": asyncio.Queue(),
        }
        sessions = []
        for queue in deaths.values():
            session = await relay.open(create_call_id(), queue.put_nowait)
            for side, phone in zip(Side, phones, strict=True):
                await session.set_remote(side, phone.describe())
            sessions.append(session)
        to = await sessions[1].local_address(Side.CALLER)
        async with asyncio.timeout(DEAD_AFTER_S + DEAD_SLACK_S):
            while deaths["silent"].empty():
                phones[0].tell(to)
                await asyncio.sleep(DEAD_AFTER_S / 10)
        assert deaths["reports"].empty()
        assert phones[1].received == []
        await relay.close()
        for phone in phones:
            phone.close()

    async def test_capture_becomes_a_recording_with_each_side_in_its_channel(
        self, tmp_path: Path
    ) -> None:
        relay = RtpioRelay(create_settings(), tmp_path)
        await relay.start()
        caller, callee = await RtpPhone(1).open(), await RtpPhone(2).open()
        session = await relay.open(create_call_id(), print)
        await session.set_remote(Side.CALLER, caller.describe())
        await session.set_remote(Side.CALLEE, callee.describe())
        await session.start_recording()
        for _ in range(3):
            caller.send(await session.local_address(Side.CALLER), CALLER_AUDIO)
            await callee.hear_payload(CALLER_AUDIO)
        callee.send(await session.local_address(Side.CALLEE), CALLEE_AUDIO)
        await caller.hear_payload(CALLEE_AUDIO)
        capture = await session.close()
        await relay.close()
        caller.close()
        callee.close()

        assert capture is not None
        target = tmp_path / "recording.wav"
        render_recording(
            RenderJob(capture.caller_path, capture.callee_path, capture.started_at, str(target))
        )
        pcm, _ = soundfile.read(target, dtype="int16")
        for channel, audio in ((0, CALLER_AUDIO), (1, CALLEE_AUDIO)):
            (level,) = set(decode_g711(audio, "PCMA").tolist())
            assert set(pcm[:, channel].tolist()) <= {0, level}
            assert level in pcm[:, channel]

    @pytest.mark.parametrize("host", ["localhost", "::1", "127.0.0.1 -x", ""])
    async def test_host_that_is_no_ipv4_address_is_refused(self, tmp_path: Path, host: str) -> None:
        with pytest.raises(RelayError):
            await RtpioRelay(create_settings(host=host), tmp_path).start()

    async def test_advertised_host_is_what_is_offered(self, tmp_path: Path) -> None:
        relay = RtpioRelay(create_settings(host="0.0.0.0", advertised_host="192.0.2.1"), tmp_path)
        await relay.start()
        session = await relay.open(create_call_id(), print)
        assert (await session.local_address(Side.CALLER)).host == "192.0.2.1"
        await relay.close()


def test_hosts_of_peers_are_remembered_within_bounds(tmp_path: Path) -> None:
    relay = RtpioRelay(create_settings(), tmp_path)
    for number in range(2 * REMOTES_REMEMBERED_MAX + 1):
        host = str(IPv4Address("198.18.0.1") + number)
        assert relay.read_remote(host) == relay.read_remote(host) == host
        assert len(relay._remotes) <= REMOTES_REMEMBERED_MAX
    for host in ("", "localhost", "224.0.0.1", "198.18.0.1.1"):
        for _ in range(2):
            with pytest.raises(RelayError):
                relay.read_remote(host)


def find_udp_ports(host: str) -> list[int]:
    """Those that are bound at that address."""
    number = f"{int.from_bytes(IPv4Address(host).packed, 'little'):08X}"
    lines = Path("/proc/self/net/udp").read_text().splitlines()[1:]
    names = [line.split()[1].partition(":") for line in lines]
    return [int(port, 16) for address, _, port in names if address == number]


def count_threads() -> int:
    return len(os.listdir("/proc/self/task"))
