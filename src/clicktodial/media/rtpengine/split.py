"""A process that takes captures of rtpengine apart: `python -m clicktodial.media.rtpengine.split`.

rtpengine writes what both sides send into one pcap file, RTCP included, and begins another each
time that recording is started. What comes of it is a pcap file per side with RTP alone. Jobs come
as lines of JSON on standard input, answers go to standard output. A capture is read a packet at a
time, so that an hour's takes no more memory than a second's.
"""

import json
import os
import re
import struct
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

# What rtpengine is told to write at the end of each file's description.
SEGMENT_PREFIX = "clicktodial-segment-"
PCAP_DIR, METADATA_DIR, UNFINISHED_DIR = "pcaps", "metadata", "tmp"
# A side that is on hold and off again every second would not come to so many in an hour.
SEGMENTS_MAX = 10_000
_SEGMENT = re.compile(rf"^{SEGMENT_PREFIX}([0-9]{{1,5}})$", re.MULTILINE)
# The last lines of a description, which repeats every SDP before them.
_DESCRIPTION_END_BYTES = 4_096
_FILE_HEADER = struct.Struct("<IHHiIII")
_RECORD_HEADER = struct.Struct("<IIII")
_MAGIC = 0xA1B2C3D4
_RECORD_BYTES_MAX = 65_535 + 14
# Link types of the pcap registry, with the bytes before the IP header.
_ETHERNET, _RAW = 1, 101
_LINK_BYTES = {_ETHERNET: 14, _RAW: 0}
_ETHER_TYPES = {4: b"\x08\x00", 6: b"\x86\xdd"}
_NO_MACS = bytes(12)
_IPV6_HEADER_BYTES = 40
_UDP_HEADER_BYTES = 8


class SplitError(Exception):
    """The capture cannot be read."""


def split_capture(job: dict[str, Any]) -> dict[str, bool]:
    """Write each side's packets to its target; returns which sides have any, or nothing where
    rtpengine wrote nothing.

    `directory` and `name` say where rtpengine wrote what; `ports` where each side sent to;
    `muted` which sides each segment leaves out; `targets` where the result goes. Once that is
    complete, what rtpengine wrote is removed. Raises SplitError and OSError.
    """
    directory = Path(job["directory"])
    found = find_segments(directory, job["name"], len(job["muted"]))
    if not found:
        return {}
    sides = {port: side for side, port in job["ports"].items()}
    parts = {side: Path(target + ".part") for side, target in job["targets"].items()}
    files = {side: part.open("wb") for side, part in parts.items()}
    has_packets = dict.fromkeys(files, False)
    try:
        for file in files.values():
            file.write(_FILE_HEADER.pack(_MAGIC, 2, 4, 0, 0, 65_535, _ETHERNET))
        for number, path in found:
            for port, record in read_packets(path):
                side = sides.get(port)
                if side is not None and side not in job["muted"][number]:
                    files[side].write(record)
                    has_packets[side] = True
    finally:
        for file in files.values():
            file.close()
    for side, part in parts.items():
        if has_packets[side]:
            part.replace(job["targets"][side])
        else:
            part.unlink()
    _remove(directory, job["name"])
    return has_packets


def find_segments(directory: Path, name: str, count: int) -> list[tuple[int, Path]]:
    """The files of one capture in the order in which they were begun, with their numbers.

    One that was never finished has no number in its description, and can only be the last.
    """
    found = []
    for path in (directory / PCAP_DIR).glob(f"{name}-*.pcap"):
        description = directory / METADATA_DIR / f"rtpengine-meta-{path.stem}.txt"
        found.append((min(_read_number(description, count - 1), count - 1), path))
    return sorted(found)


def read_packets(path: Path) -> Iterator[tuple[int, bytes]]:
    """The UDP packets of a pcap file: the port that each was sent to, and its whole record as
    Ethernet has it. A record that was cut off ends the file. Raises SplitError."""
    with path.open("rb") as file:
        header = file.read(_FILE_HEADER.size)
        if not header:
            return  # begun, and nothing flushed yet
        if len(header) < _FILE_HEADER.size:
            raise SplitError("a capture that is cut off")
        magic, *_, link_type = _FILE_HEADER.unpack(header)
        if magic != _MAGIC or link_type not in _LINK_BYTES:
            raise SplitError("not a capture of rtpengine's")
        skipped = _LINK_BYTES[link_type]
        while record := _read_record(file):
            seconds, microseconds, data = record
            packet = data[skipped:]
            port = _destination_port(packet)
            if port is not None:
                frame = _NO_MACS + _ETHER_TYPES[packet[0] >> 4] + packet
                size = len(frame)
                yield port, _RECORD_HEADER.pack(seconds, microseconds, size, size) + frame


def _read_record(file: BinaryIO) -> tuple[int, int, bytes] | None:
    header = file.read(_RECORD_HEADER.size)
    if len(header) < _RECORD_HEADER.size:
        return None
    seconds, microseconds, length, _ = _RECORD_HEADER.unpack(header)
    if length > _RECORD_BYTES_MAX:
        raise SplitError(f"a record of {length} bytes")
    data = file.read(length)
    return (seconds, microseconds, data) if len(data) == length else None


def _destination_port(packet: bytes) -> int | None:
    """Of the UDP that rtpengine feigns around what it received; None for anything else."""
    if not packet or packet[0] >> 4 not in _ETHER_TYPES:
        return None
    start = 4 * (packet[0] & 0x0F) if packet[0] >> 4 == 4 else _IPV6_HEADER_BYTES
    if len(packet) < start + _UDP_HEADER_BYTES:
        return None
    return int.from_bytes(packet[start + 2 : start + 4], "big")


def _read_number(description: Path, unknown: int) -> int:
    try:
        with description.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - _DESCRIPTION_END_BYTES))
            numbers = _SEGMENT.findall(file.read().decode("utf-8", "replace"))
    except FileNotFoundError:
        return unknown
    return int(numbers[-1]) if numbers else unknown


def _remove(directory: Path, name: str) -> None:
    for folder, pattern in (
        (METADATA_DIR, f"rtpengine-meta-{name}-*.txt"),
        (UNFINISHED_DIR, f"rtpengine-meta-{name}-*.tmp"),
        (PCAP_DIR, f"{name}-*.pcap"),
    ):
        for path in (directory / folder).glob(pattern):
            path.unlink(missing_ok=True)


def main() -> None:
    """Answer jobs until standard input ends."""
    for line in sys.stdin:
        try:
            answer: dict[str, Any] = {"has_packets": split_capture(json.loads(line))}
        except (SplitError, OSError) as error:
            answer = {"error": str(error)}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
