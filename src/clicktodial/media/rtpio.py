"""The embedded relay: RTPProxy's engine (`rtp.io`), running as C threads in this process.

Theory of operation. One RTPProxy session is one call. Its two streams are named by two tags; a
command's first tag says which of them it means. What we ask for, in the order of a call:

    U  no address           open: the port to offer to the caller, before any SDP is known
    L  the caller's address set_remote(CALLER): where the caller hears; answers the callee's port
    P / S                   play, stop_playing
    U  the callee's address set_remote(CALLEE): joins the two, and arms the dead-media clock
    C  once a side          start_recording: one capture file for what each side sends
    D                       close

The dead-media clock is RTPProxy's own time to live: any packet of either side restarts it, and
when it runs out RTPProxy deletes the session and tells the notify socket. While phones ring
nobody sends anything, so a session is born with a time to live that outlasts any ringing and
with nobody to notify; the U of the callee's address sets the real one, in the same command. A
callee whose network sends early media therefore starts the clock before it answers.
"""

import asyncio
import ipaddress
import os
import resource
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog
from rtp.io import rtpproxy

from clicktodial.config import MediaSettings
from clicktodial.control.port import Capture, RelayError
from clicktodial.domain.cause import Side
from clicktodial.domain.identifier import CallId
from clicktodial.domain.leg import CallQuality, SideQuality
from clicktodial.domain.media import (
    OFFERED_CODECS,
    MediaAddress,
    MediaDescription,
    chosen_codec,
)
from clicktodial.domain.plan import Prompt
from clicktodial.media.audio_library import AudioLibrary
from clicktodial.media.channel import CommandChannel
from clicktodial.media.doorbell import PORTS as DOORBELL_PORTS
from clicktodial.media.doorbell import RING_SETTLE_S, Doorbell
from clicktodial.media.prompt import BUILT_IN, create_tone, write_prompt
from clicktodial.media.quality import estimate_mos
from clicktodial.media.spool import CaptureName, Spool, create_capture_name

log = structlog.get_logger()

# Longer than the two longest ringings that the settings allow (a day each) together. Only a
# session that its owner forgot ever reaches it.
SETUP_TTL_S = 3 * 86_400
# RTP and RTCP of two sides, as long as the call lasts.
PORTS_PER_SESSION = 4
# RTPProxy tries ports in an order that it shuffles as it goes, so that nobody can guess them; with
# fewer free pairs than these it may miss the last ones.
PORTS_SPARE = 16
# Those four sockets, two capture files and a prompt.
FILES_PER_SESSION = 7
# What the rest of the process may have open: HTTP, SIP, notifications, the database.
FILES_RESERVED = 1_024
# An answer that lists more is no answer to an offer of ours.
PAYLOAD_TYPES_MAX = 16
_PAYLOAD_TYPE_MAX = 127
_PORT_MAX = 65_535
_CALL_ID_CHARACTERS_MAX = 64
# Of a side's stream, by RTPProxy's analysis of its RTP headers.
_STATISTICS = "rtpa_nrcvd rtpa_nlost rtpa_javg"
_CLOCK_RATE = 8_000
# A second of speech: of less, one lost packet would be a verdict.
_JUDGED_PACKETS_MIN = 50
# Its player begins with a packet's delay and is late on a busy machine.
_PLAYER_LAG_S = 0.06
_NOTICE_BYTES_MAX = 65_536

# Tags name streams; a command whose first tag is the caller's acts towards the caller.
_TAGS = {Side.CALLER: "a b", Side.CALLEE: "b a"}


class RtpioRelay:
    """Implements control.port.Relay. One instance a process, started before it is used."""

    def __init__(
        self, settings: MediaSettings, spool_dir: Path, library: AudioLibrary | None = None
    ) -> None:
        """`library` holds what may be played besides the built-in tones."""
        self._settings = settings
        self._library = library
        self._spool = Spool(spool_dir.absolute())
        self._sessions: dict[CallId, RtpioSession] = {}
        self._sessions_max = 0
        self._proxy: Any = None
        self._channel: CommandChannel | None = None
        self._doorbell: Doorbell | None = None
        self._notify_socket: socket.socket | None = None
        self._notice_rest = b""
        self._prompt_dir_fd = -1
        self._library_dir_fd = -1
        self._local = ipaddress.IPv4Address(0)

    async def start(self) -> None:
        """Make the prompts and start RTPProxy's threads. Raises RelayError."""
        if self._proxy is not None:
            raise RelayError("the relay is started already")
        try:
            # The engine binds IPv4 literals only here: a name could mean another address later.
            local = self._local = ipaddress.IPv4Address(self._settings.host)
            self._spool.create()
            for name, tone in BUILT_IN.items():
                write_prompt(self._spool.prompt_dir, name, create_tone(tone))
            # Its protocol has no quoting, so the path of a prompt must never hold a blank.
            self._prompt_dir_fd = os.open(self._spool.prompt_dir, os.O_PATH | os.O_DIRECTORY)
            if self._library is not None:
                self._library.directory.mkdir(parents=True, exist_ok=True)
                self._library_dir_fd = os.open(self._library.directory, os.O_PATH | os.O_DIRECTORY)
        except (OSError, ValueError) as error:
            raise RelayError(f"the relay cannot start: {error}") from error
        self._sessions_max = _capacity(self._settings)
        # Without its optional modules, one of which would write a CSV line a call into whatever
        # directory the process was started in.
        self._proxy = rtpproxy(modules=[], extra_args=self._create_arguments())
        if self._proxy is None:
            raise RelayError("the relay cannot start with these settings")
        self._channel = CommandChannel(self._proxy.rtpp_sock)
        notify_socket: socket.socket = self._proxy.rtpp_nsock
        notify_socket.setblocking(False)
        self._notify_socket = notify_socket
        asyncio.get_running_loop().add_reader(notify_socket.fileno(), self._on_notice)
        self._doorbell = Doorbell("127.0.0.1" if local.is_unspecified else str(local))
        await self._doorbell.install(self._channel)
        log.info("relay.started", sessions_max=self._sessions_max)

    async def close(self) -> None:
        """Delete all sessions and end the threads; captures stay for `recoverable_captures`."""
        if self._proxy is None or self._channel is None or self._notify_socket is None:
            return
        loop = asyncio.get_running_loop()
        if self._doorbell is not None:
            self._doorbell.close()
            self._doorbell = None
        try:
            await self._channel.request("X")
        except RelayError as error:
            log.warning("relay.close_failed", error=str(error))
        self._channel.close()
        loop.remove_reader(self._notify_socket.fileno())
        sockets = (self._proxy.rtpp_sock, self._notify_socket)
        self._notify_socket = None
        self._sessions.clear()
        last_reference, self._proxy = [self._proxy], None
        # Its destructor joins the threads, which takes most of a second.
        await asyncio.to_thread(last_reference.clear)
        for each in sockets:
            each.close()
        os.close(self._prompt_dir_fd)

    async def open(self, call_id: CallId, on_dead: Callable[[str], None]) -> "RtpioSession":
        """See control.port.Relay. One session a call at a time."""
        if self._proxy is None or self._channel is None:
            raise RelayError("the relay is not running")
        if not self.has_room():
            raise RelayError("the relay has no room for another session")
        if call_id in self._sessions or not _is_safe_call_id(call_id):
            raise RelayError("the relay cannot name this session")
        host = self._settings.advertised_host or self._settings.host
        session = RtpioSession(self, self._channel, call_id, host, on_dead)
        self._sessions[call_id] = session
        try:
            await session.create()
        except (RelayError, asyncio.CancelledError):
            # Refused, late or given up: RTPProxy may have made it all the same.
            self._channel_delete(call_id)
            self.forget(session)
            raise
        return session

    def has_room(self) -> bool:
        """See control.port.Relay."""
        usable = self._channel is not None and self._channel.is_usable
        return usable and len(self._sessions) < self._sessions_max

    def recoverable_captures(self) -> dict[CallId, Capture]:
        """Captures in the spool that no live session owns: what a killed process left.

        To be asked once, at start-up, before calls; later it would tell captures whose
        recording is being made. A capture in which no packet came has no file and is told once.
        """
        return self._spool.recover(frozenset(self._sessions))

    # For the sessions

    async def free_ports(self) -> None:
        """Make RTPProxy close the sockets of sessions that are deleted already."""
        if self._doorbell is not None:
            self._doorbell.ring()
            await asyncio.sleep(RING_SETTLE_S)

    def create_timing(self, call_id: CallId) -> str:
        """What a U command ends with to arm the dead-media clock."""
        spec = self._proxy.rtpp_nsock_spec
        return f"{spec} {call_id} && S ttl={self._settings.dead_after_s}"

    def find_audio(self, name: str) -> tuple[str, float]:
        """A path without blanks, as this process's threads see it, and how long it plays in
        seconds. Raises RelayError."""
        tone = BUILT_IN.get(name)
        if tone is not None:
            return f"/proc/self/fd/{self._prompt_dir_fd}/{name}", tone.duration_s
        audio = None if self._library is None else self._library.find(name)
        if audio is None:
            raise RelayError(f"there is no audio named {name}")
        return f"/proc/self/fd/{self._library_dir_fd}/{name}", audio.duration_s

    def accepts_remote(self, address: ipaddress.IPv4Address) -> bool:
        """Whether audio may be sent there."""
        return is_sendable(address, self._local)

    @property
    def spool(self) -> Spool:
        return self._spool

    @property
    def dead_after_s(self) -> int:
        return self._settings.dead_after_s

    def forget(self, session: "RtpioSession") -> None:
        """The session is gone; its place may be taken."""
        if self._sessions.get(session.call_id) is session:
            del self._sessions[session.call_id]
            if self._doorbell is not None:
                self._doorbell.schedule()

    def _channel_delete(self, call_id: CallId) -> None:
        if self._channel is None:
            return
        try:
            deletion = self._channel.request(f"D {call_id} {_TAGS[Side.CALLEE]}")
        except RelayError:
            return  # without a channel there is no session either
        # Nobody waits for it, and "no such session" is as good an answer.
        deletion.add_done_callback(lambda done: done.cancelled() or done.exception())

    def _create_arguments(self) -> list[str]:
        settings = self._settings
        return [
            *("-F", "-d", "err", "--no_resolve"),
            *("-l", settings.host, "-m", str(settings.port_min), "-M", str(settings.port_max)),
            *("-T", str(SETUP_TTL_S), "-W", str(SETUP_TTL_S)),
            # Captures in pcap form, RTP alone: nothing of ours reads recorded RTCP.
            *("-P", "-R"),
            *("-r", str(self._spool.recorded_dir), "-S", str(self._spool.recording_dir)),
        ]

    def _on_notice(self) -> None:
        if self._notify_socket is None:
            return
        try:
            data = self._notify_socket.recv(_NOTICE_BYTES_MAX)
        except (BlockingIOError, InterruptedError):
            return
        if not data:
            asyncio.get_running_loop().remove_reader(self._notify_socket.fileno())
            log.error("relay.notices_lost")
            return
        *notices, self._notice_rest = (self._notice_rest + data).split(b"\n")
        for notice in notices:
            session = self._sessions.get(CallId(notice.decode("ascii", "replace")))
            if session is not None:
                session.on_timeout()


@dataclass(slots=True)
class _Playing:
    """A prompt that plays to a side; `end` is armed for one that does not repeat."""

    end: asyncio.TimerHandle | None = None

    def cancel(self) -> None:
        if self.end is not None:
            self.end.cancel()


class RtpioSession:
    """Implements control.port.RelaySession."""

    def __init__(
        self,
        relay: RtpioRelay,
        channel: CommandChannel,
        call_id: CallId,
        host: str,
        on_dead: Callable[[str], None],
    ) -> None:
        self.call_id = call_id
        self._relay = relay
        self._channel = channel
        self._host = host
        self._on_dead = on_dead
        self._caller_port = 0
        self._callee_port = 0
        self._media: dict[Side, MediaDescription] = {}
        self._playing: dict[Side, _Playing] = {}
        self._capture_name: CaptureName | None = None
        self._is_dead = False
        self._is_closed = False

    async def create(self) -> None:
        """Make RTPProxy's session; what it says is the caller's port."""
        self._caller_port = await self._allocate("U", "0 0 b")

    async def local_address(self, side: Side) -> MediaAddress:
        """See control.port.RelaySession."""
        if side is Side.CALLER:
            return MediaAddress(self._host, self._caller_port)
        if self._callee_port == 0:
            # Asked before the caller's address is known, or while it is on its way.
            self._callee_port = await self._allocate("L", "0 0 b a")
        return MediaAddress(self._host, self._callee_port)

    async def set_remote(self, side: Side, media: MediaDescription) -> None:
        """See control.port.RelaySession. Refuses names, and addresses that are nobody's."""
        address = self._check_remote(media.address)
        modifier = _payload_types(media)
        is_first = side not in self._media
        self._media[side] = media
        if side is Side.CALLER:
            self._callee_port = await self._allocate(f"L{modifier}", f"{address} b a")
            return
        timing = self._relay.create_timing(self.call_id)
        # A prompt would drown what the callee says, so its end is asked for first.
        stopped = self._stop_playing(Side.CALLER) if is_first else None
        joined = self._request(f"U{modifier}", f"{address} b a {timing}")
        *_, reply = await asyncio.gather(*([joined] if stopped is None else [stopped, joined]))
        _read_port(reply)

    async def play(
        self, side: Side, prompt: Prompt, on_end: Callable[[], None] | None = None
    ) -> None:
        """See control.port.RelaySession. Plays in the codec that the side chose."""
        path, audio_s = self._relay.find_audio(prompt.audio)
        media = self._media.get(side)
        codec = None if media is None else chosen_codec(media)
        # Only a payload type that stands for its codec by itself can be played.
        offered = next((each for each in OFFERED_CODECS if codec and each.name == codec.name), None)
        if offered is None:
            raise RelayError(f"the {side} has no codec to play a prompt in")
        stopped = self._stop_playing(side)
        arguments = f"{path} {offered.payload_type} {_TAGS[side]}"
        started = self._request("P-1" if prompt.repeats else "P1", arguments)
        playing = self._playing[side] = _Playing()
        await asyncio.gather(*([started] if stopped is None else [stopped, started]))
        if not prompt.repeats and self._playing.get(side) is playing:
            # RTPProxy does not tell when it has come to the end; it plays in real time.
            loop = asyncio.get_running_loop()
            duration_s = audio_s + _PLAYER_LAG_S
            playing.end = loop.call_later(duration_s, self._on_played, side, on_end)

    async def stop_playing(self, side: Side) -> None:
        """See control.port.RelaySession."""
        stopped = self._stop_playing(side)
        if stopped is not None:
            await stopped

    async def start_recording(self) -> None:
        """See control.port.RelaySession. A second call changes nothing."""
        if self._capture_name is not None:
            return
        name = create_capture_name(self.call_id, time.time())
        replies = [
            self._request("C", f"{name.stem(side)} {_TAGS[side]}")
            for side in (Side.CALLER, Side.CALLEE)
        ]
        self._capture_name = name
        await asyncio.gather(*replies)

    async def quality(self) -> CallQuality:
        """See control.port.RelaySession."""
        caller, callee = await asyncio.gather(
            *(self._request("Q", f"{_TAGS[side]} {_STATISTICS}") for side in Side)
        )
        return CallQuality(
            caller=self._read_quality(Side.CALLER, caller),
            callee=self._read_quality(Side.CALLEE, callee),
        )

    async def close(self) -> Capture | None:
        """See control.port.RelaySession. The second time there is nothing to return."""
        if self._is_closed:
            return None
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
        if self._capture_name is None:
            return None
        return await self._relay.spool.collect(self._capture_name)

    def _silence(self, side: Side) -> None:
        """Stop a prompt without waiting: commands are carried out in the order given."""
        try:
            stopped = self._stop_playing(side)
        except RelayError as error:
            log.warning("relay.prompt_not_stopped", call_id=self.call_id, error=str(error))
            return
        if stopped is not None:
            stopped.add_done_callback(_take_note)

    def on_timeout(self) -> None:
        """RTPProxy deleted the session because nothing came from either side."""
        if self._is_dead or self._is_closed:
            return
        self._is_dead = True
        self._on_dead(f"no packet came from either side for {self._relay.dead_after_s} s")

    async def _allocate(self, command: str, arguments: str) -> int:
        """Run a command that binds ports where it has none yet; returns the port."""
        try:
            return _read_port(await self._request(command, arguments))
        except RelayError:
            if self._is_closed or self._is_dead:
                raise
            await self._relay.free_ports()
            return _read_port(await self._request(command, arguments))

    def _stop_playing(self, side: Side) -> asyncio.Future[str] | None:
        playing = self._playing.pop(side, None)
        if playing is None:
            return None
        playing.cancel()
        return self._request("S", _TAGS[side])

    def _on_played(self, side: Side, on_end: Callable[[], None] | None) -> None:
        # Whatever is left of it would still drown what the other side says.
        stopped = self._stop_playing(side)
        if stopped is not None:
            stopped.add_done_callback(lambda done: self._on_stopped(done, on_end))

    def _on_stopped(self, stopped: asyncio.Future[str], on_end: Callable[[], None] | None) -> None:
        if stopped.cancelled() or self._is_closed:
            return
        fault = stopped.exception()
        if fault is not None:
            log.warning("prompt.not_stopped", call_id=self.call_id, error=str(fault))
        if on_end is not None:
            on_end()

    def _request(self, command: str, arguments: str) -> asyncio.Future[str]:
        if self._is_closed:
            raise RelayError("the relay session is closed")
        return self._channel.request(f"{command} {self.call_id} {arguments}")

    def _read_quality(self, side: Side, reply: str) -> SideQuality:
        try:
            received, lost, jitter = (float(field) for field in reply.split())
        except ValueError as error:
            raise RelayError("the relay's statistics cannot be read") from error
        media = self._media.get(side)
        codec = None if media is None else chosen_codec(media)
        # The engine counts jitter in the codec's samples.
        jitter_ms = jitter * 1000 / (codec.clock_rate if codec else _CLOCK_RATE)
        mos = None
        if codec is not None and received >= _JUDGED_PACKETS_MIN:
            loss_ratio = lost / (received + lost)
            mos = estimate_mos(codec_name=codec.name, loss_ratio=loss_ratio, jitter_ms=jitter_ms)
        return SideQuality(int(received), int(lost), jitter_ms, mos)

    def _check_remote(self, address: MediaAddress) -> str:
        if not 1 <= address.port <= _PORT_MAX:
            raise RelayError("the media port is out of range")
        try:
            host = ipaddress.IPv4Address(address.host)
        except ValueError as error:
            raise RelayError("the media address is not an IPv4 address") from error
        if not self._relay.accepts_remote(host):
            raise RelayError("the media address cannot be sent to")
        return f"{host} {address.port}"


def is_sendable(remote: ipaddress.IPv4Address, local: ipaddress.IPv4Address) -> bool:
    """Whether a relay at `local` may send audio to `remote`, which a peer's SDP names.

    A relay on a public address must not be made to talk to services of its own machine.
    """
    if remote.is_unspecified or remote.is_multicast or remote.is_reserved:
        return False
    return not remote.is_loopback or local.is_loopback or local.is_unspecified


def _payload_types(media: MediaDescription) -> str:
    """The modifier that lists them, such as `c8,101`; empty for none."""
    codecs = media.codecs if media.dtmf is None else (*media.codecs, media.dtmf)
    numbers = [codec.payload_type for codec in codecs]
    if len(numbers) > PAYLOAD_TYPES_MAX or any(not 0 <= n <= _PAYLOAD_TYPE_MAX for n in numbers):
        raise RelayError("the payload types are out of range")
    return "c" + ",".join(map(str, numbers)) if numbers else ""


def _read_port(reply: str) -> int:
    """The port of `PORT` or `PORT ADDRESS`; 0 is RTPProxy's word for no such session."""
    word = reply.split(" ", 1)[0]
    if not word.isdecimal() or not 1 <= int(word) <= _PORT_MAX:
        raise RelayError("the relay has no such session")
    return int(word)


def _is_safe_call_id(call_id: CallId) -> bool:
    """It stands in commands and in file names."""
    return call_id.isascii() and call_id.isalnum() and len(call_id) <= _CALL_ID_CHARACTERS_MAX


def _capacity(settings: MediaSettings) -> int:
    """How many sessions the settings, the port range and the open-files limit allow."""
    # Ports go in pairs that begin with an even one.
    first = settings.port_min + settings.port_min % 2
    ports = (settings.port_max - first + 1) // 2 * 2 - DOORBELL_PORTS - PORTS_SPARE
    by_ports = max(1, ports // PORTS_PER_SESSION)
    needed = FILES_RESERVED + settings.sessions_max * FILES_PER_SESSION
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    limit = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
    if soft != resource.RLIM_INFINITY and soft < limit:
        # The usual soft limit, 1024, is for programs that use select().
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
    by_files = max(1, (limit - FILES_RESERVED) // FILES_PER_SESSION)
    capacity = min(settings.sessions_max, by_ports, by_files)
    if capacity < settings.sessions_max:
        log.warning(
            "relay.sessions_limited",
            sessions_max=capacity,
            wanted=settings.sessions_max,
            by_ports=by_ports,
            by_files=by_files,
        )
    return capacity


def _take_note(stopped: "asyncio.Future[str]") -> None:
    """The session is deleted next, whatever became of its prompt."""
    if not stopped.cancelled() and stopped.exception() is not None:
        log.info("relay.prompt_not_stopped", error=str(stopped.exception()))
