"""Who of the second and third line is on call: shifts, their gaps and their overlaps."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Line(StrEnum):
    """The lines that take turns."""

    SECOND = "second-line"
    THIRD = "third-line"


@dataclass(frozen=True, slots=True)
class Span:
    """From and until; the end is no part of it."""

    from_at: datetime
    until_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Shift:
    """Somebody's turn."""

    shift_id: str
    line: Line
    name: str
    phone: str
    email: str
    span: Span

    def __repr__(self) -> str:
        return f"Shift({self.shift_id!r}, {self.line.value!r})"


def find_gaps(shifts: Sequence[Span], wanted: Span) -> list[Span]:
    """Where nobody is on call, in order, of the time that is wanted."""
    gaps = []
    covered_until = wanted.from_at
    for shift in sorted(shifts, key=lambda each: each.from_at):
        if shift.until_at <= covered_until:
            continue
        if shift.from_at >= wanted.until_at:
            break
        if shift.from_at > covered_until:
            gaps.append(Span(covered_until, shift.from_at))
        covered_until = shift.until_at
    if covered_until < wanted.until_at:
        gaps.append(Span(covered_until, wanted.until_at))
    return gaps


def find_overlaps(shifts: Sequence[Span]) -> list[Span]:
    """Where more than one is on call, in order, each stretch once."""
    edges = sorted(
        [(shift.from_at, 1) for shift in shifts] + [(shift.until_at, -1) for shift in shifts]
    )
    overlaps: list[Span] = []
    on_call, began = 0, None
    for at, change in edges:
        on_call += change
        if on_call > 1 and began is None:
            began = at
        elif on_call <= 1 and began is not None:
            overlaps.append(Span(began, at))
            began = None
    return overlaps
