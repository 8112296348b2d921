"""What operations ask of the network, without doing it.

An operation is a generator: it yields steps, is sent what became of each, and returns its result.
`driver` carries the steps out, blocking or on an event loop; so every rule of the client stands
once, for both.
"""

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias, TypeVar

T = TypeVar("T")

# Answers are some hundred bytes, a page of 500 events 300 KB.
ANSWER_BYTES_MAX = 4_194_304


@dataclass(frozen=True, slots=True)
class Request:
    """One request. Waiting for a piece of the answer takes `timeout_s` at most, the whole of it
    `total_s` (None: as long as pieces come)."""

    method: str
    url: str
    timeout_s: float
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    content: bytes | None = field(default=None, repr=False)
    total_s: float | None = None
    bytes_max: int = ANSWER_BYTES_MAX


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer; the names of its headers in small letters."""

    status: int
    headers: Mapping[str, str]
    content: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class Send:
    """Send it; gives the Answer, or raises NotAnswered or InvalidAnswer into the operation."""

    request: Request


@dataclass(frozen=True, slots=True)
class Pause:
    """Wait so long."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Open:
    """As Send; a 200 is answered without its content, which `Read` gives."""

    request: Request


@dataclass(frozen=True, slots=True)
class Read:
    """The next piece of what is open, b"" at its end; raises as Send does."""


@dataclass(frozen=True, slots=True)
class Shut:
    """Close what is open."""


@dataclass(frozen=True, slots=True)
class Emit:
    """Hand that to whoever iterates."""

    value: Any


@dataclass(frozen=True, slots=True)
class Alone:
    """Run an operation while no other of this client runs so; gives its result."""

    operation: "Operation[Any]"


Step: TypeAlias = Send | Pause | Open | Read | Shut | Emit | Alone
Operation: TypeAlias = Generator[Step, Any, T]


def read_retry_after(answer: Answer) -> float | None:
    """The seconds of Retry-After (RFC 9110 10.2.3); a date, which the platform never sends, is as
    if it were not there."""
    text = answer.headers.get("retry-after", "")
    return float(text) if text.isascii() and text.isdecimal() and len(text) < 8 else None
