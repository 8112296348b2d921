"""What every driver of control.port.Relay must do beyond relaying: listen, mute, pause, be patient,
and carry the codecs that it lists. Shown with real RTP over real sockets.

A driver's test module subclasses RelayFeatureContract and provides the fixture `relay`: started,
with DEAD_AFTER_S as its limit and every codec that it can carry enabled.
"""

import asyncio
import struct
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import numpy as np
import pytest
import pytest_asyncio
import soundfile
from tests.audio.opus_stream import encode_opus
from tests.media.relay_contract import (
    CALLEE_AUDIO,
    CALLER_AUDIO,
    DEAD_AFTER_S,
    DEAD_SLACK_S,
    RINGBACK,
    WARNING,
    WARNING_HZ,
    WARNING_TIMEOUT_S,
    Stage,
    count_open_files,
    strongest_frequency_hz,
)
from tests.media.rtp_phone import SAMPLES_PER_PACKET, RtpPhone

from clicktodial.audio.g722 import encode_g722
from clicktodial.control.port import (
    AnswerJudged,
    AnswerVerdict,
    Capture,
    DigitHeard,
    Heard,
    Relay,
    RelayError,
)
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
    SrtpKey,
)
from clicktodial.domain.plan import HOLD_PROMPT, PRESENCE_PROMPT
from clicktodial.media.g711 import encode_g711
from clicktodial.recordings.render import RenderJob, render_recording

RATE_HZ = 8_000
WIDEBAND_HZ = 16_000
# Above what a narrowband recording could hold.
WIDEBAND_TONE_HZ = 5_000
PACKET_S = 0.02
# What nobody may hear or find on the disk.
SECRET = b"\x77" * SAMPLES_PER_PACKET
LAST_SECRET = b"\x66" * SAMPLES_PER_PACKET
MARK = b"\x33" * SAMPLES_PER_PACKET
SILENCE = encode_g711(np.zeros(SAMPLES_PER_PACKET, dtype=np.int16), "PCMA")
HEARD_TIMEOUT_S = 20.0
# A key that is held for 100 ms, in samples.
KEY_SAMPLES = 800
KEY_PACKETS = 5
END_PACKETS = 3
# 140 ms: less than a beep of the warning, and enough to tell a tone to 7 Hz.
TONE_SAMPLES = 1_120
# As many packets as a socket's buffer takes at once, however slow the relay is at the moment.
BURST_PACKETS = 20
# An unanswerable key: 30 bytes of zeros.
REMOTE_KEY = SrtpKey(1, "AES_CM_128_HMAC_SHA1_80", "inline:" + "A" * 40)


def create_speech(seconds: float) -> np.ndarray[tuple[int], np.dtype[np.int16]]:
    """Noise in syllables: 180 ms of sound, 40 ms of a gap too short to end a word."""
    count = round(seconds * RATE_HZ)
    sound = np.random.default_rng(5).normal(0, 4_000, count)
    is_gap = np.arange(count) % 1_760 >= 1_440
    return np.clip(np.where(is_gap, 0, sound), -32_000, 32_000).astype(np.int16)


def cut(pcm: np.ndarray[tuple[int], np.dtype[np.int16]]) -> list[bytes]:
    """As payloads of PCMA; what is less than a packet is left out."""
    coded = encode_g711(pcm, "PCMA")
    count = len(coded) // SAMPLES_PER_PACKET
    return [coded[n * SAMPLES_PER_PACKET :][:SAMPLES_PER_PACKET] for n in range(count)]


def repeat(payload: bytes, seconds: float) -> list[bytes]:
    return [payload] * round(seconds / PACKET_S)


class FeatureStage(Stage):
    """A stage whose phones can do more."""

    def phone(self, side: Side) -> RtpPhone:
        return self.caller if side is Side.CALLER else self.callee

    async def say(self, side: Side, payloads: Sequence[bytes]) -> None:
        """Send these as fast as they are relayed; the other side has heard them on return."""
        to = await self.session.local_address(side)
        other = self.phone(other_side(side))
        for begin in range(0, len(payloads), BURST_PACKETS):
            burst = payloads[begin : begin + BURST_PACKETS]
            for payload in burst:
                self.phone(side).send(to, payload)
            for payload in burst:
                await other.hear_payload(payload)

    async def say_unheard(
        self, side: Side, payloads: Sequence[bytes], payload_type: int = 8
    ) -> None:
        """Send these, one every 20 ms; the relay has taken them all on return, whatever became of
        them."""
        to = await self.session.local_address(side)
        before = await self.count_received(side)
        async for payload in tick(payloads):
            self.phone(side).send(to, payload, payload_type)
        async with asyncio.timeout(HEARD_TIMEOUT_S):
            # The relay has to be asked: it tells nobody by itself.
            while True:
                if await self.count_received(side) >= before + len(payloads):
                    break
                await asyncio.sleep(0.005)

    async def count_received(self, side: Side) -> int:
        quality = await self.session.quality()
        return (quality.caller if side is Side.CALLER else quality.callee).packets

    async def press(
        self, side: Side, event: int, *, lost: Sequence[int] = (), payload_type: int = 101
    ) -> None:
        """A key, as a phone sends it: with all packets but those of these numbers."""
        phone = self.phone(side)
        to = await self.session.local_address(side)
        began = phone.timestamp
        steps = [KEY_SAMPLES * (n + 1) // KEY_PACKETS for n in range(KEY_PACKETS)]
        for number, duration in enumerate([*steps, *[KEY_SAMPLES] * END_PACKETS]):
            if number in lost:
                phone.skip()
                continue
            end = 0x80 if number >= KEY_PACKETS else 0
            payload = struct.pack(">BBH", event, end | 10, duration)
            phone.send(to, payload, payload_type, timestamp=began, marker=number == 0)

    async def hears_nothing_of(self, side: Side, secret: bytes, mark: bytes) -> None:
        """Say the mark to that side: nothing that it heard until then was the secret."""
        await self.speak(other_side(side), mark)
        while (packet := await self.phone(side).hear()).payload != mark:
            assert packet.payload != secret


def other_side(side: Side) -> Side:
    return Side.CALLEE if side is Side.CALLER else Side.CALLER


async def tick(payloads: Sequence[bytes]) -> AsyncIterator[bytes]:
    """Each at its time, 20 ms after the one before."""
    loop = asyncio.get_running_loop()
    begin = loop.time()
    for number, payload in enumerate(payloads):
        await asyncio.sleep(max(0.0, begin + number * PACKET_S - loop.time()))
        yield payload


def capture_files(capture: Capture) -> list[Path]:
    """All that was captured, of both sides."""
    parts = (capture, *capture.continued)
    return [Path(path) for part in parts for path in (part.caller_path, part.callee_path) if path]


def render(capture: Capture, target: Path) -> np.ndarray[tuple[int, int], np.dtype[np.int16]]:
    """The recording, frames of (caller, callee)."""
    render_recording(RenderJob.of(capture, str(target)))
    pcm, rate_hz = soundfile.read(target, dtype="int16", always_2d=True)
    assert rate_hz == RATE_HZ
    return np.asarray(pcm)


def loud_seconds(channel: np.ndarray[tuple[int], np.dtype[np.int16]]) -> list[tuple[float, float]]:
    """From when to when there is sound, with gaps of less than 100 ms closed."""
    loud = np.flatnonzero(np.abs(channel.astype(np.int32)) > 100) / RATE_HZ
    if not len(loud):
        return []
    breaks = np.flatnonzero(np.diff(loud) > 0.1)
    begins, ends = loud[[0, *(breaks + 1)]], loud[[*breaks, len(loud) - 1]]
    return [(float(begin), float(end)) for begin, end in zip(begins, ends, strict=True)]


async def lowest_file_count(wanted: int) -> int:
    """How many files are open once a relay that closes sockets behind the scenes has come down
    to so many, or has had the time to."""
    lowest = count_open_files()
    for _ in range(20):
        if lowest <= wanted:
            break
        await asyncio.sleep(0.05)  # the kernel tells nobody that a file was closed
        lowest = min(lowest, count_open_files())
    return lowest


@pytest.mark.asyncio(loop_scope="module")
class RelayFeatureContract:
    """The tests."""

    @pytest_asyncio.fixture(loop_scope="module")
    async def stage(self, relay: Relay) -> AsyncIterator[FeatureStage]:
        caller, callee = await RtpPhone(1).open(), await RtpPhone(2).open()
        deaths: asyncio.Queue[str] = asyncio.Queue()
        session = await relay.open(create_call_id(), deaths.put_nowait)
        stage = FeatureStage(session, caller, callee, deaths)
        yield stage
        await session.close()
        stage.caller.close()
        stage.callee.close()

    # Keys

    @pytest.mark.parametrize("side", Side)
    async def test_keys_of_a_side_are_told_once_a_press_and_in_order(
        self, stage: FeatureStage, side: Side
    ) -> None:
        await stage.connect()
        heard: asyncio.Queue[Heard] = asyncio.Queue()
        await stage.session.listen(side, heard.put_nowait, judges_answer=False)
        for event in (1, 1, 11, 10, 0, 15):
            await stage.press(side, event)
        keys = [await asyncio.wait_for(heard.get(), HEARD_TIMEOUT_S) for _ in range(6)]
        assert keys == [DigitHeard(digit) for digit in "11#*0D"]
        assert heard.empty()

    async def test_key_is_told_whichever_of_its_packets_are_lost(self, stage: FeatureStage) -> None:
        await stage.connect()
        heard: asyncio.Queue[Heard] = asyncio.Queue()
        await stage.session.listen(Side.CALLER, heard.put_nowait, judges_answer=False)
        packets = range(KEY_PACKETS + END_PACKETS)
        await stage.press(Side.CALLER, 3, lost=packets[:-1])
        await stage.press(Side.CALLER, 3, lost=packets[1:])
        await stage.press(Side.CALLER, 4, lost=(0, 2, 5, 7))
        keys = [await asyncio.wait_for(heard.get(), HEARD_TIMEOUT_S) for _ in range(3)]
        assert keys == [DigitHeard("3"), DigitHeard("3"), DigitHeard("4")]
        assert heard.empty()

    async def test_keys_of_the_other_side_and_sounds_are_no_keys(self, stage: FeatureStage) -> None:
        await stage.connect()
        heard: asyncio.Queue[Heard] = asyncio.Queue()
        await stage.session.listen(Side.CALLER, heard.put_nowait, judges_answer=False)
        await stage.press(Side.CALLEE, 7)
        await stage.say(Side.CALLEE, [CALLEE_AUDIO] * 5)
        await stage.say(Side.CALLER, [CALLER_AUDIO] * 5)
        await stage.press(Side.CALLER, 16)
        await stage.press(Side.CALLER, 8)
        assert await asyncio.wait_for(heard.get(), HEARD_TIMEOUT_S) == DigitHeard("8")
        assert heard.empty()

    async def test_key_while_the_caller_alone_hears_a_prompt_is_told(
        self, stage: FeatureStage
    ) -> None:
        await stage.session.set_remote(Side.CALLER, stage.caller.describe())
        await stage.session.play(Side.CALLER, PRESENCE_PROMPT)
        await stage.caller.hear()
        heard: asyncio.Queue[Heard] = asyncio.Queue()
        await stage.session.listen(Side.CALLER, heard.put_nowait, judges_answer=False)
        await stage.press(Side.CALLER, 5)
        assert await asyncio.wait_for(heard.get(), HEARD_TIMEOUT_S) == DigitHeard("5")

    async def test_key_of_the_payload_type_that_the_side_answered_is_told(
        self, stage: FeatureStage
    ) -> None:
        dtmf = Codec(99, TELEPHONE_EVENT.name)
        media = MediaDescription(stage.caller.address, (PCMA,), dtmf)
        await stage.session.set_remote(Side.CALLER, media)
        heard: asyncio.Queue[Heard] = asyncio.Queue()
        await stage.session.listen(Side.CALLER, heard.put_nowait, judges_answer=False)
        await stage.press(Side.CALLER, 2, payload_type=99)
        assert await asyncio.wait_for(heard.get(), HEARD_TIMEOUT_S) == DigitHeard("2")

    async def test_listening_stopped_tells_nothing_more_until_it_begins_again(
        self, stage: FeatureStage
    ) -> None:
        await stage.connect()
        first: asyncio.Queue[Heard] = asyncio.Queue()
        await stage.session.listen(Side.CALLER, first.put_nowait, judges_answer=False)
        await stage.press(Side.CALLER, 1)
        await asyncio.wait_for(first.get(), HEARD_TIMEOUT_S)
        await stage.session.stop_listening(Side.CALLER)
        await stage.press(Side.CALLER, 2)
        await stage.say(Side.CALLER, [MARK])
        second: asyncio.Queue[Heard] = asyncio.Queue()
        await stage.session.listen(Side.CALLER, second.put_nowait, judges_answer=False)
        await stage.press(Side.CALLER, 3)
        assert await asyncio.wait_for(second.get(), HEARD_TIMEOUT_S) == DigitHeard("3")
        assert first.empty() and second.empty()

    async def test_listening_to_nobody_stops(self, stage: FeatureStage) -> None:
        await stage.session.stop_listening(Side.CALLER)
        await stage.session.stop_listening(Side.CALLEE)
        await stage.connect()
        await stage.check_both_ways()

    async def test_listening_before_the_side_answered_is_refused(self, stage: FeatureStage) -> None:
        with pytest.raises(RelayError):
            await stage.session.listen(Side.CALLER, print, judges_answer=True)

    async def test_listening_leaves_audio_and_recording_as_they_are(
        self, stage: FeatureStage, tmp_path: Path
    ) -> None:
        await stage.connect()
        heard: asyncio.Queue[Heard] = asyncio.Queue()
        await stage.session.start_recording()
        await stage.session.listen(Side.CALLER, heard.put_nowait, judges_answer=False)
        await stage.press(Side.CALLER, 1)
        await asyncio.wait_for(heard.get(), HEARD_TIMEOUT_S)
        await stage.say(Side.CALLER, [CALLER_AUDIO] * 10)
        await stage.session.stop_listening(Side.CALLER)
        await stage.say(Side.CALLER, [MARK] * 10)
        capture = await stage.session.close()
        assert capture is not None
        captured = b"".join(path.read_bytes() for path in capture_files(capture))
        assert captured.count(CALLER_AUDIO) == 10
        assert captured.count(MARK) == 10

    # Who answered

    @pytest.mark.parametrize(
        ("payloads", "verdict"),
        [
            pytest.param(
                [*repeat(SILENCE, 0.4), *cut(create_speech(0.7)), *repeat(SILENCE, 1.5)],
                AnswerVerdict.HUMAN,
                id="a word",
            ),
            pytest.param(
                [*repeat(SILENCE, 0.4), *cut(create_speech(4.0))],
                AnswerVerdict.MACHINE,
                id="a speech",
            ),
            pytest.param(repeat(SILENCE, 6.0), AnswerVerdict.SILENCE, id="nothing"),
        ],
    )
    async def test_who_answered_is_told_once_by_what_is_said(
        self, stage: FeatureStage, payloads: list[bytes], verdict: AnswerVerdict
    ) -> None:
        await stage.connect()
        heard: asyncio.Queue[Heard] = asyncio.Queue()
        await stage.session.listen(Side.CALLER, heard.put_nowait, judges_answer=True)
        await stage.say(Side.CALLER, payloads)
        assert await asyncio.wait_for(heard.get(), HEARD_TIMEOUT_S) == AnswerJudged(verdict)
        await stage.press(Side.CALLER, 6)
        assert await asyncio.wait_for(heard.get(), HEARD_TIMEOUT_S) == DigitHeard("6")
        assert heard.empty()

    async def test_phone_that_sends_nothing_is_silent(self, stage: FeatureStage) -> None:
        await stage.session.set_remote(Side.CALLER, stage.caller.describe())
        heard: asyncio.Queue[Heard] = asyncio.Queue()
        await stage.session.listen(Side.CALLER, heard.put_nowait, judges_answer=True)
        verdict = await asyncio.wait_for(heard.get(), HEARD_TIMEOUT_S)
        assert verdict == AnswerJudged(AnswerVerdict.SILENCE)

    # Muting

    @pytest.mark.parametrize("side", Side)
    async def test_muted_side_is_not_heard_and_hears(self, stage: FeatureStage, side: Side) -> None:
        await stage.connect()
        await stage.check_both_ways()
        await stage.session.set_muted(side, muted=True)
        await stage.say_unheard(side, [SECRET] * 5)
        await stage.say(other_side(side), [CALLEE_AUDIO] * 5)
        await stage.session.set_muted(side, muted=False)
        await stage.hears_nothing_of(other_side(side), SECRET, MARK)
        await stage.check_both_ways()

    async def test_muting_twice_and_unmuting_twice_is_once(self, stage: FeatureStage) -> None:
        await stage.connect()
        await stage.session.set_muted(Side.CALLER, muted=False)
        await stage.session.set_muted(Side.CALLER, muted=True)
        await stage.session.set_muted(Side.CALLER, muted=True)
        await stage.session.set_muted(Side.CALLEE, muted=True)
        await stage.session.set_muted(Side.CALLER, muted=False)
        await stage.say(Side.CALLER, [MARK])
        await stage.session.set_muted(Side.CALLEE, muted=False)
        await stage.check_both_ways()

    async def test_prompt_is_heard_by_either_side_while_one_is_muted_and_mute_outlasts_it(
        self, stage: FeatureStage
    ) -> None:
        await stage.connect()
        await stage.session.set_muted(Side.CALLER, muted=True)
        for side in Side:
            ended = asyncio.Event()
            await stage.session.play(side, WARNING, ended.set)
            await self.hear_tone(stage.phone(side), WARNING_HZ)
            await asyncio.wait_for(ended.wait(), WARNING_TIMEOUT_S)
        await stage.say_unheard(Side.CALLER, [SECRET] * 5)
        await stage.session.play(Side.CALLEE, RINGBACK)
        await self.hear_tone(stage.callee, 450)
        await stage.session.stop_playing(Side.CALLEE)
        await stage.say_unheard(Side.CALLER, [SECRET] * 5)
        await stage.session.set_muted(Side.CALLER, muted=False)
        await stage.hears_nothing_of(Side.CALLEE, SECRET, MARK)

    async def test_muting_while_a_prompt_plays_leaves_the_prompt(self, stage: FeatureStage) -> None:
        await stage.connect()
        await stage.session.play(Side.CALLEE, RINGBACK)
        await stage.callee.hear()
        await stage.session.set_muted(Side.CALLER, muted=True)
        await self.hear_tone(stage.callee, 450)
        await stage.session.set_muted(Side.CALLER, muted=False)
        await self.hear_tone(stage.callee, 450)
        await stage.session.stop_playing(Side.CALLEE)
        await stage.check_both_ways()

    async def test_what_a_muted_side_says_is_not_on_the_disk(
        self, stage: FeatureStage, tmp_path: Path
    ) -> None:
        await stage.connect()
        await stage.session.start_recording()
        await asyncio.gather(
            stage.say_unheard(Side.CALLER, repeat(CALLER_AUDIO, 0.5)),
            stage.say_unheard(Side.CALLEE, repeat(CALLEE_AUDIO, 0.5)),
        )
        await stage.session.set_muted(Side.CALLER, muted=True)
        await asyncio.gather(
            stage.say_unheard(Side.CALLER, repeat(SECRET, 0.5)),
            stage.say_unheard(Side.CALLEE, repeat(CALLEE_AUDIO, 0.5)),
        )
        await stage.session.set_muted(Side.CALLER, muted=False)
        await stage.say_unheard(Side.CALLER, repeat(CALLER_AUDIO, 0.5))
        await stage.say(Side.CALLER, [MARK])
        capture = await stage.session.close()
        assert capture is not None
        for path in capture_files(capture):
            assert SECRET not in path.read_bytes()
        pcm = render(capture, tmp_path / "recording.wav")
        spoken = loud_seconds(pcm[:, 0])
        assert len(spoken) == 2
        assert spoken[1][0] - spoken[0][1] == pytest.approx(0.5, abs=0.15)
        (heard,) = loud_seconds(pcm[:, 1])
        assert heard[1] - heard[0] == pytest.approx(1.0, abs=0.15)

    # The recording

    async def test_paused_recording_has_silence_for_as_long_and_nothing_on_the_disk(
        self, stage: FeatureStage, tmp_path: Path
    ) -> None:
        await stage.connect()
        await stage.session.start_recording()
        for _ in range(2):
            await self.speak_both(stage, CALLER_AUDIO, CALLEE_AUDIO, 0.4)
            await stage.session.pause_recording()
            await self.speak_both(stage, SECRET, SECRET, 0.6)
            # The parties go on hearing each other.
            await stage.say(Side.CALLER, [LAST_SECRET])
            await stage.say(Side.CALLEE, [LAST_SECRET])
            await stage.session.resume_recording()
        await self.speak_both(stage, CALLER_AUDIO, CALLEE_AUDIO, 0.4)
        await stage.say(Side.CALLER, [MARK])
        await stage.say(Side.CALLEE, [MARK])
        capture = await stage.session.close()
        assert capture is not None
        for path in capture_files(capture):
            captured = path.read_bytes()
            assert SECRET not in captured and LAST_SECRET not in captured
        pcm = render(capture, tmp_path / "recording.wav")
        spoken = [loud_seconds(pcm[:, channel]) for channel in range(2)]
        assert [len(parts) for parts in spoken] == [3, 3]
        for first, second in ((0, 1), (1, 2)):
            gaps = [parts[second][0] - parts[first][1] for parts in spoken]
            assert gaps == pytest.approx([0.6, 0.6], abs=0.15)
        for caller, callee in zip(*spoken, strict=True):
            assert caller == pytest.approx(callee, abs=0.06)

    async def test_pausing_and_resuming_twice_is_once(self, stage: FeatureStage) -> None:
        await stage.connect()
        await stage.session.start_recording()
        await stage.session.resume_recording()
        await stage.say(Side.CALLER, [CALLER_AUDIO] * 3)
        await stage.session.pause_recording()
        await stage.session.pause_recording()
        await stage.say(Side.CALLER, [SECRET] * 3)
        await stage.session.resume_recording()
        await stage.session.resume_recording()
        await stage.say(Side.CALLER, [MARK] * 3)
        capture = await stage.session.close()
        assert capture is not None
        captured = b"".join(path.read_bytes() for path in capture_files(capture))
        assert captured.count(CALLER_AUDIO) == 3
        assert captured.count(MARK) == 3
        assert SECRET not in captured

    async def test_session_closed_while_paused_keeps_what_came_before(
        self, stage: FeatureStage
    ) -> None:
        await stage.connect()
        await stage.session.start_recording()
        await stage.say(Side.CALLER, [CALLER_AUDIO] * 3)
        await stage.session.pause_recording()
        await stage.say(Side.CALLEE, [SECRET] * 3)
        capture = await stage.session.close()
        assert capture is not None
        assert capture.caller_path is not None and capture.callee_path is None
        (file,) = capture_files(capture)
        assert file.read_bytes().count(CALLER_AUDIO) == 3

    async def test_recording_paused_while_muted_and_prompted_leaves_both(
        self, stage: FeatureStage
    ) -> None:
        await stage.connect()
        await stage.session.start_recording()
        await stage.session.set_muted(Side.CALLER, muted=True)
        await stage.session.play(Side.CALLER, HOLD_PROMPT)
        await stage.caller.hear()
        await stage.session.pause_recording()
        await stage.session.resume_recording()
        await stage.say_unheard(Side.CALLER, [SECRET] * 5)
        await stage.caller.hear()
        await stage.session.stop_playing(Side.CALLER)
        await stage.session.set_muted(Side.CALLER, muted=False)
        await stage.hears_nothing_of(Side.CALLEE, SECRET, MARK)
        await stage.check_both_ways()

    async def test_pausing_what_was_never_started_is_refused(self, stage: FeatureStage) -> None:
        await stage.connect()
        with pytest.raises(RelayError):
            await stage.session.pause_recording()
        await stage.session.resume_recording()
        assert await stage.session.close() is None

    # Patience

    async def test_patient_session_outlives_one_that_is_no_longer(
        self, relay: Relay, stage: FeatureStage
    ) -> None:
        deaths: asyncio.Queue[str] = asyncio.Queue()
        phone = await RtpPhone(3).open()
        patient = await relay.open(create_call_id(), deaths.put_nowait)
        await patient.set_patient(patient=True)
        for side in (Side.CALLER, Side.CALLEE, Side.CALLEE):
            await patient.set_remote(side, phone.describe())
        await stage.connect()
        await stage.session.set_patient(patient=True)
        await asyncio.sleep(DEAD_AFTER_S / 4)
        await stage.session.set_patient(patient=False)
        async with asyncio.timeout(DEAD_AFTER_S + DEAD_SLACK_S):
            await stage.deaths.get()
        with pytest.raises(RelayError):
            await stage.session.set_patient(patient=True)
        assert deaths.empty()
        await patient.close()
        phone.close()

    # Codecs and keys

    async def test_every_codec_listed_flows_both_ways(self, relay: Relay) -> None:
        assert relay.codecs
        assert set(relay.playable_codecs) <= set(relay.codecs)
        for codec in relay.codecs:
            caller, callee = await RtpPhone(1).open(), await RtpPhone(2).open()
            session = await relay.open(create_call_id(), print)
            await session.set_remote(Side.CALLER, caller.describe(codec))
            await session.set_remote(Side.CALLEE, callee.describe(codec))
            for side, phone, other in (
                (Side.CALLER, caller, callee),
                (Side.CALLEE, callee, caller),
            ):
                phone.send(await session.local_address(side), MARK, codec.payload_type)
                packet = await other.hear_payload(MARK)
                assert packet.payload_type == codec.payload_type
            await session.close()
            caller.close()
            callee.close()

    @pytest.mark.parametrize("codec", [PCMA, PCMU, G722, OPUS], ids=lambda codec: codec.name)
    async def test_prompt_is_heard_in_every_codec_that_can_be_played(
        self, relay: Relay, stage: FeatureStage, codec: Codec
    ) -> None:
        if codec not in relay.codecs:
            pytest.skip("the relay does not carry it")
        await stage.session.set_remote(Side.CALLER, stage.caller.describe(codec))
        if codec not in relay.playable_codecs:
            with pytest.raises(RelayError):
                await stage.session.play(Side.CALLER, RINGBACK)
            return
        await stage.session.play(Side.CALLER, RINGBACK)
        packets = [await stage.caller.hear() for _ in range(10)]
        assert {packet.payload_type for packet in packets} == {codec.payload_type}
        if codec in (PCMA, PCMU):
            payloads = [packet.payload for packet in packets]
            assert strongest_frequency_hz(payloads, codec.name) == pytest.approx(450, abs=10)

    @pytest.mark.parametrize("codec", [G722, OPUS], ids=lambda codec: codec.name)
    async def test_wideband_side_is_recorded_in_its_band(
        self, relay: Relay, stage: FeatureStage, tmp_path: Path, codec: Codec
    ) -> None:
        if codec not in relay.codecs:
            pytest.skip("the relay does not carry it")
        await stage.connect(codec)
        await stage.session.start_recording()
        time_s = np.arange(WIDEBAND_HZ) / WIDEBAND_HZ
        tone = (8_000 * np.sin(2 * np.pi * WIDEBAND_TONE_HZ * time_s)).astype(np.int16)
        stage.caller.clock_step = codec.clock_rate // 50
        if codec is OPUS:
            payloads = encode_opus(tone, WIDEBAND_HZ)
        else:
            coded = encode_g722(tone)
            payloads = [coded[at : at + 160] for at in range(0, len(coded), 160)]
        await stage.say_unheard(Side.CALLER, payloads, codec.payload_type)
        capture = await stage.session.close()
        assert capture is not None
        target = tmp_path / "recording.wav"
        render_recording(RenderJob.of(capture, str(target)))
        pcm, rate_hz = soundfile.read(target, dtype="int16", always_2d=True)
        assert rate_hz == WIDEBAND_HZ
        assert len(pcm) >= WIDEBAND_HZ * 0.9
        middle = pcm[-WIDEBAND_HZ * 3 // 4 : -WIDEBAND_HZ // 4, 0]
        found = np.argmax(np.abs(np.fft.rfft(middle))) * WIDEBAND_HZ / len(middle)
        assert found == pytest.approx(WIDEBAND_TONE_HZ, abs=5)

    @pytest.mark.parametrize("codec", [PCMA, OPUS], ids=lambda codec: codec.name)
    async def test_side_can_be_muted_in_every_codec(
        self, relay: Relay, stage: FeatureStage, codec: Codec
    ) -> None:
        if codec not in relay.codecs:
            pytest.skip("the relay does not carry it")
        await stage.connect(codec)
        await stage.session.set_muted(Side.CALLER, muted=True)
        await stage.say_unheard(Side.CALLER, [SECRET] * 5, codec.payload_type)
        await stage.session.set_muted(Side.CALLER, muted=False)
        to = await stage.session.local_address(Side.CALLER)
        stage.caller.send(to, MARK, codec.payload_type)
        while (packet := await stage.callee.hear()).payload != MARK:
            assert packet.payload != SECRET

    async def test_keys_of_srtp_are_stable_and_none_where_it_is_not_known(
        self, stage: FeatureStage
    ) -> None:
        keys = await stage.session.local_crypto(Side.CALLER)
        assert await stage.session.local_crypto(Side.CALLER) == keys
        if keys:
            return
        media = MediaDescription(
            MediaAddress(stage.caller.address.host, stage.caller.address.port),
            (PCMA,),
            TELEPHONE_EVENT,
            crypto=(REMOTE_KEY,),
        )
        with pytest.raises(RelayError):
            await stage.session.set_remote(Side.CALLER, media)

    async def test_feature_of_a_closed_session_is_refused(self, stage: FeatureStage) -> None:
        await stage.connect()
        heard: asyncio.Queue[Heard] = asyncio.Queue()
        await stage.session.listen(Side.CALLER, heard.put_nowait, judges_answer=True)
        await stage.session.set_muted(Side.CALLER, muted=True)
        await stage.session.close()
        with pytest.raises(RelayError):
            await stage.session.listen(Side.CALLER, heard.put_nowait, judges_answer=True)
        with pytest.raises(RelayError):
            await stage.session.set_muted(Side.CALLER, muted=False)
        with pytest.raises(RelayError):
            await stage.session.pause_recording()
        with pytest.raises(RelayError):
            await stage.session.set_patient(patient=True)
        assert heard.empty()

    async def test_many_sessions_listened_to_muted_and_paused_leave_no_files_open(
        self, relay: Relay
    ) -> None:
        phone = await RtpPhone(1).open()

        async def run_one(number: int) -> None:
            session = await relay.open(create_call_id(), print)
            for side in Side:
                await session.set_remote(side, phone.describe())
                await session.listen(side, print, judges_answer=True)
            await session.start_recording()
            await session.set_muted(Side.CALLER, muted=True)
            await session.pause_recording()
            await session.resume_recording()
            if number % 2:
                await session.stop_listening(Side.CALLER)
            await session.close()

        counts: list[int] = []
        for _ in range(2):
            await asyncio.gather(*(run_one(number) for number in range(30)))
            counts.append(await lowest_file_count(counts[0] if counts else 0))
        assert counts[1] <= counts[0]
        phone.close()

    async def hear_tone(self, phone: RtpPhone, frequency_hz: int) -> None:
        """Hear on until that tone fills the last 140 ms of what is heard; TimeoutError where
        it never does."""
        heard = b""
        async with asyncio.timeout(HEARD_TIMEOUT_S):
            while True:
                heard = (heard + (await phone.hear()).payload)[-TONE_SAMPLES:]
                if len(heard) < TONE_SAMPLES:
                    continue
                found = strongest_frequency_hz([heard], "PCMA")
                if abs(found - frequency_hz) <= 10:
                    return

    async def speak_both(
        self, stage: FeatureStage, caller: bytes, callee: bytes, seconds: float
    ) -> None:
        """Both at once, in real time."""
        await asyncio.gather(
            stage.say_unheard(Side.CALLER, repeat(caller, seconds)),
            stage.say_unheard(Side.CALLEE, repeat(callee, seconds)),
        )
