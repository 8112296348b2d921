"""Keys, out of RTP packets of telephone-event (RFC 4733 2.3).

A press is one event: packets while the key is held, all with the RTP timestamp of its beginning,
and at its end three with the end bit; any may be lost, and come late or twice. So the first packet
of a new timestamp is the press, whichever packet it is, and others of that timestamp say it again.
Two kinds of sender begin a new timestamp within a press, and are told from a second press by what
did not happen in between, an end bit:

- a key held for long goes on in a segment that begins where the one before it came to the end of
  its duration's field (RFC 4733 2.5.1.3);
- some move the timestamp on with every packet. No packet is missing between two of theirs, and
  the second has no marker, which begins a press.
"""

from dataclasses import dataclass

from clicktodial.media.rtp import RtpPacket

# RFC 4733 3.2, table 3: events 0-15.
DIGITS = "0123456789*#ABCD"
_EVENT_BYTES = 4
_END_BIT = 0x80
# So many of the last presses are remembered: packets of more than two are not on their way
# at once, however they were reordered.
REMEMBERED_MAX = 8
# 300 ms at 8 kHz: senders count in steps of their packets, and packets of a step may be lost.
_SEGMENT_SLACK = 2_400
_SEGMENT_DURATION_MIN = 0xFFFF - _SEGMENT_SLACK


@dataclass(slots=True)
class _Press:
    ssrc: int
    timestamp: int
    event: int
    sequence: int
    duration: int = 0
    has_ended: bool = False


class KeyDetector:
    """Tells keys once a press. `payload_type` is that of telephone-event from this sender."""

    def __init__(self, payload_type: int) -> None:
        self.payload_type = payload_type
        self._presses: list[_Press] = []

    def receive(self, packet: RtpPacket) -> str | None:
        """The key that was pressed, one of DIGITS, where this packet is the first to tell."""
        if packet.payload_type != self.payload_type or len(packet.payload) < _EVENT_BYTES:
            return None
        event = packet.payload[0]
        if event >= len(DIGITS):
            return None
        press = self._find(packet)
        is_new = press is None and not self._goes_on(packet, event)
        if press is None:
            press = _Press(packet.ssrc, packet.timestamp, event, packet.sequence)
            self._presses.append(press)
            del self._presses[:-REMEMBERED_MAX]
        press.duration = max(press.duration, int.from_bytes(packet.payload[2:4]))
        press.has_ended |= bool(packet.payload[1] & _END_BIT)
        press.sequence = packet.sequence
        return DIGITS[event] if is_new else None

    def _find(self, packet: RtpPacket) -> _Press | None:
        for press in self._presses:
            if (press.ssrc, press.timestamp) == (packet.ssrc, packet.timestamp):
                return press
        return None

    def _goes_on(self, packet: RtpPacket, event: int) -> bool:
        """Whether it is more of the press that was told last."""
        if not self._presses:
            return False
        last = self._presses[-1]
        if (last.ssrc, last.event) != (packet.ssrc, event) or last.has_ended or packet.marker:
            return False
        if packet.sequence == (last.sequence + 1) % 2**16:
            return True
        gap = (packet.timestamp - last.timestamp - last.duration) % 2**32
        is_adjacent = gap <= _SEGMENT_SLACK or gap >= 2**32 - _SEGMENT_SLACK
        return is_adjacent and last.duration >= _SEGMENT_DURATION_MIN
