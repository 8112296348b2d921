"""A SIP ladder of both legs: the caller's phone left, the platform in the middle, the callee's
phone right, time downwards.

Every message has a row of its own, so that labels never collide; where nothing was said for a
while the rows stand apart, by the logarithm of the time, and the pause is written there.
"""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from html import escape

import numpy as np

from clicktodial.sandbox.drawing.axis import format_time
from clicktodial.sandbox.drawing.svg import document, element, shorten, text

_WIDTH = 1040.0
_CALLER_X = 210.0
_PLATFORM_X = 560.0
_CALLEE_X = 910.0
_TIME_X = 96.0
_HEAD_Y = 84.0
_HEAD_HEIGHT = 54.0
_HEAD_WIDTH = 204.0
_FIRST_Y = _HEAD_Y + _HEAD_HEIGHT + 46.0
_ROW = 30.0
_FOOT = 44.0
_ARROW = 9.0
_BAND_INSET = 9.0
# From this on a silence between two messages is worth telling.
_PAUSE_S_MIN = 0.35
_PAUSE_ROW = 34.0
# Two legs take some twenty messages; a picture of more than this is no picture.
MESSAGES_MAX = 200
SPANS_MAX = 20


class Leg(StrEnum):
    """Whose leg."""

    CALLER = "caller"
    CALLEE = "callee"


@dataclass(frozen=True, slots=True)
class LadderMessage:
    """One SIP message. `status` is 0 for a request; `at_s` counts from the ladder's zero."""

    at_s: float
    leg: Leg
    from_phone: bool
    label: str
    status: int = 0
    has_sdp: bool = False


@dataclass(frozen=True, slots=True)
class MediaSpan:
    """Audio on a leg, from when to when; `label` says what the phone heard."""

    leg: Leg
    start_s: float
    end_s: float
    label: str


@dataclass(frozen=True, slots=True)
class Party:
    """Who stands at the head of a lifeline."""

    name: str
    detail: str


@dataclass(frozen=True, slots=True)
class Ladder:
    """All that is drawn."""

    title: str
    caller: Party
    platform: Party
    callee: Party
    messages: Sequence[LadderMessage]
    spans: Sequence[MediaSpan] = ()


@dataclass(frozen=True, slots=True)
class _Pause:
    y: float
    seconds: float


@dataclass(frozen=True, slots=True)
class _Rows:
    times: list[float]
    ys: list[float]
    pauses: list[_Pause]

    def y_of(self, at_s: float) -> float:
        """Between two rows in proportion to the time between them."""
        return float(np.interp(at_s, self.times, self.ys)) if self.times else _FIRST_Y


def draw_ladder(ladder: Ladder) -> str:
    """SVG of the ladder. More than MESSAGES_MAX messages are cut, and the cut is told."""
    messages = sorted(ladder.messages, key=lambda message: message.at_s)
    shown = messages[:MESSAGES_MAX]
    rows = _lay_out(shown)
    bottom = (rows.ys[-1] if rows.ys else _FIRST_Y) + 34
    parts = [
        text(ladder.title, 28.0, 40.0, "title start"),
        text(_describe(messages, len(shown)), 28.0, 62.0, "note start"),
        *(_draw_band(span, rows, bottom) for span in ladder.spans[:SPANS_MAX]),
        *_draw_lifelines(bottom),
        *_draw_pauses(rows.pauses),
    ]
    for message, y in zip(shown, rows.ys, strict=True):
        parts += _draw_message(message, y)
    parts += (_draw_span_label(span, rows) for span in ladder.spans[:SPANS_MAX])
    parts += _draw_head(_CALLER_X, ladder.caller, "caller")
    parts += _draw_head(_PLATFORM_X, ladder.platform, "platform")
    parts += _draw_head(_CALLEE_X, ladder.callee, "callee")
    return document(_WIDTH, bottom + _FOOT, ladder.title, parts, _STYLE)


_STYLE = """
.head { stroke: none; } .head-name { font-size: 14.5px; font-weight: 650; fill: var(--paper); }
.head-detail { font-size: 12px; fill: var(--paper); font-variant-numeric: tabular-nums; }
.lifeline { stroke: var(--line); stroke-width: 2; }
.arrow { stroke-width: 1.8; fill: none; }
.arrow.caller { stroke: var(--caller); } .arrow.callee { stroke: var(--callee); }
.arrow.bad { stroke: var(--bad); } .provisional { stroke-dasharray: 5 4; }
.label { font-size: 13px; font-weight: 550; paint-order: stroke; stroke: var(--paper);
  stroke-width: 5px; stroke-linejoin: round; }
.sdp { font-size: 11px; font-weight: 500; fill: var(--soft); }
.band { fill-opacity: 0.09; } .edge { fill-opacity: 0.55; }
.media { font-size: 12.5px; font-weight: 600; }
.later { font-style: italic; }
.pause { stroke: var(--line); stroke-width: 1; stroke-dasharray: 2 5; }
"""


def _describe(messages: Sequence[LadderMessage], shown: int) -> str:
    if not messages:
        return "no message"
    told = f"{len(messages)} messages in {messages[-1].at_s - messages[0].at_s:.2f} s"
    hidden = len(messages) - shown
    return f"{told}, the first {shown} drawn" if hidden else told


def _lay_out(messages: Sequence[LadderMessage]) -> _Rows:
    rows = _Rows([], [], [])
    y = _FIRST_Y
    for index, message in enumerate(messages):
        if index:
            seconds = message.at_s - messages[index - 1].at_s
            step = _ROW
            if seconds >= _PAUSE_S_MIN:
                step += _PAUSE_ROW * (1 + math.log10(1 + seconds))
                rows.pauses.append(_Pause(y + step / 2, seconds))
            y += step
        rows.times.append(message.at_s)
        rows.ys.append(y)
    return rows


def _draw_head(x: float, party: Party, class_: str) -> list[str]:
    return [
        element(
            "rect",
            x=x - _HEAD_WIDTH / 2,
            y=_HEAD_Y,
            width=_HEAD_WIDTH,
            height=_HEAD_HEIGHT,
            rx=10,
            class_=f"head {class_}",
        ),
        text(party.name, x, _HEAD_Y + 23, "head-name middle"),
        text(party.detail, x, _HEAD_Y + 42, "head-detail middle"),
    ]


def _draw_lifelines(bottom: float) -> list[str]:
    return [
        element("line", x1=x, y1=_HEAD_Y + _HEAD_HEIGHT, x2=x, y2=bottom, class_="lifeline")
        for x in (_CALLER_X, _PLATFORM_X, _CALLEE_X)
    ]


def _draw_pauses(pauses: Sequence[_Pause]) -> list[str]:
    parts = []
    for pause in pauses:
        parts.append(
            element(
                "line",
                x1=_TIME_X + 12,
                y1=pause.y,
                x2=_WIDTH - 28,
                y2=pause.y,
                class_="pause",
            )
        )
        length = f"{pause.seconds:.1f} s" if pause.seconds < 60 else format_time(pause.seconds)
        parts.append(text(f"+ {length}", _TIME_X, pause.y + 4, "note later end"))
    return parts


def _draw_message(message: LadderMessage, y: float) -> list[str]:
    phone_x = _CALLER_X if message.leg is Leg.CALLER else _CALLEE_X
    start, end = (phone_x, _PLATFORM_X) if message.from_phone else (_PLATFORM_X, phone_x)
    way = 1 if end > start else -1
    class_ = "bad" if message.status >= 300 else message.leg.value
    dashed = " provisional" if 100 <= message.status < 200 else ""
    head = f"M{end:.1f} {y:.1f}l{-way * _ARROW:.1f} -4.5v9z"
    sdp = element("tspan", "  + SDP", class_="sdp") if message.has_sdp else ""
    label = element(
        "text",
        escape(shorten(message.label)) + sdp,
        x=(phone_x + _PLATFORM_X) / 2,
        y=y - 6,
        class_=f"label {class_} middle",
    )
    return [
        element(
            "line", x1=start, y1=y, x2=end - way * _ARROW, y2=y, class_=f"arrow {class_}{dashed}"
        ),
        element("path", d=head, class_=class_),
        label,
        text(f"{message.at_s:.3f} s", _TIME_X, y + 4, "tick end"),
    ]


def _band_edges(leg: Leg) -> tuple[float, float]:
    """The outer edge, at the phone, and the inner one, at the platform."""
    if leg is Leg.CALLER:
        return _CALLER_X + _BAND_INSET, _PLATFORM_X - _BAND_INSET
    return _CALLEE_X - _BAND_INSET, _PLATFORM_X + _BAND_INSET


def _draw_band(span: MediaSpan, rows: _Rows, bottom: float) -> str:
    outer, inner = _band_edges(span.leg)
    top, end = rows.y_of(span.start_s), min(bottom, rows.y_of(span.end_s))
    band = element(
        "rect",
        x=min(outer, inner),
        y=top,
        width=abs(inner - outer),
        height=max(2.0, end - top),
        rx=8,
        class_="audio band",
    )
    edge = element(
        "rect", x=outer - 2, y=top, width=4, height=max(2.0, end - top), rx=2, class_="audio edge"
    )
    return band + edge


def _draw_span_label(span: MediaSpan, rows: _Rows) -> str:
    outer, inner = _band_edges(span.leg)
    y = _widest_gap_middle(rows, span)
    return text(span.label, (outer + inner) / 2, y + 4, "media audio middle")


def _widest_gap_middle(rows: _Rows, span: MediaSpan) -> float:
    """Where a label has most room: the middle of the widest gap between rows in the span."""
    top, end = rows.y_of(span.start_s), rows.y_of(span.end_s)
    edges = [top, *(y for y in rows.ys if top < y < end), end]
    gaps = [(lower - upper, (lower + upper) / 2) for upper, lower in itertools.pairwise(edges)]
    # Below the dashed line of the pause, which runs through the middle of its gap.
    return max(gaps)[1] + 15
