"""What a phone sends: one RTP packet for every 20 ms, audio or a key. No I/O, no clock."""

import random as random_module
from collections import deque
from dataclasses import dataclass

from clicktodial.domain.media import Codec
from clicktodial.sandbox.rtp import (
    SEQUENCE_MODULO,
    TIMESTAMP_MODULO,
    KeyEvent,
    serialize_key,
    serialize_packet,
)

PACKET_SAMPLES = 160  # 20 ms at 8 kHz; G.711 has as many bytes
PACKET_S = 0.02
# A key is down for 160 ms, more than the 40 ms that RFC 4733 2.5.1.2 wants detected.
_KEY_PACKETS = 8
# RFC 4733 2.5.1.4: the last packet is sent three times, since its loss would hide the end.
_KEY_END_PACKETS = 3
KEYS_WAITING_MAX = 32


class KeyQueueFullError(Exception):
    """So many keys are waiting to be sent that another is refused."""


@dataclass(frozen=True, slots=True)
class Recital:
    """Encoded audio, in whole packets: `intro` once, then `loop`, which is not empty, for ever."""

    intro: bytes
    loop: bytes

    def packet_at(self, index: int) -> bytes:
        """The payload of packet `index`, counted from the beginning."""
        start = index * PACKET_SAMPLES
        if start < len(self.intro):
            return self.intro[start : start + PACKET_SAMPLES]
        start = (start - len(self.intro)) % len(self.loop)
        return self.loop[start : start + PACKET_SAMPLES]


class Talker:
    """The sending half of a phone's audio stream."""

    __slots__ = (
        "_codec",
        "_dtmf",
        "_key",
        "_key_packet",
        "_key_timestamp",
        "_keys",
        "_marker",
        "_position",
        "_recital",
        "_sequence",
        "_ssrc",
        "_timestamp",
        "packets",
    )

    def __init__(
        self,
        *,
        codec: Codec,
        dtmf: Codec | None,
        recital: Recital,
        random: random_module.Random,
    ) -> None:
        self._codec = codec
        self._dtmf = dtmf
        self._recital = recital
        self._position = 0
        # RFC 3550 5.1: all three begin at random.
        self._sequence = random.getrandbits(16)
        self._timestamp = random.getrandbits(32)
        self._ssrc = random.getrandbits(32)
        self._marker = True
        self._keys: deque[str] = deque()
        self._key: str | None = None
        self._key_packet = 0
        self._key_timestamp = 0
        self.packets = 0

    def recite(self, recital: Recital) -> None:
        """Say this from its beginning, from the next packet on."""
        self._recital = recital
        self._position = 0
        self._marker = True

    def press(self, key: str) -> bool:
        """Send a key after those that wait; False where no telephone-event was negotiated.

        Raises KeyQueueFullError when KEYS_WAITING_MAX keys wait.
        """
        if self._dtmf is None:
            return False
        if len(self._keys) >= KEYS_WAITING_MAX:
            raise KeyQueueFullError(f"{KEYS_WAITING_MAX} keys are waiting")
        self._keys.append(key)
        return True

    def skip(self, packets: int) -> None:
        """Say nothing for so long: time passes, sequence numbers do not (RFC 3550 5.1)."""
        self._timestamp = (self._timestamp + packets * PACKET_SAMPLES) % TIMESTAMP_MODULO
        self._position += packets
        self._marker = True

    def next_packet(self) -> bytes:
        """The packet of the next 20 ms."""
        if self._key is None and self._keys:
            self._key = self._keys.popleft()
            self._key_packet = 0
            self._key_timestamp = self._timestamp
        packet = self._next_audio() if self._key is None else self._next_key(self._key)
        self._sequence = (self._sequence + 1) % SEQUENCE_MODULO
        self._timestamp = (self._timestamp + PACKET_SAMPLES) % TIMESTAMP_MODULO
        self._position += 1
        self.packets += 1
        return packet

    def _next_audio(self) -> bytes:
        marker, self._marker = self._marker, False
        return serialize_packet(
            self._codec.payload_type,
            marker,
            self._sequence,
            self._timestamp,
            self._ssrc,
            self._recital.packet_at(self._position),
        )

    def _next_key(self, key: str) -> bytes:
        assert self._dtmf is not None
        index = self._key_packet
        self._key_packet += 1
        event = KeyEvent(
            key,
            ended=index >= _KEY_PACKETS,
            duration_samples=PACKET_SAMPLES * min(index + 1, _KEY_PACKETS),
        )
        if self._key_packet == _KEY_PACKETS + _KEY_END_PACKETS:
            self._key = None
            self._marker = True
        # RFC 4733 2.5.1.2: every packet of a key bears the time at which it began.
        return serialize_packet(
            self._dtmf.payload_type,
            index == 0,
            self._sequence,
            self._key_timestamp,
            self._ssrc,
            serialize_key(event),
        )
