"""The ladder of a call: what passed between the platform and each phone's network, in time's order.

Made of the SIP messages where they were kept, else of the moments that every call keeps.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from clicktodial.domain.cause import Side
from clicktodial.domain.leg import LegRecord, TracedMessage
from clicktodial.portal.text import Words, mark
from clicktodial.storage.history import CallRecord
from clicktodial.storage.instant import from_millis, to_millis

_RESPONSE = "SIP/2.0 "
# From this on a silence between two messages is worth telling.
PAUSE_MS_MIN = 1_000


@dataclass(frozen=True, slots=True)
class Step:
    """One line: `at` in milliseconds from the call's begin, `is_sent` by the platform. A `pause`
    is how long nothing was said before it, in milliseconds; 0 where that is not worth a word."""

    at: int
    side: Side
    is_sent: bool
    label: str
    tone: str
    moment: datetime
    details: tuple[str, ...] = ()
    pause: int = 0


@dataclass(frozen=True, slots=True)
class Ladder:
    """The steps; `is_traced` where they are SIP messages."""

    steps: Sequence[Step]
    is_traced: bool


def draw_ladder(call: CallRecord, words: Words) -> Ladder:
    """Of any call; no steps where nothing was dialled."""
    traced = [(side, message) for side, leg in call.legs.items() for message in (leg.trace or ())]
    zero = to_millis(call.begun_at)
    if traced:
        steps = [_step_of(side, message, zero) for side, message in traced]
    else:
        steps = [
            step for side, leg in call.legs.items() for step in _moments(side, leg, zero, words)
        ]
    ordered = sorted(steps, key=lambda step: step.at)
    return Ladder(list(_with_pauses(ordered)), is_traced=bool(traced))


def _step_of(side: Side, message: TracedMessage, zero: int) -> Step:
    label, tone = message.line.removeprefix(_RESPONSE), "calm"
    if message.line.startswith(_RESPONSE):
        tone = {"1": "calm", "2": "good"}.get(label[:1], "bad")
        method = next((each for each in message.headers if each.startswith("CSeq: ")), "")
        method = method.rpartition(" ")[2]
        # An INVITE's answers are the ones to expect.
        label = label if method in ("INVITE", "") else f"{label} ({method})"
    else:
        label = label.partition(" ")[0]
    if message.codecs:
        label = f"{label} · {' '.join(message.codecs)}"
    return Step(
        message.at_ms - zero,
        side,
        message.is_sent,
        label,
        tone,
        from_millis(message.at_ms),
        (message.line, *message.headers),
    )


def _moments(side: Side, leg: LegRecord, zero: int, words: Words) -> Iterator[Step]:
    for at, is_sent, label, tone in (
        (leg.placed_at, True, mark("is called"), "calm"),
        (leg.ringing_at, False, mark("rings"), "calm"),
        (leg.answered_at, False, mark("answers"), "good"),
    ):
        if at is not None:
            yield Step(to_millis(at) - zero, side, is_sent, words.look_up(label), tone, at)


def _with_pauses(steps: Sequence[Step]) -> Iterator[Step]:
    before = None
    for step in steps:
        gap = 0 if before is None else step.at - before
        before = step.at
        yield Step(
            step.at,
            step.side,
            step.is_sent,
            step.label,
            step.tone,
            step.moment,
            step.details,
            gap if gap >= PAUSE_MS_MIN else 0,
        )
