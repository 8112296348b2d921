"""A stream of server-sent events, read piece by piece (WHATWG HTML 9.2.6). Pure."""

import codecs
from dataclasses import dataclass

# An event of ours has a kilobyte.
LINE_CHARACTERS_MAX = 262_144
DATA_CHARACTERS_MAX = 1_048_576
_RETRY_DIGITS_MAX = 9


class LineTooLong(Exception):
    """A line, or the data of an event, is longer than any of the platform's."""


@dataclass(frozen=True, slots=True)
class StreamEvent:
    """What an empty line ends. `last_id` is what to come again with; `data` "" where the stream
    only told its place."""

    last_id: str
    kind: str
    data: str


class EventStreamParser:
    """Takes bytes as they come, gives events."""

    def __init__(self) -> None:
        # A byte order mark at the beginning is none of the stream's (9.2.5).
        self._decoder = codecs.getincrementaldecoder("utf-8-sig")(errors="replace")
        self._rest = ""
        self._ended_with_cr = False
        self._last_id = ""
        self._had_id = False
        self._kind = ""
        self._data: list[str] = []
        self._data_characters = 0
        self.retry_s = 1.0

    def feed(self, piece: bytes) -> list[StreamEvent]:
        """The events that this piece ends. Raises LineTooLong."""
        text = self._decoder.decode(piece)
        # CR LF is one end of a line, also where the two come in two pieces.
        if self._ended_with_cr and text:
            text = text.removeprefix("\n")
            self._ended_with_cr = False
        if text.endswith("\r"):
            self._ended_with_cr = True
        text = self._rest + text.replace("\r\n", "\n").replace("\r", "\n")
        *lines, self._rest = text.split("\n")
        if len(self._rest) > LINE_CHARACTERS_MAX:
            raise LineTooLong
        return [event for line in lines if (event := self._take_line(line)) is not None]

    def _take_line(self, line: str) -> StreamEvent | None:
        if not line:
            return self._dispatch()
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        match name:
            case "id" if "\0" not in value:
                self._last_id, self._had_id = value, True
            case "event":
                self._kind = value
            case "data":
                self._data_characters += len(value) + 1
                if self._data_characters > DATA_CHARACTERS_MAX:
                    raise LineTooLong
                self._data.append(value)
            case "retry" if value.isascii() and value.isdecimal():
                self.retry_s = int(value[:_RETRY_DIGITS_MAX]) / 1000
        return None  # a comment, or what later versions may bring

    def _dispatch(self) -> StreamEvent | None:
        data, kind, had_id = "\n".join(self._data), self._kind or "message", self._had_id
        self._data, self._kind, self._had_id, self._data_characters = [], "", False, 0
        return StreamEvent(self._last_id, kind, data) if data or had_id else None
