"""Cutting a byte stream into SIP messages (RFC 3261 18.3, RFC 5626 4.4.1).

On a connection nothing but Content-Length tells where a message ends. A peer that leaves it out,
or gives two that differ, cannot be understood from there on: the connection is of no more use.
"""

import re

from clicktodial.sip.error import MalformedMessage
from clicktodial.sip.message import HEAD_BYTES_MAX, MESSAGE_BYTES_MAX

_END_OF_HEAD = b"\r\n\r\n"
_LINE_END = b"\r\n"
# A header may be folded, have space before its colon, and be short (RFC 3261 7.3).
_CONTENT_LENGTH = re.compile(
    rb"(?im)^(?:content-length|l)[ \t]*:(?:[ \t]|\r\n[ \t])*([0-9]{1,9})[ \t]*\r$"
)
_ANY_CONTENT_LENGTH = re.compile(rb"(?im)^(?:content-length|l)[ \t]*:")


class StreamFramer:
    """One direction of one connection.

    `pings` counts the double line ends between messages, by which a peer asks whether we are
    there; whoever reads it sets it back.
    """

    __slots__ = ("_buffer", "_length", "_searched", "pings")

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._searched = 0  # no end of the headers begins before
        self._length: int | None = None  # of the message in front, once its headers are whole
        self.pings = 0

    @property
    def is_within_message(self) -> bool:
        """Whether a message has begun and its end is still to come."""
        return len(self._buffer) > len(_LINE_END)

    def feed(self, data: bytes) -> list[bytes]:
        """The messages that are whole now. Raises MalformedMessage; the stream is lost then."""
        self._buffer += data
        messages: list[bytes] = []
        while (message := self._take()) is not None:
            messages.append(message)
        return messages

    def _take(self) -> bytes | None:
        if self._length is None:
            self._skip_line_ends()
            self._length = self._measure()
        if self._length is None or len(self._buffer) < self._length:
            return None
        message = bytes(self._buffer[: self._length])
        del self._buffer[: self._length]
        self._length = None
        self._searched = 0
        return message

    def _skip_line_ends(self) -> None:
        """RFC 3261 7.5: line ends before a message mean nothing; two are a ping (RFC 5626)."""
        skipped = 0
        while self._buffer.startswith(_END_OF_HEAD, skipped):
            skipped += len(_END_OF_HEAD)
            self.pings += 1
        # A single one before anything else is the answer to a ping. At the end of what came it
        # may be half of a ping, and is left.
        if self._buffer.startswith(_LINE_END, skipped) and len(self._buffer) > skipped + 2:
            rest = self._buffer[skipped + 2 : skipped + 4]
            if not _LINE_END.startswith(rest):
                skipped += len(_LINE_END)
        if skipped:
            del self._buffer[:skipped]
            self._searched = 0

    def _measure(self) -> int | None:
        """How long the message in front is; None while its headers are still coming."""
        buffer = self._buffer
        if buffer.startswith(b"\r"):
            if not _END_OF_HEAD.startswith(buffer):
                raise MalformedMessage("bare line end")
            return None
        end = buffer.find(_END_OF_HEAD, self._searched)
        if end < 0:
            if len(buffer) > HEAD_BYTES_MAX:
                raise MalformedMessage("headers are too long")
            self._searched = max(0, len(buffer) - len(_END_OF_HEAD) + 1)
            return None
        head = bytes(buffer[: end + len(_LINE_END)])
        length = _read_content_length(head)
        total = end + len(_END_OF_HEAD) + length
        if total > MESSAGE_BYTES_MAX:
            raise MalformedMessage("too long")
        return total


def _read_content_length(head: bytes) -> int:
    values = {int(text) for text in _CONTENT_LENGTH.findall(head)}
    if len(values) != 1 or len(_ANY_CONTENT_LENGTH.findall(head)) > 1:
        raise MalformedMessage("not exactly one Content-Length")
    return values.pop()
