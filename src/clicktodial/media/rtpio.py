"""The embedded relay: RTPProxy's engine (`rtp.io`), running as C threads in this process.

Theory of operation. One RTPProxy session is one call. Its two streams are named by two tags; a
command's first tag says which of them it means. What we ask for, in the order of a call:

    U  no address           open: the port to offer to the caller, before any SDP is known
    L  the caller's address set_remote(CALLER): where the caller hears; answers the callee's port
    P / S                   play, stop_playing
    U  the callee's address set_remote(CALLEE): joins the two, and arms the dead-media clock
    C  once a side          start_recording: one capture file for what each side sends
    D                       close

What a session does more, muting, pausing, listening, is told in `media.rtpio_session`; what keeps
RTCP and the like from crossing, in `media.rtpio_screen`.

The dead-media clock is RTPProxy's own time to live: any packet of either side restarts it, and
when it runs out RTPProxy deletes the session and tells the notify socket. While phones ring
nobody sends anything, so a session is born with a time to live that outlasts any ringing and
with nobody to notify; the U of the callee's address sets the real one, in the same command, unless
the session is to be patient. A callee whose network sends early media therefore starts the clock
before it answers, where its owner does not ask for patience until then.
"""

import asyncio
import ipaddress
import os
import resource
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import structlog
from rtp.io import rtpproxy

from clicktodial.config import MediaSettings
from clicktodial.control.port import Capture, RelayError, RelayState
from clicktodial.domain.cause import Side
from clicktodial.domain.identifier import CallId
from clicktodial.domain.media import Codec
from clicktodial.media.audio_library import AudioLibrary
from clicktodial.media.channel import CommandChannel
from clicktodial.media.codec import carried_codecs
from clicktodial.media.doorbell import PORTS as DOORBELL_PORTS
from clicktodial.media.doorbell import RING_SETTLE_S, Doorbell
from clicktodial.media.prompt import (
    BUILT_IN,
    HUSH,
    HUSH_NAME,
    PLAYABLE_CODECS,
    create_tone,
    write_prompt,
)
from clicktodial.media.remote import read_remote
from clicktodial.media.rtpio_screen import Screen
from clicktodial.media.rtpio_session import TAGS, RtpioSession
from clicktodial.media.rtpio_tap import RtpioTap
from clicktodial.media.spool import Spool

log = structlog.get_logger()

# Longer than the two longest ringings that the settings allow (a day each) together. Only a
# session that its owner forgot ever reaches it.
SETUP_TTL_S = 3 * 86_400
# RTP and RTCP of two sides, as long as the call lasts.
PORTS_PER_SESSION = 4
# RTPProxy tries ports in an order that it shuffles as it goes, so that nobody can guess them; with
# fewer free pairs than these it may miss the last ones.
PORTS_SPARE = 16
# Those four sockets, two capture files and a prompt; listening to a side takes no more.
FILES_PER_SESSION = 7
# What the rest of the process may have open: HTTP, SIP, notifications, the database.
FILES_RESERVED = 1_024
_CALL_ID_CHARACTERS_MAX = 64
_NOTICE_BYTES_MAX = 65_536
# Hosts of media are few where carriers have gateways; with more they are judged anew.
REMOTES_REMEMBERED_MAX = 1_024
# RTPProxy can play nothing of that payload type, and is silent instead.
_UNPLAYABLE_TYPE = 127


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
        self._places_max = 0
        self._tap_count = 0
        self._proxy: Any = None
        self._channel: CommandChannel | None = None
        self._doorbell: Doorbell | None = None
        self._screen: Screen | None = None
        self._notify_socket: socket.socket | None = None
        self._notice_rest = b""
        self._prompt_dir_fd = -1
        self._library_dir_fd = -1
        self._local = ipaddress.IPv4Address(0)
        self._remotes: dict[str, str] = {}

    async def start(self) -> None:
        """Make the prompts and start RTPProxy's threads. Raises RelayError."""
        if self._proxy is not None:
            raise RelayError("the relay is started already")
        try:
            # The engine binds IPv4 literals only here: a name could mean another address later.
            self._local = ipaddress.IPv4Address(self._settings.host)
            self._spool.create()
            self._write_prompts()
            # Its protocol has no quoting, so the path of a prompt must never hold a blank.
            self._prompt_dir_fd = os.open(self._spool.prompt_dir, os.O_PATH | os.O_DIRECTORY)
            if self._library is not None:
                self._library.directory.mkdir(parents=True, exist_ok=True)
                self._library_dir_fd = os.open(self._library.directory, os.O_PATH | os.O_DIRECTORY)
        except (OSError, ValueError) as error:
            raise RelayError(f"the relay cannot start: {error}") from error
        if self._library is not None:
            faults = await asyncio.to_thread(self._library.complete)
            for name, fault in faults.items():
                log.error("audio.not_converted", name=name, error=str(fault))
        screen = Screen(str(self._local))
        self._places_max = _capacity(self._settings)
        self._sessions_max = min(self._settings.sessions_max, self._places_max)
        # Without its optional modules, one of which would write a CSV line a call into whatever
        # directory the process was started in.
        self._proxy = rtpproxy(modules=[], extra_args=self._create_arguments())
        if self._proxy is None:
            screen.close()
            raise RelayError("the relay cannot start with these settings")
        self._screen = screen
        self._channel = CommandChannel(self._proxy.rtpp_sock)
        notify_socket: socket.socket = self._proxy.rtpp_nsock
        notify_socket.setblocking(False)
        self._notify_socket = notify_socket
        asyncio.get_running_loop().add_reader(notify_socket.fileno(), self._on_notice)
        self._doorbell = Doorbell(self._own_host)
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
        if self._screen is not None:
            self._screen.close()
            self._screen = None
        try:
            await self._channel.request("X")
        except RelayError as error:
            log.warning("relay.close_failed", error=str(error))
        self._channel.close()
        loop.remove_reader(self._notify_socket.fileno())
        sockets = (self._proxy.rtpp_sock, self._notify_socket)
        self._notify_socket = None
        for session in self._sessions.values():
            session.close_taps()
        self._sessions.clear()
        last_reference, self._proxy = [self._proxy], None
        # Its destructor joins the threads, which takes most of a second.
        await asyncio.to_thread(last_reference.clear)
        for each in sockets:
            each.close()
        os.close(self._prompt_dir_fd)
        if self._library is not None:
            os.close(self._library_dir_fd)

    async def open(self, call_id: CallId, on_dead: Callable[[str], None]) -> "RtpioSession":
        """See control.port.Relay. One session a call at a time."""
        if self._proxy is None or self._channel is None or self._screen is None:
            raise RelayError("the relay is not running")
        if not self.has_room():
            raise RelayError("the relay has no room for another session")
        if call_id in self._sessions or not _is_safe_call_id(call_id):
            raise RelayError("the relay cannot name this session")
        host = self._settings.advertised_host or self._settings.host
        session = RtpioSession(self, self._channel, self._screen, call_id, host, on_dead)
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
        return usable and len(self._sessions) < self._sessions_max and self._has_place()

    @property
    def codecs(self) -> tuple[Codec, ...]:
        """See control.port.Relay."""
        return carried_codecs(self._settings)

    @property
    def playable_codecs(self) -> tuple[Codec, ...]:
        """See control.port.Relay."""
        return tuple(codec for codec in self.codecs if codec in PLAYABLE_CODECS)

    @property
    def can_transcode(self) -> bool:
        """See control.port.Relay."""
        return False

    def states(self) -> list[RelayState]:
        """How it fares, for people."""
        is_up = self._channel is not None and self._channel.is_usable
        count, most = len(self._sessions), self._sessions_max
        return [RelayState("embedded", is_up, self.has_room(), count, most)]

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

    async def pass_packets(self) -> None:
        """Return when whatever packet was being relayed is done with. Raises RelayError."""
        if self._doorbell is None or self._channel is None:
            raise RelayError("the relay is not running")
        await self._doorbell.answer(self._channel)

    async def open_tap(self, name: str, source: str) -> RtpioTap:
        """A session of that name that hears what `source`, a call and its tags, hears first.
        Raises RelayError."""
        if self._channel is None or not self._has_place():
            raise RelayError("the relay has no room to listen")
        tap = RtpioTap(self._channel, name, self._own_host, self._on_tap_closed)
        self._tap_count += 1
        try:
            tap.bind()
            try:
                await tap.open(source)
            except RelayError:
                await self.free_ports()
                await tap.open(source)
        except (RelayError, asyncio.CancelledError):
            tap.close()
            raise
        return tap

    def create_timing(self, call_id: CallId, *, is_patient: bool) -> str:
        """What a U command ends with to arm the dead-media clock, or to stop it."""
        if is_patient:
            return f"&& S ttl={SETUP_TTL_S}"
        spec = self._proxy.rtpp_nsock_spec
        return f"{spec} {call_id} && S ttl={self._settings.dead_after_s}"

    def find_hush(self, payload_type: int | None) -> tuple[str, int]:
        """Silence to play in that payload type, or in one that sends nothing where it is None."""
        chosen = _UNPLAYABLE_TYPE if payload_type is None else payload_type
        return f"/proc/self/fd/{self._prompt_dir_fd}/{HUSH_NAME}", chosen

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

    def read_remote(self, host: str) -> str:
        """The address as RTPProxy is told it. Raises RelayError where nothing may be sent."""
        known = self._remotes.get(host)
        if known is None:
            known = str(read_remote(host, self._local))
            if len(self._remotes) >= REMOTES_REMEMBERED_MAX:
                self._remotes.clear()
            self._remotes[host] = known
        return known

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
            session.forget_ports()
            if self._doorbell is not None:
                self._doorbell.schedule()

    @property
    def _own_host(self) -> str:
        """Where this machine reaches the relay's ports."""
        return "127.0.0.1" if self._local.is_unspecified else str(self._local)

    def _has_place(self) -> bool:
        """Whether there are ports and files for one more session, or somebody to listen."""
        return len(self._sessions) + self._tap_count < self._places_max

    def _on_tap_closed(self) -> None:
        self._tap_count -= 1
        if self._doorbell is not None:
            self._doorbell.schedule()

    def _write_prompts(self) -> None:
        for name, tone in BUILT_IN.items():
            write_prompt(self._spool.prompt_dir, name, create_tone(tone))
        write_prompt(self._spool.prompt_dir, HUSH_NAME, create_tone(HUSH))
        (self._spool.prompt_dir / f"{HUSH_NAME}.{_UNPLAYABLE_TYPE}").write_bytes(b"")

    def _channel_delete(self, call_id: CallId) -> None:
        if self._channel is None:
            return
        try:
            deletion = self._channel.request(f"D {call_id} {TAGS[Side.CALLEE]}")
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


def _is_safe_call_id(call_id: CallId) -> bool:
    """It stands in commands and in file names."""
    return call_id.isascii() and call_id.isalnum() and len(call_id) <= _CALL_ID_CHARACTERS_MAX


def _capacity(settings: MediaSettings) -> int:
    """How many sessions, or listeners in their place, the port range and the open-files limit
    allow; the settings may allow fewer sessions."""
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
    return min(by_ports, by_files)
