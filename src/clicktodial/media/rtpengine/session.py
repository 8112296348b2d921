"""One call at one rtpengine. See the package for the theory of operation."""

import asyncio
import ipaddress
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import structlog

from clicktodial.control.port import Capture, Heard, RelayError
from clicktodial.domain.cause import Side
from clicktodial.domain.identifier import CallId
from clicktodial.domain.leg import CallQuality, RecentQuality, SideQuality
from clicktodial.domain.media import (
    TELEPHONE_EVENT,
    Codec,
    MediaAddress,
    MediaDescription,
    SrtpKey,
    chosen_codec,
)
from clicktodial.domain.plan import Prompt
from clicktodial.domain.quality import JUDGED_PACKETS_MIN, estimate_mos
from clicktodial.media.remote import read_remote
from clicktodial.media.rtpengine.capture import CaptureNote, CaptureStore
from clicktodial.media.rtpengine.channel import NgChannel, NodeRefusedError, PlainReply
from clicktodial.media.rtpengine.listening import Listening
from clicktodial.media.rtpengine.negotiation import (
    NegotiatedSide,
    create_answer,
    create_offer,
)
from clicktodial.media.rtpengine.reply import QueryReply, SdpReply
from clicktodial.media.rtpengine.sdp import (
    Facing,
    check_formats,
    create_key,
    create_placeholder,
    read_sdp,
    write_sdp,
)
from clicktodial.media.rtpengine.silence import LOOK_AGAIN_S, SilenceClock
from clicktodial.media.rtpengine.split import SEGMENT_PREFIX
from clicktodial.media.spool import create_capture_name

log = structlog.get_logger()

# rtpengine has no "for ever"; ringing that lasts for a year has been forgotten.
REPEAT_TIMES = 10_000_000
# Its player begins with a packet's delay and is late on a busy machine.
PLAYER_LAG_S = 0.06
# A side that is muted back and forth begins a file each time; so many are a defect somewhere.
SEGMENTS_PER_RECORDING_MAX = 1_000
_PORT_MAX = 65_535
_TAP_TAGS = {Side.CALLER: "tap-caller", Side.CALLEE: "tap-callee"}

Reply = TypeVar("Reply")


class SessionHost(Protocol):
    """What a session asks of the node that it is at, and of the fleet."""

    @property
    def codecs(self) -> tuple[Codec, ...]: ...

    @property
    def dead_after_s(self) -> int: ...

    @property
    def captures(self) -> CaptureStore: ...

    @property
    def hush_path(self) -> str:
        """Silence, for rtpengine to play."""

    async def find_audio(self, name: str) -> tuple[str, float]:
        """The path of a file that rtpengine can read, and how long it plays in seconds."""

    async def open_tap(self, listening: Listening) -> MediaAddress:
        """Give it a socket that a copy of a stream may be sent to; returns its address."""

    def forget(self, session: "RtpengineSession") -> None:
        """The session is closed."""


@dataclass(slots=True, eq=False)
class _Playing:
    """A prompt that plays; `end` is armed for one that does not repeat."""

    end: asyncio.TimerHandle | None = None


@dataclass(slots=True)
class _Party(NegotiatedSide):
    """What is known of a side."""

    is_muted: bool = False
    is_blocked: bool = False
    is_hushed: bool = False
    playing: _Playing | None = None
    listening: Listening | None = None


@dataclass(slots=True)
class _Recording:
    """Begun by its first file, and paused until then."""

    note: CaptureNote
    is_paused: bool = True


class RtpengineSession:
    """Implements control.port.RelaySession."""

    def __init__(
        self,
        host: SessionHost,
        channel: NgChannel,
        call_id: CallId,
        on_dead: Callable[[str], None],
    ) -> None:
        self.call_id = call_id
        self._host = host
        self._channel = channel
        self._on_dead = on_dead
        self._loop = asyncio.get_running_loop()
        self._name = host.captures.name(call_id)
        # Requests may overtake each other on their way; the lock's queue is in the order given.
        self._lock = asyncio.Lock()
        callee = _Party(create_placeholder(host.codecs, TELEPHONE_EVENT, create_key()))
        # rtpengine takes the first key that the caller tells for its own towards the callee.
        caller = _Party(create_placeholder(host.codecs, TELEPHONE_EVENT, callee.key))
        self._parties = {Side.CALLER: caller, Side.CALLEE: callee}
        self._silence = SilenceClock(opened_at=self._loop.time(), limit_s=host.dead_after_s)
        self._opened_utc_s = time.time()
        self._recording: _Recording | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._watch: asyncio.TimerHandle | None = None
        self._is_dead = False
        # Whether nobody can be asked for it any more, and whether rtpengine has deleted it.
        self.is_lost = False
        self.is_deleted = False
        self._is_closed = False

    async def create(self) -> None:
        """Make rtpengine's call: the ports and the keys of both sides. Raises RelayError."""
        async with self._lock:
            await self._negotiate()

    async def abandon(self) -> None:
        """Delete the call at rtpengine; what was captured stays where it is."""
        self._is_closed = True
        async with self._lock:
            self._drop_timers()
            for party in self._parties.values():
                if party.listening is not None:
                    party.listening.close()
            await self._delete()
        self._host.forget(self)

    # control.port.RelaySession

    async def local_address(self, side: Side) -> MediaAddress:
        """See control.port.RelaySession."""
        self._check_open()
        return self._facing(side).address

    async def local_crypto(self, side: Side) -> tuple[SrtpKey, ...]:
        """See control.port.RelaySession."""
        self._check_open()
        return (self._parties[side].key,)

    async def set_remote(self, side: Side, media: MediaDescription) -> None:
        """See control.port.RelaySession. Refuses names, and addresses that are nobody's."""
        self._check_open()
        check_formats(media)
        self._check_address(media.address)
        async with self._lock:
            self._check_alive()
            party = self._parties[side]
            is_first = not party.has_spoken
            if is_first and side is Side.CALLEE:
                # A prompt would drown what the callee says.
                await self._stop_playing(Side.CALLER)
            before = (party.said, party.has_spoken)
            party.said, party.has_spoken = media, True
            try:
                await self._negotiate()
            except RelayError:
                party.said, party.has_spoken = before
                raise
            if is_first:
                await self._update_block(side.other)
            if is_first and side is Side.CALLEE:
                self._silence.restart(self._loop.time())
                self._arm(self._host.dead_after_s)

    async def play(
        self, side: Side, prompt: Prompt, on_end: Callable[[], None] | None = None
    ) -> None:
        """See control.port.RelaySession."""
        self._check_open()
        async with self._lock:
            self._check_alive()
            party = self._parties[side]
            if not party.has_spoken:
                raise RelayError(f"the {side} has no codec to play a prompt in")
            path, duration_s = await self._host.find_audio(prompt.audio)
            await self._stop_playing(side)
            playing = party.playing = _Playing()
            try:
                await self._update_block(side.other)
                await self._play(side, path, REPEAT_TIMES if prompt.repeats else 1)
            except RelayError:
                await self._stop_playing(side)
                raise
            if not prompt.repeats:
                # rtpengine does not tell when it has come to the end; it plays in real time.
                playing.end = self._loop.call_later(
                    duration_s + PLAYER_LAG_S, self._on_played, side, playing, on_end
                )

    async def stop_playing(self, side: Side) -> None:
        """See control.port.RelaySession."""
        self._check_open()
        async with self._lock:
            self._check_alive()
            await self._stop_playing(side)

    async def listen(
        self, side: Side, on_heard: Callable[[Heard], None], *, judges_answer: bool
    ) -> None:
        """See control.port.RelaySession."""
        self._check_open()
        async with self._lock:
            self._check_alive()
            party = self._parties[side]
            if not party.has_spoken:
                raise RelayError(f"the {side} has not answered")
            await self._stop_listening(side)
            listening = Listening(party.said, on_heard, judges_answer=judges_answer)
            party.listening = listening
            try:
                address = await self._host.open_tap(listening)
                listening.source_port = await self._subscribe(side, party.said, address)
            except RelayError:
                party.listening = None
                listening.close()
                raise

    async def stop_listening(self, side: Side) -> None:
        """See control.port.RelaySession."""
        self._check_open()
        async with self._lock:
            self._check_alive()
            await self._stop_listening(side)

    async def set_muted(self, side: Side, *, muted: bool) -> None:
        """See control.port.RelaySession."""
        self._check_open()
        async with self._lock:
            self._check_alive()
            party = self._parties[side]
            if party.is_muted is muted:
                return
            party.is_muted = muted
            try:
                await self._update_block(side)
                await self._turn_segment()
            except RelayError:
                # Not done, and not thought to be when it is asked for again.
                party.is_muted = not muted
                raise

    async def set_patient(self, *, patient: bool) -> None:
        """See control.port.RelaySession."""
        self._check_open()
        self._silence.set_patient(patient=patient, now=self._loop.time())
        if self._watch is not None:
            self._arm(self._host.dead_after_s)

    async def start_recording(self) -> None:
        """See control.port.RelaySession. A second call changes nothing."""
        self._check_open()
        async with self._lock:
            self._check_alive()
            if self._recording is not None:
                return
            call = await self._query()
            # The capture's times are those of rtpengine's clock.
            started_at = time.time() + call.created_at - self._opened_utc_s
            note = CaptureNote(
                call_id=self.call_id,
                started_us=create_capture_name(self.call_id, started_at).started_us,
                ports={side.value: self._facing(side).address.port for side in Side},
                muted=[],
            )
            recording = _Recording(note)
            await self._begin_segment(recording)
            self._recording = recording

    async def pause_recording(self) -> None:
        """See control.port.RelaySession."""
        self._check_open()
        async with self._lock:
            self._check_alive()
            if self._recording is None:
                raise RelayError("nothing is recorded")
            await self._end_segment(self._recording)

    async def resume_recording(self) -> None:
        """See control.port.RelaySession."""
        self._check_open()
        async with self._lock:
            self._check_alive()
            if self._recording is not None:
                await self._begin_segment(self._recording)

    async def quality(self) -> CallQuality:
        """See control.port.RelaySession. Loss, jitter and round trip are as the sides tell by
        RTCP; of a side whose listener tells nothing there is no estimate."""
        self._check_open()
        async with self._lock:
            self._check_alive()
            call = await self._query()
            if self._watch is not None:
                # It was to be asked for that soon: now it need not be.
                self._heed(call)
        return CallQuality(
            caller=self._judge(Side.CALLER, call),
            callee=self._judge(Side.CALLEE, call),
            caller_recent=self._judge_lately(Side.CALLER, call),
            callee_recent=self._judge_lately(Side.CALLEE, call),
        )

    async def close(self) -> Capture | None:
        """See control.port.RelaySession. The second time there is nothing to return."""
        if self._is_closed:
            return None
        await self.abandon()
        if self._recording is None:
            return None
        return await self._host.captures.collect(self._recording.note)

    # For the node

    def tell_lost(self, detail: str) -> None:
        """The node is gone, and the session with it: there is nobody to ask to delete it."""
        self.is_lost = True
        self.tell_dead(detail)

    def tell_dead(self, detail: str) -> None:
        """No audio passes any more."""
        if self._is_dead or self._is_closed:
            return
        self._is_dead = True
        self._drop_timers()
        self._on_dead(detail)

    # Inside; all of these hold the lock

    async def _negotiate(self) -> None:
        """Say what both sides are by now. Raises RelayError where that moves a port or a key."""
        caller, callee = self._parties[Side.CALLER], self._parties[Side.CALLEE]
        offer = create_offer(caller, callee)
        offered = read_sdp((await self._request("offer", offer, SdpReply)).sdp)
        answer = create_answer(caller, offered)
        answered = read_sdp((await self._request("answer", answer, SdpReply)).sdp)
        if callee.said.crypto and answered.tag_of(callee.key) is None:
            raise RelayError("the relay changed the callee's key")
        for party, facing in ((caller, offered), (callee, answered)):
            if party.facing is not None and party.facing.address != facing.address:
                raise RelayError("the relay moved a port")
            party.facing = facing

    def _facing(self, side: Side) -> Facing:
        facing = self._parties[side].facing
        if facing is None:
            raise RelayError("the relay session is not open")
        return facing

    async def _stop_playing(self, side: Side) -> None:
        party = self._parties[side]
        playing, party.playing = party.playing, None
        if playing is None:
            return
        if playing.end is not None:
            playing.end.cancel()
        try:
            await self._command("stop media", {"from-tag": side.value})
        finally:
            await self._update_block(side.other)

    def _on_played(self, side: Side, playing: _Playing, on_end: Callable[[], None] | None) -> None:
        self._own(self._end_prompt(side, playing, on_end))

    async def _end_prompt(
        self, side: Side, playing: _Playing, on_end: Callable[[], None] | None
    ) -> None:
        """It was heard to its end: what the other side says is let through again."""
        async with self._lock:
            if self._is_closed or self._is_dead or self._parties[side].playing is not playing:
                return
            try:
                await self._stop_playing(side)
            except RelayError as error:
                log.warning("prompt.not_stopped", call_id=self.call_id, error=str(error))
        if on_end is not None and not self._is_closed:
            on_end()

    async def _update_block(self, side: Side) -> None:
        """Keep what that side says from the other, or no longer. Keys pass all the same.

        Where it is muted the other hears silence instead: there are phones that hang up when
        nothing comes.
        """
        party, other = self._parties[side], self._parties[side.other]
        is_blocked = party.is_muted or other.playing is not None
        if is_blocked is not party.is_blocked:
            command = "block media" if is_blocked else "unblock media"
            await self._command(command, {"from-tag": side.value})
            party.is_blocked = is_blocked
        is_hushed = party.is_muted and other.playing is None and other.has_spoken
        if is_hushed is not other.is_hushed:
            other.is_hushed = is_hushed
            if is_hushed:
                await self._play(side.other, self._host.hush_path, REPEAT_TIMES)
            elif other.playing is None:
                await self._command("stop media", {"from-tag": side.other.value})

    def _play(self, side: Side, path: str, times: int) -> Coroutine[Any, Any, None]:
        arguments = {"from-tag": side.value, "file": path, "repeat-times": times}
        return self._command("play media", arguments)

    async def _subscribe(self, side: Side, media: MediaDescription, to: MediaAddress) -> int:
        """Returns the port that the copy comes from."""
        offered = await self._request(
            "subscribe request",
            {
                "from-tag": side.value,
                "to-tag": _TAP_TAGS[side],
                "transport-protocol": "RTP/AVP",
                "ICE": "remove",
            },
            SdpReply,
        )
        answer = MediaDescription(to, media.codecs, media.dtmf)
        await self._command(
            "subscribe answer",
            {
                "to-tag": _TAP_TAGS[side],
                "sdp": write_sdp(answer).replace("a=sendrecv", "a=recvonly"),
                "flags": ["allow transcoding"],
            },
        )
        return read_sdp(offered.sdp).address.port

    async def _stop_listening(self, side: Side) -> None:
        party = self._parties[side]
        if party.listening is not None:
            party.listening.close()
            party.listening = None
            await self._command("unsubscribe", {"to-tag": _TAP_TAGS[side]})

    async def _turn_segment(self) -> None:
        """Go on in another file. rtpengine writes what it receives, blocked or not; each file has
        its own list of sides that are left out, so that no clock has to say when that was."""
        recording = self._recording
        if recording is not None and not recording.is_paused:
            await self._end_segment(recording)
            await self._begin_segment(recording)

    async def _begin_segment(self, recording: _Recording) -> None:
        if not recording.is_paused:
            return
        note = recording.note
        if len(note.muted) >= SEGMENTS_PER_RECORDING_MAX:
            raise RelayError("the recording was interrupted too often")
        note.muted.append([side.value for side in Side if self._parties[side].is_muted])
        try:
            await asyncio.to_thread(self._host.captures.note, note)
        except OSError as error:
            note.muted.pop()
            raise RelayError(f"the relay's directory cannot be written: {error}") from error
        await self._command(
            "start recording", {"metadata": f"{SEGMENT_PREFIX}{len(note.muted) - 1}"}
        )
        recording.is_paused = False

    async def _end_segment(self, recording: _Recording) -> None:
        if not recording.is_paused:
            await self._command("stop recording", {})
            recording.is_paused = True

    async def _delete(self) -> None:
        """rtpengine completes its files before it answers."""
        if self.is_lost:
            return
        try:
            await self._command("delete", {"from-tag": "", "delete delay": 0})
            self.is_deleted = True
        except RelayError as error:
            # One that rtpengine lost needs no deletion.
            if not self._is_dead:
                log.warning("relay.session_not_deleted", call_id=self.call_id, error=str(error))

    def _query(self) -> Coroutine[Any, Any, QueryReply]:
        return self._request("query", {}, QueryReply)

    async def _command(self, command: str, arguments: dict[str, Any]) -> None:
        await self._request(command, arguments, PlainReply)

    def _request(
        self, command: str, arguments: dict[str, Any], reply_type: type[Reply]
    ) -> Coroutine[Any, Any, Reply]:
        return self._channel.request(command, {"call-id": self._name, **arguments}, reply_type)

    # Whether it lives

    def _arm(self, delay_s: float) -> None:
        self._drop_watch()
        if not (self._is_closed or self._is_dead):
            self._watch = self._loop.call_later(delay_s, self._on_watch)

    def _drop_watch(self) -> None:
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None

    def _on_watch(self) -> None:
        self._own(self._look())

    async def _look(self) -> None:
        """Ask whether anything came, and come back when that would be too long ago."""
        try:
            call = await self._query()
        except NodeRefusedError:
            self.tell_dead("the relay has lost the session")
            return
        except RelayError:
            # Of the death of a node its own watch tells.
            self._arm(LOOK_AGAIN_S)
            return
        self._heed(call)

    def _heed(self, call: QueryReply) -> None:
        delay_s = self._silence.look_after_s(call, tuple(Side), self._loop.time())
        if delay_s is None:
            self.tell_dead(f"no packet came from either side for {self._host.dead_after_s} s")
        else:
            self._arm(delay_s)

    # How it sounds

    def _judge(self, side: Side, call: QueryReply) -> SideQuality:
        """What a side sends is told of by the other, which hears it."""
        packets = call.stream(side.value).counts.packets
        own = call.report_of(side.value)
        heard = call.report_of(side.other.value)
        round_trip_ms = None if own is None else own.average.round_trip_ms
        if heard is None:
            return SideQuality(packets, 0, 0.0, None, round_trip_ms)
        mos, codec = None, chosen_codec(self._parties[side].said)
        if codec is not None and packets >= JUDGED_PACKETS_MIN:
            mos = estimate_mos(
                codec_name=codec.name,
                loss_ratio=heard.packets_lost / (packets + heard.packets_lost),
                jitter_ms=heard.average.jitter_ms,
                round_trip_ms=round_trip_ms,
            )
        return SideQuality(packets, heard.packets_lost, heard.average.jitter_ms, mos, round_trip_ms)

    def _judge_lately(self, side: Side, call: QueryReply) -> RecentQuality | None:
        """By the last reports of both; None where the other reports nothing."""
        own, heard = call.report_of(side.value), call.report_of(side.other.value)
        if heard is None:
            return None
        codec = chosen_codec(self._parties[side].said)
        return RecentQuality(
            jitter_ms=heard.latest.jitter_ms,
            round_trip_ms=None if own is None else own.latest.round_trip_ms,
            codec_name=None if codec is None else codec.name,
        )

    # Odds and ends

    def _check_open(self) -> None:
        """What is asked for once `close` has been is refused; what was before still happens."""
        if self._is_closed or self._is_dead:
            raise RelayError("the relay session is closed")

    def _check_alive(self) -> None:
        if self._is_dead:
            raise RelayError("the relay session is dead")

    def _check_address(self, address: MediaAddress) -> None:
        if not 1 <= address.port <= _PORT_MAX:
            raise RelayError("the media port is out of range")
        local = ipaddress.IPv4Address(self._facing(Side.CALLER).address.host)
        read_remote(address.host, local)

    def _drop_timers(self) -> None:
        self._drop_watch()
        for party in self._parties.values():
            if party.playing is not None and party.playing.end is not None:
                party.playing.end.cancel()

    def _own(self, work: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
