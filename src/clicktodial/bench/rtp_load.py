"""Phones that talk: RTP from both sides of many calls, as cheaply as Python can.

Theory of operation. A phone sends a packet each 20 ms. The phones are dealt out over the slots of
a wheel that turns once in 20 ms, so that a relay meets an even stream and not a burst. All phones
of a turn send the same packet, whose sequence number and timestamp are written into one buffer
once a turn. When a phone's slot comes, it first takes what it was sent since, which is one packet
where the relay keeps up.
"""

import socket
import struct
import time
from collections.abc import Sequence
from dataclasses import dataclass

PACKET_S = 0.02
SLOTS = 20
_SAMPLES_PER_PACKET = 160
_PCMA = 8
_RTP_HEADER = struct.Struct(">BBHII")
_RTP_COUNTERS = struct.Struct(">HI")
_COUNTERS_OFFSET = 2
# A-law of a quiet line; what is said makes no difference to a relay.
_PAYLOAD = b"\xd5" * _SAMPLES_PER_PACKET
# A phone that was held up takes what waits, but not for ever.
_TAKEN_PER_SLOT_MAX = 64
# What is under way when the last packet was sent is waited for, in these steps and so long.
_SETTLE_STEP_S = 0.02
_SETTLE_S = 2.0

Address = tuple[str, int]


@dataclass(frozen=True, slots=True)
class LoadCount:
    """What the phones sent and heard, how long that took and what it cost."""

    sent: int
    heard: int
    unsent: int
    elapsed_s: float
    cpu_s: float
    # By how much the wheel was behind its time at worst.
    late_s: float

    @property
    def lost_ratio(self) -> float:
        return 1 - self.heard / self.sent if self.sent else 0.0


class RtpLoad:
    """Sockets of that many phones on `host`. Used as a context, or closed."""

    def __init__(self, host: str, phones: int) -> None:
        self._phones: list[socket.socket] = []
        for _ in range(phones):
            phone = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            phone.setblocking(False)
            phone.bind((host, 0))
            self._phones.append(phone)
        self._turns = 0

    def __enter__(self) -> "RtpLoad":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close all sockets."""
        for phone in self._phones:
            phone.close()

    @property
    def addresses(self) -> list[Address]:
        """Where each phone hears."""
        return [phone.getsockname() for phone in self._phones]

    def connect(self, relay: Sequence[Address]) -> None:
        """Where each phone speaks to, and from where alone it hears."""
        for phone, address in zip(self._phones, relay, strict=True):
            phone.connect(address)

    def run(self, duration_s: float) -> LoadCount:
        """Speak for so long, in real time. To be called in a thread of its own."""
        turns = max(1, round(duration_s / PACKET_S))
        slots = [self._phones[index::SLOTS] for index in range(SLOTS)]
        packet = bytearray(_RTP_HEADER.pack(0x80, _PCMA, 0, 0, 0x1234) + _PAYLOAD)
        sent = heard = unsent = 0
        late_s = 0.0
        cpu_before, began_at = time.thread_time(), time.perf_counter()
        for turn in range(turns):
            number = self._turns + turn
            stamp = number * _SAMPLES_PER_PACKET & 0xFFFF_FFFF
            _RTP_COUNTERS.pack_into(packet, _COUNTERS_OFFSET, number & 0xFFFF, stamp)
            for index, phones in enumerate(slots):
                due = began_at + turn * PACKET_S + index * (PACKET_S / SLOTS)
                behind = time.perf_counter() - due
                if behind < 0:
                    time.sleep(-behind)
                else:
                    late_s = max(late_s, behind)
                for phone in phones:
                    heard += _take(phone)
                    try:
                        phone.send(packet)
                        sent += 1
                    except OSError:
                        unsent += 1
        self._turns += turns
        elapsed_s = time.perf_counter() - began_at
        for _ in range(round(_SETTLE_S / _SETTLE_STEP_S)):
            heard += sum(map(_take, self._phones))
            if heard >= sent:
                break
            time.sleep(_SETTLE_STEP_S)
        cpu_s = time.thread_time() - cpu_before
        return LoadCount(sent, heard, unsent, elapsed_s, cpu_s, late_s)


def _take(phone: socket.socket) -> int:
    """How many packets waited for that phone."""
    taken = 0
    try:
        while taken < _TAKEN_PER_SLOT_MAX:
            phone.recv(2_048)
            taken += 1
    except BlockingIOError:
        pass
    except ConnectionRefusedError:  # what an earlier packet met
        pass
    return taken
