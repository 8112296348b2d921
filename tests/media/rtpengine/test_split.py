"""Taking captures apart, of files as rtpengine writes them and as nobody should."""

import asyncio
import json
import struct
from pathlib import Path
from typing import Any

import pytest
from tests.media.relay_contract import read_payloads

from clicktodial.media.rtpengine.capture import Splitter
from clicktodial.media.rtpengine.split import SEGMENT_PREFIX, SplitError, split_capture

CALLER_PORT, CALLEE_PORT = 30_000, 30_010
NAME = "owner.call"
RAW, ETHERNET = 101, 1
A, B, SECRET = b"\xaa" * 160, b"\xbb" * 160, b"\x77" * 160


def udp(port: int, payload: bytes, *, version: int = 4) -> bytes:
    """An IP packet of RTP to that port."""
    rtp = struct.pack(">BBHII", 0x80, 8, 1, 160, 7) + payload
    datagram = struct.pack(">HHHH", 5_000, port, 8 + len(rtp), 0) + rtp
    if version == 6:
        return struct.pack(">IHBB", 6 << 28, len(datagram), 17, 64) + bytes(32) + datagram
    size = 20 + len(datagram)
    return struct.pack(">BBHHHBBH", 0x45, 0, size, 0, 0, 64, 17, 0) + bytes(8) + datagram


def pcap(packets: list[bytes], *, link: int = RAW, cut: int = 0) -> bytes:
    data = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65_535, link)
    for number, packet in enumerate(packets):
        frame = (bytes(12) + b"\x08\x00" if link == ETHERNET else b"") + packet
        data += struct.pack("<IIII", 1_700_000_000, number, len(frame), len(frame)) + frame
    return data[: len(data) - cut]


class Directory:
    """Where rtpengine writes, and a job on it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for folder in ("pcaps", "metadata", "tmp", "out"):
            (root / folder).mkdir()
        self.targets = {side: root / "out" / f"{side}.rtp" for side in ("caller", "callee")}

    def add(self, suffix: str, data: bytes, number: int | None = None) -> None:
        """A file; one that was finished has a number in its description."""
        stem = f"{NAME}-{suffix}"
        (self.root / "pcaps" / f"{stem}.pcap").write_bytes(data)
        if number is None:
            (self.root / "tmp" / f"rtpengine-meta-{stem}.tmp").write_text("begun\n")
        else:
            text = f"x.pcap\n\nSDP mode: offer\n\nv=0\n\n\n{SEGMENT_PREFIX}{number}\n"
            (self.root / "metadata" / f"rtpengine-meta-{stem}.txt").write_text(text)

    def job(self, *muted: list[str]) -> dict[str, Any]:
        return {
            "directory": str(self.root),
            "name": NAME,
            "ports": {"caller": CALLER_PORT, "callee": CALLEE_PORT},
            "muted": list(muted),
            "targets": {side: str(target) for side, target in self.targets.items()},
        }

    def payloads(self, side: str) -> list[bytes]:
        return read_payloads(str(self.targets[side]))

    @property
    def files(self) -> list[str]:
        return sorted(path.name for path in self.root.rglob("*") if path.is_file())


@pytest.fixture
def directory(tmp_path: Path) -> Directory:
    return Directory(tmp_path)


@pytest.mark.parametrize("link", [RAW, ETHERNET])
def test_sides_are_told_by_the_port_that_they_sent_to(directory: Directory, link: int) -> None:
    packets = [udp(CALLER_PORT, A), udp(CALLEE_PORT, B), udp(CALLER_PORT + 1, SECRET)]
    directory.add("1", pcap(packets, link=link), 0)
    assert split_capture(directory.job([])) == {"caller": True, "callee": True}
    assert (directory.payloads("caller"), directory.payloads("callee")) == ([A], [B])
    assert directory.files == ["callee.rtp", "caller.rtp"]


def test_files_follow_each_other_by_their_numbers_and_leave_muted_sides_out(
    directory: Directory,
) -> None:
    both = [udp(CALLER_PORT, A), udp(CALLEE_PORT, B)]
    directory.add("c", pcap(both), 0)
    directory.add("a", pcap([udp(CALLER_PORT, SECRET), udp(CALLEE_PORT, B)]), 1)
    directory.add("b", pcap([udp(CALLER_PORT, B), udp(CALLEE_PORT, SECRET)]), 2)
    assert split_capture(directory.job([], ["caller"], ["callee"]))
    assert directory.payloads("caller") == [A, B]
    assert directory.payloads("callee") == [B, B]


def test_file_that_was_never_finished_is_the_last(directory: Directory) -> None:
    directory.add("b", pcap([udp(CALLER_PORT, A)]), 0)
    directory.add("a", pcap([udp(CALLER_PORT, SECRET), udp(CALLEE_PORT, B)]))
    split_capture(directory.job([], ["caller"]))
    assert directory.payloads("caller") == [A]
    assert directory.payloads("callee") == [B]
    assert directory.files == ["callee.rtp", "caller.rtp"]


@pytest.mark.parametrize("cut", [1, 100, 215])
def test_record_that_was_cut_off_ends_the_file(directory: Directory, cut: int) -> None:
    directory.add("1", pcap([udp(CALLER_PORT, A), udp(CALLER_PORT, B)], cut=cut))
    split_capture(directory.job([]))
    assert directory.payloads("caller") == [A]


def test_side_without_a_packet_has_no_file(directory: Directory) -> None:
    directory.add("1", pcap([udp(CALLEE_PORT, B)]), 0)
    assert split_capture(directory.job([])) == {"caller": False, "callee": True}
    assert directory.files == ["callee.rtp"]


def test_capture_of_which_there_is_no_file_says_nothing_of_either_side(
    directory: Directory,
) -> None:
    assert split_capture(directory.job([])) == {}
    assert directory.files == []


def test_file_begun_without_a_byte_is_empty(directory: Directory) -> None:
    directory.add("1", b"")
    assert split_capture(directory.job([])) == {"caller": False, "callee": False}


def test_ipv6_is_taken_apart_as_well(directory: Directory) -> None:
    directory.add("1", pcap([udp(CALLER_PORT, A, version=6)]), 0)
    split_capture(directory.job([]))
    (record,) = [directory.targets["caller"].read_bytes()[40:]]
    assert record[12:14] == b"\x86\xdd" and record.endswith(A)


@pytest.mark.parametrize(
    "data",
    [
        b"\xa1\xb2",
        b"not a capture, but text of more than twenty-four bytes",
        pcap([], link=228),
        pcap([]) + struct.pack("<IIII", 0, 0, 2**31, 2**31),
    ],
    ids=range(4),
)
def test_file_that_is_no_capture_is_refused_and_kept(directory: Directory, data: bytes) -> None:
    directory.add("1", data, 0)
    with pytest.raises(SplitError):
        split_capture(directory.job([]))
    assert f"{NAME}-1.pcap" in directory.files


@pytest.mark.parametrize("packet", [b"", b"\x45", b"\x05" * 60, b"\x4f" + bytes(20), bytes(40)])
def test_packet_that_is_none_is_left_out(directory: Directory, packet: bytes) -> None:
    directory.add("1", pcap([packet, udp(CALLER_PORT, A)]), 0)
    split_capture(directory.job([]))
    assert directory.payloads("caller") == [A]


def test_capture_of_another_call_is_left_alone(directory: Directory) -> None:
    directory.add("1", pcap([udp(CALLER_PORT, A)]), 0)
    (directory.root / "pcaps" / "owner.other-1.pcap").write_bytes(pcap([udp(CALLER_PORT, B)]))
    split_capture(directory.job([]))
    assert directory.payloads("caller") == [A]
    assert "owner.other-1.pcap" in directory.files


async def test_splitter_goes_on_after_a_job_that_failed_and_after_its_process_died(
    directory: Directory,
) -> None:
    splitter = Splitter()
    directory.add("1", b"nonsense that is long enough for a header", 0)
    with pytest.raises(OSError, match="not a capture"):
        await splitter.run(directory.job([]))
    directory.add("1", pcap([udp(CALLER_PORT, A)]), 0)
    process = splitter.process
    assert process is not None
    process.kill()
    await asyncio.to_thread(process.wait)
    results = await asyncio.gather(*(splitter.run(directory.job([])) for _ in range(3)))
    assert results == [{"caller": True, "callee": False}, {}, {}]
    await splitter.close()


async def test_splitter_that_takes_too_long_is_ended(directory: Directory) -> None:
    splitter = Splitter(timeout_s=0.0)
    directory.add("1", pcap([udp(CALLER_PORT, A)] * 1_000), 0)
    with pytest.raises(OSError, match="died"):
        await splitter.run(directory.job([]))
    await splitter.close()


def test_job_is_what_its_line_says(directory: Directory) -> None:
    directory.add("1", pcap([udp(CALLER_PORT, A)]), 0)
    assert split_capture(json.loads(json.dumps(directory.job([]))))["caller"]
