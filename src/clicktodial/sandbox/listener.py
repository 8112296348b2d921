"""What a phone hears: packets, loss, keys, and the last seconds of each source. No I/O.

A phone may hear several sources in one call, each with an SSRC of its own: the ringing tone of
the platform, then the other phone. They are told apart, so that one does not blur the other.
"""

from dataclasses import dataclass, field

from clicktodial.domain.media import Codec
from clicktodial.sandbox.melody import (
    IDENTIFY_SAMPLES_MAX,
    SAMPLE_RATE,
    dominant_tones_hz,
    identify_melody,
)
from clicktodial.sandbox.rtp import (
    SEQUENCE_MODULO,
    TIMESTAMP_MODULO,
    RtpPacket,
    parse_key,
    parse_packet,
)
from clicktodial.sandbox.voice import decode_audio, silence

# A call has a prompt and the other phone, sometimes early media; more is a fault or a flood.
SOURCES_MAX = 8
KEYS_MAX = 64
# What is longer than a second is no loss but a pause, and is not filled up.
_GAP_SAMPLES_MAX = SAMPLE_RATE
_HELD_BYTES_MAX = 2 * IDENTIFY_SAMPLES_MAX
# RFC 3550 A.1 takes a jump of more than this for a restart of the source.
_SEQUENCE_JUMP_MAX = 3000


@dataclass(frozen=True, slots=True)
class HeardSource:
    """One source as it was heard. `melody` is the six digits that it played, if it did."""

    packets: int
    lost: int
    seconds: float
    tones_hz: tuple[int, ...]
    melody: str | None
    confidence: float


@dataclass(frozen=True, slots=True)
class Heard:
    """All that a phone heard in a call; `sources` in the order of their first packets."""

    packets: int
    lost: int
    seconds: float
    keys: str
    unusable: int
    sources: tuple[HeardSource, ...]

    @property
    def melodies(self) -> tuple[str, ...]:
        """The melodies that were recognised."""
        return tuple(source.melody for source in self.sources if source.melody is not None)


@dataclass(frozen=True, slots=True)
class _HeldSource:
    packets: int
    lost: int
    audio_bytes: int
    held: bytes


@dataclass(frozen=True, slots=True)
class Earful:
    """What a phone heard, not judged yet; safe to hand to another thread."""

    codec: Codec
    keys: str
    unusable: int
    sources: tuple[_HeldSource, ...]

    @property
    def audio_bytes(self) -> int:
        """All audio that came."""
        return sum(source.audio_bytes for source in self.sources)

    def judge(self, *, listen: bool = True) -> Heard:
        """Look for tones and melodies, some milliseconds a source; without `listen` only count."""
        sources = tuple(self._judge_source(source, listen) for source in self.sources)
        return Heard(
            packets=sum(source.packets for source in sources),
            lost=sum(source.lost for source in sources),
            seconds=round(self.audio_bytes / SAMPLE_RATE, 2),
            keys=self.keys,
            unusable=self.unusable,
            sources=sources,
        )

    def _judge_source(self, source: _HeldSource, listen: bool) -> HeardSource:
        samples = decode_audio(self.codec, source.held if listen else b"")
        found = identify_melody(samples)
        return HeardSource(
            packets=source.packets,
            lost=source.lost,
            seconds=round(source.audio_bytes / SAMPLE_RATE, 2),
            tones_hz=dominant_tones_hz(samples),
            melody=found.digits if found else None,
            confidence=round(found.confidence, 3) if found else 0.0,
        )


@dataclass(slots=True)
class _Source:
    first_sequence: int
    highest_sequence: int  # extended: counts on where the wire's 16 bits wrap
    start_timestamp: int  # of held[0]
    packets: int = 0
    audio_bytes: int = 0
    key_timestamps: set[int] = field(default_factory=set)
    held: bytearray = field(default_factory=bytearray)

    @property
    def lost(self) -> int:
        return max(0, self.highest_sequence - self.first_sequence + 1 - self.packets)


class Listener:
    """The receiving half of a phone's audio stream."""

    __slots__ = ("_codec", "_dtmf", "_keys", "_sources", "unusable")

    def __init__(self, *, codec: Codec, dtmf: Codec | None) -> None:
        self._codec = codec
        self._dtmf = dtmf
        self._sources: dict[int, _Source] = {}
        self._keys: list[str] = []
        self.unusable = 0

    @property
    def packets(self) -> int:
        """How many usable packets came."""
        return sum(source.packets for source in self._sources.values())

    @property
    def keys(self) -> str:
        """The keys that were heard, up to KEYS_MAX."""
        return "".join(self._keys)

    def receive(self, data: bytes) -> None:
        """Take one datagram; what is no RTP of this stream is counted and left."""
        packet = parse_packet(data)
        if packet is None:
            self.unusable += 1
            return
        is_audio = packet.payload_type == self._codec.payload_type
        is_key = self._dtmf is not None and packet.payload_type == self._dtmf.payload_type
        source = self._source_of(packet) if is_audio or is_key else None
        if source is None:
            self.unusable += 1
            return
        self._count(source, packet)
        if is_audio:
            self._hold(source, packet)
        else:
            self._take_key(source, packet)

    def snapshot(self) -> "Earful":
        """A copy of what was heard so far, to be judged elsewhere."""
        sources = tuple(
            _HeldSource(source.packets, source.lost, source.audio_bytes, bytes(source.held))
            for source in self._sources.values()
        )
        return Earful(self._codec, self.keys, self.unusable, sources)

    def _source_of(self, packet: RtpPacket) -> _Source | None:
        source = self._sources.get(packet.ssrc)
        if source is None and len(self._sources) < SOURCES_MAX:
            source = _Source(packet.sequence, packet.sequence - 1, packet.timestamp)
            self._sources[packet.ssrc] = source
        return source

    def _count(self, source: _Source, packet: RtpPacket) -> None:
        step = (packet.sequence - source.highest_sequence) % SEQUENCE_MODULO
        if step > SEQUENCE_MODULO // 2:
            step -= SEQUENCE_MODULO  # late, or twice
        if abs(step) > _SEQUENCE_JUMP_MAX:
            # The source restarted: what was lost before is kept in the difference.
            lost = source.lost
            source.highest_sequence = packet.sequence
            source.first_sequence = packet.sequence - source.packets - lost
        else:
            source.highest_sequence += max(0, step)
        source.packets += 1

    def _hold(self, source: _Source, packet: RtpPacket) -> None:
        payload = packet.payload
        source.audio_bytes += len(payload)
        position = (packet.timestamp - source.start_timestamp) % TIMESTAMP_MODULO
        if position > TIMESTAMP_MODULO // 2:
            return  # older than all that is held
        held = source.held
        gap = position - len(held)
        if gap > _GAP_SAMPLES_MAX:
            held.clear()
            source.start_timestamp = packet.timestamp
            position = 0
        elif gap > 0:
            held.extend(silence(self._codec) * gap)
        held[position : position + len(payload)] = payload
        if len(held) > _HELD_BYTES_MAX:
            surplus = len(held) - IDENTIFY_SAMPLES_MAX
            del held[:surplus]
            source.start_timestamp = (source.start_timestamp + surplus) % TIMESTAMP_MODULO

    def _take_key(self, source: _Source, packet: RtpPacket) -> None:
        event = parse_key(packet.payload)
        if event is None or packet.timestamp in source.key_timestamps:
            return
        # The many packets of one key share its timestamp; the first that comes counts.
        if len(self._keys) < KEYS_MAX:
            source.key_timestamps.add(packet.timestamp)
            self._keys.append(event.key)
