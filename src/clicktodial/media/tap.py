"""What is heard in the packets of one side: keys, and who answered. RTP in, Heard out.

Theory of operation. A relay feeds the packets of a side as they come, with the time. Keys are told
as they are pressed. For the verdict the payloads are decoded and put one after the other by their
timestamps, for a packet says when it was spoken and not only when it came: what is missing between
two is silence, and what came too late is left out. A phone may send nothing at all, while it hears
silence or for ever; then time alone tells of silence, in steps of STALL_S, and whatever the next
timestamp says was missing has been told already by so much.
"""

from typing import Protocol

import numpy as np

from clicktodial.audio.g722 import NARROWBAND_HZ, G722Decoder
from clicktodial.audio.opus import CLOCK_HZ, PREROLL_SAMPLES_MIN, OpusDecoder, packet_samples
from clicktodial.control.port import AnswerJudged, DigitHeard, Heard
from clicktodial.domain.media import G722, OPUS, PCMA, PCMU, Codec, MediaDescription
from clicktodial.media.answer_detection import AnswerDetector
from clicktodial.media.dtmf import KeyDetector
from clicktodial.media.g711 import SAMPLE_RATE_HZ, Pcm, decode_g711
from clicktodial.media.rtp import RtpPacket, parse_rtp

# No phone's packets are further apart while somebody speaks: 200 ms at most, and jitter.
STALL_S = 0.25
# A timestamp that is further off than this tells of nothing but a new beginning.
JUMP_SECONDS_MAX = 2.0
# 200 ms of G.711, and more than fits an Ethernet frame.
PAYLOAD_BYTES_MAX = 1_600

# 200 ms: each run of Opus costs as much again for what goes before it.
_OPUS_RUN_PACKETS = 10
_STATIC_CODECS = (PCMA, PCMU, G722)
_NOTHING: Pcm = np.zeros(0, dtype=np.int16)


class _Decoder(Protocol):
    """Of one codec, to samples of 8 kHz; it may keep some back until `flush`."""

    def decode(self, payload: bytes) -> Pcm: ...

    def flush(self) -> Pcm: ...

    def measure(self, payload: bytes) -> int:
        """How long it plays, in samples of 8 kHz."""


class Tap:
    """Listens to one side. `media` is what that side answered; times are monotonic seconds."""

    def __init__(self, media: MediaDescription, *, judges_answer: bool, now: float) -> None:
        self._keys: KeyDetector | None = None
        self._codecs: dict[int, Codec] = {}
        self._detector = AnswerDetector() if judges_answer else None
        self._decoder: tuple[str, _Decoder] = ("", _NullDecoder())
        self._stream: tuple[int, int] | None = None
        self._expected = 0
        self._told_samples = 0
        self._heard_until = now
        self.change_media(media)

    def change_media(self, media: MediaDescription) -> None:
        """What the side sends is as described from now on."""
        self._codecs = {codec.payload_type: codec for codec in (*_STATIC_CODECS, *media.codecs)}
        if media.dtmf is None:
            self._keys = None
        elif self._keys is None or self._keys.payload_type != media.dtmf.payload_type:
            self._keys = KeyDetector(media.dtmf.payload_type)

    def receive(self, data: bytes, now: float) -> list[Heard]:
        """Take a datagram, which may be anything."""
        packet = parse_rtp(data)
        if packet is None:
            return []
        key = None if self._keys is None else self._keys.receive(packet)
        if key is not None:
            return [DigitHeard(key)]
        codec = self._codecs.get(packet.payload_type)
        if self._detector is None or codec is None:
            return []
        if not 1 <= len(packet.payload) <= PAYLOAD_BYTES_MAX:
            return []
        return self._listen(self._detector, packet, codec, now)

    def next_deadline(self) -> float | None:
        """When `handle_timeout` is due, or None."""
        return None if self._detector is None else self._heard_until + STALL_S

    def handle_timeout(self, now: float) -> list[Heard]:
        """Take note that time passed."""
        if self._detector is None or now < self._heard_until + STALL_S:
            return []
        # A machine that slept for long has not heard minutes of silence.
        seconds = min(now - self._heard_until, JUMP_SECONDS_MAX)
        self._heard_until = now
        count = round(seconds * SAMPLE_RATE_HZ)
        self._told_samples += count
        return self._judge(self._detector, self._flush_and_wait(count))

    def _listen(
        self, detector: AnswerDetector, packet: RtpPacket, codec: Codec, now: float
    ) -> list[Heard]:
        is_same = self._decoder[0] == codec.name
        decoder = self._decoder[1] if is_same else _create_decoder(codec)
        duration = decoder.measure(packet.payload) * codec.clock_rate // SAMPLE_RATE_HZ
        # What plays for no time is no sign that anybody speaks: time goes on without it.
        missing = self._find_missing(packet, codec) if duration else None
        if missing is None:
            return []
        self._heard_until = now
        before = self._flush_and_wait(missing) if missing else _NOTHING
        if not is_same:
            before = np.concatenate([self._flush_and_wait(0), before])
            self._decoder = codec.name, decoder
        self._expected = (packet.timestamp + duration) % 2**32
        return self._judge(detector, np.concatenate([before, decoder.decode(packet.payload)]))

    def _flush_and_wait(self, count: int) -> Pcm:
        """What was kept back, and so much silence."""
        return np.concatenate([self._decoder[1].flush(), np.zeros(count, dtype=np.int16)])

    def _find_missing(self, packet: RtpPacket, codec: Codec) -> int | None:
        """How many samples of silence lie before the packet; None where it came too late."""
        told, self._told_samples = self._told_samples, 0
        stream = (packet.ssrc, packet.payload_type)
        if self._stream != stream:
            self._stream = stream
            return 0
        ahead = (packet.timestamp - self._expected + 2**31) % 2**32 - 2**31
        seconds = ahead / codec.clock_rate
        if abs(seconds) > JUMP_SECONDS_MAX:
            return 0
        if ahead < 0:
            self._told_samples = told
            return None
        return max(0, round(seconds * SAMPLE_RATE_HZ) - told)

    def _judge(self, detector: AnswerDetector, pcm: Pcm) -> list[Heard]:
        verdict = detector.receive(pcm)
        if verdict is None:
            return []
        self._detector = None
        return [AnswerJudged(verdict)]


class _NullDecoder:
    """Of a codec that is none of ours."""

    def decode(self, payload: bytes) -> Pcm:
        return _NOTHING

    def flush(self) -> Pcm:
        return _NOTHING

    def measure(self, payload: bytes) -> int:
        return 0


class _G711Decoder(_NullDecoder):
    def __init__(self, codec_name: str) -> None:
        self._table = decode_g711(bytes(range(256)), codec_name)

    def decode(self, payload: bytes) -> Pcm:
        return self._table[np.frombuffer(payload, dtype=np.uint8)]

    def measure(self, payload: bytes) -> int:
        return len(payload)


class _G722Decoder(_NullDecoder):
    def __init__(self) -> None:
        self._decoder = G722Decoder(NARROWBAND_HZ)

    def decode(self, payload: bytes) -> Pcm:
        return self._decoder.decode([payload])

    def measure(self, payload: bytes) -> int:
        return len(payload)


class _OpusDecoder:
    """Decodes some packets at a time."""

    def __init__(self) -> None:
        self._decoder = OpusDecoder(NARROWBAND_HZ, PREROLL_SAMPLES_MIN)
        self._kept: list[bytes] = []

    def decode(self, payload: bytes) -> Pcm:
        self._kept.append(payload)
        return self.flush() if len(self._kept) >= _OPUS_RUN_PACKETS else _NOTHING

    def flush(self) -> Pcm:
        kept, self._kept = self._kept, []
        return self._decoder.decode(kept) if kept else _NOTHING

    def measure(self, payload: bytes) -> int:
        return packet_samples(payload) * SAMPLE_RATE_HZ // CLOCK_HZ


def _create_decoder(codec: Codec) -> _Decoder:
    if codec.name == G722.name:
        return _G722Decoder()
    if codec.name == OPUS.name:
        return _OpusDecoder()
    if codec.name in (PCMA.name, PCMU.name):
        return _G711Decoder(codec.name)
    return _NullDecoder()
