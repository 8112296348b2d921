"""What the sandbox tells of itself: one JSON object a line."""

import contextlib
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import IO, TypeAlias

import msgspec


class ReportKind(StrEnum):
    """What happened, spelled as the `event` of a line."""

    READY = "ready"
    RINGING = "ringing"
    ANNOUNCING = "announcing"
    ANSWERED = "answered"
    CONFIRMED = "confirmed"
    REFUSED = "refused"
    IGNORED = "ignored"
    PRESSED = "pressed"
    HEARS = "hears"
    ENDED = "ended"
    HEARD = "heard"
    SIP = "sip"
    NOTIFICATION = "notification"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class Report:
    """One line: when, what, and what else there is to say; `details` must not hold these two."""

    kind: ReportKind
    details: Mapping[str, object] = field(default_factory=dict)
    at: datetime = field(default_factory=lambda: datetime.now(UTC))

    def __bytes__(self) -> bytes:
        time = self.at.isoformat(timespec="microseconds").replace("+00:00", "Z")
        return msgspec.json.encode({"time": time, "event": self.kind.value, **self.details}) + b"\n"


Reporter: TypeAlias = Callable[[Report], None]


class LineWriter:
    """Writes reports to streams as they come. A stream whose reader has gone is left."""

    def __init__(self, *streams: IO[bytes]) -> None:
        self._streams = list(streams)

    def __call__(self, report: Report) -> None:
        line = bytes(report)
        for stream in tuple(self._streams):
            try:
                stream.write(line)
                stream.flush()
            except BrokenPipeError:
                self._streams.remove(stream)


@contextlib.contextmanager
def open_line_writer(stream: IO[bytes], path: Path | None) -> Generator[LineWriter]:
    """A writer to the stream and, where given, to the end of a file. Raises OSError."""
    if path is None:
        yield LineWriter(stream)
        return
    with path.open("ab") as file:
        yield LineWriter(stream, file)
