"""The picture of a recording."""

import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

from clicktodial.sandbox.drawing.waveform import Audio, Channel, draw_waveform

SVG = "{http://www.w3.org/2000/svg}"
CHANNELS = (Channel("Caller", "8613912345673", "melody 345673"), Channel("Callee", "861"))


def loud_then_silent(seconds: float = 4.0) -> Audio:
    count = int(seconds * 8000)
    samples = np.zeros((count, 2), np.float32)
    samples[: count // 2, 0] = np.sin(np.arange(count // 2) / 3)
    samples[count // 2 :, 1] = 0.5 * np.sin(np.arange(count - count // 2) / 3)
    return samples


def read(svg: str) -> tuple[list[str], dict[str, str]]:
    """All texts, and the traces by class."""
    root = ElementTree.fromstring(svg)
    assert root.tag == f"{SVG}svg"
    texts = ["".join(node.itertext()) for node in root.iter(f"{SVG}text")]
    return texts, {path.get("class", ""): path.get("d", "") for path in root.iter(f"{SVG}path")}


def bar_heights(trace: str) -> list[float]:
    return [float(bar.split("v")[1].split("h")[0]) for bar in trace.split("M")[1:]]


def test_picture_names_both_channels_and_the_time() -> None:
    texts, _ = read(draw_waveform(loud_then_silent(), 8000, CHANNELS, "A call"))
    assert {"A call", "Caller", "Callee", "8613912345673", "melody 345673"} <= set(texts)
    assert "4.00 s · 2 channels · 8000 Hz" in texts
    assert {"0 s", "2 s", "4 s"} <= set(texts)


def test_each_channel_is_drawn_where_it_is_loud() -> None:
    _, traces = read(draw_waveform(loud_then_silent(), 8000, CHANNELS, "A call"))
    caller, callee = bar_heights(traces["caller"]), bar_heights(traces["callee"])
    half = len(caller) // 2
    assert min(caller[: half - 2]) > 50 > 2 > max(caller[half + 2 :])
    assert min(callee[half + 2 :]) > 30 > 2 > max(callee[: half - 2])
    # Both are drawn to one scale.
    assert max(caller) == pytest.approx(2 * max(callee), rel=0.1)


@pytest.mark.parametrize("seconds", [0.0, 0.01, 1.0, 3600.0])
def test_audio_of_any_length_is_one_bounded_picture(seconds: float) -> None:
    samples = np.zeros((int(seconds * 8000), 2), np.float32)
    svg = draw_waveform(samples, 8000, CHANNELS, "A call")
    read(svg)
    assert len(svg) < 60_000


def test_labels_are_escaped_and_shortened() -> None:
    nasty = '<script>&"\x00\x1b' + "x" * 1000
    svg = draw_waveform(loud_then_silent(), 8000, (Channel(nasty, nasty), CHANNELS[1]), nasty)
    texts, _ = read(svg)
    assert "<script" not in svg
    assert max(len(label) for label in texts) < 60


@pytest.mark.parametrize("shape", [(100,), (100, 1), (100, 3)])
def test_audio_of_other_shape_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="two channels"):
        draw_waveform(np.zeros(shape, np.float32), 8000, CHANNELS, "A call")
