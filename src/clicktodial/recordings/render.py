"""Makes one recording of one capture: the work of a worker process."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import msgspec

from clicktodial.control.port import Capture
from clicktodial.recordings.capture import TICK_HZ, PacketTable, read_captures
from clicktodial.recordings.check import Meter, find_silence
from clicktodial.recordings.encoded import ENCODED_SUFFIXES, EncodedWriter
from clicktodial.recordings.mixer import CHANNELS, Channel, Samples, Scale, mix
from clicktodial.recordings.timeline import RECORDING_SAMPLES_MAX
from clicktodial.recordings.wav import WAV_BYTES_MAX, WavWriter, wav_bytes

# How far before the announced start a packet may be; the two are read off the same clock.
_START_SLACK_US = 2_000_000
_RECORDING_US_MAX = RECORDING_SAMPLES_MAX // TICK_HZ * 1_000_000


class RenderJob(msgspec.Struct, frozen=True):
    """What to make: paths of the two captures, of the file, and the start (seconds since 1970).

    The file is what its suffix says: `.wav`, `.ogg` (Opus) or `.mp3`. A capture may be continued
    in other files.
    """

    caller_path: str | None
    callee_path: str | None
    started_at: float | None
    target_path: str
    caller_continued: tuple[str, ...] = ()
    callee_continued: tuple[str, ...] = ()

    @classmethod
    def of(cls, capture: Capture, target_path: str) -> "RenderJob":
        """Make that file of the capture."""
        caller, callee = capture.caller_paths, capture.callee_paths
        return cls(
            caller_path=caller[0] if caller else None,
            callee_path=callee[0] if callee else None,
            started_at=capture.started_at,
            target_path=target_path,
            caller_continued=caller[1:],
            callee_continued=callee[1:],
        )


class Rendered(msgspec.Struct, frozen=True):
    """What was made; no file was when there is no audio: `size_bytes` is 0 then.

    `findings` say what is wrong with it: a file with any is not what was talked. `*_silence_s` is
    for how long a side said nothing.
    """

    size_bytes: int
    duration_ms: int
    sha256: str
    findings: tuple[str, ...] = ()
    caller_silence_s: int = 0
    callee_silence_s: int = 0


def render_recording(job: RenderJob) -> Rendered:
    """Write the recording and publish it under its path in one step, durably.

    Raises CaptureError for a capture that cannot be read, OSError for a file that cannot be.
    """
    sides = [
        _read_side(job.caller_path, job.caller_continued),
        _read_side(job.callee_path, job.callee_continued),
    ]
    beginnings = [int(side.spoken_us.min()) for side in sides if side is not None]
    if not beginnings:
        return Rendered(0, 0, "")
    start_us = _choose_start(job.started_at, min(beginnings))
    caller, callee = (None if side is None else Channel(side, start_us) for side in sides)
    total = max(channel.end_ticks for channel in (caller, callee) if channel is not None)
    if total == 0:
        return Rendered(0, 0, "")
    scale = _choose_scale(sides, total)
    writer, meters = _publish(mix((caller, callee), total, scale), total, scale, job.target_path)
    return Rendered(
        size_bytes=writer.size_bytes,
        duration_ms=total * 1_000 // TICK_HZ,
        sha256=writer.sha256,
        findings=_check(caller, callee, max(meter.peak for meter in meters)),
        caller_silence_s=round(meters[0].silence_s),
        callee_silence_s=round(meters[1].silence_s),
    )


def _choose_scale(sides: list[PacketTable | None], total: int) -> Scale:
    """Wideband where a side spoke so, and where such a file may be so long."""
    is_wideband = any(side is not None and side.is_wideband for side in sides)
    return 2 if is_wideband and wav_bytes(2 * total, CHANNELS) <= WAV_BYTES_MAX else 1


def _check(caller: Channel | None, callee: Channel | None, peak: int) -> tuple[str, ...]:
    found = [
        find_silence(peak),
        None if caller is None else caller.check("caller"),
        None if callee is None else callee.check("callee"),
    ]
    return tuple(finding.detail for finding in found if finding is not None)


def _read_side(path: str | None, continued: tuple[str, ...]) -> PacketTable | None:
    paths = [Path(each) for each in (path, *continued) if each is not None]
    if not paths:
        return None
    packets = read_captures(paths)
    return packets if len(packets) else None


def _choose_start(started_at: float | None, earliest_us: int) -> int:
    """The announced start, unless a clock was set in between and it makes no sense."""
    if started_at is None:
        return earliest_us
    start_us = round(started_at * 1_000_000)
    if -_START_SLACK_US <= earliest_us - start_us <= _RECORDING_US_MAX:
        return start_us
    return earliest_us


def _publish(
    blocks: Iterator[Samples], total: int, scale: Scale, path: str
) -> tuple[WavWriter | EncodedWriter, tuple[Meter, Meter]]:
    """A reader sees the whole file or none, whenever the machine stops.

    Returns what wrote it, and what was measured of the sides.
    """
    target = Path(path)
    meters = Meter(scale), Meter(scale)
    target.parent.mkdir(parents=True, exist_ok=True)
    # The name is the recording's, so that a later try overwrites what an interrupted one left.
    unfinished = target.with_name(f".{target.name}.part")
    with unfinished.open("w+b") as file:
        writer = _create_writer(file, target.suffix, total, scale)
        for block in blocks:
            writer.write(block)
            for channel, meter in enumerate(meters):
                meter.receive(block[:, channel])
        writer.finish()
        file.flush()
        os.fsync(file.fileno())
    unfinished.rename(target)
    _sync_directory(target.parent)
    return writer, meters


def _create_writer(
    file: BinaryIO, suffix: str, total: int, scale: Scale
) -> WavWriter | EncodedWriter:
    rate_hz, frames = TICK_HZ * scale, total * scale
    if suffix in ENCODED_SUFFIXES:
        return EncodedWriter(
            file, suffix=suffix, sample_rate_hz=rate_hz, channels=CHANNELS, frames=frames
        )
    return WavWriter(file, sample_rate_hz=rate_hz, channels=CHANNELS, frames=frames)


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
