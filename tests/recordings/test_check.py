"""Recordings that are not what was talked are found out."""

from pathlib import Path

import numpy as np
import pytest
from tests.recordings.synthetic import START_US, Network, Packet, Sender, write_capture

from clicktodial.recordings.capture import read_capture
from clicktodial.recordings.check import OFF_SAMPLES_MAX, find_desynchronisation
from clicktodial.recordings.mixer import create_decoder
from clicktodial.recordings.render import RenderJob, render_recording
from clicktodial.recordings.timeline import Placement, place_packets

SILENCE = b"\xd5" * 160  # A-law's zero


def silent_packets(seconds: int) -> list[Packet]:
    return [
        Packet(START_US + (index + 1) * 20_000, index, index * 160, SILENCE)
        for index in range(seconds * 50)
    ]


def findings_of(directory: Path, caller: list[Packet], callee: list[Packet]) -> tuple[str, ...]:
    job = RenderJob(
        write_capture(directory / "caller.rtp", caller),
        write_capture(directory / "callee.rtp", callee),
        START_US / 1e6,
        str(directory / "recording.wav"),
    )
    return render_recording(job).findings


def test_two_sides_of_silence_are_told(tmp_path: Path) -> None:
    [finding] = findings_of(tmp_path, silent_packets(5), silent_packets(5))
    assert "silence" in finding


def test_one_side_of_silence_is_a_conversation(tmp_path: Path) -> None:
    speaking = Sender(5).create_packets(Network())
    assert findings_of(tmp_path, silent_packets(5), speaking) == ()


@pytest.mark.parametrize(
    "network",
    [Network(), Network(jitter_s=0.06, loss=0.3, reordered=0.05), Network(delay_s=0.4)],
    ids=["good", "bad", "far"],
)
def test_sides_over_any_network_are_found_in_place(tmp_path: Path, network: Network) -> None:
    caller = Sender(60, skew_ppm=100).create_packets(network)
    callee = Sender(60, skew_ppm=-100, ssrc=9).create_packets(Network())
    assert findings_of(tmp_path, caller, callee) == ()


@pytest.mark.parametrize("moved", [-OFF_SAMPLES_MAX - 400, OFF_SAMPLES_MAX + 400])
def test_side_that_was_put_elsewhere_is_told(tmp_path: Path, moved: int) -> None:
    path = Path(write_capture(tmp_path / "a.rtp", Sender(60).create_packets(Network())))
    packets = read_capture(path)
    placement = place_packets(packets, START_US, create_decoder())
    assert find_desynchronisation("caller", packets, placement, START_US) is None
    wrong = Placement(placement.row, placement.position + moved)
    finding = find_desynchronisation("caller", packets, wrong, START_US)
    assert finding is not None
    assert "caller" in finding.detail


def test_side_without_packets_is_not_out_of_place(tmp_path: Path) -> None:
    packets = read_capture(Path(write_capture(tmp_path / "a.rtp", silent_packets(1))))
    nothing = Placement(np.zeros(0, np.int64), np.zeros(0, np.int64))
    assert find_desynchronisation("callee", packets, nothing, START_US) is None
