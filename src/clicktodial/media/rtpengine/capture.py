"""Captures of recorded sessions: where rtpengine writes, what we note of it, what comes of it.

rtpengine and this process see one directory under one path. A note per recorded session says
whose ports are whose and which side was muted in which file, so that what a killed process left
can still be taken apart.
"""

import asyncio
import contextlib
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, BinaryIO

import msgspec
import structlog

from clicktodial.control.port import Capture
from clicktodial.domain.cause import Side
from clicktodial.domain.identifier import CallId
from clicktodial.media.rtpengine.split import PCAP_DIR, SEGMENTS_MAX
from clicktodial.media.spool import CaptureName, Spool

log = structlog.get_logger()

# A day's capture takes half a minute; one that takes longer will never end.
SPLIT_TIMEOUT_S = 300.0
_CLOSE_TIMEOUT_S = 5.0
_NOTE_SUFFIX = ".json"
# Digits of a start, as in the names of the spool's files: until the year 5138.
_STARTED_US_MAX = 10**17 - 1
_NAME_CHARACTERS_MAX = 64
# Of audio of the operator's own, as opposed to the tones.
COPY_PREFIX = "library-"


class CaptureNote(msgspec.Struct):
    """What we know of a capture that rtpengine writes. `muted` has an entry for each file."""

    call_id: str
    started_us: Annotated[int, msgspec.Meta(ge=0, le=_STARTED_US_MAX)]
    ports: dict[str, int]
    muted: list[list[str]]

    @property
    def capture_name(self) -> CaptureName:
        return CaptureName(CallId(self.call_id), self.started_us)


class _Answer(msgspec.Struct, frozen=True):
    has_packets: dict[str, bool] = {}
    error: str = ""


class Splitter:
    """Runs jobs one after the other in a process of its own, started when first needed."""

    def __init__(self, timeout_s: float = SPLIT_TIMEOUT_S) -> None:
        self._timeout_s = timeout_s
        self._lock = asyncio.Lock()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def process(self) -> subprocess.Popen[bytes] | None:
        """The one that is at work, or was last."""
        return self._process

    async def run(self, job: dict[str, object]) -> dict[str, bool]:
        """Which sides have packets. Raises OSError where the job could not be done."""
        async with self._lock:
            return await self._run(job)

    async def close(self) -> None:
        """End the process, which finishes the job that it is at."""
        async with self._lock:
            process, self._process = self._process, None
            if process is not None:
                await asyncio.to_thread(_end, process)

    async def _run(self, job: dict[str, object]) -> dict[str, bool]:
        process = self._process
        if process is not None and process.poll() is not None:
            await asyncio.to_thread(_end, process)
            process = None
        if process is None:
            process = self._process = await asyncio.to_thread(_start)
        # It reads and writes within one thread, which the loop ends by ending the process.
        timer = asyncio.get_running_loop().call_later(self._timeout_s, process.kill)
        try:
            line = await asyncio.to_thread(_ask, process, msgspec.json.encode(job) + b"\n")
        finally:
            timer.cancel()
        if not line.endswith(b"\n"):
            self._process = None
            await asyncio.to_thread(_end, process)
            raise OSError("the process that takes captures apart died of one")
        answer = msgspec.json.decode(line, type=_Answer)
        if answer.error:
            raise OSError(answer.error)
        return answer.has_packets


class CaptureStore:
    """The shared directory, and the node's own spool where results go."""

    def __init__(self, directory: Path, spool: Spool, owner: str) -> None:
        self._directory = directory
        self._note_dir = directory / "clicktodial" / owner
        self.prompt_dir = self._note_dir / "prompt"
        self._spool = spool
        self._owner = owner
        self._splitter = Splitter()
        self._empty: dict[CallId, Capture] = {}

    def create(self) -> None:
        """Make the directories. Raises OSError, ValueError."""
        self._spool.create()
        # rtpengine, which may run as another user, reads prompts here.
        self.prompt_dir.mkdir(mode=0o755, parents=True, exist_ok=True)
        for path in self.prompt_dir.glob(f"{COPY_PREFIX}*"):
            path.unlink(missing_ok=True)  # of audio that may have been replaced since

    def name(self, call_id: CallId) -> str:
        """What the call is named at rtpengine, and its files by it."""
        return f"{self._owner}.{call_id}"

    def is_own(self, name: str) -> bool:
        """Whether a call of that name was opened by this node, now or in an earlier life."""
        return name.startswith(f"{self._owner}.")

    def note(self, note: CaptureNote) -> None:
        """Write down what is known by now; whole or not at all. Raises OSError."""
        if len(note.muted) > SEGMENTS_MAX:
            raise OSError("the recording was interrupted too often")
        with replacing(self._note_path(note.call_id)) as file:
            file.write(msgspec.json.encode(note))

    async def collect(self, note: CaptureNote) -> Capture | None:
        """Take apart what rtpengine wrote of a session that is closed; None where that is lost.
        What cannot be taken apart is left where it is, for the next start."""
        try:
            capture = await self._split(note)
        except OSError as error:
            log.error("capture.not_collected", call_id=note.call_id, error=str(error))
            return None
        if capture is None:
            log.error("capture.missing", call_id=note.call_id, directory=str(self._directory))
        return capture

    async def recover(self, live: Iterable[CallId]) -> None:
        """Take apart what earlier processes left, so that `captures` tells of it."""
        names = {str(call_id) for call_id in live}
        for path in sorted(self._note_dir.glob(f"*{_NOTE_SUFFIX}")):
            try:
                note = _read_note(path)
            except (OSError, ValueError, RecursionError) as error:
                log.error("capture.note_unreadable", path=str(path), error=str(error))
                continue
            if note.call_id not in names:
                capture = await self.collect(note)
                if capture is not None and capture.caller_path is capture.callee_path is None:
                    self._empty[CallId(note.call_id)] = capture

    def captures(self, live: frozenset[CallId]) -> dict[CallId, Capture]:
        """What was recovered; a capture without a packet is told once."""
        empty, self._empty = self._empty, {}
        return {**empty, **self._spool.recover(live)}

    async def close(self) -> None:
        """End the helper process."""
        await self._splitter.close()

    async def _split(self, note: CaptureNote) -> Capture | None:
        name = note.capture_name
        targets = {side: str(self._spool.recorded_dir / f"{name.stem(side)}.rtp") for side in Side}
        has_packets = await self._splitter.run(
            {
                "directory": str(self._directory),
                "name": self.name(name.call_id),
                "ports": note.ports,
                "muted": note.muted,
                "targets": {side.value: target for side, target in targets.items()},
            }
        )
        self._note_path(note.call_id).unlink(missing_ok=True)
        if not has_packets:
            return None
        found = {side: targets[side] if has_packets.get(side) else None for side in Side}
        return Capture(found[Side.CALLER], found[Side.CALLEE], name.started_at)

    def _note_path(self, call_id: str) -> Path:
        return self._note_dir / f"{call_id}{_NOTE_SUFFIX}"


def is_shared(directory: Path) -> bool:
    """Whether rtpengine writes there: it makes its folders when it starts."""
    return os.access(directory / PCAP_DIR, os.R_OK | os.W_OK | os.X_OK)


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A file that becomes `path` at the end of the block, whole or not at all. Raises OSError.

    The directory is rtpengine's as well, which could have put a link to another file of ours in
    the place of the unfinished one: what is there is removed, and not opened.
    """
    part = path.with_suffix(".part")
    part.unlink(missing_ok=True)
    with part.open("xb") as file:
        yield file
    part.replace(path)


def is_safe(name: str) -> bool:
    """It stands in file names, and in patterns that find them."""
    return name.isascii() and name.isalnum() and len(name) <= _NAME_CHARACTERS_MAX


def _read_note(path: Path) -> CaptureNote:
    """Raises ValueError for what no process of ours wrote: others write to the directory as well,
    and the call names files that we remove, and those that we write."""
    note = msgspec.json.decode(path.read_bytes(), type=CaptureNote)
    if note.call_id != path.stem or not is_safe(note.call_id):
        raise ValueError("it is of another call")
    return note


def _start() -> subprocess.Popen[bytes]:
    # By the standard library and not by the loop: uvloop lets a child inherit sockets.
    return subprocess.Popen(
        [sys.executable, "-m", "clicktodial.media.rtpengine.split"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        close_fds=True,
    )


def _ask(process: subprocess.Popen[bytes], line: bytes) -> bytes:
    assert process.stdin is not None and process.stdout is not None
    try:
        process.stdin.write(line)
        process.stdin.flush()
    except BrokenPipeError:
        return b""
    return process.stdout.readline()


def _end(process: subprocess.Popen[bytes]) -> None:
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            # What a dead process was not told any more matters to nobody.
            with contextlib.suppress(BrokenPipeError):
                pipe.close()
    try:
        process.wait(_CLOSE_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
