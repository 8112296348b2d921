"""A picture of a two-channel recording: the caller above, the callee below."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from clicktodial.sandbox.drawing.axis import format_time, time_marks
from clicktodial.sandbox.drawing.svg import document, element, text

_WIDTH = 1120.0
_LEFT = 176.0
_RIGHT = 28.0
_TOP = 84.0
_LANE = 150.0
_GAP = 16.0
_BOTTOM = 52.0
# One bar of 2 pixels and a gap of 1: finer than the eye wants, coarser than a sample.
_BAR_STEP = 3.0
_BAR_WIDTH = 2.0
# Quiet audio is drawn larger, up to this; noise is not blown up to look like speech.
_GAIN_MAX = 8.0
_LANE_FILL = 0.88

Audio = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Channel:
    """What is written beside a channel: who, which number, and one remark."""

    name: str
    number: str
    remark: str = ""


def draw_waveform(
    samples: Audio, sample_rate: int, channels: tuple[Channel, Channel], title: str
) -> str:
    """SVG of audio in -1..1 of shape (samples, 2), left channel first.

    Raises ValueError for another shape.
    """
    if samples.ndim != 2 or samples.shape[1] != 2:
        raise ValueError("audio of two channels is wanted")
    duration_s = len(samples) / sample_rate
    height = _TOP + 2 * _LANE + _GAP + _BOTTOM
    parts = [
        text(title, 28.0, 40.0, "title start"),
        text(_describe(duration_s, sample_rate), 28.0, 62.0, "note start"),
        *_draw_axis(duration_s),
    ]
    gain = _gain_of(samples)
    for index, class_ in enumerate(("caller", "callee")):
        top = _TOP + index * (_LANE + _GAP)
        parts += _draw_channel(samples[:, index] * gain, channels[index], class_, top)
    return document(_WIDTH, height, title, parts, _STYLE)


_STYLE = """
.name { font-size: 15px; font-weight: 650; }
.number { font-size: 12.5px; font-variant-numeric: tabular-nums; }
.middle-line { stroke: var(--line); stroke-width: 1; }
"""


def _describe(duration_s: float, sample_rate: int) -> str:
    return f"{duration_s:.2f} s · 2 channels · {sample_rate} Hz"


def _gain_of(samples: Audio) -> float:
    peak = float(np.abs(samples).max()) if len(samples) else 0.0
    return min(_GAIN_MAX, 1 / peak) if peak > 0 else 1.0


def _draw_axis(duration_s: float) -> list[str]:
    width = _WIDTH - _LEFT - _RIGHT
    top, bottom = _TOP, _TOP + 2 * _LANE + _GAP
    parts = [
        element("rect", x=_LEFT, y=_TOP, width=width, height=_LANE, rx=8, class_="panel"),
        element(
            "rect", x=_LEFT, y=_TOP + _LANE + _GAP, width=width, height=_LANE, rx=8, class_="panel"
        ),
    ]
    for mark in time_marks(duration_s):
        x = _LEFT + (mark / duration_s * width if duration_s else 0.0)
        parts.append(element("line", x1=x, y1=top, x2=x, y2=bottom + 6, class_="grid"))
        parts.append(text(format_time(mark), x, bottom + 24, "tick middle"))
    return parts


def _draw_channel(samples: Audio, channel: Channel, class_: str, top: float) -> list[str]:
    middle = top + _LANE / 2
    right = _WIDTH - _RIGHT
    labels = [
        text(channel.name, 28.0, middle - 14, f"name {class_} start"),
        text(channel.number, 28.0, middle + 5, "number start"),
        text(channel.remark, 28.0, middle + 24, "note start"),
    ]
    line = element("line", x1=_LEFT, y1=middle, x2=right, y2=middle, class_="middle-line")
    return [*labels, line, element("path", d=_trace(samples, middle), class_=class_)]


def _trace(samples: Audio, middle: float) -> str:
    """One path of all bars: each the range of the samples that fall on it."""
    count = int((_WIDTH - _LEFT - _RIGHT) / _BAR_STEP)
    if not len(samples):
        return f"M{_LEFT:.1f} {middle:.1f}"
    edges = np.linspace(0, len(samples), count + 1).astype(int)[:-1]
    high = np.maximum.reduceat(samples, edges)
    low = np.minimum.reduceat(samples, edges)
    half = _LANE / 2 * _LANE_FILL
    commands = []
    for index in range(count):
        # Never thinner than a hair, or silence would look like a hole in the recording.
        above = max(0.6, float(np.clip(high[index], 0, 1)) * half)
        below = max(0.6, float(np.clip(-low[index], 0, 1)) * half)
        x = _LEFT + index * _BAR_STEP
        commands.append(
            f"M{x:.1f} {middle - above:.1f}h{_BAR_WIDTH:.0f}v{above + below:.1f}h-{_BAR_WIDTH:.0f}z"
        )
    return "".join(commands)
