"""A fleet of rtpengines as one relay: each session goes to the node that has the most room."""

import asyncio
import secrets
from collections.abc import Callable
from pathlib import Path

import soundfile
import structlog

from clicktodial.config import MediaSettings, parse_relay_node
from clicktodial.control.port import Capture, RelayError, RelayState
from clicktodial.domain.identifier import CallId
from clicktodial.domain.media import Codec, MediaAddress
from clicktodial.media.audio_library import AudioLibrary
from clicktodial.media.codec import carried_codecs
from clicktodial.media.g711 import SAMPLE_RATE_HZ, Pcm
from clicktodial.media.prompt import BUILT_IN, HUSH, HUSH_NAME, create_tone
from clicktodial.media.rtpengine.capture import (
    COPY_PREFIX,
    CaptureStore,
    is_safe,
    is_shared,
    replacing,
)
from clicktodial.media.rtpengine.listening import Listening
from clicktodial.media.rtpengine.node import RelayNode
from clicktodial.media.rtpengine.session import RtpengineSession
from clicktodial.media.spool import Spool

log = structlog.get_logger()

# A caller waits for the first node to be given up; it does not wait for a third.
OPEN_TRIES_MAX = 2


class RtpengineFleet:
    """Implements control.port.Relay, and SessionHost for its sessions. One a process."""

    def __init__(
        self,
        settings: MediaSettings,
        spool_dir: Path,
        shared_dir: Path,
        library: AudioLibrary | None = None,
        *,
        owner: str,
    ) -> None:
        """`shared_dir` is the `--recording-dir` of every node; `owner` tells this process's calls
        from those of others, and stays the same from one start to the next."""
        self._settings = settings
        self._library = library
        self._owner = owner
        self._shared_dir = shared_dir.absolute()
        self._codecs = carried_codecs(settings)
        self.captures = CaptureStore(self._shared_dir, Spool(spool_dir.absolute()), owner)
        self._nodes: list[RelayNode] = []

    async def start(self) -> None:
        """Make the prompts, find the nodes, and put in order what an earlier life left. Raises
        RelayError; a node that is not there is no error, and is asked again."""
        if not is_safe(self._owner):
            raise RelayError("the relay cannot name the calls of this owner")
        try:
            self.captures.create()
            for name, tone in {**BUILT_IN, HUSH_NAME: HUSH}.items():
                _write_prompt(self.captures.prompt_dir / f"{name}.wav", create_tone(tone))
            nodes = [parse_relay_node(each) for each in self._settings.rtpengine]
            self._nodes = [RelayNode(node, self) for node in nodes]
            await asyncio.gather(*(node.start() for node in self._nodes))
        except (OSError, ValueError) as error:
            await self.close()
            raise RelayError(f"the relay cannot start: {error}") from error
        up = [node for node in self._nodes if node.is_up]
        await asyncio.gather(*(node.tidy() for node in up))
        await self.captures.recover(self._live())
        if up and not is_shared(self._shared_dir):
            log.error("relay.directory_not_shared", directory=str(self._shared_dir))
        log.info("relay.started", nodes=len(self._nodes), nodes_up=len(up))

    async def close(self) -> None:
        """Delete all sessions; captures stay for `recoverable_captures` of the next start."""
        await asyncio.gather(*(node.close() for node in self._nodes))
        self._nodes.clear()
        await self.captures.close()

    # control.port.Relay

    async def open(self, call_id: CallId, on_dead: Callable[[str], None]) -> RtpengineSession:
        """See control.port.Relay. One session a call at a time."""
        if not self._nodes:
            raise RelayError("the relay is not running")
        if not self.has_room():
            raise RelayError("the relay has no room for another session")
        if call_id in self._live() or not is_safe(call_id):
            raise RelayError("the relay cannot name this session")
        candidates = sorted(
            (node for node in self._nodes if node.takes_calls), key=lambda node: node.rank
        )
        failure = RelayError("no relay takes calls")
        for node in candidates[:OPEN_TRIES_MAX]:
            try:
                return await node.open(call_id, on_dead)
            except RelayError as error:
                log.warning("relay.open_failed", node=node.name, error=str(error))
                failure = error
        raise failure

    def has_room(self) -> bool:
        """See control.port.Relay."""
        is_taken = self.session_count >= self._settings.sessions_max
        return not is_taken and any(node.takes_calls for node in self._nodes)

    @property
    def codecs(self) -> tuple[Codec, ...]:
        """See control.port.Relay."""
        return self._codecs

    @property
    def playable_codecs(self) -> tuple[Codec, ...]:
        """rtpengine plays in whatever it carries."""
        return self._codecs

    @property
    def can_transcode(self) -> bool:
        """See control.port.Relay."""
        return True

    def recoverable_captures(self) -> dict[CallId, Capture]:
        """Captures that no live session owns: what a killed process left.

        To be asked once, at start-up, before calls. A capture in which no packet came has no file
        and is told once.
        """
        return self.captures.captures(frozenset(self._live()))

    # For people, and for metrics

    def states(self) -> list[RelayState]:
        """How each node fares."""
        return [
            RelayState(node.name, node.is_up, node.takes_calls, len(node.sessions), None)
            for node in self._nodes
        ]

    def up_by_node(self) -> dict[str, int]:
        """1 for each node that answers, 0 for one that does not."""
        return {node.name: int(node.is_up) for node in self._nodes}

    @property
    def session_count(self) -> int:
        return sum(len(node.sessions) for node in self._nodes)

    def sessions_by_node(self) -> dict[str, int]:
        """How many sessions of ours each node has."""
        return {node.name: len(node.sessions) for node in self._nodes}

    # For the sessions

    @property
    def dead_after_s(self) -> int:
        return self._settings.dead_after_s

    @property
    def hush_path(self) -> str:
        """See session.SessionHost."""
        return str(self.captures.prompt_dir / f"{HUSH_NAME}.wav")

    async def find_audio(self, name: str) -> tuple[str, float]:
        """See session.SessionHost. Raises RelayError."""
        tone = BUILT_IN.get(name)
        if tone is not None:
            return str(self.captures.prompt_dir / f"{name}.wav"), tone.duration_s
        audio = None if self._library is None else self._library.find(name)
        if audio is None or self._library is None:
            raise RelayError(f"there is no audio named {name}")
        try:
            path = await asyncio.to_thread(
                _copy_audio, self._library.directory, self.captures.prompt_dir, name
            )
        except OSError as error:
            raise RelayError(f"the audio {name} cannot be read: {error}") from error
        return str(path), audio.duration_s

    async def open_tap(self, listening: Listening) -> MediaAddress:
        """See session.SessionHost. Raises RelayError."""
        loop = asyncio.get_running_loop()
        try:
            transport, _ = await loop.create_datagram_endpoint(
                lambda: listening, local_addr=(self._settings.host, 0)
            )
        except OSError as error:
            raise RelayError(f"nothing can be listened to: {error}") from error
        port = transport.get_extra_info("sockname")[1]
        return MediaAddress(self._settings.advertised_host or self._settings.host, port)

    def forget(self, session: RtpengineSession) -> None:
        """See session.SessionHost."""
        for node in self._nodes:
            node.forget(session)

    def _live(self) -> set[CallId]:
        return {call_id for node in self._nodes for call_id in node.sessions}


def _copy_audio(library: Path, prompt_dir: Path, name: str) -> Path:
    """Where rtpengine finds an audio of the library; copied when it is new there."""
    source = library / f"{name}.wav"
    target = prompt_dir / f"{COPY_PREFIX}{name}-{source.stat().st_mtime_ns}.wav"
    if not target.exists():
        try:
            pcm, _ = soundfile.read(source, dtype="int16")
        except soundfile.SoundFileError as error:
            raise OSError(str(error)) from error
        # Sessions that need it at once each write a file of their own, which becomes the one.
        copy = target.with_stem(f"{target.stem}-{secrets.token_hex(8)}")
        _write_prompt(copy, pcm)
        copy.replace(target)
    return target


def _write_prompt(path: Path, pcm: Pcm) -> None:
    """Whole or not at all. In A-law, which rtpengine begins to play in 0.25 ms: what is linear it
    looks through to the end first, which takes 3.6 ms of CPU time for a ringing tone."""
    with replacing(path) as file:
        soundfile.write(file, pcm, SAMPLE_RATE_HZ, format="WAV", subtype="ALAW")
