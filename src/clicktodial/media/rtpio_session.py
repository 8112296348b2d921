"""One call in the embedded relay: what is asked of RTPProxy, and in which order.

Theory of operation. A command's first tag names the stream that is meant: what comes from that
side, or for P and S what goes to it. Commands are carried out in the order given; whatever takes
several of them that belong together holds `_turn` meanwhile.

What a side hears. RTPProxy plays one prompt to a side, and as long as it does it drops what the
other side sends, before anybody hears, records or taps it. That is how a side is muted: the other
is played silence, `hush`, while it hears no prompt. In a codec that cannot be played, hush is a
file of a payload type that RTPProxy cannot play either: it drops all the same, and sends nothing.

What is captured. RTPProxy writes what a stream's packets hold, on a packet thread that uses the
capture without holding on to it; told to end it (N) in that moment, it would use freed memory. So
a recording is paused in steps: hush both sides; wait until the packet thread has passed a packet
of the doorbell, behind which nothing undropped can be; N; let them be heard again. The parties miss
some milliseconds. Resumed, the capture goes on in another file.

Who is listened to. A second session of RTPProxy's is given a copy of the packets (the subcommand C
of a U), and sends them to a socket of ours: see `media.rtpio_tap`.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from clicktodial.control.port import Capture, Heard, RelayError
from clicktodial.domain.cause import Side
from clicktodial.domain.identifier import CallId
from clicktodial.domain.leg import CallQuality, RecentQuality, SideQuality
from clicktodial.domain.media import MediaAddress, MediaDescription, SrtpKey, chosen_codec
from clicktodial.domain.plan import Prompt
from clicktodial.domain.quality import JUDGED_PACKETS_MIN, estimate_mos
from clicktodial.media.channel import CommandChannel
from clicktodial.media.prompt import PLAYABLE_CODECS
from clicktodial.media.rtpio_screen import Screen
from clicktodial.media.rtpio_tap import RtpioTap
from clicktodial.media.spool import CaptureName, create_capture_name

if TYPE_CHECKING:
    from clicktodial.media.rtpio import RtpioRelay

log = structlog.get_logger()

# An answer that lists more is no answer to an offer of ours.
PAYLOAD_TYPES_MAX = 16
# A capture is a file a side. Nobody says so many card numbers in one call.
CAPTURES_MAX = 100
_PAYLOAD_TYPE_MAX = 127
_PORT_MAX = 65_535
# Of a side's stream, by RTPProxy's analysis of its RTP headers.
_STATISTICS = "rtpa_nrcvd rtpa_nlost rtpa_javg"
_CLOCK_RATE = 8_000
# Its player begins with a packet's delay and is late on a busy machine.
_PLAYER_LAG_S = 0.06
# Once the player is through, a muted side would be heard: it is stopped a packet before.
_PLAYER_LEAD_S = 0.02

# Tags name streams; a command whose first tag is the caller's acts towards the caller.
TAGS = {Side.CALLER: "a b", Side.CALLEE: "b a"}


@dataclass(slots=True)
class _Playing:
    """What plays to a side: a prompt, or hush. `end` is armed for a prompt that does not repeat."""

    is_hush: bool = False
    end: asyncio.TimerHandle | None = None
    on_end: Callable[[], None] | None = None

    def cancel(self) -> None:
        if self.end is not None:
            self.end.cancel()


class RtpioSession:
    """Implements control.port.RelaySession."""

    def __init__(
        self,
        relay: "RtpioRelay",
        channel: CommandChannel,
        screen: Screen,
        call_id: CallId,
        host: str,
        on_dead: Callable[[str], None],
    ) -> None:
        self.call_id = call_id
        self._relay = relay
        self._channel = channel
        self._screen = screen
        self._host = host
        self._on_dead = on_dead
        self._caller_port = 0
        self._callee_port = 0
        self._screened: list[tuple[int, int]] = []
        self._media: dict[Side, MediaDescription] = {}
        self._told: dict[Side, SideQuality] = {}
        self._playing: dict[Side, _Playing] = {}
        self._muted: set[Side] = set()
        self._is_hushed = False
        self._turn = asyncio.Lock()
        self._taps: dict[Side, RtpioTap] = {}
        self._captures: list[CaptureName] = []
        self._is_paused = False
        self._is_patient = False
        self._is_dead = False
        self._is_closed = False

    async def create(self) -> None:
        """Make RTPProxy's session; what it says is the caller's port."""
        self._caller_port = await self._open_pair("U", "0 0 b")

    async def local_address(self, side: Side) -> MediaAddress:
        """See control.port.RelaySession."""
        if side is Side.CALLER:
            return MediaAddress(self._host, self._caller_port)
        if self._callee_port == 0:
            # Asked before the caller's address is known, or while it is on its way.
            self._callee_port = await self._open_pair("L", "0 0 b a")
        return MediaAddress(self._host, self._callee_port)

    async def local_crypto(self, side: Side) -> tuple[SrtpKey, ...]:
        """See control.port.RelaySession. RTPProxy knows no keys of SDP."""
        return ()

    async def set_remote(self, side: Side, media: MediaDescription) -> None:
        """See control.port.RelaySession. Refuses names, addresses that are nobody's, and SRTP."""
        if media.crypto:
            raise RelayError("the relay knows no SRTP")
        address = self._check_remote(media.address)
        modifier = _payload_types(media)
        is_first = side not in self._media
        self._media[side] = media
        if side in self._taps:
            self._taps[side].change_media(media)
        if side is Side.CALLER:
            self._callee_port = await self._open_pair(f"L{modifier}", f"{address} b a")
            return
        # A prompt would drown what the callee says, so its end is asked for first.
        stopped = self._stop_prompt(Side.CALLER) if is_first else []
        joined = self._request(f"U{modifier}", f"{address} b a {self._timing}")
        *_, reply = await asyncio.gather(*stopped, joined)
        read_port(reply)

    async def play(
        self, side: Side, prompt: Prompt, on_end: Callable[[], None] | None = None
    ) -> None:
        """See control.port.RelaySession. Plays in the codec that the side chose."""
        path, audio_s = self._relay.find_audio(prompt.audio)
        payload_type = self._playable_type(side)
        if payload_type is None:
            raise RelayError(f"the {side} has no codec to play a prompt in")
        async with self._turn:
            playing = _Playing(on_end=on_end)
            command = "P-1" if prompt.repeats else "P1"
            replies = self._start_playing(side, playing, command, path, payload_type)
            try:
                await asyncio.gather(*replies)
            except RelayError:
                # Without it the other side would be heard again, muted or not.
                if self._playing.get(side) is playing:
                    del self._playing[side]
                    await asyncio.gather(*self._hush_or_not(side))
                raise
            if not prompt.repeats and self._playing.get(side) is playing:
                # RTPProxy does not tell when it has come to the end; it plays in real time.
                loop = asyncio.get_running_loop()
                playing.end = loop.call_later(audio_s + _PLAYER_LAG_S, self._on_played, side)
                if side.other in self._muted:
                    self._hurry(side)

    async def stop_playing(self, side: Side) -> None:
        """See control.port.RelaySession."""
        async with self._turn:
            await asyncio.gather(*self._stop_prompt(side))

    async def listen(
        self, side: Side, on_heard: Callable[[Heard], None], *, judges_answer: bool
    ) -> None:
        """See control.port.RelaySession. Who listened before, to that side, does so no longer.

        While something plays to the other side, or this one is muted, nothing is heard of it."""
        media = self._media.get(side)
        if media is None:
            raise RelayError(f"nothing is known of the {side}'s audio")
        self._check_open()
        await self.stop_listening(side)
        name = f"{self.call_id}.{side}"
        tap = await self._relay.open_tap(name, f"{self.call_id} {TAGS[side]}")
        if self._is_closed:
            tap.close()
            raise RelayError("the relay session is closed")
        self._taps[side] = tap
        other = side.other
        # What is played there comes by in the place of what this side says.
        tap.start(media, on_heard, lambda: other in self._playing, judges_answer=judges_answer)

    async def stop_listening(self, side: Side) -> None:
        """See control.port.RelaySession."""
        tap = self._taps.pop(side, None)
        if tap is not None:
            tap.close()
            await tap.wait_closed()

    async def set_muted(self, side: Side, *, muted: bool) -> None:
        """See control.port.RelaySession."""
        async with self._turn:
            self._check_open()
            if muted and side not in self._muted:
                self._muted.add(side)
                self._hurry(side.other)
            elif not muted:
                self._muted.discard(side)
            await asyncio.gather(*self._hush_or_not(side.other))

    async def set_patient(self, *, patient: bool) -> None:
        """See control.port.RelaySession."""
        self._check_open()
        was_patient, self._is_patient = self._is_patient, patient
        if was_patient != patient and Side.CALLEE in self._media:
            read_port(await self._request("U", f"0 0 b a {self._timing}"))

    async def start_recording(self) -> None:
        """See control.port.RelaySession. A second call changes nothing."""
        if not self._captures:
            await self._start_capture()

    async def pause_recording(self) -> None:
        """See control.port.RelaySession. A prompt that plays once is cut short by it."""
        async with self._turn:
            self._check_open()
            if not self._captures:
                raise RelayError("nothing is recorded")
            if self._is_paused:
                return
            try:
                self._is_hushed = True
                await asyncio.gather(*(each for side in Side for each in self._hush_or_not(side)))
                await self._relay.pass_packets()
                await asyncio.gather(*(self._request("N", TAGS[side]) for side in Side))
                self._is_paused = True
            finally:
                self._is_hushed = False
                if not self._is_closed:
                    heard = (each for side in Side for each in self._hush_or_not(side))
                    await asyncio.gather(*heard)

    async def resume_recording(self) -> None:
        """See control.port.RelaySession."""
        async with self._turn:
            if self._is_paused:
                self._check_open()
                await self._start_capture()
                self._is_paused = False

    async def quality(self) -> CallQuality:
        """See control.port.RelaySession."""
        of_caller = self._request("Q", f"{TAGS[Side.CALLER]} {_STATISTICS}")
        of_callee = self._request("Q", f"{TAGS[Side.CALLEE]} {_STATISTICS}")
        # Where the first fails nobody waits for the second.
        of_callee.add_done_callback(_look_at)
        caller, caller_recent = self._read_quality(Side.CALLER, await of_caller)
        callee, callee_recent = self._read_quality(Side.CALLEE, await of_callee)
        return CallQuality(caller, callee, caller_recent, callee_recent)

    async def close(self) -> Capture | None:
        """See control.port.RelaySession. The second time there is nothing to return."""
        if self._is_closed:
            return None
        self.close_taps()
        # Before the deletion: RTPProxy's player holds its table while it holds a session, and where
        # that was the last to hold it, it waits for the table, and with it everything, for ever.
        for side in list(self._playing):
            self._silence(side)
        try:
            deletion = self._request("D", "b a")
            deletion.add_done_callback(lambda _: self._relay.forget(self))
            self._is_closed = True
            await deletion
        except RelayError as error:
            self._is_closed = True
            self._relay.forget(self)
            # A session that timed out was deleted by RTPProxy already.
            if not self._is_dead:
                log.warning("relay.session_not_deleted", call_id=self.call_id, error=str(error))
        if not self._captures:
            return None
        return await self._relay.spool.collect(self._captures)

    def forget_ports(self) -> None:
        """RTPProxy's session is gone, or will be in a moment."""
        while self._screened:
            self._screen.forget(self._screened.pop())

    def close_taps(self) -> None:
        """Listen to nobody."""
        for tap in self._taps.values():
            tap.close()
        self._taps.clear()

    def on_timeout(self) -> None:
        """RTPProxy deleted the session because nothing came from either side."""
        if self._is_dead or self._is_closed:
            return
        self._is_dead = True
        self._on_dead(f"no packet came from either side for {self._relay.dead_after_s} s")

    @property
    def _timing(self) -> str:
        """What a U command ends with, for the dead-media clock."""
        return self._relay.create_timing(self.call_id, is_patient=self._is_patient)

    # Recording

    async def _start_capture(self) -> None:
        if len(self._captures) >= CAPTURES_MAX:
            raise RelayError("the recording was paused too often")
        name = create_capture_name(self.call_id, time.time())
        replies = [self._request("C", f"{name.stem(side)} {TAGS[side]}") for side in Side]
        self._captures.append(name)
        await asyncio.gather(*replies)

    # Playing

    def _start_playing(
        self, side: Side, playing: _Playing, command: str, path: str, payload_type: int
    ) -> list[asyncio.Future[str]]:
        """In place of what plays there; what is returned is to be awaited."""
        stopped = self._stop_playing(side)
        started = self._request(command, f"{path} {payload_type} {TAGS[side]}")
        self._playing[side] = playing
        return [*stopped, started]

    def _stop_playing(self, side: Side) -> list[asyncio.Future[str]]:
        playing = self._playing.pop(side, None)
        if playing is None:
            return []
        playing.cancel()
        return [self._request("S", TAGS[side])]

    def _stop_prompt(self, side: Side) -> list[asyncio.Future[str]]:
        """What the side hears next is the other, or hush."""
        playing = self._playing.get(side)
        if playing is None or playing.is_hush:
            return []
        return [*self._stop_playing(side), *self._hush_or_not(side)]

    def _hush_or_not(self, side: Side) -> list[asyncio.Future[str]]:
        """Play hush to that side where the other must not be heard, and no prompt keeps it from
        being heard; stop it where the other may."""
        playing = self._playing.get(side)
        is_due = self._is_hushed or side.other in self._muted
        if playing is not None and not playing.is_hush:
            # Only a prompt that repeats drops the other's packets for as long as it is to.
            if playing.end is None or not self._is_hushed:
                return []
            if playing.on_end is not None:
                asyncio.get_running_loop().call_soon(playing.on_end)
        elif is_due == (playing is not None):
            return []
        if not is_due:
            return self._stop_playing(side)
        path, payload_type = self._relay.find_hush(self._playable_type(side))
        return self._start_playing(side, _Playing(is_hush=True), "P-1", path, payload_type)

    def _hurry(self, side: Side) -> None:
        """Let the prompt end a little before the player does, after which the other is heard."""
        playing = self._playing.get(side)
        if playing is None or playing.end is None:
            return
        loop = asyncio.get_running_loop()
        due = max(loop.time(), playing.end.when() - _PLAYER_LAG_S - _PLAYER_LEAD_S)
        playing.end.cancel()
        playing.end = loop.call_at(due, self._on_played, side)

    def _playable_type(self, side: Side) -> int | None:
        """The payload type to play to that side in; None where its codec cannot be played."""
        media = self._media.get(side)
        codec = None if media is None else chosen_codec(media)
        if codec is None:
            return None
        # Only a payload type that stands for its codec by itself can be played.
        types = {each.name: each.payload_type for each in PLAYABLE_CODECS}
        return types.get(codec.name)

    def _on_played(self, side: Side) -> None:
        on_end = self._playing[side].on_end
        # Whatever is left of it would still drown what the other side says.
        try:
            replies = self._stop_prompt(side)
        except RelayError as error:
            log.warning("prompt.not_stopped", call_id=self.call_id, error=str(error))
            return
        replies[-1].add_done_callback(lambda done: self._on_stopped(done, on_end))
        for reply in replies[:-1]:
            reply.add_done_callback(_take_note)

    def _on_stopped(self, stopped: asyncio.Future[str], on_end: Callable[[], None] | None) -> None:
        if stopped.cancelled() or self._is_closed:
            return
        fault = stopped.exception()
        if fault is not None:
            log.warning("prompt.not_stopped", call_id=self.call_id, error=str(fault))
        if on_end is not None:
            on_end()

    def _silence(self, side: Side) -> None:
        """Stop what plays without waiting: commands are carried out in the order given."""
        try:
            stopped = self._stop_playing(side)
        except RelayError as error:
            log.warning("relay.prompt_not_stopped", call_id=self.call_id, error=str(error))
            return
        for each in stopped:
            each.add_done_callback(_take_note)

    # Commands

    async def _open_pair(self, command: str, arguments: str) -> int:
        """Run a command that binds a pair of ports where there is none yet, and let nothing cross
        them that tells of a party; returns the first."""
        if command.startswith("L") and self._callee_port:
            return await self._allocate(command, arguments)
        with self._screen.asking():
            port = await self._allocate(command, arguments)
            # Closed meanwhile, it has no sockets any more.
            self._check_open()
            # Somebody may have asked for the same pair at the same time.
            if port != self._callee_port:
                self._screened.append(self._screen.screen(port))
        return port

    async def _allocate(self, command: str, arguments: str) -> int:
        """Run a command that binds ports where it has none yet; returns the port."""
        try:
            return read_port(await self._request(command, arguments))
        except RelayError:
            if self._is_closed or self._is_dead:
                raise
            await self._relay.free_ports()
            return read_port(await self._request(command, arguments))

    def _request(self, command: str, arguments: str) -> asyncio.Future[str]:
        self._check_open()
        return self._channel.request(f"{command} {self.call_id} {arguments}")

    def _check_open(self) -> None:
        if self._is_closed:
            raise RelayError("the relay session is closed")
        if self._is_dead:
            # RTPProxy would take a U for the wish of a new session.
            raise RelayError("the relay session died for want of packets")

    def _read_quality(self, side: Side, reply: str) -> tuple[SideQuality, RecentQuality]:
        try:
            received, lost, jitter = (float(field) for field in reply.split())
        except ValueError as error:
            raise RelayError("the relay's statistics cannot be read") from error
        media = self._media.get(side)
        codec = None if media is None else chosen_codec(media)
        # The engine counts jitter in the codec's samples.
        jitter_ms = jitter * 1000 / (codec.clock_rate if codec else _CLOCK_RATE)
        mos = None
        if codec is not None and received >= JUDGED_PACKETS_MIN:
            loss_ratio = lost / (received + lost)
            mos = estimate_mos(codec_name=codec.name, loss_ratio=loss_ratio, jitter_ms=jitter_ms)
        whole = SideQuality(int(received), int(lost), jitter_ms, mos)
        # Of two averages over all that came, what came between has this one.
        before = self._told.get(side)
        self._told[side] = whole
        came = whole.packets - (before.packets if before else 0)
        if before is not None and came > 0:
            total_ms = jitter_ms * whole.packets - before.jitter_ms * before.packets
            jitter_ms = max(0.0, total_ms / came)
        return whole, RecentQuality(jitter_ms, codec_name=codec.name if codec else None)

    def _check_remote(self, address: MediaAddress) -> str:
        if not 1 <= address.port <= _PORT_MAX:
            raise RelayError("the media port is out of range")
        return f"{self._relay.read_remote(address.host)} {address.port}"


def _payload_types(media: MediaDescription) -> str:
    """The modifier that lists them, such as `c8,101`; empty for none."""
    codecs = media.codecs if media.dtmf is None else (*media.codecs, media.dtmf)
    numbers = [codec.payload_type for codec in codecs]
    if not numbers:
        return ""
    if len(numbers) > PAYLOAD_TYPES_MAX or min(numbers) < 0 or max(numbers) > _PAYLOAD_TYPE_MAX:
        raise RelayError("the payload types are out of range")
    return "c" + ",".join(map(str, numbers))


def read_port(reply: str) -> int:
    """The port of `PORT` or `PORT ADDRESS`; 0 is RTPProxy's word for no such session."""
    word = reply.split(" ", 1)[0]
    if not word.isdecimal() or not 1 <= int(word) <= _PORT_MAX:
        raise RelayError("the relay has no such session")
    return int(word)


def _look_at(reply: "asyncio.Future[str]") -> None:
    """So that asyncio does not tell of a failure that nobody asks for."""
    if not reply.cancelled():
        reply.exception()


def _take_note(stopped: "asyncio.Future[str]") -> None:
    """What comes next does not depend on what became of the prompt."""
    if not stopped.cancelled() and stopped.exception() is not None:
        log.info("relay.prompt_not_stopped", error=str(stopped.exception()))
