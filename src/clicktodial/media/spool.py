"""Where the relay writes what it captures, and how captures are found again.

A capture is written below `recording/` and moved to `recorded/` when it is complete. Its file
name says whose it is: `<call id>.<start, microseconds since 1970>.<side>.rtp`, so that what a
killed process left behind can still be made a recording. A capture that was paused goes on in
files of another start.
"""

import asyncio
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import structlog

from clicktodial.control.port import Capture
from clicktodial.domain.cause import Side
from clicktodial.domain.identifier import CallId

log = structlog.get_logger()

# RTPProxy forms paths in buffers of PATH_MAX; this leaves room for any file name.
ROOT_BYTES_MAX = 2_048
# A pcap file of no packet is its header alone.
_EMPTY_CAPTURE_BYTES = 24
# Moving a finished file takes RTPProxy 0.4 ms as a rule; a disk may stall it.
_MOVE_TIMEOUT_S = 2.0
_MOVE_POLL_S = 0.001
_NAME = re.compile(r"([0-9A-Za-z_-]{1,64})\.([0-9]{1,17})\.(caller|callee)\.rtp")
_MICROSECONDS = 1_000_000


@dataclass(frozen=True, slots=True)
class CaptureName:
    """Names the two files of one capture."""

    call_id: CallId
    started_us: int

    def stem(self, side: Side) -> str:
        """The file's name without `.rtp`, which RTPProxy adds."""
        return f"{self.call_id}.{self.started_us}.{side}"

    @property
    def started_at(self) -> float:
        return self.started_us / _MICROSECONDS


def create_capture_name(call_id: CallId, started_at: float) -> CaptureName:
    """The name of a capture that starts now; `started_at` is in seconds since 1970."""
    return CaptureName(call_id, round(started_at * _MICROSECONDS))


class Spool:
    """The relay's own directory."""

    def __init__(self, root: Path) -> None:
        self.recording_dir = root / "recording"
        self.recorded_dir = root / "recorded"
        self.prompt_dir = root / "prompt"
        self._root = root

    def create(self) -> None:
        """Make the directories; ValueError where their path is too long, OSError otherwise."""
        if len(os.fsencode(self._root.absolute())) > ROOT_BYTES_MAX:
            raise ValueError(f"the spool directory's path exceeds {ROOT_BYTES_MAX} bytes")
        for directory in (self.recording_dir, self.recorded_dir, self.prompt_dir):
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)

    async def collect(self, names: Sequence[CaptureName]) -> Capture:
        """The files of a capture whose session was deleted, waiting until they are complete; of
        one that was paused there are several, in order."""
        parts = []
        for name in names:
            paths = {side: await self._collect_side(name, side) for side in Side}
            parts.append(Capture(paths[Side.CALLER], paths[Side.CALLEE], name.started_at))
        return _join(parts)

    def recover(self, live: frozenset[CallId]) -> dict[CallId, Capture]:
        """What earlier processes captured and nobody finished; leaves out the calls in `live`.

        A capture without a packet is told once, as one without files.
        """
        names: dict[CaptureName, dict[Side, str | None]] = {}
        for directory in (self.recording_dir, self.recorded_dir):
            for path in sorted(directory.iterdir()):
                match = _NAME.fullmatch(path.name)
                if match is None or match[1] in live:
                    continue
                name = CaptureName(CallId(match[1]), int(match[2]))
                names.setdefault(name, {})[Side(match[3])] = _keep_if_filled(path)
        parts: dict[CallId, list[Capture]] = {}
        for name, sides in sorted(names.items(), key=lambda item: item[0].started_us):
            part = Capture(sides.get(Side.CALLER), sides.get(Side.CALLEE), name.started_at)
            parts.setdefault(name.call_id, []).append(part)
        return {call_id: _join(captures) for call_id, captures in parts.items()}

    async def _collect_side(self, name: CaptureName, side: Side) -> str | None:
        file_name = name.stem(side) + ".rtp"
        finished = self.recorded_dir / file_name
        deadline = asyncio.get_running_loop().time() + _MOVE_TIMEOUT_S
        # RTPProxy tells nobody that it moved a file. Looking costs some microseconds.
        while not finished.exists():
            if asyncio.get_running_loop().time() >= deadline:
                log.error("capture.lost", call_id=name.call_id, side=side.value)
                return None
            await asyncio.sleep(_MOVE_POLL_S)
        return _keep_if_filled(finished)


def _join(parts: list[Capture]) -> Capture:
    """The first, continued by the others."""
    return replace(parts[0], continued=tuple(parts[1:]))


def _keep_if_filled(path: Path) -> str | None:
    if path.stat().st_size > _EMPTY_CAPTURE_BYTES:
        return str(path)
    path.unlink()
    return None
