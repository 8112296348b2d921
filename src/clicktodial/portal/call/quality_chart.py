"""How one side of a call sounded, as a picture: what the other side would say of it (MOS) as a
line, what was lost as bars below it, both over the time of the call.

Lengths are those of the picture's own coordinates; the template only writes them down.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby

from clicktodial.domain.cause import Side
from clicktodial.domain.quality import MOS_MAX, MOS_MIN
from clicktodial.domain.quality_timeline import IntervalQuality, QualityTimeline

LEFT, RIGHT = 48, 552
# The line's part of the height, from top to bottom, and that of the bars.
LINE_TOP, LINE_BOTTOM = 10, 148
BARS_TOP, BARS_BOTTOM = 170, 220
_MOS_MARKS = (4, 3, 2, 1)
# ITU-T G.107 Annex B: people are satisfied, and where it was worst is no question.
_SATISFYING_MOS = 4.0
# Less than that is hardly heard: a bar of a thousandth is not to look like a catastrophe.
_LOSS_MIN = 0.02
# What the scale of the bars may end at, as shares of 1.
_LOSS_STEPS = (_LOSS_MIN, 0.05, 0.1, 0.2, 0.5, 1.0)
# What may lie between two marks of time, in seconds.
_TIME_STEPS = (5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 14_400)
# As many as have room on a phone.
_TIME_MARKS_MAX = 5
_MS_PER_S = 1_000


@dataclass(frozen=True, slots=True)
class ChartInterval:
    """What the picture tells of an interval, from one second of the conversation to another.
    `x` and `width` are where it is, `bar_y` and `bar_height` what was lost."""

    begins_s: int
    ends_s: int
    quality: IntervalQuality
    x: float
    width: float
    bar_y: float
    bar_height: float

    @property
    def is_silent(self) -> bool:
        """Whether nothing came."""
        return not self.quality.packets


@dataclass(frozen=True, slots=True)
class ChartMark:
    """A place on a scale, and the number that it stands for."""

    at: float
    value: float


@dataclass(frozen=True, slots=True)
class QualityChart:
    """`lines` are the corners of the line's parts, between which it has gaps. `loss_max` is where
    the scale of the bars ends."""

    intervals: tuple[ChartInterval, ...]
    lines: tuple[str, ...]
    mos_marks: tuple[ChartMark, ...]
    time_marks: tuple[ChartMark, ...]
    loss_max: float

    @property
    def worst(self) -> ChartInterval | None:
        """The interval that sounded worst; None where all sounded well."""
        poor = [each for each in self.intervals if _mos_of(each) < _SATISFYING_MOS]
        return min(poor, key=_mos_of, default=None)


def draw_quality(timeline: QualityTimeline, side: Side) -> QualityChart | None:
    """Of what came from that side; None where there is nothing to draw."""
    if not timeline:
        return None
    ends_ms = timeline[-1].until_ms
    if ends_ms <= 0:
        return None
    scale = (RIGHT - LEFT) / ends_ms
    highest = max(each.of(side).loss for each in timeline)
    loss_max = next(step for step in _LOSS_STEPS if highest <= step)
    intervals, begins_ms = [], 0
    for each in timeline:
        quality = each.of(side)
        tall = round(quality.loss / loss_max * (BARS_BOTTOM - BARS_TOP), 1)
        intervals.append(
            ChartInterval(
                begins_s=begins_ms // _MS_PER_S,
                ends_s=each.until_ms // _MS_PER_S,
                quality=quality,
                x=round(LEFT + begins_ms * scale, 1),
                width=round((each.until_ms - begins_ms) * scale, 1),
                bar_y=BARS_BOTTOM - tall,
                bar_height=tall,
            )
        )
        begins_ms = each.until_ms
    return QualityChart(
        intervals=tuple(intervals),
        lines=tuple(_lines(intervals)),
        mos_marks=tuple(ChartMark(_height(mark), mark) for mark in _MOS_MARKS),
        time_marks=tuple(_mark_time(ends_ms // _MS_PER_S, scale * _MS_PER_S)),
        loss_max=loss_max,
    )


def _lines(intervals: Iterable[ChartInterval]) -> Iterator[str]:
    """Through the middles of those that were judged, as far as they follow one another; as wide as
    they are together."""
    for is_judged, group in groupby(intervals, lambda each: each.quality.mos is not None):
        if is_judged:
            run = list(group)
            first, last = run[0], run[-1]
            corners = [
                (first.x, _height(_mos_of(first))),
                *((each.x + each.width / 2, _height(_mos_of(each))) for each in run),
                (last.x + last.width, _height(_mos_of(last))),
            ]
            yield " ".join(f"{round(x, 1)},{y}" for x, y in corners)


def _mos_of(interval: ChartInterval) -> float:
    """What was not judged is no complaint."""
    return MOS_MAX if interval.quality.mos is None else interval.quality.mos


def _height(mos: float) -> float:
    share = (min(MOS_MAX, max(MOS_MIN, mos)) - MOS_MIN) / (MOS_MAX - MOS_MIN)
    return round(LINE_BOTTOM - share * (LINE_BOTTOM - LINE_TOP), 1)


def _mark_time(length_s: int, width_of_second: float) -> Iterator[ChartMark]:
    fitting = (step for step in _TIME_STEPS if length_s / step <= _TIME_MARKS_MAX)
    step = next(fitting, max(1, length_s))
    for at_s in range(0, length_s + 1, step):
        yield ChartMark(round(LEFT + at_s * width_of_second, 1), at_s)
