"""Makes one recording of one capture: the work of a worker process."""

import os
from pathlib import Path
from typing import BinaryIO

import msgspec
import numpy as np

from clicktodial.recordings.capture import PacketTable, read_capture
from clicktodial.recordings.check import find_silence
from clicktodial.recordings.encoded import ENCODED_SUFFIXES, EncodedWriter
from clicktodial.recordings.mixer import CHANNELS, Channel, create_decoder, mix
from clicktodial.recordings.timeline import RECORDING_SAMPLES_MAX, SAMPLE_RATE_HZ
from clicktodial.recordings.wav import WavWriter

# How far before the announced start a packet may be; the two are read off the same clock.
_START_SLACK_US = 2_000_000
_RECORDING_US_MAX = RECORDING_SAMPLES_MAX // SAMPLE_RATE_HZ * 1_000_000


class RenderJob(msgspec.Struct, frozen=True):
    """What to make: paths of the two captures, of the file, and the start (seconds since 1970).

    The file is what its suffix says: `.wav`, `.ogg` (Opus) or `.mp3`.
    """

    caller_path: str | None
    callee_path: str | None
    started_at: float | None
    target_path: str


class Rendered(msgspec.Struct, frozen=True):
    """What was made; no file was when there is no audio: `size_bytes` is 0 then.

    `findings` say what is wrong with it: a file with any is not what was talked.
    """

    size_bytes: int
    duration_ms: int
    sha256: str
    findings: tuple[str, ...] = ()


def render_recording(job: RenderJob) -> Rendered:
    """Write the recording and publish it under its path in one step, durably.

    Raises CaptureError for a capture that cannot be read, OSError for a file that cannot be.
    """
    sides = [_read_side(job.caller_path), _read_side(job.callee_path)]
    beginnings = [int(side.spoken_us.min()) for side in sides if side is not None]
    if not beginnings:
        return Rendered(0, 0, "")
    start_us = _choose_start(job.started_at, min(beginnings))
    decoder = create_decoder()
    caller, callee = (None if side is None else Channel(side, start_us, decoder) for side in sides)
    total = max(channel.end_samples for channel in (caller, callee) if channel is not None)
    if total == 0:
        return Rendered(0, 0, "")
    writer, peak = _publish((caller, callee), total, Path(job.target_path))
    duration_ms = total * 1_000 // SAMPLE_RATE_HZ
    findings = _check(caller, callee, peak)
    return Rendered(writer.size_bytes, duration_ms, writer.sha256, findings)


def _check(caller: Channel | None, callee: Channel | None, peak: int) -> tuple[str, ...]:
    found = [
        find_silence(peak),
        None if caller is None else caller.check("caller"),
        None if callee is None else callee.check("callee"),
    ]
    return tuple(finding.detail for finding in found if finding is not None)


def _read_side(path: str | None) -> PacketTable | None:
    if path is None:
        return None
    packets = read_capture(Path(path))
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
    channels: tuple[Channel | None, Channel | None], total: int, target: Path
) -> tuple[WavWriter | EncodedWriter, int]:
    """A reader sees the whole file or none, whenever the machine stops.

    Returns what wrote it, and the greatest sample of all.
    """
    peak = 0
    target.parent.mkdir(parents=True, exist_ok=True)
    # The name is the recording's, so that a later try overwrites what an interrupted one left.
    unfinished = target.with_name(f".{target.name}.part")
    with unfinished.open("w+b") as file:
        writer = _create_writer(file, target.suffix, total)
        for block in mix(channels, total):
            writer.write(block)
            peak = max(peak, int(np.abs(block.astype(np.int32)).max(initial=0)))
        writer.finish()
        file.flush()
        os.fsync(file.fileno())
    unfinished.rename(target)
    _sync_directory(target.parent)
    return writer, peak


def _create_writer(file: BinaryIO, suffix: str, total: int) -> WavWriter | EncodedWriter:
    if suffix in ENCODED_SUFFIXES:
        return EncodedWriter(
            file,
            suffix=suffix,
            sample_rate_hz=SAMPLE_RATE_HZ,
            channels=CHANNELS,
            frames=total,
        )
    return WavWriter(file, sample_rate_hz=SAMPLE_RATE_HZ, channels=CHANNELS, frames=total)


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
